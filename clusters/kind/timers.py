"""The live settings of a cluster that decide when a silent node is NotReady and its pods are evicted. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any

from clusters.truth import NodeTimers

Json = dict[str, Any]

GRACE_FLAG = "--node-monitor-grace-period"
GRACE_DEFAULTS = (((1, 32), 50.0), ((0, 0), 40.0))
"""The flag's default from that version on (pkg/controller/nodelifecycle/config/v1alpha1/defaults.go; kubernetes
pull request 126287, released with 1.32)."""
LEASE_FRACTION = 0.25
"""nodeLeaseRenewIntervalFraction (pkg/kubelet/kubelet.go): a lease is renewed after this part of its duration."""
UNREACHABLE, NOT_READY = "node.kubernetes.io/unreachable", "node.kubernetes.io/not-ready"
UNITS = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 1e-3, "us": 1e-6, "ns": 1e-9}


def read_timers(version: str, manager: Json, kubelets: Sequence[Json], pods: Iterable[Json]) -> NodeTimers:
    """From gitVersion, the controller manager's pod, the kubelets' own configuration (configz) and the hosts' pods."""
    grace, source = grace_period(version, manager)
    own = list(pods)
    return NodeTimers(
        grace=grace,
        source=source,
        status_every=max(seconds_of(one["nodeStatusUpdateFrequency"]) for one in kubelets),
        lease_every=max(LEASE_FRACTION * float(one["nodeLeaseDurationSeconds"]) for one in kubelets),
        unreachable=shortest(own, UNREACHABLE),
        not_ready=shortest(own, NOT_READY),
    )


def grace_period(version: str, manager: Json) -> tuple[float, str]:
    """Seconds, and where they are from: the flag of the running controller manager, else its version's default."""
    words = [word for one in manager["spec"]["containers"] for word in _words(one)]
    for place, word in enumerate(words):
        flag, _, value = word.partition("=")
        if flag == GRACE_FLAG:
            return seconds_of(value or words[place + 1]), "flag of the controller manager"
    numbers = re.match(r"v?(\d+)\.(\d+)", version)
    known = (int(numbers[1]), int(numbers[2])) if numbers else (0, 0)
    seconds = next(seconds for since, seconds in GRACE_DEFAULTS if known >= since)
    return seconds, f"default of {version}"


def _words(container: Json) -> list[str]:
    return [*(container.get("command") or []), *(container.get("args") or [])]


def shortest(pods: Iterable[Json], taint: str) -> float | None:
    """The shortest time for which any of the pods tolerates a NoExecute taint; None when all do for ever."""
    return min((time for pod in pods if (time := _tolerated(pod, taint)) is not None), default=None)


def _tolerated(pod: Json, taint: str) -> float | None:
    """Seconds, 0 when the pod does not tolerate the taint, None when it does for ever (the shortest one counts)."""
    fitting = [
        one
        for one in pod["spec"].get("tolerations") or []
        if one.get("effect") in (None, "", "NoExecute") and one.get("key") in (None, "", taint)
    ]
    if not fitting:
        return 0.0
    times = [max(0.0, float(one["tolerationSeconds"])) for one in fitting if one.get("tolerationSeconds") is not None]
    return min(times, default=None)


def seconds_of(duration: str) -> float:
    """A duration as Go writes it, such as 1m30s, in seconds."""
    return sum(float(number) * UNITS[unit] for number, unit in re.findall(r"([\d.]+)(h|ms|us|ns|m|s)", duration))
