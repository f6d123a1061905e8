"""A copy of what the CoreDNS `cache` plugin keeps, for answers that came from another server.

Facts (CoreDNS `plugin/cache/cache.go`, `handler.go`, `item.go`; `plugin/pkg/dnsutil/ttl.go`):

* an answer is kept for its lowest TTL, raised to the floor (5 s) and then cut at the cap; the cap wins when it is
  below the floor. Denials (NXDOMAIN, no data) have their own floor and cap; the TTL of their SOA counts;
* all records are handed on with that time, later with what remains of it, in whole seconds;
* SERVFAIL of an upstream is kept 5 s. The SERVFAIL that this server itself says when no upstream answered is not
  kept: it never passes the plugin's writer. Truncated answers and other errors are not kept either.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from dnslib import QTYPE, RCODE, RR

from clusters.dns.zone import Reply
from clusters.errors import UsageError

NO_RECORDS_TTL = 5
"""Seconds for an answer that carries no record to take a TTL from (CoreDNS MinimalDefaultTTL)."""

CAPACITY = 9984
"""Answers kept at most (the value in kubeadm's and NodeLocal's Corefiles); the oldest leave first."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Seconds. ``success`` and ``denial`` are the caps (`cache 30`); 0 switches that part off, which CoreDNS says by
    leaving the plugin out. The floors and the time for an upstream's SERVFAIL, ``failure``, are CoreDNS' own 5 s."""

    success: int = 30
    denial: int = 30
    success_floor: int = 5
    denial_floor: int = 5
    failure: int = 5

    def __post_init__(self) -> None:
        for key in ("success", "denial", "success_floor", "denial_floor", "failure"):
            if getattr(self, key) < 0:
                raise UsageError(f"cache.{key}: seconds cannot be negative: {getattr(self, key)}")

    def keep(self, reply: Reply) -> int:
        """Return the seconds for which ``reply`` is kept; 0 means not at all."""
        if reply.rcode == RCODE.SERVFAIL:
            return self.failure
        ttl = min((record.ttl for record in _records(reply)), default=NO_RECORDS_TTL)
        if reply.rcode == RCODE.NXDOMAIN or (reply.rcode == RCODE.NOERROR and not reply.answer):
            return min(max(ttl, self.denial_floor), self.denial)
        if reply.rcode == RCODE.NOERROR:
            return min(max(ttl, self.success_floor), self.success)
        return 0


@dataclass(frozen=True, slots=True)
class _Item:
    reply: Reply
    seconds: int
    stored: int


class Cache:
    """Answers of other servers by name and type; the clock counts monotonic nanoseconds."""

    def __init__(self, limits: Limits, clock: Callable[[], int] = time.monotonic_ns) -> None:
        self.limits = limits
        self._clock = clock
        self._items: dict[tuple[str, int], _Item] = {}

    def __len__(self) -> int:
        return len(self._items)

    def get(self, name: str, qtype: int) -> Reply | None:
        """Return the kept answer with its remaining TTL, or None when there is none that is still valid."""
        item = self._items.get((name, qtype))
        if item is None:
            return None
        left = item.seconds - (self._clock() - item.stored) // 1_000_000_000
        if left <= 0:
            del self._items[name, qtype]
            return None
        return _aged(item.reply, left, authoritative=True)

    def put(self, name: str, qtype: int, reply: Reply) -> Reply:
        """Keep ``reply`` if it may be kept, and return it with the TTL under which it is handed on."""
        seconds = self.limits.keep(reply)
        if not seconds:
            return reply
        self._items.pop((name, qtype), None)
        if len(self._items) >= CAPACITY:
            del self._items[next(iter(self._items))]
        self._items[name, qtype] = _Item(reply, seconds, self._clock())
        return _aged(reply, seconds, authoritative=reply.authoritative)

    def flush(self) -> int:
        """Forget everything and return how many answers that were."""
        count = len(self._items)
        self._items.clear()
        return count


def _records(reply: Reply) -> list[RR]:
    return [*reply.answer, *reply.authority, *(each for each in reply.additional if each.rtype != QTYPE.OPT)]


def _aged(reply: Reply, ttl: int, *, authoritative: bool) -> Reply:
    """Cached answers are authoritative too, as some clients refuse others (CoreDNS `item.go`)."""

    def aged(records: tuple[RR, ...]) -> tuple[RR, ...]:
        return tuple(RR(each.rname, each.rtype, each.rclass, ttl, each.rdata) for each in records)

    return Reply(reply.rcode, aged(reply.answer), aged(reply.authority), aged(reply.additional), authoritative)
