"""The availability check: what a fault cost, against limits."""

from __future__ import annotations

import pytest

from scenarios.checks.availability import availability
from tests.records import HOSTS, Story, ns

# the check


def told(beats, *, f="read", cl="LOCAL_QUORUM", key=1, story=None):
    """A story with one probe each 100 ms from second 100 on and a fault from 110 to 120."""
    story = story or Story().fault("F1", 110, 110.5, 120, 121)
    words = {".": "ok", "x": "fail", "?": "info", "s": "ok"}
    for number, letter in enumerate(beats):
        due = 100 + number / 10
        if letter != "_":
            span = (due, due + (1.0 if letter == "s" else 0.001))
            story.op("east-probe-0", f"probe {f}", span, words[letter], cl=cl, key=key, due=due)
    return story


GOOD = "." * 100
FAULT = GOOD + "." * 10 + "x" * 40 + "." * 100
INJECT = ["F1", "inject"]


def judged(story, **limits):
    return story.judge(availability("east", "LOCAL_QUORUM", INJECT, **limits))


def test_what_a_fault_cost_is_measured():
    result = judged(told(FAULT), recover=6, detect=2, budget=5)

    assert (result.verdict, result.measured, result.limit, result.unit) == ("valid", 5.0, 6, "s")
    assert result.counts == {
        "read detected s": 1.0,
        "read recovered s": 5.0,
        "read outages": 1,
        "read longest outage s": 4.0,
        "read unavailable s": 4.0,
        "read p99 before s": pytest.approx(0.001, rel=0.02),
        "findings": 0,
    }
    assert result.explain == ("LOCAL_QUORUM in east kept its limits: read back after 5.0 s, 1 outages of 4.0 s")


@pytest.mark.parametrize(
    ("limits", "anomaly", "words"),
    [
        ({"detect": 0.9}, "late-detection", "the first bad bucket 1.0 s, limit 0.9 s"),
        ({"recover": 4.9}, "late-recovery", "service was back 5.0 s, limit 4.9 s"),
        ({"budget": 3.9, "share": 0.5}, "over-budget", "4.0 s of outages, limit 3.9 s"),
    ],
)
def test_a_limit_that_was_passed_is_invalid(limits, anomaly, words):
    (finding,) = judged(told(FAULT), **limits).findings

    assert (finding.anomaly, finding.who, finding.at) == (anomaly, "east LOCAL_QUORUM read", ns(110))
    assert words in finding.detail


@pytest.mark.parametrize("limits", [{"detect": 1.0}, {"recover": 5.0}, {"budget": 4.0, "share": 0.9}, {}])
def test_a_limit_that_was_just_kept_is_valid(limits):
    assert judged(told(FAULT), **limits).verdict == "valid"


def test_after_the_budget_almost_everything_is_ok():
    (finding,) = judged(told(GOOD + "." * 50 + "x" + "." * 99), budget=5).findings

    assert finding.anomaly == "poor-service"
    assert "only 99 of 100 operations ok, limit 99.5%, over 5 s" in finding.detail
    assert judged(told(GOOD + "." * 50 + "x" + "." * 99), budget=5, share=0.99).verdict == "valid"
    assert judged(told(GOOD + "." * 50 + "x" + "." * 199), budget=5).verdict == "valid"
    assert judged(told(GOOD + "." * 49 + "x" + "." * 100), budget=5).verdict == "valid"
    assert judged(told(GOOD + "." * 50 + "x" + "." * 99), budget=5, until=["F1", "effective"]).verdict == "valid"


def test_of_several_outages_the_longest_is_told():
    result = judged(told(GOOD + "xxx" + "." * 20 + "x" * 7 + "." * 60))

    assert (result.counts["read outages"], result.counts["read longest outage s"]) == (2, 0.7)
    assert result.counts["read unavailable s"] == 1.0
    assert judged(told(GOOD + GOOD)).counts["read longest outage s"] == 0


def test_a_kind_without_operations_after_the_fault_is_vacuous():
    assert judged(told(GOOD + GOOD, story=told(GOOD, f="write"))).verdict == "vacuous"


def test_a_kind_that_was_not_seen_back_leaves_the_time_of_the_other():
    result = judged(told(GOOD + GOOD, story=told(GOOD + "x" * 100, f="write")))

    assert (result.verdict, result.measured) == ("valid", 0)
    assert "read back after 0.0 s, 0 outages of 0.0 s; write not seen back, 1 outages of 10.0 s" in result.explain


def test_what_does_not_come_back_is_invalid_once_it_was_watched_long_enough():
    lost = GOOD + "." * 10 + "x" * 90

    (finding,) = judged(told(lost), recover=5).findings
    assert (finding.anomaly, "was not back 10.0 s, limit 5 s" in finding.detail) == ("not-recovered", True)
    result = judged(told(lost), recover=5.1)
    assert (result.verdict, result.measured) == ("unknown", None)
    assert "the history ends 10.0 s after the fault" in result.explain
    assert judged(told(lost)).verdict == "valid"
    assert "read not seen back" in judged(told(lost)).explain


def test_slow_service_is_not_back():
    assert judged(told(GOOD + "s" * 100), recover=4).findings[0].anomaly == "not-recovered"
    assert judged(told(GOOD + "." * 100), recover=4).verdict == "valid"


def test_without_a_baseline_it_is_unknown():
    result = judged(told("_" * 81 + "." * 19 + GOOD), recover=1)

    assert result.verdict == "unknown"
    assert result.explain.startswith("east LOCAL_QUORUM read: 19 ok operations before the fault are no baseline, 20")
    assert judged(told("_" * 80 + "." * 20 + GOOD), recover=1).verdict == "valid"


def test_outages_before_the_fault_are_not_its_own_and_one_across_its_start_is_cut():
    result = judged(told("." * 50 + "x" * 10 + "." * 30 + "x" * 20 + "." * 100))

    assert (result.counts["read outages"], result.counts["read unavailable s"]) == (1, 1.0)
    assert judged(told(GOOD[:97] + "xxx" + GOOD)).counts["read outages"] == 0
    until = judged(told(FAULT), until=["F1", "effective"])
    assert (until.counts["read outages"], "read detected s" in until.counts) == (0, False)


def test_every_kind_is_judged_and_the_slowest_is_told():
    story = told(FAULT, f="write", story=told(GOOD + "x" * 20 + "." * 130))
    result = judged(story, recover=6)

    assert (result.verdict, result.measured) == ("valid", 5.0)
    assert (result.counts["read recovered s"], result.counts["write recovered s"]) == (2.0, 5.0)
    assert judged(story, recover=3, kinds=["read"]).verdict == "valid"
    assert [finding.who for finding in judged(story, recover=3).findings] == ["east LOCAL_QUORUM write"]
    assert judged(story, workload="ledger").verdict == "vacuous"


@pytest.mark.parametrize("beats", ["", GOOD])
def test_nothing_after_the_fault_is_vacuous(beats):
    result = judged(told(beats))

    assert (result.verdict, result.explain) == (
        "vacuous", "no LOCAL_QUORUM operation from east after that moment",
    )  # fmt: skip


def test_a_moment_that_never_came_is_unknown():
    assert judged(told(GOOD, story=Story())).verdict == "unknown"


TOKENS = {host["host_id"]: [str(place)] for place, host in enumerate(HOSTS)}


def test_keys_without_service_to_expect_are_not_counted_while_the_fault_lasts():
    beats = GOOD + "x" * 110 + "." * 60
    story = Story(tokens=TOKENS).fault("F1", 110, 110.5, 120, 121)
    story = told(beats, cl="QUORUM", story=story)
    data = {"since": INJECT, "until": ["F1", "recovered"], "recover": 12, "budget": 1}

    kept = story.judge(availability("east", "QUORUM", cut=[["east", "west"]], **data))
    assert (kept.verdict, kept.measured, kept.counts["read outages"]) == ("valid", 11.0, 0)
    assert "read detected s" not in kept.counts
    assert story.judge(availability("east", "QUORUM", away=["id-east-a"], **data)).verdict == "invalid"
    assert story.judge(availability("east", "QUORUM", **data)).verdict == "invalid"
