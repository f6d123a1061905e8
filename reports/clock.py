"""The one time axis of a scenario: seconds since its first event, and where a moment stands among the faults."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from reports.bundle import NS, Json, Operation, number, objects, text
from reports.verdicts import Scenario

LIFE = ("inject", "effective", "recover", "recovered")


@dataclass(frozen=True)
class Window:
    """A fault on the axis; each moment in seconds, None if it never came."""

    id: str
    name: str
    inject: float
    effective: float | None = None
    recover: float | None = None
    recovered: float | None = None
    evidence: str = ""
    recovery: str = ""
    error: str = ""
    lines: tuple[int, ...] = ()
    """The lines of events.jsonl that tell its life."""

    @property
    def end(self) -> float | None:
        """When its effect was gone, as far as that is known."""
        return self.recovered

    @property
    def bit(self) -> bool:
        """Whether an independent observation saw it."""
        return self.effective is not None


@dataclass(frozen=True)
class Phase:
    """A named stretch of the run, in seconds."""

    name: str
    start: float
    end: float


@dataclass(frozen=True)
class Clock:
    """Turns monotonic ns into seconds of the scenario."""

    zero: int
    span: float
    windows: tuple[Window, ...]
    phases: tuple[Phase, ...]

    def at(self, when: float) -> float:
        """Seconds since the first event."""
        return (when - self.zero) / NS

    def moment(self, value: object) -> float | None:
        """Seconds of a time in a record, or None if there is none."""
        found = number(value)
        return None if found is None else self.at(found)

    def within(self, moment: float) -> Window | None:
        """The fault in whose window a moment lies: from its injection until it is seen to be gone."""
        for window in reversed(self.windows):
            if window.inject <= moment <= (self.span if window.end is None else window.end):
                return window
        return None

    def relation(self, moment: float) -> str:
        """Where a moment stands: ``4.2 s after F1 took effect``; before the first fault also in which phase."""
        past = [window for window in self.windows if window.inject <= moment]
        if not past:
            ahead = min(self.windows, key=lambda window: window.inject, default=None)
            before = f"{ahead.inject - moment:.1f} s before {ahead.id} was injected" if ahead else ""
            return ", ".join(word for word in (self.in_phase(moment), before) if word)
        inside = self.within(moment)
        window = inside or max(past, key=lambda one: one.end or one.inject)
        stages = [
            ("recovered", "was seen to be gone"),
            ("recover", "began to be undone"),
            ("effective", "took effect"),
            ("inject", "was injected"),
        ]
        for stage, words in stages:
            since = getattr(window, stage)
            if since is not None and since <= moment:
                return f"{moment - since:.1f} s after {window.id} {words}"
        return ""

    def in_phase(self, moment: float) -> str:
        """The phase of a moment: ``0.8 s after phase baseline began``; empty if no phase was recorded."""
        begun = [phase for phase in self.phases if phase.start <= moment]
        if begun:
            return f"{moment - begun[-1].start:.1f} s after phase {begun[-1].name} began"
        return f"{self.phases[0].start - moment:.1f} s before phase {self.phases[0].name} began" if self.phases else ""

    def after(self, moment: float) -> str:
        """The short form for tables: ``F1 +4.2``, since the injection of the fault it lies in."""
        inside = self.within(moment)
        return f"{inside.id} +{moment - inside.inject:.3f}" if inside else ""


def clock(scenario: Scenario, operations: Iterable[Operation], observations: Iterable[Json]) -> Clock:
    """Lay out the axis: from the earliest thing that was recorded to the latest."""
    times = [float(one["t"]) for one in observations]
    for operation in operations:
        times += (float(operation.start), float(operation.end or operation.start))
    numbered = [(at, event) for at, event in scenario.events.records if number(event.get("t")) is not None]
    events = [(float(event["t"]), event) for _, event in numbered]
    times += [when for when, _ in events]
    told = objects(scenario.document.get("windows")) if not events else []
    times += [when for one in told for stage in LIFE if (when := number(one.get(stage))) is not None]
    zero = int(min(times, default=0))
    span = max((max(times, default=0) - zero) / NS, 1.0)
    bare = Clock(zero, span, (), ())
    windows = _told(bare, told) if told else _windows(bare, numbered)
    return Clock(zero, span, tuple(windows), tuple(_phases(bare, events)))


def _windows(axis: Clock, events: list[tuple[int, Json]]) -> list[Window]:
    lives: dict[str, dict[str, object]] = {}
    lines: dict[str, list[int]] = {}
    for line, event in events:
        state = text(event.get("state"))
        if event.get("event") != "fault" or not text(event.get("id")):
            continue
        life = lives.setdefault(text(event.get("id")), {})
        lines.setdefault(text(event.get("id")), []).append(line)
        life.setdefault("name", text(event.get("name")))
        life.setdefault(state, axis.at(event["t"]))
        if state in ("effective", "recovered", "error"):
            life.setdefault(f"{state} said", text(event.get("evidence")) or text(event.get("detail")))
    found = [_window(key, life) for key, life in lives.items() if "inject" in life]
    return [replace(window, lines=tuple(lines[window.id])) for window in found]


def _told(axis: Clock, told: list[Json]) -> list[Window]:
    return [
        _window(
            text(one.get("id")),
            {
                **{stage: axis.moment(one.get(stage)) for stage in LIFE},
                "name": text(one.get("name")),
                "effective said": text(one.get("evidence")),
            },
        )
        for one in told
        if number(one.get("inject")) is not None
    ]


def _window(key: str, life: dict[str, object]) -> Window:
    def when(stage: str) -> float | None:
        return number(life.get(stage))

    return Window(
        key,
        text(life.get("name")) or key,
        when("inject") or 0.0,
        when("effective"),
        when("recover"),
        when("recovered"),
        text(life.get("effective said")),
        text(life.get("recovered said")),
        text(life.get("error said")),
    )


def _phases(axis: Clock, events: list[tuple[float, Json]]) -> list[Phase]:
    starts = [(axis.at(when), text(event.get("name"))) for when, event in events if event.get("event") == "phase"]
    ends = [*(start for start, _ in starts[1:]), axis.span][: len(starts)]
    return [Phase(name, start, max(start, end)) for (start, name), end in zip(starts, ends, strict=True)]
