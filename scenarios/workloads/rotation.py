"""Which key of the compare-and-set registers is active: fresh ones, in step over all clients without a word.

Checking a key costs little by its length and much by its open operations (Lowe, "Testing for linearizability"),
so no key gets many of either. The clients of two datacenters must meet on the same key to contend for it; they
know one moment of the machine's clock and one seed, and derive the rest.
"""

from __future__ import annotations

import random
import threading
import time
from bisect import bisect_right
from collections.abc import Callable
from dataclasses import dataclass, field

from scenarios.outcomes import Outcome
from scenarios.workloads.declared import DATACENTERS, CasRegister
from scenarios.workloads.operation import Place

OPERATIONS_PER_KEY = 150
JITTER = 0.1  # keys that are active together do not end together (jepsen `linearizable_register.clj`: +-10 %)
INFOS_PER_KEY = 5  # indeterminate operations after which a key is given up, over all clients that share it
SPARES = 8  # fresh keys within one turn; the last of them stays, however many operations are lost on it
SLOTS = 16  # most keys that are active at a time
KEYS_PER_SLOT = 1_000_000  # with 65 owners and 16 slots below 2^31: the table's keys are `int`
SECOND = 1_000_000_000


@dataclass
class Rotation:
    """The keys of one slot of active keys, and what this client knows of them; safe to use from several threads.

    A key's turn lasts as long as about 150 operations take at the declared rate; a client leaves it earlier when
    its share of 5 indeterminate operations is used up. ``clock`` gives CLOCK_MONOTONIC nanoseconds.
    """

    place: Place
    declared: CasRegister
    number: int
    clock: Callable[[], int] = time.monotonic_ns
    _known: dict[int, int] = field(default_factory=dict)
    _ends: list[int] = field(default_factory=list)
    _turn: int = -1
    _spare: int = 0
    _infos: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        shared = self.declared.shared
        owner = 0 if shared else self.place.client_number + 1
        clients = DATACENTERS if shared else 1
        self._first = (owner * SLOTS + self.number) * KEYS_PER_SLOT
        self._limit = -(-INFOS_PER_KEY // clients)
        self._length = OPERATIONS_PER_KEY * self.declared.keys / (self.declared.rate * clients)
        self._random = random.Random(f"{self.place.seed}/cas/{owner}/{self.number}")

    @property
    def seen(self) -> list[int]:
        """Every key whose row this client has seen."""
        with self._lock:
            return list(self._known)

    def key(self) -> int:
        """The key that is active now."""
        with self._lock:
            turn = self._now()
            if turn != self._turn:
                self._turn, self._spare, self._infos = turn, 0, 0
            return self._active

    def known(self, key: int) -> int | None:
        """The value that this client last saw of ``key``; None while it has not seen the row."""
        return self._known.get(key)

    def settled(self, key: int, outcome: Outcome, seen: int | None) -> None:
        """Learn what an operation on ``key`` showed, or that its end is unknown."""
        with self._lock:
            if outcome == "info" and key == self._active:
                self._infos += 1
                if self._infos >= self._limit and self._spare < SPARES - 1:
                    self._spare, self._infos = self._spare + 1, 0
            elif seen is not None:
                self._known[key] = seen

    @property
    def _active(self) -> int:
        return self._first + self._turn * SPARES + self._spare

    def _now(self) -> int:
        """How many turns are over."""
        now = self.clock() - self.place.epoch_ns
        while not self._ends or self._ends[-1] <= now:
            length = self._length * self._random.uniform(1 - JITTER, 1 + JITTER)
            self._ends.append((self._ends[-1] if self._ends else 0) + round(length * SECOND))
        return bisect_right(self._ends, now)
