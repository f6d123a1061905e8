"""The names of a plan: every pod's name must lead to exactly one cluster, asked from any joined one.

A server hands a question to the most specific domain it knows: its own suffix (it answers itself), a zone forwarded
to another cluster, or a forward of its own (CoreDNS server blocks, longest match).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from ipaddress import IPv4Network

from clusters.plan_addresses import MACHINE, enumerated, party, routed
from clusters.plan_records import Conflict, Note, Party
from clusters.ranges import Claim
from clusters.topology import ClusterSpec, DnsForward, Topology


def clashes(topology: Topology) -> Iterator[Conflict]:
    """Every pair of joined clusters of which one answers for, or is asked for, the other's names."""
    order = {cluster.name: index for index, cluster in enumerate(topology.clusters)}
    zones = {cluster.name: cluster.dns.zone for cluster in topology.clusters}
    forwarded = _by_domain((cluster.dns.zone, cluster.name) for cluster in topology.joined)
    answered = _by_domain((cluster.dns.suffix, cluster.name) for cluster in topology.joined)
    found: dict[tuple[str, str], str] = {}
    for cluster in topology.joined:
        names = cluster.dns
        # A zone is lost to a more specific zone of another (also where the cluster asks for its own names, which it
        # knows by its suffix alone) and to the suffix of another, which answers itself.
        lost = [(domain, forwarded[domain]) for domain in _upwards(names.domain, to=names.suffix)]
        lost += [(domain, answered[domain]) for domain in _upwards(names.domain, to=names.zone)]
        for domain, other in ((domain, other) for domain, others in lost for other in others if other != cluster.name):
            first, second = sorted((cluster.name, other), key=order.__getitem__)
            found.setdefault((first, second), domain)
    for (first, second), domain in found.items():
        explain = "a question for a name there has two answers, depending on where it is asked"
        fix = f"give {second} a suffix of its own, or shared-suffix mode in both with different namespaces"
        sides = Party(first, "names", zones[first]), Party(second, "names", zones[second])
        yield Conflict("RP-PLAN-020", *sides, domain, explain, fix)


def _by_domain(known: Iterable[tuple[str, str]]) -> defaultdict[str, list[str]]:
    found: defaultdict[str, list[str]] = defaultdict(list)
    for domain, name in known:
        found[domain].append(name)
    return found


def shared_apart(topology: Topology) -> Iterator[Note]:
    """Zones that an isolated cluster answers for as well as others do: allowed, because nobody forwards to it."""
    joined = {cluster.name for cluster in topology.joined}
    for zone, names in _by_domain((cluster.dns.zone, cluster.name) for cluster in topology.clusters).items():
        isolated = [name for name in names if name not in joined]
        if isolated and len(names) > 1:
            text = f"isolated, so nobody forwards their names: {enumerated(iter(isolated))}"
            yield Note("RP-PLAN-102", tuple(Party(name, "names", zone) for name in names), text)


def forwards(topology: Topology, everything: Sequence[Claim]) -> Iterator[Conflict]:
    """Every forward that loops inside its own cluster, loses its own names, or leads where no route goes."""
    for cluster in topology.clusters:
        for forward in cluster.dns.forwards:
            yield from _forward(cluster, forward, everything)


def _forward(cluster: ClusterSpec, forward: DnsForward, everything: Sequence[Claim]) -> Iterator[Conflict]:
    asking = Party(cluster.name, f"forward of {forward.domain} to", str(forward.to))
    target = IPv4Network(forward.to)
    if forward.domain in _upwards(cluster.dns.domain, to=cluster.dns.suffix):
        own = Party(cluster.name, "names", cluster.dns.domain)
        explain = "the cluster's server hands questions for its own pods to another server"
        fix = f"forward only domains that do not hold {cluster.dns.domain}"
        yield Conflict("RP-PLAN-021", asking, own, forward.domain, explain, fix)
    if target.subnet_of(cluster.service_range):
        own = Party(cluster.name, "services", str(cluster.service_range))
        explain = "the address is the asking cluster's own service, so the question loops inside its DNS"
        fix = "forward to a node address or another fixed, routed address of the answering cluster"
        yield Conflict("RP-PLAN-005", asking, own, str(target), explain, fix)
        return
    holders = [claim for claim in everything if target.subnet_of(claim.range)]
    if holders and not any(_reaches(cluster, claim) for claim in holders):
        explain = f"no route leads from {cluster.name} to that range"
        fix = "forward to a node address of a joined cluster, or announce that service range"
        yield Conflict("RP-PLAN-022", asking, party(holders[0]), str(target), explain, fix)


def _reaches(cluster: ClusterSpec, claim: Claim) -> bool:
    """Whether a packet of this cluster finds its way to the claimed range."""
    return claim.owner in (cluster.name, MACHINE) or (cluster.joined and routed(claim))


def _upwards(domain: str, *, to: str) -> Iterator[str]:
    """The domain and the domains that hold it, up to and with `to`."""
    labels = domain.split(".")
    for start in range(len(labels) - len(to.split(".")) + 1):
        yield ".".join(labels[start:])
