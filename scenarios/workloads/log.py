"""The append log's client side: one conditional batch per append, so that the order of appends is visible.

`head n -> n + 1` and the row `(n + 1, id)` go into one partition in one Paxos round; the loser of a race learns
the head. Rows start with a head of 0, set by a lightweight transaction too: a partition that mixes plain writes
and transactions has no order to check (Cassandra `service/paxos/Paxos.md`).
"""

from __future__ import annotations

import itertools
import random
from dataclasses import dataclass, field

from scenarios.outcomes import Outcome
from scenarios.workloads.declared import LwtLog
from scenarios.workloads.operation import Levels, Operation, Place, Rows

WORKER_BITS = 32  # an id is (client number x 64 + worker) << 32 | count, as in the ledger
WORKERS_PER_CLIENT = 64


@dataclass
class Worker:
    """One client of the log: appends, and sometimes reads a whole partition, keys and turns chosen by the seed."""

    place: Place
    declared: LwtLog
    number: int
    workload: str = "log"
    _count: itertools.count[int] = field(default_factory=lambda: itertools.count(1))
    _heads: dict[int, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._random = random.Random(self.place.random_seed(self.name))
        self._levels = Levels.paxos(self.place.serial)

    @property
    def name(self) -> str:
        """The lane's name."""
        return f"log worker {self.number}"

    def next(self) -> Operation:
        """An append on top of the last head that this worker has seen, or a read."""
        key = self._random.randrange(self.declared.keys)
        if self._random.random() < self.declared.read_share:
            return read(self.place, key, Levels(self.place.serial))
        owner = self.place.client_number * WORKERS_PER_CLIENT + self.number
        return self._append(key, (owner << WORKER_BITS) | next(self._count))

    def settled(self, operation: Operation, outcome: Outcome, out: object) -> None:
        """Remember the head that an answer showed; an append of unknown end leaves the old one, and loses."""
        if outcome == "ok":
            self._heads[operation.key] = _head(out)

    def _append(self, key: int, value: int) -> Operation:
        head, table = self._heads.get(key, 0), self.place.table("log")
        cql = (
            f"BEGIN BATCH UPDATE {table} SET head = %s WHERE k = %s IF head = %s; "
            f"INSERT INTO {table} (k, ver, id) VALUES (%s, %s, %s); APPLY BATCH"
        )
        parameters = (head + 1, key, head, key, head + 1, value)
        return Operation(
            "append", key, value, "lwt", self._levels, cql, parameters, lambda rows: _applied(rows, head + 1)
        )


def behaviours(place: Place, declared: LwtLog) -> list[Worker]:
    """The workers of one client."""
    return [Worker(place, declared, number) for number in range(declared.clients)]


def read(place: Place, key: int, levels: Levels) -> Operation:
    """The read of one whole partition in one page: each page would be a Paxos round of its own."""
    cql = f"SELECT ver, id FROM {place.table('log')} WHERE k = %s"
    return Operation("read", key, None, "read", levels, cql, (key,), _versions)


def final_reads(place: Place, declared: LwtLog, levels: Levels) -> list[Operation]:
    """One read of every partition."""
    return [read(place, key, levels) for key in range(declared.keys)]


def creation(place: Place, declared: LwtLog) -> list[Operation]:
    """The lightweight transactions that give every partition its first head."""
    cql = f"INSERT INTO {place.table('log')} (k, head) VALUES (%s, 0) IF NOT EXISTS"
    levels = Levels.paxos(place.serial)
    return [Operation("create", key, None, "lwt", levels, cql, (key,)) for key in range(declared.keys)]


def _applied(rows: Rows, version: int) -> object:
    if rows[0]["[applied]"]:
        return {"applied": True, "version": version}
    return {"applied": False, "head": rows[0].get("head")}


def _versions(rows: Rows) -> object:
    # A partition without appends still has its static row, which the server shows as one row without a version.
    return [[row["ver"], row["id"]] for row in rows if row["ver"] is not None]


def _head(out: object) -> int:
    if isinstance(out, dict):
        return int(out["version"] if out["applied"] else out["head"] or 0)
    return int(out[-1][0]) if isinstance(out, list) and out else 0
