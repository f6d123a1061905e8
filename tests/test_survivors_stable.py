"""Faults of the checks of growing ledgers that the first mutants showed to go unnoticed."""

from __future__ import annotations

from scenarios.checks import reads_are_current
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
