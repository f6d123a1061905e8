"""Single-writer registers: sequence numbers that only grow, so every read names its write and its age."""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Literal

from scenarios.checks.levels import NODE_LOCAL, at_level, must_see
from scenarios.checks.registry import check, conclude
from scenarios.history import Operation, worker
from scenarios.record import Record
from scenarios.verdict import CheckResult, Finding

_ABSENT = -1
"""Older than every sequence number: what a read that found no row has seen."""


@check("monotonic_reads", ident="{workload} reads never go back within a {scope}")
def monotonic_reads(
    record: Record,
    workload: str = "registers",
    scope: Literal["process", "datacenter"] = "process",
    consistency: str | None = None,
) -> CheckResult:
    """Of two reads of a key in one scope, the one that began after the other ended never shows an older number.

    `scope` is one worker (across its renamings) or all of a datacenter; the latter needs read repair BLOCKING.
    `consistency` narrows the reads to one level. Reads of one replica's own rows (NODE_LOCAL) are left out. A
    number that nobody wrote, whose write certainly failed or was not yet sent, is a finding as well.
    """
    operations = record.of(workload)
    reads = [read for read in _reads(operations) if consistency is None or at_level(read, consistency)]
    groups: defaultdict[tuple[str, int | None], list[Operation]] = defaultdict(list)
    for read in reads:
        groups[worker(read.process) if scope == "process" else read.dc, read.key].append(read)
    findings = list(_never_written(operations, reads))
    compared = 0
    for group in groups.values():
        pairs, stale = _backwards(group)
        compared += pairs
        findings += stale
    return conclude(
        findings,
        (),
        compared,
        (f"{compared} ordered reads never went back", "no two ordered reads of one key saw a value"),
        measured=len(findings),
        limit=0,
        unit="reads",
        counts={"reads": len(reads), "compared": compared},
    )


@check("read_your_writes", ident="{workload} reads see the acknowledged writes of their datacenter")
def read_your_writes(record: Record, workload: str = "registers", overlapping: bool = True) -> CheckResult:
    """A read that began after a write of its key was acknowledged in its datacenter shows that number or a newer one.

    Only pairs whose levels overlap in replicas (from the facts' `replication`) are judged; `overlapping=False` judges
    every pair, a promise that Cassandra does not make and a negative control may break.
    """
    operations = record.of(workload)
    replication = record.facts.get("replication", {})
    written = _acked_by_level(operations)
    findings, judged = [], 0
    for read in _reads(operations):
        latest: Operation | None = None
        for consistency, writes in written[read.dc, read.key].items():
            if overlapping and not must_see((consistency, read.dc), (read.cl, read.dc), replication):
                continue
            seen = writes.newest_before(read.invoke)
            if seen is not None and (latest is None or seen.value > latest.value):
                latest = seen
        if latest is not None:
            judged += 1
            if _number(read) < latest.value:
                findings.append(_stale(latest, read, f"{latest.process} had {latest.value} acked at {latest.cl}"))
    return conclude(
        findings,
        (),
        judged,
        (f"all {judged} reads showed what had been acknowledged", "no read followed an acknowledged write it must see"),
        measured=len(findings),
        limit=0,
        unit="reads",
        counts={"judged": judged},
    )


@dataclass(slots=True)
class _Acked:
    """Acknowledged writes of one key and level, by return time, with the newest value of each prefix."""

    returned: list[int] = field(default_factory=list)
    newest: list[Operation] = field(default_factory=list)

    def add(self, write: Operation) -> None:
        """Add a write that returned after all added before."""
        self.returned.append(write.returned or 0)
        self.newest.append(write if not self.newest or write.value > self.newest[-1].value else self.newest[-1])

    def newest_before(self, instant: int) -> Operation | None:
        """The write with the largest number among those that returned before `instant`."""
        count = bisect_left(self.returned, instant)
        return self.newest[count - 1] if count else None


def _acked_by_level(operations: Sequence[Operation]) -> defaultdict[tuple[str, int | None], dict[str, _Acked]]:
    acked = [item for item in operations if item.f == "write" and item.outcome == "ok"]
    grouped: defaultdict[tuple[str, int | None], dict[str, _Acked]] = defaultdict(dict)
    for write in sorted(acked, key=lambda item: item.returned or 0):
        grouped[write.dc, write.key].setdefault(write.cl, _Acked()).add(write)
    return grouped


def _reads(operations: Iterable[Operation]) -> list[Operation]:
    return [item for item in operations if item.f == "read" and item.outcome == "ok" and item.cl != NODE_LOCAL]


def _number(read: Operation) -> int:
    return _ABSENT if read.out is None else int(read.out)


def _backwards(reads: Sequence[Operation]) -> tuple[int, list[Finding]]:
    """How many reads had an ordered predecessor that saw a value, and those that saw less."""
    by_return = iter(sorted(reads, key=lambda item: item.returned or 0))
    ended = next(by_return, None)
    newest: Operation | None = None
    compared, findings = 0, []
    for read in sorted(reads, key=lambda item: item.invoke):
        while ended is not None and (ended.returned or 0) < read.invoke:
            if newest is None or _number(ended) > _number(newest):
                newest = ended
            ended = next(by_return, None)
        if newest is None or newest.out is None:
            continue
        compared += 1
        if _number(read) < newest.out:
            findings.append(_stale(newest, read, f"{newest.process} had read {newest.out}"))
    return compared, findings


def _stale(earlier: Operation, read: Operation, before: str) -> Finding:
    seen = "no row" if read.out is None else str(read.out)
    detail = f"{read.process} in {read.dc} read {seen} of key {read.key} at {read.cl} after {before}"
    return Finding("stale-read", read.process, detail, read.invoke, (earlier.as_json(), read.as_json()))


def _never_written(operations: Sequence[Operation], reads: Sequence[Operation]) -> Iterable[Finding]:
    writes = {(item.key, item.value): item for item in operations if item.f == "write"}
    for read in reads:
        if read.out is None:
            continue
        write = writes.get((read.key, read.out))
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
    if read.returned is not None and write.invoke > read.returned:
        return "future-read", "whose write had not been sent"
    return "", ""
