"""Faults of the batches' check that the first mutants showed to go unnoticed."""

from __future__ import annotations

from scenarios.checks import batches_whole
from tests.records import Story


def test_of_many_torn_batches_the_first_three_are_shown():
    story = Story()
    for value in range(1, 7):
        story.op("east-batch-0", "batch write", (value, value + 0.5), value=value)
    for dc in ("east", "west"):
        out = {"left": [1, 2, 3, 4, 5, 6], "right": [6]}
        story.op(f"{dc}-batch-9", "batch read", (20, 21), out=out, stage="final")
    finding = story.judge(batches_whole()).findings[0]

    assert finding.operations[-1]["out"] == {"left": [1, 2, 3], "right": []}
