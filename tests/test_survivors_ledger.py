"""Faults of the ledger's checks that the first mutants showed to go unnoticed."""

from __future__ import annotations

import pytest

from scenarios.checks import no_lost_writes, no_resurrection
from tests.records import Story
from tests.test_checks_ledger import ledger


def test_a_write_acknowledged_during_the_read_excuses_nothing_before_it():
    story = ledger(final=(1, 2))
    story.op("east-ledger-1", "ledger write", (19, 20.5), value=7)
    story.op("east-ledger-2", "ledger write", (18, 19.5), value=8)
    result = story.judge(no_lost_writes())

    assert [(finding.anomaly, finding.operations[0]["value"]) for finding in result.findings] == [("lost", 8)] * 2
    assert result.measured == 1


@pytest.mark.parametrize("cl", ["QUORUM", "TWO", "ONE", "ALL", "EACH_QUORUM"])
def test_a_final_read_of_any_level_must_show_everything(cl):
    story = ledger()
    story.op("east-ledger-9", "ledger read", (30, 31), cl=cl, out=[2], stage="final")

    assert [finding.anomaly for finding in story.judge(no_lost_writes()).findings] == ["lost"]


def test_impossible_values_are_told_in_the_order_of_time():
    story = ledger()
    for at, key in ((12, 2), (8, 1), (10, 2), (6, 1), (16, 1)):
        story.op("east-ledger-9", "ledger read", (at, at + 1), key=key, out=[99])

    assert [finding.operations[-1]["op"] for finding in story.judge(no_lost_writes()).findings] == [10, 8, 9, 7, 11]


def test_repeated_values_are_told_with_their_bucket():
    story = Story()
    for at in (1, 3):
        story.op("east-ledger-0", "ledger write", (at, at + 1), key=5, value=7)

    assert story.judge(no_lost_writes()).explain == "value(s) 7 of bucket 5 were written more than once"


def test_deletes_with_only_a_read_of_another_stage_are_unknown():
    story = ledger()
    story.op("east-ledger-0", "ledger delete", (5, 6), value=1)
    for item in story.operations:
        item.stage = None

    assert story.judge(no_resurrection()).verdict == "invalid"  # 1 is in the reads
    for item in story.operations:
        item.out = [2] if item.f == "read" else None
    assert story.judge(no_resurrection()).verdict == "unknown"


def test_without_declared_datacenters_those_of_the_final_reads_count():
    story = ledger(datacenters=())
    assert story.judge(no_lost_writes()).verdict == "valid"

    story.op("east-ledger-0", "ledger write", (1, 2), key=2, value=20)
    story.op("west-ledger-9", "ledger read", (20, 21), key=2, out=[20], stage="final")
    assert story.judge(no_lost_writes()).explain == "bucket 2 has no final read in east"

    story.operations = [item for item in story.operations if item.f == "write"]
    assert story.judge(no_lost_writes()).explain == "bucket 1, 2 has no final read in any datacenter"
