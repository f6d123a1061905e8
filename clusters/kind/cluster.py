"""One kind cluster as the provider seam wants it: hosts as StatefulSets, faults on nodes, routes and names."""

from __future__ import annotations

import json
import signal
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from ipaddress import IPv4Address
from typing import Any

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
from clusters.errors import ClustersRefused
from clusters.kind import flannel, manifests
from clusters.kind.api import condition
from clusters.kind.cuts import isolation_of, zone_cut_of
from clusters.kind.hosting import commands
from clusters.kind.iproute import IpRoute
from clusters.kind.layout import UID_LABEL, ClusterPlace
from clusters.kind.manifests import PROBE_CONTAINER
from clusters.kind.names import Names
from clusters.kind.place import Site
from clusters.kind.pods import CLIENT, Agents, ClientPod, KindPod, signal_main
from clusters.kind.routing import NodeFacts
from clusters.kind.states import container_identity, owner_of, pod_state
from clusters.kind.truth import KindTruth
from clusters.network import CUT_PRIORITY, Rule
from clusters.ring.config import HostStart
from clusters.topology import ClusterSpec
from clusters.waiting import until

POD_SECONDS = 120.0
"""A pod has its address 7-11 s after it was asked for (measured), 14 s later when its image is unpacked first."""
NODE_SECONDS = 120.0
"""A node that was started again is ready after 4-5 s (measured)."""
GRACE_SECONDS = 1
RESERVED = f"/var/lib/cni/networks/{flannel.NETWORK_NAME}/last_reserved_ip.0"
"""host-local gives the next free address after the one in this file (plugins/ipam/host-local/backend/disk)."""

Json = dict[str, Any]


class KindNode:
    """See clusters.cluster.Node: a container."""

    def __init__(self, site: Site, facts: NodeFacts, zone: str | None) -> None:
        self._site = site
        self.name = facts.name
        self.zone = zone

    @property
    def net(self) -> IpRoute:
        """See Node."""
        return self._site.net_of(self.name)


class KindCluster(ReschedulesPods, PinsPodAddress, StopsNodes, CutsNetwork, FaultsDns):
    """See clusters.cluster.Cluster."""

    def __init__(self, site: Site, place: ClusterPlace) -> None:
        self.site = site
        self.place = place
        self.name = place.spec.name
        self._names = Names(site, place)
        self.agents = Agents()
        self._facts: tuple[NodeFacts, ...] = ()
        self._client_uid: str | None = None
        self._located: dict[tuple[str, str], tuple[str, str]] = {}

    @property
    def spec(self) -> ClusterSpec:
        """See Cluster."""
        return self.place.spec

    # nodes

    def facts(self) -> tuple[NodeFacts, ...]:
        """The nodes; who they are does not change while the cluster lives."""
        if not self._facts:
            self._facts = tuple(self.site.nodes(self.place))
        return self._facts

    def nodes(self) -> list[KindNode]:
        """See Cluster; the control plane's node is in no zone."""
        return [KindNode(self.site, one, self._zone(one)) for one in self.facts()]

    def _zone(self, node: NodeFacts) -> str | None:
        return node.zone if node.zone in self.spec.zones else None

    def _in(self, zone: str) -> list[NodeFacts]:
        found = [node for node in self.facts() if self._zone(node) == zone]
        if not found:
            raise ClustersRefused(f"cluster {self.name} has no zone {zone}")
        return found

    def freeze(self, zone: str) -> None:
        """See StopsNodes."""
        self._each(zone, "pause", lambda state: state.running and not state.paused)

    def thaw(self, zone: str) -> None:
        """See StopsNodes."""
        self._each(zone, "unpause", lambda state: state.paused)

    def kill(self, zone: str) -> None:
        """See StopsNodes."""
        self._each(zone, "kill", lambda state: state.running)

    def start(self, zone: str) -> None:
        """See StopsNodes: the nodes are ready again, and so are their routes, which a stop took away."""
        self._each(zone, "start", lambda state: not state.running)
        self.site.ensure_routes()
        names = {node.name for node in self._in(zone)}

        def ready() -> bool:
            found = [node for node in self.site.api(self.place).nodes() if node["metadata"]["name"] in names]
            return all(condition(node, "Ready") == "True" for node in found)

        until(f"nodes of {self.name}/{zone} are ready", ready, timeout=NODE_SECONDS, every=0.3)

    def _each(self, zone: str, verb: str, fitting: Any) -> None:
        names = [node.name for node in self._in(zone)]
        chosen = [state.name for state in self.site.containers.states(*names) if fitting(state)]
        if chosen:
            self.site.containers.ask(verb, *chosen, timeout=60)

    # pods

    def pod(self, name: str) -> KindPod | ClientPod:
        """See Cluster."""
        return ClientPod(self, self.agents) if name == CLIENT else KindPod(self, name, self.agents)

    def _path(self, kind: str, name: str = "", version: str = "/api/v1") -> str:
        return f"{version}/namespaces/{self.spec.dns.namespace}/{kind}{'/' if name else ''}{name}"

    def _pods(self) -> list[Json]:
        return self.site.api(self.place).pods(self.spec.dns.namespace)

    def _pod(self, name: str) -> Json:
        for pod in self._pods():
            if pod["metadata"]["name"] == name:
                return pod
        raise PodAbsent(f"cluster {self.name} has no pod {name}")

    def states(self) -> list[PodState]:
        """See Cluster."""
        pods = self._pods()
        zones = {node.name: zone for node in self.facts() if (zone := self._zone(node)) is not None}
        down = self.site.down([node.name for node in self.facts()])
        return [*(pod_state(self.name, pod, zones, down) for pod in pods), self._client()]

    @property
    def truth(self) -> KindTruth:
        """See Cluster."""
        return KindTruth(self.site, self.place)

    def state_of(self, name: str) -> PodState:
        """One pod; PodAbsent when there is none."""
        for state in self.states():
            if state.name == name:
                return state
        raise PodAbsent(f"cluster {self.name} has no pod {name}")

    def _client(self) -> PodState:
        container = self.place.client_container
        if self._client_uid is None:
            self._client_uid = self.site.containers.state(container).labels[UID_LABEL]
        running = not self.site.down([container])
        return PodState(
            cluster=self.name,
            name=CLIENT,
            uid=self._client_uid,
            node=container,
            zone=None,
            address=str(self.place.client),
            state="running" if running else "exited",
            restarts=0,
            exit_code=None,
            reason="",
        )

    def container_of(self, name: str, container: str) -> tuple[str, str]:
        """See clusters.kind.pods.Home."""
        if (name, container) not in self._located:
            pod = self._pod(name)
            identity = container_identity(pod, container) or container_identity(pod, PROBE_CONTAINER)
            if identity is None:
                raise ConnectionError(f"pod {name} of {self.name} has not started yet")
            self._located[name, container] = str(pod["spec"]["nodeName"]), identity
        return self._located[name, container]

    def forget(self, name: str) -> None:
        """See clusters.kind.pods.Home."""
        for key in [key for key in self._located if key[0] == name]:
            self._located.pop(key, None)

    def forget_pods(self) -> None:
        """No pod that was known before is there any more."""
        self._located.clear()
        self.agents.close()

    def create_pod(self, spec: PodSpec) -> KindPod:
        """See Cluster; only the probe agent can be its program, and its address is not ours to choose."""
        if spec.command or spec.address:
            raise ClustersRefused(f"pod {spec.name}: kind makes pods with the probe agent only, at any address")
        self.site.api(self.place).create([manifests.bare_pod(self.place, spec.name, spec.zone, self.site.image)])
        self._await_pod(spec.name, "")
        return KindPod(self, spec.name, self.agents)

    def _await_pod(self, name: str, unlike: str) -> PodState:
        """The pod of that name, of another UID than ``unlike``, once it has an address and its agent answers."""

        def there() -> PodState | None:
            state = self.state_of(name)
            return state if state.address and state.uid != unlike else None

        waited = (ConnectionError, TimeoutError)
        what = f"pod {name} of {self.name} has an address"
        state = until(what, there, timeout=POD_SECONDS, every=0.2, tolerate=waited)
        self.forget(name)  # the agent of the pod that it replaces may still answer
        pod = KindPod(self, name, self.agents)
        heard = lambda: pod.probe({"do": "heard"}, 2.0)["ok"]  # noqa: E731
        until(f"the agent of {name} answers", heard, timeout=POD_SECONDS, every=0.2, tolerate=waited)
        return state

    def start_hosts(self, starts: Sequence[HostStart]) -> None:
        """See Cluster."""
        if not starts:
            return
        lines = commands(starts[0].ring, self.site.image)
        self.site.api(self.place).create(manifests.ring_objects(self.place, starts, self.site.image, lines))
        with ThreadPoolExecutor(len(starts)) as pool:
            list(pool.map(lambda start: self._await_pod(start.host.pod, ""), starts))

    def delete_pod(self, name: str) -> None:
        """See Cluster: with it go the objects that would bring it back, and its volume."""
        api = self.site.api(self.place)
        rack = owner_of(self._pod(name)) or name
        if [one for one in self._pods() if owner_of(one) == rack and one["metadata"]["name"] != name]:
            raise ClustersRefused(f"pod {name} shares the set {rack} with other pods, which would go with it")
        for version, kind in manifests.RACK_KINDS:
            api.delete(self._path(kind, rack, version))
        api.delete(self._path("pods", name), 0)
        api.delete(self._path("persistentvolumeclaims", f"{manifests.VOLUME_CLAIM}-{name}"))
        until(f"pod {name} is gone", lambda: name not in {one["metadata"]["name"] for one in self._pods()},
              timeout=POD_SECONDS, every=0.2)  # fmt: skip

    def reschedule(self, pod: str) -> PodState:
        """See ReschedulesPods."""
        old = self.state_of(pod)
        self.forget(pod)
        # stopped first, so that the kubelet's SIGTERM finds nobody who would drain; deleted before it is killed, so
        # that the kubelet does not start it again
        node, identity = self.container_of(pod, manifests.HOST_CONTAINER)
        signal_main(self.site, node, identity, signal.SIGSTOP)
        self.site.api(self.place).delete(self._path("pods", pod), GRACE_SECONDS)
        signal_main(self.site, node, identity, signal.SIGKILL)
        return self._await_pod(pod, old.uid)

    def reschedule_at(self, pod: str, address: str) -> PodState:
        """See PinsPodAddress: host-local is told that the address before it was the last that it gave away."""
        node = self._node_of(pod)
        taken = [state.name for state in self.states() if state.address == address]
        if taken or IPv4Address(address) not in node.pods:
            raise ClustersRefused(f"{address} is {f'the address of {taken[0]}' if taken else f'not in {node.pods}'}")
        before = str(IPv4Address(address) - 1)
        self.site.perform(node.name, ["sh", "-c", f"printf %s {before} > {RESERVED}"])
        new = self.reschedule(pod)
        if new.address != address:
            raise ClustersRefused(f"{pod} came back at {new.address}, not at {address}")
        return new

    def may_have(self, pod: str, address: str) -> bool:
        """See PinsPodAddress: its node gives addresses of that node's range only."""
        return IPv4Address(address) in self._node_of(pod).pods

    def _node_of(self, pod: str) -> NodeFacts:
        name = self.state_of(pod).node
        return next(one for one in self.facts() if one.name == name)

    # network

    def zone_cut(self, zone: str) -> list[tuple[IpRoute, Rule]]:
        """See CutsNetwork: on the zone's nodes themselves, the kubelet's own packets included."""
        return [
            (self.site.net_of(node.name), rule) for node in self._in(zone) for rule in zone_cut_of(self.place, node)
        ]

    def isolation(self, zone: str) -> list[tuple[IpRoute, Rule]]:
        """See CutsNetwork: on the zone's nodes, for pods of other zones and clusters."""
        inside = self._in(zone)
        near = [node.pods for node in self.facts() if self._zone(node) not in (None, zone)]
        far = [other.spec.pod_range for other in self.site.layout.joined_to(self.place)]
        return [
            (self.site.net_of(node.name), rule)
            for node in inside
            for rule in isolation_of(self.place, node, [*near, *far])
        ]

    def cut_towards(self, target: ClusterSpec) -> list[tuple[IpRoute, Rule]]:
        """See CutsNetwork: on the router."""
        router = self.site.net_of(self.site.layout.router, "router")
        link = self._router_link()
        ranges = (target.pod_range, target.node_range)
        return [(router, Rule(CUT_PRIORITY, iif=link, destination=str(network))) for network in ranges]

    def _router_link(self) -> str:
        """The router's interface that leads to this cluster: the engine numbers them as it likes."""
        said = self.site.perform(self.site.layout.router, ["ip", "-j", "-4", "addr", "show"])
        for link in json.loads(said):
            if str(self.place.router) in [entry["local"] for entry in link["addr_info"]]:
                return str(link["ifname"])
        raise ClustersRefused(f"the router has no interface in {self.spec.node_range}")

    # names

    def dns_rules(self) -> list[Json]:
        """See FaultsDns."""
        return self._names.rules()

    def add_dns_rule(self, rule: Mapping[str, Any]) -> None:
        """See FaultsDns."""
        self._names.add(rule)

    def delete_dns_rule(self, identity: str) -> None:
        """See FaultsDns."""
        self._names.delete(identity)
