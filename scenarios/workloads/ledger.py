"""The ledger's client side: unique rows, spread over a few partitions, each written once."""

from __future__ import annotations

import itertools
import random
from dataclasses import dataclass, field

from clusters.errors import UsageError
from scenarios.outcomes import Outcome
from scenarios.workloads.declared import Ledger
from scenarios.workloads.operation import Levels, Operation, Place, Rows

WRITER_BITS = 32  # an id is (client number x 64 + writer) << 32 | count: below 2^53, exact in any JSON reader
WRITERS_PER_CLIENT = 64


@dataclass
class Writer:
    """One writer: every id is its own and new, also after an attempt whose end is unknown."""

    place: Place
    declared: Ledger
    number: int
    workload: str = "ledger"
    _count: itertools.count[int] = field(default_factory=lambda: itertools.count(1))

    def __post_init__(self) -> None:
        self._random = random.Random(self.place.random_seed(self.name))
        self._levels = Levels(self.declared.levels[self.number % len(self.declared.levels)])

    @property
    def name(self) -> str:
        """The lane's name."""
        return f"ledger writer {self.number}"

    def next(self) -> Operation:
        """Insert an id that was never used, into a partition chosen by the seed."""
        owner = self.place.client_number * WRITERS_PER_CLIENT + self.number
        value = (owner << WRITER_BITS) | next(self._count)
        bucket = self._random.randrange(self.declared.buckets)
        cql = f"INSERT INTO {self.place.table('ledger')} (bucket, id, writer) VALUES (%s, %s, %s)"
        return Operation("write", bucket, value, "write", self._levels, cql, (bucket, value, self.name))

    def settled(self, operation: Operation, outcome: Outcome, out: object) -> None:
        """Nothing to learn: no id is ever written again."""


def behaviours(place: Place, declared: Ledger) -> list[Writer]:
    """The writers of one client; UsageError when some level would have none."""
    if declared.clients < len(declared.levels):
        raise UsageError(f"ledger: {len(declared.levels)} consistency levels need at least as many clients")
    return [Writer(place, declared, number) for number in range(declared.clients)]


def final_reads(place: Place, declared: Ledger, levels: Levels) -> list[Operation]:
    """One read of every bucket, whole."""
    cql = f"SELECT id FROM {place.table('ledger')} WHERE bucket = %s"
    return [Operation("read", key, None, "read", levels, cql, (key,), _ids) for key in range(declared.buckets)]


def _ids(rows: Rows) -> object:
    return sorted(row["id"] for row in rows)
