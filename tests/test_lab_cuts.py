"""Cuts bite on established connections, in the direction and for the range that they name, and heal."""

from __future__ import annotations

import itertools

import pytest

from clusters.journal import Journal
from clusters.network import CUT_PRIORITY, Rule
from clusters.undo import Acts
from scenarios.faults.partition import hears
from tests.labs import Hand, add_pods, lab_up, small

pytestmark = pytest.mark.lab

LISTEN = "import socket\nserver = socket.create_server(('', port))"
CONNECT = "import socket\nlink = socket.create_connection((to, port), 5)"
ACCEPT = "link, _ = server.accept()"
SEND = "link.sendall(word.encode())"
HEAR = """
link.settimeout(patience)
try:
    answer = link.recv(100).decode()
except TimeoutError:
    answer = None
"""
SILENCE = 0.4
"""Seconds without a word that mean a cut; a word takes under a millisecond."""
HEAL = 10.0
"""Retransmission after an outage of under a second comes within the next seconds (RFC 6298: doubled from 0.2 s)."""
PORTS = itertools.count(9000)


class Wire:
    """An established TCP connection between two pods."""

    def __init__(self, lab, near, far):
        self.near, self.far = (Hand(lab.cluster(cluster).pod(pod)) for cluster, pod in (near, far))
        port = next(PORTS)
        self.far.run(LISTEN, port=port)
        self.near.run(CONNECT, port=port, to=lab.cluster(far[0]).pod(far[1]).state().address)
        self.far.run(ACCEPT)
        self.words = (f"word {number}" for number in itertools.count())
        assert self.passes()
        assert self.comes_back()

    def passes(self, patience=HEAL):
        return self._say(self.near, self.far, patience)

    def comes_back(self, patience=HEAL):
        return self._say(self.far, self.near, patience)

    def _say(self, mouth, ear, patience):
        word = next(self.words)
        mouth.run(SEND, word=word)
        while (heard := ear.run(HEAR, patience=patience)) is not None:
            if heard.endswith(word):  # what was said during a cut comes before it
                return True
        return False

    def drain(self):
        """What was under way arrives in both directions, and a new word after it."""
        return self.passes() and self.comes_back()

    def close(self):
        self.near.close()
        self.far.close()


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    with lab_up(small(), tmp_path_factory.mktemp("lab")) as (lab, _handle):
        add_pods(lab)
        yield lab


@pytest.fixture
def acts(lab, tmp_path):
    made = Acts(lab, Journal(tmp_path / "journal.jsonl"))
    yield made
    made.undo_all()


@pytest.fixture
def wire(lab, request):
    made = Wire(lab, *request.param)
    yield made
    made.close()


def cut(lab, acts, sender, receiver):
    east_or_west = lab.cluster(receiver)
    for network in (east_or_west.layout.pod_range, east_or_west.layout.node_range):
        rule = Rule(CUT_PRIORITY, iif=lab.cluster(sender).router_link, destination=str(network))
        acts.add_rule(lab.router, rule)


ACROSS = (("east", "east-a-0"), ("west", "west-a-0"))


@pytest.mark.parametrize("wire", [ACROSS], indirect=True)
def test_a_partition_bites_on_an_established_connection_and_heals(lab, acts, wire):
    cut(lab, acts, "east", "west")
    cut(lab, acts, "west", "east")

    assert not wire.passes(SILENCE)
    assert not wire.comes_back(SILENCE)
    assert acts.undo_all() == 4
    assert wire.drain()


@pytest.mark.parametrize("wire", [ACROSS], indirect=True)
def test_a_one_way_cut_drops_one_direction_only(lab, acts, wire):
    """TCP needs both directions, so what tells them apart is a datagram, which needs no way back."""
    cut(lab, acts, "east", "west")
    try:
        assert not hears(lab.cluster("east"), lab.cluster("west"))
        assert hears(lab.cluster("west"), lab.cluster("east"))
        assert not wire.passes(SILENCE)
    finally:
        acts.undo_all()

    assert wire.drain()
    assert hears(lab.cluster("east"), lab.cluster("west"))


WITHIN = (("east", "east-a-0"), ("east", "east-b-0"))
BESIDE = (("east", "east-a-0"), ("east", "east-c-0"))
FAR = (("west", "west-a-0"), ("east", "east-b-0"))


@pytest.mark.parametrize("wire", [WITHIN, FAR], indirect=True, ids=["within", "across"])
def test_a_zone_cut_bites_on_established_connections_from_inside_and_outside_and_heals(lab, acts, wire):
    for net, rule in lab.cluster("east").zone_cut("b"):
        acts.add_rule(net, rule)

    assert not wire.passes(SILENCE)
    assert not wire.comes_back(SILENCE)
    acts.undo_all()
    assert wire.drain()


@pytest.mark.parametrize("wire", [BESIDE], indirect=True)
def test_a_zone_cut_leaves_the_other_zones_and_the_other_cluster_alone(lab, acts, wire):
    for net, rule in lab.cluster("east").zone_cut("b"):
        acts.add_rule(net, rule)
    outside = Wire(lab, ("west", "west-b-0"), ("east", "east-c-0"))

    assert wire.passes(5)
    assert wire.comes_back(5)
    outside.close()


@pytest.mark.parametrize("wire", [WITHIN], indirect=True)
def test_pods_of_a_cut_zone_reach_each_other(lab, acts, wire):
    for net, rule in lab.cluster("east").zone_cut("b"):
        acts.add_rule(net, rule)
    known = {state.name for state in lab.cluster("east").states()}
    assert "east-b-0" in known
    inside = Wire(lab, ("east", "east-b-0"), ("east", "east-b-0"))

    assert inside.passes(5)
    inside.close()


def test_one_port_can_be_blocked_in_the_senders_namespace_alone(lab, acts):
    source, target = lab.cluster("east").pod("east-a-0"), lab.cluster("west").pod("west-a-0").state()
    acts.add_rule(source.net, Rule(10, "prohibit", destination=f"{target.address}/32", protocol="tcp", port=7070))
    asked = {"address": target.address, "kind": "tcp", "timeout": 2.0}
    blocked, other = source.probe({"do": "reach", "targets": [{**asked, "port": 7070}, {**asked, "port": 7071}]}, 10)[
        "results"
    ]
    (from_elsewhere,) = (
        lab.cluster("east").pod("east-b-0").probe({"do": "reach", "targets": [{**asked, "port": 7070}]}, 10)["results"]
    )

    assert "Permission denied" in blocked["error"]
    assert "Connection refused" in other["error"]
    assert from_elsewhere["ok"]
