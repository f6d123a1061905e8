"""Rules that a register breaks visibly: linear-time, sound for every history, and better told than a failed search.

They need no unique values. Passing them proves nothing; `search` decides then.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Hashable, Iterator, Sequence
from itertools import accumulate
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
    # Whoever may have left a value is a source of it: where there is none, these certainly did not.
    tried = {_aim(item): item for item in operations if item.f in _UPDATES}
    for call in calls:
        access = call.kind
        if isinstance(access, Access) and access.expect not in (ANY, IMPOSSIBLE) and not call.optional:
            yield from places.judge(call, access.expect, tried)
    yield from places.crowded()


def _refused(operations: Sequence[Operation]) -> Iterator[Finding]:
    """A compare-and-set that was refused although it was shown the value that it expected."""
    for item in operations:
        if lost(item) and item.out.get("value") == item.value[0]:
            expected = words(item.value[0])
            detail = f"{item.process} was refused on key {item.key} because of {expected}, which is what it expected"
            yield finding("refused-match", detail, item, [item])


class _Sources:
    """The calls that leave one value, by invoke, and for each the one of latest end among it and those before."""

    __slots__ = ("calls", "latest")

    def __init__(self, calls: Sequence[Call]) -> None:
        self.calls = calls
        self.latest: list[Call] = list(accumulate(calls, lambda one, other: max(one, other, key=attrgetter("end"))))

    def begun_by(self, instant: float) -> Call | None:
        """Of the calls that were invoked by `instant` the one that ends last."""
        begun = bisect_right(self.calls, instant, key=attrgetter("invoke"))
        return self.latest[begun - 1] if begun else None


_NOWHERE = _Sources(())


class _Places:
    """Where each value came from, and how late it was certainly replaced."""

    def __init__(self, calls: Sequence[Call], initial: Any) -> None:
        self.initial = initial
        kinds = ((call, call.kind) for call in calls if isinstance(call.kind, Access))
        updates = sorted(((call, access) for call, access in kinds if access.target is not KEEP), key=_invoke)
        leaving: defaultdict[Hashable, list[Call]] = defaultdict(list)
        self.takers: defaultdict[Hashable, list[Call]] = defaultdict(list)
        """By value: completed compare-and-sets that replaced it by another."""
        for call, access in updates:
            leaving[access.target].append(call)
            if access.expect is not ANY and access.expect != access.target and not call.optional:
                self.takers[access.expect].append(call)
        self.sources = {value: _Sources(group) for value, group in leaving.items()}
        done = sorted((call for call, _ in updates if not call.optional), key=attrgetter("end"))
        self._ends = [call.end for call in done]
        self._newest: list[Call] = list(accumulate(done, lambda one, other: max(one, other, key=attrgetter("invoke"))))

    def judge(self, call: Call, value: Hashable, tried: dict[Hashable, Operation]) -> Iterator[Finding]:
        """What is wrong with a call that saw `value`."""
        sources = self.sources.get(value, _NOWHERE)
        source = sources.begun_by(call.end)
        if source is None and value != self.initial:
            if sources.calls:
                yield future_read(call.operation, value, sources.calls[0].operation)
            else:
                yield unwritten(call.operation, value, tried.get(value))
            return
        newest = self._newest_before(call.invoke)
        # Had the newest left this value too, it would be a source that ended no earlier than it began.
        if newest is not None and (source is None or source.end < newest.invoke):
            yield _stale(call, value, source, newest)

    def _newest_before(self, instant: int) -> Call | None:
        """Of the updates that ended before `instant` the one that was invoked last."""
        count = bisect_left(self._ends, instant)
        return self._newest[count - 1] if count else None

    def crowded(self) -> Iterator[Finding]:
        """Values that were replaced more often than they can have been there."""
        for value, found in self.takers.items():
            sources = self.sources.get(value, _NOWHERE).calls
            there = len(sources) + (value == self.initial)
            if there and len(found) > there:
                takers = [call.operation for call in found[: there + 1]]
                names = " and ".join(item.process for item in takers)
                times = "once" if there == 1 else f"{there} times"
                detail = f"{names} each replaced {words(value)} of key {takers[0].key}, which was there {times}"
                givers = [call.operation for call in sources]
                yield finding("two-winners", detail, takers[-1], [*givers, *takers])


def _invoke(update: tuple[Call, Access]) -> int:
    return update[0].invoke


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
