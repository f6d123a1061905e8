"""A counterexample as operation intervals: who had which operation open when, and under which fault.

The axis keeps the order of all times: of two different instants the later one is further right, always, so what
overlaps in the drawing was concurrent, and what does not was not. Lengths are not to scale; the table tells them.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from reports.bundle import Json, Operation, number, text
from reports.clock import Clock, Window
from reports.drawing import Row, Shape, Span, Words, box, place
from reports.limits import NARROW, clipped

WIDE = 100.0
"""Units across the drawing."""
ROOM_AT_END = 6.0
"""Units at the right edge for what has no end."""
MOST_OPERATIONS = 12
"""As scenarios.checks.diagram draws at most: more of them no longer show who contradicts whom."""
MOST_WINDOWS = 3
LANE_HEIGHT, FAULT_HEIGHT = 32, 10
BAR_TOP, BAR_HEIGHT = 19.0, 9.0
WORDS_NEED = 26.0
"""Units that the words of an operation need before the next may begin in the same row."""
TICK_NEEDS = 12.0
"""Units that the words of an instant need; those of the last one stand before it."""
TURNED = 50.0
"""From here on the words end at the bar's begin, so that they stay inside the drawing."""


@dataclass(frozen=True)
class Told:
    """One operation of a finding: its times in seconds of the scenario, and what a reader is told of it."""

    process: str
    what: str
    outcome: str
    start: float
    end: float | None
    coordinator: str = ""


@dataclass(frozen=True)
class Intervals:
    """The drawing: rows of faults and processes over ``span`` units, and instants as (unit, words)."""

    rows: tuple[Row, ...]
    ticks: tuple[tuple[float, str], ...]
    untold: int
    span: float = WIDE


def drawable(operations: Sequence[Told]) -> list[Told]:
    """The operations that are drawn: the first eleven and the last, in the order of their begin."""
    kept = operations if len(operations) <= MOST_OPERATIONS else [*operations[: MOST_OPERATIONS - 1], operations[-1]]
    return sorted(kept, key=lambda one: one.start)


def intervals(operations: Sequence[Told], axis: Clock, *, broken: bool) -> Intervals | None:
    """Draw the operations of a finding; None where none has a time. If ``broken``, the last of them is red."""
    shown = drawable(operations)
    if not shown:
        return None
    culprit = operations[-1] if broken else None
    windows = _nearest(shown, axis)
    begin, last = min(one.start for one in shown), max(max(one.start, one.end or one.start) for one in shown)
    edges = [edge for window in windows for edge in _edges(window) if begin < edge < last]
    scale = _scale([*(one.start for one in shown), *(one.end for one in shown if one.end is not None), *edges])
    rows = [_fault(window, scale, begin, last) for window in windows]
    lanes: dict[str, list[tuple[int, Told]]] = {}
    for at, one in enumerate(shown, start=1):
        lanes.setdefault(one.process, []).append((at, one))
    for process, lane in lanes.items():
        rows += _lane(process, lane, scale, culprit)
    return Intervals(tuple(rows), _ticks(scale), len(operations) - len(shown))


def _scale(times: Sequence[float]) -> dict[float, float]:
    """Place instants: the room is shared half evenly, half by length, so that order is always kept."""
    points = sorted(set(times))
    gaps = [later - earlier for earlier, later in itertools.pairwise(points)]
    total, room = sum(gaps), WIDE - ROOM_AT_END
    placed, share = {points[0]: 0.0}, 0.0
    for point, gap in zip(points[1:], gaps, strict=True):
        share += (gap / total + 1 / len(gaps)) / 2
        placed[point] = room * share
    return placed


def _edges(window: Window) -> list[float]:
    return [when for when in (window.inject, window.effective, window.recover, window.recovered) if when is not None]


def _nearest(operations: Sequence[Told], axis: Clock) -> list[Window]:
    first, last = operations[0].start, max(one.end or one.start for one in operations)

    def distance(window: Window) -> float:
        return max(window.inject - last, 0.0 if window.end is None else first - window.end, 0.0)

    kept = sorted(axis.windows, key=distance)[:MOST_WINDOWS]
    return [window for window in axis.windows if window in kept]


def _fault(window: Window, scale: Mapping[float, float], begin: float, last: float) -> Row:
    named = clipped(window.name, 60)
    if window.inject > last:
        return Row(window.id, LANE_HEIGHT // 2, (), (Words(0, f"{named}: begins {_span(window.inject - last)} later"),))
    if window.end is not None and window.end < begin:
        words = f"{named}: over {_span(begin - window.end)} before the first"
        return Row(window.id, LANE_HEIGHT // 2, (), (Words(0, words),))
    bit, undone = window.effective, window.recover if window.recover is not None else window.end
    shapes = [Shape("fwide", _stretch(window.inject, window.end, scale, (begin, last)))]
    if bit is not None and (undone is None or undone > begin) and bit < last:
        shapes.append(Shape("ffull", _stretch(bit, undone, scale, (begin, last))))
    return Row(window.id, LANE_HEIGHT, tuple(shapes), (Words(0, named),), "", "", "iv")


def _stretch(since: float, until: float | None, scale: Mapping[float, float], seen: tuple[float, float]) -> str:
    left = scale[since] if seen[0] < since < seen[1] else 0.0
    right = scale[until] if until is not None and seen[0] < until < seen[1] else WIDE
    return box(Span(left, right, ""), BAR_TOP, FAULT_HEIGHT - 1)


def _lane(
    process: str, lane: Sequence[tuple[int, Told]], scale: Mapping[float, float], culprit: Told | None
) -> list[Row]:
    """The rows of a process; an operation whose words have no room beside the one before goes to a further row."""
    rows: list[tuple[list[Shape], list[Words]]] = []
    free: list[float] = []
    for at, one in lane:
        left = scale[one.start]
        turned = left > TURNED
        need = max(0.0, left - WORDS_NEED) if turned else left
        row = next((found for found, until in enumerate(free) if until <= need), len(rows))
        if row == len(rows):
            rows.append(([], []))
            free.append(0.0)
        shapes, right = _bar(one, scale, bad=one is culprit)
        rows[row][0].extend(shapes)
        tone = "iw bad" if one is culprit else "iw"
        words = clipped(f"{at}  {one.what}, {one.outcome}", 90)
        rows[row][1].append(Words(right if turned else left, words, f"{tone} ends" if turned else tone))
        free[row] = max(right, left if turned else left + WORDS_NEED)
    coordinators = {one.coordinator for _, one in lane if one.coordinator}
    via = f"via {', '.join(sorted(coordinators))}" if coordinators else ""
    return [
        Row(process if at == 0 else "", LANE_HEIGHT, tuple(shapes), tuple(words), via if at == 0 else "", "", "iv")
        for at, (shapes, words) in enumerate(rows)
    ]


def _bar(one: Told, scale: Mapping[float, float], *, bad: bool) -> tuple[list[Shape], float]:
    """The bar of an operation and its right end; what may still take effect is dashed to the edge of the drawing."""
    left = scale[one.start]
    known = left if one.end is None else scale[one.end]
    css = f"i{one.outcome if one.outcome in ('ok', 'fail') else 'info'}{' ibad' if bad else ''}"
    shapes = [Shape(css, box(Span(left, max(known, left + 0.4), ""), BAR_TOP, BAR_HEIGHT))]
    if one.end is None or one.outcome == "info":
        middle = BAR_TOP + BAR_HEIGHT / 2
        shapes.append(Shape("iopen", f"M{place(known)} {place(middle)}H{place(WIDE)}"))
        return shapes, WIDE
    return shapes, max(known, left + 0.4)


def _ticks(scale: Mapping[float, float]) -> tuple[tuple[float, str], ...]:
    """Seconds under as many instants as there is room for, from the left; the last one always."""
    *others, (last, end) = scale.items()
    found: list[tuple[float, str]] = []
    free = 0.0
    for when, at in others:
        if at >= free and at + 2 * TICK_NEEDS < end:
            found.append((at, f"{when:.3f}"))
            free = at + TICK_NEEDS
    return (*found, (end, f"{last:.3f}"))


def _span(seconds: float) -> str:
    return f"{seconds:.1f}{NARROW}s" if seconds >= 0.1 else f"{seconds * 1000:.1f}{NARROW}ms"


def told(one: Json, seen: Operation | None, axis: Clock, what: str, outcome: str) -> Told | None:
    """Read an operation of a finding, completed by what the history has of it; None without a begin."""
    start = axis.moment(one.get("invoke", one.get("time", seen.start if seen else None)))
    if start is None:
        return None
    end = axis.moment(one.get("returned", seen.end if seen else None))
    process = text(one.get("process")) or "?"
    return Told(process, what, outcome, start, None if end is None or end < start else end)


def whole(value: object) -> int:
    """A number of a record as a key of the history; -1 for what is none."""
    found = number(value)
    return -1 if found is None else int(found)
