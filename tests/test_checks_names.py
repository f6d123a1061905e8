"""Name resolution: when every answer became right and stayed right, per cluster."""

from __future__ import annotations

import pytest

from scenarios.checks import resolves, resolves_in_phase
from tests.records import HOSTS, Story

NAME = "east-a-0.ring.east.local"
RIGHT, OLD = "10.1.9.9", "10.1.0.1"


def ask(story, t, addresses=(RIGHT,), cluster="west", **fields):
    known = {"name": NAME, "pod": "east-a-0", "rcode": "NOERROR", "expected": RIGHT, "seconds": 0.01, **fields}
    story.see("dns_answer", t, cluster=cluster, addresses=list(addresses), **known)


def moved(*wrong, until=60):
    """The pod moves at 10 s; both clusters ask each second, the west gets the old address at the seconds `wrong`."""
    story = Story().event("mark", 10, name="killed east-a-0")
    for t in range(11, until):
        ask(story, t, (OLD,) if t in wrong else (RIGHT,))
        ask(story, t, cluster="east")
    return story


CHECK = resolves(["mark", "killed east-a-0"], 35, "ttl 30 + slack 5")


def test_the_time_to_the_last_wrong_answer_is_measured_per_cluster():
    result = moved(11, 12, 14).judge(CHECK)

    assert (result.verdict, result.measured, result.limit, result.formula) == ("valid", 5, 35, "ttl 30 + slack 5")
    assert (result.counts["seconds west"], result.counts["seconds east"]) == (5, 0)
    assert result.explain == "resolved after 5.0 s in 2 clusters"


def test_a_wrong_answer_after_the_limit_is_invalid_even_if_right_ones_came_before():
    (finding,) = moved(11, 50).judge(CHECK).findings

    assert (finding.anomaly, finding.who) == ("wrong-address", "west")
    assert f"{OLD} instead of {RIGHT}" in finding.detail


@pytest.mark.parametrize("rcode", ["NXDOMAIN", "SERVFAIL", "TIMEOUT"])
def test_no_answer_is_a_wrong_answer(rcode):
    story = moved()
    ask(story, 50, (), rcode=rcode)

    assert [finding.anomaly for finding in story.judge(CHECK).findings] == ["unresolved"]


def test_an_extra_address_is_wrong():
    story = moved()
    ask(story, 50, (RIGHT, OLD))

    assert story.judge(CHECK).verdict == "invalid"


def test_wrong_until_observation_ended_within_the_limit_is_unknown():
    assert moved(*range(11, 30), until=30).judge(CHECK).verdict == "unknown"


def test_a_gap_in_the_observation_around_the_limit_is_unknown():
    story = moved(11, 12, until=13)
    ask(story, 80)

    assert story.judge(CHECK).verdict == "unknown"


def test_another_names_right_answer_does_not_heal_this_one():
    story = moved(*range(11, 30), until=30)
    ask(story, 31, name="east-b-0.ring.east.local", pod="east-b-0")

    assert story.judge(CHECK).verdict == "unknown"


def test_answers_before_the_moment_and_for_pods_without_address_do_not_count():
    story = moved()
    ask(story, 5, ("10.9.9.9",))
    ask(story, 55, (OLD,), expected=None)

    assert story.judge(CHECK).verdict == "valid"


def test_names_that_were_not_asked_are_unknown_and_none_at_all_is_vacuous():
    missing = resolves(["mark", "killed east-a-0"], 35, names=[NAME, "other.local"])
    assert moved().judge(missing).verdict == "unknown"
    assert moved(until=11).judge(CHECK).verdict == "vacuous"
    assert Story().judge(CHECK).verdict == "unknown"  # the moment never came


def phase(skip=None, **change):
    story = Story().phase("baseline", 1)
    for cluster in ("east", "west"):
        for host in HOSTS:
            if (cluster, host["pod"]) != skip:
                known = {"name": f"{host['pod']}.local", "pod": host["pod"], "expected": host["address"]}
                ask(story, 2, (host["address"],), cluster, **known)
    story.observations[0].update(change)
    return story


def test_every_name_in_every_cluster():
    result = phase().judge(resolves_in_phase("baseline"))

    assert (result.verdict, result.counts["answers"]) == ("valid", 12)


def test_one_wrong_answer_in_a_phase_is_invalid():
    (finding,) = phase(addresses=[OLD, "1.1.1.1"]).judge(resolves_in_phase("baseline")).findings

    assert (finding.anomaly, finding.who) == ("wrong-address", "east")


def test_a_pod_that_a_cluster_never_asked_for_is_unknown():
    result = phase(skip=("west", "east-b-0")).judge(resolves_in_phase("baseline"))

    assert (result.verdict, result.explain) == ("unknown", "west never asked for east-b-0")


def test_a_phase_without_answers_is_vacuous():
    assert Story().phase("baseline", 1).judge(resolves_in_phase("baseline")).verdict == "vacuous"
