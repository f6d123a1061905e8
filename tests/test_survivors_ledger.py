"""Faults of the ledger's checks that the first mutants showed to go unnoticed."""

from __future__ import annotations

import pytest

from scenarios.checks import no_lost_writes, no_resurrection
from scenarios.checks.ledger import Bucket
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


def test_counts_are_of_writes_deletes_and_reads_apart():
    story = ledger()
    story.op("east-ledger-0", "ledger delete", (6, 7), "info", value=1)
    story.op("east-ledger-0", "ledger delete", (6, 7), "fail", value=2)
    story.op("east-ledger-5", "ledger read", (8, 9), "info")
    story.op("east-ledger-5", "ledger read", (8, 9), out=[1], stage="warm-up")
    story.op("east-ledger-5", "ledger read", (8, 9), out=[2], cl="NODE_LOCAL", host="id-east-a", stage="final")
    counts = story.judge(no_lost_writes()).counts

    assert counts == {"acked": 2, "indeterminate": 1, "deletes": 1, "final reads": 2, "reads": 4, "findings": 0}


def test_of_many_lost_values_the_first_three_are_proven_and_all_are_counted():
    story = Story()
    for value in (5, 4, 3, 2, 1):
        story.op(f"east-ledger-{value}", "ledger write", (1, 2), value=value)
    for dc in ("east", "west"):
        story.op(f"{dc}-ledger-9", "ledger read", (20, 21), out=[5], stage="final")
    result = story.judge(no_lost_writes())
    finding = result.findings[0]

    assert [item.get("value") for item in finding.operations] == [1, 2, 3, None]
    assert result.measured == 4
    assert finding.detail == (
        "the LOCAL_QUORUM read of bucket 1 in east lacks 4 acknowledged value(s) 1, 2, 3, 4, "
        "written by east-ledger-1, east-ledger-2, east-ledger-3, east-ledger-4"
    )


def test_one_read_is_told_once_for_each_kind_of_value_that_it_cannot_have_seen():
    story = ledger()
    story.op("east-ledger-0", "ledger write", (12, 13), value=7)
    story.op("east-ledger-0", "ledger write", (12, 13), value=8)
    story.op("west-ledger-5", "ledger read", (10, 11), out=[99, 8, 1, 7, 98, 4], cl="ONE")
    findings = [item for item in story.judge(no_lost_writes()).findings if item.anomaly != "lost"]

    assert [(item.anomaly, item.who, item.detail) for item in findings] == [
        ("failed-visible", "west", "west-ledger-5 saw value(s) 4 of writes that certainly failed in bucket 1 at ONE"),
        ("garbage", "west", "west-ledger-5 saw value(s) 98, 99 that nobody wrote there in bucket 1 at ONE"),
        ("future", "west", "west-ledger-5 saw value(s) 7, 8 whose write had not been sent in bucket 1 at ONE"),
    ]
    assert [[item.get("value") for item in finding.operations] for finding in findings] == [
        [4, None],
        [None],
        [7, 8, None],
    ]
    assert findings[0].operations[-1]["out"] == "6 values"


@pytest.mark.parametrize(("sent", "found"), [(11, []), (11.1, ["future"])])
def test_a_write_sent_at_the_stamp_at_which_the_read_ended_may_be_seen(sent, found):
    story = ledger((1, 2, 3, 7))
    story.op("east-ledger-0", "ledger write", (sent, 12), value=7)
    story.op("east-ledger-5", "ledger read", (10, 11), out=[7])

    assert [item.anomaly for item in story.judge(no_lost_writes()).findings] == found


def test_the_earliest_delete_of_a_value_opens_it():
    story = ledger((2,))
    for span in ((30, 31), (5, 6), (25, 26)):
        story.op("east-ledger-0", "ledger delete", span, "info", value=1)

    assert story.judge(no_lost_writes()).verdict == "valid"


def test_reads_of_the_end_and_before_are_told_apart_by_their_stage():
    """Nobody in the west must see a delete of the east before the end."""
    story = ledger((2,))
    story.op("east-ledger-0", "ledger delete", (6, 7), value=1)
    story.op("west-ledger-5", "ledger read", (10, 11), out=[1, 2], stage="warm-up")
    result = story.judge(no_resurrection())

    assert (result.verdict, result.counts) == ("valid", {"deletes": 1, "reads": 3, "judged": 2, "findings": 0})
    assert story.judge(no_resurrection(stage="warm-up")).verdict == "invalid"
    assert (result.measured, result.limit, result.unit) == (0, 0, "reads")


def test_rows_that_came_back_are_counted_by_reads():
    story = ledger((1, 2))
    for value in (1, 2):
        story.op("east-ledger-0", "ledger delete", (6, 7), value=value)
    result = story.judge(no_resurrection())

    assert (result.measured, result.counts["judged"], result.counts["deletes"]) == (2, 4, 2)
    assert result.findings[0].detail == (
        "east-ledger-9 saw 2 value(s) 1, 2 in bucket 1 at LOCAL_QUORUM whose delete had been acknowledged"
    )


def test_each_bucket_lacks_its_own_reads():
    story = ledger()
    for key in (2, 3, 12):
        story.op("east-ledger-0", "ledger write", (1, 2), key=key, value=10 * key)
    story.op("west-ledger-9", "ledger read", (20, 21), key=3, out=[30], stage="final")

    assert story.judge(no_lost_writes()).explain == "bucket 2, 3, 12 has no final read in east (and 1 more)"


def test_a_bucket_without_a_number_needs_no_final_read():
    story = ledger()
    story.op("east-ledger-0", "ledger write", (1, 2), key=None, value=50)

    assert story.judge(no_lost_writes()).verdict == "valid"


def test_without_final_reads_nothing_acknowledged_is_vacuous():
    story = Story()
    story.op("east-ledger-0", "ledger write", (1, 2), "info", value=1)
    result = story.judge(no_lost_writes())

    assert (result.verdict, result.explain) == ("vacuous", "no acknowledged ledger write")
    assert story.judge(no_resurrection()).explain == "no acknowledged ledger delete that a read must honour"


def test_a_delete_in_doubt_needs_no_final_read():
    story = ledger()
    story.op("east-ledger-0", "ledger delete", (6, 7), "info", value=1)
    story.operations = [item for item in story.operations if item.f != "read"]

    assert story.judge(no_resurrection()).verdict == "vacuous"


@pytest.mark.parametrize(("acked", "lost"), [(19.9, [8]), (20, []), (20.1, [])])
def test_what_was_acknowledged_at_the_stamp_at_which_the_read_began_may_be_missing(acked, lost):
    story = ledger()
    story.op("east-ledger-1", "ledger write", (19, 25), value=7)
    story.op("east-ledger-2", "ledger write", (18, acked), value=8)
    findings = story.judge(no_lost_writes()).findings

    assert [finding.operations[0]["value"] for finding in findings] == lost * 2


def test_the_first_bucket_with_a_repeated_value_is_named():
    story = Story()
    for key in (5, 6):
        for at in (1, 3):
            story.op("east-ledger-0", "ledger write", (at, at + 1), key=key, value=key)

    assert story.judge(no_lost_writes()).explain == "value(s) 5, 6 of bucket 5 were written more than once"


def test_what_there_is_one_of_for_each_bucket_is_small():
    assert not hasattr(Bucket(), "__dict__")
