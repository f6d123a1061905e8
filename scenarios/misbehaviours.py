"""The track record: real misbehaviours of Cassandra and of its clients that the suite reproduces and must detect.

Each is a negative control: a scenario with a variant that does what people do wrong, and an honest twin that does it
right under the same fault and must be valid. docs/track-record.md tells each with its command.
"""

from __future__ import annotations

import signal
from contextlib import nullcontext

from clusters.cluster import CutsNetwork, FaultsDns, StopsNodes
from clusters.ring.config import HostSpec
from clusters.ring.host import Host
from clusters.ring.limits import GOSSIP_INTERVAL, GOSSIP_ROUNDS, Limit
from clusters.ring.ring import TOLERATED, Condition, Ring
from clusters.waiting import until
from scenarios.checks import (
    CheckData,
    counters_bounded,
    linearizable,
    no_host_died,
    no_lost_writes,
    read_your_writes,
    ring_views,
)
from scenarios.controls import CUT_SECONDS, Control, Expected
from scenarios.dns_failure import LONE_TOKEN
from scenarios.faults.names import NamesFail
from scenarios.faults.partition import Partition
from scenarios.faults.zone import ZoneLoss
from scenarios.run import Run
from scenarios.scenario import Checks, Tier, scenario
from scenarios.settling import EXPECTED_ERRORS, agree_again, answer_again
from scenarios.starts import StartWatch
from scenarios.verdict import Verdict
from scenarios.workloads.declared import LOCAL_SERIAL, CasRegister, Counter, Ledger, Registers, Sabotage

BEHIND_US = -5_000_000
"""Five seconds: a clock that nobody watches is off by as much within weeks (20 ppm are 12 s a week)."""
FREEZE_SECONDS = 8.0
"""Longer than the driver needs to give a silent connection up (heartbeat 2 s and its time-out 2 s), so that the policy
decides about what was on it, and shorter than native_transport_timeout (12 s), so that the host still does it."""

ROUNDS = Limit("gossip", GOSSIP_ROUNDS * GOSSIP_INTERVAL, f"{GOSSIP_ROUNDS} gossip rounds x {GOSSIP_INTERVAL:g} s")


@scenario(
    "control-two-electorates",
    variants={"honest": {"home": True}, "no-home": {"home": False}},
    requires=[CutsNetwork],
    tier=Tier.SELFTEST,
)
def control_two_electorates(run: Run, ring: Ring, *, home: bool) -> Checks:
    """Compare-and-set at LOCAL_SERIAL is in one order while each key is used from one datacenter, also in a partition.

    LOCAL_SERIAL asks the replicas of one datacenter. Two datacenters that use it on one key elect two winners.
    """
    east, west = (datacenter.cluster for datacenter in ring.datacenters)
    cut = Partition(east, west)
    with run.load(CasRegister(LOCAL_SERIAL, rate=10.0, home=home)):
        run.hold("baseline")
        with run.fault(cut):
            run.hold("cut", CUT_SECONDS)
        agree_again(run, ring.limits.reconnect)
        answer_again(run)
    return [_cas(), no_host_died(allowed=EXPECTED_ERRORS)]


@scenario("control-mixed-writes", variants={"honest": {"share": 0.0}, "plain": {"share": 0.3}}, tier=Tier.SELFTEST)
def control_mixed_writes(run: Run, ring: Ring, *, share: float) -> Checks:
    """Compare-and-set keeps its order whatever the clients' clocks say, as long as nobody writes without a condition.

    The timestamps of transactions come from their ballots. A plain write beside them brings its client's own, five
    seconds behind here: it is acknowledged and never seen.
    """
    late = Sabotage(clock_offset_us=BEHIND_US)
    with run.load(CasRegister(rate=10.0, plain_share=share), sabotage={item.name: late for item in ring.datacenters}):
        run.hold("calm", CUT_SECONDS)
    return [_cas(), no_host_died(allowed=EXPECTED_ERRORS)]


@scenario("control-clock", variants={"honest": {"offset": 0}, "behind": {"offset": BEHIND_US}}, tier=Tier.SELFTEST)
def control_clock(run: Run, ring: Ring, *, offset: int) -> Checks:
    """Whoever wrote at LOCAL_QUORUM reads it back, while clocks are right.

    The newest timestamp wins, not the newest write: a client whose clock steps back five seconds is acknowledged and
    loses to what it wrote before.
    """
    home = ring.datacenters[0]
    with run.load(Registers(rate=12.0), sabotage={home.name: Sabotage(clock_offset_us=offset)}):
        run.hold("calm", CUT_SECONDS)
    return [read_your_writes(), no_host_died(allowed=EXPECTED_ERRORS)]


@scenario("control-retry", variants={"honest": {"retry": "fallthrough"}, "default": {"retry": "default"}},
          requires=[StopsNodes], tier=Tier.SELFTEST)  # fmt: skip
def control_retry(run: Run, ring: Ring, *, retry: str) -> Checks:
    """A counter holds each increment once, although a host froze with requests on its connections and went on.

    The driver's own policy sends them again to another host; the frozen one still has them in its sockets and does
    them too when it goes on.
    """
    home = ring.datacenters[0]
    policy = {item.name: Sabotage(retry="default") for item in ring.datacenters} if retry == "default" else {}
    with run.load(Counter(rate=40.0, clients=10), sabotage=policy):
        run.hold("baseline")
        with run.fault(ZoneLoss(home, home.zones[0], "frozen")):
            run.hold("frozen", FREEZE_SECONDS)
        agree_again(run, ring.limits.reconnect)
        answer_again(run)
        run.hold("healed")
    run.final_reads()
    return [counters_bounded(), no_host_died(allowed=EXPECTED_ERRORS)]


@scenario("control-merged-rings", variants={"honest": {"stale": False}, "stale": {"stale": True}},
          requires=[FaultsDns], tier=Tier.SELFTEST)  # fmt: skip
def control_merged_rings(run: Run, ring: Ring, *, stale: bool) -> Checks:
    """A second ring of the same cluster_name in the same network stays apart, while names lead to the right pods.

    Stale records lead a host's start to the other ring: it takes it for its own, and gossip merges the two.
    """
    home = ring.datacenters[0]
    cluster = home.cluster
    seeds = [host for host in ring.hosts if host.spec.name in ring.seeds]
    other = next(host for host in home.hosts if host not in seeds)
    with run.load(Ledger()):
        run.hold("baseline")
        address, made = _second_ring(run, ring)
        with run.fault(NamesFail(cluster, seeds, "stale", address)) if stale else nullcontext():
            _restarted(run, other)
        seen = run.hold("after", 2 * ROUNDS.seconds)
        run.acts.undo(made)
    run.final_reads()
    return [
        ring_views(seen, **ROUNDS.as_json(), hosts=len(ring.hosts)),
        no_lost_writes(),
        no_host_died(allowed=EXPECTED_ERRORS),
    ]


def _cas() -> CheckData:
    return linearizable("cas", model="cas-register", initial=0, mixed="judge", concurrency=0)


def _second_ring(run: Run, ring: Ring) -> tuple[str, int]:
    """A ring of one beside the ring, with its cluster_name: its host's address, and the number of the act."""
    home = ring.datacenters[0]
    cluster = home.cluster
    name = f"{home.name}-other"
    spec = HostSpec(name, cluster.name, home.name, home.zones[-1], LONE_TOKEN, cluster.spec.dns.pod_name(name))
    run.mark(f"started {name}")
    number = run.acts.start_host(ring.start_of(spec, [spec.name]))
    watch = StartWatch(ring, Host(spec, cluster), None)
    run.wait_for(f"{name} is a ring of one",
                 lambda most: ring.timed(lambda: until(name, watch, timeout=most)), ring.limits.restart)  # fmt: skip
    return cluster.pod(name).state().address, number


def _restarted(run: Run, host: Host) -> None:
    """Kill the host's process and wait until it serves again and holds others for up."""
    run.expected_exits.add(host.spec.pod)
    run.mark(f"killed {host.spec.who}")
    before = host.pod.state().restarts
    host.pod.signal(signal.SIGKILL)

    def lack() -> str | None:
        if host.pod.state().restarts == before:
            return "the kill is not seen yet"
        try:
            view = host.view()
        except TOLERATED as error:
            return str(error)
        return None if len(view.down) < len(view.peers) else f"sees {len(view.peers)} others, all of them down"

    what = f"{host.spec.who} serves again"
    run.wait_for(what, lambda most: run.ring.timed(lambda: until(what, Condition(lack), timeout=most)),
                 run.ring.limits.policy_restart)  # fmt: skip


TWO_WINNERS = ("two-winners", "stale-read", "not-linearizable")
"""Once two sides have a winner each, what is read after either shows it too."""
TRACK_RECORD = (
    Control("LOCAL_SERIAL from both datacenters", "control-two-electorates", "no-home",
            Expected(Verdict.INVALID, check="linearizable", anomaly=TWO_WINNERS)),
    Control("plain writes beside transactions", "control-mixed-writes", "plain",
            Expected(Verdict.INVALID, check="linearizable", anomaly="stale-read")),
    Control("a client clock five seconds behind", "control-clock", "behind",
            Expected(Verdict.INVALID, check="read_your_writes", anomaly="stale-read")),
    Control("the driver's default retry policy over a lost connection", "control-retry", "default",
            Expected(Verdict.INVALID, check="counters_bounded", anomaly="over-count")),
    Control("stale names of another ring with the same cluster_name", "control-merged-rings", "stale",
            Expected(Verdict.INVALID, check="ring_views", anomaly="member-count")),
)  # fmt: skip
