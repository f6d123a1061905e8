"""The address plans that were asked for: sound in themselves, and beside the routes that this machine has."""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterable, Iterator
from ipaddress import IPv4Network

from clusters.errors import PlanRefused
from clusters.fit import reading
from clusters.fit.finding import Asked, Finding
from clusters.plan import plan
from clusters.plan_addresses import MACHINE, claims
from clusters.ranges import Claim, meetings

ROUTES = "/proc/net/route"


def plans(asked: Asked) -> Iterator[Finding]:
    """Every plan is sound; else the words of `ringproof plan`, which a run says too, for the first that is not."""
    for topology in asked.topologies:
        try:
            plan(topology).refuse()
        except PlanRefused as error:
            fix = f"ringproof plan {topology.name}"
            yield Finding("address plan", "fail", " ".join(str(error).split()), "no conflict", fix)
            return
    names = ", ".join(topology.name for topology in asked.topologies)
    yield Finding("address plan", "ok", f"sound: {names}", "no conflict")


def routes(asked: Asked) -> Iterator[Finding]:
    """Routes of this machine that meet a range of a topology. A lab has networks of its own and meets none."""
    found = list(host_routes())
    needed = "nothing in a lab, which has networks of its own" if asked.provider == "lab" else "no route in a range"
    meeting = [
        f"{theirs.range} meets {ours}"
        for topology in asked.topologies
        for theirs, ours in _with_machine(meetings(claims(topology, found)))
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


def _with_machine(pairs: Iterable[tuple[Claim, Claim]]) -> Iterator[tuple[Claim, Claim]]:
    """Of pairs of claims those between this machine and a cluster, this machine's first."""
    for pair in pairs:
        theirs = [claim for claim in pair if claim.owner == MACHINE]
        if len(theirs) == 1:
            yield theirs[0], next(claim for claim in pair if claim.owner != MACHINE)


def host_routes() -> Iterator[IPv4Network]:
    """IPv4 routes of the main table but the default one (proc(5): /proc/net/route, words in host byte order)."""
    for line in reading.read(ROUTES).splitlines()[1:]:
        words = line.split()
        target, mask = (socket.inet_ntoa(struct.pack("=L", int(words[place], 16))) for place in (1, 7))
        route = IPv4Network(f"{target}/{mask}")
        if route.prefixlen:
            yield route
