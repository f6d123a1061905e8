"""Where everything of a set of kind clusters is, and what it is called: pure arithmetic from a topology and a name.

Each cluster has an engine network of its own, which is its node range. From it kind's nodes take the lower half; the
last addresses belong to the router between the clusters and to the cluster's client container.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path

from clusters.alive import Identity
from clusters.errors import UsageError
from clusters.topology import ClusterSpec, DnsMode, Routing, Topology

PREFIX = "rp"
TAG_LENGTH = 8
"""Characters of the hash in every name: a bridge is called rp-<tag>-<index>, and an interface has 15 at most."""
MOST_CLUSTERS = 100
CONTROL_PLANE_ZONE = "infra"
"""Zone label of the control plane's node: no zone of a ring, so no zone fault touches DNS, API and provisioner."""
ZONE_LABEL = "topology.kubernetes.io/zone"
REGION_LABEL = "topology.kubernetes.io/region"

LABEL_NAME = "ringproof.name"
LABEL_EXPIRES = "ringproof.expires"
LABEL_OWNER = "ringproof.owner"
LABEL_FOLDER = "ringproof.folder"
LABEL_CLUSTER = "ringproof.cluster"
UID_LABEL = "ringproof.uid"
"""Of a client container: what it answers when it is asked who it is."""

FITTING = (Routing.ROUTED, Routing.HOST_GW, Routing.VXLAN)
SMALLEST_PREFIX = 27
"""A /27 gives 16 addresses to kind and 16 to the router, the client and what is to come."""


def tag(name: str) -> str:
    """What stands for a set of clusters in the names of its containers, networks, bridges and tables."""
    return hashlib.sha256(name.encode()).hexdigest()[:TAG_LENGTH]


def owner_label(owner: Identity) -> str:
    """A process as the value of the label LABEL_OWNER."""
    return json.dumps(asdict(owner), sort_keys=True)


@dataclass(frozen=True, slots=True)
class Marks:
    """Whose a thing is and how long it may stay: the labels of everything that is created outside of Kubernetes.

    ``expires`` is wall time in seconds; ``owner`` is the process that the set of clusters belongs to.
    """

    name: str
    expires: float
    owner: Identity
    folder: Path

    def labels(self) -> dict[str, str]:
        """As labels of containers and networks."""
        return {
            LABEL_NAME: self.name,
            LABEL_EXPIRES: f"{self.expires:.0f}",
            LABEL_OWNER: owner_label(self.owner),
            LABEL_FOLDER: str(self.folder),
        }

    @classmethod
    def read(cls, labels: Mapping[str, str]) -> Marks | None:
        """The marks in these labels, None when they are not ours or of another version."""
        try:
            owner = Identity(**json.loads(labels[LABEL_OWNER]))
            return cls(labels[LABEL_NAME], float(labels[LABEL_EXPIRES]), owner, Path(labels[LABEL_FOLDER]))
        except (LookupError, ValueError, TypeError):
            return None


@dataclass(frozen=True, slots=True)
class ClusterPlace:
    """One cluster as the engine sees it."""

    spec: ClusterSpec
    tag: str
    index: int

    @property
    def kind_name(self) -> str:
        """The name that kind knows; the nodes' names begin with it."""
        return f"{PREFIX}-{self.tag}-{self.spec.name}"

    @property
    def context(self) -> str:
        """Its context in the run's kubeconfig."""
        return f"kind-{self.kind_name}"

    @property
    def network(self) -> str:
        """The engine network of its nodes."""
        return self.kind_name

    @property
    def bridge(self) -> str:
        """The network's interface on the machine."""
        return f"{PREFIX}-{self.tag}-{self.index}"

    @property
    def control_plane(self) -> str:
        """The container of its control plane."""
        return f"{self.kind_name}-control-plane"

    @property
    def client_container(self) -> str:
        """The container in which clients and observers run."""
        return f"{self.kind_name}-client"

    @property
    def gateway(self) -> IPv4Address:
        """The machine's own address on the bridge."""
        return self.spec.node_range[1]

    @property
    def node_pool(self) -> IPv4Network:
        """The part of the node range that kind's nodes get addresses from."""
        return next(self.spec.node_range.subnets(prefixlen_diff=1))

    @property
    def router(self) -> IPv4Address:
        """The router's address on this network."""
        return self.spec.node_range[-2]

    @property
    def client(self) -> IPv4Address:
        """The client container's address."""
        return self.spec.node_range[-3]

    @property
    def dns_service(self) -> IPv4Address:
        """The address of the cluster's DNS service: the tenth of the range (kubeadm GetDNSIP)."""
        return self.spec.service_range[10]

    @property
    def backend(self) -> str:
        """flannel's backend: plain routes between nodes, or VXLAN."""
        return "vxlan" if self.spec.routing is Routing.VXLAN else "host-gw"


@dataclass(frozen=True, slots=True)
class Layout:
    """All clusters of one topology under one name."""

    topology: Topology
    name: str
    places: tuple[ClusterPlace, ...]

    @property
    def tag(self) -> str:
        """See tag()."""
        return tag(self.name)

    @property
    def router(self) -> str:
        """The container that stands for the network between the clusters."""
        return f"{PREFIX}-{self.tag}-router"

    def place(self, cluster: str) -> ClusterPlace:
        """The place of that cluster; LookupError when there is none."""
        for place in self.places:
            if place.spec.name == cluster:
                return place
        raise LookupError(f"topology {self.topology.name} has no cluster {cluster}")

    def joined_to(self, place: ClusterPlace) -> tuple[ClusterPlace, ...]:
        """The other clusters that this one exchanges routes with."""
        if not place.spec.joined:
            return ()
        return tuple(other for other in self.places if other is not place and other.spec.joined)

    @property
    def ranges(self) -> tuple[IPv4Network, ...]:
        """Every range that must not leave the machine, each once, as declared."""
        found = [range_ for place in self.places for range_ in (place.spec.node_range, place.spec.pod_range)]
        return tuple(dict.fromkeys([*found, *(place.spec.service_range for place in self.places)]))


def lay_out(topology: Topology, name: str) -> Layout:
    """The layout; UsageError with the reason when kind cannot build what is declared."""
    if len(topology.clusters) > MOST_CLUSTERS:
        raise UsageError(f"topology {topology.name}: kind holds {MOST_CLUSTERS} clusters, not {len(topology.clusters)}")
    for spec in topology.clusters:
        _refuse(spec)
    places = tuple(ClusterPlace(spec, tag(name), index) for index, spec in enumerate(topology.clusters))
    return Layout(topology, name, places)


def _refuse(spec: ClusterSpec) -> None:
    if spec.routing not in FITTING:
        fitting = ", ".join(FITTING)
        raise UsageError(f"cluster {spec.name}: kind does not build routing {spec.routing}; choose one of {fitting}")
    if spec.dns.mode is DnsMode.MANAGED:
        raise UsageError(
            f"cluster {spec.name}: kind does not build DNS mode managed; choose stub-domain or shared-suffix"
        )
    if spec.node_range.prefixlen > SMALLEST_PREFIX:
        raise UsageError(
            f"cluster {spec.name}: node range {spec.node_range} is too small for kind; widen it to /{SMALLEST_PREFIX}"
        )
    if CONTROL_PLANE_ZONE in spec.zones:
        raise UsageError(f"cluster {spec.name}: the zone {CONTROL_PLANE_ZONE} is the control plane's; rename the zone")
