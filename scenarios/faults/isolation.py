"""One zone is cut from every other host, while clients still reach it: the place where stale reads live."""

from __future__ import annotations

from dataclasses import dataclass, field

from clusters.cluster import CutsNetwork
from clusters.errors import FaultIneffective
from clusters.ring.config import CQL_PORT
from clusters.ring.ring import Datacenter
from scenarios.faults.seen import await_answers, witnesses
from scenarios.reaching import answers
from scenarios.run import Run


@dataclass
class ZoneIsolation:
    """Hosts of one zone and all other hosts do not hear each other; the cluster's client pod reaches both sides."""

    datacenter: Datacenter
    zone: str
    _acts: list[int] = field(default_factory=list)

    @property
    def name(self) -> str:
        """As reports call it."""
        return f"zone {self.datacenter.cluster.name}/{self.zone} isolated from other hosts"

    def precheck(self, run: Run) -> None:
        """LookupError when no host lives there."""
        if not self.datacenter.in_zone(self.zone):
            raise LookupError(f"no host lives in zone {self.zone} of {self.datacenter.name}")

    def inject(self, run: Run) -> None:
        """Drop what goes between the zone's nodes and any other node of any cluster, but those of clients."""
        cluster = self.datacenter.cluster
        assert isinstance(cluster, CutsNetwork)
        for net, rule in cluster.isolation(self.zone):
            self._acts.append(run.acts.add_rule(net, rule))

    def await_effect(self, run: Run) -> str:
        """Another host does not reach the zone's host, the client does."""
        inside = self.datacenter.in_zone(self.zone)[0]
        other = next(host for host in self.datacenter.hosts if host.spec.rack != self.zone)
        if answers(other.pod, inside.address, CQL_PORT, 1.0)["ok"]:
            raise FaultIneffective(f"{other.spec.who} still reaches {inside.spec.who}")
        client = run.ring.clusters.cluster(self.datacenter.cluster.name).pod("client")
        if not answers(client, inside.address, CQL_PORT)["ok"]:
            raise FaultIneffective(f"the client does not reach {inside.spec.who}, so this is no isolation but a loss")
        return f"{other.spec.who} did not reach {inside.spec.who}, the client did"

    def recover(self, run: Run) -> None:
        """Remove the rules."""
        for number in reversed(self._acts):
            run.acts.undo(number)

    def await_recovery(self, run: Run) -> str:
        """The zone's hosts answer the clients of both clusters again."""
        hosts = self.datacenter.in_zone(self.zone)
        return await_answers(run.ring, hosts, witnesses(run.ring), run.ring.limits.reconnect.seconds)
