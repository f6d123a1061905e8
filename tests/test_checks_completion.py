"""Whether a scenario came to its end in time: late is broken, anything else that went wrong leaves it open."""

from __future__ import annotations

import pytest

from scenarios.checks import completed
from tests.records import Story


def waited(story, what, seconds, limit, *, timer=False, **more):
    told = {"for": what, "seconds": seconds, "limit": limit, "formula": f"{what} rule", "timer": timer, **more}
    return story.event("waited", 5, **told)


def begun():
    return Story().phase("baseline", 1)


def broken(story, kind, text="WaitTimeout: the ring"):
    return story.event("error", 9, kind=kind, text=text, where="partition.py:7")


def test_waits_in_time_are_valid_and_the_tightest_is_shown():
    story = waited(waited(begun(), "agreement", 9.0, 30.0), "names", 8.0, 10.0)
    result = story.judge(completed())

    assert (result.verdict, result.measured, result.limit, result.unit) == ("valid", 8.0, 10.0, "s")
    assert result.explain == "2 waits ended in time; the tightest: names"
    assert result.formula == "names rule"


def test_a_timer_that_had_to_be_waited_for_is_not_the_tightest():
    story = waited(waited(begun(), "traffic", 4.0, 4.0, timer=True), "agreement", 1.0, 30.0)
    result = story.judge(completed())

    assert (result.verdict, result.measured, result.limit) == ("valid", 1.0, 30.0)


def test_a_wait_without_a_limit_is_not_the_tightest():
    result = waited(waited(begun(), "nothing", 0.0, 0.0), "agreement", 1.0, 30.0).judge(completed())

    assert (result.verdict, result.limit) == ("valid", 30.0)


@pytest.mark.parametrize(("seconds", "verdict"), [(30.0, "valid"), (30.1, "invalid")])
@pytest.mark.parametrize("timer", [True, False])
def test_a_wait_beyond_its_limit_is_late(seconds, verdict, timer):
    result = waited(begun(), "agreement", seconds, 30.0, timer=timer).judge(completed())

    assert result.verdict == verdict
    assert [finding.detail for finding in result.findings] == (
        ["agreement after 30.1 s, limit 30.0 s"] if verdict == "invalid" else []
    )


def test_every_late_wait_is_a_finding():
    story = waited(waited(waited(begun(), "one", 9.0, 5.0), "two", 1.0, 5.0), "three", 8.0, 5.0)
    result = story.judge(completed())

    assert [(finding.anomaly, finding.detail[:5].strip()) for finding in result.findings] == [
        ("late", "one a"),
        ("late", "three"),
    ]


def test_a_condition_that_never_came_is_invalid():
    result = broken(begun(), "late").judge(completed())

    assert (result.verdict, [finding.anomaly for finding in result.findings]) == ("invalid", ["late"])
    assert result.explain == "WaitTimeout: the ring"


@pytest.mark.parametrize("kind", ["broken", "ineffective"])
def test_any_other_end_leaves_the_question_open_and_says_where(kind):
    result = broken(begun(), kind, "OSError: lost").judge(completed())

    assert (result.verdict, result.explain) == ("unknown", "the run broke at partition.py:7: OSError: lost")


def test_what_was_late_before_it_broke_is_still_found():
    result = broken(waited(begun(), "agreement", 60.0, 30.0), "broken").judge(completed())

    assert (result.verdict, [finding.anomaly for finding in result.findings]) == ("invalid", ["late"])


@pytest.mark.parametrize("story", [Story(), waited(Story(), "agreement", 1.0, 30.0)])
def test_without_any_phase_nothing_was_done(story):
    result = story.judge(completed())

    assert (result.verdict, result.explain) == ("vacuous", "no phase was recorded")


def test_a_phase_is_enough_where_nothing_had_to_be_waited_for():
    result = begun().judge(completed())

    assert (result.verdict, result.explain, result.measured) == ("valid", "0 waits ended in time", None)
