"""The compare-and-set register's client side: few contended keys at a time, replaced by fresh ones again and again.

The clients of a key send at one moment, so that their operations meet however fast the ring answers: an order that was
never in doubt proves nothing. Each attempt sets a value of its own, so that every read names its writer; a lost race is
a read of the winner. Every row starts with 0, set by a lightweight transaction within the interval of a client's first
operation on the key: a partition that mixes plain writes and transactions has no order to check (Cassandra
`service/paxos/Paxos.md`), and so no row is made in a datacenter that is not its home.
"""

from __future__ import annotations

import random
from collections.abc import Iterable
from dataclasses import dataclass

from clusters.errors import UsageError
from scenarios.outcomes import Outcome
from scenarios.workloads.declared import DATACENTERS, LOCAL_QUORUM, QUORUM, SERIAL, CasRegister
from scenarios.workloads.operation import Behaviour, Levels, Operation, Place, Rows
from scenarios.workloads.rotation import SLOTS, Rotation

MAX_CLIENTS_PER_KEY = 6
"""More contenders for one partition make the server give up (`cas_contention_timeout`, 1.8 s): all would be `info`."""
INITIAL = 0


@dataclass
class Contest:
    """The clients of one active key: they compare and set, and sometimes read, turns chosen by the seed."""

    place: Place
    declared: CasRegister
    number: int
    rotation: Rotation
    workload: str = "cas"

    def __post_init__(self) -> None:
        self._random = random.Random(self.place.random_seed(self.name))
        self._ids = self.place.ids(self.number)

    @property
    def name(self) -> str:
        """The lane's name."""
        return f"cas contest {self.number}"

    def next(self) -> Operation:
        """A compare-and-set from what its client last saw of the key that is active now, or a read of it."""
        key = self.rotation.key()
        known = self.rotation.known(key)
        before = creation(self.place, self.declared, key) if known is None else None
        turn = self._random.random()
        if turn < self.declared.read_share:
            return read(self.place, key, Levels(self.declared.serial), before)
        if turn < self.declared.read_share + self.declared.plain_share:
            return self._plain(key, next(self._ids), before)
        return self._cas(key, INITIAL if known is None else known, next(self._ids), before)

    def settled(self, operation: Operation, outcome: Outcome, out: object) -> None:
        """Tell what an answer showed of the key."""
        self.rotation.settled(operation.key, outcome, _seen(operation, out) if outcome == "ok" else None)

    def _cas(self, key: int, expected: int, new: int, before: Operation | None) -> Operation:
        cql = f"UPDATE {self.place.table('cas')} SET value = %s WHERE key = %s IF value = %s"
        levels = Levels.paxos(self.declared.serial)
        return Operation("cas", key, (expected, new), "lwt", levels, cql, (new, key, expected), _applied, before)

    def _plain(self, key: int, value: int, before: Operation | None) -> Operation:
        cql = f"UPDATE {self.place.table('cas')} SET value = %s WHERE key = %s"
        levels = Levels(QUORUM if self.declared.serial == SERIAL else LOCAL_QUORUM)
        return Operation("write", key, value, "write", levels, cql, (value, key), before=before)


def behaviours(place: Place, declared: CasRegister) -> list[Contest]:
    """One contest for each active key; UsageError when too many would contend for one key, or never would."""
    if declared.rate <= 0 or not 1 <= declared.keys <= SLOTS:
        raise UsageError(f"cas: the rate must be above 0, and 1 to {SLOTS} keys active at a time")
    contenders = declared.clients * (DATACENTERS if declared.shared else 1)
    if contenders > MAX_CLIENTS_PER_KEY:
        raise UsageError(f"cas: {contenders} clients would contend for one key, more than {MAX_CLIENTS_PER_KEY}")
    return [Contest(place, declared, number, Rotation(place, declared, number)) for number in range(declared.keys)]


def creation(place: Place, declared: CasRegister, key: int) -> Operation:
    """The lightweight transaction that makes the row of a fresh key; asked again, it changes nothing."""
    cql = f"INSERT INTO {place.table('cas')} (key, value) VALUES (%s, %s) IF NOT EXISTS"
    return Operation("create", key, INITIAL, "lwt", Levels.paxos(declared.serial), cql, (key, INITIAL))


def read(place: Place, key: int, levels: Levels, before: Operation | None = None) -> Operation:
    """The read of one key: its value, or None while it is absent. Only the serial level shows what was decided."""
    cql = f"SELECT value FROM {place.table('cas')} WHERE key = %s"
    return Operation("read", key, None, "read", levels, cql, (key,), _value, before)


def final_reads(place: Place, used: Iterable[Behaviour], levels: Levels) -> list[Operation]:
    """One read of every key that the contests among ``used`` have seen exist."""
    seen = {key for contest in used if isinstance(contest, Contest) for key in contest.rotation.seen}
    return [read(place, key, levels) for key in sorted(seen)]


def _applied(rows: Rows) -> object:
    # of a row that does not exist the server shows `[applied]` alone
    return {"applied": True} if rows[0]["[applied]"] else {"applied": False, "value": rows[0].get("value")}


def _value(rows: Rows) -> object:
    return rows[0]["value"] if rows else None


def _seen(operation: Operation, out: object) -> int | None:
    """The value that the key had when an operation was answered."""
    if isinstance(out, dict):
        return operation.value[1] if out["applied"] and isinstance(operation.value, tuple) else out.get("value")
    value = out if operation.f == "read" else operation.value
    return value if isinstance(value, int) else None
