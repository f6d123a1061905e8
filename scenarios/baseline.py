"""Baseline conformance: what must hold before any fault is worth injecting."""

from __future__ import annotations

from clusters.probe import PORT as PROBE_PORT
from clusters.ring.config import CQL_PORT, STORAGE_PORT
from clusters.ring.limits import name_limit
from clusters.ring.ring import Ring
from scenarios.checks import (
    all_alive,
    echoes,
    excuse,
    no_host_died,
    one_schema,
    reachable,
    resolves_in_phase,
    ring_views,
    served,
    unreachable,
)
from scenarios.faults.ports import PortBlocked
from scenarios.run import Run
from scenarios.scenario import Checks, scenario
from scenarios.workloads.declared import ALL, EACH_QUORUM, LOCAL_QUORUM, Probe, ProbeLane

PORTS = (PROBE_PORT, STORAGE_PORT, CQL_PORT)
SIZES = (1, 1024, 65536, 1048576)
LANES = (
    ProbeLane("write", EACH_QUORUM, 10.0),
    ProbeLane("read", ALL, 10.0),
    ProbeLane("write", LOCAL_QUORUM, 10.0),
    ProbeLane("read", LOCAL_QUORUM, 10.0),
)


@scenario("baseline")
def baseline(run: Run, ring: Ring) -> Checks:
    """Every pod is itself to every other, by name and by address, and the ring serves every consistency level.

    All hosts know each other once, in the rack that is their zone, under one schema version. Every pod's name resolves
    in both clusters to its present address. Every ordered pair reaches the probe's port, 7000 and 9042, the expected
    identity answers and sees the caller's own address, and payloads up to 1 MiB come back. A control in which only
    port 7000 of one host is blocked must be found by the same matrix.
    """
    blocked = PortBlocked(ring.hosts[-1], STORAGE_PORT)

    with run.load(Probe(LANES)):
        run.reach("matrix", PORTS, SIZES)
        calm = run.hold("calm")
        run.observe_schema()
        with run.fault(blocked) as control:
            run.reach("storage port blocked", PORTS)
        run.hold("after the control")

    limit = name_limit(ring.topology.clusters[0].dns)
    lost = excuse([control, "inject"], until=[control, "recovered"], why="the control loses what is sent to one host")
    return [
        ring_views(calm, limit=0.0, formula="nothing has changed", hosts=len(ring.hosts)),
        all_alive(calm, limit=0.0, formula="nothing has changed"),
        one_schema(calm, limit=limit.seconds),
        resolves_in_phase("calm", names=[host.spec.name for host in ring.hosts]),
        reachable("matrix", PORTS),
        echoes(SIZES, "matrix"),
        unreachable("storage port blocked", STORAGE_PORT, blocked.target.spec.pod),
        *[
            served(datacenter.name, level, excused=[lost], minimum=30)
            for datacenter in ring.datacenters
            for level in (EACH_QUORUM, ALL)
        ],
        no_host_died(),
    ]
