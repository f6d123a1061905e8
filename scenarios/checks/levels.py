"""Replica arithmetic: which operations belong to a consistency level, and which read must see which write.

NetworkTopologyStrategy: SERIAL and QUORUM are `sum(RF) // 2 + 1`, LOCAL_* are `RF // 2 + 1` of the coordinator's
datacenter (apache/cassandra `db/ConsistencyLevel.java`).
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, field
from functools import cache
from operator import attrgetter

from scenarios.history import Operation

Level = tuple[str, str]
"""(consistency, coordinator's datacenter)."""

SERIAL_LEVELS = frozenset(("SERIAL", "LOCAL_SERIAL"))
NODE_LOCAL = "NODE_LOCAL"
_CONDITIONAL = frozenset(("cas", "append"))
_FEW = {"ONE": 1, "LOCAL_ONE": 1, "TWO": 2, "THREE": 3}
"""ANY is none of them: a hint is enough for it."""


def at_level(operation: Operation, consistency: str) -> bool:
    """Whether `operation` was asked at `consistency`; a conditional write belongs to its serial level."""
    conditional = operation.f in _CONDITIONAL and operation.serial is not None
    return (operation.serial if conditional else operation.cl) == consistency


def level_of(operation: Operation) -> Level:
    """The level that an operation was asked at, with its coordinator's datacenter."""
    return operation.cl, operation.dc


def must_see(write: Level, read: Level, replication: Mapping[str, int]) -> bool:
    """Whether a read must see an acknowledged write: together they need more replicas than there are, or both need a
    quorum of the same datacenter.

    Unknown levels overlap with nothing, nor does anything where the replication is not known.
    """
    held = {datacenter: factor for datacenter, factor in replication.items() if factor > 0}
    if not held:
        return False
    if _least(write, held) + _least(read, held) > sum(held.values()):
        return True
    return not _quorums(write, held).isdisjoint(_quorums(read, held))


def overlaps(replication: Mapping[str, int]) -> Callable[[Level, Level], bool]:
    """`must_see(write, read)` of one ring; each pair of levels is reckoned once."""

    @cache
    def decided(write: Level, read: Level) -> bool:
        return must_see(write, read, replication)

    return decided


@dataclass(slots=True)
class Acked:
    """What was acknowledged at one level, in the order of the acknowledgements: their times and their values."""

    returned: list[int] = field(default_factory=list)
    values: list[int] = field(default_factory=list)


def acked_by_level(operations: Iterable[Operation]) -> dict[Level, Acked]:
    """The acknowledged ones among `operations`, by level."""
    acked = [item for item in operations if item.outcome == "ok"]
    acked.sort(key=attrgetter("ended"))
    lines: dict[Level, Acked] = {}
    for item in acked:
        line = lines.get((item.cl, item.dc))
        if line is None:
            line = lines[item.cl, item.dc] = Acked()
        line.returned.append(item.ended)
        line.values.append(item.value)
    return lines


class Due:
    """The values that were acknowledged before an instant; instants are asked in growing order only.

    `values` may be taken from by the caller: what was taken out does not come back.
    """

    def __init__(self, lines: Iterable[Acked]) -> None:
        self.values: set[int] = set()
        self._lines = list(lines)
        self._passed = [0] * len(self._lines)

    def before(self, instant: int) -> set[int]:
        """All values acknowledged before `instant`; equal stamps are concurrent."""
        for number, line in enumerate(self._lines):
            start = self._passed[number]
            end = bisect_left(line.returned, instant, start)
            self.values.update(line.values[start:end])
            self._passed[number] = end
        return self.values


def by_level(reads: Sequence[Operation]) -> dict[Level, list[Operation]]:
    """Reads by level, each in the order of their invoke."""
    grouped: dict[Level, list[Operation]] = {}
    for read in sorted(reads, key=attrgetter("invoke")):
        grouped.setdefault((read.cl, read.dc), []).append(read)
    return grouped


def _quorum(replicas: int) -> int:
    return replicas // 2 + 1


def _quorums(level: Level, held: Mapping[str, int]) -> Set[str]:
    """The datacenters of which a success at `level` certainly involved a quorum."""
    consistency, home = level
    if consistency == "EACH_QUORUM":
        return held.keys()
    return held.keys() & {home} if consistency == "LOCAL_QUORUM" else frozenset()


def _least(level: Level, held: Mapping[str, int]) -> int:
    """How many replicas, wherever they are, a success at `level` certainly involved."""
    if places := _quorums(level, held):
        return sum(_quorum(held[place]) for place in places)
    everywhere = sum(held.values())
    known = {**_FEW, "ALL": everywhere, "QUORUM": _quorum(everywhere)}
    return known.get(level[0], 0)
