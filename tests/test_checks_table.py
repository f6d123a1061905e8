"""The service table against Cassandra's driver and against the table of replica arithmetic, row by row."""

from __future__ import annotations

import itertools
import random

import pytest
from cassandra.metadata import Murmur3Token, NetworkTopologyStrategy
from cassandra.murmur3 import murmur3
from cassandra.policies import SimpleConvictionPolicy
from cassandra.pool import Host
from hypothesis import given, settings
from hypothesis import strategies as st

from clusters.errors import BundleError
from scenarios.checks.levels import at_level
from scenarios.checks.table import LEVELS, as_token, expected_service, replicas_of, serving_level, token_of
from tests.records import Story

INTS = st.integers(-(2**31), 2**31 - 1)


@given(INTS)
@settings(max_examples=200)
def test_a_token_is_what_the_driver_reckons(key):
    assert token_of(key) == murmur3(key.to_bytes(4, "big", signed=True))


@pytest.mark.parametrize(
    ("key", "token"),
    [(0, -3485513579396041028), (1, -4069959284402364209), (-1, 7297452126230313552), (2**31 - 1, -765994672030311617),
     (-(2**31), -420533958509279465)],
)  # fmt: skip
def test_known_tokens(key, token):
    assert token_of(key) == token


@pytest.mark.parametrize(
    ("unsigned", "token"),
    [(0, 0), (5, 5), (2**63 - 1, 2**63 - 1), (2**63, 2**63 - 1), (2**63 + 1, -(2**63) + 1), (2**64 - 1, -1)],
)
def test_the_least_number_is_no_token(unsigned, token):
    assert as_token(unsigned) == token


@pytest.mark.parametrize("key", [2**31, -(2**31) - 1])
def test_a_key_beyond_an_int_is_refused(key):
    with pytest.raises(BundleError, match="no CQL int"):
        token_of(key)


def ring(hosts, replication):
    """Facts of a ring: `hosts` are (host_id, datacenter, rack, tokens)."""
    return {
        "hosts": [{"host_id": name, "datacenter": dc, "rack": rack} for name, dc, rack, _ in hosts],
        "tokens": {name: [str(token) for token in tokens] for name, _, _, tokens in hosts},
        "replication": replication,
    }


def rings(seed):
    """Up to ten hosts in two datacenters and up to four racks, each with up to three tokens; RF 1 to 4."""
    draw = random.Random(seed)
    hosts = [
        (f"id-{number}", draw.choice(("east", "west")), draw.choice("abcd"),
         [draw.randint(-(2**63) + 1, 2**63 - 1) for _ in range(draw.randint(1, 3))])
        for number in range(draw.randint(1, 10))
    ]  # fmt: skip
    return ring(hosts, {"east": draw.randint(1, 4), "west": draw.randint(1, 4)}), draw.randint(-(2**31), 2**31 - 1)


SEEDS = pytest.mark.parametrize("seeds", [range(start, start + 100) for start in range(0, 500, 100)], ids=str)


def obvious_replicas(facts, key):
    """As Cassandra tells it: per datacenter, the hosts in ring order; a repeated rack only while RF exceeds racks."""
    token = token_of(key)
    ordered = sorted((int(t), name) for name, tokens in facts["tokens"].items() for t in tokens)
    walk = [name for t, name in ordered if t >= token] + [name for t, name in ordered if t < token]
    place = {host["host_id"]: (host["datacenter"], host["rack"]) for host in facts["hosts"]}
    chosen = set()
    for dc, rf in facts["replication"].items():
        racks = {where for where in place.values() if where[0] == dc}
        mine, spare = [], rf - len(racks)
        for name in dict.fromkeys(name for name in walk if place[name][0] == dc):
            new = place[name] not in {place[other] for other in mine}
            if len(mine) < rf and (new or spare > 0):
                mine.append(name)
                spare -= not new
        chosen |= set(mine)
    return chosen


@SEEDS
def test_replicas_are_those_of_the_obvious_walk(seeds):
    for facts, key in map(rings, seeds):
        replicas = replicas_of(facts, key)

        assert set(replicas) == obvious_replicas(facts, key)
        assert len(replicas) == len(set(replicas))


def driver_replicas(facts, key):
    """What the driver's own NetworkTopologyStrategy says."""
    hosts = {}
    for host in facts["hosts"]:
        hosts[host["host_id"]] = Host(host["host_id"], SimpleConvictionPolicy, host_id=host["host_id"])
        hosts[host["host_id"]].set_location_info(host["datacenter"], host["rack"])
    owners = {Murmur3Token(int(t)): hosts[name] for name, tokens in facts["tokens"].items() for t in tokens}
    strategy = NetworkTopologyStrategy({dc: str(rf) for dc, rf in facts["replication"].items()})
    by_token = strategy.make_token_replica_map(owners, sorted(owners))
    tokens = sorted(owners)
    at = next((token for token in tokens if token.value >= token_of(key)), tokens[0])
    return {host.host_id for host in by_token[at]}


@SEEDS
def test_replicas_are_those_of_the_driver(seeds):
    for facts, key in map(rings, seeds):
        assert set(replicas_of(facts, key)) == driver_replicas(facts, key)


def test_a_key_whose_token_is_a_hosts_own_belongs_to_that_host():
    facts = ring([("id-0", "east", "a", [token_of(5)]), ("id-1", "east", "a", [token_of(5) + 1])], {"east": 1})

    assert replicas_of(facts, 5) == ("id-0",)


def six(replication=None):
    """East and west with three racks each, one host in each."""
    hosts = [
        (f"{dc}-{rack}", dc, rack, [number * 2**60 - 2**62])
        for number, (dc, rack) in enumerate(itertools.product(("east", "west"), "abc"))
    ]
    return ring(hosts, replication or {"east": 3, "west": 3})


def row(away=(), cut=(), facts=None, key=1):
    """What is served, as one word per level: `both`, `east`, `west` or `none`."""
    table = expected_service(facts or six(), key, away, cut)
    return {
        level: {(True, True): "both", (True, False): "east", (False, True): "west", (False, False): "none"}[
            table["east", level], table["west", level]
        ]
        for level in LEVELS
    }


EAST = ("east-a", "east-b", "east-c")
WAN = (("east", "west"),)


@pytest.mark.parametrize(
    ("away", "cut", "local", "wide", "each", "everything", "one"),
    [
        ((), (), "both", "both", "both", "both", "both"),
        (("east-a",), (), "both", "both", "both", "none", "both"),
        (("east-a", "west-b"), (), "both", "both", "both", "none", "both"),
        (("east-a", "east-b"), (), "west", "both", "none", "none", "both"),
        (EAST, (), "west", "none", "none", "none", "west"),
        ((), WAN, "both", "none", "none", "none", "both"),
        (("east-b",), WAN, "both", "none", "none", "none", "both"),
        (("east-b",), (("west", "east"),), "both", "none", "none", "none", "both"),
        (("east-a", "west-b", "west-c"), (), "east", "none", "none", "none", "both"),
        (("east-a", "east-b", "west-c"), (), "west", "none", "none", "none", "both"),
        ((*EAST, "west-a"), (), "west", "none", "none", "none", "west"),
        ((*EAST, "west-a", "west-b"), (), "none", "none", "none", "none", "west"),
    ],
)
def test_every_row_of_replica_arithmetic(away, cut, local, wide, each, everything, one):
    assert row(away, cut) == {
        "ONE": one,
        "LOCAL_ONE": one,
        "LOCAL_QUORUM": local,
        "LOCAL_SERIAL": local,
        "QUORUM": wide,
        "SERIAL": wide,
        "EACH_QUORUM": each,
        "ALL": everything,
    }


def test_the_four_of_quorum_may_be_anywhere():
    assert row(("east-a", "east-b"))["QUORUM"] == "both"
    assert row(("east-a", "east-b"), facts=six({"east": 3, "west": 2}))["QUORUM"] == "both"  # 1 + 2 of 5
    assert row(("east-a", "east-b", "west-a"), facts=six({"east": 3, "west": 3}))["QUORUM"] == "none"


def test_a_quorum_of_two_is_two():
    two = six({"east": 2, "west": 2})
    lost = next(iter(replicas_of(two, 1)))
    home = lost.partition("-")[0]
    other = {"east": "west", "west": "east"}[home]

    assert row((lost,), facts=two) | {"ALL": ""} == {
        "ONE": "both", "LOCAL_ONE": "both", "LOCAL_QUORUM": other, "LOCAL_SERIAL": other, "QUORUM": "both",
        "SERIAL": "both", "EACH_QUORUM": "none", "ALL": "",
    }  # fmt: skip


def test_two_hosts_of_different_racks_hit_only_some_ranges():
    hosts = [
        (f"{dc}-{rack}-{turn}", dc, rack, [-(2**63) + 1 + (number * 2 + (dc == "west")) * 2**59])
        for dc in ("east", "west")
        for number, (turn, rack) in enumerate(itertools.product((0, 1), "abc"))
    ]
    facts = ring(hosts, {"east": 3, "west": 3})
    away = ("east-a-0", "east-b-1")
    seen = {}
    for key in range(200):
        lost = len(set(away) & set(replicas_of(facts, key)))
        seen[lost] = row(away, facts=facts, key=key)

    assert {lost: (words["LOCAL_QUORUM"], words["ALL"]) for lost, words in seen.items()} == {
        0: ("both", "both"),
        1: ("both", "none"),
        2: ("west", "none"),
    }


def test_a_datacenter_without_a_live_host_has_nobody_to_ask():
    facts = ring([("e", "east", "a", [0]), ("w", "west", "a", [9]), ("v", "west", "b", [7])], {"west": 2})

    assert row(("e",), facts=facts)["ONE"] == "west"
    assert row((), facts=facts)["ONE"] == "both"
    assert row((), facts=facts)["LOCAL_ONE"] == "west"
    assert row((), facts=facts)["EACH_QUORUM"] == "both"


def test_a_cut_between_two_leaves_the_third_whole():
    hosts = [(dc, dc, "a", [place]) for place, dc in enumerate(("east", "west", "north"))]
    table = expected_service(ring(hosts, {"east": 1, "west": 1, "north": 1}), 1, cut=[["east", "west"]])

    assert {dc: (table[dc, "QUORUM"], table[dc, "ALL"]) for dc in ("east", "west", "north")} == {
        "east": (True, False),
        "west": (True, False),
        "north": (True, True),
    }


@pytest.mark.parametrize(
    ("lacking", "why"),
    [
        ("tokens", "tokens and hosts differ in east-a, east-b, east-c, west-a, west-b, west-c"),
        ("hosts", "tokens and hosts differ in east-a, east-b, east-c, west-a, west-b, west-c"),
        ("replication", "tokens, hosts or replication missing"),
    ],
)
def test_facts_that_do_not_tell_the_replicas_are_refused(lacking, why):
    facts = {name: value for name, value in six().items() if name != lacking}

    with pytest.raises(BundleError, match=f"scenario.json: {why}; the replicas of a key cannot be reckoned"):
        replicas_of(facts, 1)


def test_hosts_without_tokens_are_named():
    facts = six()
    del facts["tokens"]["west-c"]

    with pytest.raises(BundleError, match="tokens and hosts differ in west-c"):
        replicas_of(facts, 1)


@pytest.mark.parametrize(
    ("away", "cut", "named"),
    [(["gone", "away", "east-a"], [], "away, gone"), ([], [["east", "moon"], ["mars", "west"]], "mars, moon")],
)
def test_hosts_and_datacenters_that_are_not_there_are_refused(away, cut, named):
    with pytest.raises(BundleError, match=f"no host or datacenter {named} in the ring"):
        expected_service(six(), 1, away, cut)


@pytest.mark.parametrize("serial", [None, "SERIAL", "LOCAL_SERIAL"])
@pytest.mark.parametrize("cl", ["QUORUM", "SERIAL"])
@pytest.mark.parametrize(("f", "conditional"), [("cas", True), ("append", True), ("write", False), ("read", False)])
def test_an_operation_belongs_to_one_level(f, cl, serial, conditional):
    operation = Story().op("east-probe-0", f"probe {f}", (1, 2), cl=cl, serial=serial)

    assert serving_level(operation) == (serial if conditional and serial else cl)
    assert at_level(operation, serving_level(operation))
