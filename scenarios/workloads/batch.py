"""The batch's client side: one id, written into two tables by one logged batch."""

from __future__ import annotations

import random
from dataclasses import dataclass

from scenarios.outcomes import Outcome
from scenarios.workloads.declared import Batch
from scenarios.workloads.operation import Levels, Operation, Place, Rows
from scenarios.workloads.turns import Turns

RIGHT = 1_000_000
"""The right table's partition of a bucket is so much further on. Rows of one keyspace with equal partition keys become
one mutation, which needs no batch log (apache/cassandra `cql3/statements/BatchStatement.java`, `mutateAtomic`)."""


@dataclass
class Writer:
    """One writer of batches: every id is its own and new, also after an attempt whose end is unknown."""

    place: Place
    declared: Batch
    number: int
    workload: str = "batch"

    def __post_init__(self) -> None:
        self._random = random.Random(self.place.random_seed(self.name))
        self._levels = Levels(self.declared.consistency)
        self._ids = self.place.ids(self.number)

    @property
    def name(self) -> str:
        """The lane's name."""
        return f"batch writer {self.number}"

    def next(self) -> Operation:
        """Insert an id that was never used into both tables, into a bucket chosen by the seed."""
        bucket, value = self._random.randrange(self.declared.buckets), next(self._ids)
        left, right = self.place.table("batch_left"), self.place.table("batch_right")
        cql = (
            f"BEGIN BATCH INSERT INTO {left} (bucket, id) VALUES (%s, %s); "
            f"INSERT INTO {right} (bucket, id) VALUES (%s, %s); APPLY BATCH"
        )
        return Operation("write", bucket, value, "batch", self._levels, cql, (bucket, value, RIGHT + bucket, value))

    def settled(self, operation: Operation, outcome: Outcome, out: object) -> None:
        """Nothing to learn: no id is ever written again."""


def behaviours(place: Place, declared: Batch) -> list[Writer]:
    """The writers of one client."""
    return [Writer(place, declared, number) for number in range(declared.clients)]


def reader(place: Place, declared: Batch) -> Turns:
    """The reader of both tables."""
    levels = Levels(declared.read_consistency)
    return Turns("batch", range(declared.buckets), lambda key: read(place, key, levels))


def read(place: Place, key: int, levels: Levels) -> Operation:
    """The read of one bucket: the left table, then the right one, within one recorded interval."""
    left = f"SELECT id AS left_id FROM {place.table('batch_left')} WHERE bucket = %s"
    right = f"SELECT id AS right_id FROM {place.table('batch_right')} WHERE bucket = %s"
    first = Operation("read", key, None, "read", levels, left, (key,))
    return Operation("read", key, None, "read", levels, right, (RIGHT + key,), _both, before=first, joined=True)


def final_reads(place: Place, declared: Batch, levels: Levels) -> list[Operation]:
    """One read of every bucket."""
    return [read(place, key, levels) for key in range(declared.buckets)]


def _both(rows: Rows) -> object:
    return {side: sorted(row[f"{side}_id"] for row in rows if f"{side}_id" in row) for side in ("left", "right")}
