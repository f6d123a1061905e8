"""The counter's client side: increments without a value to look for, so only sums can be judged.

No increment may ever be sent twice: the sessions of recorded clients never retry.
"""

from __future__ import annotations

import random
from dataclasses import dataclass

from scenarios.outcomes import Outcome
from scenarios.workloads.declared import Counter
from scenarios.workloads.operation import Levels, Operation, Place, Rows
from scenarios.workloads.turns import Turns

MAX_DELTA = 9  # increments differ, so that a wrong sum says which of them it holds twice or not at all


@dataclass
class Adder:
    """One client of the counters: adds a small number to one of them, both chosen by the seed."""

    place: Place
    declared: Counter
    number: int
    workload: str = "counter"

    def __post_init__(self) -> None:
        self._random = random.Random(self.place.random_seed(self.name))
        self._levels = Levels(self.declared.consistency)

    @property
    def name(self) -> str:
        """The lane's name."""
        return f"counter adder {self.number}"

    def next(self) -> Operation:
        """Add 1 to 9 to a counter that every datacenter adds to."""
        key, delta = self._random.randrange(self.declared.keys), self._random.randint(1, MAX_DELTA)
        cql = f"UPDATE {self.place.table('counters')} SET value = value + %s WHERE key = %s"
        return Operation("add", key, delta, "counter", self._levels, cql, (delta, key))

    def settled(self, operation: Operation, outcome: Outcome, out: object) -> None:
        """Nothing to learn."""


def behaviours(place: Place, declared: Counter) -> list[Adder]:
    """The adders of one client."""
    return [Adder(place, declared, number) for number in range(declared.clients)]


def reader(place: Place, declared: Counter) -> Turns:
    """The reader of all counters."""
    levels = Levels(declared.read_consistency)
    return Turns("counter", range(declared.keys), lambda key: read(place, key, levels))


def read(place: Place, key: int, levels: Levels) -> Operation:
    """The read of one counter: its sum, or None while nobody has added to it."""
    cql = f"SELECT value FROM {place.table('counters')} WHERE key = %s"
    return Operation("read", key, None, "read", levels, cql, (key,), _sum)


def final_reads(place: Place, declared: Counter, levels: Levels) -> list[Operation]:
    """One read of every counter."""
    return [read(place, key, levels) for key in range(declared.keys)]


def _sum(rows: Rows) -> object:
    return rows[0]["value"] if rows else None
