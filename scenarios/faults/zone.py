"""One zone goes dark: frozen, killed, or cut from the network."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from clusters.cluster import CutsNetwork
from clusters.ring.host import Host
from clusters.ring.ring import Datacenter
from scenarios.faults.seen import await_answers, await_silence, witnesses
from scenarios.run import Run

How = Literal["frozen", "killed", "cut"]


@dataclass
class ZoneLoss:
    """Everything in one zone of one datacenter's cluster stops answering everybody else.

    `frozen`: SIGSTOP, sockets stay open and silent. `killed`: SIGKILL, kept down until recovery. `cut`: processes
    run, the network drops what comes from and goes to the zone.
    """

    datacenter: Datacenter
    zone: str
    how: How
    _acts: list[int] = field(default_factory=list)
    _addresses: list[str] = field(default_factory=list)

    @property
    def name(self) -> str:
        """As reports call it."""
        return f"zone loss {self.datacenter.cluster.name}/{self.zone} ({self.how})"

    @property
    def hosts(self) -> tuple[Host, ...]:
        """The hosts that it takes away."""
        return self.datacenter.in_zone(self.zone)

    def precheck(self, run: Run) -> None:
        """LookupError when no host lives there."""
        if not self.hosts:
            raise LookupError(f"no host lives in zone {self.zone} of {self.datacenter.name}")
        self._addresses = [host.address for host in self.hosts]

    @property
    def moved(self) -> bool:
        """Whether one of its hosts has another address than before: a restarted node may give its pods new ones."""
        return self._addresses != [host.address for host in self.hosts]

    def inject(self, run: Run) -> None:
        """Stop the zone."""
        cluster = self.datacenter.cluster
        if self.how == "cut":
            assert isinstance(cluster, CutsNetwork)
            for net, rule in cluster.zone_cut(self.zone):
                self._acts.append(run.acts.add_rule(net, rule))
            return
        if self.how == "killed":
            run.expected_exits.update(host.spec.pod for host in self.hosts)
        verb = "freeze" if self.how == "frozen" else "kill"
        self._acts = [run.acts.stop_zone(cluster.name, self.zone, verb)]

    def await_effect(self, run: Run) -> str:
        """Nobody of the zone answers the clients of either cluster."""
        return await_silence(run.ring, self.hosts, witnesses(run.ring))

    def recover(self, run: Run) -> None:
        """Let the zone run and be reached again."""
        for number in reversed(self._acts):
            run.acts.undo(number)

    def await_recovery(self, run: Run) -> str:
        """Everybody of the zone answers as itself."""
        limit = run.ring.limits.restart
        return await_answers(run.ring, self.hosts, witnesses(run.ring), limit.seconds * 2)
