"""The network of a lab: router, gateways, nodes, joined by veth with real routes, as in a VPC.

Runs inside the supervisor. Every path between two nodes passes their gateway and every path between two clusters
passes the router, so a cut is a rule on one of them. Nothing leads out: no interface of the machine is here, and the
router answers packets to unrouted private ranges with "unreachable" instead of a default route.
"""

from __future__ import annotations

from ipaddress import IPv4Network
from typing import Any

from clusters.lab.kernel import make_network, set_forwarding
from clusters.lab.netlink import NetlinkOps
from clusters.network import Route

ROUTER = "router"
PRIVATE = ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10")
"""RFC 1918 and RFC 6598."""
TRANSFER = "169.254.{index}.{end}"
"""Link-local transfer networks (RFC 3927) between router and gateways; never announced."""


def gateway_space(cluster: str) -> str:
    """The namespace of a cluster's gateway."""
    return f"{cluster}-gateway"


def build_router() -> None:
    """The router between the clusters, with its guard against private ranges leaving."""
    make_network(ROUTER)
    set_forwarding(ROUTER)
    with NetlinkOps(ROUTER) as net:
        net.set_up("lo")
        for network in PRIVATE:
            net.add_route(Route(network, kind="unreachable"))


def build_cluster(layout: dict[str, Any]) -> list[str]:
    """Gateway and nodes of one cluster; returns the ranges that the router could not take because they are taken.

    A range that another cluster already owns on the router is refused by the kernel ("File exists"), as a VPC
    refuses it: the second owner stays unrouted.
    """
    gateway = gateway_space(layout["name"])
    make_network(gateway)
    set_forwarding(gateway)
    refused = _join(layout, gateway)
    with NetlinkOps(gateway) as net:
        net.set_up("lo")
        net.add_route(Route(layout["pod_range"], kind="blackhole"))
        net.add_route(Route(layout["node_range"], kind="blackhole"))
        for place, node in enumerate(layout["nodes"]):
            _add_node(net, layout, node, f"n{place}")
    return refused


def _join(layout: dict[str, Any], gateway: str) -> list[str]:
    index = layout["index"]
    near, far = (TRANSFER.format(index=index, end=end) for end in (1, 2))
    device = f"c{index}"
    refused: list[str] = []
    with NetlinkOps(ROUTER) as router, NetlinkOps(gateway) as edge:
        router.add_pair(device, gateway, "uplink")
        router.add_address(f"{near}/30", device)
        edge.set_up("uplink")
        edge.add_address(f"{far}/30", "uplink")
        if not layout["joined"]:
            return refused
        edge.add_route(Route("0.0.0.0/0", via=near))
        taken = {route.destination for route in router.routes()}
        for network in (layout["node_range"], layout["pod_range"]):
            if network in taken:
                refused.append(network)
            else:
                router.add_route(Route(network, via=far))
    return refused


def _add_node(gateway: NetlinkOps, layout: dict[str, Any], node: dict[str, Any], device: str) -> None:
    make_network(node["name"])
    set_forwarding(node["name"])
    gateway.add_pair(device, node["name"], "eth0")
    gateway.add_address(f"{layout['gateway']}/32", device)
    gateway.add_route(Route(f"{node['address']}/32", device=device))
    gateway.add_route(Route(node["pods"], via=node["address"]))
    with NetlinkOps(node["name"]) as net:
        net.set_up("lo")
        net.set_up("eth0")
        net.add_address(f"{node['address']}/32", "eth0")
        net.add_route(Route(f"{layout['gateway']}/32", device="eth0"))
        net.add_route(Route("0.0.0.0/0", via=layout["gateway"]))
        net.add_route(Route(node["pods"], kind="blackhole"))


def add_pod(node: str, pods: str, space: str, device: str, address: str) -> None:
    """A pod's namespace with its one address, joined to its node as kindnet and Calico do: a /32 behind a veth."""
    make_network(space)
    first = str(IPv4Network(pods)[1])
    with NetlinkOps(node) as net, NetlinkOps(space) as pod:
        net.add_pair(device, space, "eth0")
        net.add_address(f"{first}/32", device)
        net.add_route(Route(f"{address}/32", device=device))
        pod.set_up("lo")
        pod.set_up("eth0")
        pod.add_address(f"{address}/32", "eth0")
        pod.add_route(Route(f"{first}/32", device="eth0"))
        pod.add_route(Route("0.0.0.0/0", via=first))


def route_foreign(layout: dict[str, Any], owner: str, address: str, node_address: str) -> None:
    """A pod lives on a node whose subnet does not hold its address: host routes on the gateway and on the owning node.

    Without the second, the owning node's own pods would lose their packets in its blackhole for unused addresses.
    """
    with NetlinkOps(gateway_space(layout["name"])) as net:
        net.add_route(Route(f"{address}/32", via=node_address))
    with NetlinkOps(owner) as net:
        net.add_route(Route(f"{address}/32", via=layout["gateway"]))
