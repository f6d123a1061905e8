"""The live ring: its hosts, what each of them sees, and convergence as named conditions."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from clusters.cluster import Cluster, ClusterSet
from clusters.ring.config import HostSpec, HostStart, declare_hosts
from clusters.ring.host import Host, View
from clusters.ring.limits import Limits
from clusters.topology import Topology
from clusters.waiting import until

TOLERATED = (ConnectionError, TimeoutError, OSError)


@dataclass(frozen=True, slots=True)
class Datacenter:
    """One datacenter of a live ring."""

    name: str
    cluster: Cluster
    hosts: tuple[Host, ...]
    replication_factor: int

    @property
    def zones(self) -> tuple[str, ...]:
        """Its racks, which are its cluster's zones, in declared order."""
        return tuple(dict.fromkeys(host.spec.rack for host in self.hosts))

    def in_zone(self, zone: str) -> tuple[Host, ...]:
        """The hosts of one rack."""
        return tuple(host for host in self.hosts if host.spec.rack == zone)


@dataclass
class Ring:
    """A formed ring on live clusters."""

    topology: Topology
    clusters: ClusterSet
    cluster_name: str
    folder: Path
    datacenters: tuple[Datacenter, ...]
    limits: Limits
    seeds: tuple[str, ...]
    ran: list[str] = field(default_factory=list)

    @property
    def hosts(self) -> list[Host]:
        """All hosts, datacenter by datacenter."""
        return [host for datacenter in self.datacenters for host in datacenter.hosts]

    def datacenter(self, name: str) -> Datacenter:
        """The datacenter of that name."""
        return next(datacenter for datacenter in self.datacenters if datacenter.name == name)

    def host(self, who: str) -> Host:
        """The host in the pod of that name."""
        return next(host for host in self.hosts if host.spec.who == who)

    def start_of(self, spec: HostSpec, seeds: Sequence[str]) -> HostStart:
        """How to start a host beside the ring that takes the ring's cluster_name for its own, with these seeds."""
        return HostStart(self.topology, spec, self.cluster_name, tuple(seeds))

    def each(self, ask: Callable[[Host], Any], hosts: list[Host] | None = None) -> list[Any]:
        """Ask several hosts at once; the answers in the order of the hosts, an error as itself."""
        asked = self.hosts if hosts is None else hosts

        def guarded(host: Host) -> Any:
            try:
                return ask(host)
            except TOLERATED as error:
                return error

        with ThreadPoolExecutor(max(1, len(asked))) as pool:
            return list(pool.map(guarded, asked))

    def views(self, hosts: list[Host] | None = None) -> list[View | Exception]:
        """Every host's own view, or the error with which it did not answer."""
        return self.each(lambda host: host.view(), hosts)

    def addresses(self) -> dict[str, str]:
        """Pod name to present address of every host, "" of one whose pod has none now or is not there."""
        found: dict[str, str] = {}
        for cluster in self.clusters.clusters:
            found |= {state.name: state.address for state in cluster.states()}
        return {host.spec.who: found.get(host.spec.who, "") for host in self.hosts}

    def disagreement(self) -> str | None:
        """None when every host sees every host, once, at its present address, up, under one schema; else a first lack.

        Readiness by port does not see a ring that split; this does.
        """
        wanted = self.addresses()
        schemas: set[str] = set()
        for host, view in zip(self.hosts, self.views(), strict=True):
            if isinstance(view, Exception):
                return f"{host.spec.who} does not answer: {view}"
            lack = self._lack_of(host, view, wanted)
            if lack is not None:
                return f"{host.spec.who} {lack}"
            schemas.add(view.schema)
        return None if len(schemas) == 1 else f"{len(schemas)} schema versions"

    def _lack_of(self, host: Host, view: View, wanted: dict[str, str]) -> str | None:
        if host.host_id and view.host_id != host.host_id:
            return f"is {view.host_id}, it was {host.host_id}"
        rows = 1 + len(view.peers)
        if len(view.addresses) != len(self.hosts) or rows != len(self.hosts):
            return f"knows {len(view.addresses)} of {len(self.hosts)} hosts in {rows} rows"
        known = {host.host_id: wanted[host.spec.who] for host in self.hosts if host.host_id}
        if sorted(view.addresses.values()) != sorted(wanted.values()) or not known.items() <= view.addresses.items():
            return f"holds addresses {sorted(view.addresses.items())}"
        return f"holds {len(view.down)} hosts for down" if view.down else None

    @staticmethod
    def timed(work: Callable[[], Any]) -> float:
        """Seconds that `work` took."""
        started = time.monotonic()
        work()
        return time.monotonic() - started

    def await_agreement(self, timeout: float) -> float:
        """Wait until every host agrees with every other; seconds that it took. WaitTimeout shows the last lack."""
        condition = Condition(self.disagreement)
        what = "every host sees every host up at its address"
        return self.timed(lambda: until(what, condition, timeout=timeout, every=0.2))

    def hints(self) -> dict[str, int]:
        """Hint files that wait, by the host_id they are for, over all hosts that answer."""
        total: dict[str, int] = {}
        for view in self.views():
            if not isinstance(view, Exception):
                for host_id, files in view.hints.items():
                    total[host_id] = total.get(host_id, 0) + files
        return total

    def await_batches_played(self, timeout: float) -> float:
        """Wait until no host keeps a logged batch; seconds that it took."""

        def lack() -> str | None:
            for host, kept in zip(self.hosts, self.each(lambda host: host.count_batches()), strict=True):
                if isinstance(kept, Exception):
                    return f"{host.spec.who} does not answer: {kept}"
                if kept:
                    return f"{host.spec.who} keeps {kept} batches"
            return None

        return self.timed(lambda: until("no batch waits", Condition(lack), timeout=timeout, every=0.3))

    def await_hints_drained(self, timeout: float) -> float:
        """Wait until no host holds hints for another; seconds that it took."""

        def lack() -> str | None:
            left = self.hints()
            return f"hints wait for {left}" if left else None

        return self.timed(lambda: until("no hints wait", Condition(lack), timeout=timeout, every=0.3))


class Condition:
    """Turns "the first lack, or None" into a probe for waiting.until that keeps the last lack for the error."""

    def __init__(self, lack: Callable[[], str | None]) -> None:
        self._lack = lack
        self.last: str | None = None

    def __call__(self) -> bool | None:
        """True when nothing is lacking."""
        self.last = self._lack()
        return True if self.last is None else None


def bind_datacenters(topology: Topology, clusters: ClusterSet) -> tuple[Datacenter, ...]:
    """The declared datacenters and their hosts, tied to the clusters that their pods live in."""
    hosts = [Host(spec, clusters.cluster(spec.cluster)) for spec in declare_hosts(topology)]
    return tuple(
        Datacenter(
            declared.name,
            clusters.cluster(declared.cluster),
            tuple(host for host in hosts if host.spec.datacenter == declared.name),
            declared.replication_factor,
        )
        for declared in topology.formed_ring.datacenters
    )
