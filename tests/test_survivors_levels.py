"""Replica arithmetic against all ways in which two levels can choose their replicas."""

from __future__ import annotations

from itertools import product

import pytest

from scenarios.checks.levels import Acked, Due, acked_by_level, at_level, by_level, level_of, must_see
from tests.histories import operation

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


def test_a_datacenter_without_replicas_has_no_quorum_to_share():
    for replication in ({"west": 3}, {"west": 3, "east": 0}):
        for level in ("LOCAL_QUORUM", "ALL", "QUORUM", "EACH_QUORUM"):
            assert not must_see(("LOCAL_QUORUM", "east"), (level, "east"), replication)
        assert must_see(("EACH_QUORUM", "east"), ("LOCAL_QUORUM", "west"), replication)
        assert must_see(("QUORUM", "east"), ("QUORUM", "east"), replication)
    assert not must_see(("ALL", "east"), ("ALL", "east"), {})
    assert not must_see(("QUORUM", "east"), ("QUORUM", "east"), {"east": 0})


@pytest.mark.parametrize(
    ("f", "cl", "serial", "levels"),
    [
        ("cas", "QUORUM", "SERIAL", ["SERIAL"]),  # a conditional write belongs to its serial level
        ("append", "LOCAL_QUORUM", "LOCAL_SERIAL", ["LOCAL_SERIAL"]),
        ("cas", "QUORUM", None, ["QUORUM"]),
        ("write", "QUORUM", "SERIAL", ["QUORUM"]),  # the serial level of a session means nothing to a plain write
        ("read", "SERIAL", "LOCAL_SERIAL", ["SERIAL"]),
        ("read", "LOCAL_QUORUM", None, ["LOCAL_QUORUM"]),
    ],
)
def test_an_operation_is_at_one_level(f, cl, serial, levels):
    asked = operation("east-c", f, (1, 2), cl=cl, serial=serial)

    every = ("ALL", "LOCAL_QUORUM", "LOCAL_SERIAL", "ONE", "QUORUM", "SERIAL")
    assert [level for level in every if at_level(asked, "".join(level))] == levels
    assert level_of(asked) == (cl, "east")


def test_what_was_acknowledged_is_lined_up_by_level_and_time():
    told = [
        operation("a", "write", (1, 9), value=1, cl="ALL"),
        operation("b", "write", (2, 5), value=2, cl="ALL"),
        operation("c", "write", (3, 4), value=3, cl="ALL", dc="west"),
        operation("d", "write", (3, 4), "info", value=4, cl="ALL"),
        operation("e", "write", (3, 4), "fail", value=5, cl="ALL"),
    ]
    lines = acked_by_level(told)

    assert {level: (line.returned, line.values) for level, line in lines.items()} == {
        ("ALL", "west"): ([4], [3]),
        ("ALL", "east"): ([5, 9], [2, 1]),
    }
    assert not hasattr(lines["ALL", "east"], "__dict__")


def test_what_is_due_grows_with_time_and_what_was_taken_out_stays_out():
    due = Due([Acked([5, 9], [2, 1]), Acked([5, 6], [3, 4])])

    assert due.before(5) == set()  # equal stamps are concurrent
    assert due.before(6) == {2, 3}
    due.values.discard(2)
    assert due.before(6) == {3}
    assert due.before(100) == {1, 3, 4}


def test_reads_are_grouped_by_level_in_the_order_of_their_invoke():
    late, early = operation("a", "read", (9, 10)), operation("b", "read", (1, 20))
    west = operation("c", "read", (5, 6), dc="west")

    assert by_level([late, west, early]) == {("SERIAL", "east"): [early, late], ("SERIAL", "west"): [west]}
