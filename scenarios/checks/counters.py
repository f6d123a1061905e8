"""Counters: increments only, so what must have been counted and what can have been counted bound every read.

The bounds hold only for clients that never retry: a retried increment counts twice. (Jepsen's `counter` checker,
jepsen/src/jepsen/checker.clj, has the same two bounds for one register at one level.)
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from operator import attrgetter

from scenarios.checks.levels import NODE_LOCAL, Acked, Level, acked_by_level, overlaps
from scenarios.checks.registry import check, conclude, listed, undecided
from scenarios.history import Operation
from scenarios.record import Record
from scenarios.verdict import CheckResult, Finding

SHOWN = 4
"""Adds that a finding carries beside its read: the nearest to the bound that broke."""


@check("counters_bounded", ident="every {workload} read lies between what must and what can have been counted")
def counters_bounded(record: Record, workload: str = "counter", stage: str = "final") -> CheckResult:
    """A read is at least the sum of what it must have counted, and at most the sum of what it can have counted.

    It must have counted the acknowledged adds that ended before it began, where the replicas of the two levels overlap
    (from the facts' `replication`); it can have counted every add that did not certainly fail and was sent before it
    ended. Unknown when a value was added that is no positive number, when a counter has no read of `stage` that must
    see all its acknowledged adds (such as one at ALL), or when a datacenter has no read of `stage`.
    """
    counters: dict[int | None, _Counter] = {}
    for item in record.of(workload):
        if item.f == "add":
            counters.setdefault(item.key, _Counter()).adds.append(item)
        elif item.f == "read" and item.outcome == "ok":
            counters.setdefault(item.key, _Counter()).reads.append(item)
    odd = [item for counter in counters.values() for item in counter.adds if not _increment(item.value)]
    if odd:
        return undecided(
            f"{odd[0].process} added {odd[0].value} to counter {odd[0].key}: only increments have bounds that prove"
        )
    seen = overlaps(record.facts.get("replication", {}))
    findings = [finding for counter in counters.values() for finding in counter.judge(seen)]
    acked = sum(item.outcome == "ok" for counter in counters.values() for item in counter.adds)
    reads = sum(len(counter.reads) for counter in counters.values())
    return conclude(
        sorted(findings, key=attrgetter("at")),
        _unread(record, counters, seen, stage),
        min(acked, reads),
        (
            f"{reads} reads of {len(counters)} counters lie within their bounds",
            f"{acked} acknowledged adds and {reads} reads: nothing to compare",
        ),
        measured=len(findings),
        limit=0,
        unit="reads",
        formula="sum(ok ended before, levels overlapping) <= read <= sum(not failed, begun before its end)",
        counts={"acked": acked, "reads": reads, "counters": len(counters)},
    )


@dataclass(frozen=True, slots=True)
class _Summed:
    """Times in growing order, and the sum of the values up to each."""

    times: list[int]
    sums: list[int]

    @classmethod
    def of(cls, times: list[int], values: Sequence[int]) -> _Summed:
        return cls(times, [0, *accumulate(values)])


@dataclass(slots=True)
class _Counter:
    """One counter: its adds and its answered reads."""

    adds: list[Operation] = field(default_factory=list)
    reads: list[Operation] = field(default_factory=list)

    def judge(self, seen: Callable[[Level, Level], bool]) -> Iterator[Finding]:
        """The reads outside of their bounds."""
        sent = sorted((item for item in self.adds if item.outcome != "fail"), key=attrgetter("invoke"))
        possible = _Summed.of([item.invoke for item in sent], [item.value for item in sent])
        lines = {level: _summed(line) for level, line in acked_by_level(self.adds).items()}
        must: dict[Level, list[_Summed]] = {}
        for read in self.reads:
            level = (read.cl, read.dc)
            if level not in must:
                must[level] = [line for write, line in lines.items() if seen(write, level)]
            value = read.out or 0
            invoke = read.invoke
            lower = sum(line.sums[bisect_left(line.times, invoke)] for line in must[level])
            if value < lower:
                due = [item for item in self.adds if _counted(item, read) and seen((item.cl, item.dc), level)]
                yield _under(read, value, lower, due)
            place = bisect_right(possible.times, read.ended)
            if value > possible.sums[place]:
                yield _over(read, value, possible.sums[place], sent, place)

    def settled(self, read: Operation, seen: Callable[[Level, Level], bool]) -> bool:
        """Whether `read` must see every acknowledged add."""
        return all(seen(level, (read.cl, read.dc)) for level in acked_by_level(self.adds))


def _summed(line: Acked) -> _Summed:
    return _Summed.of(line.returned, line.values)


def _increment(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value > 0


def _counted(item: Operation, read: Operation) -> bool:
    return item.outcome == "ok" and item.ended < read.invoke


def _under(read: Operation, value: int, lower: int, due: Sequence[Operation]) -> Finding:
    latest = sorted(due, key=attrgetter("ended"))[-SHOWN:]
    detail = (
        f"{read.process} read {value} of counter {read.key} at {read.cl}, {lower} had been acknowledged before in "
        f"{len(due)} adds that it must see, the last to {latest[-1].process if latest else 'nobody'}"
    )
    return _finding("under-count", detail, read, latest)


def _over(read: Operation, value: int, upper: int, sent: Sequence[Operation], place: int) -> Finding:
    """The adds around the end of the read: the last that it can have counted, the first that it cannot."""
    around = sent[max(0, place - SHOWN + 1) : place + 1]
    detail = (
        f"{read.process} read {value} of counter {read.key} at {read.cl}, only {upper} had been sent in {place} adds "
        "before it ended"
    )
    return _finding("over-count", detail, read, around)


def _finding(anomaly: str, detail: str, read: Operation, adds: Sequence[Operation]) -> Finding:
    told = (*(item.as_json() for item in adds), read.as_json())
    return Finding(anomaly, read.process, detail, read.invoke, told)


def _unread(
    record: Record, counters: Mapping[int | None, _Counter], seen: Callable[[Level, Level], bool], stage: str
) -> list[str]:
    filled = {key: counter for key, counter in counters.items() if any(item.outcome == "ok" for item in counter.adds)}
    if not filled:
        return []
    final = [
        read for counter in filled.values() for read in counter.reads if read.stage == stage and read.cl != NODE_LOCAL
    ]
    read_in = {read.dc for read in final}
    sure = {read.key for read in final if filled[read.key].settled(read, seen)}
    unsure = sorted(str(key) for key in filled if key not in sure)
    doubts = [f"no counter has a final read in {dc}" for dc in record.facts.get("datacenters", ()) if dc not in read_in]
    if unsure:
        doubts.append(f"counter {listed(unsure)} has no final read that must see all its adds: read it at ALL")
    return doubts
