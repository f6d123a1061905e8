"""The address plans that were asked for: sound in themselves, and beside the routes that this machine has."""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterator
from ipaddress import IPv4Network

from clusters.fit import reading
from clusters.fit.finding import Asked, Finding
from clusters.plan import plan

ROUTES = "/proc/net/route"


def plans(asked: Asked) -> Iterator[Finding]:
    """Every plan is sound; PlanRefused, with the words of `ringproof plan`, for the first that is not."""
    for topology in asked.topologies:
        plan(topology).refuse()
    names = ", ".join(topology.name for topology in asked.topologies)
    yield Finding("address plan", "ok", f"sound: {names}", "no conflict")


def routes(asked: Asked) -> Iterator[Finding]:
    """Routes of this machine that meet a range of a topology. A lab has networks of its own and meets none."""
    found = list(host_routes())
    needed = "nothing in a lab, which has networks of its own" if asked.provider == "lab" else "no route in a range"
    meeting = [
        f"{route} meets {cluster.name} {what} {declared}"
        for topology in asked.topologies
        for cluster in topology.clusters
        for what, declared in (
            ("nodes", cluster.node_range),
            ("pods", cluster.pod_range),
            ("services", cluster.service_range),
        )
        for route in found
        if route.overlaps(declared)
    ]
    if not meeting:
        yield Finding("host routes", "ok", f"{len(found)}, none in a range", needed)
        return
    told = f"{'; '.join(meeting[:3])}{f' and {len(meeting) - 3} more' if len(meeting) > 3 else ''}"
    if asked.provider == "lab":
        yield Finding("host routes", "ok", told, needed)
        return
    fix = "end the VPN or network that has the route (ip route), or declare other ranges: ringproof plan"
    yield Finding("host routes", "warn", told, needed, fix)


def host_routes() -> Iterator[IPv4Network]:
    """IPv4 routes of the main table but the default one (proc(5): /proc/net/route, words in host byte order)."""
    for line in reading.read(ROUTES).splitlines()[1:]:
        words = line.split()
        target, mask = (socket.inet_ntoa(struct.pack("=L", int(words[place], 16))) for place in (1, 7))
        route = IPv4Network(f"{target}/{mask}")
        if route.prefixlen:
            yield route
