"""The live settings of a cluster that decide on NotReady and eviction, and the limits that follow from them."""

from __future__ import annotations

from typing import Any

import pytest

from clusters.kind.timers import grace_period, read_timers, seconds_of, shortest
from clusters.truth import NodeTimers

Json = dict[str, Any]


def manager(*words: str) -> Json:
    return {"spec": {"containers": [{"command": ["kube-controller-manager", *words]}]}}


@pytest.mark.parametrize(
    ("version", "words", "grace"),
    [
        ("v1.34.4", (), (50.0, "default of v1.34.4")),
        ("v1.32.0-rc.1", (), (50.0, "default of v1.32.0-rc.1")),
        ("v1.31.9", (), (40.0, "default of v1.31.9")),
        ("v1.34.4", ("--node-monitor-grace-period=1m20s",), (80.0, "flag of the controller manager")),
        ("v1.34.4", ("--v=2", "--node-monitor-grace-period", "16s"), (16.0, "flag of the controller manager")),
    ],
)
def test_the_grace_period_is_the_running_flag_or_the_versions_default(version, words, grace):
    assert grace_period(version, manager(*words)) == grace


@pytest.mark.parametrize(("text", "seconds"), [("50s", 50), ("1m0s", 60), ("1h2m3.5s", 3723.5), ("300ms", 0.3)])
def test_durations_are_read_as_go_writes_them(text, seconds):
    assert seconds_of(text) == pytest.approx(seconds)


def tolerating(*tolerations: Json) -> Json:
    return {"spec": {"tolerations": list(tolerations)}}


def tolerates(key: str | None, seconds: int | None, effect: str | None = "NoExecute") -> Json:
    found = {"key": key, "effect": effect, "operator": "Exists", "tolerationSeconds": seconds}
    return {name: value for name, value in found.items() if value is not None}


UNREACHABLE = "node.kubernetes.io/unreachable"


@pytest.mark.parametrize(
    ("pods", "seconds"),
    [
        ([tolerating(tolerates(UNREACHABLE, 300))], 300),
        ([tolerating(tolerates(UNREACHABLE, 300)), tolerating(tolerates(UNREACHABLE, 20))], 20),
        ([tolerating(tolerates(UNREACHABLE, None))], None),
        ([tolerating(tolerates(None, None, None))], None),
        ([tolerating(tolerates(UNREACHABLE, None)), tolerating(tolerates(UNREACHABLE, 60))], 60),
        ([tolerating(tolerates("other", None))], 0),
        ([tolerating(tolerates(UNREACHABLE, 9, "NoSchedule"))], 0),
        ([tolerating(tolerates(UNREACHABLE, -5))], 0),
    ],
)
def test_the_pod_that_tolerates_least_counts(pods, seconds):
    assert shortest(pods, UNREACHABLE) == seconds


KUBELET = {"nodeStatusUpdateFrequency": "10s", "nodeLeaseDurationSeconds": 40}
HOST = tolerating(tolerates(UNREACHABLE, 300), tolerates("node.kubernetes.io/not-ready", 200))


def test_limits_follow_from_the_live_settings():
    timers = read_timers("v1.34.4", manager(), [KUBELET, KUBELET | {"nodeStatusUpdateFrequency": "5s"}], [HOST])
    evicted = timers.evicted

    assert timers == NodeTimers(50, "default of v1.34.4", 10, 10, 300, 200)
    assert (timers.noticed.seconds, timers.earliest) == (65, 40)
    assert timers.noticed.formula == (
        "node-monitor-grace-period 50 s (default of v1.34.4) + 2 x node-monitor-period 5 s + API 5 s; heartbeats: "
        "lease every 10 s, nodeStatusUpdateFrequency 10 s, so not before 40 s"
    )
    assert evicted is not None
    assert evicted.seconds == 320
    assert evicted.formula == (
        "tolerationSeconds 300 s (unreachable; not-ready 200 s) + 1 / node-eviction-rate 10 s "
        "+ 2 x node-monitor-period 5 s"
    )
    record = timers.record("east")
    assert (record["kind"], record["node_monitor_grace_period"], record["limits"]["not_ready"]["limit"]) == (
        "timers", 50, 65,
    )  # fmt: skip


def test_pods_that_tolerate_for_ever_have_no_limit():
    timers = read_timers("v1.34.4", manager(), [KUBELET], [tolerating(tolerates(None, None, None))])

    assert timers.evicted is None
    assert timers.record("east")["limits"]["eviction"] is None
