"""What cannot be changed once a place exists: decided now, or by building anew."""

from __future__ import annotations

from collections.abc import Iterator

from clusters.plan_records import Fixed
from clusters.topology import Topology


def fixed(topology: Topology) -> Iterator[Fixed]:
    """Each such fact with every declared value and the reason."""
    clusters = topology.clusters
    yield Fixed(
        "node range",
        tuple(f"{cluster.name} {cluster.node_range}" for cluster in clusters),
        "a cloud subnet with machines in it can be added to, never moved or shrunk",
    )
    yield Fixed(
        "pod range",
        tuple(f"{cluster.name} {cluster.pod_range}" for cluster in clusters),
        "nodes keep the block that they were given (node.spec.podCIDR is immutable)",
    )
    yield Fixed(
        "pod block per node",
        tuple(f"{cluster.name} /{cluster.node_prefix}" for cluster in clusters),
        "node_prefix holds for every node of the range",
    )
    yield Fixed(
        "service range",
        tuple(f"{cluster.name} {cluster.service_range}" for cluster in clusters),
        "services keep their addresses; newer Kubernetes can add a range, none can replace the first",
    )
    yield Fixed(
        "cluster suffix",
        tuple(f"{cluster.name} {cluster.dns.suffix}" for cluster in clusters),
        "it is in every pod's resolv.conf, in seed lists and in certificates",
    )
    if topology.ring is not None:
        yield from _of_ring(topology)


def _of_ring(topology: Topology) -> Iterator[Fixed]:
    datacenters = topology.ring.datacenters if topology.ring else ()
    yield Fixed(
        "names of the ring",
        tuple(dict.fromkeys(topology.cluster(datacenter.cluster).dns.domain for datacenter in datacenters)),
        "every host's name, and so every seed list, ends in it",
    )
    yield Fixed(
        "datacenter name",
        tuple(datacenter.name for datacenter in datacenters),
        "a host refuses to start under another one than it stored",
    )
    racks = {datacenter.name: topology.cluster(datacenter.cluster).zones for datacenter in datacenters}
    yield Fixed(
        "racks (zones)",
        tuple(f"{name} {', '.join(zones)}" for name, zones in racks.items()),
        "a host refuses to start under another one than it stored",
    )
