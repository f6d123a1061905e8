"""`make bench`: how fast it is here, `python -m ringproof.bench`. It measures, and never judges a speed.

Every ratio is made of two measurements of the same repeat on the same machine, because machines differ by more than
any change of the code. ``--quick`` leaves out what forms rings. `make bench-kind` (``--provider kind``) measures real
clusters and their ring, and nothing else.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from clusters.catalog import named
from clusters.errors import ArtifactMissing, EnvironmentUnfit, RingproofError, UsageError
from clusters.fitness import require
from clusters.providers import KIND, LAB, PROVIDERS, provider
from clusters.ring.java import find_java
from ringproof.bench_figures import Figure, Report, machine, shown
from ringproof.bench_files import Deadline, judging, newest_run, overheads, planning
from ringproof.bench_kind import kind_facts, kind_rings
from ringproof.bench_oracle import oracle
from ringproof.bench_rings import rings
from ringproof.running import INTERRUPTED, Order, interruptible, run
from scenarios.profiles import PLACES, STUB, Selection
from scenarios.runs import RUNS

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "docs" / "bench"
MOST_SECONDS = 1200.0
"""Of a whole bench: three warm and three cold formations take 5 minutes on two cores, a smoke run one."""


@dataclass(frozen=True)
class Wanted:
    """What was asked for on the command line."""

    quick: bool
    write: bool
    repeats: int
    seconds: float
    topology: str
    run: Path | None
    runs: Path = RUNS
    provider: str = LAB


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print the table, and return 0; the exit code of what could not be measured otherwise."""
    console = Console()
    try:
        with interruptible():
            return bench(_parsed(arguments), console)
    except KeyboardInterrupt:
        console.print("interrupted: nothing was written")
        return INTERRUPTED
    except RingproofError as error:
        console.print(Text(f"ringproof: {error}"), soft_wrap=True)
        return error.exit_code


def bench(wanted: Wanted, console: Console) -> int:
    """Measure every part in turn and print the table; written to docs/bench only if that was asked for.

    A part that fails is named with its reason and the others go on; the exit code is that of the last failure.
    """
    if wanted.provider == KIND:
        provider(KIND).require(named(wanted.topology))
        report = Report(datetime.now(UTC), machine("") | kind_facts(), about=KIND)
    else:
        if not wanted.quick:
            require()
        report = Report(datetime.now(UTC), machine(_java(wanted.topology)))
    deadline = Deadline(wanted.seconds)

    def say(words: str) -> None:
        console.print(Text(words, style="dim"), soft_wrap=True)

    code = 0
    for name, part in _parts(wanted, deadline, say):
        say(f"{name} …")
        try:
            found = part()
        except RingproofError as error:
            report.left_out.append(f"{name}, which failed: {error}")
            code = error.exit_code
            continue
        report.figures += found
        if not found:
            report.left_out.append(f"{name}: no run below {wanted.runs} has recorded any")
    if wanted.quick:
        report.left_out.append("formation, reschedule, memory: --quick forms no ring")
    show(report, console)
    if wanted.write:
        for path in report.write(RESULTS):
            console.print(f"written {path.relative_to(ROOT)}", soft_wrap=True)
    return code


def _parts(
    wanted: Wanted, deadline: Deadline, say: Callable[[str], None]
) -> list[tuple[str, Callable[[], list[Figure]]]]:
    if wanted.provider == KIND:
        return [("kind clusters", lambda: kind_rings(wanted.topology, deadline, wanted.repeats, say))]
    parts: list[tuple[str, Callable[[], list[Figure]]]] = [
        ("planning", lambda: planning(deadline, wanted.repeats)),
        ("judging and report", lambda: judging(deadline, wanted.repeats)),
        ("oracle", lambda: oracle(deadline, wanted.repeats)),
    ]
    if not wanted.quick:
        parts.append(("rings", lambda: rings(wanted.topology, deadline, wanted.repeats, say)))
    return [*parts, ("scenario overhead", lambda: _overhead(wanted))]


def _overhead(wanted: Wanted) -> list[Figure]:
    """Of the run that was named, else of the newest; where there is none, of a smoke run, unless that is left out."""
    found = wanted.run or newest_run(wanted.runs)
    if found is not None:
        return overheads(found)
    if wanted.quick:
        return []
    with tempfile.TemporaryDirectory(prefix="ringproof-bench-") as runs:
        run(Order(Selection("smoke", topologies=(wanted.topology,)), runs=Path(runs)), Console(quiet=True))
        made = newest_run(Path(runs))
        return overheads(made) if made is not None else []


def show(report: Report, console: Console) -> None:
    """Print the figures as a table, and what was left out."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for name in ("part", "figure", "min", "median", "unit", "n", ""):
        table.add_column(name, justify="right" if name in ("min", "median", "n") else "left", overflow="fold")
    for part, figures in report.by_part():
        for at, one in enumerate(figures):
            numbers = (shown(one.least), shown(one.median))
            row = (part if at == 0 else "", one.name, *numbers, one.unit, str(len(one.values)), one.note)
            table.add_row(*(Text(cell) for cell in row))
    console.print(Text(", ".join(f"{key} {value}" for key, value in report.machine.items())), soft_wrap=True)
    console.print(table)
    for words in report.left_out:
        console.print(Text(f"left out: {words}", style="dim"), soft_wrap=True)


def _java(topology: str) -> str:
    """The Java that hosts would be started with, without fetching one."""
    declared = named(topology).ring
    if declared is None:
        raise UsageError(f"topology {topology} declares no ring, so there is nothing to form")
    try:
        java = find_java(declared.version, offline=True)
    except (ArtifactMissing, EnvironmentUnfit):
        return "none yet"
    return f"{java.build} ({java.source})"


def _parsed(arguments: Sequence[str] | None) -> Wanted:
    parser = argparse.ArgumentParser(prog="python -m ringproof.bench", description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--quick", action="store_true", help="leave out what forms rings")
    parser.add_argument("--write", action="store_true", help="write the results to docs/bench")
    parser.add_argument("--repeats", type=int, default=3, help="of each measurement (%(default)s)")
    parser.add_argument(
        "--seconds", type=float, default=MOST_SECONDS, help="after which no repeat begins (%(default)s)"
    )
    parser.add_argument("--provider", choices=PROVIDERS, default=LAB, help="what makes the clusters (%(default)s)")
    parser.add_argument("--topology", help=f"the ring to form ({STUB}, on kind {PLACES[KIND][STUB]})")
    parser.add_argument("--run", type=Path, help="the run whose scenario overhead is told; else the newest")
    given = parser.parse_args(arguments)
    if given.repeats < 1:
        raise UsageError("--repeats must be 1 or more")
    if given.quick and given.provider == KIND:
        raise UsageError("--quick forms no ring, so it leaves nothing to measure on kind")
    topology = given.topology or PLACES.get(given.provider, {}).get(STUB, STUB)
    asked = (given.quick, given.write, given.repeats, given.seconds, topology, given.run)
    return Wanted(*asked, provider=given.provider)


if __name__ == "__main__":
    sys.exit(main())
