"""What every provider implements: a set of clusters, its nodes and pods, and the optional abilities.

Nobody outside a provider knows more of it than this. A pod is its UID; its address is an observation. A scenario states
which abilities it requires; a provider that lacks one is reported by name.

Errors of every act, unless it says otherwise: ClustersRefused when it was refused and nothing was done, ClustersGone
when the clusters are no more, TimeoutError or ConnectionError when who was asked did not answer and may later.
"""

from __future__ import annotations

import signal
import socket
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from clusters.network import NetworkOps, Rule

if TYPE_CHECKING:
    from clusters.ring.config import HostStart
    from clusters.topology import ClusterSpec, Topology
    from clusters.truth import Truth


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
    """What a pod is at one moment.

    ``state`` is created (its main process was never started), running, waiting (for its restart) or exited (held down).
    """

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


class PodAbsent(ConnectionError):
    """A cluster has no pod of that name at the moment; who replaces it may not have made the new one yet.

    Nobody answers there, so it is to be met wherever a host may not answer (seen on kind, in the 1.02 s between the
    last state of a pod that was deleted and the first of its successor).
    """


class Process(Protocol):
    """A running program that answers one JSON line per JSON line, and may say lines of its own."""

    @property
    def events(self) -> list[dict[str, Any]]:
        """What it said that answers no question, in order."""

    @property
    def ended(self) -> bool:
        """Whether it has closed its output, or we have closed ours."""

    def ask(self, request: Mapping[str, Any], timeout: float) -> dict[str, Any]:
        """Send one request and return its answer, whatever other threads ask meanwhile.

        TimeoutError when none came in ``timeout`` seconds; ConnectionError when the program has ended.
        """

    def close(self) -> None:
        """Close its standard input; it ends by itself. Twice is once."""


class Pod(Protocol):
    """One pod of a cluster, by name; survives the replacement of its UID.

    Beside the main process a probe agent runs (clusters/probe.py), which shares the pod's network and volume and
    outlives every end of the main process.
    """

    name: str

    @property
    def python(self) -> str:
        """The Python in it; in client pods it has the project, and sees the run's folder under its own path."""

    def state(self) -> PodState:
        """What it is now; PodAbsent when the cluster has no pod of that name."""

    def spawn(self, name: str, command: Sequence[str]) -> Process:
        """Start a further program inside; it ends when the returned Process is closed.

        What it says on standard error is in `hosts/<pod>/<name>.err` of the folder that the clusters write to; of a
        client pod in `hosts/<cluster>-client/`.
        """

    def connect(self, name: str, command: Sequence[str]) -> socket.socket:
        """As spawn, as plain bytes: what is sent is its standard input, what is received its standard output."""

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to its main process; after SIGKILL the pod's restart policy brings it back in place."""

    def read(self, path: str) -> str:
        """A text file of the pod; placeholders of PodSpec are understood."""

    def probe(self, request: Mapping[str, Any], timeout: float) -> dict[str, Any]:
        """Ask the probe agent; TimeoutError when it did not answer in ``timeout`` seconds.

        Placeholders of PodSpec are understood in paths.
        """

    @property
    def net(self) -> NetworkOps:
        """The network namespace of the pod; it ends with the pod's UID, and so do its rules."""


class Node(Protocol):
    """One node of a cluster."""

    name: str
    zone: str | None

    @property
    def net(self) -> NetworkOps:
        """The network namespace of the node."""


class Cluster(Protocol):
    """One Kubernetes cluster, or what stands for one.

    It has a pod `client`, in no zone, which no fault touches: clients and observers run there.
    """

    name: str

    @property
    def spec(self) -> ClusterSpec:
        """As it was declared; what is declared is so."""

    def nodes(self) -> Sequence[Node]:
        """All nodes."""

    def pod(self, name: str) -> Pod:
        """The pod of that name, whether there is one or not; its state() says."""

    def create_pod(self, spec: PodSpec) -> Pod:
        """Create and start a pod; without a command it has the probe agent only."""

    def start_hosts(self, starts: Sequence[HostStart]) -> None:
        """Create a pod of exactly `host.pod` in zone `host.rack` for each host of a ring, on an empty volume.

        The pods exist when this returns; whether they serve is for the caller to see. Each runs Cassandra with the
        files of the HostStart, logs to `hosts/<pod>/system.log` and `main.out`, is restarted as
        clusters.ring.limits.restart_policy says, and takes the formation's shortcuts
        (clusters.ring.flags.FORMATION_FLAGS) on the first start of its volume only.
        """

    def delete_pod(self, name: str) -> None:
        """The pod, its volume and its name are gone when this returns."""

    def states(self) -> Sequence[PodState]:
        """All pods as they are now, the client included."""

    @property
    def truth(self) -> Truth:
        """What the orchestrator itself says of nodes, pods and volumes."""


@runtime_checkable
class ReschedulesPods(Protocol):
    """Ability: kill a pod and bring it back on its volume with another address."""

    def reschedule(self, pod: str) -> PodState:
        """SIGKILL, then a new pod on the old volume: another UID, an address that it did not have before."""


@runtime_checkable
class PinsPodAddress(Protocol):
    """Ability: choose the address of a rescheduled pod."""

    def reschedule_at(self, pod: str, address: str) -> PodState:
        """As ReschedulesPods, at exactly ``address``; refused when somebody has it or no pod there can."""

    def may_have(self, pod: str, address: str) -> bool:
        """Whether the pod could be given that address, whoever has it now."""


@runtime_checkable
class StopsNodes(Protocol):
    """Ability: freeze, kill and start what runs in a zone. Each has happened when it returns; twice is once."""

    def freeze(self, zone: str) -> None:
        """Nothing on the zone's nodes runs any more; its sockets stay open."""

    def thaw(self, zone: str) -> None:
        """What was frozen goes on."""

    def kill(self, zone: str) -> None:
        """SIGKILL everything on the zone's nodes and keep it down."""

    def start(self, zone: str) -> None:
        """Let the zone's nodes run their pods again."""


@runtime_checkable
class CutsNetwork(Protocol):
    """Ability: say which rules, and where, stop which packets of established and new connections.

    Each method only answers with pairs of a network and a rule, to be added and taken back one by one (clusters.undo);
    together they are the cut.
    """

    def zone_cut(self, zone: str) -> Sequence[tuple[NetworkOps, Rule]]:
        """Separate a zone from everything else."""

    def isolation(self, zone: str) -> Sequence[tuple[NetworkOps, Rule]]:
        """Separate a zone from all other zones of every cluster; the cluster's client reaches both sides."""

    def cut_towards(self, target: ClusterSpec) -> Sequence[tuple[NetworkOps, Rule]]:
        """Drop what pods and nodes of this cluster send to those of another; the other direction stays open."""


@runtime_checkable
class FaultsDns(Protocol):
    """Ability: let the cluster's DNS server lie about some names, while all others are answered as before."""

    def dns_rules(self) -> Sequence[Mapping[str, Any]]:
        """The rules in force, each with its `id`."""

    def add_dns_rule(self, rule: Mapping[str, Any]) -> None:
        """In force for the next query when this returns; UsageError when it is refused, then nothing has changed.

        Keys are those of clusters.dns.rules.Rule: `id`, `match`, `action` (drop, servfail, nxdomain, answer) and, with
        answer, `address`.
        """

    def delete_dns_rule(self, identity: str) -> None:
        """The next query is answered as before the rule; a missing one is an error."""


@runtime_checkable
class ResetsInPlace(Protocol):
    """Ability of a set of clusters: be without a ring again, as they were when they were started."""

    def reset(self) -> Sequence[str]:
        """Heal, take back and delete what faults and a ring left; what differs all the same, a sentence each.

        Nothing when they may be used again: then no pod, no volume and no rule of ours was found, every node was ready,
        and routes and names were those of the start. That is asked of the clusters, never remembered.
        """

    def keep_evidence(self, folder: Path) -> None:
        """Write into ``folder`` what nodes and API servers say, for who asks why the clusters are not clean."""


class ClusterSet(Protocol):
    """The live clusters of one topology and the network between them."""

    @property
    def provider(self) -> str:
        """What made them, as bundles and journals call it."""

    @property
    def topology(self) -> Topology:
        """As declared."""

    @property
    def clusters(self) -> Sequence[Cluster]:
        """All clusters, in the order of the topology."""

    @property
    def alive(self) -> bool:
        """Whether they still answer; when not, all that was added to them has ended with them."""

    @property
    def router(self) -> NetworkOps:
        """The router between the clusters."""

    def cluster(self, name: str) -> Cluster:
        """The cluster of that name; LookupError when there is none."""

    def networks(self) -> Sequence[NetworkOps]:
        """Every network in which acts may leave something, pods excepted: router, gateways, nodes."""

    def network(self, space: str) -> NetworkOps:
        """The network of that name, also in another process; `pod:CLUSTER/NAME` stands for a pod's present one."""

    def memory(self) -> int:
        """Resident bytes of everything that runs in them."""

    def close(self) -> None:
        """Give back what this process holds of them; the clusters stay."""
