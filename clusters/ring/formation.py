"""From live clusters to a formed ring: pods, first start, and the proof that it is one ring."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

from clusters.cluster import Cluster, ClusterSet
from clusters.errors import ProvisionFailed, WaitTimeout
from clusters.ring.config import CQL_PORT, HostStart, declare_hosts, seed_names
from clusters.ring.host import Host
from clusters.ring.limits import ring_limits
from clusters.ring.ring import Condition, Ring, bind_datacenters
from clusters.waiting import until

FORMED_SECONDS = 180.0
"""Six hosts on two busy cores form in 16-43 s (measured); four times the slowest."""


def form(
    clusters: ClusterSet, folder: Path, cluster_name: str, step: Callable[[str], None] = lambda _text: None
) -> Ring:
    """Start every host and return when each sees all others; ProvisionFailed shows the log of who does not."""
    topology = clusters.topology
    if topology.ring is None:
        raise ProvisionFailed(f"topology {topology.name} declares no ring")
    seeds = tuple(seed_names(topology))
    starts = [HostStart(topology, spec, cluster_name, seeds) for spec in declare_hosts(topology)]

    def start(cluster: Cluster) -> None:
        cluster.start_hosts([one for one in starts if one.host.cluster == cluster.name])

    with ThreadPoolExecutor(len(clusters.clusters)) as pool:
        list(pool.map(start, clusters.clusters))
    step(f"{len(starts)} hosts started")
    datacenters = bind_datacenters(topology, clusters)
    ring = Ring(topology, clusters, cluster_name, folder, datacenters, ring_limits(topology), seeds)
    await_formed(ring, step)
    return ring


def await_formed(ring: Ring, step: Callable[[str], None]) -> None:
    """Wait until all hosts serve CQL, then until all see all; learn their host_ids."""
    deadline = time.monotonic() + FORMED_SECONDS
    try:
        for host in ring.hosts:
            left = deadline - time.monotonic()
            until(f"CQL on {host.spec.who}", Condition(partial(serving, host)), timeout=left)
        step("CQL on all hosts")
        ring.await_agreement(deadline - time.monotonic())
    except WaitTimeout as error:
        raise ProvisionFailed(f"the ring did not form: {error}\n{last_words(ring)}") from None
    for host in ring.hosts:
        host.host_id = host.view().host_id
    step(f"{len(ring.hosts)} hosts see each other up")


def serving(host: Host) -> str | None:
    """None when the host's pod answers on the CQL port, else what it says instead."""
    state = host.pod.state()
    target = {"address": state.address, "port": CQL_PORT, "kind": "tcp", "timeout": 1.0}
    result = host.pod.probe({"do": "reach", "targets": [target]}, 3.0)["results"][0]
    return None if result["ok"] else f"{result['error']} (pod {state.state} {state.reason}, {state.restarts} restarts)"


def last_words(ring: Ring) -> str:
    """The last log lines of every host that does not serve."""
    said = []
    for host in ring.hosts:
        log = ring.folder / "hosts" / host.spec.pod
        for name in ("system.log", "main.out"):
            path = log / name
            if path.exists():
                lines = path.read_text(errors="replace").splitlines()[-3:]
                said.append(f"{host.spec.who} {name}: " + " | ".join(lines)[-400:])
    return "\n".join(said)
