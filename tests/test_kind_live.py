"""Two real clusters and their ring, once: made, asked, cut, healed, taken down, and nothing left.

Needs a container engine and a node image: `make test-kind`. Every test here uses the same clusters.
"""

from __future__ import annotations

import json
import signal
import subprocess
import time
import uuid
from dataclasses import replace
from pathlib import Path

import pytest

from clusters.alive import Identity
from clusters.catalog import named
from clusters.cluster import PodAbsent, PodSpec
from clusters.errors import ClustersRefused
from clusters.journal import Journal
from clusters.kind.api import condition
from clusters.kind.containers import Containers
from clusters.kind.engine import choose
from clusters.kind.guard import Guard, tables
from clusters.kind.layout import LABEL_NAME, Marks, lay_out
from clusters.kind.place import Site, find_image
from clusters.kind.provider import PROVIDER
from clusters.kind.removing import nodes_of
from clusters.kind.resetting import Reset
from clusters.kind.sweeping import sweep_engine
from clusters.network import Rule
from clusters.probe import PORT
from clusters.ring.config import CQL_PORT
from clusters.ring.formation import form
from clusters.ring.resetting import emptied, put_aside
from clusters.ring.ring import Ring
from clusters.undo import Acts
from clusters.waiting import until
from scenarios.load import Load
from scenarios.reaching import answers
from scenarios.workloads.declared import EACH_QUORUM, LOCAL_QUORUM, Ledger, Probe, ProbeLane

pytestmark = pytest.mark.kind

TOPOLOGY = "kind-vxlan"
UNROUTED = "10.99.99.99"
"""Private, and of no range of the topology."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("kind")


@pytest.fixture(scope="module")
def name() -> str:
    return f"test-{uuid.uuid4().hex[:8]}/{TOPOLOGY}/0"


@pytest.fixture(scope="module")
def site(folder, name):
    """Clusters that stand; nothing of them is left when the module ends."""
    topology = named(TOPOLOGY)
    handle = PROVIDER.start(topology, name, folder)
    try:
        yield Site.of(topology, name)
    finally:
        handle.close()
    assert left_of(name) == []


def left_of(name: str) -> list[str]:
    containers = Containers(choose().program)
    layout = lay_out(named(TOPOLOGY), name)
    found = [*nodes_of(containers, layout.tag), *containers.labelled(f"{LABEL_NAME}={name}")]
    found += containers.labelled(f"{LABEL_NAME}={name}", "network")
    image = find_image(containers).name

    def machine(command: list[str], stdin: str | None = None) -> str:
        return containers.on_machine(image, command, stdin=stdin)

    found += [table for table in tables(machine) if table.endswith(layout.tag)]
    routes = json.loads(machine(["ip", "-j", "route", "show", "type", "unreachable"]) or "[]")
    own = {str(place.spec.pod_range) for place in layout.places}
    return found + [route["dst"] for route in routes if route["dst"] in own]


@pytest.fixture(scope="module")
def kind(site):
    made = PROVIDER.attach(named(TOPOLOGY), site.layout.name)
    yield made
    made.close()


@pytest.fixture(scope="module")
def ring(kind, folder) -> Ring:
    return form(kind, folder, f"rp-test-{uuid.uuid4().hex[:8]}")


def test_the_clusters_are_as_declared(kind, site):
    """asserting.py asked them at creation already; this asks what it did not."""
    for cluster in kind.clusters:
        assert len(cluster.nodes()) == 4
        assert sorted(filter(None, (node.zone for node in cluster.nodes()))) == ["a", "b", "c"]
        assert all(condition(node, "Ready") == "True" for node in site.api(cluster.place).nodes())
    assert kind.alive


def test_a_packet_to_an_unrouted_private_address_is_dropped_and_counted(kind, site):
    guard = Guard(site.layout, site.machine)
    before = guard.dropped()
    for cluster in kind.clusters:
        cluster.pod("client").probe({"do": "cast", "address": UNROUTED, "word": "lost"}, 5.0)
    after = guard.dropped()

    assert after["left_bridge"] - before["left_bridge"] == 3 * len(kind.clusters)  # cast sends each word three times


def test_nothing_has_left_by_itself(site):
    """The guard has had nothing to drop but what the test before sent."""
    assert {
        key: count for key, count in Guard(site.layout, site.machine).dropped().items() if key != "left_bridge"
    } == {
        "left_to": 0,
        "left_from": 0,
    }


def test_every_host_sees_every_host(ring):
    assert ring.disagreement() is None
    assert len({host.host_id for host in ring.hosts}) == 6


def test_racks_are_the_zones_of_the_nodes_that_the_pods_are_on(kind, ring):
    for host in ring.hosts:
        assert host.pod.state().zone == host.spec.rack


def test_the_truth_agrees_with_the_api_the_volumes_and_the_nodes_processes(kind, ring, site):
    for cluster in kind.clusters:
        look = cluster.truth.look()
        placed = {record["pod"]: record for record in look if record["kind"] == "placement"}
        api = {pod["metadata"]["name"]: pod for pod in site.api(cluster.place).pods(cluster.spec.dns.namespace)}
        hosts = {host.spec.pod: host for host in ring.hosts if host.spec.cluster == cluster.name}

        assert set(placed) == set(api) == set(hosts)
        for name, record in placed.items():
            assert (record["uid"], record["node"]) == (api[name]["metadata"]["uid"], api[name]["spec"]["nodeName"])
            assert [record["zone"]] == record["volume_zones"] == [hosts[name].spec.rack]
            assert (record["ready"], record["state"]) == (condition(api[name], "Ready"), "here")
        (living,) = [record for record in look if record["kind"] == "living"]
        assert living["unasked"] == []
        assert sorted((one["pod"], one["uid"], one["node"]) for one in living["pods"]) == sorted(
            (record["pod"], record["uid"], record["node"]) for record in placed.values()
        )
        ready = {record["node"]: record["status"] for record in look if record.get("condition") == "Ready"}
        assert ready == dict.fromkeys((node.name for node in cluster.nodes()), "True")
        timers = cluster.truth.timers()
        assert timers.source.startswith("default of v1.")
        assert (timers.unreachable, timers.status_every, timers.lease_every) == (300, 10, 10)


def test_a_watch_of_the_truth_begins_with_everything_and_ends_at_once(kind, ring):
    notes = []
    cluster = kind.cluster("west")
    watching = cluster.truth.watch(notes.append)
    time_until_end = ring.timed(watching.close)

    assert {note["kind"] for note in notes} >= {"placement", "node_condition", "volume", "endpoints"}
    assert not [note for note in notes if note["kind"] == "unseen"]
    assert time_until_end < 5


def test_each_quorum_writes_are_taken(ring, folder):
    load = Load(ring, folder / "scenario", f"k{uuid.uuid4().hex[:8]}", 1)
    (folder / "scenario" / "history").mkdir(parents=True)
    try:
        load.open([Ledger(), Probe((ProbeLane("write", EACH_QUORUM, 10.0), ProbeLane("read", LOCAL_QUORUM, 10.0)))])
        load.start()
        until("fifty operations", lambda: all(sum_of(one) > 50 for one in load.counts().values()), timeout=30)
        counts = load.stop()
    finally:
        load.close()
    assert set(counts) == {"east", "west"}
    assert all(sum_of(one) > 50 for one in counts.values())


def sum_of(counts: object) -> int:
    """Every number in an answer of a client, however deep."""
    if isinstance(counts, dict):
        return sum(sum_of(value) for value in counts.values())
    return counts if isinstance(counts, int) and not isinstance(counts, bool) else 0


def test_pods_keep_their_source_address_across_clusters(ring):
    east, west = ring.datacenters
    result = answers(east.hosts[0].pod, west.hosts[0].address, PORT)

    assert result["ok"], result
    assert result["answered"] == west.hosts[0].pod.state().uid
    assert result["source_seen"] == east.hosts[0].address


def test_a_cut_between_clusters_acts_and_is_taken_back(kind, ring, folder):
    acts = Acts(kind, Journal(folder / "journal.jsonl"))
    east, west = kind.clusters
    pairs = east.cut_towards(west.spec)
    target = ring.datacenter("west").hosts[0].address
    for net, rule in pairs:
        acts.add_rule(net, rule)
    assert not answers(east.pod("client"), target, CQL_PORT, 1.0)["ok"]
    assert answers(west.pod("client"), target, CQL_PORT)["ok"]
    assert acts.undo_all() == len(pairs)
    assert answers(east.pod("client"), target, CQL_PORT)["ok"]


def test_a_cut_zone_is_silent_and_heals(kind, ring):
    west = kind.cluster("west")
    inside = ring.datacenter("west").in_zone("b")[0]
    pairs = west.zone_cut("b")
    for net, rule in pairs:
        net.add_rule(rule)
    try:
        for cluster in kind.clusters:
            assert not answers(cluster.pod("client"), inside.address, CQL_PORT, 1.0)["ok"]
        assert inside.pod.probe({"do": "heard"}, 5.0)["ok"]  # whoever observes is not cut off
    finally:
        for net, rule in pairs:
            net.delete_rule(rule)
    assert answers(kind.cluster("east").pod("client"), inside.address, CQL_PORT)["ok"]


@pytest.mark.parametrize(
    ("action", "rcode"),
    [("servfail", "SERVFAIL"), ("nxdomain", "NXDOMAIN"), ("answer", "NOERROR"), ("drop", "SERVFAIL")],
)
def test_names_lie_and_tell_the_truth_again(kind, ring, action, rcode):
    east, host = kind.cluster("east"), ring.datacenter("west").hosts[0]
    ask = {"do": "resolve", "names": [f"{host.spec.name}."]}
    rule = {"id": f"r-{action}", "match": host.spec.name, "action": action}
    if action == "answer":
        rule["address"] = "192.0.2.1"
    east.add_dns_rule(rule)
    try:
        (heard,) = east.pod("client").probe(ask, 10.0)["results"]
        assert heard["rcode"] == rcode
        assert heard["addresses"] == (["192.0.2.1"] if action == "answer" else [])
        assert (heard["seconds"] >= 1) == (action == "drop")
        (other,) = east.pod("client").probe({"do": "resolve", "names": [f"{ring.hosts[0].spec.name}."]}, 5.0)["results"]
        assert other["addresses"] == [ring.hosts[0].address]
    finally:
        east.delete_dns_rule(f"r-{action}")
    (heard,) = east.pod("client").probe(ask, 10.0)["results"]
    assert heard["addresses"] == [host.address]
    assert east.dns_rules() == []


def test_a_signal_reaches_the_host_and_the_kubelet_brings_it_back(ring):
    host = ring.datacenter("east").hosts[1]
    before = host.pod.state()
    host.pod.signal(signal.SIGKILL)
    until("restarted in place", lambda: host.pod.state().restarts > before.restarts, timeout=60, every=0.3)
    ring.await_agreement(90)
    after = host.pod.state()
    assert (after.uid, after.address, after.exit_code) == (before.uid, before.address, 137)


def test_a_rescheduled_pod_comes_back_as_itself_at_another_address(ring):
    host = ring.datacenter("west").hosts[0]
    old = host.pod.state()
    new = host.cluster.reschedule(host.spec.pod)

    assert new.uid != old.uid
    assert new.address != old.address
    assert new.node == old.node
    ring.await_agreement(90)
    assert host.view().host_id == host.host_id


@pytest.mark.parametrize(("stop", "start"), [("freeze", "thaw"), ("kill", "start")])
def test_a_stopped_zone_is_silent_and_comes_back(kind, ring, stop, start):
    east = kind.cluster("east")
    (host,) = ring.datacenter("east").in_zone("c")
    address = host.address
    getattr(east, stop)("c")
    getattr(east, stop)("c")
    try:
        assert not answers(east.pod("client"), address, CQL_PORT, 1.0)["ok"]
        assert host.pod.state().state == ("running" if stop == "freeze" else "exited")
    finally:
        getattr(east, start)("c")
    getattr(east, start)("c")
    ring.await_agreement(120)
    assert host.view().host_id == host.host_id


def test_a_bare_pod_has_an_agent_and_goes_with_its_name(kind):
    west = kind.cluster("west")
    pod = west.create_pod(PodSpec("twin", "a"))
    assert answers(kind.cluster("east").pod("client"), pod.state().address, PORT)["answered"] == pod.state().uid
    pod.net.add_rule(Rule(10, destination="192.0.2.0/24"))
    assert pod.net.rules() == [Rule(10, destination="192.0.2.0/24")]
    west.delete_pod("twin")
    with pytest.raises(PodAbsent):
        pod.state()


def test_pods_ask_their_resolver_as_long_and_as_often_as_the_topology_says(ring):
    for host in ring.hosts:
        assert {"timeout:1", "attempts:2"} <= set(host.pod.read("/etc/resolv.conf").split())


def test_states_are_written_as_they_change(ring, folder):
    records = [json.loads(line) for line in (folder / "pods.jsonl").read_text().splitlines()]

    assert {record["name"] for record in records} >= {host.spec.pod for host in ring.hosts}
    assert {record["by"] for record in records} == {"kind"}


def test_an_address_can_be_given_to_a_pod_again(ring):
    """Last of those with the ring, which it leaves in disorder: gossip keeps a released address for a while."""
    host = ring.datacenter("west").hosts[2]
    old = host.pod.state()
    moved = host.cluster.reschedule(host.spec.pod)
    with pytest.raises(ClustersRefused, match="is the address of"):
        host.cluster.reschedule_at(host.spec.pod, ring.datacenter("west").hosts[1].address)
    back = host.cluster.reschedule_at(host.spec.pod, old.address)

    assert len({old.uid, moved.uid, back.uid}) == 3
    assert back.address == old.address != moved.address


def test_memory_is_counted(kind, ring):
    assert 1e9 < kind.memory() < 8e9


def test_clusters_are_reset_in_place_and_the_next_ring_forms_on_them(kind, ring, site, folder, record_property):
    """What faults and a ring leave, all at once: zones frozen and killed, rules, a route taken, a lie about a name."""
    east, west = kind.clusters
    kept = {name: site.containers.state(name).identity for name in nodes(site)}
    old = {host.pod.state().uid for host in ring.hosts}
    east.freeze("a")
    west.kill("b")
    kind.router.add_rule(Rule(10, destination="192.0.2.0/24"))
    west.nodes()[0].net.add_rule(Rule(11, destination="192.0.2.0/24"))
    taken = next(route for route in kind.router.routes() if route.via and route.destination != "0.0.0.0/0")
    kind.router.delete_route(taken)
    east.add_dns_rule({"id": "left", "match": ring.hosts[0].spec.name, "action": "nxdomain"})
    west.create_pod(PodSpec("left", "a"))
    assert len(Reset(site, kind.clusters).dirt()) >= 2

    begun = time.monotonic()
    assert kind.reset() == []
    record_property("reset_seconds", round(time.monotonic() - begun, 1))
    assert [state.name for cluster in kind.clusters for state in cluster.states()] == ["client", "client"]
    assert kept == {name: site.containers.state(name).identity for name in nodes(site)}
    assert east.dns_rules() == []

    put_aside(kind, folder, 1)
    begun = time.monotonic()
    again = form(kind, folder, f"rp-again-{uuid.uuid4().hex[:8]}")
    record_property("formed_seconds", round(time.monotonic() - begun, 1))
    assert again.disagreement() is None
    assert old.isdisjoint(host.pod.state().uid for host in again.hosts)
    assert {host.host_id for host in again.hosts}.isdisjoint(host.host_id for host in ring.hosts)
    assert (folder / "hosts" / f"{again.hosts[0].spec.pod}.reset-1" / "system.log").exists()


def nodes(site) -> list[str]:
    return nodes_of(site.containers, site.layout.tag)


def test_what_a_reset_cannot_clean_is_said_and_told_in_the_evidence(kind, site, folder, monkeypatch):
    """A volume that nobody deletes: made behind the provisioner's back."""
    assert kind.reset() == []
    monkeypatch.setattr("clusters.kind.resetting.RESET_SECONDS", 10.0)
    node = kind.cluster("west").nodes()[-1].name
    site.perform(node, ["mkdir", "/var/local-path-provisioner/left"])
    try:
        assert emptied(kind, folder, lambda _text: None) == [f"on node {node} 0 hosts run and 1 volumes are left"]
    finally:
        site.perform(node, ["rmdir", "/var/local-path-provisioner/left"])
    told = json.loads((folder / "quarantined" / "objects-west.json").read_text())
    assert {one["metadata"]["name"] for one in told["nodes"]} >= {node}
    assert "kubelet" in (folder / "quarantined" / f"{node}.log").read_text()
    assert node in (folder / "quarantined" / "dirt.txt").read_text()
    assert kind.reset() == []


def test_a_sweep_removes_what_the_dead_left_and_nothing_else(tmp_path):
    """Beside it stand a container and a network of somebody else, and those of a living process."""
    containers = Containers(choose().program)
    image = find_image(containers).name
    one = uuid.uuid4().hex[:6]
    dead = replace(Identity.of(), boot="another boot")
    owners = {f"dead-{one}": dead, f"alive-{one}": Identity.of(), f"theirs-{one}": None}
    for name, owner in owners.items():
        marks = {} if owner is None else Marks(name, time.time() + 600, owner, tmp_path).labels()
        labels = [word for key, value in marks.items() for word in ("--label", f"{key}={value}")]
        containers.ask("network", "create", "--internal", *labels, name)
        containers.ask("run", "-d", "--name", name, "--network", name, *labels, "--entrypoint", "sleep", image, "60")
    try:
        told = [line for line in sweep_engine(containers, time.time()) if one in line]
        left = [state.name for state in containers.states(*owners)]
        networks = containers.ask("network", "ls", "--filter", f"name={one}", "--format", "{{.Name}}").split()
    finally:
        containers.remove(*owners)
        for name in owners:
            subprocess.run([containers.program, "network", "rm", name], capture_output=True, check=False)
    assert told == [f"removed kind clusters dead-{one}: its process {dead.pid} is gone"]
    assert sorted(left) == sorted(networks) == [f"alive-{one}", f"theirs-{one}"]
