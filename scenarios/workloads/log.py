"""The append log's client side: one conditional batch per append, so that the order of appends is visible.

`head n -> n + 1` and the row `(n + 1, id)` go into one partition in one Paxos round; the loser of a race learns
the head. The clients of a datacenter meet on one key, so that there is an order to be in doubt however fast the ring
answers. Partitions start with a head of 0, set by a lightweight transaction too, within the interval of a client's
first append: a partition that mixes plain writes and transactions has no order to check (Cassandra
`service/paxos/Paxos.md`), and so none is made in a datacenter that is not its home.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field

from scenarios.outcomes import Outcome
from scenarios.workloads.declared import LwtLog
from scenarios.workloads.operation import Levels, Operation, Place, Rows

KEYS_PER_OWNER = 1000  # key = owner x 1000 + i: owner 0 is all clients together, a home's owner its client number + 1


def keys(place: Place, declared: LwtLog) -> range:
    """The partitions that this client uses."""
    first = 0 if declared.shared else (place.client_number + 1) * KEYS_PER_OWNER
    return range(first, first + declared.keys)


@dataclass
class Contest:
    """The clients of one datacenter: they append to one key, and sometimes read it whole.

    The seed chooses the turns and the keys: another key after each `clients` operations.
    """

    place: Place
    declared: LwtLog
    workload: str = "log"
    name: str = "log contest"
    _heads: dict[int, int] = field(default_factory=dict)
    _asked: int = 0
    _key: int = 0

    def __post_init__(self) -> None:
        self._random = random.Random(self.place.random_seed(self.name))
        self._keys = keys(self.place, self.declared)
        self._ids = self.place.ids(0)

    def next(self) -> Operation:
        """An append on top of the last head that these clients have seen, or a read."""
        if self._asked % self.declared.clients == 0:
            self._key = self._random.choice(self._keys)
        self._asked += 1
        if self._random.random() < self.declared.read_share:
            return read(self.place, self._key, Levels(self.declared.serial))
        return self._append(self._key, next(self._ids))

    def settled(self, operation: Operation, outcome: Outcome, out: object) -> None:
        """Remember the head that an answer showed; an append of unknown end leaves the old one, and loses."""
        head = _head(out) if outcome == "ok" else None
        if head is not None:  # it only grows, and answers to those who met come in any order
            self._heads[operation.key] = max(head, self._heads.get(operation.key, 0))

    def _append(self, key: int, value: int) -> Operation:
        head, table = self._heads.get(key, 0), self.place.table("log")
        before = None if key in self._heads else creation(self.place, self.declared, key)
        cql = (
            f"BEGIN BATCH UPDATE {table} SET head = %s WHERE k = %s IF head = %s; "
            f"INSERT INTO {table} (k, ver, id) VALUES (%s, %s, %s); APPLY BATCH"
        )
        parameters = (head + 1, key, head, key, head + 1, value)
        levels = Levels.paxos(self.declared.serial)
        return Operation(
            "append", key, value, "lwt", levels, cql, parameters, lambda rows: _applied(rows, head + 1), before
        )


def read(place: Place, key: int, levels: Levels) -> Operation:
    """The read of one whole partition in one page: each page would be a Paxos round of its own."""
    cql = f"SELECT ver, id FROM {place.table('log')} WHERE k = %s"
    return Operation("read", key, None, "read", levels, cql, (key,), _versions)


def final_reads(place: Place, declared: LwtLog, levels: Levels) -> list[Operation]:
    """One read of every partition."""
    return [read(place, key, levels) for key in keys(place, declared)]


def creation(place: Place, declared: LwtLog, key: int) -> Operation:
    """The lightweight transaction that gives a partition its first head; asked again, it changes nothing."""
    cql = f"INSERT INTO {place.table('log')} (k, head) VALUES (%s, 0) IF NOT EXISTS"
    return Operation("create", key, None, "lwt", Levels.paxos(declared.serial), cql, (key,))


def _applied(rows: Rows, version: int) -> object:
    if rows[0]["[applied]"]:
        return {"applied": True, "version": version}
    return {"applied": False, "head": rows[0].get("head")}


def _versions(rows: Rows) -> object:
    # A partition without appends still has its static row, which the server shows as one row without a version.
    return [[row["ver"], row["id"]] for row in rows if row["ver"] is not None]


def _head(out: object) -> int | None:
    """The head that an answer proves; an empty read does not prove that there is one."""
    if isinstance(out, dict):
        head = out["version"] if out["applied"] else out["head"]
        return None if head is None else int(head)
    return int(out[-1][0]) if isinstance(out, list) and out else None
