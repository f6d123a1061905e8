"""What the orchestrator of a cluster says of its nodes, pods and volumes, beside what Cassandra says of its hosts.

Everything here is an observation: plain records of the kinds that docs/formats.md lists under "Truth", each with the
time at which we saw it. Times of the orchestrator's own stand in `since` and `reported`, as it wrote them.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from clusters.ring.limits import Limit

Note = Callable[[Mapping[str, Any]], None]
"""Takes one record; safe for threads."""

HERE, LEAVING, GONE = "here", "leaving", "gone"
"""What a pod of one UID is to its orchestrator: leaving is told to go, gone is no more."""
REPORTED_WITHIN = 1.0
"""Seconds by which a time that Kubernetes writes may differ from the moment: it has whole seconds (metav1.Time)."""

CONDITIONS, READINESS, EVENTS = "node conditions", "pod readiness", "events"
ENDPOINTS, EVICTION = "endpoints", "eviction"
"""What a provider may have no notion of, as `not_modelled` names it."""

MONITOR_PERIOD = 5.0
"""--node-monitor-period of the controller manager (cloud-provider config/v1alpha1/defaults.go)."""
EVICTION_PAUSE = 10.0
"""1 / --node-eviction-rate: seconds between two nodes of a zone that are tainted NoExecute."""
API_SLACK = 5.0
"""For writes and watches of a control plane that shares two cores with six hosts: answers take up to 3 s (measured)."""


@dataclass(frozen=True, slots=True)
class Placement:
    """Where one pod is: its identity, its node and zone, and the zones that its volume can be in.

    ``zone`` is None on a node of no zone; ``volume_zones`` is empty while the pod has no bound volume. ``ready`` is the
    status of its condition Ready (True, False, Unknown), None where readiness is not modelled.
    """

    cluster: str
    pod: str
    uid: str
    node: str
    zone: str | None
    volume: str | None
    volume_zones: tuple[str, ...]
    ready: str | None = None
    ready_since: str | None = None
    state: str = HERE

    def record(self) -> dict[str, Any]:
        """As an observation of the kind `placement`, seen now."""
        return seen(
            "placement",
            self.cluster,
            pod=self.pod,
            uid=self.uid,
            node=self.node,
            zone=self.zone,
            volume=self.volume,
            volume_zones=list(self.volume_zones),
            ready=self.ready,
            ready_since=self.ready_since,
            state=self.state,
        )


def seen(kind: str, cluster: str, **fields: Any) -> dict[str, Any]:
    """One observation of a cluster's orchestrator, seen now."""
    return {"t": time.monotonic_ns(), "kind": kind, "cluster": cluster, **fields}


def living(cluster: str, pods: Sequence[Mapping[str, str]], unasked: Sequence[str] = ()) -> dict[str, Any]:
    """The observation `living`: pods whose main process runs, as the nodes themselves see their processes.

    Each of ``pods`` has `pod`, `uid` and `node`; ``unasked`` are nodes that did not answer.
    """
    return seen("living", cluster, pods=[dict(one) for one in pods], unasked=list(unasked))


@dataclass(frozen=True, slots=True)
class NodeTimers:
    """The live settings that decide when a silent node is NotReady and its pods are evicted; seconds.

    ``source`` says where the grace period is from. A toleration of None has no end: the pods are never evicted.
    """

    grace: float
    source: str
    status_every: float
    lease_every: float
    unreachable: float | None
    not_ready: float | None

    @property
    def earliest(self) -> float:
        """The least silence after which a node can be NotReady: its last heartbeat is one lease renewal old."""
        return self.grace - self.lease_every

    @property
    def noticed(self) -> Limit:
        """A silent node is NotReady: grace is counted from the look that saw its last heartbeat, and ends at a look."""
        formula = (
            f"node-monitor-grace-period {self.grace:g} s ({self.source}) + 2 x node-monitor-period "
            f"{MONITOR_PERIOD:g} s + API {API_SLACK:g} s; heartbeats: lease every {self.lease_every:g} s, "
            f"nodeStatusUpdateFrequency {self.status_every:g} s, so not before {self.earliest:g} s"
        )
        return Limit("NotReady", self.grace + 2 * MONITOR_PERIOD + API_SLACK, formula)

    @property
    def evicted(self) -> Limit | None:
        """Pods of a node that stays unreachable are told to go so long after it is NotReady; None when they never are.

        The NoExecute taint waits for the zone's turn, the toleration is counted from the taint.
        """
        if self.unreachable is None:
            return None
        formula = (
            f"tolerationSeconds {self.unreachable:g} s (unreachable; not-ready {_told(self.not_ready)}) "
            f"+ 1 / node-eviction-rate {EVICTION_PAUSE:g} s + 2 x node-monitor-period {MONITOR_PERIOD:g} s"
        )
        return Limit("eviction", self.unreachable + EVICTION_PAUSE + 2 * MONITOR_PERIOD, formula)

    def record(self, cluster: str) -> dict[str, Any]:
        """As an observation of the kind `timers`, seen now."""
        evicted = self.evicted
        limits = {"not_ready": self.noticed.as_json(), "eviction": evicted.as_json() if evicted else None}
        settings = {"node_monitor_grace_period": self.grace, "source": self.source,
                    "node_status_update_frequency": self.status_every, "lease_renewal": self.lease_every,
                    "toleration_unreachable": self.unreachable, "toleration_not_ready": self.not_ready}  # fmt: skip
        return seen("timers", cluster, **settings, limits=limits)


def _told(seconds: float | None) -> str:
    return "for ever" if seconds is None else f"{seconds:g} s"


class Watching(Protocol):
    """A watch that goes on beside everything else."""

    def close(self) -> None:
        """No more is noted when this returns; raises what ended the watch early. Twice is once."""


class Truth(Protocol):
    """What one cluster's orchestrator says. It acts on nothing; errors are those of clusters.cluster."""

    @property
    def not_modelled(self) -> Sequence[str]:
        """What this provider has no notion of, so that no record of it can come and no check may pass on it."""

    def timers(self) -> NodeTimers | None:
        """The live settings for silent nodes; None where node conditions are not modelled."""

    def look(self) -> Sequence[Mapping[str, Any]]:
        """Everything as it is now: each pod's placement, each node's conditions, and one `living` record."""

    def watch(self, note: Note) -> Watching:
        """Everything as it is has been noted when this returns; then every change is, until the answer is closed."""
