"""PID 1 of a lab: builds its network, runs its pods, and serves whoever leases it.

It ends, and with it every process of the lab, when one of its lifelines closes. State lives here only, so that any
number of test workers can lease the same lab.
"""

from __future__ import annotations

import json
import os
import select
import signal
import socket
import struct
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from clusters.asking import LineTalk
from clusters.lab import fabric, kernel, wire
from clusters.lab.addresses import AddressPool
from clusters.lab.enter import Resolver
from clusters.lab.netlink import NetlinkOps
from clusters.lab.pods import END_SECONDS, LivePod, Place
from clusters.lab.processes import ProcessTable, running
from clusters.network import Route, Rule

Json = dict[str, Any]
READY = 10.0
"""Seconds for the first answer of a DNS server or a probe; 0.3 s and 0.1 s on an idle machine."""


class LiveCluster:
    """One cluster: its nodes' address pools, its pods, its DNS server."""

    def __init__(self, layout: Json, dns: Json) -> None:
        self.layout = layout
        self.dns = dns
        self.name = str(layout["name"])
        self.nodes: dict[str, Json] = {node["name"]: node for node in layout["nodes"]}
        self.pools = {name: AddressPool(node["pods"]) for name, node in self.nodes.items()}
        self.pods: dict[str, LivePod] = {}
        self.probes: dict[str, LineTalk] = {}
        self.dns_talk: LineTalk | None = None

    def owner(self, address: str) -> AddressPool:
        """The pool of the node whose subnet holds the address; LookupError when it is outside the pod range."""
        for pool in self.pools.values():
            if pool.holds(address):
                return pool
        raise LookupError(f"{address} is not in a node's subnet of cluster {self.name}")

    def take(self, node: str, pinned: str | None) -> str:
        """A fresh address of the node, or the pinned one, which may belong to another node's subnet."""
        return self.pools[node].take() if pinned is None else self.owner(pinned).take(pinned)

    def node_of(self, zone: str | None) -> str:
        """The node of that zone with the fewest pods; None stands for the node that no zone fault touches."""
        fitting = [name for name, node in self.nodes.items() if node["zone"] == zone]
        if not fitting:
            raise LookupError(f"cluster {self.name} has no zone {zone}")
        return min(fitting, key=lambda name: sum(pod.node == name for pod in self.pods.values()))


class Supervisor:
    """Requests by name; every public method below is one request."""

    def __init__(self, config: Json) -> None:
        self.config = config
        self.processes = ProcessTable()
        self.clusters: dict[str, LiveCluster] = {}
        self.links = 0
        self.folders: dict[tuple[str, str], str] = {}
        self.volumes: dict[str, str | None] = {}
        self.pods_log = Path(config["folder"]) / "pods.jsonl"
        self.lock = threading.RLock()
        self.log_lock = threading.Lock()  # of its own: the reaper reports while a reschedule, with `lock`, waits for it
        self.scratch = Path(config["folder"]) / "scratch"
        fabric.build_router()

    # clusters and pods

    def create_cluster(self, layout: Json, dns: Json) -> Json:
        """Build the network of a cluster and start its DNS server."""
        with self.lock:
            refused = fabric.build_cluster(layout)
            cluster = LiveCluster(layout, dns)
            self.clusters[cluster.name] = cluster
            infra = cluster.node_of(None)
            pod = self._make_pod(cluster, _bare_spec("dns"), infra, cluster.take(infra, dns["address"]))
        config = pod.place.config / "dns.json"
        config.write_text(json.dumps(dns["config"]))
        program = [sys.executable, "-m", "clusters.dns.server", "--config", str(config)]
        cluster.dns_talk = LineTalk(pod.spawn("dns", [*program])[1])
        cluster.dns_talk.ask({"do": "rules"}, READY)
        self._publish(cluster)
        return {"refused": refused}

    def create_pod(self, cluster: str, spec: Json) -> Json:
        """Create a pod, tell DNS, start its probe and its main process."""
        home = self.clusters[cluster]
        with self.lock:
            if spec["name"] in home.pods:
                raise LookupError(f"cluster {cluster} has a pod {spec['name']} already")
            node = home.node_of(spec["zone"])
            pod = self._make_pod(home, spec, node, home.take(node, spec["address"]))
        self._publish(home)
        self._start_probe(home, pod)
        pod.start_main()
        self._await_probe(home, pod)
        return pod.as_json()

    def _make_pod(self, cluster: LiveCluster, spec: Json, node: str, address: str) -> LivePod:
        self.links += 1
        space = f"{cluster.name}-{spec['name']}-{self.links}"
        fabric.add_pod(node, cluster.nodes[node]["pods"], space, f"p{self.links}", address)
        owner = next(name for name, pool in cluster.pools.items() if pool.holds(address))
        if owner != node:
            fabric.route_foreign(cluster.layout, owner, address, cluster.nodes[node]["address"])
        unique = self._folder_name(cluster.name, spec)
        home = Path(self.config["folder"]) / "hosts" / unique
        place = Place(self.scratch / space, self.scratch / "volumes" / unique, home)
        resolver = Resolver(cluster.dns["address"], tuple(cluster.dns["search"]), *cluster.dns["resolver"])
        zone = cluster.nodes[node]["zone"]
        self.volumes.setdefault(unique, zone)  # where it was made it stays
        pod = LivePod(cluster.name, node, zone, address, space, spec, place, self.processes, resolver, self._report)
        pod.prepare()
        cluster.pods[pod.name] = pod
        return pod

    def _folder_name(self, cluster: str, spec: Json) -> str:
        """The pod's name where it is the first of that name, for as long as the lab lives: volumes are found by it."""
        name = str(spec["name"])
        plain = spec["in_service"] and name not in self.folders.values()
        return self.folders.setdefault((cluster, name), name if plain else f"{cluster}-{name}")

    def _start_probe(self, cluster: LiveCluster, pod: LivePod) -> None:
        identity = pod.place.config / "identity.json"
        identity.write_text(json.dumps({"uid": pod.uid, "pod": pod.name, "cluster": cluster.name}))
        program = Path(__file__).parents[1] / "probe.py"
        cluster.probes[pod.name] = LineTalk(
            pod.spawn("probe", [sys.executable, "-I", "-S", str(program), str(identity)])[1]
        )

    def _await_probe(self, cluster: LiveCluster, pod: LivePod) -> None:
        """The probe listens before it reads questions: after its first answer, silence at its port means something."""
        cluster.probes[pod.name].ask({"do": "heard"}, READY)

    def reschedule(self, cluster: str, pod: str, address: str | None) -> Json:
        """SIGKILL the pod; a new one on its volume and node, with a fresh address or the pinned one."""
        home = self.clusters[cluster]
        with self.lock:
            old = self._pod(cluster, pod)
            taken = home.take(old.node, address)  # refused before anything is killed
            old.remove()
            home.probes.pop(pod).close()
            kernel.drop_network(old.space)
            self._unroute(old)
            new = self._make_pod(home, old.spec, old.node, taken)
            home.owner(old.address).give_back(old.address)
        self._publish(home)
        self._start_probe(home, new)
        new.start_main()
        self._await_probe(home, new)
        return new.as_json()

    def delete_pod(self, cluster: str, pod: str) -> None:
        """SIGKILL the pod and forget it, its address and its name; the volume stays until the lab ends."""
        home = self.clusters[cluster]
        with self.lock:
            gone = self._pod(cluster, pod)
            gone.remove()
            home.probes.pop(pod).close()
            kernel.drop_network(gone.space)
            self._unroute(gone)
            home.owner(gone.address).give_back(gone.address)
            del home.pods[pod]
        self._publish(home)

    def _unroute(self, pod: LivePod) -> None:
        for space in (*self.clusters[pod.cluster].nodes, fabric.gateway_space(pod.cluster)):
            with NetlinkOps(space) as net:
                for route in net.routes():
                    if route.destination == f"{pod.address}/32":
                        net.forget_route(route)

    def _pod(self, cluster: str, pod: str) -> LivePod:
        found = self.clusters[cluster].pods.get(pod) if cluster in self.clusters else None
        if found is None:
            raise LookupError(f"no pod {pod} in cluster {cluster}")
        return found

    def states(self, cluster: str) -> list[Json]:
        """All pods of a cluster."""
        return [pod.as_json() for pod in list(self.clusters[cluster].pods.values())]

    def truth(self, cluster: str, processes: bool) -> Json:
        """Every pod of a cluster with its volume and that one's zone; with ``processes`` whose main processes run."""
        pods = []
        for pod in list(self.clusters[cluster].pods.values()):
            volume = pod.place.volume.name
            facts = {"pod": pod.name, "uid": pod.uid, "node": pod.node, "zone": pod.zone}
            pods.append({**facts, "volume": volume, "volume_zone": self.volumes[volume]})
        return {"pods": pods, "living": [one for one in running() if one["cluster"] == cluster] if processes else []}

    def _report(self, state: Json) -> None:
        line = json.dumps({"t": time.monotonic_ns(), "kind": "pod", "by": "lab", **state})
        with self.log_lock, self.pods_log.open("a") as log:
            log.write(line + "\n")

    def _publish(self, cluster: LiveCluster) -> None:
        with self.lock:
            pods = [
                {"hostname": pod.name, "address": pod.address, **cluster.dns["service"]}
                for pod in cluster.pods.values()
                if pod.spec["in_service"]
            ]
            assert cluster.dns_talk is not None
            cluster.dns_talk.ask({"do": "records", "pods": pods}, READY)

    # nodes

    def zone(self, cluster: str, zone: str, act: str) -> Json:
        """freeze, thaw, kill or start everything on the nodes of a zone; returns the pods it concerned."""
        home = self.clusters[cluster]
        pods = [pod for pod in list(home.pods.values()) if pod.zone == zone]
        if not pods:
            raise LookupError(f"no pod lives in zone {zone} of cluster {cluster}")
        if act == "freeze":
            for pod in pods:
                pod.signal_all(signal.SIGSTOP)
        elif act == "thaw":
            for pod in pods:
                pod.signal_all(signal.SIGCONT)
        elif act == "kill":
            self.processes.await_end([pid for pod in pods for pid in pod.hold()], END_SECONDS)
        elif act == "start":
            self._start_held(home, pods)
        else:
            raise ValueError(f"unknown act {act} on a zone")
        return {"pods": [pod.name for pod in pods]}

    def _start_held(self, home: LiveCluster, pods: list[LivePod]) -> None:
        started: list[LivePod] = []
        for pod in pods:
            if pod.release():
                home.probes.pop(pod.name).close()
                self._start_probe(home, pod)
                pod.start_main()
                started.append(pod)
        for pod in started:
            self._await_probe(home, pod)

    # processes

    def spawn(self, cluster: str, pod: str, name: str, command: list[str]) -> tuple[Json, list[int]]:
        """Start a program in a pod; the answer carries the socket that is its standard input and output."""
        pid, descriptor = self._pod(cluster, pod).spawn(name, command)
        return {"pid": pid}, [descriptor]

    def signal(self, cluster: str, pod: str, number: int) -> None:
        """Signal a pod's main process."""
        self._pod(cluster, pod).signal_main(number)

    def probe(self, cluster: str, pod: str, request: Json, timeout: float) -> Json:
        """Ask the probe agent of a pod."""
        asked = self._pod(cluster, pod)
        if "path" in request:
            request = {**request, "path": asked.fill(request["path"])}
        talk = self.clusters[cluster].probes.get(pod)
        if talk is None:
            raise ConnectionError(f"pod {pod} has no probe now")
        return talk.ask(request, timeout)

    def dns(self, cluster: str, request: Json, timeout: float) -> Json:
        """Ask the DNS server of a cluster on its control seam."""
        talk = self.clusters[cluster].dns_talk
        assert talk is not None
        return talk.ask(request, timeout)

    def read(self, cluster: str, pod: str, path: str) -> str:
        """A text file of a pod."""
        return Path(self._pod(cluster, pod).fill(path)).read_text(errors="replace")

    # network

    def net(self, space: str, act: str, entry: Json | None) -> Any:
        """One operation of NetworkOps in a namespace; `pod:CLUSTER/NAME` stands for the pod's present one."""
        if space.startswith("pod:"):
            space = self._pod(*space[4:].split("/")).space
        with NetlinkOps(space) as net:
            if act in NET_LISTS:
                return [asdict(found) for found in getattr(net, act)()]
            if act not in NET_ACTS:
                raise ValueError(f"unknown act {act} on a network")
            return getattr(net, act)(NET_ACTS[act](**(entry or {})))

    def memory(self) -> int:
        """Resident memory of every process of the lab together, in bytes."""
        total = 0
        for status in Path("/proc").glob("[0-9]*/statm"):
            try:
                total += int(status.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
            except OSError:
                continue  # it ended while we looked
        return total


NET_LISTS = ("rules", "routes", "links")
NET_ACTS: dict[str, Callable[..., Any]] = {
    "add_rule": Rule, "delete_rule": Rule, "add_route": Route, "delete_route": Route,
}  # fmt: skip
REQUESTS = (
    "create_cluster", "create_pod", "delete_pod", "reschedule", "states", "truth", "zone", "spawn", "signal", "probe",
    "dns", "read", "net", "memory",
)  # fmt: skip


def _bare_spec(name: str) -> Json:
    return {"name": name, "zone": None, "command": [], "first_command": None, "files": {}, "environment": {},
            "in_service": False, "restart": {"first": 10.0, "most": 300.0}, "address": None}  # fmt: skip


def _answer(handler: Callable[..., Any], arguments: Json) -> tuple[Json, list[int]]:
    try:
        result = handler(**arguments)
    except Exception as error:  # noqa: BLE001  the caller must hear of it; netlink errors have no common public base
        kind = next((name for name, base in wire.KINDS.items() if isinstance(error, base)), "")
        return {"ok": False, "kind": kind, "error": f"{type(error).__name__}: {error}"}, []
    if isinstance(result, tuple):
        return {"ok": True, "answer": result[0]}, result[1]
    return {"ok": True, "answer": result}, []


def _converse(link: socket.socket, supervisor: Supervisor) -> None:
    with link:
        try:
            while (frame := wire.receive(link)) is not None:
                message, _ = frame
                do = message.pop("do")
                if do in REQUESTS:
                    _send_answer(link, *_answer(getattr(supervisor, do), message))
                else:
                    wire.send(link, {"ok": False, "kind": "", "error": f"unknown request {do}"})
        except OSError:
            return  # the caller went away between question and answer


def _send_answer(link: socket.socket, answer: Json, descriptors: list[int]) -> None:
    try:
        wire.send(link, answer, descriptors)
    finally:
        for descriptor in descriptors:
            os.close(descriptor)  # the caller has its own; unsent, the program behind it sees the end of its input


def _is_ours(link: socket.socket) -> bool:
    """Only the user who started the lab may lease it: it is the one user that this namespace maps."""
    raw = link.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
    return bool(struct.unpack("3i", raw)[1] == 0)


def serve(config: Json, listening: int, lifelines: tuple[int, ...]) -> None:
    """Serve until a lifeline closes; the caller, PID 1, ends then, and its end is the lab's end."""
    supervisor = Supervisor(config)
    server = socket.socket(fileno=listening)
    poll = select.poll()
    for descriptor in lifelines:
        poll.register(descriptor, select.POLLIN | select.POLLHUP)
    poll.register(server, select.POLLIN)
    while True:
        for descriptor, _event in poll.poll():
            if descriptor in lifelines:
                return
            link, _ = server.accept()
            if _is_ours(link):
                threading.Thread(target=_converse, args=(link, supervisor), daemon=True).start()
            else:
                link.close()
