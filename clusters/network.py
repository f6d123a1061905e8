"""The typed seam to a kernel's network: what a fault may add to a node, and remove again exactly.

Written once for every provider: by netlink in the lab, by ``ip -j`` through exec elsewhere. Nothing here flushes; what
is deleted is what was added, and everything added carries PROTOCOL as its mark.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal, Protocol

PROTOCOL = 82
"""Routing protocol number written on every rule and route of ours (`ip rule show protocol 82`); 82 is not assigned
in iproute2's rt_protos."""
CUT_PRIORITY = 10
"""Priority of the rules of cuts: after the kernel's for local addresses (0), before every table that could route."""

Verb = Literal["blackhole", "prohibit", "unreachable"]
Transport = Literal["tcp", "udp"]
Kind = Literal["unicast", "blackhole", "unreachable"]


@dataclass(frozen=True, slots=True)
class Rule:
    """A policy rule that ends the way of a packet; selectors are a conjunction.

    ``port`` acts on packets that the namespace sends itself, not on forwarded ones (measured, Linux 6.18), so a cut
    by port belongs into the sender's namespace and a cut by range into a router's.
    """

    priority: int
    action: Verb = "blackhole"
    iif: str | None = None
    source: str | None = None
    destination: str | None = None
    protocol: Transport | None = None
    port: int | None = None

    def as_json(self) -> dict[str, Any]:
        """Plain values, for the wire and for the journal."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Route:
    """One route of the main table."""

    destination: str
    via: str | None = None
    device: str | None = None
    kind: Kind = "unicast"

    def as_json(self) -> dict[str, Any]:
        """Plain values, for the wire and for the journal."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Link:
    """One interface and how many packets passed it since it was made."""

    name: str
    up: bool
    mtu: int
    received: int
    sent: int


class NetworkOps(Protocol):
    """List, add and delete exactly one entry in one network namespace.

    Names of interfaces in rules are those of links(). An act that was refused has changed nothing.
    """

    @property
    def space(self) -> str:
        """The namespace's name in its set of clusters, by which another process finds it again."""

    def rules(self) -> list[Rule]:
        """Our rules (those marked PROTOCOL), in order of priority."""

    def add_rule(self, rule: Rule) -> None:
        """The rule stands when this returns; adding it twice is an error."""

    def delete_rule(self, rule: Rule) -> None:
        """Exactly this rule is gone when this returns; a missing one is an error."""

    def routes(self) -> list[Route]:
        """All routes of the main table."""

    def add_route(self, route: Route) -> None:
        """The route stands when this returns; adding it twice is an error."""

    def delete_route(self, route: Route) -> None:
        """Exactly this route is gone when this returns; a missing one is an error."""

    def links(self) -> list[Link]:
        """All interfaces with their packet counters."""
