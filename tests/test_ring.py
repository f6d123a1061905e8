"""When a ring is one ring: what each host holds for true, compared with what is."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from clusters import turns
from clusters.errors import WaitTimeout
from clusters.lab import provider as lab
from clusters.lab.wire import LabGone
from clusters.network import Route, Rule
from clusters.ring import standing
from clusters.ring.host import Host
from clusters.ring.standing import HEAP_TABLES, StandingRing
from tests.ring_fakes import agree, fake_ring

ROOT = Path(__file__).parents[1]


@pytest.fixture
def ring(tmp_path):
    return fake_ring(tmp_path / "ring")


def seen(ring, who="east-b-0"):
    return ring.host(who).sees


def sees(ring, who="east-b-0", **changed):
    host = ring.host(who)
    host.sees = replace(host.sees, **changed)


def test_a_ring_in_agreement_lacks_nothing(ring):
    assert ring.disagreement() is None
    assert ring.await_agreement(1.0) < 1.0


def peers(ring, change):
    return tuple(change(dict(peer)) for peer in seen(ring).peers)


def moved(peer):
    return {**peer, "address": "10.0.9.9"} if peer["host_id"] == "id-west-a-0" else peer


def swapped(peer):
    """Two hosts under each other's address: all addresses are there, and two identities are wrong."""
    other = {"id-west-a-0": "10.0.0.5", "id-west-b-0": "10.0.0.4"}
    return {**peer, "address": other.get(peer["host_id"], peer["address"])}


def cloned(peer):
    return {**peer, "host_id": "id-west-b-0"} if peer["host_id"] == "id-west-a-0" else peer


@pytest.mark.parametrize(
    ("change", "lack"),
    [
        (lambda ring: {"peers": seen(ring).peers[:-1]}, "east-b-0 knows 5 of 6 hosts in 5 rows"),
        (lambda ring: {"peers": ()}, "east-b-0 knows 1 of 6 hosts in 1 rows"),
        (lambda ring: {"peers": peers(ring, cloned)}, "east-b-0 knows 5 of 6 hosts in 6 rows"),
        (lambda ring: {"peers": (*seen(ring).peers, {**seen(ring).peers[0], "address": "10.0.9.9"})}, "in 7 rows"),
        (lambda ring: {"peers": peers(ring, moved)}, "east-b-0 holds addresses"),
        (lambda ring: {"peers": peers(ring, swapped)}, "east-b-0 holds addresses"),
        (lambda _: {"address": "10.0.9.9"}, "east-b-0 holds addresses"),
        (lambda _: {"down": ("id-west-a-0",)}, "east-b-0 holds 1 hosts for down"),
        (lambda _: {"schema": "s-2"}, "2 schema versions"),
        (lambda _: {"host_id": "id-new"}, "east-b-0 is id-new, it was id-east-b-0"),
    ],
    ids=[
        "one missing",
        "alone",
        "two under one id",
        "one twice",
        "moved",
        "swapped",
        "own address",
        "down",
        "schema",
        "id",
    ],
)
def test_the_first_lack_is_named(ring, change, lack):
    sees(ring, **change(ring))

    assert lack in ring.disagreement()


def test_a_split_ring_is_no_ring_although_every_host_answers(ring):
    for host in ring.hosts:
        mine = tuple(peer for peer in host.sees.peers if peer["datacenter"] == host.spec.datacenter)
        host.sees = replace(host.sees, peers=mine)

    assert ring.disagreement() == "east-a-0 knows 3 of 6 hosts in 3 rows"


def test_a_host_that_does_not_answer_is_named_and_the_wait_shows_it(ring):
    ring.host("west-c-0").sees = ConnectionError("connection refused")

    assert ring.disagreement() == "west-c-0 does not answer: connection refused"
    with pytest.raises(WaitTimeout, match="west-c-0 does not answer: connection refused"):
        ring.await_agreement(0.05)


def test_a_lab_that_is_gone_is_no_host_that_does_not_answer(ring):
    ring.host("west-c-0").sees = LabGone("the lab is gone")

    with pytest.raises(LabGone):
        ring.await_agreement(60)


def test_before_identities_are_known_addresses_decide(ring):
    for host in ring.hosts:
        host.host_id = ""

    assert ring.disagreement() is None
    sees(ring, peers=peers(ring, moved))
    assert "east-b-0 holds addresses" in ring.disagreement()


def test_hints_are_added_over_all_hosts_that_answer(ring):
    sees(ring, "east-a-0", hints={"id-west-a-0": 2})
    sees(ring, "east-b-0", hints={"id-west-a-0": 1, "id-west-b-0": 4})
    ring.host("east-c-0").sees = TimeoutError("slow")

    assert ring.hints() == {"id-west-a-0": 3, "id-west-b-0": 4}
    with pytest.raises(WaitTimeout, match=r"hints wait for .*id-west-a-0"):
        ring.await_hints_drained(0.05)
    sees(ring, "east-a-0", hints={})
    sees(ring, "east-b-0", hints={})
    assert ring.await_hints_drained(1.0) < 1.0


def test_a_batch_that_any_host_keeps_or_may_keep_is_waited_for(ring, monkeypatch):
    kept = {"west-b-0": [2, 0, 0], "east-a-0": [0, TimeoutError("slow"), 0]}
    monkeypatch.setattr(Host, "count_batches", lambda host: answer(kept.get(host.spec.who, [0])))

    with pytest.raises(WaitTimeout, match="west-b-0 keeps 2 batches"):
        ring.await_batches_played(0)
    with pytest.raises(WaitTimeout, match="east-a-0 does not answer: slow"):
        ring.await_batches_played(0)
    assert ring.await_batches_played(1.0) < 1.0


def answer(waiting):
    kept = waiting.pop(0) if len(waiting) > 1 else waiting[0]
    if isinstance(kept, Exception):
        raise kept
    return kept


def test_hosts_zones_and_nobody_are_asked_as_told(ring):
    assert ring.datacenters[0].zones == ("a", "b", "c")
    assert [host.spec.who for host in ring.datacenter("west").in_zone("b")] == ["west-b-0"]
    assert ring.each(lambda host: host.spec.who, []) == []
    assert ring.each(lambda host: host.spec.who, ring.hosts[:2]) == ["east-a-0", "east-b-0"]


# standing


@pytest.fixture
def stands(ring, tmp_path):
    made = StandingRing(ring.topology, tmp_path, "r1")
    made._ring = ring
    made._rules = standing.snapshot(ring)
    return made


def test_a_ring_as_it_was_formed_is_lent_again(stands, ring):
    assert stands.ring() is ring
    assert stands.rebuilt == []


def open_journal(ring):
    (ring.folder / "journal.jsonl").write_text('{"entry": 1, "undo": {"act": "rule"}}\n')


def rule_left(ring):
    ring.clusters.router.standing.append(Rule(10))


def rule_left_in_a_pod(ring):
    ring.clusters.cluster("west").pod("west-a-0").net.standing.append(Rule(10))


def rule_swapped(ring):
    ring.clusters.cluster("east").gateway.standing[:] = [Rule(11)]


def route_left(ring):
    ring.clusters.router.ways.append(Route("10.9.0.0/16"))


def override_left(ring):
    ring.clusters.cluster("east").overrides.append({"id": "F1-0"})


def stale_gossip(ring):
    ring.host("west-b-0").gossip = [*ring.host("west-b-0").gossip, "10.0.9.9"]


def silent(ring):
    ring.host("west-b-0").gossip = ConnectionError("refused")


def many_tables(ring):
    ring.hosts[0].tables = HEAP_TABLES + 1


def disagreeing(ring):
    sees(ring, down=("id-west-a-0",))


def hinting(ring):
    sees(ring, hints={"id-west-a-0": 1})


def broken_dns(ring):
    ring.clusters.cluster("east").dns_rules = lambda: (_ for _ in ()).throw(ConnectionError("DNS has ended"))


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (open_journal, "the journal has open entries"),
        (rule_left, "rules of router: "),
        (rule_left_in_a_pod, "rules of west-a-0: "),
        (rule_swapped, "rules of east-gateway: "),
        (route_left, "routes of the router: "),
        (override_left, "DNS overrides of east: ['F1-0'] instead of []"),
        (stale_gossip, "west-b-0 still gossips about ['10.0.9.9']"),
        (silent, "west-b-0: refused"),
        (many_tables, f"{HEAP_TABLES + 1} tables"),
        (disagreeing, "east-b-0 holds 1 hosts for down"),
        (hinting, "hints wait for {'id-west-a-0': 1}"),
        (broken_dns, "DNS has ended"),
    ],
)
def test_an_unclean_ring_is_rebuilt_and_the_reason_is_told(stands, ring, monkeypatch, spoil, reason):
    ring.clusters.cluster("east").gateway.standing.append(Rule(9))
    stands._rules = standing.snapshot(ring)
    spoil(ring)
    monkeypatch.setattr(standing, "CLEAN_SECONDS", 0.05)
    ring.limits = replace(ring.limits)
    monkeypatch.setattr(type(ring), "await_hints_drained", short_drain)
    told = []
    stands.step = told.append
    formed = object()
    monkeypatch.setattr(stands, "_form", lambda: formed)

    assert stands.ring() is formed
    assert reason in stands.rebuilt[0]
    assert reason in told[0]
    assert stands.set_name == "r1/stub-domains/1"


def short_drain(self, _timeout):
    left = self.hints()
    if left:
        raise WaitTimeout("no hints wait", 0.05, 1, f"hints wait for {left}")
    return 0.0


def test_a_moved_host_leaves_the_ring_clean(stands, ring):
    """The released address is gone from gossip and every view has the new one: nothing to rebuild."""
    west = ring.clusters.cluster("west")
    west.pods[0] = replace(west.pods[0], address="10.0.0.99", uid="new")
    agree(ring)

    assert stands.ring() is ring


def test_a_formation_that_fails_leaves_nothing_and_can_be_tried_again(stands, monkeypatch):
    ended = []

    class Handle:
        def close(self):
            ended.append("keeper")

    class Made:
        def __init__(self, *_):
            pass

        def build(self):
            raise OSError("no room")

        def close(self):
            ended.append("lease")

    stands._ring = None
    monkeypatch.setattr(lab, "start_keeper", lambda *_: Handle())
    monkeypatch.setattr(lab, "Lab", Made)
    monkeypatch.setattr(turns, "NAMES", f"test-turn-{id(stands)}")
    for _ in range(2):
        with pytest.raises(OSError, match="no room"):
            stands.ring()

    assert ended == ["lease", "keeper"] * 2
