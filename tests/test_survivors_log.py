"""Faults of the append log's check that the first mutants showed to go unnoticed."""

from __future__ import annotations

from tests.records import Story
from tests.test_checks_log import anomalies, read, won

MANY = 300
"""More versions than CPython keeps one object of: equal numbers are then not the same object."""


def test_a_long_log_has_no_gap():
    story = Story()
    for version in range(1, MANY + 1):
        won(story, "east-log-0", (2 * version, 2 * version + 1), version, 1000 + version)
    read(story, "east-log-1", (2 * MANY + 2, 2 * MANY + 3), *range(1001, 1001 + MANY))

    assert anomalies(story) == []
    story.operations[-1].out[-1][0] = MANY + 1
    assert "gap" in anomalies(story)


def test_of_an_append_and_a_read_that_ended_at_once_the_read_is_told():
    """Version 2 exists from 4 on at the latest, says each of them; who saw 1 alone after that saw less."""
    story = Story()
    won(story, "east-log-0", (1, 2), 1, 11)
    won(story, "east-log-0", (3, 4), 2, 12)
    read(story, "east-log-1", (3, 4), 11, 12)
    read(story, "west-log-1", (5, 6), 11)

    assert anomalies(story) == ["stale-read"]
