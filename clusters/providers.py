"""What makes clusters live: each provider by its name, loaded when it is asked for.

Nothing outside a provider imports it; this registry is the one way in.
"""

from __future__ import annotations

import pkgutil
from pathlib import Path
from typing import Protocol, cast

from clusters.cluster import ClusterSet
from clusters.errors import UsageError
from clusters.topology import Topology

LAB = "lab"
PROVIDERS = {LAB: "clusters.lab.provider:PROVIDER"}
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

    def start(self, topology: Topology, name: str, folder: Path) -> Lifeline:
        """Clusters, the network between them, DNS and client pods of a topology are up when this returns; no host is.

        ``name`` is unique on this machine while they live; everything external carries it. ``folder`` receives, while
        they live, what pods say (`hosts/<pod>/`), every change of a pod's state (`pods.jsonl`, docs/formats.md) and
        what went wrong. ProvisionFailed, also for a name that is taken; whatever error surfaces, nothing is left.
        """

    def attach(self, topology: Topology, name: str) -> ClusterSet:
        """The clusters of that name, which any process of the same user may use until it closes the answer.

        Nothing is asked of them yet: whether they stand is for `alive` to say, and every act raises ClustersGone.
        """


def provider(name: str) -> Provider:
    """The provider of that name; UsageError when there is none."""
    if name not in PROVIDERS:
        raise UsageError(f"no provider is called {name}; known: {', '.join(PROVIDERS)}")
    return cast("Provider", pkgutil.resolve_name(PROVIDERS[name]))
