"""What a page shows of earlier runs: for each scenario its recovery times as a small drawing, and its flake rate."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from reports.drawing import Shape, line, place
from reports.limits import NARROW, clipped, percent, plain
from reports.trend import SHOWN, Past, Timed, flake_rate, saved
from reports.verdicts import Run

WIDTH, HEIGHT, MARK = 120.0, 24.0, 1.6
"""Of a drawing, and half of a mark in it, in pixels."""


@dataclass(frozen=True)
class Spark:
    """The last runs of one scenario, oldest first; ``words`` say what the drawing shows."""

    id: str
    runs: int
    shapes: tuple[Shape, ...]
    words: str
    check: str
    now: str
    limit: str
    usual: str
    flakes: str


@dataclass(frozen=True)
class Trend:
    """The rows of the page, or the one sentence that stands for them."""

    rows: tuple[Spark, ...]
    sentence: str


def trend(run: Run) -> Trend:
    """Return what the bundle saved of earlier runs, drawn; deterministic, as it asks nothing but the bundle."""
    kept = saved(run.reader)
    if kept is None:
        return Trend((), "No history of earlier runs was kept with this run.")
    if kept.why:
        return Trend((), clipped(kept.why))
    past = {name: _sound(listed) for name, listed in kept.scenarios.items()}
    rows = [_spark(name, listed) for name, listed in sorted(past.items()) if listed]
    if all(row.runs == 1 for row in rows):
        return Trend((), "There was no earlier run of these scenarios on this machine to compare with.")
    return Trend(tuple(rows), "")


def _sound(listed: Sequence[Past]) -> list[Past]:
    return [one for one in listed if one.verdict in ("valid", "invalid", "unknown", "vacuous")][-SHOWN:]


def _spark(name: str, listed: Sequence[Past]) -> Spark:
    check = _tightest(listed[-1].timed) or next(filter(None, map(_tightest, (one.timed for one in listed))), "")
    times = [_finite(one.timed.get(check)) for one in listed]
    took = [one.measured for one in times if one is not None]
    now = times[-1]
    rate = flake_rate([one.verdict for one in listed])
    return Spark(
        name,
        len(listed),
        _shapes(listed, times),
        _words(listed, took),
        clipped(check, 120),
        _seconds(now.measured) if now else "not measured",
        _seconds(now.limit) if now else "",
        _seconds(statistics.median(took)) if took else "",
        f"{percent(100 * rate)} of {len(listed)}" if len(listed) > 2 else "too few runs",
    )


def _tightest(timed: dict[str, Timed]) -> str:
    """The check that used most of its limit: what the recovery of this promise hangs on."""
    sound = {name: one for name, one in timed.items() if _finite(one) is not None}
    return max(sound, key=lambda name: sound[name].measured / sound[name].limit, default="")


def _finite(one: Timed | None) -> Timed | None:
    if one is None or not (math.isfinite(one.measured) and math.isfinite(one.limit)):
        return None
    return one if one.limit > 0 and one.measured >= 0 else None


def _shapes(listed: Sequence[Past], times: Sequence[Timed | None]) -> tuple[Shape, ...]:
    """The limit of each run, the line through what was measured, and a mark on each run that was not valid."""
    most = max((value for one in times if one is not None for value in (one.measured, one.limit)), default=1.0)
    step = WIDTH / max(1, len(listed) - 1)

    def at(index: int, value: float) -> tuple[float, float]:
        return index * step, HEIGHT - HEIGHT * value / most

    limits = line([None if one is None else at(index, one.limit) for index, one in enumerate(times)])
    took = [None if one is None else at(index, one.measured) for index, one in enumerate(times)]
    marks: dict[str, str] = {}
    for index, (one, point) in enumerate(zip(listed, took, strict=True)):
        if one.verdict != "valid":
            x, y = point or at(index, 0.0)
            css = "bad" if one.verdict == "invalid" else "doubt"
            marks[css] = marks.get(css, "") + f"M{place(x - MARK)} {place(y - MARK)}h{2 * MARK}v{2 * MARK}h-{2 * MARK}z"
    drawn = [Shape("lim", limits), Shape("use", line(took)), *(Shape(css, d) for css, d in sorted(marks.items()))]
    return tuple(shape for shape in drawn if shape.d)


def _words(listed: Sequence[Past], took: Sequence[float]) -> str:
    amiss = sum(one.verdict != "valid" for one in listed)
    span = f"between {_seconds(min(took))} and {_seconds(max(took))}" if took else "without a time"
    return f"{len(listed)} runs {span}, {amiss or 'none'} not valid"


def _seconds(value: float) -> str:
    return f"{plain(round(value, 1))}{NARROW}s"
