"""A lane that reads the keys of a workload in turn, while others write them."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from scenarios.outcomes import Outcome
from scenarios.workloads.operation import Operation


@dataclass
class Turns:
    """One sequential reader that asks for one of ``keys`` after the other, endlessly."""

    workload: str
    keys: Sequence[int]
    read: Callable[[int], Operation]

    def __post_init__(self) -> None:
        self._turn: Iterator[int] = itertools.cycle(self.keys)

    @property
    def name(self) -> str:
        """The lane's name."""
        return f"{self.workload} reader"

    def next(self) -> Operation:
        """Read the key whose turn it is."""
        return self.read(next(self._turn))

    def settled(self, operation: Operation, outcome: Outcome, out: object) -> None:
        """Nothing to learn."""
