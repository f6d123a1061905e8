"""The ledger: unique rows, written once. What was acknowledged must be there; what certainly failed must not.

A row may be deleted after its write was acknowledged. A delete that did not certainly fail leaves both answers open
from its invoke on; one that was acknowledged closes them again: the row must stay away.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from operator import attrgetter

from scenarios.checks.levels import NODE_LOCAL, Due, acked_by_level, by_level, overlaps
from scenarios.checks.registry import check, conclude, listed, undecided
from scenarios.history import Operation
from scenarios.record import Record
from scenarios.verdict import CheckResult, Finding

IMPOSSIBLE = {
    "failed-visible": "of writes that certainly failed",
    "garbage": "that nobody wrote there",
    "future": "whose write had not been sent",
}
"""The anomalies of a value that cannot have been read, each with the words that explain it."""


@dataclass(slots=True)
class Bucket:
    """The writes and deletes of one bucket. `acked` are the values whose write was acknowledged."""

    writes: dict[int, Operation] = field(default_factory=dict)
    acked: set[int] = field(default_factory=set)
    deletes: list[Operation] = field(default_factory=list)
    open_from: dict[int, int] = field(default_factory=dict)
    repeated: list[int] = field(default_factory=list)
    last_ack: int = 0

    def add(self, write: Operation) -> None:
        """Take a write."""
        value = write.value
        if value in self.writes:
            self.repeated.append(value)
        self.writes[value] = write
        if write.outcome == "ok":
            self.acked.add(value)
            self.last_ack = max(self.last_ack, write.ended)

    def delete(self, delete: Operation) -> None:
        """Take a delete; one that certainly failed says nothing."""
        if delete.outcome != "fail":
            self.deletes.append(delete)
            self.open_from[delete.value] = min(delete.invoke, self.open_from.get(delete.value, delete.invoke))

    def acked_before(self, instant: int) -> set[int]:
        """The values acknowledged before `instant`; the usual final read comes after all of them."""
        if self.last_ack < instant:
            return self.acked
        return {value for value in self.acked if self.writes[value].ended < instant}

    def open_at(self, value: int, read: Operation) -> bool:
        """Whether a delete of `value` may have taken effect before `read` ended."""
        start = self.open_from.get(value)
        return start is not None and start <= read.ended

    def missing(self, read: Operation, exempt: Collection[int] = ()) -> list[int]:
        """What was acknowledged before `read` began and neither shown by it nor perhaps deleted before it ended."""
        lacking = self.acked_before(read.invoke).difference(read.out, exempt)
        return sorted(value for value in lacking if not self.open_at(value, read))

    def buried(self) -> list[Operation]:
        """The acknowledged deletes that were sent after the write of their row was acknowledged."""
        return [item for item in self.deletes if item.outcome == "ok" and self._precedes(item)]

    def _precedes(self, delete: Operation) -> bool:
        return delete.value in self.acked and self.writes[delete.value].ended < delete.invoke


@check("no_lost_writes", ident="no acknowledged {workload} write is lost")
def no_lost_writes(record: Record, workload: str = "ledger", stage: str = "final") -> CheckResult:
    """Every acknowledged value is in every final read of its bucket; no read shows a value that cannot exist.

    Final reads are the ok reads of `stage`, one judgement per bucket, datacenter and level. Values of indeterminate
    writes, and values that a delete may have taken, may be there or not. A value of a write that certainly failed
    (`failed-visible`), that nobody wrote (`garbage`) or whose write was not yet sent (`future`) is a finding in any
    read of any stage. Unknown when a bucket with acknowledged writes has no final read in one of the ring's
    datacenters, or when a value was written twice.
    """
    operations = record.of(workload)
    buckets = buckets_of(operations)
    if repeated := repeats(buckets):
        return undecided(repeated)
    reads = ok_reads(operations)
    final = [read for read in reads if read.stage == stage and read.cl != NODE_LOCAL]
    lost = [(read, lacking) for read in final if (lacking := _bucket(buckets, read.key).missing(read))]
    findings = [_lost(buckets[read.key], read, lacking) for read, lacking in lost]
    findings += impossible(buckets, reads)
    filled = [key for key, bucket in buckets.items() if bucket.acked]
    acked = sum(len(buckets[key].acked) for key in filled)
    return conclude(
        findings,
        unread(filled, final, record.facts.get("datacenters", ())),
        acked if final else 0,
        (f"all {acked} acknowledged writes are in all {len(final)} final reads", f"no acknowledged {workload} write"),
        measured=len({value for _, lacking in lost for value in lacking}),
        limit=0,
        unit="writes",
        formula="acked within final, final within acked + indeterminate",
        counts={
            "acked": acked,
            "indeterminate": sum(item.outcome == "info" for item in operations if item.f == "write"),
            "deletes": sum(len(bucket.deletes) for bucket in buckets.values()),
            "final reads": len(final),
            "reads": len(reads),
        },
    )


@check("no_resurrection", ident="no deleted {workload} row comes back")
def no_resurrection(record: Record, workload: str = "ledger", stage: str = "final") -> CheckResult:
    """No read shows a row whose delete was acknowledged before the read began at a level that it must see.

    The reads of `stage`, after everything healed, must honour every acknowledged delete, as `no_lost_writes` demands
    of writes; `stage=""` judges them like all others. Deletes that are indeterminate or in flight leave both answers
    open. Sound while `gc_grace_seconds` is longer than any replica was away. Unknown when a bucket with acknowledged
    deletes has no read of `stage` in one of the ring's datacenters.
    """
    operations = record.of(workload)
    buckets = buckets_of(operations)
    if repeated := repeats(buckets):
        return undecided(repeated)
    reads = [read for read in ok_reads(operations) if read.cl != NODE_LOCAL]
    buried = {key: graves for key, bucket in buckets.items() if (graves := bucket.buried())}
    deleted = sum(map(len, buried.values()))
    findings, judged = [], 0
    for read, dead in _graves(record, buried, reads, stage):
        judged += len(dead)
        if back := dead.intersection(read.out):
            findings.append(_resurrected(buckets[read.key], read, sorted(back)))
    final = [read for read in reads if read.stage == stage]
    return conclude(
        findings,
        unread(buried, final, record.facts.get("datacenters", ())) if stage else (),
        judged,
        (f"none of {deleted} deleted rows came back", f"no acknowledged {workload} delete that a read must honour"),
        measured=len(findings),
        limit=0,
        unit="reads",
        counts={"deletes": deleted, "reads": len(reads), "judged": judged},
    )


def _graves(
    record: Record, buried: Mapping[int | None, Sequence[Operation]], reads: Sequence[Operation], stage: str
) -> Iterator[tuple[Operation, set[int]]]:
    """Each read of a bucket with deletes, and the values that it must not show."""
    seen = overlaps(record.facts.get("replication", {}))
    grouped = _by_key(reads)
    for key, graves in buried.items():
        lines = acked_by_level(graves)
        for level, group in by_level(grouped.get(key, ())).items():
            honoured = Due(line for delete, line in lines.items() if seen(delete, level))
            healed = Due(lines.values())
            for read in group:
                due = healed if read.stage == stage else honoured
                yield read, due.before(read.invoke)


def buckets_of(operations: Iterable[Operation]) -> dict[int | None, Bucket]:
    """The writes and deletes of each bucket."""
    buckets: dict[int | None, Bucket] = {}
    for operation in operations:
        f = operation.f
        if f in {"write", "delete"}:
            bucket = buckets.get(operation.key)
            if bucket is None:
                bucket = buckets[operation.key] = Bucket()
            if f == "write":
                bucket.add(operation)
            else:
                bucket.delete(operation)
    return buckets


def repeats(buckets: Mapping[int | None, Bucket]) -> str | None:
    """The sentence that names the values that were written more than once: reads of them prove nothing."""
    twice = [(key, value) for key, bucket in buckets.items() for value in bucket.repeated]
    if not twice:
        return None
    return f"value(s) {listed(value for _, value in twice)} of bucket {twice[0][0]} were written more than once"


def ok_reads(operations: Iterable[Operation]) -> list[Operation]:
    """The reads that were answered."""
    return [item for item in operations if item.f == "read" and item.outcome == "ok"]


def impossible(
    buckets: Mapping[int | None, Bucket],
    reads: Sequence[Operation],
    shown: Callable[[Operation], Collection[int]] = attrgetter("out"),
) -> list[Finding]:
    """One finding for each read and anomaly of IMPOSSIBLE; `shown` are the values that a read showed."""
    findings = []
    for key, group in _by_key(reads).items():
        bucket = buckets.get(key, Bucket())
        for read, strange in _strange(bucket, group, shown):
            kinds: dict[str, list[int]] = {anomaly: [] for anomaly in IMPOSSIBLE}
            for value in sorted(strange):
                write = bucket.writes.get(value)
                known = "future" if write is not None else "garbage"
                kinds["failed-visible" if write is not None and write.outcome == "fail" else known].append(value)
            findings += [_cannot_be(bucket, read, kind, values) for kind, values in kinds.items() if values]
    return sorted(findings, key=attrgetter("at"))


def _strange(
    bucket: Bucket, reads: Sequence[Operation], shown: Callable[[Operation], Collection[int]]
) -> Iterator[tuple[Operation, set[int]]]:
    """Reads with the values that they cannot have seen: of no write, of one that failed or was sent after the read."""
    sent = sorted((item for item in bucket.writes.values() if item.outcome != "fail"), key=attrgetter("invoke"))
    known: set[int] = set()
    position = 0
    for read in sorted(reads, key=attrgetter("ended")):
        while position < len(sent) and sent[position].invoke <= read.ended:
            known.add(sent[position].value)
            position += 1
        values = shown(read)
        if not known.issuperset(values):
            yield read, set(values) - known


def unread(buckets: Iterable[int | None], final: Sequence[Operation], datacenters: Sequence[str]) -> list[str]:
    """The sentences that name the buckets without a final read, by datacenter of the ring."""
    wanted = sorted(key for key in buckets if key is not None)
    read = {(operation.key, operation.dc) for operation in final}
    places = list(datacenters) or sorted({operation.dc for operation in final}) or ["any datacenter"]
    gaps = {place: [key for key in wanted if (key, place) not in read] for place in places}
    return [f"bucket {listed(keys)} has no final read in {place}" for place, keys in gaps.items() if keys]


def evidence(bucket: Bucket, values: Sequence[int], read: Operation) -> tuple[dict[str, object], ...]:
    """The writes and deletes of the first values, and the read with the size of what it saw in place of all of it."""
    shown = values[:3]
    deletes = [item.as_json() for item in bucket.deletes if item.value in shown]
    writes = [bucket.writes[value].as_json() for value in shown if value in bucket.writes]
    return (*writes, *deletes, read.as_json() | {"out": f"{len(read.out)} values"})


def _by_key(reads: Iterable[Operation]) -> dict[int | None, list[Operation]]:
    grouped: dict[int | None, list[Operation]] = {}
    for read in reads:
        grouped.setdefault(read.key, []).append(read)
    return grouped


def _bucket(buckets: Mapping[int | None, Bucket], key: int | None) -> Bucket:
    return buckets.get(key) or Bucket()


def _lost(bucket: Bucket, read: Operation, missing: Sequence[int]) -> Finding:
    writers = ", ".join(sorted({bucket.writes[value].process for value in missing}))
    detail = (
        f"the {read.cl} read of bucket {read.key} in {read.dc} lacks {len(missing)} acknowledged "
        f"value(s) {listed(missing)}, written by {writers}"
    )
    return Finding("lost", read.dc, detail, read.invoke, evidence(bucket, missing, read))


def _resurrected(bucket: Bucket, read: Operation, back: Sequence[int]) -> Finding:
    detail = (
        f"{read.process} saw {len(back)} value(s) {listed(back)} in bucket {read.key} at {read.cl} whose delete had "
        "been acknowledged"
    )
    return Finding("resurrected", read.dc, detail, read.invoke, evidence(bucket, back, read))


def _cannot_be(bucket: Bucket, read: Operation, anomaly: str, values: Sequence[int]) -> Finding:
    detail = f"{read.process} saw value(s) {listed(values)} {IMPOSSIBLE[anomaly]} in bucket {read.key} at {read.cl}"
    return Finding(anomaly, read.dc, detail, read.invoke, evidence(bucket, values, read))
