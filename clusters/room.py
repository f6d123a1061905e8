"""Room on this machine: what a topology takes while it stands, what is free, and the wait for enough of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from clusters.fit.machine import available_gb, available_processors
from clusters.fit.sizes import need, standing_gb
from clusters.topology import Topology
from clusters.turns import TURN_SECONDS, making_turn
from clusters.waiting import until


@dataclass(frozen=True, slots=True)
class Room:
    """Memory in GB and processors: of a machine those that are free, of a topology those that it takes."""

    memory_gb: float
    processors: float


def free() -> Room:
    """What this machine has for clusters that do not stand yet."""
    return Room(available_gb()[0], available_processors())


def taken(topology: Topology, provider: str) -> Room:
    """What a topology takes while it stands."""
    return Room(standing_gb(topology, provider), need(topology).processors)


@contextmanager
def making(topology: Topology, provider: str, told: Callable[[str], None]) -> Iterator[None]:
    """Clusters and their ring may be made in the block: there is memory, and nobody else makes any meanwhile.

    Who makes clusters holds them until they stand, and so shows in what is free, before another looks. ``told`` hears
    of a wait; WaitTimeout after TURN_SECONDS. Not to be entered by who holds a machine_turn: who waits here for memory
    waits for others to end their scenarios.
    """
    wanted = standing_gb(topology, provider)

    def enough() -> bool:
        return available_gb()[0] >= wanted

    with making_turn(told):
        if not enough():
            lack = f"{wanted:.1f} GB of memory, {available_gb()[0]:.1f} GB are free"
            told(f"{topology.name} takes {lack}; waiting for more")
            until(f"{wanted:.1f} GB of free memory", enough, timeout=TURN_SECONDS, every=1.0)
        yield
