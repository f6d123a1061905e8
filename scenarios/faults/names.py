"""Names fail: what a cluster's DNS server says about some names is dropped, refused, denied or out of date."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from clusters.cluster import Cluster
from clusters.errors import FaultIneffective
from clusters.ring.host import Host
from scenarios.observers import longest_resolution
from scenarios.run import Run

Mode = Literal["dropped", "servfail", "nxdomain", "stale"]
ACTIONS = {"dropped": "drop", "servfail": "servfail", "nxdomain": "nxdomain", "stale": "answer"}
STALE_ADDRESS = "192.0.2.1"
"""Of TEST-NET-1 (RFC 5737): an address that nobody owns, as a released pod address is."""


@dataclass
class NamesFail:
    """The names of some hosts cannot be resolved in one cluster; every other name can.

    `dropped`: the cluster's own DNS server stays silent, so the C library waits out its timeouts. `servfail` and
    `nxdomain` are answered at once. `stale`: `address`, by default one that nobody owns any more.
    """

    cluster: Cluster
    hosts: Sequence[Host]
    mode: Mode
    address: str = STALE_ADDRESS
    _acts: list[int] = field(default_factory=list)

    @property
    def name(self) -> str:
        """As reports call it."""
        who = ", ".join(host.spec.who for host in self.hosts)
        return f"names of {who} {self.mode} in {self.cluster.name}"

    def precheck(self, run: Run) -> None:
        """LookupError when no name would fail."""
        if not self.hosts:
            raise LookupError("no host's name was chosen to fail")

    def inject(self, run: Run) -> None:
        """One rule per name in the cluster's DNS server."""
        for number, host in enumerate(self.hosts):
            rule: dict[str, Any] = {"match": host.spec.name, "action": ACTIONS[self.mode]}
            if self.mode == "stale":
                rule["address"] = self.address
            identity = f"{run.facts['faults'][-1]}-{number}"
            self._acts.append(run.acts.add_dns_rule(self.cluster.name, {"id": identity, **rule}))

    def await_effect(self, run: Run) -> str:
        """A pod of the cluster hears the failure for each of the names, and a right answer for each of the others."""
        failing = [host.spec.name for host in self.hosts]
        others = [host.spec.name for host in run.ring.hosts if host.spec.name not in failing]
        heard = self._ask([*failing, *others])
        timeout = self.cluster.spec.dns.resolver_timeout
        for name, answer in heard.items():
            if (name in failing) != fails_as(self.mode, answer, timeout, self.address):
                raise FaultIneffective(f"{self.cluster.name} hears {answer['rcode']} {answer['addresses']} for {name}")
        seconds = max(heard[name]["seconds"] for name in failing)
        return f"{len(failing)} names heard as {self.mode} after up to {seconds:.1f} s, {len(others)} others resolved"

    def _ask(self, names: Sequence[str]) -> dict[str, dict[str, Any]]:
        patience = longest_resolution(self.cluster.spec.dns) * 2
        # the final dot keeps the search list out: it would turn a SERVFAIL for the name into NXDOMAIN for a longer one
        dotted = [f"{name}." for name in names]
        answer = self.cluster.pod("client").probe({"do": "resolve", "names": dotted}, patience)
        return {result["name"].removesuffix("."): result for result in answer["results"]}

    def recover(self, run: Run) -> None:
        """Remove the rules."""
        for number in reversed(self._acts):
            run.acts.undo(number)

    def await_recovery(self, run: Run) -> str:
        """Every one of the names resolves to its pod's address again."""
        addresses = run.ring.addresses()
        heard = self._ask([host.spec.name for host in self.hosts])
        for host in self.hosts:
            if heard[host.spec.name]["addresses"] != [addresses[host.spec.who]]:
                raise FaultIneffective(f"{host.spec.name} still resolves to {heard[host.spec.name]['addresses']}")
        return f"{len(self.hosts)} names resolve again"


def fails_as(mode: Mode, answer: dict[str, Any], timeout: float, address: str = STALE_ADDRESS) -> bool:
    """Whether an answer of the C library is what the fault makes of it."""
    if mode == "stale":
        return bool(answer["addresses"] == [address])
    if mode == "nxdomain":
        return bool(answer["rcode"] == "NXDOMAIN")
    slow = answer["seconds"] >= timeout
    return bool(answer["rcode"] == "SERVFAIL" and slow == (mode == "dropped"))
