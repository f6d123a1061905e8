"""What GitHub Actions shows of a run: the job summary, and annotations for the worst of what is not valid.

Outside of GitHub Actions nothing happens. Annotations go to the error stream, in which the runner finds them as well,
so that ``--json`` on the output stream stays whole.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TextIO

from reports.cases import Case, worst_first
from reports.safe import safe
from reports.summary import LARGEST, cut, markdown

MOST = 10
"""Annotations: of a step GitHub shows ten errors and drops the rest silently (actions/toolkit, problem matchers)."""


def publish(run_folder: Path, listed: list[Case], environment: Mapping[str, str], stream: TextIO) -> None:
    """Append the job summary and print the annotations, each where GitHub Actions asks for it.

    A summary that cannot be written is a warning: it must not cost the run its verdict.
    """
    if environment.get("GITHUB_ACTIONS") == "true":
        stream.writelines(f"{line}\n" for line in commands(run_folder, listed))
        stream.flush()
    if summary := environment.get("GITHUB_STEP_SUMMARY"):
        try:
            append(Path(summary), markdown(run_folder))
        except OSError as error:
            stream.write(f"::warning::{_data(f'{summary}: the job summary cannot be written: {error.strerror}')}\n")


def append(file: Path, words: str) -> None:
    """Append to a job summary, which stays below 1 MiB whatever other steps have left in it."""
    before = file.stat().st_size if file.exists() else 0
    with file.open("ab") as stream:
        stream.write(cut(words, LARGEST - before).encode())


def commands(run_folder: Path, listed: list[Case]) -> list[str]:
    """Return at most ten workflow commands, one for each case that is not valid, the worst first."""
    amiss = worst_first(listed)
    more = len(amiss) - MOST
    lines = []
    for at, case in enumerate(amiss[:MOST]):
        rest = f" (and {more} more that are not valid, in the job summary)" if more > 0 and at == MOST - 1 else ""
        file, title = _property(_shown(run_folder / case.path)), _property(f"{case.word}: {case.name}")
        lines.append(f"::error file={file},title={title}::{_data(case.message + rest)}")
    return lines


def _shown(path: Path) -> str:
    """The path as the checkout knows it, if it is in there."""
    whole, here = path.absolute(), Path.cwd()
    return (whole.relative_to(here) if whole.is_relative_to(here) else whole).as_posix()


def _data(words: str) -> str:
    """Escape as the runner unescapes (actions/toolkit, core/src/command.ts): a command is one line."""
    return safe(words).replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(words: str) -> str:
    return _data(words).replace(":", "%3A").replace(",", "%2C")
