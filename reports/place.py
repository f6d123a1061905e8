"""The picture of a topology: clusters, zones and pods with their addresses, ranges, names and how they are joined."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass

from reports.bundle import Json, mapping, number, objects, strings, text

MOST_PODS = 4
"""Pods drawn in a zone; more are counted."""


@dataclass(frozen=True)
class PodBox:
    """A pod as drawn: name without its cluster, the end of its address, whether a breach names it."""

    name: str
    address: str
    hit: bool


@dataclass(frozen=True)
class ZoneBox:
    """A zone and its pods."""

    name: str
    pods: tuple[PodBox, ...]
    more: int


@dataclass(frozen=True)
class ClusterBox:
    """A cluster: its datacenter, zones, and label and value of its ranges and names."""

    name: str
    datacenter: str
    zones: tuple[ZoneBox, ...]
    ranges: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Place:
    """A topology as drawn; ``digest`` is the sha256 of its canonical JSON, empty if it was not recorded."""

    name: str
    clusters: tuple[ClusterBox, ...]
    between: str
    note: str
    digest: str
    ring: str


def digest(topology: Json) -> str:
    """SHA-256 of the canonical JSON, as ``clusters.topology.Topology.digest`` defines it; empty for no topology."""
    if not topology:
        return ""
    return hashlib.sha256(json.dumps(topology, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def place(name: str, documents: Json, hosts: Iterable[Json], hit: set[str]) -> Place:
    """Draw a topology from its documents and the hosts of its scenarios; either may be missing."""
    topology = mapping(documents.get("topology"))
    declared = {text(one.get("name")): one for one in objects(topology.get("clusters"))}
    listed = list(hosts) or objects(mapping(documents.get("ring")).get("hosts"))
    names = list(dict.fromkeys([*declared, *(text(host.get("cluster")) for host in listed)]))
    ring = mapping(topology.get("ring"))
    clusters = tuple(
        _cluster(one, declared.get(one, {}), [host for host in listed if text(host.get("cluster")) == one], hit)
        for one in names[:8]
    )
    routing = {text(one.get("routing")) for one in declared.values()} - {""}
    joined = sum(one.get("joined", True) is not False for one in declared.values())
    between = "" if len(clusters) < 2 or (declared and joined < 2) else " / ".join(sorted(routing)) or "joined"
    modes = {text(mapping(one.get("dns")).get("mode")) for one in declared.values()} - {""}
    note = (
        f"names: {', '.join(sorted(modes))}" if modes else "" if declared else "its topology.json is not in the bundle"
    )
    return Place(name, clusters, between, note, digest(topology), _ring(ring, listed))


def _cluster(name: str, declared: Json, hosts: list[Json], hit: set[str]) -> ClusterBox:
    racks = list(dict.fromkeys([*strings(declared.get("zones")), *(text(host.get("rack")) for host in hosts)]))
    zones = tuple(_zone(name, rack, [host for host in hosts if text(host.get("rack")) == rack], hit) for rack in racks)
    dns = mapping(declared.get("dns"))
    domain = f"*.{text(dns.get('suffix'))}" if text(dns.get("suffix")) else ""
    if text(dns.get("mode")) == "shared-suffix":
        domain = f"*.{text(dns.get('namespace'))}.svc.{text(dns.get('suffix'))}"
    ranges = [
        (label, text(declared.get(key)))
        for label, key in (("pods", "pod_range"), ("services", "service_range"), ("nodes", "node_range"))
    ]
    kept = tuple((label, value) for label, value in [*ranges, ("names", domain)] if value)
    centers = sorted({text(host.get("datacenter")) for host in hosts} - {""})
    return ClusterBox(name, ", ".join(centers), zones, kept)


def _zone(cluster: str, name: str, hosts: list[Json], hit: set[str]) -> ZoneBox:
    pods = tuple(
        PodBox(
            text(host.get("pod")).removeprefix(f"{cluster}-").removeprefix(f"{text(host.get('datacenter'))}-"),
            _end(text(host.get("address"))),
            text(host.get("pod")) in hit,
        )
        for host in hosts[:MOST_PODS]
    )
    return ZoneBox(name, pods, max(0, len(hosts) - MOST_PODS))


def _end(address: str) -> str:
    return "." + ".".join(address.split(".")[-2:]) if address.count(".") == 3 else address


def _ring(ring: Json, hosts: list[Json]) -> str:
    centers = objects(ring.get("datacenters"))
    factors = [str(int(found)) for one in centers if (found := number(one.get("replication_factor"))) is not None]
    words = [f"Cassandra {text(ring.get('version'))}" if text(ring.get("version")) else ""]
    words += [f"{len(hosts)} hosts" if hosts else "", f"replication {' + '.join(factors)}" if factors else ""]
    words += [f"timers {text(ring.get('timers'))}" if text(ring.get("timers")) else ""]
    return ", ".join(word for word in words if word)
