"""From live clusters to a formed ring: pods, first start, and the proof that it is one ring."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

from clusters.cluster import PodSpec, RestartPolicy
from clusters.errors import ProvisionFailed, WaitTimeout
from clusters.lab.provider import Lab
from clusters.ring.archive import ensure_archive, joined_class_path
from clusters.ring.artifacts import ensure_cassandra
from clusters.ring.config import CQL_PORT, HostSpec, config_files, declare_hosts, seed_names
from clusters.ring.flags import FORMATION_FLAGS, MAIN_CLASS, archive_flags, jvm_flags, timer_flags
from clusters.ring.host import Host
from clusters.ring.java import find_java
from clusters.ring.limits import MOST_BACK_OFF, ring_limits
from clusters.ring.ring import Condition, Ring, bind_datacenters
from clusters.topology import RingSpec, Topology
from clusters.waiting import until

FAST_RESTART = RestartPolicy(first=1.0, most=MOST_BACK_OFF["fast"])
"""The `fast` timers profile shortens the kubelet's back-off; reports say so."""
FORMED_SECONDS = 180.0
"""Six hosts on two busy cores form in 16-43 s (measured); four times the slowest."""


@functools.cache
def start_command(ring: RingSpec) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The command line of every start and that of a host's first start."""
    jars = ensure_cassandra(ring.version)
    java = find_java(ring.version)
    archive = ensure_archive(java, ring.version)
    common = [
        str(java.binary),
        *archive_flags(archive),
        *jvm_flags(java.major, ring.version, ring.heap_mb, jars),
        *timer_flags(ring.timers),
        "-Dcassandra-foreground=yes",
        "-Dcassandra.config=file://{{CONFIG}}/cassandra.yaml",
        "-Dcassandra-rackdc.properties=file://{{CONFIG}}/rackdc.properties",
        "-Dcassandra.storagedir={{VOLUME}}",
        "-Dcassandra.logdir={{LOGS}}",
        "-Dlogback.configurationFile=file://{{CONFIG}}/logback.xml",
        "-Dcassandra.jmx.local.port=7199",
        "-Dcassandra.enable_nodelocal_queries=true",
    ]
    tail = ["-cp", joined_class_path(ring.version), MAIN_CLASS]
    return (*common, *tail), (*common, *FORMATION_FLAGS, *tail)


def pod_of(topology: Topology, host: HostSpec, cluster_name: str, seeds: Sequence[str]) -> PodSpec:
    """The pod that runs one host."""
    assert topology.ring is not None
    every, first = start_command(topology.ring)
    return PodSpec(
        host.pod,
        host.rack,
        command=every,
        first_command=first,
        files=config_files(topology, host, cluster_name, seeds),
        environment={"MALLOC_ARENA_MAX": "4"},
        restart=FAST_RESTART if topology.ring.timers == "fast" else RestartPolicy(),
    )


def form(lab: Lab, folder: Path, cluster_name: str, step: Callable[[str], None] = lambda _text: None) -> Ring:
    """Start every host and return when each sees all others; ProvisionFailed shows the log of who does not."""
    topology = lab.topology
    if topology.ring is None:
        raise ProvisionFailed(f"topology {topology.name} declares no ring")
    seeds = tuple(seed_names(topology))
    specs = declare_hosts(topology)

    def start(spec: HostSpec) -> None:
        lab.cluster(spec.cluster).create_pod(pod_of(topology, spec, cluster_name, seeds))

    with ThreadPoolExecutor(len(specs)) as pool:
        list(pool.map(start, specs))
    step(f"{len(specs)} hosts started")
    ring = Ring(topology, lab, cluster_name, folder, bind_datacenters(topology, lab), ring_limits(topology), seeds)
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
