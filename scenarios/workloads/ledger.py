"""The ledger's client side: unique rows, spread over a few partitions, each written once and deleted once at most."""

from __future__ import annotations

import random
from dataclasses import dataclass, field

from clusters.errors import UsageError
from scenarios.outcomes import Outcome
from scenarios.workloads.declared import Ledger
from scenarios.workloads.operation import Levels, Operation, Place, Rows
from scenarios.workloads.turns import Turns


@dataclass
class Writer:
    """One writer: every id is its own and new, also after an attempt whose end is unknown."""

    place: Place
    declared: Ledger
    number: int
    workload: str = "ledger"
    _acked: list[tuple[int, int]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._random = random.Random(self.place.random_seed(self.name))
        self._levels = Levels(self.declared.levels[self.number % len(self.declared.levels)])
        self._ids = self.place.ids(self.number)

    @property
    def name(self) -> str:
        """The lane's name."""
        return f"ledger writer {self.number}"

    def next(self) -> Operation:
        """Insert an id that was never used, into a partition chosen by the seed; or delete one, if any is left."""
        if self._acked and self._random.random() < self.declared.deletes:
            return self._delete(*self._acked.pop(self._random.randrange(len(self._acked))))
        bucket = self._random.randrange(self.declared.buckets)
        value = next(self._ids)
        cql = f"INSERT INTO {self.place.table('ledger')} (bucket, id, writer) VALUES (%s, %s, %s)"
        return Operation("write", bucket, value, "write", self._levels, cql, (bucket, value, self.name))

    def _delete(self, bucket: int, value: int) -> Operation:
        cql = f"DELETE FROM {self.place.table('ledger')} WHERE bucket = %s AND id = %s"
        return Operation("delete", bucket, value, "write", self._levels, cql, (bucket, value))

    def settled(self, operation: Operation, outcome: Outcome, out: object) -> None:
        """Remember what was acknowledged, if any of it is to be deleted: only that is known to have come before."""
        if outcome == "ok" and operation.f == "write" and self.declared.deletes and isinstance(operation.value, int):
            self._acked.append((operation.key, operation.value))


def behaviours(place: Place, declared: Ledger) -> list[Writer]:
    """The writers of one client; UsageError when some level would have none."""
    if declared.clients < len(declared.levels):
        raise UsageError(f"ledger: {len(declared.levels)} consistency levels need at least as many clients")
    return [Writer(place, declared, number) for number in range(declared.clients)]


def reader(place: Place, declared: Ledger) -> Turns:
    """The reader of whole buckets."""
    levels = Levels(declared.read_consistency)
    return Turns("ledger", range(declared.buckets), lambda key: read(place, key, levels))


def read(place: Place, key: int, levels: Levels) -> Operation:
    """The read of one bucket, whole and in one page."""
    cql = f"SELECT id FROM {place.table('ledger')} WHERE bucket = %s"
    return Operation("read", key, None, "read", levels, cql, (key,), _ids)


def final_reads(place: Place, declared: Ledger, levels: Levels) -> list[Operation]:
    """One read of every bucket."""
    return [read(place, key, levels) for key in range(declared.buckets)]


def _ids(rows: Rows) -> object:
    return sorted(row["id"] for row in rows)
