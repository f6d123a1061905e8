"""The network of a lab: who reaches whom, as whom, and that nothing leads out."""

from __future__ import annotations

import socket
import uuid

import pytest

from clusters.cluster import PodSpec
from clusters.lab.provider import Lab, start_keeper
from clusters.probe import PORT
from tests.labs import Hand, add_pods, lab_up, small

pytestmark = pytest.mark.lab

UNREACHABLE = "import socket\nsocket.create_connection((to, 80), 5)"


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    with lab_up(small(), tmp_path_factory.mktemp("lab")) as (lab, _handle):
        add_pods(lab)
        yield lab


@pytest.fixture(scope="module")
def twins(tmp_path_factory):
    """A second lab of the same topology, with the same ranges and names, at the same time."""
    with lab_up(small(), tmp_path_factory.mktemp("twins")) as (lab, _handle):
        add_pods(lab)
        yield lab


def ask(pod, *targets, **more):
    asked = [{"port": PORT, "kind": "probe", "timeout": 2.0, **more, **target} for target in targets]
    return pod.probe({"do": "reach", "targets": asked}, 10)["results"]


def test_every_pod_reaches_every_other_as_itself_from_its_own_address(lab):
    states = [state for cluster in lab.clusters for state in cluster.states()]
    for source in states:
        if source.name == "dns":
            continue
        others = [state for state in states if state.uid != source.uid]
        pod = lab.cluster(source.cluster).pod(source.name)
        reached = [state for state in others if state.name != "dns"]
        for target, result in zip(reached, ask(pod, *({"address": state.address} for state in reached)), strict=True):
            assert result["error"] is None
            assert (result["answered"], result["pod"]) == (target.uid, target.name)
            assert result["source_seen"] == result["source"] == source.address


@pytest.mark.parametrize("size", [1, 1024, 65536, 1048576])
def test_payloads_come_back_across_clusters(lab, size):
    target = lab.cluster("west").pod("west-a-0").state()

    (result,) = ask(lab.cluster("east").pod("east-a-0"), {"address": target.address}, bytes=size)

    assert (result["ok"], result["bytes"], result["answered"]) == (True, size, target.uid)


def test_a_packet_to_a_range_that_nobody_owns_is_answered_unreachable_inside_the_lab(lab):
    hand = Hand(lab.cluster("east").pod("client"))
    try:
        for address in ("10.199.1.1", "172.16.3.4", "192.168.7.8", "100.64.0.9", "203.0.113.5"):
            with pytest.raises(RuntimeError, match=r"No route to host|Network is unreachable"):
                hand.run(UNREACHABLE, to=address)
    finally:
        hand.close()


def test_no_interface_of_the_machine_is_in_any_namespace_of_the_lab(lab):
    kinds = (
        "import pyroute2\nwith pyroute2.IPRoute() as net:\n"
        " answer = {link.get_attr('IFLA_IFNAME'): link.get_nested('IFLA_LINKINFO', 'IFLA_INFO_KIND') or 'loopback'"
        " for link in net.get_links()}"
    )
    hands = {name: Hand(lab.cluster(name).pod("client")) for name in ("east", "west")}
    for hand in hands.values():
        assert hand.run(kinds) == {"lo": "loopback", "eth0": "veth"}
        hand.close()
    spaces = ["router", *(f"{cluster.name}-gateway" for cluster in lab.clusters)]
    spaces += [node.name for cluster in lab.clusters for node in cluster.nodes()]
    spaces += [f"pod:{state.cluster}/{state.name}" for cluster in lab.clusters for state in cluster.states()]
    names = {space: {link.name.rstrip("0123456789") for link in lab.network(space).links()} for space in spaces}

    assert set().union(*names.values()) <= {"lo", "c", "uplink", "n", "eth", "p"}
    assert not {name for _, name in socket.if_nameindex()} & {"uplink", "c0", "c1", "n0", "p1"}


def test_the_router_has_no_way_out(lab):
    for route in lab.router.routes():
        assert route.destination != "0.0.0.0/0"
        if route.destination in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10"):
            assert route.kind == "unreachable"


def test_two_labs_with_the_same_ranges_do_not_see_each_other(lab, twins):
    """Pods of the same name at the same address exist in both; each lab answers with its own, and hears its own."""
    for here, there in ((lab, twins), (twins, lab)):
        mine, other = here.cluster("west").pod("west-a-0").state(), there.cluster("west").pod("west-a-0").state()
        assert mine.address == other.address
        assert mine.uid != other.uid
        (result,) = ask(here.cluster("east").pod("client"), {"address": mine.address})
        assert result["answered"] == mine.uid

    word = uuid.uuid4().hex
    target = lab.cluster("west").pod("west-b-0")
    address = target.state().address
    lab.cluster("east").pod("client").probe({"do": "cast", "address": address, "word": word}, 5)
    ask(lab.cluster("east").pod("client"), {"address": address})
    assert word in target.probe({"do": "heard"}, 5)["words"]
    assert word not in twins.cluster("west").pod("west-b-0").probe({"do": "heard"}, 5)["words"]


def test_a_range_taken_twice_is_refused_by_the_router_and_the_local_twin_answers(tmp_path):
    with lab_up(small("overlap"), tmp_path) as (lab, handle):
        east, west = lab.clusters
        for cluster in (east, west):
            cluster.create_pod(PodSpec(f"{cluster.name}-twin", "a"))
        here, there = east.pod("east-twin").state(), west.pod("west-twin").state()
        (result,) = ask(east.pod("client"), {"address": there.address})
        routes = {route.destination: route.via for route in lab.router.routes()}

        assert here.address == there.address
        assert result["ok"]
        assert result["answered"] == here.uid != there.uid
        assert routes[str(west.layout.pod_range)] == "169.254.0.2"
        assert handle.keeper.poll() is None


def test_the_router_names_the_ranges_that_it_refused(tmp_path):
    name = f"test/{uuid.uuid4().hex[:12]}"
    handle = start_keeper(name, tmp_path)
    lab = Lab(small("overlap"), name)
    try:
        assert lab.build() == {"east": [], "west": ["10.200.0.0/16"]}
    finally:
        lab.close()
        handle.close()


def test_an_isolated_cluster_reaches_itself_and_nobody_else(tmp_path):
    topology = small()
    west = topology.cluster("west").model_copy(update={"joined": False})
    topology = topology.model_copy(update={"clusters": (topology.cluster("east"), west)})
    with lab_up(topology, tmp_path) as (lab, _handle):
        add_pods(lab)
        target = lab.cluster("east").pod("east-a-0").state()
        own = lab.cluster("west").pod("west-b-0").state()
        far, near = ask(lab.cluster("west").pod("west-a-0"), {"address": target.address}, {"address": own.address})

    assert (far["ok"], near["ok"]) == (False, True)
    assert "unreachable" in far["error"]
