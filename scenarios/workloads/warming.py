"""The first questions of a session: asked until each kind has been answered by every coordinator.

A ring that has just formed opens its connections, loads classes and compiles on its first requests; a client that
measured those would measure the start. The attempts are recorded with the stage `warm-up`: what they wrote counts for
every check of data, how long they took for none of service.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

from clusters.errors import WaitTimeout
from clusters.waiting import until
from scenarios.workloads.finals import PAUSE, ask
from scenarios.workloads.lanes import Lane
from scenarios.workloads.operation import Driver
from scenarios.workloads.recorder import Occasion, Recorder

STAGE = "warm-up"
AT_ONCE = 8


def warm_up(
    lanes: Sequence[Lane], driver: Driver, recorder: Recorder, times: int, remaining: Callable[[], float]
) -> list[str]:
    """Have `times` answers in a row on every lane within ``remaining()`` seconds; the names of lanes without them."""

    def warmed(lane: Lane) -> str | None:
        name = lane.behaviour.name

        def in_a_row() -> bool:
            # one that fails begins anew: coordinators take turns, and the one that failed must be met again
            return all(_ask_once(lane, driver, recorder) for _ in range(times))

        try:
            until(f"{times} answers in a row on {name}", in_a_row, timeout=max(0.0, remaining()), every=PAUSE)
        except WaitTimeout:
            return name
        return None

    with ThreadPoolExecutor(AT_ONCE) as pool:
        return [name for name in pool.map(warmed, lanes) if name is not None]


def _ask_once(lane: Lane, driver: Driver, recorder: Recorder) -> bool:
    process = lane.take()
    if process is None:
        return False
    try:
        operation = lane.behaviour.next()
        op = recorder.invoke(process, lane.behaviour.workload, operation, Occasion(stage=STAGE))
        outcome, out = recorder.settle(process, op, operation, ask(driver, operation, lane.behaviour.name))
        recorder.count(STAGE, f"{STAGE} {lane.behaviour.name}", outcome)
        lane.behaviour.settled(operation, outcome, out)
    finally:
        lane.give_back(process)
    return outcome == "ok"
