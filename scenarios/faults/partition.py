"""The path between two clusters is cut, in both directions or in one."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from functools import partial

from clusters.cluster import Cluster, CutsNetwork
from clusters.errors import FaultIneffective, WaitTimeout
from clusters.probe import PORT
from clusters.ring.ring import Condition, Ring
from clusters.waiting import until
from scenarios.reaching import answers_of
from scenarios.run import Run

HEARD_SECONDS = 5.0


@dataclass
class Partition:
    """Packets from one cluster to the other are dropped on the router between them; established connections too.

    `one_way` drops only what `source` sends to `target`.
    """

    source: Cluster
    target: Cluster
    one_way: bool = False
    _acts: list[int] = field(default_factory=list)

    @property
    def name(self) -> str:
        """As reports call it."""
        arrow = "->" if self.one_way else "|"
        return f"partition {self.source.name} {arrow} {self.target.name}"

    def precheck(self, run: Run) -> None:
        """FaultIneffective when the clusters do not reach each other before."""
        for sender, receiver in self._pairs():
            if not hears(sender, receiver):
                raise FaultIneffective(f"{receiver.name} did not hear {sender.name} before the cut")

    def inject(self, run: Run) -> None:
        """Add the rules of each direction."""
        directions = [(self.source, self.target)]
        if not self.one_way:
            directions.append((self.target, self.source))
        for sender, receiver in directions:
            assert isinstance(sender, CutsNetwork)
            for net, rule in sender.cut_towards(receiver.spec):
                self._acts.append(run.acts.add_rule(net, rule))

    def await_effect(self, run: Run) -> str:
        """A datagram in each cut direction is not heard, one in an open direction is, and no host is reached across."""
        if hears(self.source, self.target):
            raise FaultIneffective(f"{self.target.name} still hears {self.source.name}")
        back = hears(self.target, self.source)
        if back != self.one_way:
            verb = "does not hear" if self.one_way else "still hears"
            raise FaultIneffective(f"{self.source.name} {verb} {self.target.name}")
        reached = self._reached(run.ring)
        if reached:
            raise FaultIneffective(f"the cut leaks: {reached}")
        direction = f"{self.source.name} to {self.target.name}" + ("" if self.one_way else " and back")
        return f"datagrams from {direction} were not heard, no host was reached across, each side reached its own"

    def _reached(self, ring: Ring) -> str | None:
        """Who was reached across the cut, or who was not reached on its own side."""
        addresses = ring.addresses()
        for own in (self.source, self.target):
            asked = [addresses[host.spec.who] for host in ring.hosts]
            for host, answer in zip(ring.hosts, answers_of(own.pod("client"), asked, PORT, 1.0), strict=True):
                expected = host.spec.cluster == own.name
                if answer["ok"] != expected:
                    return f"client {own.name} {'missed' if expected else 'reached'} {host.spec.who}"
        return None

    def recover(self, run: Run) -> None:
        """Remove the rules."""
        for number in reversed(self._acts):
            run.acts.undo(number)

    def await_recovery(self, run: Run) -> str:
        """Both directions are heard again."""
        for sender, receiver in self._pairs():
            until("both directions open", Condition(partial(_deaf, sender, receiver)), timeout=HEARD_SECONDS * 2)
        return "datagrams in both directions were heard"

    def _pairs(self) -> list[tuple[Cluster, Cluster]]:
        return [(self.source, self.target), (self.target, self.source)]


def _deaf(sender: Cluster, receiver: Cluster) -> str | None:
    return None if hears(sender, receiver) else f"{receiver.name} does not hear {sender.name}"


def hears(sender: Cluster, receiver: Cluster) -> bool:
    """Whether a datagram from the one's client pod arrives at the other's within half a second."""
    word = uuid.uuid4().hex
    address = receiver.pod("client").state().address
    sender.pod("client").probe({"do": "cast", "address": address, "word": word}, HEARD_SECONDS)

    def arrived() -> bool:
        return word in receiver.pod("client").probe({"do": "heard"}, HEARD_SECONDS)["words"]

    try:
        return bool(until("datagram", arrived, timeout=0.5, every=0.05))
    except WaitTimeout:
        return False
