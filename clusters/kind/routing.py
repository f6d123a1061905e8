"""Which routes stand where, from who the nodes are: the network between the clusters as a VPC's router would hold it.

Routes die with a node's network namespace, so whoever starts a node ensures them again.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network

from clusters.kind.layout import ClusterPlace, Layout
from clusters.network import PROTOCOL, Route

PRIVATE = ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10")
"""RFC 1918 and RFC 6598: the router has no way out for them."""


@dataclass(frozen=True, slots=True)
class NodeFacts:
    """A node as its own API server sees it."""

    cluster: str
    name: str
    zone: str
    address: str
    pods: IPv4Network


def router_routes(layout: Layout, nodes: Sequence[NodeFacts]) -> tuple[list[Route], list[str]]:
    """The router's routes, and the blocks that it refuses because another cluster's node owns them already.

    A VPC refuses a route that it has, so the second owner of a range stays unrouted.
    """
    routes = [Route(network, kind="unreachable") for network in PRIVATE]
    owned: dict[IPv4Network, str] = {}
    refused: list[str] = []
    for node in nodes:
        if not layout.place(node.cluster).spec.joined:
            continue
        if owned.setdefault(node.pods, node.cluster) != node.cluster:
            refused.append(f"{node.pods} of {node.name}")
        else:
            routes.append(Route(str(node.pods), node.address))
    return routes, refused


def node_routes(layout: Layout, place: ClusterPlace) -> list[Route]:
    """What a node must know beyond its own cluster: the joined clusters' nodes and pods, by the router.

    A range that is the cluster's own as well is left to the cluster.
    """
    own = (place.spec.node_range, place.spec.pod_range)
    far = [range_ for other in layout.joined_to(place) for range_ in (other.spec.node_range, other.spec.pod_range)]
    return [Route(str(range_), str(place.router)) for range_ in far if not any(range_.overlaps(near) for near in own)]


def client_routes(layout: Layout, place: ClusterPlace, nodes: Iterable[NodeFacts], control_plane: str) -> list[Route]:
    """What a client knows: its cluster's pods node by node, services by the control plane, the rest by the router."""
    near = [Route(str(node.pods), node.address) for node in nodes if node.cluster == place.spec.name]
    return [*near, Route(str(place.spec.service_range), control_plane), *node_routes(layout, place)]


def missing(standing: Iterable[Route], wanted: Iterable[Route]) -> list[Route]:
    """Those of the wanted routes that do not stand; devices are the kernel's choice."""
    there = {(route.destination, route.via, route.kind) for route in standing}
    return [route for route in wanted if (route.destination, route.via, route.kind) not in there]


def batch(routes: Sequence[Route]) -> str:
    """Routes as lines of `ip -batch`, for many at once; one that stands otherwise is replaced."""
    lines = []
    for route in routes:
        kind = "" if route.kind == "unicast" else f"{route.kind} "
        via = f" via {route.via}" if route.via else ""
        lines.append(f"route replace {kind}{route.destination}{via} proto {PROTOCOL}\n")
    return "".join(lines)


def kindnet_cure(layout: Layout, place: ClusterPlace) -> list[list[str]]:
    """Commands for a node of kind's own image: what goes to a joined cluster's range keeps its source address.

    kindnet translates everything that leaves its own pod range in the chain KIND-MASQ-AGENT, which it appends to and
    never empties (kind images/kindnetd/cmd/kindnetd/masq.go), so a rule at its head stays. Each command tests first.
    """
    chain = "iptables -t nat -{verb} KIND-MASQ-AGENT {place}-d {range} -j RETURN"
    return [
        [
            "/bin/sh",
            "-c",
            f"{chain.format(verb='C', place='', range=network)} 2>/dev/null || "
            f"{chain.format(verb='I', place='1 ', range=network)}",
        ]
        for other in layout.joined_to(place)
        for network in (other.spec.pod_range, other.spec.node_range)
    ]
