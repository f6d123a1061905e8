"""The room in a plan: nodes, pods and ring hosts in their ranges, and packets in the networks that carry them."""

from __future__ import annotations

import math
from collections.abc import Iterator
from fractions import Fraction

from clusters.plan_records import ClusterFacts, Conflict, Note, Party
from clusters.topology import VXLAN_OVERHEAD, ClusterSpec, DatacenterSpec, Routing, Topology

POD_BLOCK_RESERVE = 3
"""Addresses of a node's block that no pod gets: network, gateway, broadcast (CNI plugin host-local)."""

NODE_RANGE_RESERVE = 5
"""Addresses of a node range that no node gets: the first four and the last (AWS and Azure, the strictest clouds)."""

MOST_BLOCKS_BITS = 16
"""A pod range is cut into at most 2^16 node blocks (kubernetes pkg/controller/nodeipam/ipam/cidrset/cidr_set.go)."""

LARGEST_SERVICES, SMALLEST_SERVICES = 12, 28
"""Prefix lengths of a service range: the API server's limit (cmd/kube-apiserver/app/options/validation.go: 20 bits);
kube-dns takes the tenth address (kubeadm constants.go, GetDNSIP), which a /29 does not have."""


def facts(topology: Topology, cluster: ClusterSpec) -> ClusterFacts:
    """One cluster's ranges, room and names."""
    bits = cluster.node_prefix - cluster.pod_range.prefixlen
    return ClusterFacts(
        name=cluster.name,
        joined=cluster.joined,
        node_range=str(cluster.node_range),
        pod_range=str(cluster.pod_range),
        service_range=str(cluster.service_range),
        services_announced=cluster.announced,
        routing=cluster.routing.value,
        mtu=cluster.mtu,
        pod_mtu=cluster.pod_mtu,
        dns_mode=cluster.dns.mode.value,
        zone=cluster.dns.zone,
        pod_domain=cluster.dns.domain,
        nodes=cluster.nodes,
        # A fraction of the written number: 100 x 1.1 is 110 nodes, not the 111 of binary floating point.
        nodes_grown=math.ceil(cluster.nodes * Fraction(str(topology.growth))),
        node_room=max(0, cluster.node_range.num_addresses - NODE_RANGE_RESERVE),
        pod_room=1 << bits if bits >= 0 else 0,
        pods_per_node=cluster.pods_per_node,
        pods_room=max(0, (1 << (32 - cluster.node_prefix)) - POD_BLOCK_RESERVE),
    )


def shortages(topology: Topology, known: tuple[ClusterFacts, ...]) -> Iterator[Conflict]:
    """Everything that is declared and does not fit: pods, nodes, services, hosts of the ring."""
    for cluster, fact in zip(topology.clusters, known, strict=True):
        yield from _pods(cluster, fact)
        yield from _nodes(topology, fact)
        yield from _services(cluster)
    yield from _hosts(topology)


def _pods(cluster: ClusterSpec, fact: ClusterFacts) -> Iterator[Conflict]:
    if fact.pods_per_node > fact.pods_room:
        wide = 32 - math.ceil(math.log2(fact.pods_per_node + POD_BLOCK_RESERVE))
        yield Conflict(
            "RP-PLAN-010",
            Party(fact.name, "pods per node", str(fact.pods_per_node)),
            Party(fact.name, "block per node", f"/{cluster.node_prefix}"),
            None,
            f"a /{cluster.node_prefix} has room for {fact.pods_room} pods",
            f"set node_prefix to {wide} or less, or pods_per_node to {fact.pods_room} or less",
        )


def _nodes(topology: Topology, fact: ClusterFacts) -> Iterator[Conflict]:
    growth = f" x growth {topology.growth:g}" if topology.growth > 1 else ""
    need = Party(fact.name, "nodes", f"{fact.nodes}{growth} = {fact.nodes_grown}" if growth else str(fact.nodes))
    if fact.nodes_grown > fact.pod_room:
        explain = f"the pod range has blocks for {fact.pod_room} nodes"
        fix = f"give {fact.name} a wider pod range or a larger node_prefix (smaller blocks)"
        yield Conflict("RP-PLAN-011", need, Party(fact.name, "pods", fact.pod_range), None, explain, fix)
    if fact.pod_room > 1 << MOST_BLOCKS_BITS:
        explain = f"Kubernetes refuses to cut a range into more than 2^{MOST_BLOCKS_BITS} blocks"
        fix = f"give {fact.name} a narrower pod range or a smaller node_prefix (larger blocks)"
        blocks = Party(fact.name, "blocks", str(fact.pod_room))
        yield Conflict("RP-PLAN-016", blocks, Party(fact.name, "pods", fact.pod_range), None, explain, fix)
    if fact.nodes_grown > fact.node_room:
        explain = f"the node range has room for {fact.node_room} nodes ({NODE_RANGE_RESERVE} addresses are kept)"
        fix = f"give {fact.name} a wider node range"
        yield Conflict("RP-PLAN-012", need, Party(fact.name, "nodes", fact.node_range), None, explain, fix)


def _services(cluster: ClusterSpec) -> Iterator[Conflict]:
    if not LARGEST_SERVICES <= cluster.service_range.prefixlen <= SMALLEST_SERVICES:
        explain = f"Kubernetes takes a /{LARGEST_SERVICES} at most, and its DNS service needs the tenth address"
        fix = f"give {cluster.name} a service range between /{LARGEST_SERVICES} and /{SMALLEST_SERVICES}"
        ours = Party(cluster.name, "services", str(cluster.service_range))
        yield Conflict("RP-PLAN-014", ours, None, None, explain, fix)


def _hosts(topology: Topology) -> Iterator[Conflict]:
    for cluster, hosted in _hosted(topology):
        if not cluster.joined and _spread(topology):
            yield from (_unreachable(cluster, datacenter) for datacenter in hosted)
        hosts = sum(datacenter.hosts_per_zone for datacenter in hosted)
        room = cluster.nodes_per_zone * cluster.pods_per_node
        if hosts > room:
            yield Conflict(
                "RP-PLAN-013",
                Party(", ".join(datacenter.name for datacenter in hosted), "hosts per zone", str(hosts)),
                Party(cluster.name, "pods per zone", str(room)),
                None,
                "a zone's nodes cannot hold its hosts",
                f"raise nodes_per_zone or pods_per_node of {cluster.name}, or lower hosts_per_zone",
            )


def _unreachable(cluster: ClusterSpec, datacenter: DatacenterSpec) -> Conflict:
    return Conflict(
        "RP-PLAN-015",
        Party(datacenter.name, "datacenter", f"on {cluster.name}"),
        Party(cluster.name, "cluster", "isolated"),
        None,
        "no host of the other clusters can reach its hosts",
        f"join {cluster.name}, or move the datacenter to a joined cluster",
    )


def _spread(topology: Topology) -> bool:
    return topology.ring is not None and len({datacenter.cluster for datacenter in topology.ring.datacenters}) > 1


def _hosted(topology: Topology) -> Iterator[tuple[ClusterSpec, list[DatacenterSpec]]]:
    declared = topology.ring.datacenters if topology.ring else ()
    for cluster in topology.clusters:
        hosted = [datacenter for datacenter in declared if datacenter.cluster == cluster.name]
        if hosted:
            yield cluster, hosted


def tight(topology: Topology, known: tuple[ClusterFacts, ...]) -> Iterator[Note]:
    """What fits and yet has a price: few spare pod addresses, zones that a datacenter cannot lose, shared nodes."""
    for fact in known:
        # GKE gives each node twice its pods for this reason ("Configure maximum Pods per node").
        if fact.pods_room < 2 * fact.pods_per_node <= 2 * fact.pods_room:
            spare = fact.pods_room - fact.pods_per_node
            about = (Party(fact.name, "spare pod addresses per node", str(spare)),)
            text = f"{fact.name}: fewer spare addresses than pods: a released one is soon given to another pod"
            yield Note("RP-PLAN-200", about, text)
    for cluster, hosted in _hosted(topology):
        for datacenter in hosted:
            yield from _zone_loss(cluster, datacenter)
        hosts = sum(datacenter.hosts_per_zone for datacenter in hosted)
        if hosts > cluster.nodes_per_zone:
            about = (Party(cluster.name, "hosts per zone", str(hosts)),)
            text = f"{cluster.name}: {cluster.nodes_per_zone} nodes per zone for {hosts} hosts: some fail together"
            yield Note("RP-PLAN-202", about, text)


def _zone_loss(cluster: ClusterSpec, datacenter: DatacenterSpec) -> Iterator[Note]:
    """NetworkTopologyStrategy puts at most ceil(RF / racks) replicas of a partition into one rack."""
    copies = datacenter.replication_factor
    lost, quorum = math.ceil(copies / len(cluster.zones)), copies // 2 + 1
    if copies - lost < quorum:
        about = (Party(datacenter.name, "replication factor", str(copies)),)
        text = f"{datacenter.name}: one zone holds {lost} of {copies} replicas: its loss leaves no LOCAL_QUORUM"
        yield Note("RP-PLAN-201", about, text)


def oversized(topology: Topology) -> Iterator[Conflict]:
    """Every joined overlay whose packets exceed what another joined overlay's network carries.

    The outer packet of a tunnel is dropped or fragmented on the way, and no pod is told.
    """
    overlays = [cluster for cluster in topology.joined if cluster.routing is Routing.VXLAN]
    smallest = min(overlays, key=lambda cluster: cluster.mtu, default=None)
    for cluster in overlays:
        if smallest is not None and cluster.mtu > smallest.mtu:
            yield Conflict(
                "RP-PLAN-030",
                Party(cluster.name, "overlay packets", f"{cluster.pod_mtu} + {VXLAN_OVERHEAD} bytes"),
                Party(smallest.name, "network", f"{smallest.mtu} bytes"),
                None,
                "handshakes pass and large packets vanish",
                f"set the mtu of {cluster.name} to {smallest.mtu} (pods: {smallest.pod_mtu})",
            )


def mixed(topology: Topology) -> Iterator[Note]:
    """The largest packet that every joined pod can send to every other, when their own limits differ."""
    limits = {cluster.pod_mtu for cluster in topology.joined}
    if len(limits) > 1:
        about = tuple(Party(cluster.name, "pod MTU", str(cluster.pod_mtu)) for cluster in topology.joined)
        text = f"pod MTUs differ: only {min(limits)} bytes pass everywhere; larger packets need path MTU discovery"
        yield Note("RP-PLAN-204", about, text)
