"""One scenario as the page tells it: everything that is drawn or said in its section."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import TypeVar

from reports.bundle import Json, Operation, mapping, number, text
from reports.clock import Clock, Window, clock
from reports.drawing import Shape
from reports.limits import WAITS, Budget, all_held, bound, budget, clipped, figure, kept, limit, measured, tightest
from reports.reach import Matrix, matrices
from reports.safe import address
from reports.setting import reason, sabotage
from reports.spoken import spoken
from reports.story import Breach, breaches
from reports.timeline import Line, Timeline, chronicle, stages, timeline
from reports.tracks import outcomes, strip
from reports.verdicts import Scenario
from scenarios.record import OBSERVED

T = TypeVar("T")

MOST_CHECKS = 80
MOST_NESTED = 8
SHORTEST_PROOF = 0.05
"""Seconds below which the proof of a fault is no line of its own among the waits."""
NOT_DRAWABLE = (TypeError, ValueError, KeyError, AttributeError, IndexError, OverflowError, ZeroDivisionError)
"""What an altered bundle can raise while a part is drawn: then one line names the part and the verdict stays."""


@dataclass(frozen=True)
class Judged:
    """One check as a row: measured against limit."""

    word: str
    id: str
    measured: str
    bound: str
    limit: str
    budget: Budget
    explain: str
    counts: str


@dataclass(frozen=True)
class Wait:
    """One wait of the run, in seconds."""

    what: str
    seconds: float
    limit: float | None
    formula: str
    timer: bool


@dataclass
class Section:
    """A scenario ready to be written; ``drawn`` is false where the page had no room for pictures."""

    id: str
    name: str
    place: str
    anchor: str
    word: str
    parts: dict[str, str]
    promise: str
    topology: str
    seconds: float | None
    faults: str
    headline: Judged | None
    checks: list[Judged]
    more_checks: int
    waits: list[Wait]
    files: list[tuple[str, str]]
    axis: Clock
    stories: list[Breach] = field(default_factory=list)
    timeline: Timeline | None = None
    chronicle: list[Line] = field(default_factory=list)
    matrices: list[Matrix] = field(default_factory=list)
    strip: tuple[Shape, ...] = ()
    outcomes: Json = field(default_factory=dict)
    nested: list[Section] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)
    drawn: bool = True
    apart: bool = False
    """Whether it is a control, which is no scenario of the run."""
    facts: list[tuple[str, str]] = field(default_factory=list)
    reason: str = ""
    """Why the promise should hold, or what breaks it in a negative control."""
    sabotage: list[str] = field(default_factory=list)
    """What is done wrong on purpose; in negative controls only."""

    @property
    def events(self) -> str:
        """The link to its events; empty if it has none."""
        return dict(self.files).get("events.jsonl", "")

    @property
    def timers(self) -> list[Wait]:
        """The timers that the scenario had to wait for: however fast the machine, they take as long."""
        return [wait for wait in self.waits if wait.timer]

    @property
    def conditions(self) -> list[Wait]:
        """What it waited for that may be faster: conditions, and the proof of each fault and of its recovery."""
        proofs = [wait for window in self.axis.windows for wait in _proofs(window)]
        return [wait for wait in self.waits if not wait.timer] + proofs

    @property
    def timed(self) -> float:
        """Seconds of the timers."""
        return sum(wait.seconds for wait in self.timers)

    @property
    def rest(self) -> float | None:
        """Seconds of the scenario that no timer explains."""
        return None if self.seconds is None else max(0.0, self.seconds - self.timed)

    @property
    def untold(self) -> float | None:
        """Seconds in which nothing was waited for that the events name."""
        told = sum(wait.seconds for wait in self.conditions)
        return None if self.rest is None else max(0.0, self.rest - told)

    @property
    def quiet(self) -> bool:
        """Whether every matrix is right in all phases."""
        return all(matrix.quiet for matrix in self.matrices)


def anchor(name: str) -> str:
    """Return an id for a link inside the page."""
    return "s-" + re.sub(r"[^A-Za-z0-9_-]+", "-", name)


def section(scenario: Scenario, *, pictures: bool = True, anchored: str = "") -> Section:
    """Read a scenario's history and observations and draw them; without ``pictures`` only its sentences.

    Parts that cannot be drawn are named in ``lost``. ``anchored`` marks a section that is no scenario of the run, a
    control: it has its name from its folder, an anchor of its own, and is closed at first.
    """
    lost: list[str] = []
    operations = _attempt("history", scenario.operations, list[Operation](), lost)
    observations = _attempt("observations", scenario.observations, list[Json](), lost)
    axis = _attempt("time axis", lambda: clock(scenario, operations, observations), Clock(0, 1.0, (), ()), lost)
    found = _bare(scenario, axis, lost)
    if anchored:
        found.name, found.anchor, found.apart = scenario.id, f"{anchored}-{found.anchor}", True
    found.outcomes = outcomes(operations)
    found.stories = _attempt("what broke", lambda: breaches(scenario, operations, observations, axis), [], lost)
    if not pictures:
        return found
    found.timeline = _attempt("timeline", lambda: _timeline(scenario, operations, observations, axis), None, lost)
    found.chronicle = _attempt("chronicle", lambda: chronicle(scenario, observations, axis), [], lost)
    found.matrices = _attempt("who answers whom", lambda: matrices(scenario, observations, axis), [], lost)
    found.strip = _attempt("strip", lambda: strip(scenario, operations, axis), (), lost)
    found.nested = [section(inner) for inner in scenario.nested[:MOST_NESTED]]
    return found


def _timeline(
    scenario: Scenario, operations: list[Operation], observations: list[Json], axis: Clock
) -> Timeline | None:
    if not (operations or observations or scenario.events.records):
        return None
    return timeline(scenario, operations, observations, axis)


def _attempt(name: str, draw: Callable[[], T], otherwise: T, lost: list[str]) -> T:
    try:
        return draw()
    except NOT_DRAWABLE as error:
        lost.append(f"{name}: cannot be drawn from these files ({type(error).__name__}: {clipped(str(error), 120)})")
        return otherwise


def _bare(scenario: Scenario, axis: Clock, lost: list[str]) -> Section:
    checks = sorted(scenario.checks, key=lambda check: check.get("verdict") == "valid")
    names = ", ".join(f"{window.id} {window.name}" for window in axis.windows)
    return Section(
        scenario.id,
        scenario.name,
        scenario.place,
        anchor(scenario.id),
        scenario.verdict,
        scenario.parts,
        scenario.promise,
        scenario.topology,
        scenario.seconds,
        clipped(names, 200),
        _headline(scenario.checks),
        [judged(check) for check in checks[:MOST_CHECKS]],
        max(0, len(checks) - MOST_CHECKS),
        waits(scenario),
        _files(scenario),
        axis,
        lost=lost,
        facts=_facts(scenario),
        reason=reason(scenario),
        sabotage=_attempt("sabotage", lambda: sabotage(scenario), [], lost),
    )


def _headline(checks: list[Json]) -> Judged | None:
    """The check that stands for the scenario; where none has a figure, all of them, and what they found."""
    best = tightest(checks)
    if best is None or best.get("verdict") != "valid" or best.get("measured") is not None:
        return judged(best) if best else None
    told = [spoken(text(check.get("explain"))) for check in checks if check.get("check") != WAITS]
    return replace(judged(best), id=clipped("; ".join(told), 160), measured=all_held(checks))


def judged(check: Json) -> Judged:
    """Return one check as a row."""
    word = text(check.get("verdict"))
    counts = mapping(check.get("counts"))
    return Judged(
        word if word in ("valid", "invalid", "unknown", "vacuous") else "unknown",
        clipped(text(check.get("id")) or text(check.get("check")) or "(unnamed check)", 160),
        f"broken; {measured(check)}" if kept(check) else measured(check),
        bound(check),
        limit(check),
        budget(check),
        clipped(spoken(text(check.get("explain")))),
        clipped(figure({name: count for name, count in counts.items() if count != 0}), 160) if counts else "",
    )


def waits(scenario: Scenario) -> list[Wait]:
    """The waits that its events name, in order; at most sixty."""
    return [
        Wait(
            text(event.get("for")),
            number(event.get("seconds")) or 0.0,
            number(event.get("limit")),
            clipped(text(event.get("formula"))),
            bool(event.get("timer")),
        )
        for _, event in scenario.events.records
        if event.get("event") == "waited"
    ][:60]


def _proofs(window: Window) -> list[Wait]:
    """The two waits of a fault's life: until it is seen to bite, and until it is seen to be gone."""
    found = []
    if window.effective is not None:
        found.append(Wait(f"{window.id} seen to bite", window.effective - window.inject, None, "", timer=False))
    if window.recovered is not None and window.recover is not None:
        found.append(Wait(f"{window.id} seen to be gone", window.recovered - window.recover, None, "", timer=False))
    return [wait for wait in found if wait.seconds >= SHORTEST_PROOF]


def _files(scenario: Scenario) -> list[tuple[str, str]]:
    names = ["verdict.json", "checks.json", "scenario.json", "events.jsonl", *OBSERVED]
    paths = [scenario.folder / name for name in names]
    paths += sorted((scenario.folder / "history").glob("*.jsonl"))[:40]
    return [
        (path.relative_to(scenario.folder).as_posix(), address(scenario.reader.name(path)))
        for path in paths
        if path.is_file() and not path.is_symlink()
    ]


def _facts(scenario: Scenario) -> list[tuple[str, str]]:
    facts = scenario.facts
    told = [
        ("replication", facts.get("replication")),
        ("timers", facts.get("timers")),
        ("keyspace", facts.get("keyspace")),
        ("settings", facts.get("settings")),
        ("ran before on this ring", facts.get("ran_before_on_ring")),
        ("not modelled here", facts.get("not_modelled") or None),
        ("seed", facts.get("seed")),
    ]
    return [
        (name, figure(value) if name != "seed" else str(value)) for name, value in told if value not in (None, {}, "")
    ]


def fault_rows(axis: Clock) -> list[tuple[Window, list[tuple[float, float, str]]]]:
    """Each fault with the stretches of its life, for the first rows of the timeline."""
    return [(window, stages(window, axis.span)) for window in axis.windows[:40]]
