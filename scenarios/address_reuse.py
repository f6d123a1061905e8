"""An address that the ring has just released comes back on another host's pod."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from clusters.cluster import PinsPodAddress, ReschedulesPods
from clusters.errors import EnvironmentUnfit
from clusters.ring.host import Host
from clusters.ring.limits import Limit
from clusters.ring.ring import Datacenter, Ring
from clusters.waiting import until
from scenarios.checks import Expected, no_host_died, no_lost_writes, outcomes, ring_views, same_identity, served
from scenarios.faults.pod import PodReschedule
from scenarios.run import Run
from scenarios.scenario import Checks, Tier, scenario
from scenarios.settling import EXPECTED_ERRORS, agree_again, deliver_hints
from scenarios.starts import FRESH, StartWatch
from scenarios.workloads.declared import LOCAL_QUORUM, Ledger, Probe, ProbeLane

LANES = (ProbeLane("write", LOCAL_QUORUM, 10.0), ProbeLane("read", LOCAL_QUORUM, 10.0))
CANCELLED = "already exists, cancelling join"
"""StorageService.checkForEndpointCollision: "A node with address ... already exists, cancelling join."."""

CANCELLED_START = "Exception encountered during startup"
"""CassandraDaemon's last line of a start that it gave up; the exception itself follows in the log."""


@scenario("address-reuse", requires=[ReschedulesPods, PinsPodAddress], tier=Tier.NIGHTLY)
def address_reuse(run: Run, ring: Ring) -> Checks:
    """A host on an address that its ring has just released is refused while gossip remembers it, and accepted after.

    The first host's pod moves away from the address and is held back; the second is given the address at once. Gossip
    still holds it for the first host, so the second host's start is cancelled with Cassandra's own message and the
    restart policy tries again. Once the first host is back elsewhere, and gossip has forgotten the address after its
    quarantine, the same start succeeds, without help. No host ever answers under another identity.
    """
    home, away = ring.datacenters
    first, second = (PodReschedule(host) for host in heirs(home))
    who = second.host.spec.who
    refusal, acceptance = f"{who} started inside the quarantine", f"{who} started after it"
    limits = ring.limits
    again = Limit(
        "start after the quarantine",
        limits.restart.seconds + 2 * limits.quarantine.seconds + limits.policy_restart.seconds,
        f"return of the other {limits.restart.seconds:g} s + twice {limits.quarantine.seconds:g} s "
        f"({limits.quarantine.formula}) + {limits.policy_restart.formula}",
    )

    with run.load(Ledger(), Probe(LANES)):
        run.hold("baseline")
        with run.fault(first) as moved:
            assert first.old is not None
            second.address = first.old.address
            with held_back(first.host), run.fault(second) as reused:
                run.wait_for(refusal, observed(run, second.host, refusal, FRESH), limits.restart)
                release(first.host)
                run.wait_for(acceptance, observed(run, second.host, acceptance, None), again)
        agree_again(run, limits.restart)
        run.hold("healed")
    deliver_hints(run)
    run.final_reads()

    return [
        outcomes([
            Expected(subject=refusal, outcome="refused", limit=limits.restart.seconds, formula=limits.restart.formula),
            Expected(subject=acceptance, outcome="joined", limit=again.seconds, formula=again.formula),
        ]),
        same_identity(first.host.spec.pod, first.host.host_id, [moved, "inject"]),
        same_identity(who, second.host.host_id, [reused, "inject"]),
        ring_views(["phase", "healed"], limit=0.0, formula="agreed before", hosts=len(ring.hosts)),
        served(away.name, LOCAL_QUORUM, minimum=40),
        no_lost_writes(),
        no_host_died(allowed=[CANCELLED, CANCELLED_START, *EXPECTED_ERRORS]),
    ]  # fmt: skip


def heirs(home: Datacenter) -> tuple[Host, Host]:
    """The first host of a datacenter, and the next whose pod could have the first one's address.

    EnvironmentUnfit when there is none.
    """
    first, *others = home.hosts
    cluster, address = first.cluster, first.address
    assert isinstance(cluster, PinsPodAddress)
    for other in others:
        if cluster.may_have(other.spec.pod, address):
            return first, other
    raise EnvironmentUnfit(
        f"no other host of {home.name} can have {address}, the address of {first.spec.who}: each node gives addresses "
        "of its own range; take a topology with several hosts on one node, as kind-shared-node"
    )


@contextmanager
def held_back(host: Host) -> Iterator[None]:
    """The host's process is stopped (SIGSTOP) while it starts, at the latest until the block ends."""
    host.pod.signal(signal.SIGSTOP)
    try:
        yield
    finally:
        release(host)


def release(host: Host) -> None:
    """The host's process goes on."""
    host.pod.signal(signal.SIGCONT)


def observed(run: Run, host: Host, subject: str, restarts: int | None) -> Callable[[float], float]:
    """For waiting: what became of the host's start, recorded as an outcome; a cancelled join is `refused`."""

    def wait(most: float) -> float:
        watch = StartWatch(run.ring, host, restarts)
        seconds = run.ring.timed(lambda: until(subject, watch, timeout=most))
        outcome = "refused" if watch.outcome == "exited" and CANCELLED in watch.detail else watch.outcome
        run.observe("outcome", "ring", subject=subject, outcome=outcome, seconds=round(seconds, 2), detail=watch.detail)
        return seconds

    return wait
