"""How the kind provider reads clusters: pods, nodes, declarations, cuts; and what a sweep may remove."""

from __future__ import annotations

import json
from dataclasses import replace
from ipaddress import IPv4Network
from pathlib import Path, PurePosixPath

import pytest

from clusters.alive import Identity
from clusters.catalog import named
from clusters.errors import ClustersGone, ClustersRefused, UsageError
from clusters.kind import containers as module
from clusters.kind.api import condition, node_facts
from clusters.kind.asserting import backends, differences
from clusters.kind.containers import Containers
from clusters.kind.cuts import isolation_of, zone_cut_of
from clusters.kind.hosting import commands
from clusters.kind.layout import Marks, lay_out
from clusters.kind.provider import bytes_of, changes
from clusters.kind.routing import NodeFacts
from clusters.kind.states import container_identity, owner_of, pod_state
from clusters.kind.sweeping import over, tags_of_guards
from clusters.network import Rule
from clusters.ring.flags import LAUNCHER
from clusters.shell import CommandFailed
from tests.test_kind_pure import IMAGE, MARKS, spoken

RUNNING = {"running": {"startedAt": "2026-01-01T00:00:00Z"}}
CRASHED = {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 8s"}}
KILLED = {"terminated": {"exitCode": 137, "reason": "Error"}}


def pod(state: dict, *, restarts: int = 0, last: dict | None = None) -> dict:
    status = {"name": "host", "state": state, "restartCount": restarts, "containerID": "containerd://abc"}
    status["lastState"] = last or {}
    return {
        "metadata": {"name": "east-a-0", "uid": "u-1"},
        "spec": {"nodeName": "n-a"},
        "status": {"podIP": "10.200.1.4", "phase": "Running", "containerStatuses": [status]},
    }


def test_a_running_pod():
    state = pod_state("east", pod(RUNNING), {"n-a": "a"})

    assert (state.state, state.reason, state.zone, state.address) == ("running", "", "a", "10.200.1.4")
    assert (state.uid, state.node, state.restarts, state.exit_code) == ("u-1", "n-a", 0, None)


def test_a_pod_that_waits_for_its_restart_says_why_and_how_it_ended():
    state = pod_state("east", pod(CRASHED, restarts=3, last=KILLED), {"n-a": "a"})

    assert (state.state, state.reason) == ("waiting", "CrashLoopBackOff: back-off 8s")
    assert (state.restarts, state.exit_code) == (3, 137)


def test_a_pod_whose_containers_are_being_made_has_not_died():
    making = pod({"waiting": {"reason": "ContainerCreating"}})

    assert pod_state("east", making, {"n-a": "a"}).state == "created"
    assert pod_state("east", pod(KILLED), {"n-a": "a"}).state == "waiting"


def test_a_death_between_two_looks_is_written_all_the_same():
    before = pod_state("east", pod(RUNNING), {"n-a": "a"})
    after = pod_state("east", pod(RUNNING, restarts=1, last=KILLED), {"n-a": "a"})

    assert changes(None, before) == [before]
    assert changes(before, before) == []
    died, running = changes(before, after)
    assert (died.state, died.reason, died.restarts) == ("waiting", "exit 137, restarted between two looks", 1)
    assert running == after
    assert changes(before, replace(after, uid="u-2")) == [replace(after, uid="u-2")]


def test_a_pod_on_a_dead_node_is_not_running_whatever_kubernetes_believes():
    state = pod_state("east", pod(RUNNING), {"n-a": "a"}, frozenset({"n-a"}))

    assert (state.state, state.reason) == ("exited", "held down with its node")


def test_a_pod_that_nobody_has_scheduled_yet():
    fresh = {"metadata": {"name": "p", "uid": "u"}, "spec": {}, "status": {"phase": "Pending"}}
    state = pod_state("east", fresh, {})

    assert (state.state, state.reason, state.address, state.node, state.zone) == ("created", "Pending", "", "", None)
    assert container_identity(fresh, "host") is None
    assert container_identity(pod(RUNNING), "host") == "abc"


def test_who_would_bring_a_pod_back():
    owned = {
        "metadata": {"ownerReferences": [{"kind": "Node", "name": "n"}, {"kind": "StatefulSet", "name": "east-a"}]}
    }

    assert owner_of(owned) == "east-a"
    assert owner_of({"metadata": {}}) is None


def node(name: str = "n-a", zone: str = "a", block: str | None = "10.200.1.0/24") -> dict:
    spec = {} if block is None else {"podCIDR": block}
    addresses = [{"type": "Hostname", "address": name}, {"type": "InternalIP", "address": "172.31.100.3"}]
    conditions = [{"type": "Ready", "status": "True"}]
    labels = {"topology.kubernetes.io/zone": zone}
    notes = {"flannel.alpha.coreos.com/backend-type": "host-gw"}
    return {
        "metadata": {"name": name, "labels": labels, "annotations": notes},
        "spec": spec,
        "status": {"addresses": addresses, "conditions": conditions},
    }


def test_a_node_is_known_once_it_has_a_block_of_the_pod_range():
    assert node_facts("east", node(block=None)) is None
    assert node_facts("east", node()) == NodeFacts("east", "n-a", "a", "172.31.100.3", IPv4Network("10.200.1.0/24"))
    assert condition(node(), "Ready") == "True"
    assert condition(node(), "Gone") == "Unknown"


# declarations

PLACE = lay_out(named("kind-vxlan"), "x").place("west")
SETTINGS = {"networking": {"dnsDomain": "cluster.local", "podSubnet": "10.17.0.0/16", "serviceSubnet": "10.96.0.0/16"}}


def live_nodes() -> list[NodeFacts]:
    blocks = PLACE.spec.pod_range.subnets(new_prefix=24)
    return [NodeFacts("west", f"n-{zone}", zone, "172.31.160.2", next(blocks)) for zone in ("infra", "a", "b", "c")]


def test_a_cluster_as_declared_has_no_difference():
    assert differences(PLACE, SETTINGS, live_nodes(), {"vxlan"}) == []
    assert backends([node(), node("n-b")]) == {"host-gw"}


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("dnsDomain", "east.local", "dnsDomain is east.local and was declared cluster.local"),
        ("podSubnet", "10.244.0.0/16", "pod range is 10.244.0.0/16"),
        ("serviceSubnet", None, "service range is None"),
    ],
)
def test_a_patch_that_kind_dropped_is_told(key, value, words):
    settings = {"networking": {**SETTINGS["networking"], key: value}}

    (told,) = differences(PLACE, settings, live_nodes(), {"vxlan"})
    assert words in told


def test_a_wrong_backend_a_missing_zone_and_a_foreign_block_are_told():
    nodes = [*live_nodes()[:-1], replace(live_nodes()[-1], zone="b", pods=IPv4Network("10.99.0.0/24"))]

    told = differences(PLACE, SETTINGS, nodes, {"vxlan", "None"})
    assert [sentence.split(" ")[0] for sentence in told] == ["zones", "pod", "pods"]


# cuts


def test_a_cut_zone_neither_sends_nor_hears_by_any_entrance():
    inside = live_nodes()[1]
    rules = zone_cut_of(PLACE, inside)

    assert Rule(10, iif="cni0") in rules
    assert Rule(10, iif="eth0", destination="10.17.1.0/24") in rules
    assert Rule(10, iif="flannel.1", destination="10.17.1.0/24") in rules
    assert Rule(10, iif="lo", destination="172.31.160.0/24") in rules


def test_without_an_overlay_there_is_one_entrance():
    east = lay_out(named("kind-vxlan"), "x").place("east")

    assert not [rule for rule in zone_cut_of(east, live_nodes()[1]) if rule.iif == "flannel.1"]


def test_an_isolated_zone_is_cut_from_pods_and_from_nobody_else():
    inside, other = live_nodes()[1:3]
    rules = isolation_of(PLACE, inside, [other.pods, IPv4Network("10.16.0.0/16")])

    assert len(rules) == 2 * 3
    assert Rule(10, iif="cni0", destination="10.17.2.0/24") in rules
    assert Rule(10, iif="flannel.1", source="10.16.0.0/16", destination="10.17.1.0/24") in rules
    assert not [rule for rule in rules if rule.iif == "lo" or rule.destination == "172.31.160.0/24"]


# hosts


def test_a_host_has_the_labs_command_line_at_the_images_paths(monkeypatch, tmp_path):
    for name in ("jamm-0.4.0.jar", "apache-cassandra-5.0.9.jar"):
        (tmp_path / name).touch()
    monkeypatch.setattr("clusters.kind.hosting.ensure_cassandra", lambda _version: tmp_path)
    jars = [tmp_path / "apache-cassandra-5.0.9.jar", tmp_path / "jamm-0.4.0.jar"]
    monkeypatch.setattr("clusters.kind.hosting.class_path", lambda _version: jars)
    ring = named("kind-host-gw").ring
    made = commands(ring, IMAGE)

    assert tuple(made["every"][: len(LAUNCHER) + 1]) == (*LAUNCHER, "/usr/bin/java")
    assert "-javaagent:/opt/cassandra/lib/jamm-0.4.0.jar" in made["every"]
    place = made["every"].index("-cp")
    assert made["every"][place + 1] == "/opt/cassandra/lib/apache-cassandra-5.0.9.jar:/opt/cassandra/lib/jamm-0.4.0.jar"
    assert not [word for words in made.values() for word in words if str(tmp_path) in word]
    assert "-Dcassandra.skip_wait_for_gossip_to_settle=0" in made["first"]
    assert set(made["every"]) < set(made["first"])


def test_an_image_with_another_cassandra_is_refused():
    image = replace(IMAGE, cassandra="ringproof/cassandra:4.1.10", java=PurePosixPath("/usr/bin/java"))
    with pytest.raises(UsageError, match=r"holds ringproof/cassandra:4[.]1[.]10, .* asks for Cassandra 5[.]0[.]9"):
        commands(named("kind-host-gw").ring, image)


# the engine


def failing(monkeypatch: pytest.MonkeyPatch, words: str) -> Containers:
    def run(command: list[str], **_: object) -> str:
        raise CommandFailed(f"{command[0]}: exit 1: {words}")

    monkeypatch.setattr(module, "run", run)
    return Containers("docker")


@pytest.mark.parametrize(
    ("words", "error"),
    [
        ("Error response from daemon: Container x is not running", ConnectionError),
        ("Error response from daemon: Container x is paused, unpause it", ConnectionError),
        ("Error: No such container: x", ClustersGone),
        ("invalid argument", ClustersRefused),
    ],
)
def test_what_the_engine_says_becomes_an_error_of_the_seam(monkeypatch, words, error):
    with pytest.raises(error):
        failing(monkeypatch, words).exec("x", ["true"])


def test_memory_is_read_as_engines_write_it():
    assert [bytes_of(text) for text in ("512MiB", "1.5GiB", "0B", "2kB")] == [2**29, 3 * 2**29, 0, 2000]


# sweeping


def test_only_dead_or_expired_sets_may_be_removed():
    alive = Marks("r", 1000.0, Identity.of(), Path("/runs/r"))

    assert over(alive, 999.0) is None
    assert over(alive, 1000.0) == "its time is over"
    assert over(replace(alive, owner=replace(alive.owner, start=alive.owner.start + 1)), 0.0) is not None
    assert over(replace(alive, owner=replace(alive.owner, boot="another")), 0.0) is not None


def test_every_guard_is_known_by_its_tag():
    layout = lay_out(named("kind-host-gw"), MARKS.name)
    _, machine = spoken({f"rp_{layout.tag}": [], "rp_0badcafe": []}, [])

    assert tags_of_guards(machine) == {layout.tag, "0badcafe"}
    assert json.loads(machine(["nft", "-j", "list", "tables"]))["nftables"]
