"""A ring whose hosts say what a test tells them to: fakes behind the same seams as a lab."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from clusters.catalog import named
from clusters.cluster import PodAbsent, PodState
from clusters.network import Route, Rule
from clusters.ring.config import HostSpec, declare_hosts, seed_names
from clusters.ring.host import Host, View
from clusters.ring.limits import ring_limits
from clusters.ring.ring import Datacenter, Ring
from clusters.topology import Topology
from clusters.truth import CONDITIONS, Note, Placement, living


@dataclass
class FakeNet:
    space: str
    standing: list[Rule] = field(default_factory=list)
    ways: list[Route] = field(default_factory=list)
    refuses: Exception | None = None

    def rules(self) -> list[Rule]:
        return list(self.standing)

    def routes(self) -> list[Route]:
        return list(self.ways)

    def add_rule(self, rule: Rule) -> None:
        if self.refuses is not None:
            raise self.refuses
        self.standing.append(rule)

    def delete_rule(self, rule: Rule) -> None:
        self.standing.remove(rule)


@dataclass
class FakePod:
    cluster: FakeCluster
    name: str
    net: FakeNet
    python: str = "python3"

    def state(self) -> PodState:
        for state in self.cluster.pods:
            if state.name == self.name:
                return state
        raise PodAbsent(f"cluster {self.cluster.name} has no pod {self.name}")

    def probe(self, request: dict[str, Any], timeout: float) -> dict[str, Any]:
        return self.cluster.heard(self.name, request)


@dataclass(frozen=True)
class FakeNode:
    name: str
    net: FakeNet


class Closed:
    def close(self) -> None:
        """Nothing to close."""


@dataclass
class FakeTruth:
    """Every pod is where it is said to be, on a volume of that zone, and runs once."""

    cluster: FakeCluster
    not_modelled: tuple[str, ...] = (CONDITIONS,)

    def timers(self) -> None:
        return None

    def look(self) -> list[dict[str, Any]]:
        pods = self.cluster.pods
        lived = [{"pod": pod.name, "uid": pod.uid, "node": pod.node} for pod in pods if pod.state == "running"]
        return [*(self.placement(pod) for pod in pods), living(self.cluster.name, lived)]

    def placement(self, pod: PodState) -> dict[str, Any]:
        zones = (pod.zone,) if pod.zone else ()
        return Placement(pod.cluster, pod.name, pod.uid, pod.node, pod.zone, f"of {pod.name}", zones).record()

    def watch(self, note: Note) -> Closed:
        for pod in self.cluster.pods:
            note(self.placement(pod))
        return Closed()


@dataclass
class FakeCluster:
    name: str
    spec: Any
    pods: list[PodState] = field(default_factory=list)
    nets: dict[str, FakeNet] = field(default_factory=dict)
    overrides: list[dict[str, Any]] = field(default_factory=list)
    answers: dict[str, list[str]] = field(default_factory=dict)
    done: list[tuple[str, str]] = field(default_factory=list)

    def net(self, space: str) -> FakeNet:
        return self.nets.setdefault(space, FakeNet(space))

    @property
    def gateway(self) -> FakeNet:
        return self.net(f"{self.name}-gateway")

    def nodes(self) -> list[FakeNode]:
        return [FakeNode(f"{self.name}-node", self.net(f"{self.name}-node"))]

    def states(self) -> list[PodState]:
        return list(self.pods)

    def __post_init__(self) -> None:
        self.truth = FakeTruth(self)

    def pod(self, name: str) -> FakePod:
        return FakePod(self, name, self.net(f"pod:{self.name}/{name}"))

    def dns_rules(self) -> list[dict[str, Any]]:
        return list(self.overrides)

    def add_dns_rule(self, rule: dict[str, Any]) -> None:
        self.overrides.append(rule)

    def delete_dns_rule(self, identity: str) -> None:
        self.overrides = [rule for rule in self.overrides if rule["id"] != identity]

    def heard(self, pod: str, request: dict[str, Any]) -> dict[str, Any]:
        if request["do"] == "resolve":
            found = [
                {"name": name, "rcode": "NOERROR" if self.answers.get(name.rstrip(".")) else "SERVFAIL",
                 "seconds": 0.01, "addresses": self.answers.get(name.rstrip("."), [])}
                for name in request["names"]
            ]  # fmt: skip
            return {"ok": True, "results": found}
        raise ConnectionError(f"{pod} has no answer to {request['do']}")

    def freeze(self, zone: str) -> None:
        self.done.append(("freeze", zone))

    def thaw(self, zone: str) -> None:
        self.done.append(("thaw", zone))

    def kill(self, zone: str) -> None:
        self.done.append(("kill", zone))

    def start(self, zone: str) -> None:
        self.done.append(("start", zone))


class FakeLab:
    def __init__(self, clusters: list[FakeCluster]) -> None:
        self.clusters = clusters
        self.provider = "lab"
        self.router = FakeNet("router")
        self.closed = False
        self.alive = True

    def cluster(self, name: str) -> FakeCluster:
        return next(cluster for cluster in self.clusters if cluster.name == name)

    def networks(self) -> list[FakeNet]:
        gateways = [cluster.gateway for cluster in self.clusters]
        return [self.router, *gateways, *[node.net for cluster in self.clusters for node in cluster.nodes()]]

    def network(self, space: str) -> FakeNet:
        known = {"router": self.router}
        for cluster in self.clusters:
            known |= cluster.nets
        return known[space]

    def close(self) -> None:
        self.closed = True


@dataclass
class FakeHost(Host):
    """Sees what ``sees`` says; an exception there is raised."""

    sees: View | Exception | None = None
    gossip: list[str] | Exception = field(default_factory=list)
    tables: int = 40

    def view(self) -> View:
        if isinstance(self.sees, Exception):
            raise self.sees
        assert self.sees is not None
        return self.sees

    def gossip_addresses(self) -> list[str]:
        if isinstance(self.gossip, Exception):
            raise self.gossip
        return self.gossip

    def count_tables(self) -> int:
        return self.tables


def state_of(spec: HostSpec, address: str, **changed: Any) -> PodState:
    known = {"cluster": spec.cluster, "name": spec.pod, "uid": f"uid-{spec.pod}", "node": "n", "zone": spec.rack,
             "address": address, "state": "running", "restarts": 0, "exit_code": None, "reason": ""}  # fmt: skip
    return PodState(**{**known, **changed})


def fake_ring(folder: Path) -> Ring:
    """Six hosts in agreement, with host_ids `id-<pod>` at 10.0.0.1 to 10.0.0.6."""
    topology = named("stub-domains")
    lab: Any = FakeLab([FakeCluster(spec.name, spec) for spec in topology.clusters])
    made = ring_on(topology, lab, folder)
    for number, host in enumerate(made.hosts):
        lab.cluster(host.spec.cluster).pods.append(state_of(host.spec, f"10.0.0.{number + 1}"))
    agree(made)
    return made


def ring_on(topology: Topology, lab: Any, folder: Path) -> Ring:
    """A ring of fake hosts on clusters of any kind; what the hosts see is for `agree` to say."""
    hosts = [FakeHost(spec, lab.cluster(spec.cluster), f"id-{spec.pod}") for spec in declare_hosts(topology)]
    ring = topology.ring
    assert ring is not None
    datacenters = tuple(
        Datacenter(
            declared.name,
            lab.cluster(declared.cluster),
            tuple(host for host in hosts if host.spec.datacenter == declared.name),
            declared.replication_factor,
        )
        for declared in ring.datacenters
    )
    folder.mkdir(parents=True, exist_ok=True)
    return Ring(topology, lab, "rp-test", folder, datacenters, ring_limits(topology), tuple(seed_names(topology)))


def agree(ring: Ring) -> None:
    """Let every host see the ring as it is."""
    addresses = ring.addresses()
    for host in ring.hosts:
        assert isinstance(host, FakeHost)
        peers = tuple(
            {"host_id": other.host_id, "address": addresses[other.spec.who], "datacenter": other.spec.datacenter,
             "rack": other.spec.rack, "schema": "s-1"}
            for other in ring.hosts if other is not host
        )  # fmt: skip
        spec = host.spec
        host.sees = View(host.host_id, addresses[spec.who], spec.datacenter, spec.rack, "s-1", peers, (), {})
        host.gossip = list(addresses.values())
        for cluster in ring.clusters.clusters:
            if isinstance(cluster, FakeCluster):
                cluster.answers[spec.name] = [addresses[spec.who]]
