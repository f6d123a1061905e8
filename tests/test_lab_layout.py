"""Where everything of a lab sits."""

from __future__ import annotations

from ipaddress import IPv4Network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clusters.catalog import catalog
from clusters.errors import ProvisionFailed, UsageError
from clusters.lab.addresses import AddressPool
from clusters.lab.layout import CLIENT_OFFSET, MOST_CLUSTERS, lay_out, lay_out_all
from clusters.topology import ClusterSpec, DnsMode, DnsSpec, Topology

ZONES = ("a", "b", "c", "d", "e")


def spec(zones=3, per_zone=1, node_prefix=24, pod_prefix=16, node_range="10.100.0.0/24"):
    return ClusterSpec(
        name="east",
        node_range=node_range,
        pod_range=f"10.0.0.0/{pod_prefix}",
        service_range="10.101.0.0/16",
        zones=ZONES[:zones],
        nodes_per_zone=per_zone,
        node_prefix=node_prefix,
        dns=DnsSpec(mode=DnsMode.STUB_DOMAIN, suffix="east.local", namespace="ring"),
    )


@given(
    zones=st.integers(1, 5),
    per_zone=st.integers(1, 5),
    node_prefix=st.integers(20, 30),
    wider=st.integers(-1, 8),
    node_range_prefix=st.integers(20, 29),
)
def test_everything_has_a_place_of_its_own_or_the_range_is_refused(
    zones, per_zone, node_prefix, wider, node_range_prefix
):
    declared = spec(zones, per_zone, node_prefix, node_prefix - wider, f"10.100.0.0/{node_range_prefix}")
    nodes = zones * per_zone + 1
    fits = (
        wider >= 0
        and 2**wider >= nodes
        and 2 ** (32 - node_prefix) >= CLIENT_OFFSET + 2
        and 2 ** (32 - node_range_prefix) >= 10 + nodes + 1
    )
    if not fits:
        with pytest.raises(UsageError, match=r"cluster east: .* (needs|holds|gives)"):
            lay_out(declared, 0)
        return

    layout = lay_out(declared, 0)

    own = [layout.gateway, *(node.address for node in layout.nodes)]
    assert len(layout.nodes) == nodes
    assert len(set(own)) == len(own)
    assert all(address in declared.node_range for address in own)
    assert not {declared.node_range.network_address, declared.node_range.broadcast_address} & set(own)
    subnets = [node.pods for node in layout.nodes]
    assert all(subnet.subnet_of(declared.pod_range) for subnet in subnets)
    assert not any(a.overlaps(b) for place, a in enumerate(subnets) for b in subnets[:place])
    assert {layout.dns, layout.client} <= set(layout.infra.pods.hosts())
    assert layout.dns != layout.client
    assert [node.zone for node in layout.nodes[:-1]] == [zone for zone in ZONES[:zones] for _ in range(per_zone)]


@pytest.mark.parametrize(
    ("declared", "said"),
    [
        (spec(zones=3, pod_prefix=23), "pod range 10.0.0.0/23 holds 2 subnets of /24, the lab needs 4"),
        (spec(node_range="10.100.0.0/29"), "node range 10.100.0.0/29 holds 8 addresses, the lab needs 15 for 4 nodes"),
        (spec(node_prefix=28), "node_prefix 28 gives 16 addresses, the lab needs 22"),
    ],
)
def test_a_range_that_is_too_small_is_refused_with_what_is_needed(declared, said):
    with pytest.raises(UsageError) as refusal:
        lay_out(declared, 0)

    assert said in str(refusal.value)


def test_the_named_topologies_can_be_laid_out():
    for topology in catalog().values():
        layouts = lay_out_all(topology)

        assert [layout.index for layout in layouts.values()] == list(range(len(topology.clusters)))


def test_more_clusters_than_transfer_networks_are_refused():
    clusters = tuple(spec().model_copy(update={"name": f"c{number}"}) for number in range(MOST_CLUSTERS + 1))

    with pytest.raises(UsageError, match="the lab holds 256 clusters, not 257"):
        lay_out_all(Topology.model_construct(name="many", clusters=clusters, ring=None, growth=1.0))


# addresses

SUBNET = "10.0.0.0/28"
FREE = [str(address) for address in IPv4Network(SUBNET)][2:-1]


def test_addresses_are_handed_out_in_order_and_the_last_is_followed_by_the_oldest_released():
    pool = AddressPool(SUBNET)

    assert [pool.take() for _ in FREE] == FREE
    with pytest.raises(ProvisionFailed, match=f"no address is free in the node's pod range {SUBNET}"):
        pool.take()
    pool.give_back(FREE[5])
    pool.give_back(FREE[1])
    assert [pool.take(), pool.take()] == [FREE[5], FREE[1]]


@given(st.lists(st.one_of(st.none(), st.integers(0, 30)), max_size=40))
def test_an_old_address_never_comes_back_while_a_fresh_one_is_left(acts):
    """None takes an address, a number gives the n-th held one back."""
    pool = AddressPool(SUBNET)
    held: list[str] = []
    seen: set[str] = set()
    for act in acts:
        if act is not None:
            if held:
                pool.give_back(held.pop(act % len(held)))
            continue
        if len(held) == len(FREE):
            continue
        taken = pool.take()
        assert taken not in held
        assert taken not in seen or seen == set(FREE)
        held.append(taken)
        seen.add(taken)


def test_a_pinned_address_is_that_address_and_no_other_pod_gets_it():
    pool = AddressPool(SUBNET)

    assert pool.take(FREE[1]) == FREE[1]
    assert [pool.take(), pool.take()] == [FREE[0], FREE[2]]
    with pytest.raises(ProvisionFailed, match=f"{FREE[1]} is in use by a live pod"):
        pool.take(FREE[1])


def test_a_released_address_can_be_pinned_at_once_and_is_not_handed_out_again():
    pool = AddressPool(SUBNET)
    for _ in FREE:
        pool.take()
    pool.give_back(FREE[0])

    assert pool.take(FREE[0]) == FREE[0]
    with pytest.raises(ProvisionFailed, match="no address is free"):
        pool.take()


@pytest.mark.parametrize("foreign", ["10.0.1.5", "10.0.0.0", "10.0.0.1", "10.0.0.15"])
def test_an_address_that_no_pod_of_the_subnet_can_have_is_refused(foreign):
    with pytest.raises(ProvisionFailed, match=f"{foreign} is not one of a pod in the node's pod range"):
        AddressPool(SUBNET).take(foreign)


def test_giving_back_what_nobody_holds_makes_nothing_free():
    pool = AddressPool(SUBNET)
    for _ in FREE:
        pool.take()
    pool.give_back(FREE[0])
    pool.give_back(FREE[0])
    pool.give_back("10.0.1.5")

    assert pool.take() == FREE[0]
    with pytest.raises(ProvisionFailed, match="no address is free"):
        pool.take()
