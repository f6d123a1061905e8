"""A made-up scenario folder of any size, valid by construction: what the judge and the report are timed on.

The mix is that of a scenario: probes at two levels in both datacenters, ledger rows, registers with one writer each,
short append logs; one fault in the middle tenth, under which QUORUM is refused.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from scenarios.checks import (
    append_log,
    completed,
    monotonic_reads,
    no_lost_writes,
    read_your_writes,
    refused,
    served,
)
from scenarios.history import anchor

IDENTITY = "bench-made"
DATACENTERS = ("east", "west")
STEP, TOOK = 1_000_000, 3_000_000
"""Nanoseconds from one invoke to the next, and from an invoke to its answer."""
WORKERS = 40
"""Sequential processes; each begins its next operation after WORKERS steps, when its last has long been answered."""
BUCKETS, REGISTERS, LOG_LENGTH = 8, 3, 40
Json = dict[str, Any]


class Maker:
    """Writes operation after operation of one history; every answer is the one that a correct ring would give."""

    def __init__(self, operations: int) -> None:
        self.operations = operations
        self.fault = (operations * 45 // 100 * STEP, operations * 55 // 100 * STEP)
        self._rows: defaultdict[int, list[int]] = defaultdict(list)
        self._written: defaultdict[int, int] = defaultdict(int)
        self._appended: list[list[int]] = []
        self._log = 0

    def lines(self) -> Iterator[Json]:
        """Invoke and completion of each operation, in pairs, then the final reads."""
        for number in range(self.operations):
            yield from self._pair(number, self._asked(number))
        for place, dc in enumerate(DATACENTERS):
            for bucket in range(BUCKETS):
                number = self.operations + place * BUCKETS + bucket
                read = {"workload": "ledger", "f": "read", "key": bucket, "value": None, "stage": "final"}
                yield from self._pair(number, ({**read, "cl": "LOCAL_QUORUM", "dc": dc}, sorted(self._rows[bucket])))

    def _pair(self, number: int, told: tuple[Json, Any]) -> Iterator[Json]:
        asked, out = told
        same = {"process": f"{asked['dc']}-{asked['workload']}-{number % WORKERS}", "op": number}
        begun = number * STEP
        yield {"type": "invoke", "time": begun, **same, **asked, "due": begun}
        inside = self.fault[0] < begun < self.fault[1] - TOOK
        if asked["cl"] == "QUORUM" and inside:
            error = ["Unavailable", "", "QUORUM", "made up"]
            yield {"type": "fail", "time": begun + TOOK, **same, "error": error, "coordinator": None}
        else:
            yield {"type": "ok", "time": begun + TOOK, **same, "out": out, "coordinator": "made-up"}

    def _asked(self, number: int) -> tuple[Json, Any]:
        turn, dc = number % 10, DATACENTERS[number // 10 % 2]
        if turn < 4:
            level = "QUORUM" if turn == 3 else "LOCAL_QUORUM"
            told = {"workload": "probe", "f": "read" if turn == 1 else "write", "key": turn, "value": number}
            return {**told, "cl": level, "dc": dc}, None
        if turn < 7:
            bucket = number % BUCKETS
            self._rows[bucket].append(number)
            told = {"workload": "ledger", "f": "write", "key": bucket, "value": number}
            return {**told, "cl": "LOCAL_QUORUM", "dc": dc}, None
        return self._register(number, dc, turn) if turn < 9 else self._append(number, dc)

    def _register(self, number: int, dc: str, turn: int) -> tuple[Json, Any]:
        """Write and read in turn: a read comes one step after the write of its key and sees it or the one before."""
        key = number // 20 % REGISTERS + REGISTERS * DATACENTERS.index(dc)
        told = {"workload": "registers", "key": key, "cl": "LOCAL_QUORUM", "dc": dc}
        if turn == 7:
            self._written[key] += 1
            return {**told, "f": "write", "value": self._written[key]}, None
        return {**told, "f": "read", "value": None}, self._written[key]

    def _append(self, number: int, dc: str) -> tuple[Json, Any]:
        told = {"workload": "log", "key": self._log, "cl": "SERIAL", "dc": dc, "serial": "SERIAL"}
        if len(self._appended) and number // 10 % 4 == 0:
            return {**told, "f": "read", "value": None}, [list(entry) for entry in self._appended]
        if len(self._appended) == LOG_LENGTH:
            self._log, self._appended = self._log + 1, []
            told["key"] = self._log
        self._appended.append([len(self._appended) + 1, number])
        return {**told, "f": "append", "value": number}, {"applied": True, "version": len(self._appended)}


def make(folder: Path, operations: int) -> int:
    """Write the scenario folder; returns the number of lines of its history, anchor not counted."""
    maker = Maker(operations)
    lines = _write(folder / "history" / "east-client-0.jsonl", maker.lines())
    last = (operations + 2 * BUCKETS) * STEP + TOOK
    _write(folder / "events.jsonl", _events(maker, last))
    checks = [
        no_lost_writes(),
        monotonic_reads(),
        read_your_writes(),
        append_log(),
        *(served(dc, "LOCAL_QUORUM") for dc in DATACENTERS),
        refused("QUORUM", "F1"),
        completed(),
    ]
    (folder / "checks.json").write_text(json.dumps([one.as_json() for one in checks]))
    (folder / "scenario.json").write_text(json.dumps(_facts()))
    return lines


def _write(path: Path, records: Iterator[Json]) -> int:
    path.parent.mkdir(parents=True, exist_ok=True)
    count = 0
    with path.open("w", encoding="utf-8") as file:
        file.write(json.dumps({**anchor("bench"), "monotonic": 0}) + "\n")
        for record in records:
            file.write(json.dumps(record, separators=(",", ":")) + "\n")
            count += 1
    return count


def _events(maker: Maker, last: int) -> Iterator[Json]:
    start, end = maker.fault
    yield {"t": 0, "event": "phase", "name": "made up"}
    yield {"t": start - STEP, "event": "fault", "id": "F1", "name": "made up", "state": "inject"}
    yield {"t": start, "event": "fault", "id": "F1", "state": "effective", "evidence": "made up"}
    yield {"t": end, "event": "fault", "id": "F1", "state": "recover"}
    yield {"t": end + STEP, "event": "fault", "id": "F1", "state": "recovered", "evidence": "made up"}
    yield {"t": last, "event": "cleanup", "ok": True, "detail": "made up"}


def _facts() -> Json:
    return {
        "schema": 1,
        "scenario": IDENTITY,
        "variant": "",
        "id": IDENTITY,
        "topology": "none",
        "promise": "Made up to time the judge.",
        "datacenters": list(DATACENTERS),
        "replication": dict.fromkeys(DATACENTERS, 3),
        "hosts": [],
        "faults": ["F1"],
    }
