"""Monotonic reads and read-your-writes, on histories small enough to judge by eye."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scenarios.checks import monotonic_reads, read_your_writes
from scenarios.checks.levels import must_see
from tests.records import Story

RF = {"east": 3, "west": 3}


def written(*values, outcome="ok", **fields):
    """Writes of key 1 in the east, value n sent at n and acknowledged at n + 0.5."""
    story = Story()
    for value in values:
        story.op("east-writer-0", "registers write", (value, value + 0.5), outcome, value=value, **fields)
    return story


def read(story, process, span, out, **fields):
    return story.op(process, "registers read", span, out=out, **fields)


def test_reads_that_only_go_forward_are_valid():
    story = written(1, 2, 3)
    for at, out in ((0, None), (1.6, 1), (2.6, 2), (3.6, 3), (5, 3)):
        read(story, "east-reader-0", (at, at + 0.1), out)

    result = story.judge(monotonic_reads())

    assert (result.verdict, result.counts["compared"]) == ("valid", 3)


def test_a_read_that_goes_back_is_stale():
    story = written(1, 2)
    read(story, "east-reader-0", (3, 3.1), 2)
    read(story, "east-reader-0", (4, 4.1), 1)

    (finding,) = story.judge(monotonic_reads()).findings

    assert (finding.anomaly, finding.who) == ("stale-read", "east-reader-0")
    assert [item["out"] for item in finding.operations] == [2, 1]


def test_a_row_that_vanishes_is_stale():
    story = written(1)
    read(story, "east-reader-0", (3, 3.1), 1)
    read(story, "east-reader-0", (4, 4.1), None)

    assert [finding.anomaly for finding in story.judge(monotonic_reads()).findings] == ["stale-read"]


@pytest.mark.parametrize("second", [(3.05, 3.2), (3.1, 3.2)])  # overlapping, and touching: equal stamps are concurrent
def test_concurrent_reads_may_disagree(second):
    story = written(1, 2)
    read(story, "east-reader-0", (3, 3.1), 2)
    read(story, "east-reader-1", second, 1)

    assert story.judge(monotonic_reads(scope="datacenter")).findings == ()


def test_a_worker_that_was_renamed_is_still_one_process():
    story = written(1, 2)
    read(story, "east-reader-0", (3, 3.1), 2)
    read(story, "east-reader-0+1", (4, 4.1), 1)

    assert story.judge(monotonic_reads()).verdict == "invalid"


def test_the_datacenter_scope_compares_readers_and_not_datacenters():
    story = written(1, 2)
    read(story, "east-reader-0", (3, 3.1), 2)
    read(story, "west-reader-0", (4, 4.1), 1)
    read(story, "west-reader-0", (5, 5.1), 1)
    assert story.judge(monotonic_reads(scope="datacenter")).verdict == "valid"

    read(story, "east-reader-1", (6, 6.1), 1)
    assert story.judge(monotonic_reads(scope="process")).verdict == "valid"
    (finding,) = story.judge(monotonic_reads(scope="datacenter")).findings
    assert finding.who == "east-reader-1"


def test_keys_are_not_compared_with_each_other():
    story = written(1, 2)
    story.op("east-writer-0", "registers write", (1, 1.5), key=2, value=1)
    read(story, "east-reader-0", (3, 3.1), 2)
    read(story, "east-reader-0", (4, 4.1), 1, key=2)

    assert story.judge(monotonic_reads()).findings == ()


@pytest.mark.parametrize(
    ("out", "anomaly"),
    [
        (9, "garbage"),  # nobody wrote 9
        (3, "failed-visible"),  # 3 certainly failed
        (7, "future-read"),  # 7 is sent at 7, the read ended at 4.1
    ],
)
def test_numbers_that_cannot_be_read_are_named(out, anomaly):
    story = written(1, 7)
    story.op("east-writer-0", "registers write", (2, 2.5), "fail", value=3)
    read(story, "east-reader-0", (3, 3.1), 1)
    read(story, "east-reader-0", (4, 4.1), out)

    assert [finding.anomaly for finding in story.judge(monotonic_reads()).findings] == [anomaly]


def test_an_indeterminate_write_may_be_read():
    story = written(1)
    story.op("east-writer-0", "registers write", (2, 2.5), "info", value=2)
    read(story, "east-reader-0", (3, 3.1), 1)
    read(story, "east-reader-0", (9, 9.1), 2)

    assert story.judge(monotonic_reads()).verdict == "valid"


@pytest.mark.parametrize("outs", [(), (1,), (None, None)])
def test_without_two_reads_that_can_disagree_it_is_vacuous(outs):
    story = written(1)
    for at, out in enumerate(outs, start=3):
        read(story, "east-reader-0", (at, at + 0.1), out)

    assert story.judge(monotonic_reads()).verdict == "vacuous"


@given(st.lists(st.integers(1, 20), min_size=2, max_size=20))
def test_monotonic_is_exactly_sorted_for_one_sequential_reader(outs):
    story = written(*range(1, 21))
    for at, out in enumerate(outs, start=100):
        read(story, "east-reader-0", (at, at + 0.5), out)

    assert (story.judge(monotonic_reads()).verdict == "valid") == (outs == sorted(outs))


def test_a_read_shows_what_its_datacenter_acknowledged():
    story = written(1, 2)
    read(story, "east-reader-0", (1.6, 1.7), 1)
    read(story, "east-reader-0", (2.1, 2.2), 1)  # 2 is in flight
    read(story, "east-reader-0", (3, 3.1), 2)

    result = story.judge(read_your_writes())

    assert (result.verdict, result.counts["judged"]) == ("valid", 3)


@pytest.mark.parametrize("out", [1, None])
def test_a_read_that_misses_an_acknowledged_write_is_stale(out):
    story = written(1, 2)
    read(story, "east-reader-0", (3, 3.1), out)

    (finding,) = story.judge(read_your_writes()).findings

    assert (finding.anomaly, finding.who, finding.operations[0]["value"]) == ("stale-read", "east-reader-0", 2)


def test_the_other_datacenter_may_be_behind():
    story = written(1, 2)
    read(story, "west-reader-0", (3, 3.1), None)

    assert story.judge(read_your_writes()).verdict == "vacuous"  # no pair whose replicas overlap


def test_a_read_at_one_is_judged_only_when_a_control_asks_for_it():
    story = written(1, 2)
    read(story, "east-reader-0", (3, 3.1), 1, cl="ONE")

    assert story.judge(read_your_writes()).verdict == "vacuous"  # 2 + 1 replicas of 3 need not overlap
    assert story.judge(read_your_writes(overlapping=False)).verdict == "invalid"


def test_the_newest_of_all_levels_is_demanded():
    story = written(1, cl="EACH_QUORUM")
    story.op("east-writer-0", "registers write", (2, 2.5), value=2)
    read(story, "east-reader-0", (3, 3.1), 1)

    assert story.judge(read_your_writes()).findings[0].operations[0]["value"] == 2


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
