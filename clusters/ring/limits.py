"""Time limits of a ring, computed from its settings, each with its formula in words and numbers."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from clusters.cluster import RestartPolicy
from clusters.ring.config import SYNC_PERIOD_S
from clusters.topology import DnsSpec, RingSpec, Topology

GOSSIP_INTERVAL = 1.0
"""Gossiper.intervalInMillis."""
HEARTBEAT_INTERVAL = 2 * GOSSIP_INTERVAL
"""The longest mean arrival of heartbeats that a failure detector can learn: ArrivalWindow ignores every interval above
FailureDetector.INITIAL_VALUE_NANOS, twice the gossip interval (4.1.10 and 5.0.9). In rings of six it learns 1.0 to
1.3 s (docs/findings.md 15)."""
PHI_FACTOR = 1.0 / math.log(10.0)
"""FailureDetector.PHI_FACTOR = 0.434."""
HINT_DISPATCH = 10.0
"""HintsDispatchTrigger runs every 10 s (HintsService, scheduleWithFixedDelay 10, 10)."""
HINT_ROUNDS = 3
BATCH_REPLAY = 10.0
"""BatchlogManager.REPLAY_INTERVAL; a batch is played again once it is older than twice the write time-out."""
BATCH_ROUNDS = 2
"""One period until the next round, and one again for a batch that was too young in it."""
WRITE_TIMEOUT = 2.0
"""write_request_timeout: Config.java; a hint is written for what did not answer by then."""
RING_DELAY = {"fast": 5.0, "default": 30.0}
"""cassandra.ring_delay_ms by timers profile (clusters.ring.flags); 30 s is Cassandra's own."""
QUARANTINE = {"fast": 70.0, "default": 60.0}
"""cassandra.gossip_quarantine_delay_ms by timers profile: how long a host ignores gossip about an address that it has
forgotten. Cassandra's own is twice the ring delay. Half of it is the silence after which a host may forget an address
at once, before the others have: if a pod comes back later than that, the first to forget learns the address again from
the last, and it returns into everybody's peers (seen with 10 s and with 30 s: docs/findings.md 12). Half of 70 s is
above the limit of a restart (33 s)."""
MOST_BACK_OFF = {"fast": 8.0, "default": 300.0}
"""The longest pause before a restart by timers profile (restart_policy below): a few restarts of a pod reach it, and
how many there were before on the same ring must not decide a verdict. 300 s is the kubelet's MaxContainerBackOff."""
KUBELET_SEES = 1.0
"""genericPlegRelistPeriod (Kubernetes 1.34, kubelet.go): how late a kubelet sees that a container has ended."""
KUBELET_LOOKS = (10.0, 15.0)
"""A kubelet that puts a start off looks again after its backOffPeriod and up to half of it more (kubelet.go, and
workerBackOffPeriodJitterFactor of pod_workers.go), however little of the back-off is left: docs/findings.md 13."""
SYNC_BLOCK = 1.5
"""periodic_commitlog_sync_lag_block: with a sync that is later than 1.5 periods, writes wait (DatabaseDescriptor)."""
HINTS_FLUSH = {"fast": 1.0, "default": 10.0}
"""hints_flush_period by timers profile: `fast` sets it (clusters.ring.config), 10 s is Cassandra's own."""
GOSSIP_ROUNDS = 5
"""Rounds in which a change reaches six hosts: log2(6) rounds of push and pull, doubled for unlucky choices."""
GOSSIP_SETTLE = 8.0
"""Gossiper.waitToSettle: at least 5 s and three polls of 1 s before clients are served."""
JVM_POSITIVE_TTL = 5
PHI = 8
"""phi_convict_threshold: Config.java."""
SEED_RESOLUTIONS = 4
"""How often a start resolves its seed list before it serves clients (measured: 124 s with three dropped names at
glibc's 5 s x 2 attempts, 4 s without: 120 / 30)."""
HOST_START = 15.0
"""One host's start under load on two cores: 4-6 s alone (measured), three times that when six share the cores."""


@dataclass(frozen=True, slots=True)
class Limit:
    """A time limit in seconds with the way it follows."""

    name: str
    seconds: float
    formula: str

    def as_json(self) -> dict[str, Any]:
        """Plain values for a check's parameters."""
        return {"limit": round(self.seconds, 2), "formula": self.formula}


@dataclass(frozen=True, slots=True)
class Limits:
    """All limits of one ring."""

    ring_delay: float
    settle: float
    phi: float = PHI
    quarantined: float = QUARANTINE["fast"]
    back_off: float = MOST_BACK_OFF["fast"]
    hints_flush: float = HINTS_FLUSH["fast"]
    sync_period: float = 0.0

    @property
    def conviction(self) -> Limit:
        """A silent host is called down by every other."""
        seconds = self.phi / PHI_FACTOR * HEARTBEAT_INTERVAL + GOSSIP_ROUNDS * GOSSIP_INTERVAL
        formula = (
            f"phi {self.phi:g} / 0.434 x {HEARTBEAT_INTERVAL:g} s longest mean heartbeat "
            f"+ {GOSSIP_ROUNDS} gossip rounds x {GOSSIP_INTERVAL:g} s"
        )
        return Limit("conviction", seconds, formula)

    @property
    def restart(self) -> Limit:
        """A killed host serves again and every other host has heard of it."""
        seconds = self.ring_delay + HOST_START + self.settle + GOSSIP_ROUNDS * GOSSIP_INTERVAL
        formula = (
            f"shadow round <= ring delay {self.ring_delay:g} s + start {HOST_START:g} s + gossip settle "
            f"{self.settle:g} s + {GOSSIP_ROUNDS} gossip rounds x {GOSSIP_INTERVAL:g} s"
        )
        return Limit("restart", seconds, formula)

    @property
    def client_detection(self) -> Limit:
        """The time for which a client may still meet a silent host: its heartbeat, one request, and conviction."""
        conviction = self.conviction
        seconds = conviction.seconds + 4.0 + 6.0
        return Limit(
            "client detection",
            seconds,
            f"conviction {conviction.seconds:.1f} s + driver heartbeat 2 s + its timeout 2 s + request timeout 6 s",
        )

    @property
    def quarantine(self) -> Limit:
        """Every host has forgotten a released address: it is quarantined when its host shows up at another one, and
        removed when that is over. For as long again gossip about it is ignored (measured: 31 s and 31 s with 30)."""
        seconds = self.quarantined + GOSSIP_ROUNDS * GOSSIP_INTERVAL
        formula = f"gossip quarantine {self.quarantined:g} s + {GOSSIP_ROUNDS} gossip rounds x {GOSSIP_INTERVAL:g} s"
        return Limit("forgotten address", seconds, formula)

    @property
    def policy_restart(self) -> Limit:
        """A host that ended serves again by its restart policy, however often it was restarted before.

        A back-off that is over at the kubelet's second look is as late as that look; a longer one may end just after a
        look and waits for the next.
        """
        soonest, latest = KUBELET_LOOKS
        if self.back_off <= soonest:
            put_off, words = KUBELET_SEES, f"end is seen {KUBELET_SEES:g} s (back-off {self.back_off:g} s runs)"
        else:
            put_off, words = self.back_off, f"restart back-off <= {self.back_off:g} s"
        limit = self.restart
        formula = f"{words} + kubelet looks again <= {latest:g} s + {limit.formula}"
        return Limit("restart by the policy", put_off + latest + limit.seconds, formula)

    @property
    def unsynced(self) -> Limit:
        """How old an acknowledged write may be that a kill takes from one replica; 0 when writes wait for the disk."""
        if not self.sync_period:
            return Limit("unsynced", 0.0, "0 s (commitlog_sync group acknowledges after the sync)")
        seconds = self.sync_period * SYNC_BLOCK
        return Limit("unsynced", seconds, f"commitlog_sync_period {self.sync_period:g} s x {SYNC_BLOCK:g}")

    @property
    def hints_written(self) -> Limit:
        """Every hint for a write that was answered is in a file."""
        seconds = WRITE_TIMEOUT + self.hints_flush
        formula = f"write_request_timeout {WRITE_TIMEOUT:g} s + hints_flush_period {self.hints_flush:g} s"
        return Limit("hints written", seconds, formula)

    @property
    def hints(self) -> Limit:
        """All hints for a host that came back are delivered: one dispatch to close the file, one to send it, one again
        for what timed out on a busy host."""
        seconds = HINT_ROUNDS * HINT_DISPATCH + WRITE_TIMEOUT
        formula = (
            f"{HINT_ROUNDS} dispatch periods x {HINT_DISPATCH:g} s (close the file, send it, send the rest) "
            f"+ hint time-out {WRITE_TIMEOUT:g} s"
        )
        return Limit("hint delivery", seconds, formula)

    @property
    def batches(self) -> Limit:
        """Every logged batch of unknown end was played again, and what that left for a host that was away is a hint."""
        seconds = BATCH_ROUNDS * BATCH_REPLAY + 2 * WRITE_TIMEOUT
        formula = f"{BATCH_ROUNDS} replay periods x {BATCH_REPLAY:g} s + age of a batch 2 x {WRITE_TIMEOUT:g} s"
        return Limit("batch replay", seconds, formula)

    @property
    def reconnect(self) -> Limit:
        """After a cut heals, everybody sees everybody: gossip tries an unreachable host each round with a chance."""
        seconds = 30.0 + GOSSIP_ROUNDS * GOSSIP_INTERVAL * 2
        formula = f"internode_tcp_user_timeout 30 s + 2 x {GOSSIP_ROUNDS} gossip rounds x {GOSSIP_INTERVAL:g} s"
        return Limit("reconnect", seconds, formula)


def ring_limits(topology: Topology) -> Limits:
    """The limits that follow from a topology's timers profile."""
    ring = topology.formed_ring
    timers = ring.timers
    return Limits(
        RING_DELAY[timers],
        GOSSIP_SETTLE,
        quarantined=QUARANTINE[timers],
        back_off=MOST_BACK_OFF[timers],
        hints_flush=HINTS_FLUSH[timers],
        sync_period=SYNC_PERIOD_S if ring.commitlog == "periodic" else 0.0,
    )


def name_limit(dns: DnsSpec) -> Limit:
    """A changed record is seen through every cache between a pod and its server."""
    seconds = dns.ttl + dns.cache + 5.0
    return Limit("name resolution", seconds, f"ttl {dns.ttl} s + cache {dns.cache} s + slack 5 s")


def dropped_names_limit(dns: DnsSpec, dropped: int, normal: float) -> Limit:
    """A start while `dropped` of its seed names are answered by silence."""
    per_name = dns.resolver_timeout * dns.resolver_attempts
    seconds = SEED_RESOLUTIONS * dropped * per_name + normal
    formula = (
        f"{SEED_RESOLUTIONS} resolutions of the seed list x {dropped} dropped names x timeout "
        f"{dns.resolver_timeout} s x {dns.resolver_attempts} attempts + normal start {normal:.0f} s"
    )
    return Limit("start with dropped names", seconds, formula)


def restart_policy(ring: RingSpec) -> RestartPolicy:
    """How every provider restarts a host: as the kubelet does; `fast` timers shorten its back-off, reports say so."""
    return RestartPolicy(first=1.0, most=MOST_BACK_OFF["fast"]) if ring.timers == "fast" else RestartPolicy()
