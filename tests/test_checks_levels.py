"""Replica arithmetic: which read must see which write, and what was acknowledged when."""

from __future__ import annotations

import pytest

from scenarios.checks.levels import Due, acked_by_level, by_level, must_see, overlaps
from tests.records import Story, ns

RF = {"east": 3, "west": 3}


@pytest.mark.parametrize(
    ("write", "reader", "sees"),
    [
        (("LOCAL_QUORUM", "east"), ("LOCAL_QUORUM", "east"), True),  # 2 + 2 > 3
        (("LOCAL_QUORUM", "east"), ("LOCAL_QUORUM", "west"), False),
        (("EACH_QUORUM", "east"), ("LOCAL_QUORUM", "west"), True),
        (("QUORUM", "east"), ("QUORUM", "west"), True),  # 4 + 4 > 6
        (("QUORUM", "east"), ("LOCAL_QUORUM", "east"), False),  # 1 + 2 = 3
        (("LOCAL_QUORUM", "east"), ("ALL", "west"), True),
        (("ONE", "east"), ("ALL", "west"), True),
        (("ALL", "east"), ("LOCAL_ONE", "west"), True),
        (("ONE", "east"), ("ONE", "east"), False),
        (("ANY", "east"), ("ALL", "east"), False),  # a hint counts as an acknowledgement
    ],
)
def test_replica_arithmetic(write, reader, sees):
    assert must_see(write, reader, RF) is sees


@pytest.mark.parametrize(
    ("replication", "sees_it"),
    [({}, False), ({"east": 0}, False), ({"east": 0, "west": 3}, False), ({"east": 1}, True)],
)
def test_where_no_replica_is_known_nothing_must_be_seen(replication, sees_it):
    assert must_see(("ONE", "east"), ("ONE", "east"), replication) is sees_it
    assert overlaps(replication)(("ONE", "east"), ("ONE", "east")) is sees_it


def test_a_datacenter_without_replicas_counts_for_nothing():
    assert must_see(("EACH_QUORUM", "east"), ("LOCAL_QUORUM", "west"), {"east": 0, "west": 3})
    assert not must_see(("EACH_QUORUM", "east"), ("LOCAL_QUORUM", "east"), {"east": 0, "west": 3})


def test_what_is_due_grows_by_what_was_acknowledged_before():
    story = Story()
    for at, (cl, outcome) in enumerate([("ONE", "ok"), ("ALL", "ok"), ("ONE", "info"), ("ONE", "ok")]):
        story.op("east-writer-0", "registers write", (at, at + 1), outcome, value=at, cl=cl)
    lines = acked_by_level(reversed(story.operations))
    due = Due(lines.values())

    assert {level: line.values for level, line in lines.items()} == {("ONE", "east"): [0, 3], ("ALL", "east"): [1]}
    assert [set(due.before(ns(at))) for at in (1, 2, 2, 5)] == [set(), {0}, {0}, {0, 1, 3}]
    due.values.discard(0)
    assert due.before(ns(6)) == {1, 3}  # what was taken out stays out


def test_reads_are_grouped_by_level_in_the_order_of_their_invoke():
    story = Story()
    for at, cl in ((3, "ONE"), (1, "ONE"), (2, "ALL")):
        story.op("east-reader-0", "registers read", (at, at + 1), out=1, cl=cl)

    assert [(level, [item.invoke for item in group]) for level, group in by_level(story.operations).items()] == [
        (("ONE", "east"), [ns(1), ns(3)]),
        (("ALL", "east"), [ns(2)]),
    ]
