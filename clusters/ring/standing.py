"""A ring that stands: formed once per topology, lent to one scenario after another, rebuilt when found unclean."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from clusters.cluster import ClusterSet, FaultsDns, ResetsInPlace
from clusters.errors import ClustersGone, ClustersRefused, WaitTimeout
from clusters.journal import Journal
from clusters.providers import LAB, Lifeline, provider
from clusters.ring.formation import form
from clusters.ring.resetting import JOURNAL, emptied, put_aside
from clusters.ring.ring import Ring
from clusters.room import making
from clusters.topology import Topology
from clusters.turns import machine_turn

Step = Callable[[str], None]
CLEAN_SECONDS = 30.0
"""A ring that a scenario left agrees at once; this covers gossip rounds that are still under way."""
HEAP_TABLES = 150
"""Tables above which a 192 MB host is rebuilt: each table costs about 1 MB of heap (Cassandra's own warning at 150,
table_count_warn_threshold), four per scenario."""


def snapshot(ring: Ring) -> dict[str, list[str]]:
    """Every rule of ours, every route between clusters and every DNS override, sorted, by where it is.

    Routes of gateways and nodes are left out: they follow the addresses of pods, which scenarios may change.
    """
    clusters = ring.clusters
    nets = {net.space: net for net in clusters.networks()}
    nets |= {host.spec.who: clusters.cluster(host.spec.cluster).pod(host.spec.pod).net for host in ring.hosts}
    found = {f"rules of {name}": sorted(str(rule) for rule in net.rules()) for name, net in nets.items()}
    found["routes of the router"] = sorted(str(route) for route in clusters.router.routes())
    for cluster in clusters.clusters:
        if isinstance(cluster, FaultsDns):
            found[f"DNS overrides of {cluster.name}"] = sorted(str(rule["id"]) for rule in cluster.dns_rules())
    return found


class StandingRing:
    """The clusters and the ring of one topology, while this process lives.

    ``resets`` are the reasons for which a ring was given up and its clusters were kept, ``rebuilt`` those for which
    clusters were made anew.
    """

    def __init__(
        self, topology: Topology, folder: Path, run_id: str, step: Step = lambda _text: None, made_by: str = LAB
    ) -> None:
        self.topology = topology
        self.provider = made_by
        self.folder = folder
        self.run_id = run_id
        self.step = step
        self.rebuilt: list[str] = []
        self.resets: list[str] = []
        self._handle: Lifeline | None = None
        self._ring: Ring | None = None
        self._clusters: ClusterSet | None = None
        self._rules: dict[str, list[str]] = {}

    @property
    def set_name(self) -> str:
        """The name under which the clusters are attached."""
        return f"{self.run_id}/{self.topology.name}/{len(self.rebuilt)}"

    def ring(self) -> Ring:
        """A clean ring: the standing one, or a new one after the reason was told."""
        if self._ring is not None:
            reason = self.unclean(self._ring)
            if reason is None:
                return self._ring
            self.step(f"ring of {self.topology.name} is not clean: {reason}; rebuilding it")
            if not self._reset(reason):
                self.rebuilt.append(reason)
                self.close()
        return self._form()

    def _reset(self, reason: str) -> bool:
        """Whether the clusters stand and have no ring any more; else they are told unclean, and to be given up."""
        clusters = self._clusters
        if clusters is None or not isinstance(clusters, ResetsInPlace):
            return False
        with machine_turn(self.step):
            dirt = emptied(clusters, self._place(), self.step)
        if dirt:
            self.step(f"clusters of {self.topology.name} are quarantined, new ones are made: {'; '.join(dirt)}")
            return False
        self.resets.append(reason)
        put_aside(clusters, self._place(), len(self.resets))
        self._ring = None
        self.step(f"clusters of {self.topology.name} are clean again")
        return True

    def clusters(self) -> ClusterSet:
        """Clusters without a ring, for topologies that declare none."""
        makes = provider(self.provider)
        self._handle = makes.start(self.topology, self.set_name, self._place())
        self._clusters = makes.attach(self.topology, self.set_name)
        return self._clusters

    def _place(self) -> Path:
        return self.folder if not self.rebuilt else self.folder / f"rebuilt-{len(self.rebuilt)}"

    def _cluster_name(self) -> str:
        """Another one after each reset: no host that lived on unseen could join the next ring."""
        number = f"-{len(self.resets)}" if self.resets else ""
        return f"rp-{self.run_id}-{self.topology.name}{number}"

    def _form(self) -> Ring:
        try:
            if self._clusters is None:
                with making(self.topology, self.provider, self.step), machine_turn(self.step):
                    clusters = self.clusters()
                    self.step(f"clusters of {self.topology.name} are up")
                    self._ring = form(clusters, self._place(), self._cluster_name(), self.step)
            else:  # reset in place: they hold their memory already
                with machine_turn(self.step):
                    self._ring = form(self._clusters, self._place(), self._cluster_name(), self.step)
            self._rules = snapshot(self._ring)
        except BaseException:
            self.close()  # the next call starts anew, under the same name
            raise
        return self._ring

    def unclean(self, ring: Ring) -> str | None:
        """None when every host finds the ring as it was formed, else what is different."""
        try:
            if Journal(ring.folder / JOURNAL).open():
                return "the journal has open entries"
            for place, now in snapshot(ring).items():
                formed = self._rules.get(place, [])
                if now != formed:
                    return f"{place}: {now} instead of {formed} as it was formed"
            ring.await_agreement(CLEAN_SECONDS)
            ring.await_hints_drained(ring.limits.hints.seconds)
            # not waited for: the quarantine of a released address is longer than a new ring takes
            return self._stale_gossip(ring) or self._too_many_tables(ring)
        except (WaitTimeout, ClustersRefused, ClustersGone, OSError) as error:
            return str(error)

    @staticmethod
    def _stale_gossip(ring: Ring) -> str | None:
        present = set(ring.addresses().values())
        for host, known in zip(ring.hosts, ring.each(lambda host: host.gossip_addresses()), strict=True):
            if isinstance(known, Exception):
                return f"{host.spec.who}: {known}"
            if set(known) - present:
                return f"{host.spec.who} still gossips about {sorted(set(known) - present)}"
        return None

    @staticmethod
    def _too_many_tables(ring: Ring) -> str | None:
        counts = ring.each(lambda host: host.count_tables(), ring.hosts[:1])
        return f"{counts[0]} tables" if isinstance(counts[0], Exception) or counts[0] > HEAP_TABLES else None

    def close(self) -> None:
        """End the clusters and everything in them."""
        self._ring = None
        if self._clusters is not None:
            self._clusters.close()
            self._clusters = None
        handle, self._handle = self._handle, None
        if handle is not None:
            handle.close()

    def __enter__(self) -> StandingRing:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
