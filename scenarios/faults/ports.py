"""One port of one host is blocked for all others: the control that a reachability matrix must find."""

from __future__ import annotations

from dataclasses import dataclass, field

from clusters.errors import FaultIneffective
from clusters.network import CUT_PRIORITY, Rule
from clusters.ring.host import Host
from scenarios.reaching import answers
from scenarios.run import Run


@dataclass
class PortBlocked:
    """Every other host's packets to one port of `target` are refused in the sender's own namespace."""

    target: Host
    port: int
    _acts: list[int] = field(default_factory=list)

    @property
    def name(self) -> str:
        """As reports call it."""
        return f"port {self.port} of {self.target.spec.who} blocked"

    def precheck(self, run: Run) -> None:
        """Nothing: the matrix before it is the check."""

    def inject(self, run: Run) -> None:
        """One rule in each sender's namespace."""
        address = self.target.address
        rule = Rule(CUT_PRIORITY, "prohibit", destination=f"{address}/32", protocol="tcp", port=self.port)
        for host in run.ring.hosts:
            if host is not self.target:
                self._acts.append(run.acts.add_rule(host.pod.net, rule))

    def await_effect(self, run: Run) -> str:
        """A new connection to the port is refused from another host."""
        asker = next(host for host in run.ring.hosts if host is not self.target)
        result = answers(asker.pod, self.target.address, self.port)
        if result["ok"]:
            raise FaultIneffective(f"{asker.spec.who} still reaches port {self.port} of {self.target.spec.who}")
        return f"{asker.spec.who} was refused: {result['error']}"

    def recover(self, run: Run) -> None:
        """Remove the rules."""
        for number in reversed(self._acts):
            run.acts.undo(number)

    def await_recovery(self, run: Run) -> str:
        """The connection works again."""
        asker = next(host for host in run.ring.hosts if host is not self.target)
        result = answers(asker.pod, self.target.address, self.port)
        if not result["ok"]:
            raise FaultIneffective(f"{asker.spec.who} does not reach port {self.port}: {result['error']}")
        return f"{asker.spec.who} reaches port {self.port} of {self.target.spec.who}"
