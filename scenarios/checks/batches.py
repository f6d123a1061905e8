"""Logged batches over two tables: all of a batch or nothing of it, when the batch log has been replayed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from scenarios.checks.ledger import Bucket, buckets_of, evidence, impossible, ok_reads, repeats, unread
from scenarios.checks.levels import NODE_LOCAL
from scenarios.checks.registry import check, conclude, listed, undecided
from scenarios.history import SECOND, Operation
from scenarios.record import Record
from scenarios.verdict import CheckResult, Finding

REPLAY_SECONDS = 15.0
"""The batch log is replayed every 10 s (`batchlog/BatchlogManager.java`, REPLAY_INTERVAL), batches older than two
write time-outs of 2 s (`getBatchlogTimeout`, `config/Config.java`); and 1 s of slack for the writes themselves."""
TABLES = ("left", "right")


@check("batches_whole", ident="every {workload} is in both tables or in none")
def batches_whole(
    record: Record, workload: str = "batch", stage: str = "final", replay_seconds: float = REPLAY_SECONDS
) -> CheckResult:
    """In every final read an acknowledged batch is in both tables, an indeterminate one in both or in none.

    Final reads are the ok reads of `stage`. Batches are not isolated, so other reads may show a half and are judged
    only for values that cannot exist: of a batch that certainly failed (`failed-visible`), that nobody wrote
    (`garbage`), or that was not yet sent (`future`). Batches that were in flight when a final read began, and
    indeterminate ones sent less than `replay_seconds` before it, are open. Unknown when a bucket with acknowledged
    batches has no final read in one of the ring's datacenters, or when a value was written twice.
    """
    operations = record.of(workload)
    buckets = buckets_of(operations)
    if repeated := repeats(buckets):
        return undecided(repeated)
    reads = ok_reads(operations)
    final = [read for read in reads if read.stage == stage and read.cl != NODE_LOCAL]
    broken = [item for read in final for item in _broken(buckets.get(read.key, Bucket()), read, replay_seconds)]
    findings = [_finding(buckets[read.key], anomaly, read, values) for anomaly, read, values in broken]
    findings += impossible(buckets, reads, _either)
    filled = [key for key, bucket in buckets.items() if bucket.acked]
    acked = sum(len(buckets[key].acked) for key in filled)
    info = sum(item.outcome == "info" for item in operations if item.f == "write")
    return conclude(
        findings,
        unread(filled, final, record.facts.get("datacenters", ())),
        acked if final else 0,
        (f"all {acked} acknowledged batches are whole in all {len(final)} final reads", "no acknowledged batch"),
        measured=len({value for _, _, values in broken for value in values}),
        limit=0,
        unit="batches",
        formula="acked within both tables, the two equal but for what is in flight",
        counts={"acked": acked, "indeterminate": info, "final reads": len(final), "reads": len(reads)},
    )


def _broken(bucket: Bucket, read: Operation, replay_seconds: float) -> list[tuple[str, Operation, list[int]]]:
    """By anomaly, the batches that this final read shows broken."""
    tables: Mapping[str, Sequence[int]] = read.out
    left, right = (set(tables[name]) for name in TABLES)
    acked = bucket.acked_before(read.invoke)
    torn = sorted(value for value in left ^ right if value in acked or _replayed(bucket, value, read, replay_seconds))
    lost = sorted(acked - left - right)
    return [(anomaly, read, values) for anomaly, values in (("lost", lost), ("torn", torn)) if values]


def _replayed(bucket: Bucket, value: int, read: Operation, seconds: float) -> bool:
    """Whether the batch is indeterminate and so old that the batch log must have been replayed."""
    write = bucket.writes.get(value)
    if write is None or write.outcome != "info":
        return False
    return write.invoke + round(seconds * SECOND) < read.invoke


def _either(read: Operation) -> list[int]:
    return [value for name in TABLES for value in read.out[name]]


def _finding(bucket: Bucket, anomaly: str, read: Operation, values: Sequence[int]) -> Finding:
    words = {"lost": "in neither table", "torn": "in one table only"}[anomaly]
    writers = listed(sorted({f"{bucket.writes[value].process} ({bucket.writes[value].outcome})" for value in values}))
    detail = (
        f"the {read.cl} read of bucket {read.key} in {read.dc} shows {len(values)} batch(es) {words}: "
        f"{listed(values)}, written by {writers}"
    )
    shown = evidence(bucket, values, read)
    tables = {name: [value for value in values if value in read.out[name]][:3] for name in TABLES}
    return Finding(anomaly, read.dc, detail, read.invoke, (*shown[:-1], dict(shown[-1]) | {"out": tables}))
