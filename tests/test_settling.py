"""Waiting until a ring works again: as its coordinators say, and as the hints on its disks say."""

from __future__ import annotations

import json

import pytest

from clusters.errors import WaitTimeout
from clusters.ring import ring as rings
from clusters.ring.config import CQL_PORT
from clusters.ring.host import Host
from clusters.waiting import until
from scenarios import run as running
from scenarios import settling
from scenarios.settling import agree_again, answer_again, deliver_hints

ALL = 5
DENIED = {"ok": False, "error": "ConnectionError: CQL error: Cannot achieve consistency level ALL"}


def events(run):
    return [json.loads(line) for line in (run.folder / "events.jsonl").read_text().splitlines()[1:]]


def asked(lab):
    return [(given["pod"], given["request"]) for do, given in lab.calls
            if do == "probe" and given["request"]["do"] == "query"]  # fmt: skip


def test_every_host_is_asked_for_an_answer_of_every_replica(run, ring, lab):
    answer_again(run)

    questions = dict(asked(lab))
    assert sorted(questions) == sorted(host.spec.pod for host in ring.hosts)
    for host in ring.hosts:
        question = questions[host.spec.pod]
        assert (question["address"], question["port"], question["consistency"]) == (host.address, CQL_PORT, ALL)
        assert question["statements"] == ["SELECT JSON key FROM rp_test.probe WHERE key = -1"]
    (waited,) = [event for event in events(run) if event["event"] == "waited"]
    assert (waited["for"], waited["timer"]) == ("every host reads at ALL", False)
    assert (waited["limit"], waited["formula"]) == (ring.limits.reconnect.seconds, ring.limits.reconnect.formula)


def test_one_coordinator_without_all_its_replicas_is_enough_to_wait(run, lab):
    lab.answers["west-b-0"] = [DENIED]
    answer_again(run)

    assert [pod for pod, _ in asked(lab)].count("west-b-0") == 2


def test_a_coordinator_that_never_has_all_its_replicas_is_named_with_its_words(run, lab, monkeypatch):
    lab.answers["west-b-0"] = [DENIED] * 9
    real = settling.until
    monkeypatch.setattr(settling, "until", lambda what, probe, timeout: real(what, probe, timeout=0.0))

    with pytest.raises(WaitTimeout, match=r"every host reads at ALL.*west-b-0.*Cannot achieve consistency level ALL"):
        answer_again(run)

    assert "west-b-0" in events(run)[-1]["missed"]


def test_a_coordinator_that_hangs_is_waited_for_as_well(run, lab, monkeypatch):
    lab.frozen.add(("east", "east-a-0"))
    real = settling.until
    monkeypatch.setattr(settling, "until", lambda what, probe, timeout: real(what, probe, timeout=0.0))

    with pytest.raises(WaitTimeout, match="east-a-0: east-a-0 did not answer"):
        answer_again(run)


def test_the_views_are_waited_for_within_the_limit_that_is_given(run, ring):
    agree_again(run, ring.limits.restart)

    assert [(event["for"], event["limit"]) for event in events(run)] == [
        ("every host sees every host up", ring.limits.restart.seconds)
    ]


def test_hints_are_looked_for_only_after_they_were_written_and_until_none_waits(run, ring, monkeypatch):
    happened, waiting = [], [{"id-west-a-0": 2}, {"id-west-a-0": 1}, {}]
    monkeypatch.setattr(running, "pause", lambda seconds: happened.append(seconds))
    monkeypatch.setattr(rings, "until", lambda *told, timeout, every: until(*told, timeout=timeout, every=0.0))

    def hints():
        happened.append(waiting[0])
        return waiting.pop(0)

    monkeypatch.setattr(ring, "hints", hints)
    monkeypatch.setattr(Host, "count_batches", lambda host: 0)
    deliver_hints(run)

    limits = ring.limits
    assert happened == [limits.hints_written.seconds, {"id-west-a-0": 2}, {"id-west-a-0": 1}, {}]
    told = [(event.get("name") or event["for"], event.get("timer"), event.get("limit")) for event in events(run)]
    assert told == [
        ("hints are written", None, None),
        ("traffic in hints are written", True, limits.hints_written.seconds),
        ("hints", None, None),
        ("batches played", True, limits.batches.seconds),
        ("hints delivered", True, limits.hints.seconds),
    ]
