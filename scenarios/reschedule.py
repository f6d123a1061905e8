"""A pod is rescheduled: the host stays, its address does not."""

from __future__ import annotations

from clusters.cluster import ReschedulesPods
from clusters.ring.limits import name_limit
from clusters.ring.ring import Ring
from scenarios.checks import (
    AddressChange,
    availability,
    excuse,
    resolves,
    ring_views,
    same_identity,
    served,
    session_recovers,
)
from scenarios.faults.pod import PodReschedule
from scenarios.run import Run
from scenarios.scenario import Checks, scenario
from scenarios.settling import agree_again, data_is_kept, deliver_hints, every_workload
from scenarios.workloads.declared import LOCAL_QUORUM, Probe, ProbeLane

LANES = (ProbeLane("write", LOCAL_QUORUM, 10.0), ProbeLane("read", LOCAL_QUORUM, 10.0))


@scenario("reschedule", requires=[ReschedulesPods])
def reschedule(run: Run, ring: Ring) -> Checks:
    """A pod killed and brought back on its volume with a new address is the same host with the same data.

    Cassandra's identity is the host_id on the volume. Once the new pod is there, every other host must see only the new
    address within the derived limit, the name must resolve to it in both clusters within ttl + cache + slack, sessions
    that were open before must be served again, and nobody loses a write: RF is 3 per datacenter and two replicas stay
    up.

    What the moved host must hold by itself afterwards is what was acknowledged before the kill and after its return.
    Writes in between are not asserted there: a write that was sent to the old address and times out after the others
    have let go of that address gets no hint (measured on 5.0.9: 82 rows of the last 3 s before the switch, from every
    coordinator), so only repair brings them. They are counted.
    """
    home, away = ring.datacenters
    moved = PodReschedule(home.hosts[0])
    limits = ring.limits

    with run.load(*every_workload(), Probe(LANES)):
        run.hold("baseline")
        with run.fault(moved) as fault:
            run.phase("coming back")
        agree_again(run, limits.restart)
        run.hold("healed")
    deliver_hints(run)
    run.final_reads()

    assert moved.old is not None
    assert moved.new is not None
    host_id = moved.host.host_id
    change: AddressChange = {"host_id": host_id, "old": moved.old.address, "new": moved.new.address}
    names = name_limit(ring.topology.clusters[0].dns)
    window = excuse([fault, "inject"], seconds=limits.client_detection.seconds, why=limits.client_detection.formula)
    since = [fault, "inject"]
    # limits count from the pod that is there at its new address: how long an orchestrator needs for that is neither
    # Cassandra's promise nor DNS' (1.4 s in the lab, 6 to 17 s by Kubernetes), and stands between inject and effective
    there = [fault, "effective"]
    return [
        same_identity(moved.host.spec.pod, host_id, since),
        ring_views(there, **limits.restart.as_json(), hosts=len(ring.hosts), address_changes=[change]),
        resolves(there, **names.as_json()),
        served(home.name, LOCAL_QUORUM, excused=[window], minimum=40),
        served(away.name, LOCAL_QUORUM, minimum=40),
        availability(home.name, LOCAL_QUORUM, since, recover=limits.restart.seconds),
        session_recovers(home.name, since, limits.client_detection.seconds, workload="ledger"),
        session_recovers(away.name, since, limits.client_detection.seconds, workload="ledger"),
        *data_is_kept([fault, "recovered"], run.seconds_between(fault) + limits.unsynced.seconds),
    ]
