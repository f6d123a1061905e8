"""Convergence: what each replica holds alone when all is over, from reads of its own rows.

Hints are best effort and repair is the guarantee, so without a repair only what was acknowledged must have arrived
everywhere; after one (`equal=True`) the replicas must be equal (Cassandra documentation, operating/hints).
"""

from __future__ import annotations

from collections.abc import Collection, Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from scenarios.checks.ledger import Bucket, buckets_of, repeats
from scenarios.checks.levels import NODE_LOCAL
from scenarios.checks.registry import check, conclude, listed, undecided
from scenarios.history import SECOND, Operation
from scenarios.record import Moment, Record
from scenarios.verdict import CheckResult, Finding

NAMED = 10
"""Rows named in one finding, each with its writer; enough to see a pattern."""

_OwnRows = Mapping[tuple[str, int | None], Operation]


@check("replicas_converged", ident="every replica holds every acknowledged {workload} write")
def replicas_converged(
    record: Record,
    workload: str = "ledger",
    hosts: Sequence[str] = (),
    exempt_before: Moment | None = None,
    exempt_seconds: float = 0.0,
    equal: bool = False,
) -> CheckResult:
    """Every host's own rows (final NODE_LOCAL reads) hold every acknowledged value and no row that was deleted.

    `hosts` are host_ids, all hosts of the facts by default; each must be a replica of everything, that is RF equals
    the hosts of its datacenter, else unknown. What was acknowledged within `exempt_seconds` before `exempt_before`
    is exempt and counted: with a periodic commit log a kill may take it from one replica without a hint. With
    `equal`, after a repair, indeterminate rows must be on every replica or on none as well.
    """
    wanted = _wanted(record, hosts)
    operations = record.of(workload)
    buckets = buckets_of(operations)
    if doubt := _partial(record) or repeats(buckets):
        return undecided(doubt)
    span = _exempt_span(record, exempt_before, exempt_seconds)
    reads = _own_rows(operations, wanted)
    filled = sorted(key for key, bucket in buckets.items() if bucket.acked and key is not None)
    acked = sum(len(buckets[key].acked) for key in filled)
    exempt = {value for bucket in buckets.values() for value in bucket.acked if _within(bucket.writes[value], span)}
    differing = [rows for read in reads.values() for rows in _differing(buckets.get(read.key, Bucket()), read, span)]
    if equal:
        differing += _unequal(buckets, reads, differing)
    return conclude(
        [rows.finding(record) for rows in differing],
        _unread_replicas(record, wanted, filled, reads),
        min(acked, len(wanted)),
        (f"all {len(wanted)} replicas hold all {acked} acknowledged writes", "no acknowledged write to look for"),
        measured=sum(len(rows.values) for rows in differing),
        limit=0,
        unit="rows that differ",
        counts={"acked": acked, "replicas": len(wanted), "exempt": len(exempt), "reads": len(reads)},
    )


@check("registers_converged", ident="every replica holds the newest acknowledged value of the {workload}")
def registers_converged(
    record: Record,
    workload: str = "registers",
    hosts: Sequence[str] = (),
    exempt_before: Moment | None = None,
    exempt_seconds: float = 0.0,
    equal: bool = False,
) -> CheckResult:
    """Every host's own value of a register (final NODE_LOCAL reads) is the newest acknowledged one or a newer one.

    Newer is only what an indeterminate write or delete of a later number left; of a delete, no value is left. The
    parameters are those of `replicas_converged`; with `equal` all hosts must show the same.
    """
    wanted = _wanted(record, hosts)
    if doubt := _partial(record):
        return undecided(doubt)
    span = _exempt_span(record, exempt_before, exempt_seconds)
    operations = record.of(workload)
    reads = _own_rows(operations, wanted)
    registers = _registers(operations, span)
    differing = [
        _value(kind, record, read, registers.get(read.key, _Register()))
        for read in reads.values()
        if (kind := registers.get(read.key, _Register()).fault(read))
    ]
    if equal:
        differing += [_disagree(record, _group(reads, key)) for key in registers if len(_shown(reads, key)) > 1]
    filled = sorted(key for key, register in registers.items() if register.acked and key is not None)
    return conclude(
        differing,
        _unread_replicas(record, wanted, filled, reads),
        min(len(filled), len(wanted)),
        (f"all {len(wanted)} replicas hold {len(filled)} registers", "no acknowledged write to look for"),
        measured=len(differing),
        limit=0,
        unit="values that differ",
        counts={"registers": len(filled), "replicas": len(wanted), "reads": len(reads)},
    )


@dataclass(frozen=True, slots=True)
class _Rows:
    """Rows that one replica should or should not have; `operations` wrote or deleted them."""

    kind: str
    read: Operation
    values: list[int]
    operations: list[Operation]

    def finding(self, record: Record) -> Finding:
        host, key, count = record.name_of(str(self.read.host)), self.read.key, len(self.values)
        words = {
            "replica-lacks": f"{host} lacks {count} acknowledged value(s) of bucket {key}",
            "replica-keeps": f"{host} keeps {count} value(s) of bucket {key} whose delete was acknowledged",
            "replica-differs": f"{host} lacks {count} value(s) of bucket {key} that another replica has",
        }
        writers = listed((f"{item.value} ({_who(item)})" for item in self.operations), NAMED)
        told = [item.as_json() for item in self.operations[:NAMED]]
        shown = self.read.as_json() | {"out": f"{len(self.read.out)} values"}
        return Finding(self.kind, host, f"{words[self.kind]}: {writers}", self.read.invoke, (*told, shown))


@dataclass(slots=True)
class _Register:
    """The writes and deletes of one register that may have happened, and the newest that must have arrived."""

    by_number: dict[int, Operation] = field(default_factory=dict)
    newest: int = -1
    acked: bool = False

    def add(self, item: Operation, *, exempt: bool) -> None:
        self.by_number[int(item.value)] = item
        if item.outcome == "ok":
            self.acked = True
            if not exempt:
                self.newest = max(self.newest, int(item.value))

    def fault(self, read: Operation) -> str | None:
        """None when the read may show what it shows, else the anomaly."""
        if read.out is None:
            gone = self.newest < 0 or any(
                number >= self.newest and item.f == "delete" for number, item in self.by_number.items()
            )
            return None if gone else "replica-lacks"
        write = self.by_number.get(int(read.out))
        if write is None or write.f != "write":
            return "garbage"
        return "replica-behind" if read.out < self.newest else None


def _registers(operations: Iterable[Operation], span: Container[int]) -> dict[int | None, _Register]:
    registers: dict[int | None, _Register] = {}
    for item in operations:
        if item.f in {"write", "delete"} and item.outcome != "fail":
            registers.setdefault(item.key, _Register()).add(item, exempt=_within(item, span))
    return registers


def _differing(bucket: Bucket, read: Operation, span: Container[int]) -> Iterable[_Rows]:
    """What a replica lacks and what it keeps, with the writes and the deletes of it."""
    lacking = [value for value in bucket.missing(read) if not _within(bucket.writes[value], span)]
    if lacking:
        yield _Rows("replica-lacks", read, lacking, [bucket.writes[value] for value in lacking])
    out = set(read.out)
    graves = {
        item.value: item
        for item in bucket.buried()
        if item.value in out and item.ended < read.invoke and not _within(item, span)
    }
    if graves:
        yield _Rows("replica-keeps", read, sorted(graves), [graves[value] for value in sorted(graves)])


def _unequal(buckets: Mapping[int | None, Bucket], reads: _OwnRows, differing: Sequence[_Rows]) -> list[_Rows]:
    """Rows that one replica has and another lacks, and of which nothing was told yet; not those still in flight."""
    rows = []
    for key, bucket in buckets.items():
        group = _group(reads, key)
        if not group:
            continue
        told = {value for known in differing if known.read.key == key for value in known.values}
        begun = min(read.invoke for read in group)
        changes = (*bucket.writes.values(), *bucket.deletes)
        flying = {item.value for item in changes if item.ended >= begun}
        everywhere = {value for read in group for value in read.out if value in bucket.writes}
        for read in group:
            if lacking := sorted(everywhere.difference(read.out, told, flying)):
                rows.append(_Rows("replica-differs", read, lacking, [bucket.writes[value] for value in lacking]))
    return rows


def _value(kind: str, record: Record, read: Operation, register: _Register) -> Finding:
    host = record.name_of(str(read.host))
    shown = "no value" if read.out is None else f"value {read.out}"
    newest = register.by_number.get(register.newest)
    why = "nobody wrote it"
    if newest is not None and kind != "garbage":
        why = f"{register.newest} was acknowledged ({_who(newest)})"
    told = [item.as_json() for item in (newest, read) if item is not None]
    return Finding(kind, host, f"{host} holds {shown} of key {read.key}, {why}", read.invoke, tuple(told))


def _disagree(record: Record, reads: Sequence[Operation]) -> Finding:
    shown = listed(f"{record.name_of(str(read.host))} {read.out}" for read in reads)
    detail = f"the replicas of key {reads[0].key} hold different values: {shown}"
    told = tuple(read.as_json() for read in reads)
    return Finding("replica-differs", record.name_of(str(reads[0].host)), detail, reads[0].invoke, told)


def _who(item: Operation) -> str:
    """Who did it and when, on the history's own clock."""
    did = "written" if item.f == "write" else "deleted"
    return f"{did} by {item.process} at {item.invoke / SECOND:.3f} s"


def _wanted(record: Record, hosts: Sequence[str]) -> list[str]:
    return list(hosts) or [str(host["host_id"]) for host in record.hosts]


def _own_rows(operations: Sequence[Operation], hosts: Collection[str]) -> dict[tuple[str, int | None], Operation]:
    """The last final read of each wanted host's own rows, by host_id and key."""
    return {
        (str(item.host), item.key): item
        for item in operations
        if item.f == "read"
        and item.outcome == "ok"
        and item.cl == NODE_LOCAL
        and item.stage == "final"
        and item.host in hosts
    }


def _group(reads: _OwnRows, key: int | None) -> list[Operation]:
    return [read for (_, other), read in reads.items() if other == key]


def _shown(reads: _OwnRows, key: int | None) -> set[Any]:
    return {read.out for read in _group(reads, key)}


def _unread_replicas(
    record: Record, hosts: Sequence[str], keys: Sequence[int], reads: Collection[tuple[str, int | None]]
) -> list[str]:
    gaps = {host: [key for key in keys if (host, key) not in reads] for host in hosts}
    return [
        f"{record.name_of(host)} was not read for bucket {listed(lacking)}" for host, lacking in gaps.items() if lacking
    ]


def _partial(record: Record) -> str | None:
    """The sentence that names the datacenters whose hosts hold only a part of the data."""
    members = [host["datacenter"] for host in record.hosts]
    replication = record.facts.get("replication", {})
    partial = sorted(dc for dc, factor in replication.items() if members.count(dc) > factor)
    if not partial:
        return None
    return f"not every host of {listed(partial)} replicates every bucket: its rows prove nothing"


def _exempt_span(record: Record, before: Moment | None, seconds: float) -> Container[int]:
    """The instants of the exemption, both ends included."""
    if before is None:
        return ()
    moment = record.moment(before)
    return range(moment - round(seconds * SECOND), moment + 1)


def _within(item: Operation, span: Container[int]) -> bool:
    return item.returned is not None and item.returned in span
