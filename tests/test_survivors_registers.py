"""Faults of the registers' checks that the first mutants showed to go unnoticed."""

from __future__ import annotations

import pytest

from scenarios.checks import monotonic_reads, read_your_writes
from scenarios.checks.registers import _Register
from tests.records import Story, ns
from tests.test_checks_registers import read, written


def test_numbers_that_shrink_tell_no_age():
    story = Story()
    story.op("east-writer-0", "registers write", (1, 2), value=5)
    story.op("east-writer-0", "registers write", (3, 4), value=3)
    read(story, "east-reader-0", (5, 6), 3)
    result = story.judge(monotonic_reads())

    assert (result.verdict, result.explain) == ("unknown", "key 1: number 3 was written after 5")


def test_two_writers_at_once_tell_no_order_whoever_began():
    for first, second in (("east-a", "east-z"), ("east-z", "east-a")):
        story = Story()
        story.op(first, "registers write", (1, 4), value=1)
        story.op(second, "registers write", (2, 3), value=2)
        result = story.judge(read_your_writes())

        assert result.explain == f"key 1: {first} and {second} wrote at once, in no certain order"


def test_a_smaller_number_that_was_acknowledged_later_does_not_take_the_place_of_the_newest():
    story = Story()
    story.op("east-writer-0", "registers write", (1, 5), value=1)
    story.op("east-writer-0+1", "registers write", (2, 3), value=2)
    read(story, "east-reader-0", (6, 7), 1)

    assert [finding.operations[0]["value"] for finding in story.judge(read_your_writes()).findings] == [2]


def test_numbers_are_compared_with_those_just_before():
    for numbers in ((1, 3, 2), (1, 2, 4, 3), (2, 1, 3), (1, 2, 3, 3)):
        story = Story()
        for at, number in enumerate(numbers, start=1):
            story.op("east-writer-0", "registers write", (at, at + 0.5), value=number)
        read(story, "east-reader-0", (9, 10), 3)

        assert story.judge(read_your_writes()).verdict == "unknown", numbers


def test_number_nought_is_a_number():
    story = written(0)
    read(story, "east-reader-0", (3, 4), 0)
    read(story, "east-reader-0", (5, 6), None)

    assert [finding.anomaly for finding in story.judge(monotonic_reads()).findings] == ["stale-read"]
    assert [finding.at for finding in story.judge(read_your_writes()).findings] == [ns(5)]


@pytest.mark.parametrize("shown", [1, 2, 4])
def test_of_many_acknowledged_writes_the_newest_is_demanded(shown):
    story = written(1, 2, 3, 4, 5)
    read(story, "east-reader-0", (9, 10), shown)

    assert story.judge(read_your_writes()).findings[0].operations[0]["value"] == 5
    read(story, "east-reader-0", (4.2, 4.3), 2)  # 3 was acknowledged, 4 was not
    assert [finding.operations[0]["value"] for finding in story.judge(read_your_writes()).findings] == [3, 5]


def test_the_newest_of_all_levels_is_demanded_in_whatever_order_they_came():
    story = Story()
    for number, cl in ((1, "LOCAL_QUORUM"), (2, "EACH_QUORUM"), (3, "LOCAL_QUORUM")):
        story.op("east-writer-0", "registers write", (number, number + 0.5), value=number, cl=cl)
    read(story, "east-reader-0", (9, 10), 2)

    assert [finding.operations[0]["value"] for finding in story.judge(read_your_writes()).findings] == [3]


def test_no_row_may_be_the_last_of_many_deletes_or_any_of_them():
    story = Story()
    for number in range(1, 9):
        f = "delete" if number % 2 == 0 else "write"
        story.op("east-writer-0", f"registers {f}", (number, number + 0.5), value=number)
    for at in (2.6, 4.6, 6.6, 8.6):
        read(story, "east-reader-0", (at, at + 0.1), None)
    assert story.judge(read_your_writes()).verdict == "valid"

    read(story, "east-reader-0", (20, 21), 3)
    read(story, "east-reader-0", (22, 23), None)  # after 3 only the deletes 4, 6 and 8 explain it
    read(story, "east-reader-0", (24, 25), 5)  # and 5 is newer than the oldest of those
    assert story.judge(monotonic_reads()).verdict == "valid"


def test_no_row_that_may_have_been_the_first_state_binds_nobody():
    """The row was absent before it was written as well as after its delete."""
    story = Story()
    story.op("east-writer-0", "registers write", (1, 2), value=1)
    story.op("east-writer-0", "registers delete", (3, 4), value=2)
    read(story, "east-reader-0", (5, 6), None)
    read(story, "east-reader-0", (7, 8), 1)

    assert story.judge(monotonic_reads()).verdict == "vacuous"
    assert [finding.anomaly for finding in story.judge(read_your_writes()).findings] == ["resurrected"]


def test_every_read_below_the_newest_that_was_read_is_told():
    story = written(1, 2, 3)
    for at, number in ((5, 3), (6, 2), (7, 2), (8, 3), (9, 1)):
        read(story, f"east-reader-{at}", (at, at + 0.1), number)
    result = story.judge(monotonic_reads(scope="datacenter"))

    assert [finding.at for finding in result.findings] == [ns(6), ns(7), ns(9)]
    assert {finding.operations[0]["process"] for finding in result.findings} == {"east-reader-5"}
    assert (result.measured, result.counts["compared"]) == (3, 4)


def test_a_read_is_compared_with_the_newest_of_all_levels_that_it_overlaps_with():
    story = written(1, 2, 3)
    for at, number, cl in ((5, 3, "LOCAL_QUORUM"), (6, 2, "ONE"), (7, 2, "ALL")):
        read(story, "east-reader-0", (at, at + 0.1), number, cl=cl)
    (finding,) = story.judge(monotonic_reads()).findings

    assert (finding.at, finding.operations[0]["cl"]) == (ns(7), "LOCAL_QUORUM")


@pytest.mark.parametrize(("scope", "stale"), [("process", 0), ("datacenter", 1), ("ring", 2)])
def test_the_scope_says_whose_writes_a_read_must_show(scope, stale):
    story = written(1, 2, cl="EACH_QUORUM")
    read(story, "east-writer-0+1", (4, 5), 2)
    read(story, "east-reader-0", (4, 5), 1)
    read(story, "west-reader-0", (4, 5), 1)
    result = story.judge(read_your_writes(scope=scope))

    assert (len(result.findings), result.counts["judged"]) == (stale, stale + 1)


def test_writers_that_never_ended_have_no_order_with_others():
    story = written(1)
    story.op("east-writer-1", "registers write", (2, None), "info", value=2)
    story.op("east-writer-2", "registers write", (30, 31), value=3)
    read(story, "east-reader-0", (40, 41), 3)

    assert story.judge(read_your_writes()).explain == (
        "key 1: east-writer-1 and east-writer-2 wrote at once, in no certain order"
    )


def test_what_certainly_failed_has_no_place_in_the_order():
    story = written(1, 2)
    story.op("west-writer-0", "registers write", (1.1, 9), "fail", value=9)
    story.op("west-writer-0", "registers delete", (1.2, 9), "fail", value=8)
    read(story, "east-reader-0", (4, 5), 2)

    assert story.judge(read_your_writes()).verdict == "valid"


def test_a_reader_that_is_ahead_of_its_datacenter_is_right():
    story = written(1, 2)
    story.op("east-writer-0", "registers write", (3, 9), value=3)
    read(story, "east-reader-0", (4, 5), 3)

    assert story.judge(read_your_writes()).verdict == "valid"


def test_the_number_of_a_delete_is_no_value():
    story = written(1)
    story.op("east-writer-0", "registers delete", (2, 3), value=2)
    for at, out in ((4, None), (5, 2), (6, None), (7, 9)):
        read(story, "east-reader-0", (at, at + 0.1), out)

    garbage = [finding.at for finding in story.judge(monotonic_reads()).findings if finding.anomaly == "garbage"]
    assert garbage == [ns(5), ns(7)]


def test_what_there_is_one_of_for_each_register_is_small():
    assert not hasattr(_Register(), "__dict__")
