"""`ringproof demo`: a run that was recorded from a real ring, judged again here from its files, and its report.

Needs neither lab nor cluster. The recording (`recorded/`) holds one promise on two topologies: on one it was kept, on
the other it was broken (docs/findings.md, 12). Nothing in it is pre-computed: it has histories, observations, events
and checks; verdicts and report are made by the code that makes those of every run.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import tarfile
import time
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.text import Text

from clusters.errors import EnvironmentUnfit
from reports import summary
from reports.page import write_page
from ringproof.judging import show
from scenarios.judge import judge_run
from scenarios.runs import RUNS, make_folder
from scenarios.verdict import RunVerdict

RECORDED = Path(__file__).parent / "recorded" / "reschedule.tar.gz"
FOLDER = RUNS / "demo"
"""Below which it is unpacked: not a run of its own, so that `ringproof report` never takes it for the newest."""


def demo(console: Console, folder: Path = FOLDER, recorded: Path = RECORDED) -> Path:
    """Unpack, judge, write the report, print the table of promises, open the report where someone can see it.

    Returns the run folder. EnvironmentUnfit when the folder cannot be made, or when a verdict is another than the
    recorded one: then this installation is not what was published.
    """
    began = time.monotonic()
    run = unpack(folder, recorded)
    facts = told(run)
    verdict = judge_run(run)
    page = write_page(run)
    took = time.monotonic() - began
    summary.render(run, console)
    _compare(verdict, facts["verdicts"])
    where = f"judged from its files and drawn in {took:.1f} s, without lab or cluster"
    _say(console, f"\nThis is run {facts['run']}, recorded from a real ring; {where}.")
    _say(console, f"Its verdicts are as recorded. What its recording leaves out: {run / 'recorded.json'}")
    if someone_looks(console):
        show(run)
    _say(console, f"report: {page.resolve()}")
    return run


def unpack(folder: Path, recorded: Path = RECORDED) -> Path:
    """Unpack a recording below a folder, in place of what an earlier call left there; the run folder."""
    make_folder(folder)
    try:
        with tarfile.open(recorded) as archive:
            run = folder / archive.getnames()[0].partition("/")[0]
            if run.exists():
                shutil.rmtree(run)
            archive.extractall(folder, filter="data")
    except (OSError, EOFError, tarfile.TarError, IndexError) as error:
        where = f"{recorded} cannot be unpacked into {folder}: {error}"
        raise EnvironmentUnfit(f"{where}; install ringproof again, or start where you may write") from error
    return run


def told(run: Path) -> dict[str, Any]:
    """What the recording says of itself: the run it was taken from, its verdicts, and what was left out of it."""
    found: dict[str, Any] = json.loads((run / "recorded.json").read_bytes())
    return found


def someone_looks(console: Console) -> bool:
    """Whether a browser would be seen: a terminal, and a display where the system has one to name."""
    named = os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")
    return console.file.isatty() and (bool(named) or sys.platform in ("darwin", "win32"))


def _compare(verdict: RunVerdict, recorded: dict[str, str]) -> None:
    found = {name: one.verdict.value for name, one in verdict.scenarios.items()}
    other = [f"{name} is {found.get(name)}, was {word}" for name, word in recorded.items() if found.get(name) != word]
    if other:
        raise EnvironmentUnfit(f"the recorded run is judged otherwise: {'; '.join(other)}; install ringproof again")


def _say(console: Console, text: str) -> None:
    console.print(Text(text), soft_wrap=True)
