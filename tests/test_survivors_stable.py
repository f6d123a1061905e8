"""Faults of the checks of growing ledgers that the first mutants showed to go unnoticed."""

from __future__ import annotations

import pytest

from scenarios.checks import reads_are_current, stable_latency
from tests.records import Story
from tests.test_checks_stable import growing, read


def test_what_reads_miss_is_told_in_the_order_of_time():
    story = Story()
    for key in (1, 2):
        story.op("east-ledger-0", "ledger write", (1, 2), key=key, value=key)
    for at, key in ((8, 1), (4, 2)):
        read(story, "east-ledger-5", (at, at + 1), [], key=key)

    findings = story.judge(reads_are_current()).findings
    assert [finding.operations[-1]["key"] for finding in findings] == [2, 1]


def test_what_was_missed_was_judged_and_what_a_delete_may_have_taken_was_not():
    story = growing()
    read(story, "east-ledger-6", (10, 11), [])
    assert story.judge(reads_are_current()).counts["judged"] == 9

    story.op("east-ledger-0", "ledger delete", (9.5, 12), value=2)
    assert story.judge(reads_are_current()).counts["judged"] == 8


def test_the_writer_that_is_named_is_that_of_the_value_that_is_named():
    story = Story()
    story.op("east-ledger-0", "ledger write", (1, 2), value=1)
    story.op("east-ledger-1", "ledger write", (1, 2), value=2)
    read(story, "east-ledger-5", (3, 4), [])
    (finding,) = story.judge(reads_are_current()).findings

    assert finding.detail.endswith("; 1 was acknowledged to east-ledger-0 at LOCAL_QUORUM")


def test_a_delete_sent_during_one_read_excuses_no_other_that_had_ended():
    story = Story()
    story.op("east-ledger-0", "ledger write", (1, 2), value=1)
    story.op("east-ledger-0", "ledger delete", (15, 16), value=1)
    read(story, "east-ledger-5", (10, 20), [])
    short = read(story, "east-ledger-6", (11, 12), [])

    findings = story.judge(reads_are_current()).findings
    assert [(finding.anomaly, finding.operations[-1]["op"]) for finding in findings] == [("never-read", short.op)]


def test_percentiles_of_a_hundred_elements():
    """Element n is acknowledged at 100 - n, all are shown first by the read that ends at 200."""
    story = Story(datacenters=["east"])
    for value in range(1, 101):
        story.op("east-ledger-0", "ledger write", (0, 100 - value), value=value)
    read(story, "east-ledger-5", (150, 200), list(range(1, 101)))
    counts = story.judge(stable_latency()).counts

    assert counts == {
        "east stable": 100, "east p50": 150, "east p95": 195, "east p99": 199, "east max": 200, "findings": 0,
    }  # fmt: skip


def test_the_slowest_of_all_datacenters_is_measured():
    story = Story()
    for value in (1, 2, 3):
        story.op("east-ledger-0", "ledger write", (value, value + 1), value=value)
    read(story, "west-ledger-5", (9, 10.5), [1, 2, 3])
    read(story, "east-ledger-5", (5, 6), [1, 2, 3])
    read(story, "east-ledger-5", (7, 8), [], key=2)
    result = story.judge(stable_latency())

    assert (result.measured, result.unit, result.counts["east p50"]) == (8.5, "s", 3)
    assert result.explain == (
        "elements were stable after 3.000 s at p50, 4.000 s at p99 in east; 7.500 s at p50, 8.500 s at p99 in west"
    )


def test_reads_at_once_are_one_moment():
    """Of two reads with the same stamps one lacks the element: it was not stable then."""
    for outs in (([1], []), ([], [1])):
        story = Story()
        story.op("east-ledger-0", "ledger write", (1, 2), value=1)
        for out in outs:
            read(story, "east-ledger-5", (4, 5), out)
        read(story, "east-ledger-5", (4, 6), [1])

        assert story.judge(stable_latency()).counts["east max"] == 4


def test_missing_elements_are_counted_by_bucket():
    story = Story()
    for key in (1, 2):
        for value in (10, 20):
            story.op("east-ledger-0", "ledger write", (1, 2), key=key, value=value + key)
        read(story, "east-ledger-5", (4, 5), [], key=key)
    read(story, "east-ledger-5", (6, 7), [11, 21], key=1)
    result = story.judge(reads_are_current())

    assert (result.measured, result.limit, result.unit) == (4, 0, "elements")
    assert result.counts == {"acked": 4, "reads": 3, "judged": 4, "findings": 2}
    assert [item.anomaly for item in result.findings] == ["stale", "never-read"]


@pytest.mark.parametrize(("at", "anomaly"), [(3.9, "lost"), (4, "lost"), (4.1, "stale")])
def test_a_later_read_is_one_that_began_later(at, anomaly):
    story = Story()
    story.op("east-ledger-0", "ledger write", (1, 2), value=1)
    read(story, "east-ledger-5", (4, 5), [])
    read(story, "east-ledger-6", (at, 9), [1])
    read(story, "west-ledger-6", (3, 3.5), [1])

    assert [item.anomaly for item in story.judge(reads_are_current()).findings] == [anomaly]


@pytest.mark.parametrize("cl", ["ALL", "EACH_QUORUM", "LOCAL_QUORUM", "ONE", "QUORUM", "SERIAL"])
def test_reads_of_every_level_count_but_those_of_one_replica(cl):
    story = growing()
    read(story, "east-ledger-6", (22, 23), [1, 2], cl=cl)
    read(story, "east-ledger-6", (24, 25), [], cl="NODE_LOCAL")

    assert story.judge(reads_are_current()).counts["reads"] == 5
    assert story.judge(stable_latency()).counts["east stable"] == 2
