"""A whole scenario in one file: copy it into `scenarios/` and it is found by its `@scenario` mark."""

from __future__ import annotations

import signal
from dataclasses import dataclass

from clusters.ring.host import Host
from clusters.ring.ring import Ring
from scenarios.checks import excuse, no_host_died, no_lost_writes, served
from scenarios.faults.seen import await_answers, await_silence, witnesses
from scenarios.run import Run
from scenarios.scenario import Checks, Tier, scenario
from scenarios.settling import EXPECTED_ERRORS, agree_again
from scenarios.workloads.declared import LOCAL_QUORUM, Ledger, Probe, ProbeLane

LANES = (ProbeLane("write", LOCAL_QUORUM, 10.0), ProbeLane("read", LOCAL_QUORUM, 10.0))


@dataclass
class HostKilled:
    """SIGKILL to one host's process; the pod's restart policy brings it back at the same address."""

    host: Host

    @property
    def name(self) -> str:
        """As reports call it."""
        return f"{self.host.spec.who} killed"

    def precheck(self, run: Run) -> None:
        """Nothing that could be wrong: a host that does not run cannot be the one of a clean ring."""

    def inject(self, run: Run) -> None:
        """Announce the death, so that it does not count as one that nobody ordered, and kill."""
        run.expected_exits.add(self.host.spec.pod)
        self.host.pod.signal(signal.SIGKILL)

    def await_effect(self, run: Run) -> str:
        """Evidence of others: the clients of both clusters hear nothing from it."""
        return await_silence(run.ring, [self.host], witnesses(run.ring))

    def recover(self, run: Run) -> None:
        """Nothing to undo: the restart is the recovery. What a fault adds, it adds and undoes through `run.acts`."""

    def await_recovery(self, run: Run) -> str:
        """Evidence of others again: it answers, as itself."""
        return await_answers(run.ring, [self.host], witnesses(run.ring), run.ring.limits.restart.seconds)


@scenario("host-restart", tier=Tier.NIGHTLY)
def host_restart(run: Run, ring: Ring) -> Checks:
    """A host that is killed and started again costs no acknowledged write, and the other datacenter no request.

    RF is 3 per datacenter and two replicas stay up, so LOCAL_QUORUM goes on; its own clients may meet the dead host
    until they have noticed.
    """
    home, away = ring.datacenters
    killed = HostKilled(home.hosts[-1])
    detection = ring.limits.client_detection

    with run.load(Ledger(), Probe(LANES)):
        run.hold("baseline")
        with run.fault(killed) as fault:
            run.phase("coming back")
        agree_again(run, ring.limits.restart)
        run.hold("healed")
    run.final_reads()

    noticing = excuse([fault, "inject"], seconds=detection.seconds, why=detection.formula)
    return [
        served(home.name, LOCAL_QUORUM, excused=[noticing], minimum=40),
        served(away.name, LOCAL_QUORUM, minimum=40),
        no_lost_writes(),
        no_host_died(allowed=EXPECTED_ERRORS),
    ]
