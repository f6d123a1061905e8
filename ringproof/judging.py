"""Bundles judged again, and their reports; histories of others judged. Nothing here touches what is alive."""

from __future__ import annotations

import multiprocessing
import os
import sys
import webbrowser
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.text import Text

from clusters.errors import BundleError, EnvironmentUnfit, UsageError
from reports import packing, summary
from reports.outputs import write_outputs
from reports.page import write_page
from reports.safe import replace_file, safe
from reports.summary import STYLES
from scenarios.checks.diagram import diagram
from scenarios.codes import of_check, of_finding
from scenarios.index import renew_verdicts
from scenarios.judge import judge_any, judge_run, judge_safely, scenario_folders
from scenarios.packed import opened, packed
from scenarios.runs import RUNS, SYSTEM_BROKEN, UNDECIDED, exit_code
from scenarios.verdict import CheckResult, RunVerdict, ScenarioVerdict, Verdict, canonical

POOL_BYTES = 50_000_000
"""History from which on other processes are worth their start, which takes 0.5 s (two interpreters with their imports):
one core judges 47 MB/s of the bench's history, so that half of 50 MB saves about as much. Below it one core wins."""
MOST_FINDINGS = 5
"""Sentences of one check in a terminal; --json has all that are kept."""
MOST_NAMES = 10


@dataclass(frozen=True, slots=True)
class Asked:
    """What was asked about the history file of somebody else; all None and False for a bundle."""

    model: str | None = None
    initial: str | None = None
    keyed: bool = False
    seconds: float | None = None


def judge(path: Path, console: Console, asked: Asked | None = None, *, as_json: bool) -> int:
    """Judge a bundle, or with a model a history file, print what was found, return the exit code.

    UsageError when a bundle is asked about with a model, or a file without one.
    """
    asked = asked or Asked()
    bundle = path.is_dir() or packed(path)
    if bundle and asked != Asked():
        raise UsageError(f"{path} is a bundle, its checks are in it: judge it without --model and what goes with it")
    if path.is_file() and not bundle and asked.model is None:
        from scenarios.judging_models import MODELS

        raise UsageError(f"{path} is one history: say of what, with --model {', '.join(MODELS)}")
    return (
        judge_bundle(path, console, as_json=as_json)
        if asked.model is None
        else judge_file(path, console, asked, as_json=as_json)
    )


def judge_file(path: Path, console: Console, asked: Asked, *, as_json: bool) -> int:
    """Judge the history of one object against a model; 0 when valid, 1 when not, 10 when that is not known."""
    from scenarios.importing import read_jepsen
    from scenarios.importing.forms import read_atom
    from scenarios.judging_models import judge_model

    model = asked.model or ""
    first = None if asked.initial is None else read_atom(asked.initial)
    found = read_jepsen(path, model, keyed=asked.keyed, initial=first)
    result = judge_model(found.operations, model, found.initial, asked.seconds)
    names = {str(name).strip('"'): number for name, number in found.names.items()}
    if as_json:
        sys.stdout.buffer.write(canonical({**result.as_json(), "truncated": found.truncated, "names": names}))
        sys.stdout.flush()
    else:
        _print(result, console)
        if found.truncated is not None:
            _say(
                console, f"{path}:{found.truncated}: the file ends within this line or vector; judged is what is whole"
            )
        if names and result.findings:
            told = ", ".join(f"{number} is {name}" for name, number in list(names.items())[:MOST_NAMES])
            _say(console, f"values by number: {told}{', ..' if len(names) > MOST_NAMES else ''}")
        _draw([result], console)
    if result.verdict is Verdict.VALID:
        return 0
    return SYSTEM_BROKEN if result.verdict is Verdict.INVALID else UNDECIDED


def judge_bundle(bundle: Path, console: Console, *, as_json: bool) -> int:
    """Judge, write reports beside a run's verdict, print the table or the verdict itself, return the exit code.

    For each broken check the first counterexample is drawn below. Nothing is written beside a packed bundle.
    """
    with opened(bundle) as folder:
        verdict = judge_folders(folder) if _is_run(folder) else judge_any(folder)
        renew_verdicts(folder)
        if isinstance(verdict, RunVerdict) and folder == bundle:
            write_outputs(bundle)
        if as_json:
            sys.stdout.buffer.write(canonical(verdict.as_json()))
            sys.stdout.flush()
        else:
            _show(verdict, folder, bundle, console)
    return exit_code(verdict if isinstance(verdict, RunVerdict) else alone(verdict))


def _show(verdict: ScenarioVerdict | RunVerdict, folder: Path, bundle: Path, console: Console) -> None:
    if isinstance(verdict, RunVerdict):
        summary.render(folder, console, None if folder == bundle else bundle, drawn=0)  # all are drawn below
    else:
        render(verdict, console)
    for scenario in verdict.scenarios.values() if isinstance(verdict, RunVerdict) else [verdict]:
        _draw(scenario.checks, console, scenario)


def judge_folders(run: Path, pool_bytes: int = POOL_BYTES) -> RunVerdict:
    """As `judge_run`, to the byte, with a bar on a terminal and on all cores from `pool_bytes` of history on."""
    folders = scenario_folders(run)
    columns = (TextColumn("judging"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    screen = Console(stderr=True)
    with Progress(*columns, console=screen, transient=True, disable=not screen.is_terminal) as bar:
        task = bar.add_task("", total=len(folders))
        with _each(folders, pool_bytes) as verdicts:
            return judge_run(run, lambda _folders: bar.track(verdicts, task_id=task))


@contextmanager
def _each(folders: Sequence[Path], pool_bytes: int) -> Iterator[Iterator[ScenarioVerdict]]:
    """The verdict of each folder, in their order."""
    jobs = min(len(os.sched_getaffinity(0)), len(folders))
    if jobs < 2 or _history_bytes(folders) < pool_bytes:
        yield map(judge_safely, folders)
        return
    with ProcessPoolExecutor(jobs, multiprocessing.get_context("spawn")) as pool:
        yield pool.map(judge_safely, folders)


def _history_bytes(folders: Sequence[Path]) -> int:
    return sum(path.stat().st_size for folder in folders for path in folder.rglob("history/*.jsonl"))


def _is_run(bundle: Path) -> bool:
    return (bundle / "scenarios").is_dir() and not (bundle / "scenario.json").is_file()


def alone(verdict: ScenarioVerdict) -> RunVerdict:
    """A run of one scenario."""
    told = verdict.as_json()
    return RunVerdict(({key: told[key] for key in ("verdict", "system", "evidence", "cleanup")},), {})


def render(verdict: ScenarioVerdict | RunVerdict, console: Console) -> None:
    """Print a verdict whose folder holds no run, one line per check or scenario."""
    told = verdict.as_json()
    console.print(Text(f"{told['verdict']}: {told.get('explain') or told.get('id') or 'run'}", STYLES[told["verdict"]]))
    for row in told.get("checks") or told.get("scenarios") or ():
        code = of_check(row) if told.get("checks") else None
        words = f" {row['id']}: {row['explain']}{f' [{code}]' if code else ''}"
        console.print(Text.assemble((f"{row['verdict']:8}", STYLES[row["verdict"]]), words))


def _print(result: CheckResult, console: Console) -> None:
    console.print(Text(f"{result.verdict.value}: {result.id}", STYLES[result.verdict.value]), soft_wrap=True)
    _say(console, result.explain)
    counts: dict[str, Any] = dict(result.counts)
    if counts:
        _say(console, ", ".join(f"{name} {number}" for name, number in counts.items()))
    for finding in result.findings[:MOST_FINDINGS] if len(result.findings) > 1 else ():
        _say(console, f"- {finding.anomaly}: {finding.detail} [{of_finding(result.check, finding.anomaly)}]")


def _draw(results: Sequence[CheckResult], console: Console, scenario: ScenarioVerdict | None = None) -> None:
    """The first counterexample of each broken check."""
    for result in results:
        first = next((finding for finding in result.findings if finding.operations), None)
        if result.verdict is Verdict.INVALID and first is not None:
            where = "" if scenario is None else f"{scenario.facts.get('id')}, {result.id}: "
            console.print()
            code = of_finding(result.check, first.anomaly)
            _say(console, f"{where}{first.anomaly}: {first.detail} [{code}]")
            _say(console, diagram(first.operations, scenario.windows if scenario else ()))


def _say(console: Console, text: str) -> None:
    console.print(Text(text), soft_wrap=True)


def newest(runs: Path = RUNS) -> Path:
    """The run that was started last; UsageError when there is none."""
    found = sorted(path.parent for path in runs.glob("*/run.json"))
    if not found:
        raise UsageError(f"there is no run in {runs}: start where it is, or name a bundle")
    return found[-1]


def written(bundle: Path) -> Path:
    """The report of a run, written anew; its absolute path. That of a packed run stands beside the archive."""
    page = bundle / "report.html"
    try:
        with opened(bundle) as folder:
            if (folder / "scenario.json").is_file():
                raise BundleError(f"{bundle}: one scenario, no run folder: name the run that holds it")
            if folder == bundle:
                return write_page(bundle).resolve()
            page = bundle.with_name(f"{bundle.name.removesuffix('.gz').removesuffix('.tar')}.report.html")
            replace_file(page, write_page(folder).read_bytes())
            return page.resolve()
    except OSError as error:
        where = f"{page} cannot be made ({error.strerror})"
        raise EnvironmentUnfit(f"{where}; copy the bundle where you may write") from error


def pack(run: Path, archive: Path | None, console: Console) -> None:
    """Pack a run and say what became of it: where, how large, what was hidden, cut and left out."""
    done = packing.pack(run, archive)
    size = done.archive.stat().st_size / packing.MIB
    lines = [f"{done.archive}: {done.files} files, {size:.1f} MiB"]
    if done.redacted:
        lines.append("hidden: " + ", ".join(f"{count} x {rule}" for rule, count in sorted(done.redacted.items())))
    lines += [f"cut in the middle: {name}" for name in done.cut]
    lines += [f"left out ({item['why']}): {item['path']}" for item in done.left_out]
    lines.append(f"again   ringproof judge {done.archive}")
    for line in lines:
        _say(console, safe(line))


def show(bundle: Path) -> Path:
    """As written, and open it in a browser where there is one."""
    page = written(bundle)
    try:
        webbrowser.open(page.as_uri())
    except webbrowser.Error:
        pass  # the path is printed
    return page
