"""`ringproof doctor`: every finding of clusters.fitness and what was left by killed runs, drawn or as JSON.

A refused run says the sentence of a finding; doctor prints the very same one.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from clusters import holding
from clusters.catalog import named
from clusters.errors import EnvironmentUnfit
from clusters.fit.finding import Asked, Check, Finding
from clusters.fit.sizes import largest
from clusters.fitness import DEMO, examine
from clusters.kind.engine import MEMORY as KIND_MEMORY
from clusters.providers import KIND
from scenarios.codes import of_doctor
from scenarios.profiles import Selection
from scenarios.runs import RUNS, unfinished

MARKS = {"ok": ("ok", "green"), "warn": ("warn", "yellow"), "fail": ("FAIL", "bold red"), "skipped": ("skip", "dim")}
UNFIT = EnvironmentUnfit.exit_code


def asked(profile: str, topologies: Sequence[str] = (), *, provider: str = "lab", online: bool = False) -> Asked:
    """What a run of this profile would need, on these topologies instead of its own when there are any.

    UsageError, with the nearest names, when one of them does not exist.
    """
    # the scenario without a ring makes clusters of its own that are smaller and overlap on purpose
    names = topologies or sorted({item.topology for item in Selection(profile, provider=provider).items()})
    places = (named(name) for name in dict.fromkeys(names))
    return Asked(tuple(place for place in places if topologies or place.ring), provider, RUNS, online)


def findings(asked: Asked) -> list[Finding]:
    """Everything that doctor looks at."""
    return [*examine(asked), *Check("leftovers", leftovers, "leftovers").findings(asked)]


def leftovers(asked: Asked) -> Iterator[Finding]:
    """Runs that never ended, and entries of holders that are gone."""
    dead = [entry.name for entry in holding.entries() if not entry.holder.alive]
    left = [*(folder.name for folder in unfinished(asked.runs)), *dead]
    told = f"{len(left)}: {', '.join(left[:3])}{', ...' if len(left) > 3 else ''}" if left else "none"
    yield Finding("leftovers", "warn" if left else "ok", told, "none", "ringproof sweep" if left else "")


def exit_code(found: Sequence[Finding]) -> int:
    """11 when something is missing without which nothing runs; warnings change nothing."""
    return UNFIT if any(finding.state == "fail" for finding in found) else 0


def as_json(asked: Asked, found: Sequence[Finding]) -> dict[str, object]:
    """What was asked, and the findings with the same ids as in the table."""
    return {
        "schema": 2,
        "fit": exit_code(found) == 0,
        "provider": asked.provider,
        "topologies": [topology.name for topology in asked.topologies],
        "checks": [finding.as_json() for finding in found],
    }


def render(asked: Asked, found: Sequence[Finding], console: Console) -> None:
    """Draw all findings, then the sentence and the page of each that warns or fails, then the conclusion."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    table.add_column("", no_wrap=True)
    table.add_column("check", overflow="fold", ratio=4)
    table.add_column("measured", overflow="fold", ratio=5)
    table.add_column("needed", overflow="fold", ratio=5)
    for finding in found:
        mark, style = MARKS[finding.state]
        table.add_row(Text(mark, style), Text(finding.id), Text(finding.measured), Text(finding.needed))
    console.print(table)
    for finding in found:
        if finding.state in ("warn", "fail"):
            mark, style = MARKS[finding.state]
            console.print(Text.assemble((mark, style), f" {finding} [{of_doctor(finding.id)}]"), soft_wrap=True)
            console.print(Text(f"     {finding.page}", "dim"), soft_wrap=True)
    console.print(_conclusion(asked, found), soft_wrap=True)


def _conclusion(asked: Asked, found: Sequence[Finding]) -> Text:
    names = ", ".join(topology.name for topology in asked.topologies)
    what = "lab" if asked.provider == "lab" else f"cluster of {asked.provider}"
    bad = sum(finding.state == "fail" for finding in found)
    if bad:
        failed = f"no {what} can run here: {bad} check{'s' if bad > 1 else ''} failed"
        return Text.assemble((failed, "bold red"), f"\n{DEMO}")
    most = largest(asked.topologies)
    warned = sum(finding.state == "warn" for finding in found)
    notes = f"; {warned} warning{'s' if warned > 1 else ''}" if warned else ""
    memory = KIND_MEMORY / 1e9 if asked.provider == KIND else most.memory_gb
    size = f"{most.hosts} hosts and {memory:.1f} GB at most"
    return Text(f"a {what} can run here, for {names}: {size}{notes}", "bold green")
