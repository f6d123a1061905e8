"""The ledger: unique rows, written once. What was acknowledged must be there; what certainly failed must not."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

from scenarios.checks.levels import NODE_LOCAL
from scenarios.checks.registry import check, conclude, listed, undecided
from scenarios.history import SECOND, Operation
from scenarios.record import Moment, Record
from scenarios.verdict import CheckResult, Finding


@dataclass(slots=True)
class _Bucket:
    """The writes of one bucket: value -> its operation, and the values by what is known of them."""

    writes: dict[int, Operation] = field(default_factory=dict)
    invoked: dict[int, int] = field(default_factory=dict)
    acked: set[int] = field(default_factory=set)
    possible: set[int] = field(default_factory=set)
    last_ack: int = -1

    def add(self, operation: Operation) -> None:
        self.writes[operation.value] = operation
        self.invoked[operation.value] = operation.invoke
        if operation.outcome != "fail":
            self.possible.add(operation.value)
        if operation.outcome == "ok" and operation.returned is not None:
            self.acked.add(operation.value)
            self.last_ack = max(self.last_ack, operation.returned)

    def acked_before(self, instant: int) -> set[int]:
        """The values acknowledged before `instant`; the usual final read comes after all of them."""
        if self.last_ack < instant:
            return self.acked
        return {value for value in self.acked if (self.writes[value].returned or 0) < instant}


@check("no_lost_writes", ident="no acknowledged {workload} write is lost")
def no_lost_writes(record: Record, workload: str = "ledger", stage: str = "final") -> CheckResult:
    """Every acknowledged value is in every final read of its bucket; no read shows a value that cannot exist.

    Final reads are the ok reads of `stage`, one judgement per bucket, datacenter and level. Values of indeterminate
    writes may be there or not. A value of a write that certainly failed (`failed-visible`), that nobody wrote
    (`garbage`) or whose write was not yet sent (`future`) is a finding in any read of any stage. Unknown when a
    bucket with acknowledged writes has no final read in one of the ring's datacenters.
    """
    buckets = _buckets(record.of(workload))
    reads = [item for item in record.of(workload) if item.f == "read" and item.outcome == "ok"]
    final = [read for read in reads if read.stage == stage and read.cl != NODE_LOCAL]
    lost = [(read, missing) for read in final if (missing := _missing(buckets[read.key], read))]
    findings = [_lost(buckets[read.key], read, missing) for read, missing in lost]
    findings += [finding for read in reads for finding in _impossible(buckets[read.key], read)]
    filled = sorted(key for key, bucket in buckets.items() if bucket.acked and key is not None)
    acked = sum(len(buckets[key].acked) for key in filled)
    info = sum(len(bucket.possible) - len(bucket.acked) for bucket in buckets.values())
    return conclude(
        findings,
        _unread(filled, final, record.facts.get("datacenters", ())),
        acked if final else 0,
        (f"all {acked} acknowledged writes are in all {len(final)} final reads", f"no acknowledged {workload} write"),
        measured=len({value for _, missing in lost for value in missing}),
        limit=0,
        unit="writes",
        formula="acked within final, final within acked + indeterminate",
        counts={"acked": acked, "indeterminate": info, "final reads": len(final), "reads": len(reads)},
    )


@check("replicas_converged", ident="every replica holds every acknowledged {workload} write")
def replicas_converged(
    record: Record,
    workload: str = "ledger",
    hosts: Sequence[str] = (),
    exempt_before: Moment | None = None,
    exempt_seconds: float = 0.0,
) -> CheckResult:
    """Every host's own rows (final NODE_LOCAL reads) hold every acknowledged value of every bucket.

    `hosts` are host_ids, all hosts of the facts by default; each must be a replica of everything, that is RF equals
    the hosts of its datacenter, else unknown. Writes acknowledged within `exempt_seconds` before `exempt_before`
    are exempt and counted: with a periodic commit log a kill may take them from one replica without a hint.
    """
    wanted = list(hosts) or [str(host["host_id"]) for host in record.hosts]
    partial = _partial_datacenters(record)
    if partial:
        return undecided(f"not every host of {listed(partial)} replicates every bucket: its rows prove nothing")
    buckets = _buckets(record.of(workload))
    exempt = _exempt(buckets, record.moment(exempt_before), exempt_seconds) if exempt_before else set()
    reads = _own_rows(record.of(workload))
    filled = sorted(key for key, bucket in buckets.items() if bucket.acked and key is not None)
    doubts = _unread_replicas(record, wanted, filled, reads)
    lacking = [
        (host, read, missing)
        for (host, key), read in reads.items()
        if host in wanted and (missing := _missing(buckets[key], read, exempt))
    ]
    findings = [_lacks(record.name_of(host), buckets[read.key], read, missing) for host, read, missing in lacking]
    acked = sum(len(buckets[key].acked) for key in filled)
    return conclude(
        findings,
        doubts,
        acked * len(wanted),
        (f"all {len(wanted)} replicas hold all {acked} acknowledged writes", "no acknowledged write to look for"),
        measured=sum(len(missing) for _, _, missing in lacking),
        limit=0,
        unit="rows missing",
        counts={"acked": acked, "replicas": len(wanted), "exempt": len(exempt), "reads": len(reads)},
    )


def _own_rows(operations: Sequence[Operation]) -> dict[tuple[str, int | None], Operation]:
    """The last final read of each host's own rows, by host_id and bucket."""
    return {
        (str(item.host), item.key): item
        for item in operations
        if item.f == "read" and item.outcome == "ok" and item.cl == NODE_LOCAL and item.stage == "final"
    }


def _buckets(operations: Sequence[Operation]) -> defaultdict[int | None, _Bucket]:
    buckets: defaultdict[int | None, _Bucket] = defaultdict(_Bucket)
    for operation in operations:
        if operation.f == "write":
            buckets[operation.key].add(operation)
    return buckets


def _missing(bucket: _Bucket, read: Operation, exempt: Collection[int] = ()) -> list[int]:
    return sorted(bucket.acked_before(read.invoke).difference(read.out, exempt))


def _lost(bucket: _Bucket, read: Operation, missing: Sequence[int]) -> Finding:
    writers = ", ".join(sorted({bucket.writes[value].process for value in missing}))
    detail = (
        f"the {read.cl} read of bucket {read.key} in {read.dc} lacks {len(missing)} acknowledged "
        f"value(s) {listed(missing)}, written by {writers}"
    )
    return Finding("lost", read.dc, detail, read.invoke, _evidence(bucket, missing, read))


def _impossible(bucket: _Bucket, read: Operation) -> list[Finding]:
    out = set(read.out)
    kinds: dict[str, list[int]] = {"failed-visible": [], "garbage": [], "future": []}
    for value in sorted(out - bucket.possible):
        kinds["failed-visible" if value in bucket.writes else "garbage"].append(value)
    returned = read.invoke if read.returned is None else read.returned
    if max(map(bucket.invoked.__getitem__, out & bucket.possible), default=returned) > returned:
        kinds["future"] = sorted(value for value in out & bucket.possible if bucket.invoked[value] > returned)
    words = {
        "failed-visible": "of writes that certainly failed",
        "garbage": "that nobody wrote there",
        "future": "whose write had not been sent",
    }
    return [
        Finding(
            anomaly,
            read.dc,
            f"{read.process} saw value(s) {listed(values)} {words[anomaly]} in bucket {read.key} at {read.cl}",
            read.invoke,
            _evidence(bucket, values, read),
        )
        for anomaly, values in kinds.items()
        if values
    ]


def _lacks(host: str, bucket: _Bucket, read: Operation, missing: Sequence[int]) -> Finding:
    detail = f"{host} lacks {len(missing)} acknowledged value(s) of bucket {read.key}: {listed(missing)}"
    return Finding("replica-lacks", host, detail, read.invoke, _evidence(bucket, missing, read))


def _evidence(bucket: _Bucket, values: Sequence[int], read: Operation) -> tuple[dict[str, object], ...]:
    """The writes of the first values, and the read with the size of what it saw in place of all of it."""
    shown = read.as_json() | {"out": f"{len(read.out)} values"}
    return (*(bucket.writes[value].as_json() for value in values[:3] if value in bucket.writes), shown)


def _unread(buckets: Sequence[int], final: Sequence[Operation], datacenters: Sequence[str]) -> list[str]:
    read = {(operation.key, operation.dc) for operation in final}
    places = list(datacenters) or sorted({operation.dc for operation in final}) or ["any datacenter"]
    gaps = {place: [key for key in buckets if (key, place) not in read] for place in places}
    return [f"bucket {listed(keys)} has no final read in {place}" for place, keys in gaps.items() if keys]


def _unread_replicas(
    record: Record, hosts: Sequence[str], buckets: Sequence[int], reads: Collection[tuple[str, int | None]]
) -> list[str]:
    gaps = {host: [key for key in buckets if (host, key) not in reads] for host in hosts}
    return [f"{record.name_of(host)} was not read for bucket {listed(keys)}" for host, keys in gaps.items() if keys]


def _partial_datacenters(record: Record) -> list[str]:
    replication = record.facts.get("replication", {})
    members = [host["datacenter"] for host in record.hosts]
    return sorted(dc for dc, factor in replication.items() if members.count(dc) > factor)


def _exempt(buckets: defaultdict[int | None, _Bucket], moment: int, seconds: float) -> set[int]:
    earliest = moment - round(seconds * SECOND)
    return {
        value
        for bucket in buckets.values()
        for value in bucket.acked
        if earliest <= (bucket.writes[value].returned or 0) <= moment
    }
