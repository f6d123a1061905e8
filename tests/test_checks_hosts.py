"""Outcomes of starts, and hosts that die by themselves."""

from __future__ import annotations

import pytest

from scenarios.checks import no_host_died, outcomes
from tests.records import Story


def start(story, t, outcome, subject="restart of east-a-0", **fields):
    return story.see("outcome", t, subject=subject, outcome=outcome, **{"seconds": 8.0, "detail": "", **fields})


JOINED = outcomes([{"subject": "restart of east-a-0", "outcome": "joined", "limit": 124, "formula": "3 x 5 s x 2"}])


def test_an_expected_outcome_within_its_limit_is_valid():
    result = start(Story(), 5, "joined").judge(JOINED)

    assert (result.verdict, result.measured, result.limit, result.formula) == ("valid", 8, 124, "3 x 5 s x 2")


@pytest.mark.parametrize(
    ("fields", "anomaly"),
    [
        ({"outcome": "exited"}, "exited"),
        ({"outcome": "split-ring"}, "split-ring"),
        ({"outcome": "joined", "seconds": 125}, "too-late"),
        ({"outcome": "joined", "seconds": None}, "untimed"),
    ],
)
def test_another_outcome_is_invalid_under_its_own_name(fields, anomaly):
    (finding,) = start(Story(), 5, **fields).judge(JOINED).findings

    assert (finding.anomaly, finding.who) == (anomaly, "restart of east-a-0")


def test_the_last_outcome_counts_but_a_split_ring_is_never_forgotten():
    retried = start(start(Story(), 5, "refused"), 15, "joined")
    assert retried.judge(JOINED).verdict == "valid"

    split = start(start(Story(), 5, "split-ring"), 15, "joined")
    assert [finding.anomaly for finding in split.judge(JOINED).findings] == ["split-ring"]


def test_an_expected_split_ring_is_valid():
    check = outcomes([{"subject": "restart of east-a-0", "outcome": "split-ring"}])

    assert start(Story(), 5, "split-ring").judge(check).verdict == "valid"


def test_a_missing_outcome_is_vacuous_unless_another_contradicts():
    both = outcomes([{"subject": name, "outcome": "joined"} for name in ("a", "b")])
    assert start(Story(), 5, "joined", "a").judge(both).verdict == "vacuous"
    assert start(Story(), 5, "exited", "a").judge(both).verdict == "invalid"
    assert Story().judge(outcomes([])).verdict == "vacuous"


def log(story, t, text, level="INFO", pod="east-a-0", **fields):
    return story.see("log_line", t, pod=pod, level=level, text=text, **fields)


def test_quiet_logs_of_watched_hosts_are_valid():
    assert log(Story(), 5, "Node is now part of the ring").judge(no_host_died()).verdict == "valid"
    assert Story().judge(no_host_died()).verdict == "vacuous"


def test_a_host_that_died_is_named_with_its_last_lines():
    story = log(Story(), 5, "java.lang.OutOfMemoryError")
    log(story, 6, "unrelated", pod="east-b-0")
    log(story, 7, "exit code 3", reason="died")

    (finding,) = story.judge(no_host_died()).findings

    assert (finding.anomaly, finding.who) == ("host-died", "east-a-0")
    assert finding.detail.endswith("java.lang.OutOfMemoryError | exit code 3")


def test_errors_are_found_unless_they_are_allowed():
    story = log(Story(), 5, "Exception in thread: Connection reset by peer", "ERROR")

    assert [item.anomaly for item in story.judge(no_host_died()).findings] == ["error-line"]
    result = story.judge(no_host_died(allowed=["Connection reset"]))
    assert (result.verdict, result.counts["allowed"]) == ("valid", 1)


def test_a_linearizability_violation_is_never_allowed():
    story = log(Story(), 5, "Linearizability violation: ballot 3", "WARN")

    result = story.judge(no_host_died(allowed=["Linearizability"]))

    assert [item.anomaly for item in result.findings] == ["linearizability-violation"]


def test_a_death_that_is_allowed_by_its_text_is_still_a_death():
    story = log(Story(), 5, "exit code 3", "ERROR", reason="died")

    assert story.judge(no_host_died(allowed=["exit code"])).verdict == "invalid"
