"""Rules that a register breaks visibly: linear-time, sound for every history, and better told than a failed search.

They need no unique values. Passing them proves nothing; `search` decides then.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass, field
from operator import attrgetter
from typing import Any

from scenarios.checks.linear.models import ANY, IMPOSSIBLE, KEEP, Access, Call, lost
from scenarios.checks.linear.telling import finding, future_read, unwritten, words
from scenarios.history import Operation
from scenarios.verdict import Finding

_UPDATES = frozenset(("write", "delete", "cas"))


def broken(calls: Sequence[Call], operations: Sequence[Operation], initial: Any) -> Iterator[Finding]:
    """What is certainly wrong with a register or CAS register that starts as `initial`.

    `calls` are those of `operations`, whose kinds are Access; failed operations serve to name what was seen of them.
    """
    yield from _refused(operations)
    places = _Places(calls, initial)
    failed = {_aim(item): item for item in operations if item.f in _UPDATES and (item.outcome == "fail" or lost(item))}
    for call in calls:
        access = call.kind
        if isinstance(access, Access) and access.expect not in (ANY, IMPOSSIBLE) and not call.optional:
            yield from places.judge(call, access.expect, failed)
    yield from places.crowded()


def _refused(operations: Sequence[Operation]) -> Iterator[Finding]:
    """A compare-and-set that was refused although it was shown the value that it expected."""
    for item in operations:
        if lost(item) and item.out.get("value") == item.value[0]:
            expected = words(item.value[0])
            detail = f"{item.process} was refused on key {item.key} because of {expected}, which is what it expected"
            yield finding("refused-match", detail, item, [item])


@dataclass(slots=True)
class _Sources:
    """The calls that leave one value, by invoke, and for each the one of latest end among it and those before."""

    calls: list[Call] = field(default_factory=list)
    latest: list[Call] = field(default_factory=list)
    takers: list[Call] = field(default_factory=list)
    """Completed compare-and-sets that replaced the value by another."""

    def add(self, call: Call) -> None:
        """Add a call invoked after all that were added before."""
        self.calls.append(call)
        self.latest.append(call if not self.latest or call.end > self.latest[-1].end else self.latest[-1])


class _Places:
    """Where each value came from, and how late it was certainly replaced."""

    def __init__(self, calls: Sequence[Call], initial: Any) -> None:
        self.initial = initial
        self.sources: defaultdict[Hashable, _Sources] = defaultdict(_Sources)
        updates = [call for call in calls if isinstance(call.kind, Access) and call.kind.target is not KEEP]
        for call in sorted(updates, key=attrgetter("invoke")):
            access = call.kind
            if isinstance(access, Access):
                self.sources[access.target].add(call)
                if access.expect is not ANY and access.expect != access.target and not call.optional:
                    self.sources[access.expect].takers.append(call)
        done = sorted((call for call in updates if not call.optional), key=attrgetter("end"))
        self._ends = [call.end for call in done]
        self._last = list(_two_last(done))

    def judge(self, call: Call, value: Hashable, failed: dict[Hashable, Operation]) -> Iterator[Finding]:
        """What is wrong with a call that saw `value`."""
        sources = self.sources.get(value)
        begun = bisect_right(sources.calls, call.end, key=attrgetter("invoke")) if sources else 0
        source = sources.latest[begun - 1] if sources and begun else None
        at_first = value == self.initial
        if source is None and not at_first:
            if sources and sources.calls:
                yield future_read(call.operation, value, sources.calls[0].operation)
            else:
                yield unwritten(call.operation, value, failed.get(value))
            return
        replaced = self._replaced(value, call.invoke)
        if replaced is not None and (source is None or source.end < replaced.invoke):
            yield _stale(call, value, source, replaced)

    def _replaced(self, value: Hashable, instant: int) -> Call | None:
        """Of the calls that left another value and ended before `instant`, the one that was invoked last."""
        count = bisect_left(self._ends, instant)
        pair = self._last[count - 1] if count else ()
        return next((call for call in pair if isinstance(call.kind, Access) and call.kind.target != value), None)

    def crowded(self) -> Iterator[Finding]:
        """Values that were replaced more often than they can have been there."""
        for value, found in self.sources.items():
            there = len(found.calls) + (value == self.initial)
            if there and len(found.takers) > there:
                takers = [call.operation for call in found.takers[: there + 1]]
                names = " and ".join(item.process for item in takers)
                times = "once" if there == 1 else f"{there} times"
                detail = f"{names} each replaced {words(value)} of key {takers[0].key}, which was there {times}"
                givers = [call.operation for call in found.calls]
                yield finding("two-winners", detail, takers[-1], [*givers, *takers])


def _two_last(done: Sequence[Call]) -> Iterator[tuple[Call, ...]]:
    """For each prefix: the call invoked last, and the one invoked last among those with another target."""
    first: Call | None = None
    second: Call | None = None
    for call in done:
        if first is None or call.invoke >= first.invoke:
            if first is not None and _target(first) != _target(call):
                second = first
            first = call
        elif _target(call) != _target(first) and (second is None or call.invoke > second.invoke):
            second = call
        yield tuple(item for item in (first, second) if item is not None)


def _target(call: Call) -> Hashable:
    return call.kind.target if isinstance(call.kind, Access) else None


def _stale(call: Call, value: Hashable, source: Call | None, replaced: Call) -> Finding:
    late, newer = call.operation, replaced.operation
    verb = "replaced" if late.f == "cas" and not lost(late) else "saw"
    detail = (
        f"{late.process} {verb} {words(value)} of key {late.key} after {newer.process} had put "
        f"{words(_target(replaced))} in its place"
    )
    return finding("stale-read", detail, late, [*([source.operation] if source else []), newer, late])


def _aim(item: Operation) -> Hashable:
    """The value that an update meant to leave."""
    if item.f == "delete":
        return None
    aim: Hashable = item.value[1] if item.f == "cas" else item.value
    return aim
