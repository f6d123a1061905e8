"""Faults of the batches' check that the first mutants showed to go unnoticed."""

from __future__ import annotations

import pytest

from scenarios.checks import batches_whole
from tests.records import Story
from tests.test_checks_batches import batches, read, tables, write


def test_of_many_torn_batches_the_first_three_are_shown():
    story = Story()
    for value in range(1, 7):
        story.op("east-batch-0", "batch write", (value, value + 0.5), value=value)
    for dc in ("east", "west"):
        out = {"left": [1, 2, 3, 4, 5, 6], "right": [6]}
        story.op(f"{dc}-batch-9", "batch read", (20, 21), out=out, stage="final")
    finding = story.judge(batches_whole()).findings[0]

    assert finding.operations[-1]["out"] == {"left": [1, 2, 3], "right": []}


@pytest.mark.parametrize("cl", ["ALL", "EACH_QUORUM", "ONE", "QUORUM", "SERIAL"])
def test_a_final_read_of_any_level_but_one_replica_counts(cl):
    story = batches()
    read(story, "east-batch-9", (50, 51), tables((1,), (1, 2)), cl=cl, stage="final")

    assert [finding.anomaly for finding in story.judge(batches_whole()).findings] == ["torn"]


@pytest.mark.parametrize("stage", ["warm-up", "finale", "a"])
def test_batches_are_not_isolated_at_another_stage(stage):
    story = batches()
    read(story, "east-batch-9", (50, 51), tables((1,), (1, 2)), stage=stage)

    assert story.judge(batches_whole()).verdict == "valid"
    assert story.judge(batches_whole(stage=stage)).verdict == "invalid"


def test_every_broken_batch_is_proven_by_its_write():
    story = batches((1, 2), ())
    finding = story.judge(batches_whole()).findings[0]

    assert finding.detail.startswith("the LOCAL_QUORUM read of bucket 1 in east shows 2 batch(es) in one table only")
    assert finding.detail.endswith(": 1, 2, written by east-batch-0 (ok), west-batch-0 (ok)")
    assert [item.get("value") for item in finding.operations] == [1, 2, None]
    assert finding.operations[-1]["out"] == {"left": [1, 2], "right": []}


def test_the_figures_are_of_each_batch_once():
    story = batches((1,), (2,))
    write(story, "east-batch-1", (1, 2), 7, key=2)
    story.op("east-batch-1", "batch touch", (1, 2), "info", value=8)
    for dc in ("east", "west"):
        read(story, f"{dc}-batch-9", (40, 41), tables(()), key=2, stage="final")
    result = story.judge(batches_whole())

    assert sorted((item.anomaly, item.operations[-1]["key"]) for item in result.findings) == [
        ("lost", 2), ("lost", 2), ("torn", 1), ("torn", 1),
    ]  # fmt: skip
    assert (result.measured, result.limit) == (3, 0)
    assert result.counts == {"acked": 3, "indeterminate": 1, "final reads": 4, "reads": 4, "findings": 4}
    assert result.formula == "acked within both tables, the two equal but for what is in flight"


def test_lost_and_torn_batches_of_one_read_are_told_apart():
    story = batches((), (2,))
    east = [(item.anomaly, item.detail) for item in story.judge(batches_whole()).findings if item.who == "east"]

    assert [anomaly for anomaly, _ in east] == ["lost", "torn"]
    assert "1 batch(es) in neither table: 1, written by east-batch-0 (ok)" in east[0][1]
    assert "1 batch(es) in one table only: 2, written by west-batch-0 (ok)" in east[1][1]
