"""The planner against the plain pairwise definition of its rules, and each rule by example."""

import json
from collections import Counter
from io import StringIO
from ipaddress import IPv4Address, IPv4Network
from itertools import combinations, product
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from rich.console import Console

from clusters.errors import PlanRefused
from clusters.plan import Plan, plan
from clusters.ranges import FreeSpace
from clusters.topology import ClusterSpec, DatacenterSpec, DnsForward, DnsMode, DnsSpec, RingSpec, Topology
from ringproof.plan_view import render

EXAMPLES = Path(__file__).parent.parent / "docs" / "examples"
RFC_1918 = ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16")
ADDRESS_CODES = {f"RP-PLAN-{number:03}" for number in (1, 2, 3, 4, 6)}


def dns(name: str = "east", **more) -> DnsSpec:
    return DnsSpec(**{"mode": DnsMode.STUB_DOMAIN, "suffix": f"{name}.local", "namespace": "ring", **more})


def cluster(number: int = 1, **more) -> ClusterSpec:
    """A cluster whose ranges and names are its own."""
    own = {
        "name": f"c{number}",
        "node_range": f"10.{number}.0.0/24",
        "pod_range": f"10.{number + 100}.0.0/16",
        "service_range": f"172.{number + 16}.0.0/16",
        "dns": dns(f"c{number}"),
    }
    return ClusterSpec(**{**own, **more})


def planned(*clusters: ClusterSpec, routes: tuple[str, ...] = (), **more) -> Plan:
    return plan(Topology(name="t", clusters=clusters, **more), [IPv4Network(route) for route in routes])


def codes(found: Plan) -> list[str]:
    return [conflict.code for conflict in found.conflicts]


def noted(found: Plan) -> list[str]:
    return [note.code for note in (*found.allowed, *found.warnings)]


# Few, nested, often equal ranges: most pairs of clusters share something.
networks = st.builds(
    lambda slot, prefix: IPv4Network(((10 << 24) + (slot << 16) & (0xFFFFFFFF << (32 - prefix)), prefix)),
    st.integers(0, 15),
    st.integers(12, 18),
)


@st.composite
def topologies(draw) -> Topology:
    count = draw(st.integers(1, 6))
    return Topology(
        name="drawn",
        clusters=tuple(
            cluster(
                number,
                node_range=draw(networks),
                pod_range=draw(networks),
                service_range=draw(networks),
                joined=draw(st.booleans()),
                announce_services=draw(st.booleans()),
            )
            for number in range(count)
        ),
    )


def every_range(topology: Topology, routes: list[IPv4Network]) -> list[tuple[ClusterSpec | None, str, IPv4Network]]:
    found = [
        (c, what, network)
        for c in topology.clusters
        for what, network in (("nodes", c.node_range), ("pods", c.pod_range), ("services", c.service_range))
    ]
    return found + [(None, "route", route) for route in dict.fromkeys(routes)]


def meet(one, other) -> bool:
    """The rule in words: are the two ranges routable to each other?"""
    (a, what_a, _), (b, what_b, _) = one, other
    if a is None or b is None:
        owner, what = (b, what_b) if a is None else (a, what_a)
        return owner is not None and (owner.joined or what == "nodes")
    if a is b:
        return True
    routed_a = what_a != "services" or a.announce_services
    routed_b = what_b != "services" or b.announce_services
    return a.joined and b.joined and (routed_a or routed_b)


def key(one) -> tuple[str, str, str]:
    owner, what, network = one
    return (owner.name if owner else "this machine", what, str(network))


@settings(deadline=None, max_examples=200)
@given(topologies(), st.lists(networks, max_size=3))
def test_every_shared_address_is_a_conflict_or_allowed_exactly_as_pair_by_pair(topology, routes):
    found = plan(topology, routes)

    sharing = [
        (one, other)
        for one, other in combinations(every_range(topology, routes), 2)
        if one[2].overlaps(other[2]) and (one[0] or other[0])
    ]
    expected = Counter(frozenset((key(one), key(other))) for one, other in sharing if meet(one, other))
    by_rule = [conflict for conflict in found.conflicts if conflict.code in ADDRESS_CODES]
    actual = Counter(frozenset((p.owner, p.what, p.value) for p in (c.first, c.second)) for c in by_rule)
    assert actual == expected

    notes = [{(p.owner, p.what, p.value) for p in note.about} for note in found.allowed]
    for one, other in sharing:
        if not meet(one, other):
            assert any({key(one), key(other)} <= note for note in notes)


@settings(deadline=None, max_examples=100)
@given(topologies(), st.lists(networks, max_size=3))
def test_the_intersection_is_what_both_hold(topology, routes):
    for conflict in plan(topology, routes).conflicts:
        if conflict.code in ADDRESS_CODES:
            shared, sides = IPv4Network(conflict.intersection), (conflict.first, conflict.second)
            one, other = (IPv4Network(side.value) for side in sides)
            assert shared.subnet_of(one)
            assert shared.subnet_of(other)
            assert shared in (one, other)


@settings(deadline=None, max_examples=100)
@given(st.lists(networks, max_size=12), st.lists(st.integers(10, 18), max_size=6))
@example([], [10] * 5)
def test_free_space_is_free_given_once_and_refused_only_where_none_is_left(taken, prefixes):
    free = FreeSpace(taken)
    given_out = []
    for prefix in prefixes:
        block = free.block(prefix)
        if block is None:
            whole = [IPv4Network(text) for text in RFC_1918]
            every = [
                one for private in whole if private.prefixlen <= prefix for one in private.subnets(new_prefix=prefix)
            ]
            assert all(any(one.overlaps(other) for other in (*taken, *given_out)) for one in every)
        else:
            assert block.prefixlen == prefix
            given_out.append(block)

    assert not any(one.overlaps(other) for one, other in combinations(given_out, 2))
    assert not any(one.overlaps(other) for one, other in product(given_out, taken))


def test_free_space_ends():
    free = FreeSpace([IPv4Network("10.0.0.0/8"), IPv4Network("172.24.0.0/13"), IPv4Network("192.168.128.0/17")])

    assert [str(free.block(prefix)) for prefix in (13, 17, 13, 17)] == [
        "172.16.0.0/13",
        "192.168.0.0/17",
        "None",
        "None",
    ]


namings = st.builds(
    dns,
    mode=st.sampled_from(DnsMode),
    suffix=st.sampled_from(["local", "a.local", "b.local", "svc.a.local", "n.svc.a.local"]),
    namespace=st.sampled_from(["n", "m"]),
)


def answered_by(name: str, asking: DnsSpec | None, others: list[DnsSpec]) -> list[DnsSpec]:
    """Who a server hands this question to: the most specific domains that it knows win."""
    known = [(other.zone, other) for other in others if other is not asking]
    known += [(asking.suffix, asking)] if asking else []
    matching = [(domain, owner) for domain, owner in known if f".{name}".endswith(f".{domain}")]
    longest = max(len(domain) for domain, _ in matching)
    return [owner for domain, owner in matching if len(domain) == longest]


@settings(deadline=None, max_examples=200)
@given(st.lists(namings, min_size=2, max_size=5))
def test_names_clash_exactly_when_some_server_asks_the_wrong_cluster(specs):
    clusters = [cluster(number, dns=spec) for number, spec in enumerate(specs)]

    found = {(c.first.owner, c.second.owner) for c in planned(*clusters).conflicts if c.code == "RP-PLAN-020"}

    expected = {
        (one.name, other.name)
        for one, other in combinations(clusters, 2)
        if any(
            len(answers := answered_by(owner.dns.pod_name("h"), asking, [one.dns, other.dns])) != 1
            or answers[0] is not owner.dns
            for owner in (one, other)
            for asking in (one.dns, other.dns, None)
        )
    }
    assert found == expected


def test_disjoint_clusters_are_sound_and_say_nothing():
    found = planned(cluster(1), cluster(2))

    assert (found.sound, found.conflicts, found.allowed, found.warnings) == (True, (), (), ())
    found.refuse()


def test_refusing_names_every_conflict():
    found = planned(cluster(1), cluster(2, pod_range="10.101.128.0/17", service_range="10.1.0.0/20"))

    assert codes(found) == ["RP-PLAN-001", "RP-PLAN-003"]
    with pytest.raises(PlanRefused) as caught:
        found.refuse()
    text = str(caught.value)
    assert "RP-PLAN-001 c1 pods 10.101.0.0/16 and c2 pods 10.101.128.0/17 both hold 10.101.128.0/17" in text
    assert "RP-PLAN-003 c1 nodes 10.1.0.0/24 and c2 services 10.1.0.0/20 both hold 10.1.0.0/24" in text


def test_equal_services_are_allowed_until_one_is_announced():
    same = {"service_range": "10.96.0.0/16"}

    quiet = planned(cluster(1, **same), cluster(2, **same))
    loud = planned(cluster(1, **same), cluster(2, **same, announce_services=True))

    assert (quiet.sound, noted(quiet)) == (True, ["RP-PLAN-100"])
    assert (codes(loud), noted(loud)) == (["RP-PLAN-004"], [])


def test_an_isolated_cluster_may_repeat_everything_but_not_itself():
    twin = cluster(1, name="twin", joined=False)
    broken = cluster(3, joined=False, service_range="10.103.0.0/20")

    assert planned(cluster(1), twin).sound
    assert noted(planned(cluster(1), twin)) == ["RP-PLAN-101"] * 3 + ["RP-PLAN-102", "RP-PLAN-103"]
    assert codes(planned(cluster(1), broken)) == ["RP-PLAN-002"]


def test_routes_of_this_machine():
    joined, isolated = cluster(1), cluster(2, joined=False)

    found = planned(joined, isolated, routes=("10.0.0.0/8", "10.0.0.0/8", "0.0.0.0/0", "128.0.0.0/1"))

    assert codes(found) == ["RP-PLAN-006"] * 3
    assert [str(c.first) for c in found.conflicts] == [
        "c1 nodes 10.1.0.0/24",
        "c2 nodes 10.2.0.0/24",
        "c1 pods 10.101.0.0/16",
    ]
    assert all("192.168." in c.fix or "172." in c.fix for c in found.conflicts)
    assert planned(joined, routes=("172.17.0.0/16",)).conflicts[0].first.what == "services"


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ({"node_range": "169.254.20.0/24"}, "RP-PLAN-007"),
        ({"pod_range": "240.0.0.0/16", "joined": False}, "RP-PLAN-007"),
        ({"node_prefix": 26}, "RP-PLAN-010"),
        ({"pods_per_node": 254}, "RP-PLAN-010"),
        ({"pod_range": "10.101.0.0/23"}, "RP-PLAN-011"),
        ({"pod_range": "10.101.0.0/25"}, "RP-PLAN-011"),
        ({"node_range": "10.1.0.0/29", "nodes_per_zone": 2}, "RP-PLAN-012"),
        ({"service_range": "172.17.0.0/29"}, "RP-PLAN-014"),
        ({"service_range": "11.0.0.0/8"}, "RP-PLAN-014"),
        ({"pod_range": "11.0.0.0/8", "node_prefix": 25}, "RP-PLAN-016"),
    ],
)
def test_one_cluster_that_does_not_fit(more, expected):
    assert codes(planned(cluster(1, **more))) == [expected]


def test_exact_fits_are_sound():
    assert planned(cluster(1, pods_per_node=253)).sound
    assert planned(cluster(1, pod_range="10.101.0.0/22", node_range="10.1.0.0/29")).sound
    assert planned(cluster(1, service_range="172.17.0.0/28"), cluster(2, service_range="172.16.0.0/16")).sound


def test_growth_counts_nodes_as_written():
    ten = cluster(1, zones=("a",), nodes_per_zone=10, node_range="10.1.0.0/28")

    assert planned(ten, growth=1.1).sound
    assert 100 * 1.1 > 110
    assert planned(cluster(1, zones=("a",), nodes_per_zone=100), growth=1.1).clusters[0].nodes_grown == 110
    assert codes(planned(ten, growth=1.2)) == ["RP-PLAN-012"]


def test_the_fix_of_a_small_block_fits():
    found = planned(cluster(1, node_prefix=28))

    assert "set node_prefix to 25 or less, or pods_per_node to 13 or less" in found.conflicts[0].fix
    assert planned(cluster(1, node_prefix=25)).sound
    assert planned(cluster(1, node_prefix=28, pods_per_node=13)).sound


def ring(*datacenters: DatacenterSpec) -> RingSpec:
    return RingSpec(version="5.0.9", datacenters=datacenters)


def test_hosts_need_room_and_routes():
    crowded = planned(cluster(1, pods_per_node=2), ring=ring(DatacenterSpec(name="dc", cluster="c1", hosts_per_zone=3)))
    spread = ring(DatacenterSpec(name="dc1", cluster="c1"), DatacenterSpec(name="dc2", cluster="c2"))
    alone = ring(DatacenterSpec(name="dc2", cluster="c2"))
    clusters = (cluster(1), cluster(2, joined=False))

    assert codes(crowded) == ["RP-PLAN-013"]
    assert codes(planned(*clusters, ring=spread)) == ["RP-PLAN-015"]
    assert planned(*clusters, ring=alone).sound


def test_warnings_are_no_conflicts():
    tight = cluster(
        1, node_range="11.0.0.0/24", pods_per_node=200, zones=("a", "b"), routing="vxlan", dns=dns("c1", namespace="x")
    )
    found = planned(
        tight, cluster(2), ring=ring(DatacenterSpec(name="dc", cluster="c1", hosts_per_zone=2, replication_factor=3))
    )

    assert found.sound
    assert noted(found) == ["RP-PLAN-200", "RP-PLAN-201", "RP-PLAN-202", "RP-PLAN-203", "RP-PLAN-204"]


def test_an_overlay_must_fit_the_smallest_network():
    small, large = cluster(1, routing="vxlan", mtu=1400), cluster(2, routing="vxlan", mtu=9000)

    found = planned(small, large)

    assert codes(found) == ["RP-PLAN-030"]
    assert "1400 (pods: 1350)" in found.conflicts[0].fix
    assert planned(small, cluster(2, mtu=9000)).sound


@pytest.mark.parametrize(
    ("domain", "to", "expected"),
    [
        ("c2.local", "172.17.0.10", ["RP-PLAN-005"]),
        ("c2.local", "172.18.0.10", ["RP-PLAN-022"]),
        ("c2.local", "10.2.0.9", []),
        ("c3.local", "10.3.0.9", ["RP-PLAN-022"]),
        ("example.org", "9.9.9.9", []),
        ("c1.local", "10.2.0.9", ["RP-PLAN-021"]),
        ("ring.svc.c1.local", "10.2.0.9", ["RP-PLAN-021"]),
        ("apps.svc.c1.local", "10.2.0.9", []),
        ("local", "10.2.0.9", []),
    ],
)
def test_forwards(domain, to, expected):
    asking = cluster(1, dns=dns("c1", forwards=(DnsForward(domain=domain, to=IPv4Address(to)),)))

    assert codes(planned(asking, cluster(2), cluster(3, joined=False))) == expected


def test_a_forward_to_an_announced_service_is_routed():
    asking = cluster(1, dns=dns("c1", forwards=(DnsForward(domain="c2.local", to=IPv4Address("172.18.0.10")),)))

    assert planned(asking, cluster(2, announce_services=True)).sound


EXPECTED = {
    "cassandra-41": ([], []),
    "isolated-apps": ([], ["RP-PLAN-100", *["RP-PLAN-101"] * 4, "RP-PLAN-102", "RP-PLAN-103"]),
    "overlap": (["RP-PLAN-001", "RP-PLAN-003"], []),
    "periodic": ([], []),
    "reference": ([], []),
    "service-forward-loop": (["RP-PLAN-005", "RP-PLAN-005"], ["RP-PLAN-100"]),
    "vxlan": ([], ["RP-PLAN-204"]),
}


@pytest.mark.parametrize("name", sorted(EXPECTED))
def test_each_example_plans_as_it_says(name):
    found = plan(Topology.from_yaml(EXAMPLES / f"{name}.yaml"))

    assert (codes(found), noted(found)) == EXPECTED[name]


def test_every_example_says_what_it_shows():
    files = sorted(EXAMPLES.glob("*.yaml"))

    assert [file.stem for file in files] == sorted(EXPECTED)
    assert all(file.read_text().startswith(("# Plan", "# Planning refuses")) for file in files)


def test_json_holds_everything():
    found = plan(Topology.from_yaml(EXAMPLES / "overlap.yaml"))

    shown = json.loads(json.dumps(found.as_json()))

    assert (shown["schema"], shown["sound"], shown["topology"]) == (1, False, "example-overlap")
    assert shown["conflicts"][0]["second"] == {"owner": "dublin", "what": "pods", "value": "10.66.0.0/16"}
    assert shown["clusters"][0]["pod_room"] == 1024
    assert [fact["what"] for fact in shown["fixed"]][:2] == ["node range", "pod range"]


@pytest.mark.parametrize("name", sorted(EXPECTED))
def test_a_drawn_plan_fits_80_columns_and_shows_both_ranges(name):
    found = plan(Topology.from_yaml(EXAMPLES / f"{name}.yaml"))
    console = Console(file=StringIO(), width=80)

    render(found, console)

    text = console.file.getvalue()
    assert max(map(len, text.splitlines())) <= 80
    assert ("sound" in text.splitlines()[1]) == found.sound
    for conflict in found.conflicts:
        assert {conflict.code, conflict.first.value, conflict.second.value, conflict.intersection} <= set(text.split())
    for note in (*found.allowed, *found.warnings):
        assert note.code in text
    assert all(title in text for title in ("Clusters", "Room", "Names", "Cannot be changed later"))


def test_hundreds_of_equal_clusters_apart_stay_one_note_per_range():
    clusters = [cluster(number % 50, name=f"app-{number}", joined=False) for number in range(300)]
    same = [c.model_copy(update={"service_range": IPv4Network("10.96.0.0/16")}) for c in clusters]

    found = planned(*same)

    assert found.sound
    assert Counter(noted(found)) == {"RP-PLAN-101": 101, "RP-PLAN-102": 50, "RP-PLAN-103": 1}
