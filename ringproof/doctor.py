"""`ringproof doctor`: every finding of clusters.fitness and what was left by killed runs, drawn or as JSON."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from clusters import holding
from clusters.fitness import Finding, examine
from scenarios.codes import of_doctor
from scenarios.runs import RUNS, unfinished

MARKS = {"ok": ("ok", "green"), "warn": ("warn", "yellow"), "fail": ("FAIL", "bold red")}
UNFIT = 11


def findings(*, online: bool = False, runs: Path = RUNS) -> list[Finding]:
    """Everything that doctor looks at."""
    return [*examine(online=online), leftovers(runs)]


def leftovers(runs: Path = RUNS) -> Finding:
    """Runs that never ended, and entries of holders that are gone."""
    dead = [entry.name for entry in holding.entries() if not entry.holder.alive]
    left = [*(folder.name for folder in unfinished(runs)), *dead]
    told = f"{len(left)}: {', '.join(left[:3])}" if left else "none"
    return Finding("leftovers", "warn" if left else "ok", told, "none", "ringproof sweep" if left else "")


def exit_code(found: Sequence[Finding]) -> int:
    """11 when something is missing without which no lab runs; warnings change nothing."""
    return UNFIT if any(finding.state == "fail" for finding in found) else 0


def as_json(found: Sequence[Finding]) -> dict[str, object]:
    """The findings with the same ids as in the table."""
    return {"schema": 1, "fit": exit_code(found) == 0, "checks": [finding.as_json() for finding in found]}


def render(found: Sequence[Finding], console: Console) -> None:
    """Draw all findings, then one line with the fix for each that is not ok, then the conclusion."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    table.add_column("", no_wrap=True)
    table.add_column("check", overflow="fold", ratio=4)
    table.add_column("measured", overflow="fold", ratio=4)
    table.add_column("needed", overflow="fold", ratio=3)
    for finding in found:
        mark, style = MARKS[finding.state]
        table.add_row(Text(mark, style), Text(finding.id), Text(finding.measured), Text(finding.needed))
    console.print(table)
    for finding in found:
        if finding.state != "ok" and finding.fix:
            _, style = MARKS[finding.state]
            code = of_doctor(finding.id)
            console.print(Text.assemble((finding.id, style), f": {finding.fix} [{code}]"), soft_wrap=True)
    bad = sum(finding.state == "fail" for finding in found)
    words = "a lab can run here" if not bad else f"no lab can run here: {bad} checks failed"
    console.print(Text(words, style="bold green" if not bad else "bold red"))
