"""Service as the token map says, per key, on histories small enough to judge by eye."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scenarios.checks import excuse, refused, served
from scenarios.checks.service import service_as_expected
from tests.records import HOSTS, Story
from tests.test_checks_service import CUT, DETECTION, WHOLE, probe

# the service table


TOKENS = {host["host_id"]: [str(place)] for place, host in enumerate(HOSTS)}
ACROSS = {"cut": [["east", "west"]]}
DARK = {"away": ["id-east-b"]}


def lanes(*words, dcs=("east", "west"), **wrong):
    """A probe each second of 90 to 140 at each level; in the cut `words` are refused, and `wrong` says what else is."""
    story = Story(tokens=TOKENS).fault("F1", *CUT)
    for at in range(90, 140):
        for dc in dcs:
            for level in ("LOCAL_QUORUM", "QUORUM", "ALL"):
                bad = (level in words and 102 <= at < 130) or at in wrong.get(f"{dc}_{level}", ())
                probe(story, at + 0.1, "fail" if bad else "ok", process=f"{dc}-probe-0", cl=level)
    return story


def test_a_cut_that_serves_and_refuses_what_the_table_says_is_valid():
    result = lanes("QUORUM", "ALL").judge(service_as_expected("F1", **ACROSS, excused=[DETECTION]))

    assert result.verdict == "valid"
    assert result.counts == {"ok where served": 50, "fail where refused": 112, "keys": 1, "lanes": 6, "findings": 0}
    assert "client heartbeat" in result.formula
    assert "in 6 lanes went as the token map says" in result.explain


@pytest.mark.parametrize("lost", [ACROSS, DARK])
def test_an_operation_served_beyond_the_table_is_found(lost):
    story = lanes("ALL", *(["QUORUM"] if lost is ACROSS else []))
    forged = probe(story, 115, cl="ALL", process="west-probe-7")

    (finding,) = story.judge(service_as_expected("F1", **lost)).findings

    assert (finding.anomaly, finding.who, finding.at) == ("served-in-cut", "west-probe-7", forged.invoke)


def test_an_operation_that_the_table_serves_must_be_served():
    story = lanes("ALL", east_QUORUM=(110, 111))

    result = story.judge(service_as_expected("F1", **DARK))

    (finding,) = result.findings
    assert (result.verdict, result.measured) == ("invalid", 1)
    assert (finding.anomaly, finding.who, len(finding.operations)) == ("not-served", "east-probe-0", 2)
    assert "2 QUORUM operation(s) not served" in finding.detail
    assert story.judge(service_as_expected("F1", **DARK, excused=[WHOLE])).verdict == "vacuous"


@pytest.mark.parametrize(
    ("span", "due", "verdict"),
    [
        ((102, 103), None, "invalid"),  # from the moment of the effect
        ((101.9, 103), None, "valid"),  # sent before it
        ((102.5, 103), 101.9, "valid"),  # due before it
        ((129.9, 131), None, "invalid"),
        ((130, 131), None, "valid"),
        ((110, None), None, "invalid"),
    ],
)
def test_service_is_judged_by_what_was_due_inside(span, due, verdict):
    story = lanes("ALL")
    probe(story, 0, "info", process="east-probe-1", span=span, due=due)

    assert story.judge(service_as_expected("F1", **DARK)).verdict == verdict


@pytest.mark.parametrize("span", [(110, None), (125, 139.5)])
def test_what_was_open_in_an_excused_interval_is_not_judged(span):
    story = lanes("ALL")
    probe(story, 0, "info", process="east-probe-1", span=span)
    returning = excuse(["F1", "recover"], seconds=4, why="reconnect")

    assert story.judge(service_as_expected("F1", **DARK, excused=[returning])).verdict == "valid"
    assert story.judge(service_as_expected("F1", **DARK)).verdict == "invalid"


def test_excuses_end():
    story = lanes("ALL", east_QUORUM=(110,))

    assert story.judge(service_as_expected("F1", **DARK, excused=[DETECTION])).verdict == "invalid"


def test_a_lane_that_was_not_asked_inside_is_vacuous():
    story = lanes("QUORUM", "ALL")
    probe(story, 95, cl="EACH_QUORUM")

    result = story.judge(service_as_expected("F1", **ACROSS))

    assert (result.verdict, result.explain) == (
        "vacuous", "too few operations inside F1 at EACH_QUORUM from east (refused)",
    )  # fmt: skip
    probe(story, 115, "fail", cl="EACH_QUORUM")
    assert story.judge(service_as_expected("F1", **ACROSS)).verdict == "valid"
    assert story.judge(service_as_expected("F1", **ACROSS, minimum=2)).verdict == "vacuous"


@pytest.mark.parametrize(("minimum", "verdict"), [(28, "valid"), (29, "vacuous")])
def test_a_lane_needs_its_minimum(minimum, verdict):
    assert lanes("QUORUM", "ALL").judge(service_as_expected("F1", **ACROSS, minimum=minimum)).verdict == verdict


def test_without_traffic_it_is_vacuous():
    result = Story(tokens=TOKENS).fault("F1", *CUT).judge(service_as_expected("F1", **ACROSS))

    assert (result.verdict, result.explain) == ("vacuous", "no F1 traffic at all")


def test_kinds_and_workloads_are_chosen():
    story = lanes("ALL", east_QUORUM=(110,))

    assert story.judge(service_as_expected("F1", **DARK, kinds=["write"])).explain == "no F1 traffic at all"
    assert story.judge(service_as_expected("F1", **DARK, workload="ledger")).explain == "no F1 traffic at all"


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"cl": "TWO"}, "nothing is known of TWO from east for key 1"),
        ({"key": None}, "nothing is known of LOCAL_QUORUM from east for key None"),
        ({"process": "moon-probe-0"}, "nothing is known of LOCAL_QUORUM from moon for key 1"),
    ],
)
def test_what_the_table_does_not_know_is_unknown(change, why):
    story = lanes("ALL")
    probe(story, 115, **change)

    result = story.judge(service_as_expected("F1", **DARK))

    assert (result.verdict, result.explain) == ("unknown", why)


def test_facts_without_tokens_are_unknown():
    story = lanes("ALL")
    del story.facts["tokens"]

    assert story.judge(service_as_expected("F1", **DARK)).verdict == "unknown"
    assert lanes("ALL").judge(service_as_expected("F1", away=["nobody"])).verdict == "unknown"


def test_each_key_has_its_own_row():
    """Of four hosts in four racks two are away: what is left of a key depends on its token."""
    hosts = [{**HOSTS[0], "host_id": f"h{number}", "rack": f"r{number}"} for number in range(4)]
    tokens = {f"h{number}": [str(number * 2**61 - 2**62)] for number in range(4)}
    story = Story(hosts=hosts, tokens=tokens, replication={"east": 3}, datacenters=["east"]).fault("F1", *CUT)
    for at in range(90, 140):
        for key in (0, -1):  # without h0 and h1: key 0 (h1 h2 h3) keeps two replicas, key -1 (h0 h1 h2) one
            probe(story, at, "fail" if key and 102 < at < 130 else "ok", key=key)
    result = story.judge(service_as_expected("F1", away=["h0", "h1"], excused=[DETECTION]))

    assert (result.verdict, result.counts["keys"], result.counts["lanes"]) == ("valid", 2, 2)
    assert story.judge(service_as_expected("F1", away=["h1", "h2"])).verdict == "invalid"


FEW = st.tuples(
    st.sampled_from(["LOCAL_QUORUM", "QUORUM"]),
    st.sampled_from(["ok", "fail", "info"]),
    st.integers(96, 136),
    st.sampled_from([0, 1, 4, 40]),
)


@given(st.lists(FEW, min_size=1, max_size=12))
def test_it_finds_what_refused_and_served_find(drawn):
    story = Story(tokens=TOKENS).fault("F1", *CUT)
    for level, outcome, at, lasts in drawn:
        probe(story, 0, outcome, cl=level, span=(at, at + lasts))
    mine = story.judge(service_as_expected("F1", **ACROSS, excused=[DETECTION]))
    inside = Story(tokens=TOKENS).fault("F1", *CUT)
    inside.operations = [item for item in story.operations if CUT[1] * 10**9 <= item.invoke < CUT[2] * 10**9]

    shown = {item["op"] for finding in mine.findings for item in finding.operations}
    cut_found = story.judge(refused("QUORUM", "F1")).findings
    service = inside.judge(served("east", "LOCAL_QUORUM", excused=[DETECTION]))
    assert {item["op"] for finding in cut_found for item in finding.operations} == {
        item["op"] for finding in mine.findings if finding.anomaly == "served-in-cut" for item in finding.operations
    }
    assert (service.verdict == "invalid") == any(finding.anomaly == "not-served" for finding in mine.findings)
    assert shown >= {item["op"] for finding in service.findings for item in finding.operations}
