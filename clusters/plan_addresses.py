"""The addresses of a plan: which ranges become routable to each other, and where two of them share an address.

Nodes and pods of joined clusters, their announced service ranges and the routes of this machine are one address
space. An unannounced service range is translated on each node of its own cluster, so it must only be free of what
that cluster can reach. An isolated cluster is an address space of its own; its nodes alone stand on this machine.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from ipaddress import IPv4Network

from clusters.plan_records import Conflict, Note, Party
from clusters.ranges import Claim, FreeSpace, groups, meetings
from clusters.topology import ClusterSpec, Topology

MACHINE = "this machine"

_JOINED = "joined"
_TRANSLATED = "unannounced services"
_MACHINE = "machine"
_STANDING = "nodes of isolated clusters"

# IANA IPv4 Special-Purpose Address Registry (RFC 6890) and RFC 5771 for multicast.
_RESERVED = (
    ("addresses of this network (RFC 791)", IPv4Network("0.0.0.0/8")),
    ("loopback (RFC 1122)", IPv4Network("127.0.0.0/8")),
    ("link-local, cloud metadata and node-local DNS (RFC 3927)", IPv4Network("169.254.0.0/16")),
    ("multicast (RFC 5771)", IPv4Network("224.0.0.0/4")),
    ("reserved and broadcast (RFC 1112)", IPv4Network("240.0.0.0/4")),
)
# RFC 1918, RFC 6598 (carrier-grade NAT), RFC 2544 (benchmarks): no public host lives there.
_UNROUTED_IN_PUBLIC = tuple(
    IPv4Network(text) for text in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "198.18.0.0/15")
)


def claims(topology: Topology, host_routes: Sequence[IPv4Network] = ()) -> list[Claim]:
    """Every declared range and every route of this machine, with the compartments that decide which can meet.

    Default routes claim nothing, also when split into two halves as VPN clients do.
    """
    found = [claim for cluster in topology.clusters for claim in _of_cluster(cluster)]
    routes = [route for route in dict.fromkeys(host_routes) if route.prefixlen > 1]
    return found + [Claim(MACHINE, "route", r, (_MACHINE,), (_JOINED, _TRANSLATED, _STANDING)) for r in routes]


def _of_cluster(cluster: ClusterSpec) -> Iterator[Claim]:
    name, own = cluster.name, f"cluster {cluster.name}"
    if cluster.joined:
        routed = ((_JOINED,), (_JOINED, _TRANSLATED, _MACHINE))
        yield Claim(name, "nodes", cluster.node_range, *routed)
        yield Claim(name, "pods", cluster.pod_range, *routed)
        services = routed if cluster.announced else ((_TRANSLATED,), (_JOINED, _MACHINE))
        yield Claim(name, "services", cluster.service_range, *services)
    else:
        yield Claim(name, "nodes", cluster.node_range, (own, _STANDING), (own, _MACHINE))
        yield Claim(name, "pods", cluster.pod_range, (own,), (own,))
        yield Claim(name, "services", cluster.service_range, (own,), (own,))


def routed(claim: Claim) -> bool:
    """Whether the joined clusters get a route to this range."""
    return _JOINED in claim.homes


def overlaps(everything: Sequence[Claim]) -> Iterator[Conflict]:
    """Every pair of ranges that share an address and are routable to each other, the first declared first."""
    order = {id(claim): index for index, claim in enumerate(everything)}
    free = FreeSpace(claim.range for claim in everything)
    proposals: dict[int, IPv4Network | None] = {}
    for pair in meetings(everything):
        first, second = sorted(pair, key=lambda claim: order[id(claim)])
        # The later one moves, unless it is this machine's route, which is not ours to change.
        moving = first if second.owner == MACHINE else second
        if id(moving) not in proposals:
            proposals[id(moving)] = free.block(moving.range.prefixlen)
        yield _overlap(first, second, _renumber(moving, proposals[id(moving)]))


def _overlap(first: Claim, second: Claim, fix: str) -> Conflict:
    code, explain = _rule(first, second)
    smaller = max(first.range, second.range, key=lambda network: network.prefixlen)
    return Conflict(code, party(first), party(second), str(smaller), explain, fix)


def _rule(first: Claim, second: Claim) -> tuple[str, str]:
    services = (first.what == "services") + (second.what == "services")
    if second.owner == MACHINE:
        return "RP-PLAN-006", "this machine already has a route there, and one of the two networks becomes unreachable"
    if first.owner == second.owner:
        return "RP-PLAN-002", "the cluster's nodes cannot tell the two networks apart"
    if services == 2:
        return "RP-PLAN-004", "a routed service address is taken for a service of the asking cluster"
    if services == 1:
        return "RP-PLAN-003", "an address of the other cluster is taken for a service of the own one"
    return "RP-PLAN-001", "an address has two owners and the nearer one answers, without any error"


def _renumber(claim: Claim, free: IPv4Network | None) -> str:
    example = f", for example {free}" if free else ", smaller than this one"
    return f"give {claim.owner} another range for its {claim.what}{example}"


def reserved(topology: Topology) -> Iterator[Conflict]:
    """Every declared range that reaches into addresses which hosts, clouds or standards keep for themselves."""
    for claim in claims(topology):
        for name, block in _RESERVED:
            if claim.range.overlaps(block):
                smaller = max(claim.range, block, key=lambda network: network.prefixlen)
                explain = "no router forwards these addresses as a network's own"
                fix = f"give {claim.owner} a private range (RFC 1918) for its {claim.what}"
                kept = Party(name, "block", str(block))
                yield Conflict("RP-PLAN-007", party(claim), kept, str(smaller), explain, fix)


def public(topology: Topology) -> Iterator[Note]:
    """Every declared range outside private address space: its real owners cannot be reached from the clusters."""
    for claim in claims(topology):
        if not any(claim.range.subnet_of(private) for private in _UNROUTED_IN_PUBLIC):
            text = f"{claim} is public address space: its real owners cannot be reached from the clusters"
            yield Note("RP-PLAN-203", (party(claim),), text)


def never_routed(topology: Topology, everything: Sequence[Claim]) -> Iterator[Note]:
    """Every shared address that is no conflict, grouped by the outermost range, with everyone who holds a part."""
    translated = [claim for claim in everything if _TRANSLATED in claim.homes]
    for group in groups(translated):
        if len(group) > 1:
            text = "service ranges may repeat: each is translated inside its own cluster and never routed"
            yield Note("RP-PLAN-100", tuple(map(party, group)), text)
    isolated = [cluster.name for cluster in topology.clusters if not cluster.joined]
    apart = set(isolated)
    for group in groups(everything):
        owners = {claim.owner for claim in group}
        if owners & apart and len(owners) > 1:
            names = enumerated(name for name in isolated if name in owners)
            text = f"isolated, so no route leads to or from their ranges: {names}"
            yield Note("RP-PLAN-101", tuple(map(party, group)), text)
    if isolated:
        about = tuple(Party(name, "cluster", "isolated") for name in isolated)
        yield Note("RP-PLAN-103", about, "no route, no forwarded name and no member of the ring reaches these clusters")


def party(claim: Claim) -> Party:
    """The claim as one side of a conflict."""
    return Party(claim.owner, claim.what, str(claim.range))


def enumerated(names: Iterator[str], most: int = 6) -> str:
    """Names for a sentence; a long list is cut and counted."""
    known = list(names)
    rest = f" and {len(known) - most} more" if len(known) > most else ""
    return ", ".join(known[:most]) + rest
