"""Where everything of a lab sits: pure arithmetic from a topology to names and addresses.

Per cluster: one gateway (the first address of the node range), one node per zone and number, and one node `infra`
without a zone, on which DNS, clients and observers run: no zone fault touches it. Each node owns one subnet of the
pod range; `infra` owns the last one.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network
from typing import Any

from clusters.errors import UsageError
from clusters.topology import ClusterSpec, Topology

FIRST_NODE = 10
"""Offset of the first node in the node range; below it the gateway and room for appliances."""
DNS_OFFSET = 10
CLIENT_OFFSET = 20
MOST_CLUSTERS = 256
"""The index is one byte of the transfer network between router and gateway (fabric.TRANSFER)."""


@dataclass(frozen=True, slots=True)
class NodeLayout:
    """One node: its own address and the subnet that its pods live in."""

    name: str
    zone: str | None
    address: IPv4Address
    pods: IPv4Network

    def as_json(self) -> dict[str, Any]:
        """Plain values for the wire."""
        return {"name": self.name, "zone": self.zone, "address": str(self.address), "pods": str(self.pods)}


@dataclass(frozen=True, slots=True)
class ClusterLayout:
    """One cluster of the lab."""

    name: str
    index: int
    node_range: IPv4Network
    pod_range: IPv4Network
    joined: bool
    mtu: int
    nodes: tuple[NodeLayout, ...]

    @property
    def gateway(self) -> IPv4Address:
        """The gateway's address in the node range."""
        return self.node_range[1]

    @property
    def infra(self) -> NodeLayout:
        """The node that no zone fault touches."""
        return self.nodes[-1]

    @property
    def dns(self) -> IPv4Address:
        """The address of the cluster's DNS pod."""
        return self.infra.pods[DNS_OFFSET]

    @property
    def client(self) -> IPv4Address:
        """The address of the cluster's client pod."""
        return self.infra.pods[CLIENT_OFFSET]

    def as_json(self) -> dict[str, Any]:
        """Plain values for the wire."""
        return {
            "name": self.name,
            "index": self.index,
            "node_range": str(self.node_range),
            "pod_range": str(self.pod_range),
            "joined": self.joined,
            "mtu": self.mtu,
            "gateway": str(self.gateway),
            "nodes": [node.as_json() for node in self.nodes],
        }


def lay_out(spec: ClusterSpec, index: int) -> ClusterLayout:
    """The layout of one cluster; UsageError when one of its ranges is too small for what the lab puts into it."""
    slots = [(zone, number) for zone in spec.zones for number in range(spec.nodes_per_zone)]
    count = 2 ** max(0, spec.node_prefix - spec.pod_range.prefixlen)
    if count < len(slots) + 1:
        raise UsageError(
            f"cluster {spec.name}: pod range {spec.pod_range} holds {count} subnets of /{spec.node_prefix}, "
            f"the lab needs {len(slots) + 1} (one more than nodes); widen the range or raise node_prefix"
        )
    _refuse_small(spec, len(slots))
    subnets = list(itertools.islice(spec.pod_range.subnets(new_prefix=spec.node_prefix), len(slots)))
    last = IPv4Network((int(spec.pod_range.broadcast_address) + 1 - 2 ** (32 - spec.node_prefix), spec.node_prefix))
    nodes = [
        NodeLayout(f"{spec.name}-node-{zone}-{number}", zone, spec.node_range[FIRST_NODE + place], subnets[place])
        for place, (zone, number) in enumerate(slots)
    ]
    infra = NodeLayout(f"{spec.name}-node-infra", None, spec.node_range[FIRST_NODE + len(slots)], last)
    return ClusterLayout(spec.name, index, spec.node_range, spec.pod_range, spec.joined, spec.mtu, (*nodes, infra))


def _refuse_small(spec: ClusterSpec, slots: int) -> None:
    needed = FIRST_NODE + slots + 2  # the node `infra` and the broadcast address
    if spec.node_range.num_addresses < needed:
        raise UsageError(
            f"cluster {spec.name}: node range {spec.node_range} holds {spec.node_range.num_addresses} addresses, "
            f"the lab needs {needed} for {slots + 1} nodes; widen the range"
        )
    needed = CLIENT_OFFSET + 2
    if 2 ** (32 - spec.node_prefix) < needed:
        raise UsageError(
            f"cluster {spec.name}: node_prefix {spec.node_prefix} gives {2 ** (32 - spec.node_prefix)} addresses, "
            f"the lab needs {needed} on the node of DNS and client; lower node_prefix"
        )


def lay_out_all(topology: Topology) -> dict[str, ClusterLayout]:
    """The layouts of all clusters, by name, in the order of the topology; UsageError when there are too many."""
    if len(topology.clusters) > MOST_CLUSTERS:
        raise UsageError(
            f"topology {topology.name}: the lab holds {MOST_CLUSTERS} clusters, not {len(topology.clusters)}"
        )
    return {spec.name: lay_out(spec, index) for index, spec in enumerate(topology.clusters)}
