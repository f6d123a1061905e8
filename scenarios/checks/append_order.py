"""Lists that are only appended to: linearizability in linear time, because every read shows the whole order.

With values that are appended once, a history is linearizable exactly if (a) every read is a prefix of the longest
one, without repeats or foreign values, and (b) instants T(1) <= T(2) <= .. exist, T(i) inside the interval of the
append of element i, with every read of h elements touching [T(h), T(h + 1)]; what was acknowledged and never read
must fit behind them. Equal stamps are concurrent. (b) is decided by one sweep: T(i) is at least every invoke that must
come before it and at most every return that must come after it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from operator import attrgetter
from typing import NamedTuple

from scenarios.checks.registry import check, conclude, listed, undecided
from scenarios.history import Operation
from scenarios.record import Record
from scenarios.verdict import CheckResult, Finding

SHOWN = 6
"""Elements of a list that a finding shows, the last ones: there lists differ."""


@check("append_order", ident="every {workload} read is a prefix of one order that respects real time")
def append_order(record: Record, workload: str = "append") -> CheckResult:
    """Every list is linearizable: one order of its appends, of which every read is a prefix, in real time.

    Operations are `append` of a value and `read` of the whole list. An indeterminate append may be in the list or not,
    from its invoke on; one that certainly failed must not. Unknown when a value was appended to one list more than
    once and not certainly in vain: its place then says nothing. Reads are judged whatever their level.
    """
    lists: dict[int | None, _List] = {}
    for item in record.of(workload):
        if item.f == "append":
            lists.setdefault(item.key, _List()).append(item)
        elif item.f == "read" and item.outcome == "ok":
            lists.setdefault(item.key, _List()).reads.append(item)
    repeated = [(key, value) for key, one in lists.items() for value in one.repeated]
    if repeated:
        values = listed(value for _, value in repeated)
        return undecided(f"value(s) {values} were appended more than once, to key {repeated[0][0]}")
    findings = [finding for one in lists.values() for finding in one.judge()]
    acked = sum(item.outcome == "ok" for one in lists.values() for item in one.appends.values())
    reads = sum(len(one.reads) for one in lists.values())
    return conclude(
        sorted(findings, key=attrgetter("at")),
        (),
        min(acked, reads),
        (
            f"{reads} reads of {len(lists)} lists show one order each of {acked} acknowledged appends",
            f"{acked} acknowledged appends and {reads} reads: nothing to compare",
        ),
        measured=len(findings),
        limit=0,
        unit="contradictions",
        counts={"acked": acked, "reads": reads, "lists": len(lists)},
    )


class _Bound(NamedTuple):
    """An instant that bounds T(i), and whose it is."""

    time: int
    of: Operation


@dataclass(slots=True)
class _List:
    """One list: its appends by value, those that certainly failed apart, and its answered reads."""

    appends: dict[int, Operation] = field(default_factory=dict)
    failed: dict[int, Operation] = field(default_factory=dict)
    reads: list[Operation] = field(default_factory=list)
    repeated: list[int] = field(default_factory=list)

    def append(self, item: Operation) -> None:
        """Take an append."""
        if item.outcome == "fail":
            self.failed[item.value] = item
        elif self.appends.setdefault(item.value, item) is not item:
            self.repeated.append(item.value)

    def judge(self) -> Iterator[Finding]:
        """The contradictions; times are only judged when the reads fit one order."""
        if not self.reads:
            return
        longest = max(self.reads, key=lambda read: len(read.out))
        findings = [*self._foreign(longest), *self._forks(longest)]
        yield from findings or self._in_time(longest)

    def _foreign(self, longest: Operation) -> Iterator[Finding]:
        """Values in the longest read that nobody can have appended, and repeats."""
        seen: set[int] = set()
        for value in longest.out:
            where = f"{longest.process} read {value} in key {longest.key}"
            if value in seen:
                yield _finding("duplicate", f"{where} twice", longest, *self._of(value))
            elif value not in self.appends:
                failed = self.failed.get(value)
                if failed is None:
                    yield _finding("garbage", f"{where}, which nobody appended", longest)
                else:
                    detail = f"{where}, whose append by {failed.process} certainly failed"
                    yield _finding("failed-visible", detail, failed, longest)
            seen.add(value)

    def _forks(self, longest: Operation) -> Iterator[Finding]:
        order = longest.out
        for read in self.reads:
            if read.out != order[: len(read.out)]:
                at = next(place for place, value in enumerate(read.out) if value != order[place])
                detail = (
                    f"{read.process} read {read.out[at]} as element {at + 1} of key {read.key}, {longest.process} "
                    f"read {order[at]} there"
                )
                yield _finding("fork", detail, longest, read)

    def _of(self, value: int) -> list[Operation]:
        return [self.appends[value]] if value in self.appends else []

    def _in_time(self, longest: Operation) -> Iterator[Finding]:
        order: list[Operation] = [self.appends[value] for value in longest.out]
        lower, upper = self._lower(order), self._upper(order)
        told: set[tuple[int, int]] = set()
        for low, high in zip(lower, upper, strict=False):
            if low and high and low.time > high.time and (id(low.of), id(high.of)) not in told:
                told.add((id(low.of), id(high.of)))
                yield _late(low.of, high.of)
        last = lower[-1]
        assert last is not None  # there is a read: the longest
        for value in sorted(self.appends.keys() - set(longest.out)):
            item = self.appends[value]
            if item.outcome == "ok" and item.ended < last.time:
                yield _lost(item, last.of, longest)

    def _lower(self, order: Sequence[Operation]) -> list[_Bound | None]:
        """For each element the latest invoke that must come before it; one more for all that nobody read."""
        latest: list[_Bound | None] = [None] * (len(order) + 1)
        for read in self.reads:
            place = len(read.out)
            latest[place] = _later(latest[place], _Bound(read.invoke, read))
        bound: _Bound | None = None
        for place, known in enumerate(latest):
            if known is not None:
                bound = _later(bound, known)
            if place < len(order):
                bound = _later(bound, _Bound(order[place].invoke, order[place]))
            latest[place] = bound
        return latest

    def _upper(self, order: Sequence[Operation]) -> list[_Bound | None]:
        """For each element the earliest return that must come after it."""
        earliest: list[_Bound | None] = [None] * len(order)
        for read in self.reads:
            place = len(read.out) - 1
            known = earliest[place] if place >= 0 else None
            if place >= 0 and (known is None or read.ended < known.time):
                earliest[place] = _Bound(read.ended, read)
        bound: _Bound | None = None
        for place in range(len(order) - 1, -1, -1):
            item = order[place]
            ends = [found for found in (bound, earliest[place]) if found is not None]
            if item.outcome == "ok":
                ends.append(_Bound(item.ended, item))
            bound = min(ends, key=lambda found: found.time, default=None)
            earliest[place] = bound
        return earliest


def _later(one: _Bound | None, other: _Bound) -> _Bound:
    return other if one is None or other.time > one.time else one


def _late(early: Operation, late: Operation) -> Finding:
    """`early` must come before `late` in the order, but began only after `late` had ended."""
    if early.f == "append" and late.f == "append":
        detail = (
            f"{late.process} appended {late.value} behind {early.value} of key {late.key}, but had ended before "
            f"{early.process} sent that"
        )
        return _finding("reordered", detail, early, late)
    if early.f == "append":
        detail = f"{late.process} read {early.value} in key {late.key} before {early.process} sent it"
        return _finding("future-read", detail, late, early)
    what = f"{late.process} had appended {late.value}" if late.f == "append" else f"{late.process} had read more"
    detail = f"{early.process} read {len(early.out)} element(s) of key {early.key} after {what}"
    return _finding("stale-read", detail, early, late)


def _lost(item: Operation, later: Operation, longest: Operation) -> Finding:
    """An acknowledged append that no read shows, and what began after its end and should have come behind it."""
    if later.f == "read":
        detail = (
            f"{item.process} appended {item.value} to key {item.key}; {later.process} began to read later, without it"
        )
        return _finding("lost", detail, later, item)
    detail = (
        f"{item.process} appended {item.value} to key {item.key}; {longest.process} read {later.value}, which was sent "
        "later, without it"
    )
    return _finding("lost", detail, longest, item, later)


def _finding(anomaly: str, detail: str, *proof: Operation) -> Finding:
    """A finding of the operations by invoke; lists are shown by their last elements."""
    ordered = sorted(proof, key=lambda item: item.invoke)
    return Finding(anomaly, proof[0].process, detail, proof[0].invoke, tuple(map(_told, ordered)))


def _told(item: Operation) -> dict[str, object]:
    told = item.as_json()
    if item.f == "read" and len(item.out) > SHOWN:
        told["out"] = f"{len(item.out)}: ..{', '.join(map(str, item.out[-SHOWN:]))}"
    return told
