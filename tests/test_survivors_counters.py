"""Faults of the counters' check that would go unnoticed: what is named, what is counted, what is no part of it."""

from __future__ import annotations

import pytest

from scenarios.checks import counters_bounded
from scenarios.checks.counters import _Counter
from tests.records import Story, ns
from tests.test_checks_counters import add, counted, read


def test_of_several_values_that_are_no_increment_the_first_is_named():
    story = counted()
    add(story, "east-counter-1", (5, 6), -1, key=7)
    add(story, "east-counter-2", (7, 8), 0, key=8)

    assert story.judge(counters_bounded()).explain.startswith("east-counter-1 added -1 to counter 7: only increments")


@pytest.mark.parametrize(
    ("out", "until", "shown"), [(9, 5.5, [4, 5, 6, 7]), (9, 4.5, [3, 4, 5, 6]), (9, 1.5, [1, 2, 3]), (9, 0, [1, 2])]
)
def test_an_over_count_shows_three_that_count_and_one_that_does_not(out, until, shown):
    story = Story()
    for at in range(10):
        add(story, f"east-counter-{at}", (at, at + 0.25), 1)
    read(story, "east-counter-9", (0, until), out)
    (finding,) = story.judge(counters_bounded()).findings

    assert [item["op"] for item in finding.operations] == [*shown, 11]


def test_an_under_count_is_told_by_the_adds_that_it_must_see_and_no_others():
    """The west's adds need not be seen, and those that ended with the read's invoke or later were in flight."""
    story = Story(datacenters=[])
    for at, process, outcome in (
        (1, "east-counter-0", "ok"),
        (2, "west-counter-0", "ok"),
        (3, "east-counter-1", "ok"),
        (4, "east-counter-2", "info"),
        (5, "east-counter-3", "fail"),
        (9, "east-counter-4", "ok"),
        (9.5, "east-counter-5", "ok"),
    ):
        add(story, process, (at, at + 1), 5, outcome)
    read(story, "east-counter-9", (10, 11), 9)
    finding = story.judge(counters_bounded()).findings[0]

    assert finding.detail == (
        "east-counter-9 read 9 of counter 1 at LOCAL_QUORUM, 10 had been acknowledged before in 2 adds that it must "
        "see, the last to east-counter-1"
    )
    assert [item["op"] for item in finding.operations] == [1, 3, 8]


def test_the_counts_are_of_what_was_acknowledged_and_answered():
    story = counted()
    add(story, "east-counter-1", (5, 6), 4, "info", key=2)
    add(story, "east-counter-1", (5, 6), 4, "fail", key=2)
    for outcome in ("info", "fail"):
        story.op("east-counter-5", "counter read", (10, 11), outcome)
    for f in ("create", "touch", "aaa"):
        story.op("east-counter-5", f"counter {f}", (10, 11), value=9, out=9)
    result = story.judge(counters_bounded())

    assert (result.verdict, result.counts) == ("valid", {"acked": 3, "reads": 2, "counters": 2, "findings": 0})


def test_findings_are_told_in_the_order_of_time():
    story = counted()
    for at, key in ((12, 1), (8, 2), (10, 1), (6, 2)):
        read(story, "east-counter-5", (at, at + 0.5), 99, key=key)

    assert [finding.at for finding in story.judge(counters_bounded()).findings] == [ns(6), ns(8), ns(10), ns(12)]


@pytest.mark.parametrize(
    ("written", "final", "verdict"),
    [
        ("QUORUM", "QUORUM", "valid"),
        ("ALL", "ONE", "valid"),
        ("ONE", "ALL", "valid"),
        ("EACH_QUORUM", "LOCAL_QUORUM", "valid"),
        ("QUORUM", "LOCAL_QUORUM", "unknown"),
        ("ALL", "NODE_LOCAL", "unknown"),
    ],
)
def test_a_final_read_of_any_level_counts_that_must_see_all_adds(written, final, verdict):
    story = Story()
    add(story, "east-counter-0", (1, 2), 1, cl=written)
    for dc in ("east", "west"):
        read(story, f"{dc}-counter-9", (20, 21), 1, cl=final, stage="final")

    assert story.judge(counters_bounded()).verdict == verdict


@pytest.mark.parametrize("stage", ["warm-up", "finale", "a"])
def test_reads_of_another_stage_are_no_final_reads(stage):
    story = counted()
    for item in story.operations:
        item.stage = item.stage and stage

    assert story.judge(counters_bounded()).verdict == "unknown"
    assert story.judge(counters_bounded(stage=stage)).verdict == "valid"


def test_counters_without_a_final_read_are_named_in_order():
    story = counted()
    for key in (5, 4, 10):
        add(story, "east-counter-0", (1, 2), 5, key=key)
    read(story, "east-counter-9", (20, 21), 5, key=5, cl="LOCAL_QUORUM", stage="final")

    assert story.judge(counters_bounded()).explain == (
        "counter 10, 4 has no final read that must see all its adds: read it at ALL"
    )


def test_what_there_is_one_of_for_each_counter_is_small():
    assert not hasattr(_Counter(), "__dict__")
