"""One short line for each event that a run tells; the words of both views."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

Facts = dict[str, Any]
WAITS_SHOWN = 1.0
"""Seconds below which a wait that is over is not worth a line."""


def line(event: str, facts: Facts) -> str | None:
    """The event in at most 66 characters where its words allow it; None when it is for the files only."""
    teller = _TELLERS.get(event)
    return teller(facts) if teller else None


def name(facts: Facts) -> str:
    """Scenario and variant."""
    return f"{facts['scenario']}{f' ({variant})' if (variant := facts.get('variant')) else ''}"


def _topology(facts: Facts) -> str | None:
    state, topology = facts["state"], facts["name"]
    words = {
        "preparing": f"{topology}: artifacts",
        "ready": f"{topology}: ring is ready after {facts.get('seconds', 0):.0f} s",
        "closed": f"{topology}: closed",
        "given back": f"{topology}: given back to its holder",
    }
    return words.get(state)


def _scenario(facts: Facts) -> str:
    if facts["state"] == "begin":
        return f"{name(facts)} on {facts['topology']}"
    return f"{name(facts)}: {facts['verdict']} in {facts['seconds']:.0f} s"


def fault(facts: Facts) -> str:
    """A fault's new state with its evidence."""
    words = {
        "inject": f"{facts.get('name', '')}: injected",
        "effective": f"in effect: {facts.get('evidence', '')}",
        "recover": "taken back",
        "recovered": f"gone: {facts.get('evidence', '')}",
        "error": f"did not bite: {facts.get('detail', '')}",
    }
    return f"fault {facts['id']} {words[facts['state']]}"


def _waited(facts: Facts) -> str | None:
    if facts.get("timer") and str(facts["for"]).startswith("traffic in"):
        return None
    seconds, limit = float(facts["seconds"]), float(facts["limit"])
    if "missed" in facts:
        return f"not in time: {facts['for']}, {seconds:.0f} s, limit {limit:.0f} s"
    return f"{facts['for']} after {seconds:.1f} s, limit {limit:.0f} s" if seconds >= WAITS_SHOWN else None


def megabytes(facts: Facts) -> str:
    """Progress of a download."""
    return f"fetching {facts['done'] / 1e6:.0f} of {facts['total'] / 1e6:.0f} MB ({facts['name']})"


_TELLERS: dict[str, Callable[[Facts], str | None]] = {
    "topology": _topology,
    "step": lambda facts: f"{facts['topology']}: {facts['text']}",
    "scenario": _scenario,
    "phase": lambda facts: f"phase {facts['name']}",
    "fault": fault,
    "waiting": lambda facts: f"waiting: {facts['for']}, limit {facts['limit']:.0f} s",
    "waited": _waited,
    "fetch": megabytes,
    "warning": lambda facts: f"warning: {facts['text']}",
    "error": lambda facts: f"{facts['kind']}: {facts['text']} ({facts['where']})",
    "cleanup": lambda facts: None if facts["ok"] else f"clean-up: {facts['detail']}",
}
