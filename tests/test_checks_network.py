"""Reachability by identity, the blocked-port control and echoes."""

from __future__ import annotations

import pytest

from scenarios.checks import echoes, reachable, unreachable
from tests.records import HOSTS, Story

TWO = [HOSTS[0], HOSTS[3]]  # east-a-0 and west-a-0
PORTS = (7000, 9042)


def probe(story, source, target, port, **fields):
    ends = {
        name: {"cluster": pod["cluster"], "pod": pod["pod"], "uid": f"uid-{pod['pod']}", "address": pod["address"]}
        for name, pod in (("source", source), ("target", target))
    }
    known = {
        "ok": True,
        "answered": target["host_id"],
        "expected": target["host_id"],
        "source_seen": source["address"],
        "bytes": None,
        "seconds": 0.01,
        "error": None,
        "phase": "baseline",
    }
    story.see("reach", 5, **ends, port=port, **{**known, **fields})


def mesh(hosts=TWO, **changes):
    """Every ordered pair on both ports; `changes` apply to east -> west on 7000."""
    story = Story(hosts=hosts).phase("baseline", 1)
    for source in hosts:
        for target in hosts:
            for port in PORTS if source is not target else ():
                changed = changes if (source["cluster"], port) == ("east", 7000) else {}
                probe(story, source, target, port, **changed)
    return story


def test_a_whole_mesh_is_valid():
    result = mesh(HOSTS).judge(reachable("baseline", PORTS))

    assert (result.verdict, result.counts["probes"]) == ("valid", 60)


@pytest.mark.parametrize(
    ("change", "anomaly"),
    [
        ({"ok": False, "answered": None, "source_seen": None, "error": "timed out"}, "unreachable"),
        ({"answered": "id-east-b"}, "wrong-identity"),  # an overlap: somebody else lives at that address
        ({"answered": None}, "wrong-identity"),  # somebody answered and did not say who
        ({"source_seen": "10.1.255.1"}, "source-rewritten"),  # the gateway's address arrived instead of the pod's
    ],
)
def test_each_way_to_be_wrong_has_its_name(change, anomaly):
    (finding,) = mesh(**change).judge(reachable("baseline", PORTS)).findings

    assert (finding.anomaly, finding.who) == (anomaly, "west-a-0")
    assert "east-a-0 -> west-a-0" in finding.detail


def test_open_asks_only_for_an_answer():
    story = mesh(answered=None)

    assert story.judge(reachable("baseline", PORTS, expect="open")).verdict == "valid"


def test_a_port_without_identities_proves_no_identity():
    story = mesh(answered=None, expected=None)
    assert story.judge(reachable("baseline", [7000, 9042])).verdict == "valid"

    for item in story.observations:
        item["expected"] = None
    assert story.judge(reachable("baseline", [7000, 9042])).verdict == "vacuous"


def test_a_pair_that_was_not_probed_is_unknown():
    story = mesh()
    story.observations.pop()

    result = story.judge(reachable("baseline", PORTS))

    assert (result.verdict, result.explain) == ("unknown", "west-a-0 -> east-a-0 port 9042 was never probed")
    assert story.judge(reachable("baseline", PORTS, pairs=[["east-a-0", "west-a-0"]])).verdict == "valid"


def test_across_looks_at_pairs_of_two_clusters_only():
    story = mesh(HOSTS[:2] + HOSTS[3:4])
    for item in story.observations:
        if item["source"]["cluster"] == item["target"]["cluster"]:
            item["ok"] = False

    assert story.judge(reachable("baseline", PORTS, pairs="across")).verdict == "valid"
    assert story.judge(reachable("baseline", PORTS)).verdict == "invalid"


def test_probes_of_other_phases_do_not_count():
    story = mesh(HOSTS[:1]).phase("cut", 10)
    probe(story, HOSTS[0], HOSTS[3], 7000, ok=False, phase="cut")  # taken at 5 s: its label decides, not its time

    assert story.judge(reachable("baseline", PORTS)).verdict == "vacuous"
    assert mesh().judge(reachable("healed", PORTS)).verdict == "unknown"  # no such phase


BLOCKED = {"ok": False, "answered": None, "source_seen": None, "error": "timed out"}


def test_the_control_finds_its_blocked_port():
    result = mesh(**BLOCKED).judge(unreachable("baseline", 7000, "west-a-0"))

    assert (result.verdict, result.counts["blocked-port-found"], result.counts["others"]) == ("valid", 1, 3)


def test_a_control_that_does_not_block_is_invalid():
    (finding,) = mesh().judge(unreachable("baseline", 7000, "west-a-0")).findings

    assert (finding.anomaly, finding.who) == ("blocked-port-open", "west-a-0")


def test_a_control_that_blocks_too_much_is_invalid():
    story = mesh(**BLOCKED)
    probe(story, HOSTS[0], HOSTS[3], 9042, **BLOCKED)

    assert [item.anomaly for item in story.judge(unreachable("baseline", 7000, "west-a-0")).findings] == ["unreachable"]


@pytest.mark.parametrize("ports", [{7000}, {9042}])
def test_a_control_that_saw_only_one_side_is_vacuous(ports):
    story = mesh(**BLOCKED)
    story.observations = [
        item for item in story.observations if item["port"] in ports and item["target"]["pod"] == "west-a-0"
    ]

    assert story.judge(unreachable("baseline", 7000)).verdict == "vacuous"


SIZES = [1, 1024, 65536, 1048576]


def echo(*lost):
    story = Story(hosts=TWO).phase("baseline", 1)
    for source, target in ((TWO[0], TWO[1]), (TWO[1], TWO[0])):
        for size in SIZES:
            bad = BLOCKED if (source["cluster"], size) in lost else {}
            probe(story, source, target, 7777, bytes=size, **bad)
    return story


def test_all_sizes_come_back():
    assert echo().judge(echoes(SIZES, "baseline")).verdict == "valid"


def test_a_lost_size_is_named():
    (finding,) = echo(("west", 65536)).judge(echoes(SIZES, "baseline")).findings  # an MTU hole

    assert (finding.anomaly, finding.who) == ("echo-lost", "east-a-0")
    assert "65536 bytes" in finding.detail


def test_a_size_that_was_not_tried_is_unknown_and_none_at_all_is_not_valid():
    assert echo().judge(echoes([*SIZES, 9000], "baseline")).verdict == "unknown"
    assert Story(hosts=[]).phase("baseline", 1).judge(echoes(SIZES, "baseline")).verdict == "vacuous"
