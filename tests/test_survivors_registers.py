"""Faults of the registers' checks that the first mutants showed to go unnoticed."""

from __future__ import annotations

from scenarios.checks import monotonic_reads, read_your_writes
from tests.records import Story
from tests.test_checks_registers import read


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
