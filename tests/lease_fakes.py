"""A lab without a kernel: the real provider asks a supervisor that keeps pods, rules and names in dictionaries.

A packet passes the sender's pod, its gateway, the router and the other gateway, and is dropped where a rule of that
namespace matches it, as in a real lab; so a fault can be tested by what it does, not only by what it asks for.
"""

from __future__ import annotations

import re
import signal
import uuid
from collections import defaultdict
from dataclasses import asdict, dataclass, replace
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Any
from unittest import mock

from clusters.catalog import named
from clusters.cluster import PodState
from clusters.lab import provider
from clusters.lab.fabric import ROUTER, gateway_space
from clusters.lab.layout import ClusterLayout, lay_out_all
from clusters.network import Rule
from clusters.probe import PORT
from clusters.ring.config import CQL_PORT
from clusters.ring.ring import Ring
from clusters.topology import Topology
from tests.ring_fakes import agree, ring_on

Json = dict[str, Any]


@dataclass(frozen=True)
class Packet:
    """What a rule looks at; ``port`` is None in an answer, which goes to a port that nobody chose."""

    destination: str
    protocol: str
    port: int | None


class FakeSupervisor:
    """Stands for a lease: `call` is answered from what is kept here, and everything asked is in `calls`."""

    def __init__(self, topology: Topology) -> None:
        self.layouts: dict[str, ClusterLayout] = lay_out_all(topology)
        self.specs = {spec.name: spec for spec in topology.clusters}
        self.names: dict[str, str] = {}
        self.pods: dict[tuple[str, str], PodState] = {}
        self.rules: defaultdict[str, list[Rule]] = defaultdict(list)
        self.dns: defaultdict[str, dict[str, Json]] = defaultdict(dict)
        self.heard: defaultdict[tuple[str, str], list[str]] = defaultdict(list)
        self.frozen: set[tuple[str, str]] = set()
        self.logs: dict[str, list[str]] = {}
        self.answers: defaultdict[str, list[Json]] = defaultdict(list)
        self.signals: list[tuple[str, str]] = []
        self.calls: list[tuple[str, Json]] = []

    def call(self, do: str, **arguments: Any) -> Any:
        """Answer one request as the supervisor of a lab would."""
        self.calls.append((do, arguments))
        return getattr(self, f"on_{do}")(**arguments)

    def close(self) -> None:
        """Nothing is held."""

    def on_memory(self) -> int:
        return 0

    # pods

    def add(self, cluster: str, name: str, zone: str | None, address: str | None = None) -> PodState:
        """A running pod on the zone's first node, at a free address of that node or exactly at `address`."""
        node = next(node for node in self.layouts[cluster].nodes if node.zone == zone)
        taken = {state.address for state in self.pods.values()}
        place = address or next(str(free) for free in list(node.pods.hosts())[30:] if str(free) not in taken)
        state = PodState(cluster, name, f"uid-{name}-{uuid.uuid4().hex[:4]}", node.name, zone, place, "running", 0,
                         None, "")  # fmt: skip
        self.pods[cluster, name] = state
        return state

    def change(self, cluster: str, name: str, **changed: Any) -> None:
        """Another state of a pod."""
        self.pods[cluster, name] = replace(self.pods[cluster, name], **changed)

    def on_states(self, cluster: str) -> list[Json]:
        return [asdict(state) for (owner, _), state in self.pods.items() if owner == cluster]

    def on_create_pod(self, cluster: str, spec: Json) -> None:
        self.add(cluster, spec["name"], spec["zone"], spec["address"])

    def on_delete_pod(self, cluster: str, pod: str) -> None:
        del self.pods[cluster, pod]

    def on_reschedule(self, cluster: str, pod: str, address: str | None) -> Json:
        old = self.pods[cluster, pod]
        return asdict(self.add(cluster, pod, old.zone, address))

    def on_signal(self, cluster: str, pod: str, number: int) -> None:
        self.signals.append((pod, signal.Signals(number).name))
        if number == signal.SIGKILL:
            self.change(cluster, pod, restarts=self.pods[cluster, pod].restarts + 1)

    def on_zone(self, cluster: str, zone: str, act: str) -> None:
        for key, state in self.pods.items():
            if (state.cluster, state.zone) == (cluster, zone):
                if act in ("freeze", "thaw"):
                    (self.frozen.add if act == "freeze" else self.frozen.discard)(key)
                else:
                    self.pods[key] = replace(state, state="exited" if act == "kill" else "running")

    # network

    def on_net(self, space: str, act: str, entry: Json | None) -> Any:
        standing = self.rules[space]
        if act == "rules":
            return [rule.as_json() for rule in standing]
        assert entry is not None
        (standing.append if act == "add_rule" else standing.remove)(Rule(**entry))
        return None

    def standing(self) -> list[tuple[str, Rule]]:
        """Every rule that stands anywhere."""
        return [(space, rule) for space, rules in self.rules.items() for rule in rules]

    def passes(self, source: PodState, target: PodState, protocol: str, port: int | None) -> bool:
        """Whether one packet from pod to pod gets there."""
        packet = Packet(target.address, protocol, port)
        place = self._place(source)
        hops = [(f"pod:{source.cluster}/{source.name}", None)]
        if source.cluster != target.cluster or place != self._place(target):
            hops.append((gateway_space(source.cluster), f"n{place}"))
        if source.cluster != target.cluster:
            hops.append((ROUTER, f"c{self.layouts[source.cluster].index}"))
            hops.append((gateway_space(target.cluster), "uplink"))
        return not any(_stops(rule, iif, packet) for space, iif in hops for rule in self.rules[space])

    def _place(self, state: PodState) -> int:
        """Which of its cluster's nodes a pod is on."""
        nodes = enumerate(self.layouts[state.cluster].nodes)
        return next(place for place, node in nodes if ip_address(state.address) in node.pods)

    def _alive(self, state: PodState) -> bool:
        """Whether the probe agent runs: it outlives the main process, which may wait for its restart."""
        return state.state != "exited" and (state.cluster, state.name) not in self.frozen

    # the probe agent

    def on_probe(self, cluster: str, pod: str, request: Json, timeout: float) -> Json:
        asker = self.pods[cluster, pod]
        if not self._alive(asker):
            raise TimeoutError(f"{pod} did not answer in {timeout:g} s")
        return {"ok": True, **getattr(self, f"on_agent_{request['do']}")(asker, request)}

    def on_agent_reach(self, asker: PodState, request: Json) -> Json:
        return {"results": [self._reach(asker, target) for target in request["targets"]]}

    def _reach(self, asker: PodState, target: Json) -> Json:
        there = [
            state
            for state in self.pods.values()
            if state.address == target["address"]
            and self._alive(state)
            and (target["port"] == PORT or state.state == "running")
        ]
        known = {key: target[key] for key in ("address", "port", "bytes")}
        silent = {**known, "ok": False, "answered": None, "source_seen": None, "seconds": 1.0, "error": "timed out"}
        for state in there:
            if self.passes(asker, state, "tcp", target["port"]) and self.passes(state, asker, "tcp", None):
                who = {PORT: state.uid, CQL_PORT: f"id-{state.name}"}.get(target["port"])
                return {**silent, "ok": True, "answered": who, "source_seen": asker.address, "error": None}
        return silent

    def on_agent_cast(self, asker: PodState, request: Json) -> Json:
        for (cluster, name), state in self.pods.items():
            if state.address == request["address"] and self.passes(asker, state, "udp", PORT):
                self.heard[cluster, name].append(request["word"])
        return {}

    def on_agent_heard(self, asker: PodState, request: Json) -> Json:
        return {"words": list(self.heard[asker.cluster, asker.name])}

    def on_agent_tail(self, asker: PodState, request: Json) -> Json:
        lines = self.logs.get(asker.name, [])
        fresh = [line for line in lines[request["offset"] :] if re.search(request["pattern"], line)]
        return {"offset": len(lines), "lines": fresh}

    def on_agent_query(self, asker: PodState, request: Json) -> Json:
        """What `answers` holds for the pod, in turn; no row when it holds nothing."""
        return self.answers[asker.name].pop(0) if self.answers[asker.name] else {"rows": [[]]}

    # names

    def on_dns(self, cluster: str, request: Json, timeout: float) -> Json:
        rules = self.dns[cluster]
        if request["do"] == "rules":
            return {"ok": True, "rules": list(rules.values())}
        if request["do"] == "unrule":
            del rules[request["id"]]
        elif request["id"] in rules:
            return {"ok": False, "error": f"rule {request['id']} is in force already"}
        else:
            rules[request["id"]] = {key: value for key, value in request.items() if key != "do"}
        return {"ok": True}

    def on_agent_resolve(self, asker: PodState, request: Json) -> Json:
        return {"results": [self._resolve(asker.cluster, name) for name in request["names"]]}

    def _resolve(self, cluster: str, name: str) -> Json:
        asked = name.removesuffix(".")
        dns = self.specs[cluster].dns
        rule = next((rule for rule in self.dns[cluster].values() if rule["match"] == asked), {"action": ""})
        owner = next(state for state in self.pods.values() if state.name == self.names[asked])
        heard: Json = {"name": name, "rcode": "SERVFAIL", "addresses": [], "seconds": 0.01}
        if rule["action"] == "drop":
            return {**heard, "seconds": float(dns.resolver_timeout * dns.resolver_attempts)}
        if rule["action"] in ("servfail", "nxdomain"):
            return {**heard, "rcode": rule["action"].upper()}
        return {**heard, "rcode": "NOERROR", "addresses": [rule.get("address", owner.address)]}


def _stops(rule: Rule, iif: str | None, packet: Packet) -> bool:
    """Whether a rule catches a packet that came in by `iif`; a port is seen in the sender's own namespace only."""
    if rule.iif is not None and rule.iif != iif:
        return False
    if rule.destination is not None and ip_address(packet.destination) not in ip_network(rule.destination):
        return False
    if rule.port is not None and (iif is not None or rule.port != packet.port):
        return False
    return rule.protocol in (None, packet.protocol)


def leased_lab(topology: Topology | None = None) -> tuple[provider.Lab, FakeSupervisor]:
    """A lab of the real provider with a client pod in each cluster, and the supervisor that answers for it."""
    place = topology or named("stub-domains")
    supervisor = FakeSupervisor(place)
    with mock.patch.object(provider, "Lease", return_value=supervisor):
        lab = provider.Lab(place, "fake")
    for layout in supervisor.layouts.values():
        supervisor.add(layout.name, "client", None, str(layout.client))
    return lab, supervisor


def leased_ring(folder: Path) -> tuple[Ring, FakeSupervisor]:
    """Six hosts in agreement on such a lab; on the wire each answers CQL as `id-<pod>`."""
    lab, supervisor = leased_lab()
    ring = ring_on(lab.topology, lab, folder)
    for host in ring.hosts:
        supervisor.names[host.spec.name] = host.spec.pod
        supervisor.add(host.spec.cluster, host.spec.pod, host.spec.rack)
    agree(ring)
    return ring, supervisor
