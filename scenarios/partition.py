"""The two datacenters cannot hear each other."""

from __future__ import annotations

from clusters.cluster import CutsNetwork
from clusters.ring.ring import Ring
from scenarios.checks import excuse, refused, served, service_as_expected
from scenarios.faults.partition import Partition
from scenarios.run import Run
from scenarios.scenario import Checks, scenario
from scenarios.settling import agree_again, answer_again, data_is_kept, deliver_hints, every_workload
from scenarios.workloads.declared import (
    EACH_QUORUM,
    LOCAL_QUORUM,
    LOCAL_SERIAL,
    QUORUM,
    SERIAL,
    Probe,
    ProbeLane,
)

LANES = (
    ProbeLane("write", LOCAL_QUORUM, 10.0),
    ProbeLane("read", LOCAL_QUORUM, 10.0),
    ProbeLane("write", QUORUM, 2.0),
    ProbeLane("read", QUORUM, 2.0),
    ProbeLane("write", EACH_QUORUM, 2.0),
    ProbeLane("cas", SERIAL, 2.0),
    ProbeLane("cas", LOCAL_SERIAL, 2.0),
)
CUT_SECONDS = 8.0
"""The longest server time-out (read_request_timeout, 5 s) fits in, so operations of every level return inside."""


@scenario("partition", variants={"both-ways": {"one_way": False}, "one-way": {"one_way": True}}, requires=[CutsNetwork])
def partition(run: Run, ring: Ring, *, one_way: bool) -> Checks:
    """Cut apart, each datacenter goes on at LOCAL_QUORUM and refuses what needs the other; healed, both hold the union.

    QUORUM and SERIAL need 4 of 6 replicas, EACH_QUORUM 2 in each datacenter: with 3 on each side no such operation
    that lies wholly inside the proven cut may succeed, from its first moment on (detection decides only how fast it is
    refused). LOCAL_QUORUM needs 2 of 3 at home and must not fail at all. Hints carry the rest across after healing.
    """
    home, away = ring.datacenters
    cut = Partition(home.cluster, away.cluster, one_way)

    with run.load(*every_workload(), Probe(LANES)):
        run.hold("baseline")
        with run.fault(cut) as fault:
            run.hold("cut", CUT_SECONDS)
        agree_again(run, ring.limits.reconnect)
        answer_again(run)
        healed = run.hold("healed")
    deliver_hints(run)
    run.final_reads()

    across = excuse([fault, "inject"], until=healed, why=f"needs the other side; {ring.limits.reconnect.formula}")
    wide = (QUORUM, EACH_QUORUM, SERIAL)
    return [
        *[served(datacenter.name, LOCAL_QUORUM, minimum=40) for datacenter in ring.datacenters],
        *[served(datacenter.name, LOCAL_SERIAL, minimum=5) for datacenter in ring.datacenters],
        *[refused(level, fault, datacenter=datacenter.name) for datacenter in ring.datacenters for level in wide],
        *[
            served(datacenter.name, level, excused=[across], minimum=5)
            for datacenter in ring.datacenters
            for level in wide
        ],
        service_as_expected(fault, cut=[[home.name, away.name]]),
        *data_is_kept(),
    ]
