"""What makes clusters live: each provider by its name, loaded when it is asked for.

Nothing outside a provider imports it; this registry is the one way in.
"""

from __future__ import annotations

import pkgutil
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Protocol, cast

from clusters.cluster import ClusterSet
from clusters.errors import UsageError
from clusters.topology import RingSpec, Topology

Progress = Callable[[int, int, str], None]
Tell = Callable[[str, Mapping[str, Any]], None]

LAB = "lab"
KIND = "kind"
PROVIDERS = {LAB: "clusters.lab.provider:PROVIDER", KIND: "clusters.kind.provider:PROVIDER"}
"""Name to the place of an object that is a Provider."""


class Lifeline(Protocol):
    """Clusters that this process started: they live while it lives and this is open."""

    def close(self) -> None:
        """End the clusters and see them end; CleanupFailed when something had to be forced. Twice is once."""


class Provider(Protocol):
    """Makes topologies live."""

    @property
    def name(self) -> str:
        """As the user asks for it, and as bundles call it."""

    def require(self, *topologies: Topology) -> None:
        """Return when this machine can carry clusters of each topology, of every named one with a ring without any.

        EnvironmentUnfit says what it lacks, and the fix, in the sentence that doctor shows.
        """

    def prepare(self, ring: RingSpec, progress: Progress, tell: Tell) -> None:
        """Whatever hosts of such a ring need on this machine is fetched or made when this returns.

        ArtifactMissing or EnvironmentUnfit when it cannot be had. ``tell`` hears of it: `java`, `warning`
        (docs/formats.md, events of a run); ``progress`` of each file: bytes so far, bytes in all, name.
        """

    def start(self, topology: Topology, name: str, folder: Path) -> Lifeline:
        """Clusters, the network between them, DNS and client pods of a topology are up when this returns; no host is.

        ``name`` is unique on this machine while they live; everything external carries it. ``folder`` receives, while
        they live, what pods say (`hosts/<pod>/`), every change of a pod's state (`pods.jsonl`, docs/formats.md) and
        what went wrong. ProvisionFailed, also for a name that is taken; whatever error surfaces, nothing is left.
        """

    def sweep(self) -> Iterator[str]:
        """Remove what dead processes left of such clusters, and nothing else; says each thing that was done."""

    def living(self) -> list[str]:
        """Names of the sets of clusters of this machine that belong to somebody who is alive; a sweep leaves them."""

    def attach(self, topology: Topology, name: str) -> ClusterSet:
        """The clusters of that name, which any process of the same user may use until it closes the answer.

        Nothing is asked of them yet: whether they stand is for `alive` to say, and every act raises ClustersGone.
        """


def provider(name: str) -> Provider:
    """The provider of that name; UsageError when there is none."""
    if name not in PROVIDERS:
        raise UsageError(f"no provider is called {name}; known: {', '.join(PROVIDERS)}")
    return cast("Provider", pkgutil.resolve_name(PROVIDERS[name]))
