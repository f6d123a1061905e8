"""Faults of the append log's check that the first mutants showed to go unnoticed."""

from __future__ import annotations

import pytest

from scenarios.checks import append_log
from scenarios.checks.log import _Log
from tests.records import Story
from tests.test_checks_log import anomalies, append_findings, lost_race, open_append, read, won

MANY = 300
"""More versions than CPython keeps one object of: equal numbers are then not the same object."""


def test_a_long_log_has_no_gap():
    story = Story()
    for version in range(1, MANY + 1):
        won(story, "east-log-0", (2 * version, 2 * version + 1), version, 1000 + version)
    read(story, "east-log-1", (2 * MANY + 2, 2 * MANY + 3), *range(1001, 1001 + MANY))

    assert anomalies(story) == []
    story.operations[-1].out[-1][0] = MANY + 1
    details = [finding.detail for finding in append_findings(story)]
    assert f"east-log-1 read key 1 with version {MANY + 1} where {MANY} belongs" in details


def test_of_an_append_and_a_read_that_ended_at_once_the_read_is_told():
    """Version 2 exists from 4 on at the latest, says each of them; who saw 1 alone after that saw less."""
    story = Story()
    won(story, "east-log-0", (1, 2), 1, 11)
    won(story, "east-log-0", (3, 4), 2, 12)
    read(story, "east-log-1", (3, 4), 11, 12)
    read(story, "west-log-1", (5, 6), 11)

    assert anomalies(story) == ["stale-read"]


@pytest.mark.parametrize(("one", "other"), [(12, 77), (77, 12)])
def test_reads_fork_whichever_value_is_larger(one, other):
    story = Story()
    won(story, "east-log-0", (1, 2), 1, 11)
    open_append(story, "east-log-0", (3, 4), 12)
    open_append(story, "east-log-1", (3, 4), 77)
    won(story, "east-log-0", (5, 6), 3, 13)
    read(story, "west-log-1", (7, 8), 11, one, 13)
    read(story, "west-log-2", (9, 10), 11, other)
    (finding,) = append_findings(story)

    assert (finding.anomaly, finding.who) == ("fork", "west-log-2")
    assert finding.detail == (f"west-log-2 read {other} as version 2 where west-log-1 read {one} as version 2, key 1")


@pytest.mark.parametrize(("told", "shown"), [(11, 77), (77, 11)])
def test_an_acknowledged_version_forks_from_the_reads_whichever_value_is_larger(told, shown):
    story = Story()
    won(story, "east-log-0", (1, 2), 1, told)
    open_append(story, "east-log-1", (1, 2), shown)
    read(story, "west-log-1", (3, 4), shown)
    (finding,) = append_findings(story)

    assert finding.detail == f"east-log-0 was told version 1 of key 1 for {told}, reads show {shown}"
    assert [item["f"] for item in finding.operations] == ["append", "read"]


@pytest.mark.parametrize(("told", "ids"), [(1, (12, 11)), (2, (11, 12)), (3, (12, 11))])
def test_an_append_is_shown_as_the_version_that_it_was_told(told, ids):
    story = Story()
    won(story, "east-log-0", (1, 2), told, 11)
    open_append(story, "east-log-1", (1, 2), 12)
    read(story, "west-log-1", (3, 4), *ids)

    shown = f"east-log-0 was told version {told} for 11, reads show it as {ids.index(11) + 1}"
    assert shown in [finding.detail for finding in append_findings(story)]


def test_a_race_that_was_lost_on_an_empty_log_saw_no_version():
    story = Story()
    lost_race(story, "east-log-1", (1, 3), None, 99)
    won(story, "east-log-0", (2, 4), 1, 11)
    read(story, "west-log-1", (5, 6), 11)
    assert append_findings(story) == ()

    lost_race(story, "east-log-1", (7, 8), None, 98)
    (finding,) = append_findings(story)
    assert (finding.anomaly, finding.detail[-9:]) == ("lost-append", "version 1")


@pytest.mark.parametrize("f", ["create", "touch", "a", "zero"])
def test_other_operations_are_no_part_of_the_log(f):
    story = Story()
    won(story, "east-log-0", (1, 2), 1, 11)
    story.op("east-log-9", f"log {f}", (1, 9), cl="SERIAL", value=77)
    read(story, "west-log-1", (5, 6), 11)
    result = story.judge(append_log())

    assert (result.verdict, result.counts["other reads"], result.counts["concurrent keys"]) == ("valid", 0, 0)


def test_open_appends_alone_and_empty_reads_alone_contradict_nothing():
    story = Story()
    open_append(story, "east-log-0", (1, 2), 11)
    story.op("east-log-1", "log read", (1, 2), cl="SERIAL", key=2, out=[])
    result = story.judge(append_log())

    assert (result.verdict, result.findings, result.counts["keys"]) == ("vacuous", (), 2)


def test_of_those_who_began_or_ended_at_once_the_first_is_told():
    story = Story()
    won(story, "east-log-0", (1, 2), 1, 11)
    won(story, "east-log-0", (3, 20), 2, 12)
    for number in (1, 2):
        read(story, f"east-log-{number}", (4, 5), 11, 12)
    for number in (1, 2):
        read(story, f"west-log-{number}", (6, 7), 11)
    (finding,) = append_findings(story)

    assert (finding.anomaly, [item["process"] for item in finding.operations]) == (
        "stale-read",
        ["east-log-1", "west-log-1"],
    )


def test_an_append_that_began_with_the_last_reader_of_the_version_before_is_not_told_in_its_place():
    """Both began at 6, after version 2 had been seen: the read below it is the proof that was there first."""
    story = Story()
    won(story, "east-log-0", (1, 2), 1, 11)
    read(story, "east-log-1", (3, 4), 11, 12)
    read(story, "west-log-1", (6, 7), 11)
    open_append(story, "west-log-2", (6, 8), 12)
    (finding,) = append_findings(story)

    assert (finding.anomaly, finding.who) == ("stale-read", "west-log-1")


def test_appends_that_began_at_once_are_told_by_the_lower_version():
    story = Story()
    won(story, "west-log-0", (5, 6), 1, 11)
    won(story, "west-log-1", (5, 6), 2, 12)
    won(story, "east-log-0", (1, 2), 3, 13)
    (finding,) = append_findings(story)

    assert (finding.anomaly, [item["process"] for item in finding.operations]) == (
        "reordered",
        ["east-log-0", "west-log-0"],
    )


def test_each_version_after_a_contradiction_is_judged_too():
    story = Story()
    for version in (1, 2, 3):
        won(story, "east-log-0", (2 * version, 2 * version + 1), version, 10 + version)
    read(story, "west-log-1", (20, 21))
    versions = [finding.detail[-1] for finding in append_findings(story)]

    assert versions == ["1", "2", "3"]
    assert story.judge(append_log()).measured == 3


@pytest.mark.parametrize(
    ("rows", "details"),
    [
        ([[2, 11]], ["read key 1 with version 2 where 1 belongs"]),
        ([[1, 11], [2, 12], [2, 13]], ["read key 1 with version 2 where 3 belongs"]),
        ([[1, 11], [2, 12], [3, 12]], ["read 12 twice in key 1"]),
        ([[1, 11], [2, 11], [3, 11]], ["read 11 twice in key 1"]),
        ([[0, 11]], ["read key 1 with version 0 where 1 belongs"]),
    ],
)
def test_what_no_log_can_look_like_is_told_at_its_first_row(rows, details):
    story = Story()
    for value in (11, 12, 13):
        open_append(story, "east-log-0", (1, 2), value)
    story.op("west-log-1", "log read", (20, 21), cl="SERIAL", out=rows)
    told = [finding.detail for finding in append_findings(story) if finding.anomaly in ("gap", "duplicate")]

    assert told == [f"west-log-1 {detail}" for detail in details]


def test_the_version_that_a_head_shows_exists_from_there_on():
    """Whoever lost a race against 2 saw 2 appends: a read that began later and shows one is stale."""
    story = Story()
    won(story, "east-log-0", (1, 2), 1, 11)
    open_append(story, "east-log-1", (3, 4), 12)
    race = lost_race(story, "east-log-2", (5, 6), 2, 99)
    read(story, "west-log-1", (7, 8), 11)
    (finding,) = append_findings(story)

    assert (finding.anomaly, finding.operations[0]["op"]) == ("stale-read", race.op)


def test_who_shows_a_version_that_nobody_made_may_have_appended_a_later_one():
    story = Story()
    won(story, "east-log-0", (1, 2), 1, 11)
    won(story, "east-log-7", (9, 10), 5, 15)
    won(story, "east-log-8", (5, 6), 3, 13)
    (finding,) = append_findings(story)

    assert finding.detail == "east-log-8 shows that version 2 of key 1 exists, no append made it"
    lost_race(story, "east-log-9", (11, 12), 2, 99)
    (finding,) = append_findings(story)
    assert finding.detail == "east-log-9 shows that version 2 of key 1 exists, no append made it"


def test_what_there_is_one_of_for_each_log_is_small():
    assert not hasattr(_Log(), "__dict__")


def test_who_saw_the_version_before_and_began_early_hides_nobody_who_began_late():
    story = Story()
    late = won(story, "east-log-0", (10, 11), 1, 11)
    read(story, "west-log-1", (5, 12), 11)
    early = won(story, "east-log-1", (1, 6), 2, 12)
    (finding,) = append_findings(story)

    assert (finding.anomaly, [item["op"] for item in finding.operations]) == ("reordered", [early.op, late.op])
