"""A pod is killed and comes back on its volume with another address."""

from __future__ import annotations

from dataclasses import dataclass

from clusters.cluster import PinsPodAddress, PodState, ReschedulesPods
from clusters.errors import FaultIneffective
from clusters.ring.config import CQL_PORT
from clusters.ring.host import Host
from scenarios.faults.seen import await_answers, witnesses
from scenarios.reaching import answers
from scenarios.run import Run


@dataclass
class PodReschedule:
    """SIGKILL, then a new pod with a new UID on the old volume; at a fresh address, or exactly at `address`."""

    host: Host
    address: str | None = None
    old: PodState | None = None
    new: PodState | None = None

    @property
    def name(self) -> str:
        """As reports call it."""
        return f"pod reschedule {self.host.spec.who}"

    def precheck(self, run: Run) -> None:
        """Remember who it is now."""
        self.old = self.host.pod.state()

    def inject(self, run: Run) -> None:
        """Kill and replace."""
        run.expected_exits.add(self.host.spec.pod)
        cluster = self.host.cluster
        if self.address is not None:
            assert isinstance(cluster, PinsPodAddress)
            self.new = cluster.reschedule_at(self.host.spec.pod, self.address)
        else:
            assert isinstance(cluster, ReschedulesPods)
            self.new = cluster.reschedule(self.host.spec.pod)

    def await_effect(self, run: Run) -> str:
        """Another UID at another address, and nobody at the old one."""
        assert self.old is not None
        assert self.new is not None
        if self.new.uid == self.old.uid or self.new.address == self.old.address:
            raise FaultIneffective(f"{self.host.spec.who} still is {self.old.uid} at {self.old.address}")
        for pod in witnesses(run.ring):
            result = answers(pod, self.old.address, CQL_PORT, 0.5)
            if result["ok"]:
                raise FaultIneffective(f"{self.old.address} still answers as {result['answered']}")
        return f"UID {self.old.uid[:8]} at {self.old.address} became {self.new.uid[:8]} at {self.new.address}"

    def recover(self, run: Run) -> None:
        """Nothing to undo: the pod's own start is the recovery."""

    def await_recovery(self, run: Run) -> str:
        """It answers as itself at its new address."""
        return await_answers(run.ring, [self.host], witnesses(run.ring), run.ring.limits.restart.seconds * 2)
