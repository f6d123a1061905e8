"""The parts of the bench that need files and a processor only: planning, judging, the report, recorded overhead."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from functools import partial
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path
from typing import TypeVar

from clusters.errors import RingproofError
from clusters.plan import plan
from clusters.topology import ClusterSpec, DnsMode, DnsSpec, Topology
from reports.page import write_page
from reports.section import waits
from reports.verdicts import Scenario, read_run
from ringproof.bench_figures import Figure
from ringproof.bench_made import IDENTITY, make
from scenarios.history import read_history
from scenarios.judge import judge_run, judge_scenario

T = TypeVar("T")
PLAN_SIZES = (10, 100, 500, 1000)
OPERATIONS = 100_000
"""Operations of the made-up history; a long scenario has a twentieth of it."""


class Deadline:
    """Bounds a bench in time: another repeat begins only if one like the longest so far still fits."""

    def __init__(self, seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._end = clock() + seconds

    def left(self) -> float:
        """Seconds until the end; below zero after it."""
        return self._end - self._clock()

    def repeated(self, repeats: int, work: Callable[[], T]) -> list[T]:
        """The results of ``work``, at least one, at most ``repeats``."""
        found: list[T] = []
        longest = 0.0
        while len(found) < repeats and (not found or longest <= self.left()):
            begun = self._clock()
            found.append(work())
            longest = max(longest, self._clock() - begun)
        return found


def timed(work: Callable[[], object]) -> float:
    """Seconds that ``work`` took."""
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


def big_topology(clusters: int) -> Topology:
    """A sound topology of up to 1,024 joined clusters: a /19 of pods and a /26 of nodes each, equal service ranges."""
    pods, nodes = int(IPv4Address("10.0.0.0")), int(IPv4Address("172.16.0.0"))
    return Topology(
        name="bench",
        clusters=tuple(
            ClusterSpec(
                name=f"c{at}",
                node_range=IPv4Network((nodes + at * 64, 26)),
                pod_range=IPv4Network((pods + at * 8192, 19)),
                service_range=IPv4Network("10.252.0.0/16"),
                dns=DnsSpec(mode=DnsMode.STUB_DOMAIN, suffix=f"c{at}.local", namespace="ring"),
            )
            for at in range(clusters)
        ),
    )


def planning(deadline: Deadline, repeats: int) -> list[Figure]:
    """Seconds to prove a plan sound, by the number of clusters; RingproofError when one is not, for it proves less."""
    figures = []
    for size in PLAN_SIZES:
        topology = big_topology(size)
        conflicts = plan(topology).conflicts
        if conflicts:
            raise RingproofError(f"the bench's own topology of {size} clusters has a conflict: {conflicts[0]}")
        seconds = deadline.repeated(repeats, partial(timed, partial(plan, topology)))
        figures.append(Figure("planning", f"{size} clusters", "ms", tuple(1000 * one for one in seconds)))
    return figures


def judging(deadline: Deadline, repeats: int, operations: int = OPERATIONS) -> list[Figure]:
    """Throughput of reader and judge, and seconds of the page, on a made-up history; RingproofError if not valid."""
    with tempfile.TemporaryDirectory(prefix="ringproof-bench-") as folder:
        run = Path(folder) / "made-up"
        scenario = run / "scenarios" / IDENTITY
        lines = make(scenario, operations)
        verdict = judge_scenario(scenario)
        if not verdict.ok:
            raise RingproofError(f"the bench's own history is judged {verdict.verdict.value}: {verdict.explain}")
        judge_run(run)
        reads = deadline.repeated(repeats, lambda: timed(lambda: read_history(scenario / "history")))
        judged = deadline.repeated(repeats, lambda: timed(lambda: judge_scenario(scenario)))
        drawn = deadline.repeated(repeats, lambda: timed(lambda: write_page(run)))
        size = (run / "report.html").stat().st_size
    part, note = "judging", f"{operations} operations, {len(verdict.checks)} checks"
    return [
        Figure(part, "reader", "lines/s", tuple(lines / one for one in reads), f"{lines} lines"),
        Figure(part, "judge, reading included", "operations/s", tuple(operations / one for one in judged), note),
        Figure("report", "page", "s", tuple(drawn), f"{operations} operations, {size / 1e3:.0f} kB of HTML"),
    ]


def newest_run(runs: Path) -> Path | None:
    """The newest run that came to a verdict over at least one scenario that waited for something."""
    found = (path.parent for path in sorted(runs.glob("*/verdict.json"), reverse=True))
    return next((path for path in found if overheads(path)), None)


def overheads(run: Path) -> list[Figure]:
    """Per scenario of a run: the wall time that no timer explains; those without an event of a wait are left out."""
    return [_overhead(one) for one in read_run(run).scenarios if one.seconds is not None and waits(one)]


def _overhead(scenario: Scenario) -> Figure:
    assert scenario.seconds is not None
    timers = sum(wait.seconds for wait in waits(scenario) if wait.timer)
    name = f"{scenario.name} on {scenario.topology}"
    note = f"{scenario.seconds:.1f} s in all, timers {timers:.1f} s"
    return Figure("scenario overhead", name, "s", (max(0.0, scenario.seconds - timers),), note)
