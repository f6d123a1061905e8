"""The parts of the bench that form rings: formation with and without class-data archive, reschedule, memory."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from unittest.mock import patch

from clusters.catalog import named
from clusters.cluster import ReschedulesPods
from clusters.errors import ProvisionFailed
from clusters.lab import hosts
from clusters.ring.archive import ensure_archive, rehearse
from clusters.ring.artifacts import ensure_cassandra
from clusters.ring.config import declare_hosts
from clusters.ring.flags import archive_flags
from clusters.ring.java import find_java
from clusters.ring.ring import Ring
from clusters.ring.standing import StandingRing
from clusters.topology import Topology
from ringproof.bench_figures import Figure, ratios
from ringproof.bench_files import Deadline
from scenarios.history import SECOND, read_history
from scenarios.load import Load
from scenarios.runs import new_run_id
from scenarios.workloads.declared import ALL, EACH_QUORUM, Probe, ProbeLane

Say = Callable[[str], None]
LANES = (ProbeLane("write", EACH_QUORUM, 2.0), ProbeLane("read", ALL, 2.0))
SERVES = "CQL on all hosts"
"""The step of clusters.ring.formation.await_formed that follows the last host's CQL port."""
KEYSPACE = "rp_bench"


@dataclass(frozen=True)
class Formed:
    """One formation, in seconds from the moment before the first namespace; memory in bytes when it was formed."""

    single: float
    """One host alone, with the same archive or without one, from its start to its CQL port."""
    serving: float
    agreed: float
    written: float
    """The first EACH_QUORUM write was acknowledged: client start, connection and schema are part of it."""
    read: float
    """The first read at ALL was answered."""
    memory: int


@dataclass
class Rings:
    """Forms rings of one topology for measurement; one stands at a time, and none when a method has returned."""

    topology: Topology
    deadline: Deadline
    repeats: int
    say: Say

    def figures(self) -> list[Figure]:
        """Warm formation with reschedules and memory on its last ring, then cold formation."""
        moved: list[float] = []
        warm = self._formations("warm", moved.extend)
        cold = self._formations("cold", lambda _values: None)
        return [
            *formation_figures("formation, warm", warm),
            *formation_figures("formation, cold", cold),
            Figure("reschedule", "kill -9 to every host sees only the new address", "s", tuple(moved)),
            Figure(
                "memory",
                f"lab of {len(declare_hosts(self.topology))} hosts",
                "GB",
                tuple(one.memory / 1e9 for one in warm),
            ),
        ]

    def _formations(self, mode: str, keep: Callable[[Sequence[float]], None]) -> list[Formed]:
        numbers = iter(range(1, self.repeats + 1))

        def once() -> Formed:
            number = next(numbers)
            self.say(f"{mode} formation {number} of {self.repeats}")
            return self._form(warm=mode == "warm", then=self._reschedule(keep) if number == 1 else lambda _ring: None)

        return self.deadline.repeated(self.repeats, once)

    def _reschedule(self, keep: Callable[[Sequence[float]], None]) -> Callable[[Ring], None]:
        def moves(ring: Ring) -> None:
            hosts = iter(ring.hosts)
            repeats = min(self.repeats, len(ring.hosts))
            keep(self.deadline.repeated(repeats, lambda: reschedule(ring, next(hosts).spec.who, self.say)))

        return moves

    def _form(self, *, warm: bool, then: Callable[[Ring], None]) -> Formed:
        with tempfile.TemporaryDirectory(prefix="ringproof-bench-") as place, archive_used(used=warm):
            single = single_start(self.topology, warm=warm)
            steps: dict[str, float] = {}
            begun = time.monotonic_ns()
            standing = StandingRing(self.topology, Path(place, "ring"), new_run_id(), noting(steps, begun))
            with standing:
                ring = standing.ring()
                agreed = seconds_since(begun)
                memory = ring.clusters.memory()
                written, read = first_answers(ring, Path(place, "load"), begun)
                then(ring)
            if SERVES not in steps:
                raise ProvisionFailed(f"the formation did not tell when there was {SERVES}; it told {sorted(steps)}")
            return Formed(single, steps[SERVES], agreed, written, read, memory)


def formation_figures(part: str, formed: Sequence[Formed]) -> list[Figure]:
    """The figures of repeated formations; each ratio is to the single host of its own repeat."""
    single = tuple(one.single for one in formed)
    columns = {
        "one host alone to its CQL port": single,
        "CQL on all hosts": tuple(one.serving for one in formed),
        "every host sees every host": tuple(one.agreed for one in formed),
        "first EACH_QUORUM write": tuple(one.written for one in formed),
        "first read at ALL": tuple(one.read for one in formed),
    }
    times = ratios(part, "first EACH_QUORUM write / one host alone", columns["first EACH_QUORUM write"], single)
    return [*(Figure(part, name, "s", values) for name, values in columns.items()), times]


@contextmanager
def archive_used(*, used: bool) -> Iterator[None]:
    """Hosts of rings formed in the block map the class-data archive, or have none; their command is made anew."""
    hosts.start_command.cache_clear()
    try:
        if used:
            yield
        else:
            # There is no setting for it: nobody but a bench wants to start slower.
            with patch.object(hosts, "ensure_archive", lambda _java, _version: None):
                yield
    finally:
        hosts.start_command.cache_clear()


def single_start(topology: Topology, *, warm: bool) -> float:
    """Seconds of one host alone on a loopback address; jars, Java and archive are there or made before it."""
    version = topology.formed_ring.version
    ensure_cassandra(version)
    java = find_java(version)
    archive = ensure_archive(java, version)
    with tempfile.TemporaryDirectory(prefix="ringproof-bench-") as folder:
        return rehearse(java, version, archive_flags(archive if warm else None), Path(folder))


def first_answers(ring: Ring, folder: Path, begun: int) -> tuple[float, float]:
    """Seconds from ``begun`` to the first acknowledged EACH_QUORUM write, and to the first answered read at ALL."""
    folder.mkdir()
    load = Load(ring, folder, KEYSPACE, 1)
    try:
        load.open((Probe(LANES),))
    finally:
        load.close()
    answered = [one for one in read_history(folder / "history") if one.outcome == "ok" and one.returned is not None]
    found = []
    for f, level in (("write", EACH_QUORUM), ("read", ALL)):
        times = [one.returned for one in answered if one.f == f and one.cl == level and one.returned is not None]
        if not times:
            raise ProvisionFailed(f"the history of the first requests holds no acknowledged {level} {f}")
        found.append((min(times) - begun) / SECOND)
    return found[0], found[1]


def reschedule(ring: Ring, who: str, say: Say) -> float:
    """Seconds from SIGKILL of a host's pod until every host, itself included, sees all at their present addresses."""
    host = ring.host(who)
    say(f"reschedule of {who}")
    begun = time.monotonic_ns()
    cluster = ring.clusters.cluster(host.spec.cluster)
    assert isinstance(cluster, ReschedulesPods)
    cluster.reschedule(host.spec.pod)
    ring.await_agreement(2 * ring.limits.restart.seconds)
    return seconds_since(begun)


def seconds_since(begun: int) -> float:
    """Seconds since a moment of CLOCK_MONOTONIC in nanoseconds."""
    return (time.monotonic_ns() - begun) / SECOND


def noting(steps: dict[str, float], begun: int) -> Say:
    """What takes the steps of a formation down, with the seconds at which each was told first."""

    def note(text: str) -> None:
        steps.setdefault(text, seconds_since(begun))

    return note


def rings(topology: str, deadline: Deadline, repeats: int, say: Say) -> list[Figure]:
    """All figures that need rings."""
    return Rings(named(topology), deadline, repeats, say).figures()
