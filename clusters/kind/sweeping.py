"""What dead processes left of kind clusters: found by labels and by the guard's tables, and removed; nothing else is.

A set of clusters belongs to the process in its labels and may stay until the time there. A set that is held by a living
process is never touched before that time.
"""

from __future__ import annotations

import time
from collections.abc import Iterator

from clusters.errors import EnvironmentUnfit
from clusters.kind.containers import Containers
from clusters.kind.engine import engines
from clusters.kind.guard import Machine, tables, take_away
from clusters.kind.layout import LABEL_NAME, PREFIX, Marks, tag
from clusters.kind.place import find_image
from clusters.kind.removing import remove


def sets(containers: Containers) -> dict[str, Marks]:
    """Every set of clusters of which a container or network is left, by name."""
    found: dict[str, Marks] = {}
    for network in containers.labelled(LABEL_NAME, "network"):
        marks = Marks.read(containers.labels_of_network(network))
        if marks is not None:
            found[marks.name] = marks
    for state in containers.states(*containers.labelled(LABEL_NAME)):
        marks = Marks.read(state.labels)
        if marks is not None:
            found[marks.name] = marks
    return found


def over(marks: Marks, now: float) -> str | None:
    """Why a set of clusters may be removed, None when it may not."""
    if not marks.owner.alive:
        return f"its process {marks.owner.pid} is gone"
    return "its time is over" if now >= marks.expires else None


def stray_tags(machine: Machine, known: dict[str, Marks]) -> set[str]:
    """Tags of which only a guard's table is left: it goes last, so whoever removed the rest died before it."""
    found = {name.removeprefix(f"{PREFIX}_") for name in tables(machine)}
    return found - {tag(name) for name in known}


def sweep() -> Iterator[str]:
    """Remove what is left, by every engine that works here, and say each thing that was done."""
    for engine in engines():
        if engine.usable:
            yield from sweep_engine(Containers(engine.program), time.time())


def sweep_engine(containers: Containers, now: float) -> Iterator[str]:
    """See sweep(); ``now`` is wall time in seconds."""
    try:
        image = find_image(containers).name
    except EnvironmentUnfit:
        return  # without a node image there never were nodes, and nobody who could look at the machine's network

    def machine(command: list[str], stdin: str | None = None) -> str:
        return containers.on_machine(image, command, stdin=stdin)

    known = sets(containers)
    for name, marks in known.items():
        reason = over(marks, now)
        if reason is not None:
            remove(containers, machine, name)
            yield f"removed kind clusters {name}: {reason}"
    for stray in sorted(stray_tags(machine, known)):
        take_away(machine, stray)
        yield f"removed the guard {PREFIX}_{stray}: its clusters are gone"
