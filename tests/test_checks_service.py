"""Served, refused and the recovery of old sessions, on histories small enough to judge by eye."""

from __future__ import annotations

import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scenarios.checks import excuse, refused, served, session_recovers
from tests.records import Story

CUT = (100, 102, 130, 133)  # inject, effective, recover, recovered


def cut(story=None):
    return (story or Story()).fault("F1", *CUT)


def probe(story, at, outcome="ok", **fields):
    """One probe of the east at LOCAL_QUORUM: half a second from `at`."""
    known = {"process": "east-probe-0", "f": "read", "span": (at, at + 0.5), **fields}
    error = None if outcome == "ok" else ["Unavailable", "", "LOCAL_QUORUM", "too few replicas"]
    rest = {name: value for name, value in known.items() if name not in ("process", "f", "span")}
    return story.op(known["process"], f"probe {known['f']}", known["span"], outcome, error=error, **rest)


def steady(*bad, **fields):
    """A probe each second from 90 to 140, not ok at the seconds `bad`."""
    story = cut()
    for at in range(90, 140):
        probe(story, at, "fail" if at in bad else "ok", **fields)
    return story


DETECTION = excuse(["F1", "inject"], seconds=5, why="client heartbeat 2 + 2 s")
WHOLE = excuse(["F1", "inject"], until=["F1", "recovered"], plus=2, why="no quorum, and 2 s to reconnect")


def test_service_without_an_error_is_valid():
    result = steady().judge(served("east", "LOCAL_QUORUM"))

    assert (result.verdict, result.measured, result.limit) == ("valid", 0, 0)
    assert (result.counts["ok outside"], result.counts["share ok outside"]) == (50, 1)


def test_errors_inside_an_excused_interval_are_counted_apart():
    result = steady(101, 103).judge(served("east", "LOCAL_QUORUM", excused=[DETECTION]))

    assert (result.verdict, result.counts["fail excused"], result.counts["ok outside"]) == ("valid", 2, 44)
    assert "client heartbeat" in result.formula


@pytest.mark.parametrize("bad", [95, 106, 131])
def test_one_error_outside_is_invalid_and_names_the_process(bad):
    result = steady(101, bad).judge(served("east", "LOCAL_QUORUM", excused=[DETECTION]))

    assert (result.verdict, result.measured) == ("invalid", 1)
    (finding,) = result.findings
    assert (finding.anomaly, finding.who, finding.at) == ("not-served", "east-probe-0", bad * 10**9)
    assert "too few replicas" in finding.detail


def test_an_interval_may_end_in_another_moment():
    assert steady(100, 120, 134).judge(served("east", "LOCAL_QUORUM", excused=[WHOLE])).verdict == "valid"
    assert steady(136).judge(served("east", "LOCAL_QUORUM", excused=[WHOLE])).verdict == "invalid"


@pytest.mark.parametrize(
    ("span", "due", "verdict"),
    [
        ((99, 100.2), None, "valid"),  # in flight as the fault began
        ((105.5, 106), 104.5, "valid"),  # due inside, sent late because of it
        ((105.5, 106), 105.4, "invalid"),  # due after the excuse ended
        ((98, 99.9), None, "invalid"),  # over before the fault began
        ((95, None), None, "valid"),  # never answered: open until the history ends
    ],
)
def test_an_operation_is_excused_if_it_was_open_in_the_interval(span, due, verdict):
    story = steady()
    probe(story, 0, "info", process="east-probe-1", span=span, due=due)

    assert story.judge(served("east", "LOCAL_QUORUM", excused=[DETECTION])).verdict == verdict


def test_an_operation_without_an_answer_is_an_error():
    story = steady()
    probe(story, 0, "info", process="east-probe-1", span=(138, None))

    assert story.judge(served("east", "LOCAL_QUORUM", excused=[DETECTION])).findings[0].who == "east-probe-1"


def test_other_datacenters_levels_kinds_and_workloads_are_not_looked_at():
    story = steady()
    probe(story, 95, "fail", process="west-probe-0")
    probe(story, 95, "fail", cl="QUORUM")
    probe(story, 95, "fail", f="write")
    story.op("east-ledger-0", "ledger write", (95, 96), "fail", value=1)

    assert story.judge(served("east", "LOCAL_QUORUM", kinds=["read"])).verdict == "valid"
    assert story.judge(served("east", "LOCAL_QUORUM")).verdict == "invalid"
    assert story.judge(served("east", "LOCAL_QUORUM", workload="ledger")).verdict == "invalid"


def test_a_conditional_write_belongs_to_its_serial_level():
    story = steady(cl="QUORUM", serial="SERIAL", f="cas")

    assert story.judge(served("east", "SERIAL")).verdict == "valid"
    assert story.judge(served("east", "QUORUM")).verdict == "vacuous"


@pytest.mark.parametrize(("minimum", "verdict"), [(50, "valid"), (51, "vacuous")])
def test_too_little_traffic_is_vacuous(minimum, verdict):
    assert steady().judge(served("east", "LOCAL_QUORUM", minimum=minimum)).verdict == verdict


def test_no_traffic_is_vacuous_and_errors_are_worse_than_little_traffic():
    assert cut().judge(served("east", "LOCAL_QUORUM")).verdict == "vacuous"
    assert steady(95).judge(served("east", "LOCAL_QUORUM", minimum=1000)).verdict == "invalid"


def test_an_excuse_whose_moment_never_came_is_unknown():
    story = Story()
    probe(story, 1)

    assert story.judge(served("east", "LOCAL_QUORUM", excused=[DETECTION])).verdict == "unknown"


def test_an_excuse_has_one_end():
    with pytest.raises(ValueError, match="either"):
        excuse(["F1", "inject"], why="both", seconds=1, until=["F1", "recover"])


def partitioned():
    """QUORUM probes before, inside and after the cut; inside none is ok."""
    story = cut()
    for at in (*range(90, 100), *range(134, 140)):
        probe(story, at, cl="QUORUM")
    for at in range(103, 129):
        probe(story, at, "info" if at < 110 else "fail", cl="QUORUM")
    return story


def test_a_cut_that_refuses_everything_is_valid():
    result = partitioned().judge(refused("QUORUM", "F1"))

    assert (result.verdict, result.counts) == ("valid", {"timed out": 7, "refused": 19, "findings": 0})


def test_a_read_that_timed_out_was_not_refused():
    story = cut()
    story.op(
        "east-probe-0", "probe read", (110, 115), "fail", cl="QUORUM", error=["ReadTimeout", "", "QUORUM", "2 of 4"]
    )

    assert story.judge(refused("QUORUM", "F1")).counts == {"timed out": 1, "findings": 0}


def test_one_served_operation_inside_a_cut_is_invalid():
    story = partitioned()
    forged = probe(story, 115, cl="QUORUM", process="west-probe-1")

    result = story.judge(refused("QUORUM", "F1"))

    assert (result.verdict, result.measured) == ("invalid", 1)
    assert [(finding.anomaly, finding.who, finding.at) for finding in result.findings] == [
        ("served-in-cut", "west-probe-1", forged.invoke)
    ]
    assert story.judge(refused("QUORUM", "F1", datacenter="east")).verdict == "valid"
    assert story.judge(refused("QUORUM", "F1", kinds=["write"])).verdict == "vacuous"


@pytest.mark.parametrize(
    "span",
    [
        (101.5, 103),  # sent before the effect was proven
        (102, 103),  # sent in the same nanosecond
        (129, 130.5),  # answered after the recovery began
        (129, 130),
    ],
)
def test_operations_that_reach_over_the_edge_of_a_cut_may_be_served(span):
    story = partitioned()
    probe(story, 0, cl="QUORUM", span=span)

    assert story.judge(refused("QUORUM", "F1")).verdict == "valid"


def test_serial_is_matched_by_the_serial_level():
    story = cut()
    probe(story, 110, "fail", cl="SERIAL", serial="SERIAL", f="cas")
    probe(story, 111, "ok", cl="QUORUM", serial="SERIAL", f="cas")

    assert story.judge(refused("SERIAL", "F1")).verdict == "invalid"


@pytest.mark.parametrize("at", [95, 135])
def test_a_cut_in_which_nobody_asked_is_vacuous(at):
    story = cut()
    probe(story, at, cl="QUORUM")

    assert story.judge(refused("QUORUM", "F1")).verdict == "vacuous"


@pytest.mark.parametrize(
    ("story", "why"),
    [
        (Story(), "fault F1 was never injected"),
        (Story().fault("F1", 1, None, 3, 4), "fault F1 has no recorded 'effective'"),
        (Story().fault("F1", 1, 2), "fault F1 has no recorded 'recover'"),
    ],
)
def test_a_cut_without_its_moments_is_unknown(story, why):
    probe(story, 2.5, "fail", cl="QUORUM")

    result = story.judge(refused("QUORUM", "F1"))

    assert (result.verdict, result.explain) == ("unknown", why)


@given(st.lists(st.sampled_from(["ok", "fail", "info"]), min_size=1, max_size=20))
def test_refused_is_exactly_the_absence_of_ok(outcomes):
    story = cut()
    for at, outcome in enumerate(outcomes, start=103):
        probe(story, at, outcome, cl="EACH_QUORUM")

    assert (story.judge(refused("EACH_QUORUM", "F1")).verdict == "valid") == ("ok" not in outcomes)


def test_an_old_session_that_comes_back_is_valid_and_measured():
    result = steady(101, 102, 103).judge(session_recovers("east", ["F1", "inject"], 10))

    assert (result.verdict, result.measured, result.limit) == ("valid", 4.5, 10)


def test_a_session_that_fails_after_the_limit_is_invalid():
    (finding,) = steady(101, 112).judge(session_recovers("east", ["F1", "inject"], 10)).findings

    assert (finding.anomaly, finding.who) == ("not-recovered", "east-probe-0")


def test_a_session_that_never_asked_again_is_unknown():
    story = steady()
    story.operations = [item for item in story.operations if item.invoke < 100 * 10**9]

    assert story.judge(session_recovers("east", ["F1", "inject"], 10)).verdict == "unknown"


def test_an_answer_to_a_question_from_before_does_not_prove_recovery():
    story = cut()
    probe(story, 90)
    probe(story, 0, span=(99, 103))

    assert story.judge(session_recovers("east", ["F1", "inject"], 10)).verdict == "unknown"


def test_a_renamed_worker_is_the_same_session_and_a_new_one_is_not_judged():
    story = steady()
    probe(story, 105, "fail", process="east-probe-9")  # started after the fault
    assert story.judge(session_recovers("east", ["F1", "inject"], 1)).verdict == "valid"

    probe(story, 120.6, "fail", process="east-probe-0+1")
    assert story.judge(session_recovers("east", ["F1", "inject"], 1)).verdict == "invalid"


def test_without_an_old_session_it_is_vacuous():
    assert cut().judge(session_recovers("east", ["F1", "inject"], 10)).verdict == "vacuous"


# the warm-up of a ring that has just formed


def formed(*names_and_times):
    story = cut()
    for name, at in names_and_times:
        story.phase(name, at)
    return story


@pytest.mark.parametrize(
    ("phases", "warm"),
    [
        ((), 0),
        ((("baseline", 90),), 0),
        ((("warm-up", 80), ("baseline", 90)), 90),
        ((("warm-up", 80), ("baseline", 90), ("cut", 100)), 90),
        ((("before", 70), ("warm-up", 80), ("baseline", 90)), 90),
    ],
)
def test_a_ring_is_warm_from_the_phase_after_its_warm_up(phases, warm):
    assert formed(*phases).record().warm == warm * 10**9


def test_a_run_that_ended_in_its_warm_up_was_never_warm():
    assert formed(("warm-up", 80)).record().warm == sys.maxsize


@pytest.mark.parametrize(("at", "verdict"), [(80.5, "valid"), (89.9, "valid"), (90, "invalid"), (95, "invalid")])
def test_service_is_not_judged_before_the_ring_is_warm(at, verdict):
    story = formed(("warm-up", 80), ("baseline", 90))
    for second in range(90, 100):
        probe(story, second)
    probe(story, at, "fail", process="east-probe-1")
    result = story.judge(served("east", "LOCAL_QUORUM"))

    assert result.verdict == verdict
    assert result.counts["ok outside"] == 10


def test_what_was_due_in_the_warm_up_and_sent_late_belongs_to_it():
    story = formed(("warm-up", 80), ("baseline", 90))
    probe(story, 91)
    probe(story, 0, "fail", process="east-probe-1", span=(90.2, 92), due=89.9)

    assert story.judge(served("east", "LOCAL_QUORUM")).verdict == "valid"


def test_traffic_of_the_warm_up_alone_is_vacuous():
    story = formed(("warm-up", 80), ("baseline", 90))
    for second in range(80, 90):
        probe(story, second)

    assert story.judge(served("east", "LOCAL_QUORUM")).verdict == "vacuous"


@pytest.mark.parametrize("stage", ["warm-up", "final"])
def test_the_first_answers_of_a_session_and_the_last_are_no_service(stage):
    story = cut()
    probe(story, 1, "info", stage=stage)
    assert story.judge(served("east", "LOCAL_QUORUM")).verdict == "vacuous"

    probe(story, 2)
    assert story.judge(served("east", "LOCAL_QUORUM")).verdict == "valid"
    assert story.judge(session_recovers("east", ["F1", "inject"], 1)).verdict == "unknown"
