"""The clusters of a lab: networks, pods, nodes and clusters whose every act is a request to the lab's supervisor."""

from __future__ import annotations

import signal
import socket
import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from ipaddress import IPv4Address
from typing import Any

from clusters.asking import LineTalk
from clusters.cluster import (
    CutsNetwork,
    FaultsDns,
    PinsPodAddress,
    PodAbsent,
    PodSpec,
    PodState,
    ReschedulesPods,
    StopsNodes,
)
from clusters.errors import UsageError
from clusters.lab.fabric import ROUTER, gateway_space
from clusters.lab.hosts import pod_of
from clusters.lab.layout import ClusterLayout
from clusters.lab.truth import LabTruth
from clusters.lab.wire import Lease
from clusters.network import CUT_PRIORITY, Link, Route, Rule
from clusters.ring.config import HostStart
from clusters.topology import ClusterSpec

CONTROL_SECONDS = 10.0
"""For an answer of a control seam that does not wait for anything; it takes milliseconds."""


class LabNetwork:
    """NetworkOps of one namespace of the lab."""

    def __init__(self, lease: Lease, space: str) -> None:
        self._lease = lease
        self._space = space

    @property
    def space(self) -> str:
        """See NetworkOps."""
        return self._space

    def _call(self, act: str, entry: dict[str, Any] | None = None) -> Any:
        return self._lease.call("net", space=self._space, act=act, entry=entry)

    def rules(self) -> list[Rule]:
        """See NetworkOps."""
        return [Rule(**found) for found in self._call("rules")]

    def add_rule(self, rule: Rule) -> None:
        """See NetworkOps."""
        self._call("add_rule", rule.as_json())

    def delete_rule(self, rule: Rule) -> None:
        """See NetworkOps."""
        self._call("delete_rule", rule.as_json())

    def routes(self) -> list[Route]:
        """See NetworkOps."""
        return [Route(**found) for found in self._call("routes")]

    def add_route(self, route: Route) -> None:
        """See NetworkOps."""
        self._call("add_route", route.as_json())

    def delete_route(self, route: Route) -> None:
        """See NetworkOps."""
        self._call("delete_route", route.as_json())

    def links(self) -> list[Link]:
        """See NetworkOps."""
        return [Link(**found) for found in self._call("links")]


class LabPod:
    """See clusters.cluster.Pod."""

    def __init__(self, lease: Lease, cluster: str, name: str) -> None:
        self._lease = lease
        self.cluster = cluster
        self.name = name

    @property
    def python(self) -> str:
        """See Pod."""
        return sys.executable

    def state(self) -> PodState:
        """See Pod."""
        for state in self._lease.call("states", cluster=self.cluster):
            if state["name"] == self.name:
                return PodState(**state)
        raise PodAbsent(f"cluster {self.cluster} has no pod {self.name}")

    def spawn(self, name: str, command: Sequence[str]) -> LineTalk:
        """See Pod."""
        return LineTalk(self._spawned(name, command))

    def connect(self, name: str, command: Sequence[str]) -> socket.socket:
        """See Pod."""
        return socket.socket(fileno=self._spawned(name, command))

    def _spawned(self, name: str, command: Sequence[str]) -> int:
        _, descriptors = self._lease.call_with_descriptors(
            "spawn", cluster=self.cluster, pod=self.name, name=name, command=list(command)
        )
        return descriptors[0]

    def signal(self, number: signal.Signals) -> None:
        """See Pod."""
        self._lease.call("signal", cluster=self.cluster, pod=self.name, number=int(number))

    def read(self, path: str) -> str:
        """See Pod."""
        return str(self._lease.call("read", cluster=self.cluster, pod=self.name, path=path))

    def probe(self, request: Mapping[str, Any], timeout: float) -> dict[str, Any]:
        """See Pod."""
        answer: dict[str, Any] = self._lease.call(
            "probe", cluster=self.cluster, pod=self.name, request=dict(request), timeout=timeout
        )
        return answer

    @property
    def net(self) -> LabNetwork:
        """See Pod."""
        return LabNetwork(self._lease, f"pod:{self.cluster}/{self.name}")


class LabNode:
    """See clusters.cluster.Node."""

    def __init__(self, lease: Lease, name: str, zone: str | None) -> None:
        self._lease = lease
        self.name = name
        self.zone = zone

    @property
    def net(self) -> LabNetwork:
        """See Node."""
        return LabNetwork(self._lease, self.name)


class LabCluster(ReschedulesPods, PinsPodAddress, StopsNodes, CutsNetwork, FaultsDns):
    """See clusters.cluster.Cluster; can reschedule pods, stop nodes, cut its network and fault its DNS."""

    def __init__(self, lease: Lease, spec: ClusterSpec, layout: ClusterLayout) -> None:
        self._lease = lease
        self.name = spec.name
        self._spec = spec
        self.layout = layout

    @property
    def spec(self) -> ClusterSpec:
        """See Cluster."""
        return self._spec

    def nodes(self) -> list[LabNode]:
        """See Cluster."""
        return [LabNode(self._lease, node.name, node.zone) for node in self.layout.nodes]

    @property
    def gateway(self) -> LabNetwork:
        """The router that carries every path between this cluster's nodes."""
        return LabNetwork(self._lease, gateway_space(self.name))

    def pod(self, name: str) -> LabPod:
        """See Cluster."""
        return LabPod(self._lease, self.name, name)

    def create_pod(self, spec: PodSpec) -> LabPod:
        """See Cluster."""
        self._lease.call("create_pod", cluster=self.name, spec=spec.as_json())
        return self.pod(spec.name)

    def start_hosts(self, starts: Sequence[HostStart]) -> None:
        """See Cluster."""
        with ThreadPoolExecutor(max(1, len(starts))) as pool:
            list(pool.map(lambda start: self.create_pod(pod_of(start)), starts))

    def delete_pod(self, name: str) -> None:
        """See Cluster."""
        self._lease.call("delete_pod", cluster=self.name, pod=name)

    def states(self) -> list[PodState]:
        """See Cluster."""
        return [PodState(**state) for state in self._lease.call("states", cluster=self.name)]

    @property
    def truth(self) -> LabTruth:
        """See Cluster."""
        return LabTruth(self.name, self._lease)

    def dns_rules(self) -> list[dict[str, Any]]:
        """See FaultsDns."""
        return list(self.dns({"do": "rules"})["rules"])

    def add_dns_rule(self, rule: Mapping[str, Any]) -> None:
        """See FaultsDns."""
        answer = self.dns({"do": "rule", **rule})
        if not answer["ok"]:
            raise UsageError(f"DNS of {self.name} refused the rule {rule['id']}: {answer['error']}")

    def delete_dns_rule(self, identity: str) -> None:
        """See FaultsDns."""
        self.dns({"do": "unrule", "id": identity})

    def dns(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """Ask the control seam of the cluster's DNS server (clusters/dns/server.py)."""
        answer: dict[str, Any] = self._lease.call(
            "dns", cluster=self.name, request=dict(request), timeout=CONTROL_SECONDS
        )
        return answer

    def reschedule(self, pod: str) -> PodState:
        """See ReschedulesPods."""
        return self._reschedule(pod, None)

    def reschedule_at(self, pod: str, address: str) -> PodState:
        """See PinsPodAddress."""
        return self._reschedule(pod, address)

    def may_have(self, pod: str, address: str) -> bool:
        """See PinsPodAddress: every pod can have an address of any node's range."""
        return any(IPv4Address(address) in node.pods for node in self.layout.nodes)

    def _reschedule(self, pod: str, address: str | None) -> PodState:
        return PodState(**self._lease.call("reschedule", cluster=self.name, pod=pod, address=address))

    def freeze(self, zone: str) -> None:
        """See StopsNodes."""
        self._lease.call("zone", cluster=self.name, zone=zone, act="freeze")

    def thaw(self, zone: str) -> None:
        """See StopsNodes."""
        self._lease.call("zone", cluster=self.name, zone=zone, act="thaw")

    def kill(self, zone: str) -> None:
        """See StopsNodes."""
        self._lease.call("zone", cluster=self.name, zone=zone, act="kill")

    def start(self, zone: str) -> None:
        """See StopsNodes."""
        self._lease.call("zone", cluster=self.name, zone=zone, act="start")

    def zone_cut(self, zone: str) -> list[tuple[LabNetwork, Rule]]:
        """See CutsNetwork: what enters the gateway from the zone's nodes, and what would leave to them, is dropped."""
        cut: list[tuple[LabNetwork, Rule]] = []
        for place, node in enumerate(self.layout.nodes):
            if node.zone == zone:
                cut.append((self.gateway, Rule(CUT_PRIORITY, iif=f"n{place}")))
                cut.append((self.gateway, Rule(CUT_PRIORITY + 1, destination=str(node.pods))))
                cut.append((self.gateway, Rule(CUT_PRIORITY + 1, destination=f"{node.address}/32")))
        return cut

    def isolation(self, zone: str) -> list[tuple[LabNetwork, Rule]]:
        """See CutsNetwork: at the gateway; the node `infra`, where the client runs, is not concerned."""
        rules: list[Rule] = []
        zoned = [(f"n{place}", node) for place, node in enumerate(self.layout.nodes) if node.zone is not None]
        for inside_link, inside in (pair for pair in zoned if pair[1].zone == zone):
            rules.append(Rule(CUT_PRIORITY, iif="uplink", destination=str(inside.pods)))
            for other_link, other in (pair for pair in zoned if pair[1].zone != zone):
                rules.append(Rule(CUT_PRIORITY, iif=other_link, destination=str(inside.pods)))
                rules.append(Rule(CUT_PRIORITY, iif=inside_link, destination=str(other.pods)))
        return [(self.gateway, rule) for rule in rules]

    def cut_towards(self, target: ClusterSpec) -> list[tuple[LabNetwork, Rule]]:
        """See CutsNetwork: on the router, one rule for each range of the target."""
        router = LabNetwork(self._lease, ROUTER)
        ranges = (target.pod_range, target.node_range)
        return [(router, Rule(CUT_PRIORITY, iif=self.router_link, destination=str(network))) for network in ranges]

    @property
    def router_link(self) -> str:
        """The router's interface that leads to this cluster."""
        return f"c{self.layout.index}"
