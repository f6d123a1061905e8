"""Final reads: what everybody, and each replica alone, still has when all is over.

A final read is a question, not a workload: its answer is needed, so it is asked again until it is answered or its
deadline has passed. Every attempt is recorded; the checks use those that are `ok`.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from clusters.errors import WaitTimeout
from clusters.waiting import until
from scenarios.workloads.operation import Driver, Operation, Reply, send
from scenarios.workloads.recorder import Occasion, Process, Recorder

PAUSE = 0.5  # seconds between two attempts
ANSWER = 10.0  # seconds in which the driver ends every request: its own time-out of 6 and what a busy machine adds
LANE = "final"


@dataclass(frozen=True)
class FinalRead:
    """One question of one workload; ``host`` is the host_id it is pinned to, or None."""

    workload: str
    operation: Operation
    host: str | None = None


def ask(driver: Driver, operation: Operation, lane: str = LANE) -> Reply:
    """Send one operation and wait for its end."""
    ended = threading.Event()
    replies: list[Reply] = []

    def done(reply: Reply) -> None:
        replies.append(reply)
        ended.set()

    send(driver, lane, operation, done)
    if not ended.wait(ANSWER):
        return Reply(error=TimeoutError(f"the driver did not end the request within {ANSWER:g} s"))
    return replies[0]


def ask_finally(
    reads: Iterable[FinalRead], driver: Driver, recorder: Recorder, process: Process, remaining: Callable[[], float]
) -> list[str]:
    """Ask every read until it is answered or ``remaining()`` seconds are over; returns what stayed unanswered.

    Each read gets at least one attempt.
    """
    unanswered = []
    for read in reads:

        def attempt(read: FinalRead = read) -> bool:
            occasion = Occasion(host=read.host, stage="final")
            op = recorder.invoke(process, read.workload, read.operation, occasion)
            outcome, _ = recorder.settle(process, op, read.operation, ask(driver, read.operation))
            recorder.count("final", f"final {read.workload} {read.operation.levels.cl}", outcome)
            return outcome == "ok"

        what = f"{read.workload} key {read.operation.key} at {read.operation.levels.cl}"
        try:
            until(what, attempt, timeout=max(0.0, remaining()), every=PAUSE)
        except WaitTimeout:
            unanswered.append(f"{what} of {read.host}" if read.host else what)
    return unanswered
