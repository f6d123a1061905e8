"""What a reader must know before the figures: why the promise should hold, and what was sabotaged on purpose."""

from __future__ import annotations

from collections.abc import Iterator

from reports.bundle import Json, mapping, number, objects, text
from reports.limits import clipped, percent, plain
from reports.verdicts import Scenario

LONGEST_REASON = 700
"""Characters of a docstring that the page shows; scenario.json has the whole."""


def reason(scenario: Scenario) -> str:
    """The scenario's explanation behind the promise: why it holds, or what breaks it in a negative control."""
    _, _, rest = text(scenario.facts.get("explanation")).partition("\n\n")
    return clipped(" ".join(rest.split()), LONGEST_REASON)


def sabotage(scenario: Scenario) -> list[str]:
    """What this scenario does wrong on purpose, a clause each; empty for every scenario that is no negative control."""
    told: dict[str, list[str]] = {}
    for path in sorted(scenario.folder.glob("client-*.json")):
        client = scenario.reader.document(path, required=False)
        for deed in _deeds(mapping(client.get("sabotage"))):
            told.setdefault(deed, []).append(text(client.get("datacenter")) or "?")
    found = [f"the clients of {' and '.join(places)} {deed}" for deed, places in told.items()]
    return found + [deed for one in objects(scenario.facts.get("workloads")) for deed in _unsound(one)]


def _deeds(sabotaged: Json) -> Iterator[str]:
    """docs/formats.md, client: what `sabotage` may hold."""
    offset = (number(sabotaged.get("clock_offset_us")) or 0.0) / 1e6
    if offset:
        yield f"stamp their writes {plain(abs(offset))} s {'behind' if offset < 0 else 'ahead of'} the time"
    if sabotaged.get("retry") == "default":
        yield "let the driver send a write again on its own, also one that may have happened"


def _unsound(workload: Json) -> Iterator[str]:
    share = number(workload.get("plain_share")) or 0.0
    if share:
        yield f"{percent(share * 100)} of the {text(workload.get('workload'))} operations write without a condition"
    if workload.get("home") is False and workload.get("serial") == "LOCAL_SERIAL":
        yield "both datacenters use LOCAL_SERIAL on the same keys"
