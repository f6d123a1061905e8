"""One zone goes dark; the service table of replica arithmetic must hold exactly."""

from __future__ import annotations

from clusters.cluster import CutsNetwork, StopsNodes
from clusters.ring.ring import Condition, Ring
from clusters.waiting import until
from scenarios.checks import availability, excuse, refused, served, service_as_expected
from scenarios.faults.zone import How, ZoneLoss
from scenarios.run import Run
from scenarios.scenario import Checks, scenario
from scenarios.settling import agree_again, data_is_kept, deliver_hints, every_workload, orchestrated
from scenarios.workloads.declared import (
    ALL,
    DEFAULT_LANES,
    EACH_QUORUM,
    LOCAL_QUORUM,
    LOCAL_SERIAL,
    QUORUM,
    SERIAL,
    Probe,
)

SERVED = (LOCAL_QUORUM, QUORUM, EACH_QUORUM, SERIAL, LOCAL_SERIAL)
"""What one lost zone of one datacenter leaves (2 + 3 replicas): all but ALL; QUORUM and SERIAL need 4 of 6."""


@scenario(
    "zone-loss",
    variants={"frozen": {"how": "frozen"}, "killed": {"how": "killed"}, "cut": {"how": "cut"}},
    requires=[StopsNodes, CutsNetwork],
)
def zone_loss(run: Run, ring: Ring, how: How) -> Checks:
    """Both datacenters keep serving every level but ALL while one zone is dark, and no acknowledged write is lost.

    Racks are zones and RF is 3 per datacenter, so two replicas of every partition stay up. The outage is far shorter
    than the hint window, so hints bring what the lost host did not hear: no repair is run. With `commitlog_sync: group`
    what it had acknowledged is on its disk; with `periodic` a kill may take the last 1.5 s from it, and no hint brings
    them back: those rows are exempt on that replica, and counted. Where a killed zone's pods come back at other
    addresses, what was acknowledged while they came back is exempt as well: a write to an address that the ring lets go
    of gets no hint (docs/findings.md 2). The zone's pods come back in the zone of their volumes, and no identity lives
    twice.
    """
    home, away = ring.datacenters
    outage = ZoneLoss(home, home.zones[1], how)

    with run.load(*every_workload(), Probe(DEFAULT_LANES)):
        run.hold("baseline")
        with run.fault(outage) as fault:
            conviction = ring.limits.conviction
            run.wait_for("conviction", lambda limit: await_conviction(ring, outage, limit), conviction, timer=True)
            dark = run.hold("zone dark", 6.0)
        agree_again(run, ring.limits.reconnect)
        healed = run.hold("healed", 6.0)
    deliver_hints(run)
    run.final_reads()

    detection = excuse([fault, "inject"], until=dark, why=f"until conviction: {ring.limits.conviction.formula}")
    returning = excuse([fault, "recover"], until=healed, why=f"until all agree: {ring.limits.reconnect.formula}")
    outside = [detection, returning]
    unsynced = ring.limits.unsynced.seconds if how == "killed" else 0.0
    if unsynced:
        unsynced += run.seconds_between(fault, "inject", "effective")
    whole = excuse([fault, "inject"], until=healed, why="ALL needs every replica")
    return [
        served(away.name, LOCAL_QUORUM, minimum=40),
        served(home.name, LOCAL_QUORUM, excused=outside, minimum=40),
        *[
            served(datacenter.name, level, excused=outside, minimum=10)
            for datacenter in ring.datacenters
            for level in SERVED[1:]
        ],
        *[served(datacenter.name, ALL, excused=[whole], minimum=5) for datacenter in ring.datacenters],
        availability(home.name, LOCAL_QUORUM, [fault, "inject"], recover=ring.limits.conviction.seconds),
        refused(ALL, fault),
        service_as_expected(fault, away=[host.host_id for host in outage.hosts], excused=[detection]),
        *orchestrated(run, fault, home, outage.zone),
        *kept_by(run, outage, fault, unsynced),
    ]


def kept_by(run: Run, outage: ZoneLoss, fault: str, unsynced: float) -> Checks:
    """The checks of the data; `unsynced` is for how many seconds before the kill rows may be missing on a replica."""
    if not outage.moved:
        return data_is_kept([fault, "effective"], unsynced)
    begin = "effective" if unsynced else "recover"
    return data_is_kept([fault, "recovered"], run.seconds_between(fault, begin) + unsynced)


def await_conviction(ring: Ring, outage: ZoneLoss, limit: float) -> float:
    """Wait until every other host holds the zone's hosts for down; seconds that it took."""
    lost = {host.host_id for host in outage.hosts}
    others = [host for host in ring.hosts if host.host_id not in lost]

    def lack() -> str | None:
        for host, view in zip(others, ring.views(others), strict=True):
            if isinstance(view, Exception):
                return f"{host.spec.who} does not answer: {view}"
            if not lost <= set(view.down):
                return f"{host.spec.who} still holds {outage.name}'s hosts for up"
        return None

    return ring.timed(lambda: until("the zone's hosts are held for down", Condition(lack), timeout=limit, every=0.2))
