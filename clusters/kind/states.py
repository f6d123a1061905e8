"""What a pod of Kubernetes is, in the words of the provider seam. Pure, from the API's JSON."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from clusters.cluster import PodState
from clusters.kind.manifests import HOST_CONTAINER, PROBE_CONTAINER

PREFIX_OF_IDENTITY = "containerd://"
PID_FILE = "/run/containerd/io.containerd.runtime.v2.task/k8s.io/{identity}/init.pid"
"""Where containerd's shim writes the number of a container's first process, as the node counts."""

Json = dict[str, Any]


def pod_state(cluster: str, pod: Json, zones: Mapping[str, str], down: frozenset[str] = frozenset()) -> PodState:
    """The state of a pod; ``zones`` by node, ``down`` are nodes that are dead whatever the API server believes of them.

    Kubernetes keeps a container's status as it was last heard of, so a pod on a dead node is running for it.
    """
    main = container_status(pod, HOST_CONTAINER) or container_status(pod, PROBE_CONTAINER) or {}
    node = pod["spec"].get("nodeName") or ""
    state, reason = _now(pod, main)
    if node in down:
        state, reason = "exited", "held down with its node"
    last = (main.get("state") or {}).get("terminated") or (main.get("lastState") or {}).get("terminated") or {}
    return PodState(
        cluster=cluster,
        name=pod["metadata"]["name"],
        uid=pod["metadata"]["uid"],
        node=node,
        zone=zones.get(node),
        address=pod["status"].get("podIP") or "",
        state=state,
        restarts=int(main.get("restartCount") or 0),
        exit_code=last.get("exitCode"),
        reason=reason,
    )


def _now(pod: Json, main: Json) -> tuple[str, str]:
    now = main.get("state") or {}
    if "running" in now:
        return "running", ""
    waiting = now.get("waiting") or now.get("terminated") or {}
    ended = "terminated" in now or main.get("restartCount") or main.get("lastState")
    words = [str(waiting[key]) for key in ("reason", "message") if waiting.get(key)]
    return "waiting" if ended else "created", ": ".join(words) or str(pod["status"].get("phase", "Unknown"))


def container_status(pod: Json, name: str) -> Json | None:
    """The status of one container of a pod, None before it has one."""
    return next((one for one in pod["status"].get("containerStatuses") or [] if one["name"] == name), None)


def container_identity(pod: Json, name: str) -> str | None:
    """The identity of a container that was started, as the node's containerd knows it."""
    status = container_status(pod, name) or {}
    return str(status.get("containerID") or "").removeprefix(PREFIX_OF_IDENTITY) or None


def owner_of(pod: Json) -> str | None:
    """The StatefulSet that brings a pod back, None when nothing does."""
    owners = pod["metadata"].get("ownerReferences") or []
    return next((str(owner["name"]) for owner in owners if owner["kind"] == "StatefulSet"), None)
