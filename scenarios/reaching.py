"""Who reaches whom, by identity: probes between the pods of a ring, and between any two pods."""

from __future__ import annotations

import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from clusters.cluster import ClusterSet, Pod, PodState
from clusters.probe import PORT as PROBE_PORT
from clusters.ring.config import CQL_PORT, STORAGE_PORT
from clusters.ring.ring import Ring
from scenarios.history import JsonLines

PORTS = (PROBE_PORT, STORAGE_PORT, CQL_PORT)
PROBE_SECONDS = 2.0
"""Cassandra's own limit for a connection between hosts (internode_tcp_connect_timeout)."""
KINDS = {PROBE_PORT: "probe", STORAGE_PORT: "tcp", CQL_PORT: "cql"}

Json = dict[str, Any]


def place_of(state: PodState) -> Json:
    """A pod as observations name it."""
    return {"cluster": state.cluster, "pod": state.name, "uid": state.uid, "address": state.address}


def sweep(ring: Ring, out: JsonLines, phase: str, ports: Sequence[int], sizes: Sequence[int]) -> None:
    """Probe every ordered pair of hosts on each port, and echo each size once per pair."""
    identities = {host.spec.pod: host.host_id for host in ring.hosts}
    sweep_pods(ring.clusters, list(identities), out, phase, (ports, sizes), identities)


def sweep_pods(
    clusters: ClusterSet,
    pods: Sequence[str],
    out: JsonLines,
    phase: str,
    what: tuple[Sequence[int], Sequence[int]],
    identities: dict[str, str],
) -> None:
    """Probe every ordered pair of the named pods, from all pods at once; a pod may exist in several clusters.

    The storage port has no identity to ask for: who is behind it is who answers on the other ports of the address.
    """
    ports, sizes = what
    states = [state for cluster in clusters.clusters for state in cluster.states() if state.name in pods]

    def from_one(source: PodState) -> None:
        others = [state for state in states if state.uid != source.uid]
        targets = [_target(other, port, 0) for other in others for port in ports]
        targets += [_target(other, PROBE_PORT, size) for other in others for size in sizes]
        owners = [other for other in others for _ in ports] + [other for other in others for _ in sizes]
        pod: Pod = clusters.cluster(source.cluster).pod(source.name)
        patience = PROBE_SECONDS * (2 + len(targets) / 8)
        results = pod.probe({"do": "reach", "targets": targets}, patience)["results"]
        for target, result in zip(owners, results, strict=True):
            expected = {"probe": target.uid, "cql": identities.get(target.name), "tcp": None}[KINDS[result["port"]]]
            out.append(
                {
                    "t": time.monotonic_ns(), "kind": "reach", "by": source.name, "phase": phase, "expected": expected,
                    "source": place_of(source), "target": place_of(target),
                    **{key: result[key] for key in
                       ("port", "ok", "answered", "source_seen", "bytes", "seconds", "error")},
                }
            )  # fmt: skip

    with ThreadPoolExecutor(len(states)) as pool:
        list(pool.map(from_one, states))


def _target(state: PodState, port: int, size: int) -> Json:
    return {"address": state.address, "port": port, "kind": KINDS[port], "bytes": size, "timeout": PROBE_SECONDS}


def answers_of(pod: Pod, addresses: Sequence[str], port: int, timeout: float = PROBE_SECONDS) -> list[Json]:
    """One question from one pod to each of the addresses, all at once; the answers in their order."""
    kind = KINDS[port]
    asked = {"port": port, "kind": kind, "bytes": 0, "timeout": timeout}
    targets = [{**asked, "address": address} for address in addresses]
    results: list[Json] = pod.probe({"do": "reach", "targets": targets}, timeout * 2 + 5)["results"]
    return results


def answers(pod: Pod, address: str, port: int, timeout: float = PROBE_SECONDS) -> Json:
    """One question from one pod to one address."""
    return answers_of(pod, [address], port, timeout)[0]
