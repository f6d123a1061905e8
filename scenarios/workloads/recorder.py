"""Writes what each process asked and got, and counts it: `invoke` is on disk before the request is sent."""

from __future__ import annotations

import itertools
import json
import threading
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from scenarios.history import SCHEMA, Segment, successor
from scenarios.outcomes import Classified, Outcome, Triple, classify
from scenarios.workloads.operation import Operation, Reply

LATE_NS = 50_000_000  # an operation sent this long after it was due is counted as late: half a 100 ms bucket


@dataclass
class Process:
    """A sequential worker: one operation at a time. After an `info` it goes on under a new name."""

    name: str

    def rotate(self) -> None:
        """Retire the name: its last operation may still happen, so nothing sequential can follow it."""
        self.name = successor(self.name)


@dataclass(frozen=True)
class Occasion:
    """Why an operation was sent: when it was ``due``, the ``host`` it was pinned to, the ``stage`` of the run."""

    due: int | None = None
    host: str | None = None
    stage: str | None = None


NO_OCCASION = Occasion()


@dataclass
class Recorder:
    """Counts and records operations of many processes in one segment; safe to use from several threads.

    One segment for all, with the process named in each line: an outage retires hundreds of names, and a file for
    each would cost an fsync on the driver's loop thread.

    A lane's counts hold ok, fail, info, late (sent more than 50 ms after due) and overflow (due, but not sent).
    """

    segment: Segment
    datacenter: str
    counts: dict[tuple[str, str], Counter[str]] = field(default_factory=dict)
    triples: Counter[tuple[str, Triple, str]] = field(default_factory=Counter)
    _ops: itertools.count[int] = field(default_factory=lambda: itertools.count(1))
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def count(self, workload: str, lane: str, what: str) -> None:
        """Add one to a counter of a lane."""
        with self._lock:
            self.counts.setdefault((workload, lane), Counter())[what] += 1

    def invoke(self, process: Process, workload: str, operation: Operation, occasion: Occasion = NO_OCCASION) -> int:
        """Write the invocation and return its number; the caller sends afterwards."""
        op = next(self._ops)
        self.segment.invoke(
            op,
            process=process.name,
            workload=workload,
            f=operation.f,
            key=operation.key,
            value=operation.value,
            cl=operation.levels.cl,
            dc=self.datacenter,
            due=occasion.due,
            serial=operation.levels.serial,
            host=occasion.host,
            stage=occasion.stage,
        )
        return op

    def settle(self, process: Process, op: int, operation: Operation, reply: Reply) -> tuple[Outcome, object]:
        """Write the end of operation ``op`` and return its outcome and `out`; rotates the process after `info`."""
        error = reply.error
        if error is None:
            try:
                out = operation.interpret(reply.rows)
            except (LookupError, TypeError, ValueError) as unreadable:  # an answer that we cannot read proves nothing
                error = unreadable
            else:
                self.segment.complete(op, "ok", process=process.name, out=out, coordinator=reply.coordinator)
                return "ok", out
        verdict = classify(error, operation.kind, reply.attempted)
        self._note(operation, verdict)
        self.segment.complete(
            op,
            verdict.outcome,
            process=process.name,
            error=list(verdict.error),
            coordinator=reply.coordinator,
            attempted=list(reply.attempted),
        )
        if verdict.outcome == "info":
            process.rotate()
        return verdict.outcome, None

    def _note(self, operation: Operation, verdict: Classified) -> None:
        with self._lock:
            self.triples[(operation.kind, verdict.triple, verdict.outcome)] += 1

    def summary(self) -> dict[str, Any]:
        """Counts by workload and by lane, as plain JSON."""
        with self._lock:
            items = [(workload, lane, dict(counter)) for (workload, lane), counter in sorted(self.counts.items())]
        workloads: dict[str, Counter[str]] = {}
        for workload, _, counter in items:
            workloads.setdefault(workload, Counter()).update(counter)
        return {
            "workloads": {name: dict(counter) for name, counter in workloads.items()},
            "lanes": {lane: counter for _, lane, counter in items},
        }

    def seen(self) -> list[dict[str, Any]]:
        """Every (exception type, write type, consistency) seen, with its classification and how often."""
        with self._lock:
            return [
                {"kind": kind, "triple": list(triple), "outcome": outcome, "count": number}
                for (kind, triple, outcome), number in sorted(self.triples.items())
            ]

    def save(self) -> None:
        """Have the segment on the disk, and beside it, as NAME.outcomes.json, what `seen` tells."""
        self.segment.sync()
        told = {"schema": SCHEMA, "datacenter": self.datacenter, "triples": self.seen()}
        path = self.segment.path.with_suffix(".outcomes.json")
        path.write_text(json.dumps(told, indent=1, sort_keys=True), encoding="utf-8")
