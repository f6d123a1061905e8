"""An address that the ring has just released comes back on another host's pod."""

from __future__ import annotations

from clusters.cluster import ReschedulesPods
from clusters.ring.limits import Limit
from clusters.ring.ring import Condition, Ring
from clusters.waiting import until
from scenarios.checks import Expected, no_host_died, no_lost_writes, outcomes, ring_views, same_identity, served
from scenarios.faults.pod import PodReschedule
from scenarios.run import Run
from scenarios.scenario import Checks, Tier, scenario
from scenarios.settling import EXPECTED_ERRORS, agree_again, deliver_hints
from scenarios.starts import FRESH, StartWatch
from scenarios.workloads.declared import LOCAL_QUORUM, Ledger, Probe, ProbeLane

LANES = (ProbeLane("write", LOCAL_QUORUM, 20.0), ProbeLane("read", LOCAL_QUORUM, 20.0))
CANCELLED = "already exists, cancelling join"
"""StorageService.checkForEndpointCollision: "A node with address ... already exists, cancelling join."."""


@scenario("address-reuse", requires=[ReschedulesPods], tier=Tier.NIGHTLY)
def address_reuse(run: Run, ring: Ring) -> Checks:
    """A host on an address that its ring has just released is refused while gossip remembers the address, then accepted.

    The first host moves away from the address; when the others hold its new one, the second is given the old one. Inside
    the quarantine (2 x ring delay) the second host's start is cancelled with Cassandra's own message, the restart policy
    tries again, and once gossip has forgotten the former owner the same start succeeds, without help. No host ever
    answers under another identity. (Given away earlier, while the first host is still starting, the address is accepted
    too, but on 5.0.9 the two hosts then never hold each other for up: measured, 118 s.)
    """
    home, away = ring.datacenters
    first, second = PodReschedule(home.hosts[0]), PodReschedule(home.hosts[1])
    who = second.host.spec.who
    refusal, acceptance = f"{who} started inside the quarantine", f"{who} started after it"
    limits = ring.limits
    again = Limit(
        "start after the quarantine",
        limits.quarantine.seconds + limits.restart.seconds + 2 * BACK_OFF,
        f"{limits.quarantine.formula} + back-off {BACK_OFF:g} s twice + {limits.restart.formula}",
    )

    with run.load(Ledger(), Probe(LANES)):
        run.hold("baseline")
        with run.fault(first) as moved:
            assert first.old is not None
            run.wait_for("the others let go of the address", lambda most: await_release(ring, first, most), limits.restart)
            second.address = first.old.address
            with run.fault(second) as reused:
                watch = StartWatch(ring, second.host, FRESH)
                seconds = run.wait_for(
                    refusal, lambda most: ring.timed(lambda: until(refusal, watch, timeout=most)), limits.restart
                )
                named = CANCELLED in watch.detail
                run.observe("outcome", "ring", subject=refusal, outcome="refused" if named else watch.outcome,
                            seconds=round(seconds, 2), detail=watch.detail)  # fmt: skip
                watch = StartWatch(ring, second.host, None)
                seconds = run.wait_for(
                    acceptance, lambda most: ring.timed(lambda: until(acceptance, watch, timeout=most)), again
                )
                run.observe("outcome", "ring", subject=acceptance, outcome=watch.outcome, seconds=round(seconds, 2),
                            detail=watch.detail)  # fmt: skip
        agree_again(run, limits.restart)
        run.hold("healed")
    deliver_hints(run)
    run.final_reads()

    return [
        outcomes([
            Expected(subject=refusal, outcome="refused", limit=limits.restart.seconds, formula=limits.restart.formula),
            Expected(subject=acceptance, outcome="joined", limit=again.seconds, formula=again.formula),
        ]),
        same_identity(first.host.spec.pod, first.host.host_id, [moved, "recovered"]),
        same_identity(who, second.host.host_id, [reused, "recovered"]),
        ring_views(["phase", "healed"], limit=0.0, formula="agreed before", hosts=len(ring.hosts)),
        served(away.name, LOCAL_QUORUM, minimum=40),
        no_lost_writes(),
        no_host_died(allowed=[CANCELLED, *EXPECTED_ERRORS]),
    ]  # fmt: skip


def await_release(ring: Ring, moved: PodReschedule, most: float) -> float:
    """Wait until every other host holds the moved host's new address: the quarantine of the old one begins."""
    others = [host for host in ring.hosts if host is not moved.host]

    def lack() -> str | None:
        assert moved.new is not None
        for host, view in zip(others, ring.views(others), strict=True):
            if isinstance(view, Exception):
                return f"{host.spec.who}: {view}"
            if view.addresses.get(moved.host.host_id) != moved.new.address:
                return f"{host.spec.who} holds {view.addresses.get(moved.host.host_id)} for {moved.host.spec.who}"
        return None

    return ring.timed(lambda: until("the new address everywhere", Condition(lack), timeout=most))


BACK_OFF = 8.0
"""The fourth restart of the `fast` timers profile: 1, 2, 4, 8 s (clusters.ring.formation.FAST_RESTART)."""
