"""Names fail: a running ring does not care, a starting host does."""

from __future__ import annotations

from clusters.cluster import Cluster, FaultsDns
from clusters.ring.config import HostSpec
from clusters.ring.host import Host
from clusters.ring.limits import Limit, dropped_names_limit
from clusters.ring.ring import Ring
from clusters.waiting import until
from scenarios.checks import Expected, excuse, no_host_died, no_lost_writes, outcomes, served
from scenarios.faults.names import Mode, NamesFail
from scenarios.run import Run
from scenarios.scenario import Checks, scenario
from scenarios.settling import EXPECTED_ERRORS, agree_again, deliver_hints
from scenarios.starts import StartWatch, restart, returns
from scenarios.workloads.declared import LOCAL_QUORUM, Ledger, Probe, ProbeLane

LANES = (ProbeLane("write", LOCAL_QUORUM, 10.0), ProbeLane("read", LOCAL_QUORUM, 10.0))
LONE_TOKEN = 424242
"""Of the host that must stay alone; any token that no host of the ring has."""
WITHOUT_SEEDS: dict[Mode, str] = {"servfail": "exited", "nxdomain": "exited", "dropped": "exited", "stale": "joined"}
"""What a start of a host that is no seed ends with when every seed name fails. An address that nobody owns is still an
address: the start goes on, and after 5 s of silence from the seeds asks the peers it saved (CASSANDRA-13851)."""
NO_SEEDS = "lists no seeds"
"""SeedProvider's end of a start when no seed name resolves: "The seed provider lists no seeds."."""


@scenario(
    "dns-failure",
    variants={mode: {"mode": mode} for mode in ("servfail", "dropped", "nxdomain", "stale")},
    requires=[FaultsDns],
)
def dns_failure(run: Run, ring: Ring, mode: Mode) -> Checks:
    """While names fail, running hosts and sessions see no error; starts end as the resolvable seeds decide.

    Gossip and clients use addresses, so a DNS fault alone must cost nothing. A start reads the seed names: with a live
    seed among those that resolve the host joins; with none it exits and the restart policy brings it back once names
    resolve again, without help. A host that came up alone would be a split ring and is never counted as up.
    """
    home, away = ring.datacenters
    cluster = home.cluster
    seeds = [host for host in ring.hosts if host.spec.name in ring.seeds]
    foreign = [host for host in seeds if host.spec.cluster != cluster.name]
    seed = next(host for host in seeds if host.spec.cluster == cluster.name)
    other = next(host for host in home.hosts if host not in seeds)
    normal = ring.limits.policy_restart
    expected: list[Expected] = []

    with run.load(Ledger(), Probe(LANES)):
        run.hold("baseline")
        with run.fault(NamesFail(cluster, foreign, mode)) as fault:
            run.hold("remote names fail")
            restarted = run.mark(f"killed {seed.spec.who}")
            late = limit_of_start(normal, cluster, foreign, mode)
            expected.append(restart(run, seed, "joined", late, "while remote names fail"))
            agree_again(run, ring.limits.reconnect)
        with run.fault(NamesFail(cluster, seeds, mode)) as every:
            run.mark(f"killed {other.spec.who}")
            late = limit_of_start(normal, cluster, seeds, mode)
            expected.append(restart(run, other, WITHOUT_SEEDS[mode], late, "while no seed resolves"))
        expected.append(returns(run, other))
        agree_again(run, ring.limits.reconnect)
        expected.append(lone_start(run, cluster, seeds, mode))
        healed = run.hold("healed")
    deliver_hints(run)
    run.final_reads()

    window = excuse(restarted, until=healed, why="two hosts of this datacenter are restarted, one after the other")
    del fault, every
    return [
        served(home.name, LOCAL_QUORUM, excused=[window], minimum=80),
        served(away.name, LOCAL_QUORUM, minimum=80),
        outcomes(expected),
        no_lost_writes(),
        no_host_died(allowed=[NO_SEEDS, *EXPECTED_ERRORS]),
    ]


def limit_of_start(normal: Limit, cluster: Cluster, failing: list[Host], mode: Mode) -> Limit:
    """A start waits for names that nobody answers; another answer, however wrong, costs it nothing."""
    return dropped_names_limit(cluster.spec.dns, len(failing), normal.seconds) if mode == "dropped" else normal


def lone_start(run: Run, cluster: Cluster, seeds: list[Host], mode: Mode) -> Expected:
    """A new seed on an empty volume whose own name is the only one that resolves: a ring of one, by all signs up.

    It serves CQL and its port is open, so readiness does not tell it from a member; its view does. (A host with its
    old volume does not stay alone: it knows its peers' addresses from system.peers_v2.)
    """
    ring = run.ring
    home = ring.datacenters[0]
    name = f"{home.name}-lone"
    spec = HostSpec(name, cluster.name, home.name, home.zones[-1], LONE_TOKEN, cluster.spec.dns.pod_name(name))
    subject = f"{name} started while only its own name resolves"
    limit = limit_of_start(ring.limits.restart, cluster, seeds, mode)
    with run.fault(NamesFail(cluster, seeds, mode)):
        run.mark(f"started {name}")
        number = run.acts.start_host(ring.start_of(spec, [spec.name, *ring.seeds]))
        watch = StartWatch(ring, Host(spec, cluster), None)
        seconds = run.wait_for(subject, lambda most: ring.timed(lambda: until(subject, watch, timeout=most)), limit)
        run.observe("outcome", "ring", subject=subject, outcome=watch.outcome, seconds=round(seconds, 2),
                    detail=watch.detail)  # fmt: skip
        run.acts.undo(number)
    agree_again(run, ring.limits.reconnect)
    return Expected(subject=subject, outcome="split-ring", limit=limit.seconds, formula=limit.formula)
