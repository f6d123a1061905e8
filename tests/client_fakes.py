"""Doubles for the workload client: a database that answers as it is told, at once or never."""

from __future__ import annotations

import json
from collections import deque
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace

from cassandra import WriteTimeout, WriteType

from scenarios.history import Segment
from scenarios.workloads.operation import Done, Levels, Operation, Place, Reply
from scenarios.workloads.recorder import Recorder

PLACE = Place("east", "rp_test", client_number=3, seed=7)
TIMED_OUT = Reply(error=WriteTimeout("slow", write_type=WriteType.SIMPLE, consistency=6), attempted=("10.0.0.1",))
OK = Reply(coordinator="host-1", attempted=("10.0.0.1",))


@dataclass
class FakeSession:
    """Answers with ``replies`` in turn, then OK; with ``silent`` it keeps every ``done`` instead."""

    replies: deque[Reply] = field(default_factory=deque)
    silent: bool = False
    sent: list[tuple[str, Operation]] = field(default_factory=list)
    waiting: list[Done] = field(default_factory=list)
    defined: list[str] = field(default_factory=list)
    closed: bool = False

    def submit(self, lane: str, operation: Operation, done: Done) -> None:
        self.sent.append((lane, operation))
        if self.silent:
            self.waiting.append(done)
        else:
            done(self.replies.popleft() if self.replies else OK)

    def define(self, statements: list[str]) -> None:
        self.defined.extend(statements)

    def close(self) -> None:
        self.closed = True

    def hosts(self):
        return [SimpleNamespace(host_id="h1", endpoint=SimpleNamespace(address="10.0.0.1"), datacenter="east")]


def recorder(folder: Path) -> Recorder:
    return Recorder(Segment(folder / "east-client-3.jsonl", "east-client-3"), "east")


def lines(folder: Path) -> list[dict]:
    text = (folder / "east-client-3.jsonl").read_text()
    return [json.loads(line) for line in text.splitlines()][1:]


def write(key: int = 1, value: int = 10) -> Operation:
    return Operation("write", key, value, "write", Levels("LOCAL_QUORUM"), "INSERT", (key, value))
