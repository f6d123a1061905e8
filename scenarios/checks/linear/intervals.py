"""Intervals in real time: which operations truly ran at once, and which groups of operations cannot be put in order.

A group is the write of a value with the reads of it: nothing else can stand between them, so groups are ordered as
wholes. Group A must come before group B when some operation of A ended before some operation of B began, that is
when A's first return lies before B's last invoke. Two groups that must both come first contradict each other, and a
longer cycle always contains such a pair: take the group of the cycle whose first return is the earliest; the group
two places on cannot come before it unless these two are a pair. Hence pairs decide (Gibbons & Korach 1997, there as
zones: a pair is two forward zones that overlap, or a backward zone inside a forward one).
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Hashable, Iterable, Iterator
from dataclasses import dataclass
from operator import attrgetter

from scenarios.history import Operation


@dataclass(slots=True)
class Zone:
    """A group's first return and last invoke in nanoseconds, and its value."""

    first_return: float
    last_invoke: float
    value: Hashable

    @property
    def forward(self) -> bool:
        """Whether an operation of the group ended before another of it began."""
        return self.first_return < self.last_invoke


def contradictions(zones: Iterable[Zone]) -> Iterator[tuple[Zone, Zone]]:
    """Pairs (outer, inner) of which each must come before the other; none exactly if all zones can be ordered.

    Every zone is named as inner at most once; `outer` is forward. O(n log n).
    """
    ordered = sorted(zones, key=attrgetter("first_return", "last_invoke"))
    spanning: list[Zone] = []
    starts: list[float] = []
    for zone in ordered:
        if zone.forward:
            if spanning and zone.first_return < spanning[-1].last_invoke:
                yield spanning[-1], zone
            starts.append(zone.first_return)
            spanning.append(zone if not spanning or zone.last_invoke > spanning[-1].last_invoke else spanning[-1])
    for zone in ordered:
        if not zone.forward:
            place = bisect_left(starts, zone.last_invoke) - 1
            if place >= 0 and zone.first_return < spanning[place].last_invoke:
                yield spanning[place], zone


CONCURRENT_SHARE = 0.8
"""Share of the operations that must be on keys where two truly ran at once: a history without concurrency is in order
on almost any store, so its order was never in doubt. Operations are counted, not keys, since a key that a fault retires
at once has few."""


def concurrent(operations: Iterable[Operation]) -> bool:
    """Whether an update was open at the same time as another operation, by what was recorded of both.

    An indeterminate operation counts until its client gave it up: that it may take effect later is no contention. Reads
    alone leave no order in doubt, and operations that failed or only touch need not have met.
    """
    last_update = last = float("-inf")
    open_to = [(item.invoke, item.ended, item.f != "read") for item in operations if item.outcome != "fail"]
    for start, end, updates in sorted(open_to):
        if start < (last if updates else last_update):
            return True
        last = max(last, end)
        last_update = max(last_update, end) if updates else last_update
    return False
