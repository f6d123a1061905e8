"""What is seen beside the clients, while a scenario runs: ring views, DNS answers, pods, server logs.

Each observer is a thread with its own rhythm that appends to observations.jsonl until it is stopped. An observer never
acts on what it watches.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

from clusters.cluster import Cluster
from clusters.ring.host import Host
from clusters.ring.ring import TOLERATED, Ring
from clusters.topology import DnsSpec
from scenarios.history import JsonLines

VIEW_EVERY = 1.0
"""Seconds between two questions to one host: what it sees changes once per gossip round (Gossiper.intervalInMillis)."""
NAMES_EVERY = 1.0
LOST_PATIENCE = 30.0


class Observer:
    """A thread that calls `look` again and again, at most every `every` seconds, until stopped."""

    def __init__(self, name: str, every: float, look: Callable[[], None]) -> None:
        self._every = every
        self._look = look
        self._stop = threading.Event()
        self.failure: Exception | None = None
        self._thread = threading.Thread(target=self._watch, name=name, daemon=True)

    def start(self) -> None:
        """Begin to watch."""
        self._thread.start()

    def leave(self) -> None:
        """Begin no further look; stop() waits for the one that is under way."""
        self._stop.set()

    def stop(self) -> None:
        """End after the look that is under way; raises what made the observer fail, or TimeoutError when it hangs."""
        self.leave()
        if self._thread.ident is None:
            return  # never started
        self._thread.join(LOST_PATIENCE)
        if self._thread.is_alive():
            raise TimeoutError(f"{self._thread.name}: a look has not ended after {LOST_PATIENCE:g} s")
        if self.failure is not None:
            raise self.failure

    def _watch(self) -> None:
        try:
            while not self._stop.is_set():
                started = time.monotonic()
                self._look()
                self._stop.wait(max(0.05, self._every - (time.monotonic() - started)))
        except Exception as error:  # noqa: BLE001  kept for stop(), which raises it in the scenario's own thread
            self.failure = error


def watch_host(host: Host, out: JsonLines) -> Observer:
    """Record one host's view of the ring and its alarms."""

    def look() -> None:
        record: dict[str, Any] = {"kind": "ring_view", "by": "ring", "host": host.host_id, "datacenter":
                                  host.spec.datacenter, "rack": host.spec.rack}  # fmt: skip
        try:
            view = host.view()
        except TOLERATED as error:
            out.append({"t": time.monotonic_ns(), **record, "address": None, "ok": False, "error": str(error)})
            return
        peers = list(view.peers)
        out.append(
            {
                "t": time.monotonic_ns(), **record, "host": view.host_id, "address": view.address, "ok": True,
                "schema": view.schema, "peers": peers, "down": list(view.down), "hints": view.hints,
            }
        )  # fmt: skip
        record_alarms(host, out)

    return Observer(f"views of {host.spec.who}", VIEW_EVERY, look)


def record_alarms(host: Host, out: JsonLines) -> None:
    """Write the host's alarms since the last call."""
    while host.alarms:
        text = host.alarms.pop(0)
        level = text.split(" ", 1)[0]
        out.append(
            {"t": time.monotonic_ns(), "kind": "log_line", "by": "ring", "pod": host.spec.pod, "level": level,
             "text": text[:500]}
        )  # fmt: skip


def watch_names(cluster: Cluster, ring: Ring, out: JsonLines) -> Observer:
    """Record what a pod of this cluster hears when it asks for every host's name."""
    return Observer(f"names in {cluster.name}", NAMES_EVERY, lambda: record_names(cluster, ring, out))


def record_names(cluster: Cluster, ring: Ring, out: JsonLines, hosts: Sequence[Host] | None = None) -> None:
    """Ask once for the names of the hosts (all by default), through the C library of the cluster's client pod."""
    asked = list(ring.hosts if hosts is None else hosts)
    dns = cluster.spec.dns
    timeout = longest_resolution(dns) * 2
    answer = cluster.pod("client").probe({"do": "resolve", "names": [f"{host.spec.name}." for host in asked]}, timeout)
    expected = ring.addresses()
    for host, result in zip(asked, answer["results"], strict=True):
        rcode = result["rcode"]
        if rcode == "SERVFAIL" and result["seconds"] >= dns.resolver_timeout:
            rcode = "TIMEOUT"
        out.append(
            {
                "t": time.monotonic_ns(), "kind": "dns_answer", "by": f"client {cluster.name}", "rcode": rcode,
                "cluster": cluster.name, "name": host.spec.name, "pod": host.spec.pod, "seconds": result["seconds"],
                "addresses": result["addresses"], "expected": expected[host.spec.who] or None,
            }
        )  # fmt: skip


def longest_resolution(dns: DnsSpec) -> float:
    """The longest that the C library takes for one name: each of as-is and three search domains, timeout x attempts.

    The floor is CoreDNS's own deadline for a silent upstream, 5 s (plugin/forward).
    """
    return max(5.0, 4 * dns.resolver_timeout * dns.resolver_attempts) + 2.0


def record_pods(ring: Ring, out: JsonLines) -> None:
    """Write the state of every pod of the ring now."""
    for cluster in ring.clusters.clusters:
        for state in cluster.states():
            if any(host.spec.pod == state.name for host in ring.hosts):
                out.append(
                    {"t": time.monotonic_ns(), "kind": "pod", "by": ring.clusters.provider, "cluster": state.cluster,
                     "pod": state.name, "uid": state.uid, "address": state.address, "state": state.state,
                     "restarts": state.restarts, "exit_code": state.exit_code, "reason": state.reason}
                )  # fmt: skip


def copy_pod_changes(ring: Ring, since: int, out: JsonLines) -> list[dict[str, Any]]:
    """Copy the clusters' own records of pod changes from `since` on; returns them."""
    path = ring.folder / "pods.jsonl"
    text = path.read_text() if path.exists() else ""
    lines = text[: text.rfind("\n") + 1].splitlines()  # they may be writing the last one
    changes: list[dict[str, Any]] = [change for change in map(json.loads, lines) if change["t"] >= since]
    for change in changes:
        change["pod"] = change.pop("name")
        out.append(change)
    return changes
