"""One conformance test of NetworkOps, whatever provider implements it: what is added is listed, and deleted exactly.

A provider joins by one entry in PROVIDERS: a context manager that yields namespaces of a live cluster: a node, the
client pod and another pod, with a neighbour to route through.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from clusters.catalog import named
from clusters.cluster import PodSpec
from clusters.errors import RingproofError
from clusters.network import PROTOCOL, NetworkOps, Route, Rule
from clusters.providers import KIND, provider
from tests.labs import SLEEPER, Hand, lab_up, small
from tests.rules import RULES


@dataclass
class Spaces:
    """``neighbour`` is an address that a route of the node may go by, at its eth0, and that the client reaches."""

    node: NetworkOps
    pod: NetworkOps
    other: NetworkOps
    neighbour: str
    hand: Hand


@contextmanager
def in_a_lab(folder: Path) -> Iterator[Spaces]:
    with lab_up(small(), folder) as (lab, _handle):
        cluster = lab.clusters[0]
        client = cluster.pod("client")
        hand = Hand(client)
        other = cluster.create_pod(PodSpec("sleeper", cluster.spec.zones[0], SLEEPER))
        yield Spaces(cluster.nodes()[0].net, client.net, other.net, str(cluster.layout.gateway), hand)
        hand.close()


@contextmanager
def in_kind(folder: Path) -> Iterator[Spaces]:
    """One cluster of one worker: `ip -j` by open shells in its containers, and in a pod entered from its node."""
    whole = named("kind-host-gw")
    one = whole.clusters[0].model_copy(update={"zones": whole.clusters[0].zones[:1]})
    topology = whole.model_copy(update={"ring": None, "clusters": (one,)})
    name = f"test-{uuid.uuid4().hex[:8]}/network/0"
    handle = provider(KIND).start(topology, name, folder)
    try:
        clusters = provider(KIND).attach(topology, name)
        cluster = clusters.clusters[0]
        client = cluster.pod("client")
        hand = Hand(client)
        other = cluster.create_pod(PodSpec("sleeper", one.zones[0]))
        node = next(node for node in cluster.nodes() if node.zone == one.zones[0])
        yield Spaces(node.net, client.net, other.net, str(cluster.place.router), hand)
        hand.close()
        clusters.close()
    finally:
        handle.close()


PROVIDERS = {"lab": in_a_lab, "kind": in_kind}


@pytest.fixture(params=[pytest.param(name, marks=getattr(pytest.mark, name)) for name in PROVIDERS], scope="module")
def spaces(request, tmp_path_factory):
    with PROVIDERS[request.param](tmp_path_factory.mktemp(request.param)) as found:
        yield found


@pytest.fixture(params=["node", "pod", "other"])
def net(request, spaces):
    found = getattr(spaces, request.param)
    rules, routes = found.rules(), found.routes()
    yield found
    assert (found.rules(), found.routes()) == (rules, routes)


@pytest.mark.parametrize("rule", RULES, ids=str)
def test_a_rule_is_listed_as_it_was_added_and_gone_after_its_deletion(net, rule):
    net.add_rule(rule)
    try:
        assert net.rules() == [rule]
    finally:
        net.delete_rule(rule)

    assert net.rules() == []


def test_rules_come_in_order_of_priority_and_one_deletion_leaves_the_others(net):
    for rule in reversed(RULES):
        net.add_rule(rule)
    try:
        assert net.rules() == RULES
        net.delete_rule(RULES[2])
        assert net.rules() == [rule for rule in RULES if rule is not RULES[2]]
    finally:
        for rule in net.rules():
            net.delete_rule(rule)


def test_a_rule_cannot_be_added_twice(net):
    net.add_rule(RULES[0])
    try:
        with pytest.raises(RingproofError):
            net.add_rule(RULES[0])
        assert net.rules() == [RULES[0]]
    finally:
        net.delete_rule(RULES[0])


@pytest.mark.parametrize(
    "missing", [RULES[0], replace(RULES[2], destination="10.9.8.6/32"), replace(RULES[2], priority=9)]
)
def test_deleting_a_rule_that_is_not_there_is_an_error_and_takes_no_other(net, missing):
    net.add_rule(RULES[2])
    try:
        with pytest.raises(RingproofError):
            net.delete_rule(missing)
        assert net.rules() == [RULES[2]]
    finally:
        net.delete_rule(RULES[2])


def test_rules_of_others_are_neither_listed_nor_deleted(spaces):
    within = "from pyroute2 import IPRoute\nwith IPRoute() as net:\n "
    add = within + "net.rule('add', priority=77, dst='10.7.0.0', dst_len=16, action='blackhole')"
    count = within + "answer = sum(rule.get_attr('FRA_PRIORITY') == 77 for rule in net.get_rules(family=2))"
    delete = within + "net.rule('del', priority=77)"
    spaces.hand.run(add)
    try:
        assert spaces.pod.rules() == []
        with pytest.raises(RingproofError):
            spaces.pod.delete_rule(Rule(77, destination="10.7.0.0/16"))
        assert spaces.hand.run(count) == 1
    finally:
        spaces.hand.run(delete)


def test_what_is_added_carries_our_mark(spaces):
    code = (
        "from pyroute2 import IPRoute\nwith IPRoute() as net:\n"
        " rules, routes = list(net.get_rules(family=2)), list(net.get_routes(family=2, table=254))\n"
        "answer = [[rule.get_attr('FRA_PROTOCOL') for rule in rules if rule.get_attr('FRA_PRIORITY') == 10],"
        " [route['proto'] for route in routes if route.get_attr('RTA_DST') == '203.0.113.0']]"
    )
    rule, route = Rule(10, destination="10.9.0.0/16"), Route("203.0.113.0/24", kind="blackhole")
    spaces.pod.add_rule(rule)
    spaces.pod.add_route(route)
    try:
        assert spaces.hand.run(code) == [[PROTOCOL], [PROTOCOL]]
    finally:
        spaces.pod.delete_rule(rule)
        spaces.pod.delete_route(route)


def routes_for(spaces):
    """203.0.113.0/24 is TEST-NET-3 (RFC 5737): no cluster owns it."""
    return {
        "blackhole": Route("203.0.113.0/24", kind="blackhole"),
        "unreachable": Route("203.0.113.7/32", kind="unreachable"),
        "via": Route("203.0.113.0/24", via=spaces.neighbour, device="eth0"),
        "link": Route("203.0.113.9/32", device="eth0"),
    }


@pytest.mark.parametrize("kind", ["blackhole", "unreachable", "via", "link"])
def test_a_route_is_listed_as_it_was_added_and_gone_after_its_deletion(spaces, kind):
    route = routes_for(spaces)[kind]
    before = spaces.node.routes()
    spaces.node.add_route(route)
    try:
        assert [found for found in spaces.node.routes() if found not in before] == [route]
        with pytest.raises(RingproofError):
            spaces.node.add_route(route)
    finally:
        spaces.node.delete_route(route)

    assert spaces.node.routes() == before


def test_deleting_a_route_that_is_not_there_is_an_error_and_takes_no_other(net):
    before = net.routes()

    for missing in (Route("203.0.113.0/24", kind="blackhole"), Route("203.0.113.9/32", device="eth9")):
        with pytest.raises(RingproofError):
            net.delete_route(missing)
    assert net.routes() == before


def test_links_are_up_and_count_the_packets_that_pass(spaces):
    before = {link.name: link for link in spaces.pod.links()}
    send = "import socket\nsocket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b'x', (to, 9))"
    for _ in range(5):
        spaces.hand.run(send, to=spaces.neighbour)
    after = {link.name: link for link in spaces.pod.links()}

    assert set(after) == {"lo", "eth0"}
    assert all(link.up and link.mtu >= 576 for link in after.values())
    assert after["eth0"].sent >= before["eth0"].sent + 5
