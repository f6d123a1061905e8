"""The counterexample of a broken promise as a text drawing, from the verdict of a bundle whoever wrote it."""

from __future__ import annotations

from typing import Any

from reports.bundle import Json, objects, text
from reports.verdicts import Scenario
from scenarios.checks.diagram import NARROWEST, diagram

WIDTH = 78
"""Columns of the drawing: a terminal's 80 without the last two, which some terminals wrap at."""
_TIMES = ("invoke", "returned")
_STATES = ("inject", "effective", "recover", "recovered")


def counterexample(scenario: Scenario, width: int = WIDTH) -> str:
    """The first finding of a broken check that has operations with times, drawn; empty where there is none or no room.

    What an altered bundle holds instead of times, ids or operations is left out.
    """
    if min(width, WIDTH) < NARROWEST:
        return ""
    broken = [check for check in scenario.checks if check.get("verdict") == "invalid"]
    for finding in (one for check in broken for one in objects(check.get("findings"))):
        drawn = [one for one in objects(finding.get("operations")) if _timed(one)]
        if drawn:
            windows = [found for one in objects(scenario.document.get("windows")) if (found := _window(one))]
            return diagram(drawn, windows, min(width, WIDTH))
    return ""


def _timed(operation: Json) -> bool:
    """Whether its times are whole numbers that do not run backwards; an operation may have no end."""
    begun, ended = (operation.get(name) for name in _TIMES)
    return _whole(begun) and (ended is None or (_whole(ended) and ended >= begun))


def _whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _window(window: Json) -> dict[str, Any] | None:
    """The window with its id as text and only those of its states that have a time, in their order."""
    times = {name: window[name] for name in _STATES if _whole(window.get(name))}
    if not times or list(times.values()) != sorted(times.values()):
        return None
    rest = {name: value for name, value in window.items() if name not in _STATES}
    return {**rest, "id": text(window.get("id")) or "?", **dict.fromkeys(_STATES), **times}
