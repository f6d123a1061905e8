"""Rules that cut a node of a kind cluster from others. Pure values.

A node forwards between its own bridge and its network, so packets of pods enter by the bridge, or by the network or the
overlay; its own (the kubelet's, and the overlay's outer ones) come from `lo`.
"""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import IPv4Network

from clusters.kind.flannel import BRIDGE, VXLAN_LINK
from clusters.kind.layout import ClusterPlace
from clusters.kind.routing import NodeFacts
from clusters.network import CUT_PRIORITY, Rule

NETWORK_LINK = "eth0"


def entrances(place: ClusterPlace) -> tuple[str, ...]:
    """The interfaces by which packets for a node's pods come in."""
    return (NETWORK_LINK, VXLAN_LINK) if place.backend == "vxlan" else (NETWORK_LINK,)


def zone_cut_of(place: ClusterPlace, node: NodeFacts) -> list[Rule]:
    """Nothing of a node's pods leaves it, nothing for them enters, and its kubelet reaches nobody.

    What is for the node's own pods from the node itself passes: the machine is whole, its network is not.
    """
    rules = [Rule(CUT_PRIORITY, iif=BRIDGE)]
    rules += [Rule(CUT_PRIORITY, iif=link, destination=str(node.pods)) for link in entrances(place)]
    return [*rules, Rule(CUT_PRIORITY, iif="lo", destination=str(place.spec.node_range))]


def isolation_of(place: ClusterPlace, node: NodeFacts, others: Sequence[IPv4Network]) -> list[Rule]:
    """A node's pods and the pods in these ranges do not hear each other."""
    rules: list[Rule] = []
    for other in others:
        rules.append(Rule(CUT_PRIORITY, iif=BRIDGE, destination=str(other)))
        for link in entrances(place):
            rules.append(Rule(CUT_PRIORITY, iif=link, source=str(other), destination=str(node.pods)))
    return rules
