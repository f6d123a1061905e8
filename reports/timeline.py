"""The timeline of a scenario: every track on one axis, with the fault windows behind all of them, and its chronicle."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from reports.bundle import Json, Operation, number, objects, text
from reports.clock import Clock, Window
from reports.drawing import Track
from reports.limits import NARROW, clipped, plain
from reports.orchestrated import orchestrated
from reports.seen import dns_answers, pod_addresses, ring_views
from reports.tracks import availability, latency
from reports.verdicts import SEEN_IN, Scenario

STEPS = (0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1200, 3600)
"""Seconds between two marks of the axis; the first that needs at most MOST_MARKS is taken."""
MOST_MARKS = 13
MOST_LINES = 240


@dataclass(frozen=True)
class Moment:
    """A numbered point of the timeline: seconds, what happened, and its meaning (empty, bad or doubt)."""

    at: float
    words: str
    css: str = ""


@dataclass(frozen=True)
class Line:
    """A line of the chronicle."""

    at: float
    after: str
    words: str
    css: str = ""
    seen_in: str = ""
    """File and line of the bundle; empty for what the checks found."""


@dataclass(frozen=True)
class Timeline:
    """What the page draws as one figure."""

    axis: Clock
    marks: tuple[float, ...]
    moments: tuple[Moment, ...]
    breaches: tuple[float, ...]
    tracks: tuple[Track, ...]


def timeline(
    scenario: Scenario, operations: Sequence[Operation], observations: Sequence[Json], axis: Clock
) -> Timeline:
    """Draw everything that was recorded in a scenario on one axis, also when it was killed half way."""
    step = next((step for step in STEPS if axis.span / step <= MOST_MARKS), axis.span / MOST_MARKS)
    marks = tuple(round(step * at, 1) for at in range(int(axis.span / step) + 1))
    tracks = (
        availability(scenario, operations, axis),
        latency(scenario, operations, axis),
        ring_views(scenario, observations, axis),
        dns_answers(observations, axis, condemned=_condemned(scenario, "resolves")),
        pod_addresses(observations, axis),
    )
    return Timeline(axis, marks, tuple(_moments(scenario, axis)), tuple(breaches(scenario, axis)), tracks)


def breaches(scenario: Scenario, axis: Clock) -> list[float]:
    """When a promise broke: the moments of the findings of invalid checks, in seconds, at most twelve."""
    found = [
        at
        for check in scenario.checks
        if check.get("verdict") == "invalid"
        for finding in objects(check.get("findings"))
        if (at := axis.moment(finding.get("at"))) is not None and 0 <= at <= axis.span
    ]
    return sorted(set(found))[:12]


def _condemned(scenario: Scenario, kind: str) -> bool:
    """Whether a check of this kind found a promise broken."""
    broken = (check for check in scenario.checks if check.get("verdict") == "invalid")
    return any(text(check.get("check")).startswith(kind) for check in broken)


def _moments(scenario: Scenario, axis: Clock) -> list[Moment]:
    marks = [
        Moment(at, text(event.get("name")))
        for _, event in scenario.events.records
        if event.get("event") == "mark" and (at := axis.moment(event.get("t"))) is not None
    ]
    return marks[:20]


def chronicle(scenario: Scenario, observations: Sequence[Json], axis: Clock) -> list[Line]:
    """Tell the timeline in words: phases, faults, waits, outcomes, log lines that matter, findings."""
    name = scenario.reader.name(scenario.folder / "events.jsonl")
    told = [(number(event.get("t")), *_event_words(event), f"{name}:{at}") for at, event in scenario.events.records]
    told += [(number(one.get("t")), *_seen_words(one), text(one.get(SEEN_IN))) for one in observations]
    told += [(*one, "") for one in _finding_words(scenario)]
    lines = [
        Line(axis.at(when), axis.after(axis.at(when)), words, css, seen_in)
        for when, words, css, seen_in in told
        if when is not None and words
    ]
    return sorted(lines, key=lambda line: line.at)[:MOST_LINES]


def _event_words(event: Json) -> tuple[str, str]:
    kind = event.get("event")
    if kind == "phase":
        return f"phase: {text(event.get('name'))}", "phase"
    if kind == "fault":
        return _fault_words(event)
    if kind == "waited":
        return waited(event), ""
    if kind == "cleanup":
        return (
            f"clean-up {'done' if event.get('ok') else 'left something'}: {text(event.get('detail'))}",
            "" if event.get("ok") else "bad",
        )
    if kind == "mark":
        return text(event.get("name")), ""
    if kind == "error":
        return clipped(f"error: {text(event.get('text'))}, at {text(event.get('where'))}"), "doubt"
    told = text(event.get("detail")) or text(event.get("name")) or text(event.get("text"))
    return clipped(f"{text(kind)}: {told}" if told else text(kind)), ""


def _fault_words(event: Json) -> tuple[str, str]:
    said = text(event.get("evidence")) or text(event.get("detail"))
    verbs = {
        "inject": "injected",
        "effective": "seen to bite",
        "recover": "being undone",
        "recovered": "seen to be gone",
    }
    state = text(event.get("state"))
    words = f"{text(event.get('id'))} {verbs.get(state, state)}"
    more = text(event.get("name")) if state == "inject" else said
    return clipped(f"{words}: {more}" if more else words), "doubt" if state == "error" else "fault"


def waited(event: Json) -> str:
    """Write one wait: what for, how long, against which limit."""
    seconds, limit = number(event.get("seconds")), number(event.get("limit"))
    words = f"waited {plain(seconds or 0.0)}{NARROW}s for {text(event.get('for'))}"
    if limit is None:
        return words
    formula = text(event.get("formula"))
    if event.get("missed"):
        words = f"{words} in vain"
    return f"{words}, limit {plain(limit)}{NARROW}s{' = ' + formula if formula else ''}"


def _seen_words(one: Json) -> tuple[str, str]:
    if one.get("kind") == "outcome":
        detail = text(one.get("detail"))
        return clipped(
            f"{text(one.get('subject'))}: {text(one.get('outcome'))}{' (' + detail + ')' if detail else ''}"
        ), ""
    if one.get("kind") == "log_line":
        return clipped(f"{text(one.get('pod'))} logged {text(one.get('level'))}: {text(one.get('text'))}"), "doubt"
    return orchestrated(one), ""


def _finding_words(scenario: Scenario) -> list[tuple[float | None, str, str]]:
    css = {"invalid": "bad", "unknown": "doubt", "vacuous": "doubt"}
    return [
        (
            number(finding.get("at")),
            clipped(f"{text(finding.get('anomaly'))}: {text(finding.get('detail'))}"),
            css.get(text(check.get("verdict")), ""),
        )
        for check in scenario.checks
        for finding in objects(check.get("findings"))
    ]


def stages(window: Window, span: float) -> list[tuple[float, float, str]]:
    """Return the life of a fault as stretches: hollow until it was seen to bite, full, hollow until seen to be gone."""
    end = window.end if window.end is not None else span
    if not window.bit:
        return [
            (window.inject, window.recover if window.recover is not None else end, "nob"),
            (window.recover or end, end, "h"),
        ]
    undo = window.recover if window.recover is not None else end
    found = [
        (window.inject, window.effective or window.inject, "h"),
        (window.effective or window.inject, undo, "full"),
        (undo, end, "h"),
    ]
    return [stretch for stretch in found if stretch[1] > stretch[0]]
