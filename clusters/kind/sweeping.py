"""What dead processes left of kind clusters: found by labels and by the guard's tables, and removed; nothing else is.

A set of clusters belongs to the process in its labels and may stay until the time there. A set that is held by a living
process is never touched before that time.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from typing import Final

from clusters.errors import CleanupFailed, EnvironmentUnfit
from clusters.kind.containers import Containers
from clusters.kind.engine import engines
from clusters.kind.guard import Machine, tables, take_away
from clusters.kind.kindconfig import HOSTS
from clusters.kind.layout import LABEL_NAME, LABEL_OWNER, PREFIX, TAG_LENGTH, Marks, tag
from clusters.kind.place import find_image
from clusters.kind.removing import all_nodes, nodes_of, remove
from clusters.kind.working import owner_is_gone

MOST_LOOKS: Final = 5
"""An engine whose caller was killed completes what it has begun, so one look may come before the last container."""
TAGGED: Final = re.compile(rf"{PREFIX}-([0-9a-f]{{{TAG_LENGTH}}})-")


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


def tags_of_nodes(containers: Containers) -> set[str]:
    """Tags of all sets of which a node is left; that it is ours is told by the folder that only our nodes have."""
    return {found[1] for name in all_nodes(containers, f"volume={HOSTS}") if (found := TAGGED.match(name))}


def tags_of_guards(machine: Machine) -> set[str]:
    """Tags of all sets of which the guard's table is left."""
    return {name.removeprefix(f"{PREFIX}_") for name in tables(machine)}


def helpers(containers: Containers) -> list[str]:
    """Containers that ran one command for a process that is gone: they go with their command, unless it never began."""
    states = containers.states(*containers.labelled(LABEL_OWNER))
    return [one.name for one in states if LABEL_NAME not in one.labels and owner_is_gone(one.labels[LABEL_OWNER])]


def sweep() -> Iterator[str]:
    """Remove what is left, by every engine that works here, and say each thing that was done."""
    for containers in _reachable():
        yield from sweep_engine(containers, time.time())


def living() -> list[str]:
    """Names of the sets of clusters that a sweep leaves, by every engine that works here."""
    now = time.time()
    found = [marks for containers in _reachable() for marks in sets(containers).values()]
    return sorted(marks.name for marks in found if over(marks, now) is None)


def _reachable() -> list[Containers]:
    return [Containers(engine.program) for engine in engines() if engine.usable]


def sweep_engine(containers: Containers, now: float) -> Iterator[str]:
    """See sweep(); ``now`` is wall time in seconds."""
    try:
        image = find_image(containers).name
    except EnvironmentUnfit:
        return  # without a node image there never were nodes, and nobody who could look at the machine's network

    def machine(command: list[str], stdin: str | None = None) -> str:
        return containers.on_machine(image, command, stdin=stdin)

    for _ in range(MOST_LOOKS):
        removed = False
        for line in _look(containers, machine, now):
            removed = True
            yield line
        if not removed:
            return


def _look(containers: Containers, machine: Machine, now: float) -> Iterator[str]:
    """One look; what has no marks of its own is looked at first, since a set that is coming up has its network first.

    A node or a table that was there before no network of its tag was has nobody who will miss it.
    """
    nodes, guards = tags_of_nodes(containers), tags_of_guards(machine)
    known = sets(containers)
    failures: list[str] = []
    for name, marks in known.items():
        reason = over(marks, now)
        if reason is not None:
            try:
                remove(containers, machine, name)
            except CleanupFailed as error:
                failures.append(str(error))
            else:
                yield f"removed kind clusters {name}: {reason}"
    ours = {tag(name) for name in known}
    for stray in sorted(nodes - ours):
        containers.remove(*nodes_of(containers, stray))
        yield f"removed nodes of {PREFIX}-{stray}: their clusters are gone"
    for stray in sorted(guards - ours):
        take_away(machine, stray)
        yield f"removed the guard {PREFIX}_{stray}: its clusters are gone"
    for name in helpers(containers):
        containers.remove(name)
        yield f"removed container {name}: the process that it worked for is gone"
    if failures:
        raise CleanupFailed("; ".join(failures))
