"""Single-writer registers: numbers that only grow, so every read names its write and its age.

A register may be deleted; the delete has a number as well, and a read after it finds no row. A read that found none
has seen the state before the first write or that after some delete: it is given the benefit of the doubt.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import accumulate, pairwise
from operator import attrgetter
from typing import Literal

from scenarios.checks.levels import NODE_LOCAL, Level, at_level, by_level, overlaps
from scenarios.checks.registry import check, conclude
from scenarios.history import Operation, worker
from scenarios.record import Record
from scenarios.verdict import CheckResult, Finding

_ABSENT = -1
"""Older than every sequence number: a register that was never written."""

Group = tuple[str, int | None]
"""Whose reads or writes, and of which key."""


@check("monotonic_reads", ident="{workload} reads never go back within a {scope}", version=2)
def monotonic_reads(
    record: Record,
    workload: str = "registers",
    scope: Literal["process", "datacenter"] = "process",
    consistency: str | None = None,
    overlapping: bool = True,
) -> CheckResult:
    """Of two reads of a key in one scope, the one that began after the other ended never shows an older number.

    `scope` is one worker (across its renamings) or all of a datacenter. Only reads whose levels overlap in replicas
    (from the facts' `replication`) are compared, and only with read repair BLOCKING is it promised; a negative control
    compares all with `overlapping=False`. `consistency` narrows the reads to one level. Reads of one replica's own
    rows (NODE_LOCAL) are left out. A number that nobody wrote, whose write certainly failed or was not yet sent, is a
    finding as well. A key whose writes have no certain order makes the result unknown.
    """
    return _monotonic(record, workload, scope, consistency, overlapping)


@check("monotonic_reads", ident="{workload} reads never go back within a {scope}")
def _monotonic_reads_of_any_level(
    record: Record,
    workload: str = "registers",
    scope: Literal["process", "datacenter"] = "process",
    consistency: str | None = None,
) -> CheckResult:
    """Version 1, for bundles that declare it: reads of all levels are compared with each other."""
    return _monotonic(record, workload, scope, consistency, overlapping=False)


@check("read_your_writes", ident="{workload} reads see the acknowledged writes of their {scope}")
def read_your_writes(
    record: Record,
    workload: str = "registers",
    overlapping: bool = True,
    scope: Literal["process", "datacenter", "ring"] = "datacenter",
) -> CheckResult:
    """A read that began after a write of its key was acknowledged in its scope shows that number or a newer one.

    `scope` is one worker (across its renamings), all of a datacenter, or the whole ring. Only pairs whose levels
    overlap in replicas (from the facts' `replication`) are judged; `overlapping=False` judges every pair, a promise
    that Cassandra does not make and a negative control may break. A value that is older than an acknowledged delete is
    `resurrected`. A key whose writes have no certain order makes the result unknown.
    """
    operations = record.of(workload)
    keys = _keys(operations)
    promised = _promised(record, overlapping=overlapping)
    acked = _acked(keys, _scope(scope))
    findings, judged = [], 0
    for group, reads in _grouped(_reads(operations, keys), _scope(scope)).items():
        register = keys.get(group[1]) or _Register()
        for read in reads:
            latest = _latest(acked.get(group, {}), read, promised)
            if latest is not None:
                judged += 1
                if register.newest(read) < latest.value:
                    findings.append(_missed(latest, read))
    return conclude(
        findings,
        _doubts(keys),
        judged,
        (f"all {judged} reads showed what had been acknowledged", "no read followed an acknowledged write it must see"),
        measured=len(findings),
        limit=0,
        unit="reads",
        counts={"judged": judged},
    )


@dataclass(slots=True)
class _Register:
    """One key: its writes by number, and its writes and deletes that may have happened, by invoke."""

    writes: dict[int, Operation] = field(default_factory=dict)
    changes: list[Operation] = field(default_factory=list)
    deletes: list[Operation] = field(default_factory=list)
    doubt: str | None = None

    def add(self, item: Operation) -> None:
        """Take a write or a delete."""
        if item.f == "write":
            self.writes[item.value] = item
        if item.outcome != "fail":
            self.changes.append(item)
            if item.f == "delete":
                self.deletes.append(item)

    def order(self) -> None:
        """Sort, and doubt a key whose numbers do not grow in real time: its values would not tell their age."""
        self.changes.sort(key=attrgetter("invoke"))
        self.deletes.sort(key=attrgetter("invoke"))
        for one, following in pairwise(self.changes):
            if one.value >= following.value:
                self.doubt = f"key {one.key}: number {following.value} was written after {one.value}"
            elif not _ordered(one, following):
                self.doubt = f"key {one.key}: {one.process} and {following.process} wrote at once, in no certain order"

    def newest(self, read: Operation) -> int:
        """The newest number that `read` can have seen."""
        if read.out is not None:
            return int(read.out)
        count = bisect_right(self.deletes, read.ended, key=attrgetter("invoke"))
        return self.deletes[count - 1].value if count else _ABSENT

    def oldest(self, read: Operation, floor: int) -> int:
        """The oldest number from `floor` on that `read` can have seen; below `floor` when there is none."""
        if read.out is not None:
            return int(read.out)
        if floor <= _ABSENT:
            return _ABSENT
        place = bisect_left(self.deletes, floor, key=attrgetter("value"))
        found = place < len(self.deletes) and self.deletes[place].invoke <= read.ended
        return self.deletes[place].value if found else _ABSENT


class _Acked:
    """Acknowledged writes of one group and level, by return time, with the newest of each prefix."""

    def __init__(self, writes: Iterable[Operation]) -> None:
        ordered = sorted(writes, key=attrgetter("ended"))
        self.returned = [write.ended for write in ordered]
        self.newest: list[Operation] = list(
            accumulate(ordered, lambda one, other: max(one, other, key=attrgetter("value")))
        )

    def newest_before(self, instant: int) -> Operation | None:
        """The write with the largest number among those that returned before `instant`."""
        count = bisect_left(self.returned, instant)
        return self.newest[count - 1] if count else None


def _latest(
    levels: Mapping[Level, _Acked], read: Operation, promised: Callable[[Level, Level], bool]
) -> Operation | None:
    """The newest of the writes that `read` must see."""
    latest: Operation | None = None
    for level, writes in levels.items():
        if promised(level, (read.cl, read.dc)):
            seen = writes.newest_before(read.invoke)
            if seen is not None and (latest is None or seen.value > latest.value):
                latest = seen
    return latest


def _monotonic(record: Record, workload: str, scope: str, consistency: str | None, overlapping: bool) -> CheckResult:
    operations = record.of(workload)
    keys = _keys(operations)
    reads = [read for read in _reads(operations, {}) if consistency is None or at_level(read, consistency)]
    promised = _promised(record, overlapping=overlapping)
    findings = list(_never_written(keys, reads))
    compared = 0
    judged = [read for read in reads if not _doubtful(keys, read.key)]
    for (_, key), group in _grouped(judged, _scope(scope)).items():
        pairs, stale = _backwards(keys.get(key) or _Register(), group, promised)
        compared += pairs
        findings += stale
    return conclude(
        findings,
        _doubts(keys),
        compared,
        (f"{compared} ordered reads never went back", "no two ordered reads of one key saw a value"),
        measured=len(findings),
        limit=0,
        unit="reads",
        counts={"reads": len(reads), "compared": compared},
    )


def _backwards(
    register: _Register, reads: Sequence[Operation], promised: Callable[[Level, Level], bool]
) -> tuple[int, list[Finding]]:
    """How many reads had an ordered predecessor that saw a value, and those that saw less.

    Reads are given the oldest number they can have seen, in the order of their invoke: if those go back, all do.
    """
    by_return = sorted(reads, key=attrgetter("ended"))
    numbers: dict[int, int] = {}
    newest: dict[Level, tuple[int, Operation]] = {}
    ended, compared, findings = 0, 0, []
    for read in sorted(reads, key=attrgetter("invoke")):
        while by_return[ended].ended < read.invoke:  # at the latest `read` itself has not
            before = by_return[ended]
            number = numbers[id(before)]
            level = (before.cl, before.dc)
            if level not in newest or number > newest[level][0]:
                newest[level] = (number, before)
            ended += 1
        floor, earlier = _ABSENT, None
        for level, (number, before) in newest.items():
            if number > floor and promised(level, (read.cl, read.dc)):
                floor, earlier = number, before
        numbers[id(read)] = number = register.oldest(read, floor)
        if earlier is not None:
            compared += 1
            if number < floor:
                findings.append(_stale(earlier, read, f"{earlier.process} had read {_shown(earlier)}"))
    return compared, findings


def _keys(operations: Iterable[Operation]) -> dict[int | None, _Register]:
    keys: dict[int | None, _Register] = {}
    for item in operations:
        f = item.f
        if f in {"write", "delete"}:
            register = keys.get(item.key)
            if register is None:
                register = keys[item.key] = _Register()
            register.add(item)
    for register in keys.values():
        register.order()
    return keys


def _reads(operations: Iterable[Operation], keys: dict[int | None, _Register]) -> list[Operation]:
    """The answered reads of more than one replica's own rows, without those of doubtful `keys`."""
    reads = [item for item in operations if item.f == "read" and item.outcome == "ok" and item.cl != NODE_LOCAL]
    return [read for read in reads if not _doubtful(keys, read.key)]


def _doubtful(keys: dict[int | None, _Register], key: int | None) -> bool:
    register = keys.get(key)
    return register is not None and register.doubt is not None


def _doubts(keys: dict[int | None, _Register]) -> list[str]:
    return [register.doubt for register in keys.values() if register.doubt is not None]


def _promised(record: Record, *, overlapping: bool) -> Callable[[Level, Level], bool]:
    if overlapping:
        return overlaps(record.facts.get("replication", {}))
    return lambda first, second: True


def _scope(scope: str) -> Callable[[Operation], str]:
    whose: dict[str, Callable[[Operation], str]] = {
        "process": lambda item: worker(item.process),
        "datacenter": attrgetter("dc"),
        "ring": lambda item: "ring",
    }
    return whose[scope]


def _grouped(operations: Iterable[Operation], scope: Callable[[Operation], str]) -> dict[Group, list[Operation]]:
    grouped: dict[Group, list[Operation]] = {}
    for item in operations:
        group = (scope(item), item.key)
        members = grouped.get(group)
        if members is None:
            members = grouped[group] = []
        members.append(item)
    return grouped


def _acked(keys: dict[int | None, _Register], scope: Callable[[Operation], str]) -> dict[Group, dict[Level, _Acked]]:
    acked = [item for register in keys.values() for item in register.changes if item.outcome == "ok"]
    return {
        group: {level: _Acked(writes) for level, writes in by_level(members).items()}
        for group, members in _grouped(acked, scope).items()
    }


def _ordered(one: Operation, following: Operation) -> bool:
    """Whether the stamps of two writes are in their order: one worker's always, others' when apart in time."""
    if worker(one.process) == worker(following.process):
        return True
    return one.returned is not None and one.returned < following.invoke


def _shown(read: Operation) -> str:
    return "no row" if read.out is None else str(read.out)


def _missed(latest: Operation, read: Operation) -> Finding:
    if latest.f == "delete":
        gone = f"{latest.process} had {latest.value} acked at {latest.cl}, a delete"
        return _stale(latest, read, gone, "resurrected")
    return _stale(latest, read, f"{latest.process} had {latest.value} acked at {latest.cl}")


def _stale(earlier: Operation, read: Operation, before: str, anomaly: str = "stale-read") -> Finding:
    detail = f"{read.process} in {read.dc} read {_shown(read)} of key {read.key} at {read.cl} after {before}"
    return Finding(anomaly, read.process, detail, read.invoke, (earlier.as_json(), read.as_json()))


def _never_written(keys: dict[int | None, _Register], reads: Sequence[Operation]) -> Iterable[Finding]:
    for read in reads:
        if read.out is None:
            continue
        register = keys.get(read.key)
        write = register.writes.get(read.out) if register else None
        anomaly, words = _impossible(write, read)
        if anomaly:
            detail = f"{read.process} read {read.out} of key {read.key}, {words}"
            proof = (read.as_json(),) if write is None else (write.as_json(), read.as_json())
            yield Finding(anomaly, read.process, detail, read.invoke, proof)


def _impossible(write: Operation | None, read: Operation) -> tuple[str, str]:
    if write is None:
        return "garbage", "which nobody wrote"
    if write.outcome == "fail":
        return "failed-visible", "whose write certainly failed"
    if write.invoke > read.ended:
        return "future-read", "whose write had not been sent"
    return "", ""
