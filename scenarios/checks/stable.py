"""The ledger read while it grows: whether a set read is current, and how long an element takes until it stays."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain, groupby
from operator import attrgetter

from scenarios.checks.ledger import Bucket, buckets_of, evidence, ok_reads, repeats
from scenarios.checks.levels import NODE_LOCAL, Due, acked_by_level, by_level, overlaps
from scenarios.checks.registry import check, conclude, listed, undecided
from scenarios.history import SECOND, Operation
from scenarios.record import Record
from scenarios.verdict import CheckResult, Finding

_WORDS = {
    "stale": "which a later read shows",
    "lost": "which an earlier read had shown and no later one does",
    "never-read": "which no read has ever shown",
}
PERCENTILES = {"p50": 50, "p95": 95, "p99": 99, "max": 100}


@dataclass(slots=True)
class _Judged:
    """What the reads of one ledger missed."""

    missed: dict[int | None, list[tuple[Operation, list[int]]]] = field(default_factory=dict)
    pairs: int = 0

    @property
    def values(self) -> set[tuple[int | None, int]]:
        """All that was missed, by bucket."""
        return {(key, value) for key, missed in self.missed.items() for _, values in missed for value in values}


@check("reads_are_current", ident="{workload} reads show what was acknowledged before")
def reads_are_current(record: Record, workload: str = "ledger") -> CheckResult:
    """A read shows every element that was acknowledged before it began at a level that it must see.

    A missing one is `stale` when a later read shows it, `lost` when only an earlier one did and `never-read` when none
    did; each is told once for each level of reads. Elements that a delete may have taken are open. Only pairs of
    levels whose replicas overlap are judged (from the facts' `replication`), so reads of the other datacenter may be
    behind. Unknown when elements were acknowledged and none was stable, that is shown by a read that had to show it.
    """
    operations = record.of(workload)
    buckets = buckets_of(operations)
    if repeated := repeats(buckets):
        return undecided(repeated)
    reads = _reads(operations)
    judged = _judge(record, buckets, reads)
    findings = [
        finding for key, missed in judged.missed.items() for finding in _named(buckets[key], reads[key], missed)
    ]
    acked = sum(len(bucket.acked) for bucket in buckets.values())
    unstable = [f"none of {acked} acknowledged elements was stable: no read had to show one"]
    return conclude(
        sorted(findings, key=attrgetter("at")),
        unstable if acked and not judged.pairs else (),
        judged.pairs,
        (
            f"reads showed all {judged.pairs} elements that they had to show",
            f"no acknowledged {workload} write",
        ),
        measured=len(judged.values),
        limit=0,
        unit="elements",
        counts={"acked": acked, "reads": sum(map(len, reads.values())), "judged": judged.pairs},
    )


@check("stable_latency", ident="how long a {workload} element takes until every read of a datacenter has it")
def stable_latency(record: Record, workload: str = "ledger") -> CheckResult:
    """The time from an acknowledgement to the end of the first read after which every read of a datacenter has it.

    A measurement, in seconds, never invalid: `counts` holds p50, p95, p99 (nearest rank) and max for each datacenter,
    and the elements they rest on. It is as coarse as the reads are rare. Elements that were ever deleted are left
    out. Vacuous when no element was stable anywhere.
    """
    operations = record.of(workload)
    buckets = buckets_of(operations)
    if repeated := repeats(buckets):
        return undecided(repeated)
    spans: dict[str, list[int]] = {}
    for key, reads in _reads(operations).items():
        for datacenter in {read.dc for read in reads}:
            local = [read for read in reads if read.dc == datacenter]
            spans.setdefault(datacenter, []).extend(latencies(buckets.get(key, Bucket()), local))
    counts: dict[str, float] = {}
    for datacenter, times in sorted(spans.items()):
        times.sort()
        counts[f"{datacenter} stable"] = len(times)
        for name, percent in PERCENTILES.items() if times else ():
            counts[f"{datacenter} {name}"] = times[rank(len(times), percent)] / SECOND
    stable = sum(map(len, spans.values()))
    slowest = max(chain.from_iterable(spans.values()), default=None)
    return conclude(
        [],
        (),
        stable,
        (_told(counts, [dc for dc, times in sorted(spans.items()) if times]), "no element was stable"),
        measured=None if slowest is None else slowest / SECOND,
        unit="s",
        counts=counts,
    )


def latencies(bucket: Bucket, reads: Sequence[Operation]) -> Iterator[int]:
    """Nanoseconds from the acknowledgement of each stable element to the end of the read that begins its stability.

    `reads` are those of one bucket and datacenter. An element is stable from the first read on after which every read
    has it; one that a read showed before its write was acknowledged counts 0.
    """
    span = attrgetter("invoke", "ended")
    current = bucket.acked.difference(bucket.open_from)
    beginning: int | None = None
    for (_, ended), at_once in groupby(sorted(reads, key=span, reverse=True), key=span):
        for read in at_once:
            if left := current.difference(read.out):
                if beginning is not None:
                    yield from _spans(bucket, beginning, left)
                current -= left
        beginning = ended
    if beginning is not None:
        yield from _spans(bucket, beginning, current)


def rank(count: int, percent: int) -> int:
    """The place of the nearest-rank percentile in `count` sorted values."""
    return math.ceil(count * percent / 100) - 1


def _spans(bucket: Bucket, beginning: int, values: set[int]) -> Iterator[int]:
    return (max(0, beginning - bucket.writes[value].ended) for value in values)


def _told(counts: Mapping[str, float], datacenters: Sequence[str]) -> str:
    figures = [f"{counts[f'{dc} p50']:.3f} s at p50, {counts[f'{dc} p99']:.3f} s at p99 in {dc}" for dc in datacenters]
    return f"elements were stable after {'; '.join(figures)}"


def _reads(operations: Sequence[Operation]) -> dict[int | None, list[Operation]]:
    grouped: dict[int | None, list[Operation]] = {}
    for read in ok_reads(operations):
        if read.cl != NODE_LOCAL:
            grouped.setdefault(read.key, []).append(read)
    return grouped


def _judge(
    record: Record, buckets: Mapping[int | None, Bucket], reads: Mapping[int | None, list[Operation]]
) -> _Judged:
    judged = _Judged()
    seen = overlaps(record.facts.get("replication", {}))
    for key, bucket in buckets.items():
        lines = acked_by_level(bucket.writes.values())
        for level, group in by_level(reads.get(key, ())).items():
            due = Due(line for write, line in lines.items() if seen(write, level))
            for read in group:
                before = due.before(read.invoke)
                judged.pairs += len(before)
                if lacking := before.difference(read.out):
                    missing = {value for value in lacking if not bucket.open_at(value, read)}
                    judged.pairs -= len(lacking) - len(missing)
                    # What is missing is told once; what a delete may have taken before the read began stays open.
                    before -= {value for value in lacking if value in missing or _gone(bucket, value, read)}
                    if missing:
                        judged.missed.setdefault(key, []).append((read, sorted(missing)))
    return judged


def _gone(bucket: Bucket, value: int, read: Operation) -> bool:
    return bucket.open_from[value] <= read.invoke


def _named(
    bucket: Bucket, reads: Sequence[Operation], missed: Sequence[tuple[Operation, list[int]]]
) -> Iterator[Finding]:
    """One finding for each read that misses something and each anomaly among what it misses."""
    wanted = {value for _, missing in missed for value in missing}
    shown: dict[int, int] = {}
    for read in sorted(reads, key=attrgetter("invoke")):
        shown.update(dict.fromkeys(wanted.intersection(read.out), read.invoke))
    for read, missing in missed:
        kinds: dict[str, list[int]] = {anomaly: [] for anomaly in _WORDS}
        for value in missing:
            last = shown.get(value)
            kinds["never-read" if last is None else "stale" if last > read.invoke else "lost"].append(value)
        for anomaly, values in kinds.items():
            if values:
                yield _current(bucket, read, anomaly, values)


def _current(bucket: Bucket, read: Operation, anomaly: str, values: Sequence[int]) -> Finding:
    first = bucket.writes[values[0]]
    detail = (
        f"{read.process} read bucket {read.key} at {read.cl} without {len(values)} acknowledged value(s) "
        f"{listed(values)}, {_WORDS[anomaly]}; {values[0]} was acknowledged to {first.process} at {first.cl}"
    )
    return Finding(anomaly, read.process, detail, read.invoke, evidence(bucket, values, read))
