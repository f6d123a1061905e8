"""What a topology takes of a machine, computed from what one host was measured to take.

Measured on 2 cores (Linux 6.18, Cassandra 5.0.9, Java 17, heap 192 MiB): a host of a ring that has just formed holds
0.34 GB, 0.45 GB after several scenarios; up to 0.54 GB were seen on other Javas. A start costs 6 CPU seconds.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from clusters.topology import Topology

MIB = 1 << 20
HOST_OVERHEAD_GB = 0.25
"""Resident memory of a host beside its heap (classes, code, buffers, stacks): 0.45 GB - 192 MiB, measured."""
HARNESS_GB = 0.6
"""Command, clients, DNS, probes and observers together, measured."""
HOST_CPU_SECONDS = 6.0
"""Of one start without class-data archive, measured; with one it is 4.5."""
HOSTS_PER_PROCESSOR = 3
"""Six hosts on two processors form in 23 s and judge valid under load: the most crowded machine that was measured."""
HOST_THREADS = 120
"""Of one host, measured."""
HARNESS_THREADS = 200
CLUSTER_GB = {"kind": 0.9}
"""Resident memory of one cluster without a host, by provider: two of one control plane and three workers each hold
1.8 GB (measured; with a ring that has just formed 4.1). A lab's namespaces take nothing that could be measured."""
INFRA_PODS = 2
"""DNS and client of each cluster (clusters.lab.layout)."""


@dataclass(frozen=True, slots=True)
class Need:
    """What one topology takes: hosts of its ring, heap of each in MiB, network namespaces of its lab."""

    topology: str
    hosts: int
    heap_mb: int
    networks: int

    @property
    def host_gb(self) -> float:
        """Resident memory of one host, in GB."""
        return self.heap_mb * MIB / 1e9 + HOST_OVERHEAD_GB

    @property
    def memory_gb(self) -> float:
        """Memory of ring and harness, in GB."""
        return self.hosts * self.host_gb + HARNESS_GB

    @property
    def memory_told(self) -> str:
        """The sum as a person checks it."""
        host = f"{self.host_gb:.2f} (heap {self.heap_mb} MiB + {HOST_OVERHEAD_GB})"
        return f"{self.memory_gb:.1f} GB = {self.hosts} hosts x {host} + harness {HARNESS_GB}"

    @property
    def processors(self) -> int:
        """Processors with which starts and waits stay well within their limits."""
        return max(1, math.ceil(self.hosts / HOSTS_PER_PROCESSOR))

    @property
    def threads(self) -> int:
        """Threads of ring and harness."""
        return self.hosts * HOST_THREADS + HARNESS_THREADS


def need(topology: Topology) -> Need:
    """What a topology takes; one without a ring takes only the harness."""
    datacenters = topology.ring.datacenters if topology.ring else ()
    hosts = sum(
        datacenter.hosts_per_zone * len(topology.cluster(datacenter.cluster).zones) for datacenter in datacenters
    )
    # per cluster a gateway, its nodes, the node `infra` and its pods; one router between the clusters; a pod per host
    networks = 1 + sum(cluster.nodes + 2 + INFRA_PODS for cluster in topology.clusters) + hosts
    return Need(topology.name, hosts, topology.ring.heap_mb if topology.ring else 0, networks)


def standing_gb(topology: Topology, provider: str) -> float:
    """Memory that a topology takes while it stands, in GB: its clusters, the ring on them, and the harness."""
    return need(topology).memory_gb + CLUSTER_GB.get(provider, 0.0) * len(topology.clusters)


def largest(topologies: Iterable[Topology]) -> Need:
    """The need of the topology that takes most memory: one stands at a time."""
    return max((need(topology) for topology in topologies), key=lambda one: (one.memory_gb, one.networks))
