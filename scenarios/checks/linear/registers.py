"""The register whose writes all have values of their own: linearizability in O(n log n), exact with open writes.

Every read names its write, so operations fall into groups by value, and `intervals.contradictions` decides. An open
write has an open end. One that nobody read never had to come before anything, so it is in no pair: it need not have
happened.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator, Sequence
from itertools import islice
from typing import Any

from scenarios.checks.linear.intervals import Zone, contradictions
from scenarios.checks.linear.models import OPEN
from scenarios.checks.linear.telling import finding, future_read, unwritten, words
from scenarios.history import Operation
from scenarios.verdict import Finding

PAIRS_KEPT = 5
"""Contradicting pairs told per key: finding their operations costs a pass over the key each."""


def unique(operations: Sequence[Operation], initial: Any) -> bool:
    """Whether `operations` are reads and writes only and no value, `initial` included, comes from two places."""
    values = {initial}
    writes = 0
    for item in operations:
        if item.f == "write":
            values.add(item.value)
            writes += 1
        elif item.f != "read":
            return False
    return len(values) == writes + 1


def contradicted(operations: Sequence[Operation], initial: Any) -> list[Finding]:
    """What keeps `operations` of one key from being a register that starts as `initial`; nothing exactly if they are.

    `operations` must be `unique`. Each finding carries the at most four operations that contradict each other. At
    most PAIRS_KEPT contradicting pairs are told.
    """
    writes: dict[Hashable, Operation] = {}
    zones: dict[Hashable, Zone] = {initial: Zone(-OPEN, -OPEN, initial)}
    reads: list[Operation] = []
    for item in operations:
        if item.f == "read":
            if item.outcome == "ok":
                reads.append(item)
        else:
            writes[item.value] = item
            if item.outcome != "fail":
                zones[item.value] = Zone(_end(item), item.invoke, item.value)
    findings = list(_impossible(reads, writes, zones))
    pairs = contradictions(zones.values())
    findings += [_pair(operations, outer, inner) for outer, inner in islice(pairs, PAIRS_KEPT)]
    return findings


def _impossible(
    reads: Iterable[Operation], writes: dict[Hashable, Operation], zones: dict[Hashable, Zone]
) -> Iterator[Finding]:
    """The reads that no order can explain; all others widen the zone of their value."""
    for read in reads:
        value, invoke, returned = read.out, read.invoke, read.ended
        zone, write = zones.get(value), writes.get(value)
        if zone is None:
            yield unwritten(read, value, write)
        elif write is not None and returned < write.invoke:
            yield future_read(read, value, write)
        else:
            if returned < zone.first_return:  # noqa: PLR1730  min() and max() would double the cost of a read
                zone.first_return = returned
            if invoke > zone.last_invoke:  # noqa: PLR1730
                zone.last_invoke = invoke


def _pair(operations: Sequence[Operation], one: Zone, other: Zone) -> Finding:
    """The fewest operations that show that each of two values was there before the other."""
    groups = (one, _group(operations, one.value)), (other, _group(operations, other.value))
    for (outer, around), (inner, inside) in (groups, groups[::-1]):
        within = [item for item in inside if outer.first_return < item.invoke and _end(item) < outer.last_invoke]
        if within:
            return _stale(within[0], around, outer, inner)
    ends = [item for _, group in groups for item in (min(group, key=_end), max(group, key=_begin))]
    first, second = words(one.value), words(other.value)
    culprit = max(ends, key=_begin)
    detail = f"key {culprit.key} was {first} before {second}, and {second} before {first}"
    return finding("not-linearizable", detail, culprit, ends)


def _stale(between: Operation, around: Sequence[Operation], outer: Zone, inner: Zone) -> Finding:
    """`between` shows the inner value; of the outer one something ended before it and something began after it.

    That the first value was there before needs no operation to show it.
    """
    first = outer.first_return == -OPEN
    before = [] if first else [item for item in around if _end(item) < between.invoke][:1]
    after = max(around, key=_begin)
    verb = "written" if between.f == "write" else "read"
    detail = f"{after.process} read {words(outer.value)} of key {after.key} after {between.process} had {verb} "
    return finding("stale-read", f"{detail}{words(inner.value)}, which is newer", after, (*before, between, after))


def _group(operations: Sequence[Operation], value: Hashable) -> list[Operation]:
    """The write of a value first, then its reads in the order given, without those that ended before the write."""
    write = [item for item in operations if item.f == "write" and item.value == value]
    earliest = write[0].invoke if write else -OPEN
    reads = [item for item in operations if item.f == "read" and item.outcome == "ok" and item.out == value]
    return write + [item for item in reads if _end(item) >= earliest]


def _begin(item: Operation) -> int:
    return item.invoke


def _end(item: Operation) -> float:
    return item.ended if item.outcome == "ok" else OPEN
