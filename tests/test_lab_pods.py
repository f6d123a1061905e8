"""Pods of a lab: restarts by policy, volumes that stay, zones that freeze, die and come back."""

from __future__ import annotations

import json
import signal
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from clusters.cluster import PodAbsent, PodSpec, RestartPolicy
from clusters.errors import RingproofError
from clusters.lab.wire import LabError
from clusters.waiting import until
from tests.labs import SLEEPER, Hand, lab_up, small

pytestmark = pytest.mark.lab

QUICK = RestartPolicy(first=0.1, most=0.4)


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    folder = tmp_path_factory.mktemp("lab")
    with lab_up(small(), folder) as (lab, _handle):
        yield lab, folder


@pytest.fixture(scope="module")
def lab(place):
    return place[0]


@pytest.fixture(scope="module")
def folder(place):
    return place[1]


@pytest.fixture(scope="module")
def east(lab):
    return lab.cluster("east")


def changes(folder, pod):
    lines = (folder / "pods.jsonl").read_text().splitlines()
    return [change for change in map(json.loads, lines) if change["name"] == pod]


def test_a_main_process_that_ends_is_restarted_later_and_later_up_to_the_most(east, folder):
    pod = east.create_pod(PodSpec("ends", "a", ("/bin/sh", "-c", "exit 3"), restart=QUICK))
    until("five restarts", lambda: pod.state().restarts >= 5, timeout=20, every=0.05)
    seen = changes(folder, "ends")
    waits = [change for change in seen if change["state"] == "waiting"]
    starts = [change for change in seen if change["state"] == "running"]

    assert [wait["reason"] for wait in waits[:5]] == [
        f"exit 3, restart in {seconds} s" for seconds in (0.1, 0.2, 0.4, 0.4, 0.4)
    ]
    assert [wait["restarts"] for wait in waits[:5]] == [1, 2, 3, 4, 5]
    for wait, start, least in zip(waits, starts[1:], (0.1, 0.2, 0.4, 0.4), strict=False):
        assert start["t"] - wait["t"] >= least * 1e9
    assert pod.state().exit_code == 3


def test_a_killed_main_process_comes_back_by_itself_with_the_same_identity(east, folder):
    pod = east.create_pod(PodSpec("killed", "a", SLEEPER, restart=QUICK))
    before = pod.state()
    pod.signal(signal.SIGKILL)
    after = until("restarted", lambda: found if (found := pod.state()).restarts == 1 and found.state == "running"
                  else None, timeout=10, every=0.02)  # fmt: skip

    assert (after.uid, after.address) == (before.uid, before.address)
    assert after.exit_code == -signal.SIGKILL
    assert [change["state"] for change in changes(folder, "killed")] == ["running", "waiting", "running"]


def test_the_first_start_on_a_volume_has_its_own_command_and_files_are_filled_in(east):
    spec = PodSpec(
        "first",
        "a",
        (
            "/bin/sh",
            "-c",
            "cat {{CONFIG}}/who >> {{VOLUME}}/said; echo later >> {{VOLUME}}/said; exec tail -f /dev/null",
        ),
        (
            "/bin/sh",
            "-c",
            "cat {{CONFIG}}/who >> {{VOLUME}}/said; echo first >> {{VOLUME}}/said; exec tail -f /dev/null",
        ),
        files={"who": "{{POD_NAME}} {{POD_IP}} {{POD_UID}}\n"},
        restart=QUICK,
    )
    pod = east.create_pod(spec)
    old = pod.state()

    def said(lines):
        return until("said", lambda: text if (text := pod.read("{{VOLUME}}/said")).count("\n") >= lines else None,
                     timeout=10, every=0.02, tolerate=(LabError,)).splitlines()  # fmt: skip

    assert said(2) == [f"first {old.address} {old.uid}", "first"]
    new = east.reschedule("first")
    assert said(4)[2:] == [f"first {new.address} {new.uid}", "later"]


def test_a_rescheduled_pod_has_another_identity_and_address_and_its_old_volume(east):
    pod = east.create_pod(PodSpec("moved", "b", SLEEPER))
    old = pod.state()
    hand = Hand(pod)
    hand.run("import sys\nopen(sys.argv[1] + '/note', 'w').write('kept')")
    new = east.reschedule("moved")

    assert (new.name, new.node, new.zone) == (old.name, old.node, old.zone)
    assert new.uid != old.uid
    assert new.address != old.address
    assert pod.read("{{VOLUME}}/note") == "kept"
    assert pod.state() == new
    with pytest.raises((ConnectionError, TimeoutError)):
        hand.run("answer = 1")
    hand.close()
    (gone,) = east.pod("client").probe(
        {"do": "reach", "targets": [{"address": old.address, "port": 7070, "kind": "tcp", "timeout": 0.3}]}, 5
    )["results"]
    assert not gone["ok"]


def test_addresses_are_fresh_unless_pinned_and_a_pin_that_cannot_be_had_kills_nobody(east):
    pod = east.create_pod(PodSpec("pinned", "c", SLEEPER))
    first = pod.state()
    second = east.reschedule("pinned")
    third = east.reschedule("pinned")
    back = east.reschedule_at("pinned", first.address)

    assert len({first.address, second.address, third.address}) == 3
    assert back.address == first.address
    for impossible in (str(east.layout.client), "10.9.9.9", first.address):
        with pytest.raises(RingproofError, match=r"in use|not in a node|not one of a pod"):
            east.reschedule_at("pinned", impossible)
    assert pod.state() == back
    assert pod.probe({"do": "heard"}, 5)["ok"]


def test_an_address_of_another_nodes_range_can_be_pinned_and_given_up(lab, east):
    pod = east.create_pod(PodSpec("foreign", "c", SLEEPER))
    address = str(east.layout.nodes[0].pods[200])
    routes = east.gateway.routes()
    moved = east.reschedule_at("foreign", address)
    (seen,) = (
        lab.cluster("west")
        .pod("client")
        .probe({"do": "reach", "targets": [{"address": address, "port": 7070, "kind": "probe", "timeout": 2}]}, 5)[
            "results"
        ]
    )
    east.reschedule("foreign")

    assert (moved.address, seen["answered"]) == (address, moved.uid)
    assert moved.node == east.layout.nodes[2].name
    assert east.gateway.routes() == routes
    assert pod.state().address in {str(host) for host in east.layout.nodes[2].pods}


def test_a_deleted_pod_is_gone_with_its_name_and_its_address_is_given_back(lab, east):
    pod = east.create_pod(PodSpec("brief", "c", SLEEPER))
    state = pod.state()
    name = east.spec.dns.pod_name("brief")
    east.delete_pod("brief")
    client = lab.cluster("west").pod("client")
    (answer,) = client.probe({"do": "resolve", "names": [f"{name}."]}, 20)["results"]
    target = {"address": state.address, "port": 7070, "kind": "tcp", "timeout": 0.3}
    (reached,) = client.probe({"do": "reach", "targets": [target]}, 5)["results"]

    assert "brief" not in {found.name for found in east.states()}
    assert (answer["rcode"], reached["ok"]) == ("NXDOMAIN", False)
    again = east.create_pod(PodSpec("brief", "c", SLEEPER, address=state.address))
    assert again.state().address == state.address
    assert again.state().uid != state.uid


def test_what_does_not_exist_is_named(lab, east):
    east.create_pod(PodSpec("once", "a", SLEEPER))
    for act, said in (
        (lambda: east.pod("nobody").probe({"do": "heard"}, 1), "no pod nobody in cluster east"),
        (lambda: east.reschedule("nobody"), "no pod nobody in cluster east"),
        (lambda: east.create_pod(PodSpec("x", "moon")), "cluster east has no zone moon"),
        (lambda: east.create_pod(PodSpec("once", "a")), "cluster east has a pod once already"),
        (lambda: east.freeze("moon"), "no pod lives in zone moon of cluster east"),
        (lambda: lab.network("nowhere").rules(), "nowhere"),
    ):
        with pytest.raises(LabError, match=said):
            act()
    with pytest.raises(PodAbsent, match="cluster east has no pod nobody"):
        east.pod("nobody").state()


# zones


@pytest.fixture
def zoned(lab):
    """A pod of its own in each zone of west; zone b is as it was afterwards."""
    west = lab.cluster("west")
    pods = {}
    for zone in west.spec.zones:
        known = {state.name for state in west.states()}
        name = f"west-{zone}-0"
        pods[zone] = west.pod(name) if name in known else west.create_pod(PodSpec(name, zone, SLEEPER, restart=QUICK))
    return pods


def test_a_killed_zone_stays_down_until_it_is_started_and_keeps_its_identity(lab, zoned, folder):
    west = lab.cluster("west")
    before = zoned["b"].state()
    west.kill("b")
    held = zoned["b"].state()
    with pytest.raises((ConnectionError, TimeoutError)):
        zoned["b"].probe({"do": "heard"}, 0.2)
    with pytest.raises(TimeoutError):  # longer than the back-off would be
        zoned["a"].probe({"do": "reach", "targets": [{"address": "10.250.99.9", "port": 1, "kind": "tcp",
                                                      "timeout": 30}]}, 1.0)  # fmt: skip
    still = zoned["b"].state()
    west.start("b")
    after = zoned["b"].state()

    assert (held.state, held.reason, held.restarts) == ("exited", "held down with its node", before.restarts)
    assert still == held
    assert after.state == "running"
    assert (after.uid, after.address, after.restarts) == (before.uid, before.address, before.restarts + 1)
    assert zoned["b"].probe({"do": "heard"}, 5)["ok"]
    assert all(zoned[zone].state().restarts == 0 for zone in "ac")


def test_starting_a_zone_that_runs_changes_nothing(lab, zoned):
    before = lab.cluster("west").states()
    lab.cluster("west").start("a")

    assert lab.cluster("west").states() == before


def test_a_frozen_zone_answers_nothing_and_goes_on_where_it_was(lab, zoned):
    west = lab.cluster("west")
    hand = Hand(zoned["b"])
    hand.run("kept = 7")
    uid = zoned["b"].state().uid
    target = {"address": zoned["b"].state().address, "port": 7070, "kind": "probe", "timeout": 0.3}
    west.freeze("b")
    try:
        with pytest.raises(TimeoutError):
            zoned["b"].probe({"do": "heard"}, 0.3)
        (silent,) = zoned["a"].probe({"do": "reach", "targets": [target]}, 5)["results"]
        assert (silent["ok"], zoned["b"].state().state) == (False, "running")
    finally:
        west.thaw("b")

    assert hand.run("answer = kept") == 7
    (again,) = zoned["a"].probe({"do": "reach", "targets": [{**target, "timeout": 5}]}, 10)["results"]
    assert again["answered"] == uid
    hand.close()


# requests side by side


def test_a_slow_probe_holds_up_nobody_else(lab, east):
    """A dropped packet costs the probe its timeout; the state of pods and another probe come meanwhile."""
    slow = {"do": "reach", "targets": [{"address": "10.200.99.9", "port": 1, "kind": "tcp", "timeout": 2.0}]}
    started = time.monotonic()
    with ThreadPoolExecutor(2) as pool:
        waiting = pool.submit(lambda: (east.pod("client").probe(slow, 10), time.monotonic())[1])
        for _ in range(20):
            assert east.states()
            assert east.pod("client").probe({"do": "heard"}, 5)["ok"]
        done = time.monotonic()
        slow_done = waiting.result()

    assert done < slow_done
    assert slow_done - started >= 2.0


def test_many_pods_are_created_side_by_side_each_with_its_own_address(lab):
    west = lab.cluster("west")
    with ThreadPoolExecutor(6) as pool:
        list(pool.map(lambda number: west.create_pod(PodSpec(f"many-{number}", "abc"[number % 3])), range(6)))
    states = [state for state in west.states() if state.name.startswith("many-")]

    assert len({state.address for state in states}) == len({state.uid for state in states}) == 6


def test_reports_of_one_pod_do_not_hold_up_the_reschedule_of_another(lab, east):
    """Pods that end all the time report all the time, while a reschedule waits for its own pod's end."""
    for number in range(3):
        east.create_pod(PodSpec(f"flapping-{number}", "a", ("/bin/true",), restart=RestartPolicy(0.01, 0.01)))
    east.create_pod(PodSpec("calm", "b", SLEEPER))
    started = time.monotonic()
    for _ in range(5):
        east.reschedule("calm")

    assert time.monotonic() - started < 10
    east.kill("a")
    assert {state.state for state in east.states() if state.name.startswith("flapping-")} == {"exited"}


def test_the_labs_truth_tells_volumes_zones_and_who_runs(lab):
    west = lab.cluster("west")
    pod = west.create_pod(PodSpec("placed", "b", SLEEPER))
    old = pod.state()
    new = west.reschedule("placed")
    look = west.truth.look()
    (placement,) = [one for one in look if one.get("pod") == "placed"]
    (alive,) = [one for one in look if one["kind"] == "living"]

    assert (placement["uid"], placement["node"], placement["zone"]) == (new.uid, old.node, "b")
    assert (placement["volume"], placement["volume_zones"]) == ("placed", ["b"])
    known = {"pod": "placed", "uid": new.uid, "node": new.node}
    assert [{key: one[key] for key in known} for one in alive["pods"] if one["pod"] == "placed"] == [known]
    west.delete_pod("placed")
    assert not [one for one in west.truth.look()[-1]["pods"] if one["pod"] == "placed"]
