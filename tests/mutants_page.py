"""How a mutation score is told: a line for each module, the survivors with their reasons, and docs/mutants.md."""

from __future__ import annotations

import datetime
import json
import math
import os
import platform
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.mutants import Mutant, Score

PAGE = "docs/mutants.md"
NOTES = Path(__file__).parent / "data" / "mutants.json"
EQUIVALENT, COST, KILLED = "equivalent", "cost only", "killed since"
Notes = Sequence[Mapping[str, str]]


def notes() -> list[dict[str, str]]:
    """What was found out about survivors: module, was, now, reason (one of the three above) and why."""
    known: list[dict[str, str]] = json.loads(NOTES.read_text())
    return known


def reason(item: Mutant, known: Notes) -> tuple[str, str]:
    """The reason and why of a survivor; "open" when nobody has looked at it."""
    for note in known:
        if _meant(note, item):
            return note["reason"], note["why"]
    return "open", ""


def _meant(note: Mapping[str, str], item: Mutant) -> bool:
    """Whether the note is about this mutant; one of module "*" is about a part of a line, wherever it stands."""
    if note["module"] != "*":
        return (note["module"], note["was"], note["now"]) == (item.module, item.was, item.now)
    pieces = item.was.split(note["was"])
    return any(
        note["was"].join(pieces[:place]) + note["now"] + note["was"].join(pieces[place:]) == item.now
        for place in range(1, len(pieces))
    )


def split(item: Score, known: Notes) -> dict[str, list[Mutant]]:
    """The survivors by reason."""
    by: dict[str, list[Mutant]] = {}
    for mutant in item.survivors:
        by.setdefault(reason(mutant, known)[0], []).append(mutant)
    return by


def opened(item: Score, known: Notes) -> list[Mutant]:
    """Survivors that nobody has explained."""
    return [mutant for mutant in item.survivors if reason(mutant, known)[0] not in (EQUIVALENT, COST)]


def interval(killed: float, count: float) -> tuple[float, float]:
    """The 95 % confidence interval of a share (Wilson 1927), which does not collapse at 0 and 1."""
    if not count:
        return 0.0, 1.0
    z = 1.96
    share, spread = killed / count, z * z / count
    middle = (share + spread / 2) / (1 + spread)
    half = z * math.sqrt(share * (1 - share) / count + spread / (4 * count)) / (1 + spread)
    return max(0.0, middle - half), min(1.0, middle + half)


def counted(item: Score, known: Notes) -> int:
    """The mutants that a test could kill: all but the equivalent ones. Those that only cost more are counted."""
    return item.mutants - len(split(item, known).get(EQUIVALENT, ()))


def overall(scores: Iterable[Score], known: Notes) -> tuple[float, float, float]:
    """The score of all modules, each weighed by its population, and its interval.

    The interval takes the sample as one of Kish's effective size, (sum of w)^2 / sum of w^2 / n for each stratum.
    """
    parts = [(item.population, item.killed, counted(item, known)) for item in scores if counted(item, known)]
    total = sum(weight for weight, _, _ in parts)
    share = sum(weight * killed / count for weight, killed, count in parts) / total
    effective = total**2 / sum(weight**2 / count for weight, _, count in parts)
    return share, *interval(share * effective, effective)


def percent(share: float) -> str:
    return f"{100 * share:.1f} %"


def line(item: Mutant, known: Notes) -> str:
    """Where, what was changed, and why it survived."""
    found, why = reason(item, known)
    where = f"scenarios/checks/{item.module}.py:{item.line}"
    return f"`{where}` `{item.was}` -> `{item.now or '(removed)'}`: {found}{', ' if why else ''}{why}"


def told(item: Score, known: Notes) -> str:
    """A module's figures and its survivors."""
    count = counted(item, known)
    low, high = interval(item.killed, count)
    share = percent(item.killed / count) if count else "no mutants"
    head = (
        f"{item.module}: {item.mutants} of {item.population} mutants, {item.killed} killed ({item.timed_out} by the "
        f"clock), {len(item.survivors)} survived, score {share} ({percent(low)} to {percent(high)})"
    )
    return "\n".join([head, *(f"  {line(mutant, known)}" for mutant in item.survivors)])


def summary(scores: Sequence[Score], known: Notes) -> str:
    """The figures of all modules in one sentence."""
    share, low, high = overall(scores, known)
    drawn, killed = sum(item.mutants for item in scores), sum(item.killed for item in scores)
    return (
        f"{killed} of {drawn} mutants killed; without the equivalent ones and weighed by the size of the modules "
        f"{percent(share)}, 95 % confidence {percent(low)} to {percent(high)}"
    )


def write(root: Path, scores: Sequence[Score], known: Notes, asked: Mapping[str, object]) -> None:
    """docs/mutants.md of this run."""
    rows = [_row(item, known) for item in scores]
    alive = [f"- {line(mutant, known)}" for item in scores for mutant in item.survivors]
    dead = [
        f"- `scenarios/checks/{note['module']}.py` `{note['was']}` -> `{note['now'] or '(removed)'}`: {note['why']}"
        for note in known
        if note["reason"] == KILLED
    ]
    text = _PAGE.format(
        date=datetime.datetime.now(datetime.UTC).date(),
        summary=summary(scores, known),
        machine=f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}",
        commit=_commit(root),
        rows="\n".join(rows),
        alive="\n".join(alive) or "None.",
        dead="\n".join(dead) or "None.",
        **asked,
    )
    (root / PAGE).write_text(text)


def _row(item: Score, known: Notes) -> str:
    by, count = split(item, known), counted(item, known)
    low, high = interval(item.killed, count)
    figures = (
        f"`scenarios/checks/{item.module}.py`",
        item.population,
        item.mutants,
        item.killed,
        item.timed_out,
        len(by.get(EQUIVALENT, ())),
        len(by.get(COST, ())),
        len(opened(item, known)),
        percent(item.killed / count) if count else "",
        f"{100 * low:.0f} to {100 * high:.0f} %",
    )
    return f"| {' | '.join(map(str, figures))} |"


def _commit(root: Path) -> str:
    git = ["git", "-C", str(root)]
    head = subprocess.run([*git, "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False)
    changed = subprocess.run(
        [*git, "status", "--porcelain", "scenarios", "tests"], capture_output=True, text=True, check=False
    )
    return (head.stdout.strip() or "none") + (" with changes" if changed.stdout.strip() else "")


_PAGE = """# Mutants of the checkers

Written by `make mutants` ({date}; {machine}; commit {commit}; sample {sample} of each module, seed {seed}).

A mutant is a checker with one small fault: an operator replaced, a number one higher or lower, a condition negated, a
decorator removed, a loop that never runs. Operators and mutations are those of cosmic-ray, without its operators that
rename variables; type annotations are never evaluated and left out, as is what does not compile. A mutant is killed
when the module's own quick tests notice it (any end of pytest but success, or more than five times the usual processor
time). The run is refused unless every module passes unmutated, before and after, and dies when it cannot be imported.

**{summary}.** The interval is of the sampling alone: cosmic-ray's faults are not those that people make.

| module | mutants | sampled | killed | by the clock | equivalent | cost only | open | score | 95 % confidence |
|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|
{rows}

The score is killed of sampled without the equivalent. `mutants` are places times replacements, before what does not
compile is left out. Mutants that only cost more (the same answer, later or with more memory) count as survivors.

## Survivors of this run

{alive}

## Killed since

Survivors of earlier runs that a test was written for. Each is judged again by every run.

{dead}
"""
