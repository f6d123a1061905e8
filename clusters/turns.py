"""Turns: a machine forms or measures as many rings at once as it has cores for, and the others wait.

A turn is a name in the abstract socket namespace, so it is free the moment its holder is gone. Who wants a turn waits
at a door, one at a time, so that who gives one back cannot take it again past another who waits.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from clusters.alive import abstract
from clusters.waiting import until

CORES_PER_RING = 2
"""Six hosts under load keep two cores busy; two labs measured at once on two cores answered each other's requests late
(measured: ReadTimeout at LOCAL_QUORUM, starts of 50 s), which would be judged as broken promises."""
TURN_SECONDS = 2700.0
"""The longest that others may need before: a whole nightly run and its room (45 minutes, the limit of a CI run)."""
NAMES = "turn"


@contextmanager
def machine_turn(told: Callable[[str], None]) -> Iterator[None]:
    """Held by at most `cores // CORES_PER_RING` processes of the machine, at least one; waits for its turn.

    `told` hears it when others are before. WaitTimeout after TURN_SECONDS.
    """
    count = max(1, len(os.sched_getaffinity(0)) // CORES_PER_RING)
    with _turn(NAMES, count, lambda: told("other rings are formed or measured on this machine; waiting for a turn")):
        yield


@contextmanager
def making_turn(told: Callable[[str], None]) -> Iterator[None]:
    """Held by one process of the machine: the only one that makes clusters. WaitTimeout after TURN_SECONDS."""
    with _turn(f"{NAMES}-making", 1, lambda: told("other clusters are made on this machine; waiting for a turn")):
        yield


@contextmanager
def _turn(kind: str, count: int, waits: Callable[[], None]) -> Iterator[None]:
    names, entry = [f"{kind}-{number}" for number in range(count)], f"{kind}-door"
    with _free() as door, _free() as turn:
        told = False

        def entered() -> bool:
            """A door that is taken may be passed through at this moment: only one who waits there listens."""
            nonlocal told
            if not _taken(door, [entry]) and not told and _listened(entry):
                told = True
                waits()
            return _named(door)

        until("the door", entered, timeout=TURN_SECONDS, every=0.5)
        if not _taken(turn, names):
            door.listen()
            if not told:
                waits()
            until("a turn", lambda: _taken(turn, names), timeout=TURN_SECONDS, every=0.5)
        door.close()
        yield


def _free() -> socket.socket:
    return socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)


def _taken(held: socket.socket, names: list[str]) -> bool:
    for name in names:
        try:
            held.bind(abstract(name))
        except OSError:
            continue
        return True
    return False


def _named(held: socket.socket) -> bool:
    return bool(held.getsockname())


def _listened(name: str) -> bool:
    with _free() as caller:
        return caller.connect_ex(abstract(name)) == 0
