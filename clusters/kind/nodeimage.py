"""The node image: what kind's nodes are made from, and what is inside, as its own labels say."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath

from clusters.errors import EnvironmentUnfit

LABEL = "ringproof."
"""Prefix of the labels of a node image that was built from packages."""
PULLED = "pulled"
"""Value of the label `ringproof.node` of an image on kind's own; one from packages says `built`."""


@dataclass(frozen=True, slots=True)
class NodeImage:
    """A node image. ``stock`` is one of kind's own, which brings its pod network (kindnet) with it.

    ``flannel`` and ``cassandra`` are names of images inside; ``java``, ``jars`` and ``python`` are paths in the latter.
    """

    name: str
    flannel: str
    cassandra: str
    java: PurePosixPath
    java_major: int
    jars: PurePosixPath
    python: str
    etcd_tag: str
    coredns_tag: str
    stock: bool = False

    @classmethod
    def read(cls, name: str, labels: Mapping[str, str]) -> NodeImage:
        """From the image's labels; EnvironmentUnfit when neither `images build` nor `images pull` made it."""
        try:
            stock = labels[f"{LABEL}node"] == PULLED
            return cls(
                name,
                "" if stock else labels[f"{LABEL}image.flannel"],
                labels[f"{LABEL}image.cassandra"],
                PurePosixPath(labels[f"{LABEL}java"]),
                int(labels[f"{LABEL}java.major"]),
                PurePosixPath(labels[f"{LABEL}jars"]),
                labels.get(f"{LABEL}python", "python3"),
                labels.get(f"{LABEL}etcd", ""),
                labels.get(f"{LABEL}coredns", ""),
                stock=stock,
            )
        except (LookupError, ValueError) as error:
            raise EnvironmentUnfit(
                f"image {name} does not say what is in it ({error}); make it with: ringproof images build"
            ) from error
