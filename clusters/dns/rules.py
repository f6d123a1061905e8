"""DNS faults: rules that answer, or refuse to answer, before cache and zones are asked.

They stand where CoreDNS has `acl`, in front of `cache`: a rule acts on the next query, is never masked by a cached
answer and never becomes one, and its removal restores exactly what was there before.
"""

from __future__ import annotations

import fnmatch
import ipaddress
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from dnslib import QTYPE, RCODE, RR, A, DNSError, DNSLabel

from clusters.dns.zone import Reply, Zone, canonical
from clusters.errors import UsageError

R = TypeVar("R")

ACTIONS = ("drop", "servfail", "nxdomain", "answer")

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


@dataclass(frozen=True, slots=True)
class Rule:
    """What happens to queries whose canonical name matches the glob ``match`` (`*` covers dots too).

    ``drop`` is silence, also for TCP; ``servfail`` and ``nxdomain`` are said at once; ``answer`` gives ``address``
    for A and no data for AAAA, and leaves other types alone. ``types`` limits the record types (all when None);
    ``clients`` limits the networks that ask (all when None). ``ttl`` (seconds, default: that of the own zones) goes
    with ``answer`` and, as negative TTL, with ``nxdomain``.
    """

    id: str
    match: str
    action: str
    address: str | None = None
    ttl: int | None = None
    types: tuple[str, ...] | None = None
    clients: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        if self.action not in ACTIONS:
            raise UsageError(f"rule {self.id}: action {self.action!r} is none of {', '.join(ACTIONS)}")
        if (self.action == "answer") != (self.address is not None):
            raise UsageError(f"rule {self.id}: an address goes with the action answer, and with no other")
        if self.address is not None:
            _parsed(self.id, "address", ipaddress.IPv4Address, self.address)
        if self.ttl is not None and self.ttl < 0:
            raise UsageError(f"rule {self.id}: ttl cannot be negative: {self.ttl}")
        wrong = set(self.types or ()) - {"A", "AAAA"}
        if self.action == "answer" and wrong:
            raise UsageError(f"rule {self.id}: answer covers A and AAAA only, not {', '.join(sorted(wrong))}")


class _Active:
    """A rule made ready for matching."""

    def __init__(self, rule: Rule) -> None:
        self.rule = rule
        self.hits = 0
        self._name = re.compile(fnmatch.translate(canonical(rule.match)))
        types = ("A", "AAAA") if rule.types is None and rule.action == "answer" else rule.types
        self._types = None if types is None else frozenset(_qtype(rule.id, each) for each in types)
        self._clients: tuple[Network, ...] | None = None
        if rule.clients is not None:
            self._clients = tuple(_parsed(rule.id, "clients", ipaddress.ip_network, each) for each in rule.clients)

    def covers(self, name: str, qtype: int, client: str) -> bool:
        if self._types is not None and qtype not in self._types:
            return False
        if self._name.fullmatch(name) is None:
            return False
        if self._clients is None:
            return True
        address = ipaddress.ip_address(client)
        return any(address in network for network in self._clients)


class Rules:
    """The rules in force, first added first asked."""

    def __init__(self) -> None:
        self._active: dict[str, _Active] = {}

    def add(self, rule: Rule) -> None:
        """Put the rule in force; UsageError if its id is taken, since replacing would lose the first one's undo."""
        if rule.id in self._active:
            raise UsageError(f"rule {rule.id} is in force already; remove it first with unrule")
        self._active[rule.id] = _Active(rule)

    def remove(self, rule_id: str) -> None:
        """Take exactly this rule away; UsageError if it is not in force."""
        if rule_id not in self._active:
            raise UsageError(f"rule {rule_id} is not in force; in force: {', '.join(self._active) or 'none'}")
        del self._active[rule_id]

    def find(self, name: str, qtype: int, client: str) -> Rule | None:
        """Return the first rule that covers this query, and count the hit."""
        for active in self._active.values():
            if active.covers(name, qtype, client):
                active.hits += 1
                return active.rule
        return None

    def listed(self) -> list[dict[str, object]]:
        """Return every rule as plain values, with the number of queries it has decided."""
        return [
            {name: getattr(active.rule, name) for name in Rule.__slots__} | {"hits": active.hits}
            for active in self._active.values()
        ]


def act(rule: Rule, label: DNSLabel, qtype: int, zone: Zone, apex: str) -> Reply | None:
    """Return what the rule answers, None for silence; a denial carries the SOA of ``apex``."""
    if rule.action == "drop":
        return None
    if rule.action == "servfail":
        return Reply(RCODE.SERVFAIL)
    if rule.action == "answer" and qtype == QTYPE.A:
        ttl = zone.shape.ttl if rule.ttl is None else rule.ttl
        return Reply(RCODE.NOERROR, (RR(label, QTYPE.A, ttl=ttl, rdata=A(rule.address)),))
    denial = zone.shape.soa(apex, zone.serial, rule.ttl)
    return Reply(RCODE.NXDOMAIN if rule.action == "nxdomain" else RCODE.NOERROR, authority=(denial,))


def _qtype(rule_id: str, name: str) -> int:
    try:
        return int(getattr(QTYPE, name))
    except DNSError as error:
        raise UsageError(f"rule {rule_id}: {name!r} is no record type") from error


def _parsed(rule_id: str, key: str, kind: Callable[[str], R], text: str) -> R:
    try:
        return kind(text)
    except ValueError as error:
        raise UsageError(f"rule {rule_id}: {key}: {error}") from error
