"""A ring given up on clusters that are kept, and clusters that are given up because they did not become clean."""

import json

import pytest

from clusters.errors import ClustersRefused
from clusters.journal import Journal
from clusters.kind.clean import container_dirt, network_dirt, node_dirt, object_dirt, router_dirt
from clusters.kind.containers import ContainerState
from clusters.network import Route, Rule
from clusters.ring import standing
from clusters.ring.standing import StandingRing
from tests.ring_fakes import FakeCluster, FakeLab, fake_ring

OURS = Rule(9, destination="192.0.2.0/24")


class Resettable(FakeLab):
    """Clusters that are as dirty after a reset as they are told to be."""

    def __init__(self, clusters):
        super().__init__(clusters)
        self.dirt = []
        self.reset_times = 0

    def reset(self):
        self.reset_times += 1
        if isinstance(self.dirt, Exception):
            raise self.dirt
        return list(self.dirt)

    def keep_evidence(self, folder):
        (folder / "node.log").write_text("last words")


@pytest.fixture
def ring(tmp_path):
    made = fake_ring(tmp_path / "r1")
    made.clusters = Resettable(made.clusters.clusters)
    for name in ("east-a-0", "west-c-0", "east-client"):
        (made.folder / "hosts" / name).mkdir(parents=True)
        (made.folder / "hosts" / name / "system.log").write_text(name)
    return made


@pytest.fixture
def stands(ring, monkeypatch):
    made = StandingRing(ring.topology, ring.folder, "r1")
    made._ring, made._clusters, made._rules = ring, ring.clusters, standing.snapshot(ring)
    made.told, made.formed = [], []
    made.step = made.told.append

    def form(clusters, folder, cluster_name, _step):
        made.formed.append((clusters, folder, cluster_name))
        return ring

    monkeypatch.setattr(standing, "form", form)
    monkeypatch.setattr("clusters.turns.NAMES", f"test-turn-{id(made)}")
    return made


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_a_ring_that_is_not_clean_is_replaced_on_its_clusters(stands, ring):
    ring.hosts[0].tables = standing.HEAP_TABLES + 1
    clusters = ring.clusters

    assert stands.ring() is ring

    assert clusters.reset_times == 1
    assert not clusters.closed
    assert stands.formed == [(clusters, ring.folder, "rp-r1-stub-domains-1")]
    assert stands.resets == [f"{standing.HEAP_TABLES + 1} tables"]
    assert stands.rebuilt == []
    assert stands.set_name == "r1/stub-domains/0"
    assert stands.told[-1] == "clusters of stub-domains are clean again"


def test_what_the_hosts_before_wrote_is_kept_and_the_client_goes_on(stands, ring):
    ring.hosts[0].tables = standing.HEAP_TABLES + 1
    stands.ring()
    (ring.folder / "hosts" / "east-a-0").mkdir()
    stands.ring()

    assert names(ring.folder / "hosts") == [
        "east-a-0.reset-1", "east-a-0.reset-2", "east-client", "west-c-0.reset-1"]  # fmt: skip
    assert (ring.folder / "hosts" / "west-c-0.reset-1" / "system.log").read_text() == "west-c-0"


def test_what_the_journal_has_open_is_undone_before_and_the_next_ring_has_a_new_one(stands, ring):
    ring.clusters.router.standing.append(OURS)
    journal = Journal(ring.folder / "journal.jsonl")
    journal.write({"provider": "lab", "act": "rule", "space": "router", "rule": OURS.as_json()})

    stands.ring()

    assert ring.clusters.router.standing == []
    assert Journal(ring.folder / "journal.reset-1.jsonl").open() == {}
    assert names(ring.folder)[-1] == "journal.reset-1.jsonl"
    assert stands.resets == ["the journal has open entries"]


def test_an_undo_that_fails_is_told_and_the_reset_decides(stands, ring):
    Journal(ring.folder / "journal.jsonl").write({"provider": "moon", "act": "rule", "space": "router", "rule": {}})

    stands.ring()

    assert any("made on clusters of moon" in told and told.endswith("; the reset decides") for told in stands.told)
    assert stands.resets == ["the journal has open entries"]


@pytest.mark.parametrize("dirt", [["node n is not ready (False)", "pods of east: east-a-0"], ClustersRefused("no")])
def test_clusters_that_stay_dirty_are_quarantined_and_new_ones_are_made(stands, ring, monkeypatch, dirt):
    ring.hosts[0].tables = standing.HEAP_TABLES + 1
    dirty, fresh = ring.clusters, FakeLab([FakeCluster(one.name, one.spec, one.pods) for one in ring.clusters.clusters])
    dirty.dirt = dirt
    monkeypatch.setattr(stands, "clusters", lambda: fresh)

    stands.ring()

    assert dirty.closed
    assert stands.resets == []
    assert stands.rebuilt == [f"{standing.HEAP_TABLES + 1} tables"]
    assert stands.formed == [(fresh, ring.folder / "rebuilt-1", "rp-r1-stub-domains")]
    assert (ring.folder / "quarantined" / "node.log").exists()
    kept = (ring.folder / "quarantined" / "dirt.txt").read_text().splitlines()
    assert kept == (["the reset ended early: no"] if isinstance(dirt, Exception) else dirt)
    assert [told for told in stands.told if kept[0] in told and "quarantined" in told]


def test_an_interruption_in_a_reset_surfaces(stands, ring):
    ring.hosts[0].tables = standing.HEAP_TABLES + 1
    ring.clusters.reset = lambda: (_ for _ in ()).throw(KeyboardInterrupt)

    with pytest.raises(KeyboardInterrupt):
        stands.ring()
    assert stands.formed == []


# what is dirt


def container(name, *, running=True, paused=False):
    return ContainerState(name, name, running, paused, 1, {}, {})


def node(name, ready="True", **spec):
    return {"metadata": {"name": name}, "spec": spec, "status": {"conditions": [{"type": "Ready", "status": ready}]}}


def test_containers_that_are_gone_stopped_or_frozen_are_named():
    states = [container("a"), container("b", running=False), container("c", paused=True)]

    assert list(container_dirt(["a", "b", "c", "d"], states)) == [
        "container b is stopped", "container c is frozen", "container d is gone"]  # fmt: skip


def test_nodes_that_would_take_no_host_are_named():
    unreachable = [{"key": "node.kubernetes.io/unreachable", "effect": "NoExecute"}]
    plane = [{"key": "node-role.kubernetes.io/control-plane", "effect": "NoSchedule"}]
    nodes = [
        node("a", taints=plane),
        node("b", "Unknown"),
        node("c", taints=unreachable),
        node("d", unschedulable=True),
    ]

    assert list(node_dirt("east", 4, nodes)) == [
        "node b is not ready (Unknown)",
        "node c takes no pods: node.kubernetes.io/unreachable",
        "node d takes no pods: cordoned",
    ]
    assert list(node_dirt("east", 5, nodes[:1])) == ["cluster east has 1 nodes instead of 5"]


def test_objects_that_are_left_are_named():
    claim = {"metadata": {"name": "volume-east-a-0"}}

    assert list(object_dirt("east", {"pods": [], "persistentvolumeclaims": [claim]})) == [
        "persistentvolumeclaims of east: volume-east-a-0"]  # fmt: skip


def test_rules_that_stand_and_routes_that_lack_are_told():
    wanted = [Route("10.1.0.0/16", "172.31.0.2"), Route("10.0.0.0/8", kind="unreachable")]

    assert list(network_dirt("n", [], [*wanted, Route("172.31.0.0/24", None, "eth0")], wanted)) == []
    rules, routes = network_dirt("n", [OURS], wanted[1:], wanted)
    assert rules.startswith("n has 1 rules of ours")
    assert routes == "n lacks 1 routes, such as 10.1.0.0/16"


def test_a_route_that_nobody_wants_is_told_of_the_router_but_not_its_own_networks():
    wanted = [Route("10.1.0.0/16", "172.31.0.2")]
    own = [Route("172.31.0.0/24", None, "eth0"), Route("0.0.0.0/0", "172.31.0.1", "eth0")]

    assert list(router_dirt([*wanted, *own], wanted)) == []
    assert list(router_dirt([*wanted, *own, Route("10.9.0.0/16", "172.31.0.9")], wanted)) == [
        "the router has 1 routes more, such as 10.9.0.0/16 by 172.31.0.9"]  # fmt: skip


def test_ring_json_tells_resets(stands, ring):
    from clusters.ring.attach import write_ring

    stands.resets = ["one"]
    write_ring(stands, ring)

    facts = json.loads((ring.folder / "ring.json").read_text())
    assert (facts["set"], facts["reset"], facts["rebuilt"]) == ("r1/stub-domains/0", ["one"], [])
