"""Ring views, liveness, hints, schema and identity."""

from __future__ import annotations

import pytest

from scenarios.checks import all_alive, hints_drained, one_schema, ring_views, same_identity
from tests.records import HOSTS, Story

SINCE = ["mark", "killed east-a-0"]
NEW, OLD = "10.1.9.9", "10.1.0.1"
MOVED = [{"host_id": "id-east-a", "old": OLD, "new": NEW}]


def view(story, t, asked, change=None, **fields):
    """What `asked` sees at `t`: all six hosts, east-a at its new address, with `change` = {host_id: fields}."""
    members = []
    for host in HOSTS:
        known = {name: host[name] for name in ("host_id", "address", "datacenter", "rack")} | {"schema": "v1"}
        if host["host_id"] == "id-east-a":
            known["address"] = NEW
        members.append({**known, **(change or {}).get(host["host_id"], {})})
    own = next(item for item in members if item["host_id"] == asked)
    peers = [item for item in members if item is not own and not item.get("gone")]
    known = {"ok": True, "peers": peers, "down": [], "hints": {}, **fields}
    story.see("ring_view", t, host=asked, **{name: own[name] for name in ("address", "datacenter", "rack")}, **known)


def ring(bad=(), asked="id-west-b", change=None, until=40, **fields):
    """Every host is asked every second from 11; `asked` sees `change` at the seconds `bad`."""
    story = Story().event("mark", 10, name="killed east-a-0")
    for t in range(11, until):
        for host in HOSTS:
            wrong = t in bad and host["host_id"] == asked
            view(story, t, host["host_id"], change if wrong else None, **(fields if wrong else {}))
    return story


def check(limit=20, **params):
    return ring_views(SINCE, limit, "ring_delay 5 + gossip", hosts=6, **params)


def test_views_that_settle_in_time_are_valid_and_measured():
    result = ring(range(11, 15), change={"id-east-a": {"address": OLD}}).judge(check(address_changes=MOVED))

    assert (result.verdict, result.measured, result.limit) == ("valid", 5, 20)
    assert result.counts["seconds west-b-0"] == 5


@pytest.mark.parametrize(
    ("change", "anomaly"),
    [
        ({"id-east-a": {"address": OLD}}, "released-address"),
        ({"id-east-a": {"address": "10.1.7.7"}}, "old-address"),  # neither the old nor the new one
        ({"id-east-b": {"address": NEW}}, "duplicate-address"),
        ({"id-east-b": {"host_id": "id-east-a", "address": "10.1.7.7"}}, "duplicate-host"),
        ({"id-east-b": {"gone": True}}, "member-count"),
        ({"id-east-b": {"rack": "c"}}, "wrong-rack"),
        ({"id-east-b": {"datacenter": "west"}}, "wrong-rack"),
        ({"id-east-b": {"host_id": "id-stranger"}}, "unknown-host"),
    ],
)
def test_each_wrong_view_has_its_name(change, anomaly):
    (finding,) = ring([35], change=change).judge(check(address_changes=MOVED)).findings

    assert (finding.anomaly, finding.who) == (anomaly, "west-b-0")


def test_a_host_without_an_answer_has_no_view():
    story = ring([35], ok=False, error="connection refused")

    (finding,) = story.judge(check()).findings

    assert (finding.anomaly, "refused" in finding.detail) == ("no-view", True)


def test_a_host_that_was_never_asked_is_unknown():
    story = ring()
    story.observations = [item for item in story.observations if item["host"] != "id-west-c"]

    result = story.judge(check())

    assert (result.verdict, result.explain) == ("unknown", "west-c-0 was never observed in that time")


def test_still_wrong_when_observation_ended_is_unknown_before_the_limit():
    story = ring(range(11, 20), change={"id-east-b": {"gone": True}}, until=20)

    assert story.judge(check()).verdict == "unknown"


def test_no_views_at_all_are_vacuous():
    for data in (check(), all_alive(SINCE, 20), hints_drained(SINCE, 20), one_schema(SINCE)):
        assert Story().event("mark", 10, name="killed east-a-0").judge(data).verdict == "vacuous"


def test_a_host_called_down_after_the_limit_is_found():
    assert ring([12], down=["id-east-a"]).judge(all_alive(SINCE, 20)).measured == 3
    (finding,) = ring([35], down=["id-east-a"]).judge(all_alive(SINCE, 20)).findings
    assert (finding.anomaly, finding.who, "east-a-0" in finding.detail) == ("called-down", "west-b-0", True)


def test_hints_that_stay_are_found():
    assert ring([12], hints={"id-east-a": 3}).judge(hints_drained(SINCE, 20)).verdict == "valid"
    assert ring([35], hints={"id-east-a": 0}).judge(hints_drained(SINCE, 20)).verdict == "valid"
    (finding,) = ring([35], hints={"id-east-a": 3}).judge(hints_drained(SINCE, 20)).findings
    assert (finding.anomaly, finding.who) == ("hints-left", "west-b-0")


@pytest.mark.parametrize(("last", "verdict"), [(["v2"], "valid"), (["v1", "v2"], "invalid"), ([], "invalid")])
def test_schema_versions_must_become_one(last, verdict):
    story = Story().event("mark", 10, name="killed east-a-0")
    for t, versions in ((11, ["v1", "v2"]), (12, ["v2"]), (50, last)):
        story.see("schema", t, versions=versions)

    assert story.judge(one_schema(SINCE, limit=5)).verdict == verdict


def rescheduled(**fields):
    story = ring()
    known = {"cluster": "east", "uid": "new", "address": NEW, "state": "running", "restarts": 0, **fields}
    return story.see("pod", 12, pod="east-a-0", **known)


def test_a_rescheduled_pod_keeps_its_identity():
    assert rescheduled().judge(same_identity("east-a-0", "id-east-a", SINCE)).verdict == "valid"


def test_a_pod_that_answers_as_somebody_else_lost_its_identity():
    story = rescheduled()
    for item in story.observations:
        if item.get("host") == "id-east-a":
            item["host"] = "id-fresh"

    (finding, *_) = story.judge(same_identity("east-a-0", "id-east-a", SINCE)).findings

    assert (finding.anomaly, finding.who) == ("new-identity", "east-a-0")


def test_the_old_identity_must_not_answer_elsewhere():
    story = rescheduled()
    view(story, 30, "id-east-a", {"id-east-a": {"address": "10.1.8.8"}})

    assert [item.anomaly for item in story.judge(same_identity("east-a-0", "id-east-a", SINCE)).findings] == [
        "second-identity"
    ]


@pytest.mark.parametrize("fields", [{"state": "waiting"}, {"address": "10.1.7.7"}])
def test_a_pod_that_was_not_seen_or_not_asked_is_vacuous(fields):
    assert rescheduled(**fields).judge(same_identity("east-a-0", "id-other", SINCE)).verdict == "vacuous"
