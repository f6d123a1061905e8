"""Steps that several scenarios share: waiting until the ring agrees again and until hints are delivered."""

from __future__ import annotations

from clusters.ring.limits import Limit
from clusters.ring.ring import Condition, Datacenter
from clusters.waiting import until
from scenarios.checks import (
    append_log,
    batches_whole,
    counters_bounded,
    linearizable,
    lives_once,
    monotonic_reads,
    no_host_died,
    no_lost_writes,
    placed,
    pods_kept,
    read_your_writes,
    replicas_converged,
    silence_noticed,
)
from scenarios.record import Moment
from scenarios.run import Run
from scenarios.scenario import Checks
from scenarios.workloads.declared import Batch, CasRegister, Counter, Declared, Ledger, LwtLog, Registers

EXPECTED_ERRORS = ("failed to connect",)
"""OutboundConnection logs it as ERROR for a peer that was killed or cut: meant by the fault, no defect."""


def agree_again(run: Run, limit: Limit) -> None:
    """Every host sees every host up, once, at its present address; where the pods are then is recorded."""
    run.wait_for("every host sees every host up", run.ring.await_agreement, limit)
    run.look()


def answer_again(run: Run) -> None:
    """Every host, as coordinator, has an answer of every replica: connections across a healed cut work again.

    A short cut is over before anybody is called down, so views alone do not tell when requests get through.
    """
    ring = run.ring
    table = f"{run.facts['keyspace']}.probe"

    def lack() -> str | None:
        for host, said in zip(ring.hosts, ring.each(lambda host: host.reads_at_all(table)), strict=True):
            if said is not None:
                return f"{host.spec.who}: {said}"
        return None

    what, limit = "every host reads at ALL", ring.limits.reconnect
    run.wait_for(what, lambda most: ring.timed(lambda: until(what, Condition(lack), timeout=most)), limit)


def deliver_hints(run: Run) -> None:
    """No host keeps a batch of unknown end, and none holds hints for another.

    A hint is written when a write has timed out at its coordinator, and is listed once it is flushed: before that the
    list is empty and says nothing. Both are timers of Cassandra, as is the period of the dispatcher.
    """
    limits = run.ring.limits
    run.hold("hints are written", limits.hints_written.seconds, sample=False)
    run.phase("hints")
    run.wait_for("batches played", run.ring.await_batches_played, limits.batches, timer=True)
    run.wait_for("hints delivered", run.ring.await_hints_drained, limits.hints, timer=True)


def every_workload() -> tuple[Declared, ...]:
    """All that is checked for consistency, in one load: both datacenters together below 100 operations a second.

    One compare-and-set key at a time: four clients meet on it, so that its order is in doubt.
    """
    return Ledger(), Registers(), LwtLog(), CasRegister(keys=1), Counter(), Batch()


def transactions_have_an_order() -> Checks:
    """Appends and compare-and-sets by lightweight transaction: per partition one order that respects real time."""
    return [append_log(), linearizable("cas", model="cas-register", initial=0)]


def orchestrated(run: Run, fault: str, datacenter: Datacenter, zone: str) -> Checks:
    """What the orchestrator must say of a zone that was away: its pods are back where their volumes are, none of them
    twice; where node conditions are modelled, silent nodes were NotReady in time and no pod was evicted too early.
    """
    cluster = datacenter.cluster
    timers = run.node_timers(cluster.name)
    places: Checks = [placed([fault, "recover"]), lives_once()]
    if timers is None:
        return places
    where = f"{cluster.name}/{zone}"
    act = run.seconds_between(fault, "inject", "effective")
    noticed, evicted = timers.noticed, timers.evicted
    formula = f"{noticed.formula}; + act and its proof {act:.1f} s"
    return [
        *places,
        silence_noticed(fault, where, noticed.seconds + act, formula),
        pods_kept(fault, where, timers.unreachable)
        if evicted is None
        else pods_kept(fault, where, timers.unreachable, evicted.seconds, evicted.formula),
    ]


def data_is_kept(killed: Moment | None = None, unsynced: float = 0.0) -> Checks:
    """What must hold of the data after every fault that is shorter than the hint window: all the sound checks.

    What was acknowledged in the `unsynced` seconds before hosts were `killed` may be missing on those replicas alone.
    """
    return [
        no_lost_writes(),
        replicas_converged(exempt_before=killed, exempt_seconds=unsynced) if unsynced else replicas_converged(),
        monotonic_reads(),
        read_your_writes(),
        *transactions_have_an_order(),
        counters_bounded(),
        batches_whole(),
        no_host_died(allowed=EXPECTED_ERRORS),
    ]
