"""Bundles judged again, and their reports: nothing here touches anything that is alive."""

from __future__ import annotations

import sys
import webbrowser
from pathlib import Path

from rich.console import Console
from rich.text import Text

from clusters.errors import UsageError
from reports import summary
from reports.junit import write_junit
from reports.page import write_page
from reports.summary import STYLES
from scenarios.judge import judge_any
from scenarios.runs import RUNS, exit_code
from scenarios.verdict import RunVerdict, ScenarioVerdict, canonical


def judge(bundle: Path, console: Console, *, as_json: bool) -> int:
    """Judge, write reports beside a run's verdict, print the table or the verdict itself, return the exit code."""
    verdict = judge_any(bundle)
    is_run = isinstance(verdict, RunVerdict)
    if is_run and bundle.is_dir():
        write_junit(bundle)
        write_page(bundle)
    if as_json:
        sys.stdout.buffer.write(canonical(verdict.as_json()))
        sys.stdout.flush()
    elif is_run and bundle.is_dir():
        summary.render(bundle, console)
    else:
        render(verdict, console)
    return exit_code(verdict if isinstance(verdict, RunVerdict) else alone(verdict))


def alone(verdict: ScenarioVerdict) -> RunVerdict:
    """A run of one scenario."""
    told = verdict.as_json()
    return RunVerdict(({key: told[key] for key in ("verdict", "system", "evidence", "cleanup")},), {})


def render(verdict: ScenarioVerdict | RunVerdict, console: Console) -> None:
    """Print a verdict whose folder holds no run, one line per check or scenario."""
    told = verdict.as_json()
    console.print(Text(f"{told['verdict']}: {told.get('explain') or told.get('id') or 'run'}", STYLES[told["verdict"]]))
    for row in told.get("checks") or told.get("scenarios") or ():
        console.print(Text.assemble((f"{row['verdict']:8}", STYLES[row["verdict"]]), f" {row['id']}: {row['explain']}"))


def newest(runs: Path = RUNS) -> Path:
    """The run that was started last; UsageError when there is none."""
    found = sorted(path.parent for path in runs.glob("*/run.json"))
    if not found:
        raise UsageError(f"there is no run in {runs}: start where it is, or name a bundle")
    return found[-1]


def written(bundle: Path) -> Path:
    """The report of a run, written anew; its absolute path."""
    return write_page(bundle).resolve()


def show(bundle: Path) -> Path:
    """As written, and open it in a browser where there is one."""
    page = written(bundle)
    try:
        webbrowser.open(page.as_uri())
    except webbrowser.Error:
        pass  # the path is printed
    return page
