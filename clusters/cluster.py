"""What every provider implements: a set of clusters, its nodes and pods, and the optional abilities.

A pod is its UID; its address is an observation. A scenario states which abilities it requires; a provider that lacks
one is reported by name.
"""

from __future__ import annotations

import signal
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Protocol, runtime_checkable

from clusters.network import NetworkOps, Rule


@dataclass(frozen=True, slots=True)
class RestartPolicy:
    """The kubelet's back-off: ``first`` seconds, doubling up to ``most``.

    Defaults are the kubelet's own: 10 s doubling to 300 s (kubernetes pkg/kubelet/kubelet.go, MaxContainerBackOff).
    """

    first: float = 10.0
    most: float = 300.0


@dataclass(frozen=True, slots=True)
class PodSpec:
    """One pod with one main process.

    In ``files`` and commands, ``{{POD_IP}}``, ``{{POD_NAME}}``, ``{{CONFIG}}``, ``{{VOLUME}}`` and ``{{LOGS}}`` stand
    for the values at the start of the process. ``first_command`` is used while the volume has never been started on.
    """

    name: str
    zone: str | None
    command: tuple[str, ...] = ()
    first_command: tuple[str, ...] | None = None
    files: Mapping[str, str] = field(default_factory=dict)
    environment: Mapping[str, str] = field(default_factory=dict)
    in_service: bool = True
    restart: RestartPolicy = RestartPolicy()
    address: str | None = None

    def as_json(self) -> dict[str, Any]:
        """Plain values for the wire."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class PodState:
    """What a pod is at one moment; ``state`` is running, waiting (for its restart) or exited (held down)."""

    cluster: str
    name: str
    uid: str
    node: str
    zone: str | None
    address: str
    state: str
    restarts: int
    exit_code: int | None
    reason: str


class Process(Protocol):
    """A running program that answers one JSON line per JSON line."""

    def ask(self, request: Mapping[str, Any], timeout: float) -> dict[str, Any]:
        """Send one request and return its answer; TimeoutError when none came in ``timeout`` seconds."""

    def close(self) -> None:
        """Close its standard input; it ends by itself."""


class Pod(Protocol):
    """One pod of a cluster, by name; survives the replacement of its UID."""

    name: str

    def state(self) -> PodState:
        """What it is now."""

    def spawn(self, name: str, command: Sequence[str]) -> Process:
        """Start a further program inside; it ends when the returned Process is closed."""

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to its main process."""

    def read(self, path: str) -> str:
        """A text file of the pod; placeholders of PodSpec are understood."""

    def probe(self, request: Mapping[str, Any], timeout: float) -> dict[str, Any]:
        """Ask the probe agent inside (clusters/probe.py)."""

    @property
    def net(self) -> NetworkOps:
        """The network namespace of the pod."""


class Node(Protocol):
    """One node of a cluster."""

    name: str
    zone: str | None

    @property
    def net(self) -> NetworkOps:
        """The network namespace of the node."""


class Cluster(Protocol):
    """One Kubernetes cluster, or what stands for one."""

    name: str

    def nodes(self) -> Sequence[Node]:
        """All nodes."""

    def pod(self, name: str) -> Pod:
        """The pod of that name; its state() raises LookupError when there is none."""

    def create_pod(self, spec: PodSpec) -> Pod:
        """Create and start a pod."""

    def states(self) -> Sequence[PodState]:
        """All pods as they are now."""

    def dns(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """Ask the control seam of the cluster's DNS server (clusters/dns/server.py)."""


@runtime_checkable
class ReschedulesPods(Protocol):
    """Ability: kill a pod and bring it back on its volume with another address."""

    def reschedule(self, pod: str, address: str | None = None) -> PodState:
        """SIGKILL, then a new pod on the old volume; a fresh address, or exactly ``address`` (PinsPodAddress)."""


@runtime_checkable
class StopsNodes(Protocol):
    """Ability: freeze, kill and start what runs in a zone."""

    def freeze(self, zone: str) -> None:
        """SIGSTOP everything on the zone's nodes."""

    def thaw(self, zone: str) -> None:
        """SIGCONT everything on the zone's nodes."""

    def kill(self, zone: str) -> None:
        """SIGKILL everything on the zone's nodes and keep it down."""

    def start(self, zone: str) -> None:
        """Let the zone's nodes run their pods again."""


@runtime_checkable
class CutsNetwork(Protocol):
    """Ability: rules on the routers that carry traffic between zones and between clusters."""

    def zone_cut(self, zone: str) -> Sequence[tuple[NetworkOps, Rule]]:
        """Router and rule pairs that together separate a zone from everything else."""


class ClusterSet(Protocol):
    """The live clusters of one topology and the network between them."""

    def cluster(self, name: str) -> Cluster:
        """The cluster of that name."""

    @property
    def router(self) -> NetworkOps:
        """The router between the clusters."""
