"""When operations are sent: an open loop per lane, all lanes of a client paced by one thread.

Operation i of a lane is due at `start + i / rate` whatever became of the ones before, so a slow server cannot
hide by slowing the questions down (no coordinated omission). A lane that is late still sends, and counts; a lane
whose places are all taken skips what is due, and counts that as overflow. A lane that thinks is a closed loop:
the next operation is due a jittered pause after the last one ended. A lane whose operations meet sends some at one
moment: they are truly concurrent however fast the server is. Each place of a lane is a sequential process.
"""

from __future__ import annotations

import heapq
import itertools
import random
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from clusters.errors import UsageError
from clusters.waiting import until
from scenarios.workloads.operation import Behaviour, Driver, Reply, send
from scenarios.workloads.recorder import LATE_NS, Occasion, Process, Recorder

SECOND = 1_000_000_000
THINK_JITTER = (0.5, 1.5)  # a pause is this share of the mean pause, uniformly: clients never march in step


@dataclass
class Lane:
    """One stream of operations: ``rate`` per second, at most ``in_flight`` open, each by a process of its own.

    ``together`` of them are sent at one moment; a lane that thinks rests when the last of these has ended.
    """

    behaviour: Behaviour
    rate: float
    new_process: Callable[[], Process]
    in_flight: int = 1
    thinks: bool = False
    together: int = 1
    _free: list[Process] = field(default_factory=list)
    _open: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def interval(self) -> int:
        """Nanoseconds between two due times."""
        return round(SECOND * self.together / self.rate)

    @property
    def open(self) -> int:
        """How many operations were sent and have not ended."""
        return self._open

    def take(self) -> Process | None:
        """A process that has nothing open, or None when the lane is full."""
        with self._lock:
            if self._open >= self.in_flight:
                return None
            self._open += 1
            if self._free:
                return self._free.pop()
            return self.new_process()

    def give_back(self, process: Process) -> bool:
        """The process has ended its operation; True when nothing of this lane is open any more."""
        with self._lock:
            self._open -= 1
            self._free.append(process)
            return self._open == 0


class Pacer:
    """Sends what is due, in one thread, from ``start`` to ``stop`` or to the end of its lifetime."""

    def __init__(self, lanes: Iterable[Lane], driver: Driver, recorder: Recorder, seed: str) -> None:
        self.lanes = list(lanes)
        self._driver = driver
        self._recorder = recorder
        self._random = random.Random(seed)
        self._agenda: list[tuple[int, int, Lane]] = []
        self._tie = itertools.count()
        self._wake = threading.Condition()
        self._running = False
        self._thread: threading.Thread | None = None

    @property
    def running(self) -> bool:
        """Whether operations are being sent."""
        return self._running

    @property
    def open(self) -> int:
        """How many operations of all lanes have not ended."""
        return sum(lane.open for lane in self.lanes)

    def start(self, max_seconds: float, ended: Callable[[str], None]) -> None:
        """Send until ``stop``; after ``max_seconds`` stop by itself and call ``ended`` with the reason.

        UsageError when it runs already, or when operations of an earlier run are still open.
        """
        if self._running or self.open:
            raise UsageError(f"the workloads are running, or {self.open} operations are still open: stop first")
        now = time.monotonic_ns()
        self._running = True
        self._agenda = []
        for lane in self.lanes:
            self._plan(lane, now + int(self._random.random() * lane.interval))
        end = now + int(max_seconds * SECOND)
        self._thread = threading.Thread(target=self._run, args=(end, ended), name="pacer", daemon=True)
        self._thread.start()

    def stop(self, timeout: float) -> bool:
        """Send nothing more and wait up to ``timeout`` seconds for what is open; True when all of it has ended."""
        with self._wake:
            self._running = False
            self._wake.notify_all()
        if self._thread is not None:
            self._thread.join(timeout + 1)  # it ends as soon as it wakes, or after the send it is in
        deadline = time.monotonic() + timeout
        until("operations in flight", lambda: self.open == 0 or time.monotonic() >= deadline, timeout=timeout + 1)
        return self.open == 0

    def _plan(self, lane: Lane, due: int) -> None:
        with self._wake:
            heapq.heappush(self._agenda, (due, next(self._tie), lane))
            self._wake.notify_all()

    def _run(self, end: int, ended: Callable[[str], None]) -> None:
        reason = "lifetime"
        try:
            while (due_lane := self._next(end)) is not None:
                due, lane = due_lane
                if not lane.thinks:
                    self._plan(lane, due + lane.interval)
                self._send(lane, due)
        except Exception as error:  # told to the controller, then raised: a load that ends must not end silently
            reason = repr(error)
            raise
        finally:
            if self._running:
                self._running = False
                ended(reason)

    def _next(self, end: int) -> tuple[int, Lane] | None:
        with self._wake:
            while self._running and (now := time.monotonic_ns()) < end:
                if self._agenda and self._agenda[0][0] <= now:
                    due, _, lane = heapq.heappop(self._agenda)
                    return due, lane
                waited_for = min(self._agenda[0][0], end) if self._agenda else end
                self._wake.wait((waited_for - now) / SECOND)
            return None

    def _send(self, lane: Lane, due: int) -> None:
        # all places are taken before anything is sent: an answer to the first must not look like the end of all
        for process in [lane.take() for _ in range(lane.together)]:
            self._ask(lane, due, process)

    def _ask(self, lane: Lane, due: int, process: Process | None) -> None:
        behaviour, recorder = lane.behaviour, self._recorder
        if process is None:
            recorder.count(behaviour.workload, behaviour.name, "overflow")
            return
        operation = behaviour.next()
        if time.monotonic_ns() - due > LATE_NS:
            recorder.count(behaviour.workload, behaviour.name, "late")
        op = recorder.invoke(process, behaviour.workload, operation, Occasion(due=due))

        def done(reply: Reply) -> None:
            try:
                outcome, out = recorder.settle(process, op, operation, reply)
                recorder.count(behaviour.workload, behaviour.name, outcome)
                behaviour.settled(operation, outcome, out)
            finally:
                last = lane.give_back(process)
            if lane.thinks and last:
                pause = lane.interval * self._random.uniform(*THINK_JITTER)
                self._plan(lane, time.monotonic_ns() + int(pause))

        send(self._driver, behaviour.name, operation, done)
