"""NotReady and eviction beside the limits of live settings: in time, too late, too early, not due, not seen."""

from __future__ import annotations

import pytest

from scenarios.checks import pods_kept, silence_noticed
from tests.records import Story

WHERE = "east/b"
INJECT, LIMIT, TOLERATED = 10.0, 65.0, 300.0
FORMULA = "node-monitor-grace-period 50 s (default of v1.34.4) + ..."


def condition(story: Story, t: float, status: str, node: str = "n-b", **changed: object) -> Story:
    known = {"cluster": "east", "node": node, "zone": "b", "condition": "Ready", "status": status, "taints": []}
    return story.see("node_condition", t, **{**known, **changed})


def pod(story: Story, t: float, state: str = "here", **changed: object) -> Story:
    known = {"cluster": "east", "pod": "east-b-0", "uid": "u-1", "node": "n-b", "zone": "b", "ready": "True",
             "state": state, "volume": "pv", "volume_zones": ["b"]}  # fmt: skip
    return story.see("placement", t, **{**known, **changed})


def outage(seconds: float, *, noticed: float | None = None, looked: bool = True) -> Story:
    """A zone away from second 10 on for so long; its one node NotReady so many seconds after that."""
    undone = INJECT + seconds
    told = Story().fault("F1", INJECT, INJECT + 1, undone, undone + 5)
    condition(told, 1, "True")
    condition(told, 1, "True", node="n-a", zone="a")
    condition(told, 1, "False", condition="MemoryPressure")
    pod(told, 1)
    pod(told, 1, pod="east-a-0", uid="u-a", node="n-a", zone="a")
    if noticed is not None:
        condition(told, INJECT + noticed, "Unknown")
    if looked:
        condition(told, undone + 4, "True", look=2)
    return told


def noticed(told: Story):
    return told.judge(silence_noticed("F1", WHERE, LIMIT, FORMULA))


def kept(told: Story, tolerated: float | None = TOLERATED, limit: float | None = 320.0):
    return told.judge(pods_kept("F1", WHERE, tolerated, limit, "tolerationSeconds 300 s + ..."))


def test_not_ready_in_time_is_told_with_its_figures():
    result = noticed(outage(90, noticed=48.5))

    assert (result.verdict, result.measured, result.limit, result.unit) == ("valid", 48.5, LIMIT, "s")
    assert (result.formula, result.explain) == (FORMULA, "NotReady: n-b after 48.5 s")
    assert result.counts["seconds not ready n-b"] == 48.5
    assert result.counts["seconds ready again n-b"] == 4


def test_a_short_outage_leaves_a_node_ready():
    result = noticed(outage(38))

    assert (result.verdict, result.measured) == ("valid", 38)
    assert result.explain == "1 nodes held for Ready for all of 38.0 s: the outage ended before NotReady was due"


@pytest.mark.parametrize(("seconds", "at"), [(90, 70), (66, None)])
def test_a_silence_that_was_noticed_too_late_or_not_at_all_is_found(seconds, at):
    result = noticed(outage(seconds, noticed=at))

    assert result.verdict == "invalid"
    assert [(item.anomaly, item.who) for item in result.findings] == [("not-ready-late", "n-b")]
    assert ("was NotReady" if at else "was still held for Ready") in result.explain


def test_what_a_broken_watch_did_not_show_is_not_held_against_the_cluster():
    told = outage(90).see("unseen", 50, cluster="east", what="nodes", error="reset")
    told.see("unseen", 50, cluster="west", what="nodes", error="reset")
    told.see("unseen", 50, cluster="east", what="pods", error="reset")
    result = noticed(told)

    assert result.verdict == "unknown"
    assert result.explain.endswith("but nobody looked between: 1 gaps in the watch")


def test_gaps_before_and_after_the_outage_excuse_nothing():
    told = outage(90).see("unseen", 5, cluster="east", what="nodes", error="reset")

    assert noticed(told.see("unseen", 105, cluster="east", what="nodes", error="reset")).verdict == "invalid"


def test_a_node_that_nobody_looked_at_afterwards_leaves_it_open():
    result = noticed(outage(38, looked=False))

    assert (result.verdict, result.explain) == ("unknown", "the condition of n-b was never observed in that time")


def test_a_node_that_was_not_ready_before_says_nothing():
    told = condition(outage(38), 5, "False")

    assert "n-b was not Ready before the fault" in noticed(told).explain
    assert noticed(told).verdict == "unknown"


def test_nothing_recorded_is_vacuous():
    empty = Story().fault("F1", 1, 2, 3, 4)

    assert noticed(empty).verdict == kept(empty).verdict == "vacuous"
    assert noticed(Story()).verdict == "unknown"  # no fault, no moment


# eviction


def test_pods_that_stay_while_they_tolerate_it_are_valid():
    result = kept(outage(90, noticed=50))

    assert (result.verdict, result.measured, result.limit) == ("valid", 40, 320)
    assert result.explain == "1 pods were kept: their nodes were NotReady for 40.0 s of 90.0 s"
    assert result.counts["pods"] == 1


@pytest.mark.parametrize("at", [30, 200])
def test_an_eviction_before_its_time_is_found(at):
    result = kept(pod(outage(400, noticed=50), INJECT + at, "leaving"))

    assert [(item.anomaly, item.who) for item in result.findings] == [("evicted-early", "east-b-0")]
    assert "tolerates for 300 s" in result.explain


def test_an_eviction_at_its_time_is_measured():
    result = kept(pod(outage(400, noticed=50), INJECT + 50 + 304, "leaving"))

    assert (result.verdict, result.measured) == ("valid", 304)


def test_whole_seconds_may_make_an_eviction_seem_early():
    assert kept(pod(outage(400, noticed=50), INJECT + 349.2, "leaving")).verdict == "valid"


@pytest.mark.parametrize("at", [None, 385])
def test_an_eviction_that_came_too_late_or_never_is_found(at):
    told = outage(400, noticed=50)
    if at:
        pod(told, INJECT + at, "gone")
    assert [item.anomaly for item in kept(told).findings] == ["evicted-late"]


def test_pods_that_tolerate_it_for_ever_are_never_evicted():
    assert kept(outage(4000, noticed=50), None, None).verdict == "valid"
    result = kept(pod(outage(4000, noticed=50), INJECT + 3000, "leaving"), None, None)
    assert [item.anomaly for item in result.findings] == ["evicted-early"]
    assert "for ever" in result.explain


def test_pods_of_other_zones_and_pods_that_came_later_are_not_judged():
    told = pod(outage(90), 50, "leaving", pod="east-a-0", uid="u-a", node="n-a", zone="a")
    pod(told, 60, "leaving", uid="u-2")

    assert kept(told).verdict == "valid"


def test_the_return_of_readiness_is_counted_from_the_undoing():
    told = pod(outage(90), INJECT + 50, ready="False")
    pod(told, INJECT + 60, ready="True")  # before the undoing: that was no return
    pod(told, INJECT + 61, ready="False")
    pod(told, INJECT + 90 + 29, ready="True")

    assert kept(told).counts["seconds ready again east-b-0"] == 29


def test_limits_do_not_stand_in_the_ids():
    assert silence_noticed("F1", WHERE, LIMIT).id == "silent nodes of east/b are NotReady in time after F1"
    assert pods_kept("F1", WHERE, 300.0, 320.0).id == (
        "pods on silent nodes of east/b are kept for as long as they tolerate it after F1"
    )
