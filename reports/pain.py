"""What a failed operation means: pain that the fault is, pain that a check excuses, or a broken promise.

Expected pain is drawn grey. Red and ochre are kept for what no check excuses, and red for an ok that must not be.
"""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass

from reports.bundle import Json, Operation, mapping, number, objects, strings, text
from reports.clock import LIFE, Clock
from reports.verdicts import Scenario

WARM_UP = "warm-up"
"""The phase in which a ring that has just formed sees its first traffic: scenarios.record.WARM_UP."""
Stretch = tuple[float, float]


@dataclass(frozen=True)
class Pain:
    """What the checks of a scenario say about client operations; times in seconds of its axis."""

    refused: frozenset[tuple[str, str]]
    """(level, window id) that a check says must be refused."""
    excused: dict[tuple[str, str], tuple[Stretch, ...]]
    """(level, datacenter) whose service a check judges, with the intervals in which it excuses failures."""
    warm: float
    """Until when service is not judged."""

    @classmethod
    def of(cls, scenario: Scenario, axis: Clock) -> Pain:
        """Read it off checks.json; an interval whose moments were never recorded excuses nothing."""
        refused: set[tuple[str, str]] = set()
        excused: defaultdict[tuple[str, str], list[Stretch]] = defaultdict(list)
        for check in scenario.declared:
            params = mapping(check.get("params"))
            level, kind = text(params.get("consistency")), text(check.get("check"))
            if kind.startswith("refused"):
                window = params.get("window")
                refused |= {(level, one) for one in ([window] if isinstance(window, str) else strings(window))}
            if kind.startswith("served") and isinstance(params.get("excused"), list):
                stretches = _stretches(objects(params["excused"]), scenario, axis)
                excused[level, text(params.get("datacenter"))] += stretches
        phases = itertools.pairwise(axis.phases)
        warm = next((following.start for phase, following in phases if phase.name == WARM_UP), 0.0)
        return cls(frozenset(refused), {key: tuple(found) for key, found in excused.items()}, warm)

    def state(self, operation: Operation, axis: Clock) -> str:
        """How one operation is drawn: ok, must (expected pain), info, fail, or viol (ok where it must not be)."""
        start = axis.at(operation.start)
        if operation.outcome == "ok":
            window = axis.within(start)
            return "viol" if window and self._forbidden(operation, axis, window.id) else "ok"
        begun = axis.at(min(operation.start, operation.due))
        if operation.invoke.get("stage") is not None or begun < self.warm:
            return "must"
        end = axis.span if operation.end is None else axis.at(operation.end)
        meant = self.excused.get((operation.level, operation.datacenter))
        if meant is None:
            meant = tuple((one.inject, axis.span if one.end is None else one.end) for one in axis.windows)
        return "must" if any(begun <= stop and end >= since for since, stop in meant) else operation.outcome

    def _forbidden(self, operation: Operation, axis: Clock, window_id: str) -> bool:
        window = next(one for one in axis.windows if one.id == window_id)
        if (operation.level, window_id) not in self.refused or window.effective is None:
            return False
        end = axis.span if window.recover is None else window.recover
        return axis.at(operation.start) > window.effective and axis.at(operation.end or operation.start) < end


def _stretches(excuses: list[Json], scenario: Scenario, axis: Clock) -> Iterator[Stretch]:
    """Resolve what ``scenarios.checks.service.Excuse`` declares."""
    for one in excuses:
        start = _moment(strings(one.get("from")), scenario, axis)
        if start is None:
            continue
        if "until" in one:
            end = _moment(strings(one.get("until")), scenario, axis)
            if end is not None:
                yield start, end + (number(one.get("plus")) or 0.0)
        else:
            yield start, start + (number(one.get("seconds")) or 0.0)


def _moment(moment: list[str], scenario: Scenario, axis: Clock) -> float | None:
    """Seconds of ``["F1", "inject"]``, ``["phase", "healed"]`` or ``["mark", "..."]``; None if it never came."""
    if len(moment) != 2:
        return None
    subject, detail = moment
    if subject == "phase":
        return next((phase.start for phase in axis.phases if phase.name == detail), None)
    if subject == "mark":
        marks = (event for _, event in scenario.events.records if event.get("event") == "mark")
        return axis.moment(next((event.get("t") for event in marks if event.get("name") == detail), None))
    window = next((one for one in axis.windows if one.id == subject), None)
    return number(getattr(window, detail)) if window is not None and detail in LIFE else None
