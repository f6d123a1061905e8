"""The registers' client side: each key has one writer, whose sequence numbers, also of deletes, only grow."""

from __future__ import annotations

import itertools
import random
from dataclasses import dataclass, field

from scenarios.outcomes import Outcome
from scenarios.workloads.declared import Registers
from scenarios.workloads.operation import Levels, Operation, Place, Rows

KEYS_PER_CLIENT = 1000  # key = client number x 1000 + i, so that no two clients ever write the same key


def keys(place: Place, declared: Registers) -> list[int]:
    """The keys that this client, and nobody else, writes."""
    first = place.client_number * KEYS_PER_CLIENT
    return list(range(first, first + declared.keys))


@dataclass
class Writer:
    """The only writer of one key: the next sequence number, whatever became of the last."""

    place: Place
    declared: Registers
    key: int
    workload: str = "registers"
    _sequence: itertools.count[int] = field(default_factory=lambda: itertools.count(1))

    def __post_init__(self) -> None:
        self._random = random.Random(self.place.random_seed(self.name))

    @property
    def name(self) -> str:
        """The lane's name."""
        return f"registers writer {self.key}"

    def next(self) -> Operation:
        """Overwrite the register by the next number, or delete it; the driver's shared clock orders the two."""
        value, table, levels = next(self._sequence), self.place.table("registers"), Levels(self.declared.consistency)
        if self._random.random() < self.declared.deletes:
            cql = f"DELETE FROM {table} WHERE key = %s"
            return Operation("delete", self.key, value, "write", levels, cql, (self.key,))
        cql = f"INSERT INTO {table} (key, seq) VALUES (%s, %s)"
        return Operation("write", self.key, value, "write", levels, cql, (self.key, value))

    def settled(self, operation: Operation, outcome: Outcome, out: object) -> None:
        """Nothing to learn: the number grows by one in any case."""


@dataclass
class Reader:
    """One sequential reader of one key."""

    place: Place
    declared: Registers
    key: int
    number: int
    workload: str = "registers"

    @property
    def name(self) -> str:
        """The lane's name."""
        return f"registers reader {self.key}.{self.number}"

    def next(self) -> Operation:
        """Read the register."""
        return read(self.place, self.key, Levels(self.declared.read_consistency or self.declared.consistency))

    def settled(self, operation: Operation, outcome: Outcome, out: object) -> None:
        """Nothing to learn."""


def behaviours(place: Place, declared: Registers) -> list[Writer | Reader]:
    """The writer and the readers of every key of this client."""
    writers = [Writer(place, declared, key) for key in keys(place, declared)]
    readers = [Reader(place, declared, writer.key, n) for writer in writers for n in range(declared.readers)]
    return [*writers, *readers]


def read(place: Place, key: int, levels: Levels) -> Operation:
    """The read of one register: its sequence number, or None while it is absent."""
    cql = f"SELECT seq FROM {place.table('registers')} WHERE key = %s"
    return Operation("read", key, None, "read", levels, cql, (key,), _sequence_number)


def final_reads(place: Place, declared: Registers, levels: Levels) -> list[Operation]:
    """One read of every key of this client."""
    return [read(place, key, levels) for key in keys(place, declared)]


def _sequence_number(rows: Rows) -> object:
    return rows[0]["seq"] if rows else None
