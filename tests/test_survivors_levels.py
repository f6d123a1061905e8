"""Replica arithmetic against all ways in which two levels can choose their replicas."""

from __future__ import annotations

from itertools import product

import pytest

from scenarios.checks.levels import must_see

FIXED = {"ANY": 0, "ONE": 1, "LOCAL_ONE": 1, "TWO": 2, "THREE": 3}
LEVELS = (*FIXED, "QUORUM", "LOCAL_QUORUM", "EACH_QUORUM", "ALL")


def choices(level, home, replication):
    """How many replicas of each datacenter a success may have involved, at least."""
    places, sizes = list(replication), list(replication.values())
    if level == "LOCAL_QUORUM":
        return [tuple(rf // 2 + 1 if place == home else 0 for place, rf in replication.items())]
    if level == "EACH_QUORUM":
        return [tuple(rf // 2 + 1 for rf in sizes)]
    needed = {"ALL": sum(sizes), "QUORUM": sum(sizes) // 2 + 1, **FIXED}[level]
    ways = product(*(range(replication[place] + 1) for place in places))
    return [way for way in ways if sum(way) == needed]


def apart(write, read, sizes):
    """Whether the two can have chosen different replicas everywhere."""
    return all(one + other <= size for one, other, size in zip(write, read, sizes, strict=True))


@pytest.mark.parametrize("replication", [{"east": e, "west": w} for e in range(1, 6) for w in range(1, 6)], ids=str)
def test_a_read_must_see_a_write_exactly_where_their_replicas_cannot_differ(replication):
    sizes = list(replication.values())
    for write, read in product(product(LEVELS, replication), repeat=2):
        ways = choices(*write, replication), choices(*read, replication)
        if all(ways):  # THREE of two replicas is never acknowledged
            expected = not any(apart(one, other, sizes) for one, other in product(*ways))
            assert must_see(write, read, replication) is expected, (write, read)


@pytest.mark.parametrize("level", ["SERIAL", "LOCAL_SERIAL", "NODE_LOCAL", "ODD"])
def test_what_another_level_sees_is_not_known(level):
    for replication in ({"east": 1}, {"east": 3}, {"east": 2, "west": 3}):
        for other in ("ONE", "QUORUM", "LOCAL_QUORUM", "EACH_QUORUM", "ALL"):
            assert not must_see((level, "east"), (other, "east"), replication)
            assert not must_see((other, "east"), (level, "east"), replication)
