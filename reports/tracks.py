"""The tracks that show what clients met: availability of the probe and latency.

Expected pain is grey: a failure or an unknown outcome that a check excuses, or, where no check judges the service,
one inside a fault window. Red is kept for what must not be.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence

from reports.bundle import Json, Operation, strings
from reports.clock import Clock
from reports.drawing import Row, Shape, Span, Track, boxes, joined, line, nearest_rank
from reports.limits import percent, plain
from reports.pain import Pain
from reports.verdicts import Scenario

BUCKET = 0.1
"""Seconds; the resolution of availability."""
BRIDGE = 1.0
"""Seconds without a probe over which an unbroken ok goes on; more is drawn as a gap."""
LEVELS = ("LOCAL_ONE", "ONE", "LOCAL_QUORUM", "QUORUM", "EACH_QUORUM", "LOCAL_SERIAL", "SERIAL", "ALL")
AVAILABILITY_HEIGHT = 14
BARS = {"ok": (10.0, 4.0), "must": (1.0, 12.0), "info": (6.0, 8.0), "fail": (1.0, 13.0), "viol": (0.0, 14.0)}
"""State: top and height in pixels; low, middle and full bars, so that nothing rests on colour. Worst last."""
WORST = tuple(BARS)
LATENCY_HEIGHT = 58
FASTEST, SLOWEST = 0.001, 4.0
"""Seconds; the ends of the latency scale."""
FEWEST = 5
"""Samples a second under which no percentile is drawn."""


def probes(operations: Iterable[Operation]) -> list[Operation]:
    """The availability probe's operations; without any, all that have a level."""
    listed = [one for one in operations if one.level and one.level != "NODE_LOCAL"]
    found = [one for one in listed if one.invoke.get("workload") == "probe"]
    return found or listed


def availability(scenario: Scenario, operations: Sequence[Operation], axis: Clock) -> Track:
    """Draw the outcome of the probe in each datacenter and level, worst outcome of each 100 ms."""
    pain = Pain.of(scenario, axis)
    groups: dict[tuple[str, str], list[Operation]] = defaultdict(list)
    for one in probes(operations):
        groups[one.datacenter, one.level].append(one)
    places = strings(scenario.facts.get("datacenters"))
    order = sorted(groups, key=lambda key: (_rank(key[0], places), _rank(key[1], LEVELS), key))
    rows = tuple(_availability_row(key, groups[key], axis, pain) for key in order[:24])
    kept = "probes" if any(one.invoke.get("workload") == "probe" for one in operations) else "all operations"
    legend = [
        ("ok", "ok"),
        ("info", "info, may have happened"),
        ("fail", "fail, did not"),
        ("must", "excused: the fault means it"),
    ]
    if any(shape.css == "viol" for row in rows for shape in row.shapes):
        legend.append(("viol", "ok where it must be refused"))
    return Track(
        "Availability",
        f"{kept}, worst outcome of each 100 ms",
        tuple(legend),
        "ok in windows" if axis.windows else "ok",
        rows,
        "" if rows else "not probed",
    )


def _rank(value: str, order: Sequence[str]) -> int:
    return order.index(value) if value in order else len(order)


def _availability_row(key: tuple[str, str], operations: list[Operation], axis: Clock, pain: Pain) -> Row:
    worst: dict[int, str] = {}
    inside = [one for one in operations if axis.within(axis.at(one.start))]
    for one in operations:
        at = int(axis.at(one.due) / BUCKET)
        worst[at] = max(worst.get(at, "ok"), pain.state(one, axis), key=WORST.index)
    spans = joined([Span(at * BUCKET, (at + 1) * BUCKET, worst[at]) for at in sorted(worst)], 0.0)
    shapes = boxes(_bridged(spans), BARS)
    counted = inside if axis.windows else operations
    share = sum(one.outcome == "ok" for one in counted) / len(counted) if counted else None
    value = "no probe there" if share is None else percent(share * 100)
    return Row(key[1], AVAILABILITY_HEIGHT, shapes, (), value, key[0])


def _bridged(spans: list[Span]) -> list[Span]:
    quiet = joined([span for span in spans if span.css == "ok"], BRIDGE)
    loud = [span for span in spans if span.css != "ok"]
    cut: list[Span] = []
    for span in quiet:
        start = span.a
        for other in (one for one in loud if span.a < one.b and one.a < span.b):
            cut.append(Span(start, other.a, "ok"))
            start = other.b
        cut.append(Span(start, span.b, "ok"))
    return [span for span in cut if span.b > span.a] + loud


def latency(scenario: Scenario, operations: Sequence[Operation], axis: Clock) -> Track:
    """Draw p50 and p99 of acknowledged LOCAL_QUORUM operations per second, from the moment they were due."""
    groups: dict[str, list[Operation]] = defaultdict(list)
    left_out = 0
    for one in operations:
        if one.level == "LOCAL_QUORUM" and one.outcome == "ok":
            groups[one.datacenter].append(one)
        left_out += one.level == "LOCAL_QUORUM" and one.outcome != "ok"
    places = strings(scenario.facts.get("datacenters"))
    order = sorted(groups, key=lambda dc: (_rank(dc, places), dc))
    rows = tuple(_latency_row(dc, groups[dc], axis) for dc in order[:8])
    note = f"LOCAL_QUORUM from the due time, log scale; {plain(left_out)} without an answer left out"
    return Track(
        "Latency", note, (("p99", "p99"), ("p50", "p50")), "p99 calm, worst", rows, "" if rows else "no samples"
    )


def _latency_row(datacenter: str, operations: list[Operation], axis: Clock) -> Row:
    seconds: dict[int, list[float]] = defaultdict(list)
    for one in operations:
        seconds[int(axis.at(one.due))].append(((one.end or one.start) - one.due) / 1e9)
    lines: dict[str, list[tuple[float, float] | None]] = {"p50": [], "p99": []}
    tops: list[tuple[int, float]] = []
    for at in range(int(axis.span) + 1):
        values = sorted(seconds.get(at, ()))
        for name, part in (("p50", 0.5), ("p99", 0.99)):
            enough = len(values) >= FEWEST
            lines[name].append((at + 0.5, height_of(nearest_rank(values, part))) if enough else None)
        if len(values) >= FEWEST:
            tops.append((at, nearest_rank(values, 0.99)))
    calm = sorted(top for at, top in tops if not axis.within(at + 0.5)) or sorted(top for _, top in tops)
    value = f"{_ms(nearest_rank(calm, 0.5))}, {_ms(max(top for _, top in tops))}" if tops else "too few samples"
    grid = "".join(f"M0 {height_of(mark):.1f}H{axis.span:.3f}" for mark in (0.01, 0.1, 1.0))
    shapes = (Shape("gridline", grid), *(Shape(name, line(points)) for name, points in lines.items()))
    return Row(datacenter, LATENCY_HEIGHT, shapes, (), value, "", "lat")


def height_of(seconds: float) -> float:
    """Return the pixel from the top of the latency row for a latency in seconds."""
    bounded = min(max(seconds, FASTEST), SLOWEST)
    part = math.log(bounded / FASTEST) / math.log(SLOWEST / FASTEST)
    return round((LATENCY_HEIGHT - 4) * (1 - part) + 2, 2)


def _ms(seconds: float) -> str:
    return f"{plain(round(seconds * 1000, 1))} ms" if seconds < 1 else f"{plain(round(seconds, 2))} s"


def strip(scenario: Scenario, operations: Sequence[Operation], axis: Clock) -> tuple[Shape, ...]:
    """Return the picture of the scenario table: the worst LOCAL_QUORUM outcome of each 100 ms, all datacenters."""
    pain = Pain.of(scenario, axis)
    listed = [one for one in probes(operations) if one.level == "LOCAL_QUORUM"]
    return _availability_row(("", ""), listed, axis, pain).shapes


def outcomes(operations: Iterable[Operation]) -> Json:
    """Count the operations by outcome."""
    found = {"ok": 0, "info": 0, "fail": 0}
    for one in operations:
        found[one.outcome] += 1
    return found
