"""The availability probe's client side: one key, one kind of question, one consistency level."""

from __future__ import annotations

import itertools
import zlib
from dataclasses import dataclass, field

from scenarios.outcomes import Outcome
from scenarios.workloads.declared import ProbeLane
from scenarios.workloads.operation import Levels, Operation, Place, Rows

CAS_KEYS = 32
"""Keys that a cas lane asks in turn: at 4 per second a key rests 8 s, longer than any request lives (6 s), so a
question never contends with one of its own."""


def key_of(place: Place, lane: ProbeLane) -> int:
    """The key of one lane: the same in every run, different for every (datacenter, kind, level).

    31 bits of a CRC: the table's keys are `int`. Transactions of LOCAL_SERIAL so stay in one datacenter. A cas lane
    owns the CAS_KEYS keys from here on.
    """
    return zlib.crc32(f"{place.datacenter}/{lane.kind}/{lane.consistency}".encode()) & 0x7FFFFF00


@dataclass
class Question:
    """An endless supply of the same question with new values."""

    place: Place
    lane: ProbeLane
    workload: str = "probe"
    _count: itertools.count[int] = field(default_factory=lambda: itertools.count(1))
    _seen: dict[int, int | None] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._key = key_of(self.place, self.lane)

    @property
    def name(self) -> str:
        """The lane's name."""
        return f"probe {self.lane.kind} {self.lane.consistency}"

    def next(self) -> Operation:
        """The question again."""
        table, levels = self.place.table("probe"), Levels(self.lane.consistency)
        if self.lane.kind == "read":
            cql = f"SELECT value FROM {table} WHERE key = %s"
            return Operation("read", self._key, None, "read", levels, cql, (self._key,), _value)
        value = next(self._count)
        if self.lane.kind == "write":
            cql = f"INSERT INTO {table} (key, value) VALUES (%s, %s)"
            return Operation("write", self._key, value, "write", levels, cql, (self._key, value))
        cql = f"UPDATE {table} SET value = %s WHERE key = %s IF value = %s"
        key = self._key + value % CAS_KEYS
        parameters = (value, key, self._seen.get(key))
        return Operation(
            "cas", key, value, "lwt", Levels.paxos(levels.cl), cql, parameters, lambda rows: _cas(rows, value)
        )

    def settled(self, operation: Operation, outcome: Outcome, out: object) -> None:
        """The next comparison expects what the last answer showed."""
        if outcome == "ok" and isinstance(out, dict) and operation.key is not None:
            self._seen[operation.key] = out["value"]


def _value(rows: Rows) -> object:
    return rows[0]["value"] if rows else None


def _cas(rows: Rows, value: int) -> object:
    applied = bool(rows[0]["[applied]"])
    return {"applied": applied, "value": value if applied else rows[0].get("value")}
