"""What a track is made of: rows of rectangles and lines on one time axis, and the words beside them.

Geometry is in seconds across and pixels down; the page stretches it to any width and sets the words itself, so that
no letter is ever stretched.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Shape:
    """One path with the class that gives it its meaning."""

    css: str
    d: str


@dataclass(frozen=True)
class Words:
    """A text that begins at a moment (seconds)."""

    at: float
    words: str
    css: str = ""


@dataclass(frozen=True)
class Row:
    """One line of a track."""

    label: str
    height: int
    shapes: tuple[Shape, ...] = ()
    words: tuple[Words, ...] = ()
    value: str = ""
    dim: str = ""
    """The quiet first part of the label: the datacenter or cluster."""
    css: str = ""
    full: str = ""
    """What the label stands for, where it is a short form."""


@dataclass(frozen=True)
class Track:
    """Rows of one kind with a legend: pairs of a class and a word."""

    name: str
    note: str
    key: tuple[tuple[str, str], ...]
    value_head: str
    rows: tuple[Row, ...]
    rest: str = ""
    """One line for everything that stayed quiet."""
    rest_value: str = ""


@dataclass(frozen=True)
class Span:
    """From ``a`` to ``b`` seconds in the state ``css``."""

    a: float
    b: float
    css: str


def place(value: float) -> str:
    """Write a coordinate, short."""
    return f"{value:.3f}".rstrip("0").rstrip(".") or "0"


def box(span: Span, top: float, height: float) -> str:
    """Return the path of a filled rectangle."""
    return f"M{place(span.a)} {place(top)}H{place(span.b)}v{place(height)}H{place(span.a)}z"


def boxes(spans: Iterable[Span], tops: dict[str, tuple[float, float]]) -> tuple[Shape, ...]:
    """Return one path for each state; ``tops`` gives top and height of a state in pixels and the painting order."""
    listed = list(spans)
    found = []
    for css, (top, height) in tops.items():
        path = "".join(box(span, top, height) for span in listed if span.css == css)
        if path:
            found.append(Shape(css, path))
    return tuple(found)


def joined(spans: Sequence[Span], gap: float) -> list[Span]:
    """Merge neighbours of one state whose gap is at most ``gap`` seconds."""
    found: list[Span] = []
    for span in spans:
        if found and found[-1].css == span.css and span.a - found[-1].b <= gap + 1e-9:
            found[-1] = Span(found[-1].a, max(found[-1].b, span.b), span.css)
        else:
            found.append(span)
    return found


def line(points: Sequence[tuple[float, float] | None]) -> str:
    """Return a path through the points; None lifts the pen, so that nothing is drawn where nothing was measured."""
    parts, pen = [], "M"
    for point in points:
        if point is None:
            pen = "M"
            continue
        parts.append(f"{pen}{place(point[0])} {place(point[1])}")
        pen = "L"
    return "".join(parts)


def nearest_rank(values: Sequence[float], part: float) -> float:
    """Return the nearest-rank percentile of sorted values."""
    return values[min(len(values) - 1, max(0, -(-int(part * 1000) * len(values) // 1000) - 1))]
