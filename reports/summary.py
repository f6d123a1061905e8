"""The verdict of a run in a terminal, and in a job summary: the table of promises, then what matters of each breach."""

from __future__ import annotations

import html
from pathlib import Path

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from reports.bundle import objects, text
from reports.counterexample import counterexample
from reports.limits import NARROW, all_held, bound, clipped, kept, measured, tightest
from reports.safe import logged, safe
from reports.section import section
from reports.story import headline, lede
from reports.verdicts import NOT_JUDGED, Run, Scenario, read_run
from scenarios.codes import of_trouble

MARKS = {"valid": "✓", "invalid": "✗", "unknown": "?", "vacuous": "∅", NOT_JUDGED: "–"}
PLAIN_MARKS = {"valid": "+", "invalid": "X", "unknown": "?", "vacuous": "o", NOT_JUDGED: "-"}
STYLES = {"valid": "blue", "invalid": "bold red", "unknown": "yellow", "vacuous": "dim", NOT_JUDGED: "yellow"}
MOST_STORIES = 10
LONGEST_STORY = 900
LONGEST_PROMISE = 240
MOST_DRAWN = 3
"""Counterexamples drawn below the table; each has up to some 40 lines."""
LARGEST = 1_000_000
"""Bytes of the markdown: a job summary above 1 MiB is refused as a whole."""


def render(run_folder: Path, console: Console, source: Path | None = None, *, drawn: int = MOST_DRAWN) -> None:
    """Print a run: table, one paragraph for each scenario that is not valid, paths. Reads well at 80 columns.

    The counterexamples of the first ``drawn`` broken promises that have one stand below their paragraphs.
    `source` is the archive of which the folder is a passing copy. BundleError only if there is no such folder.
    """
    run = read_run(run_folder)
    console.print(Text(f"{headline(run)} {lede(run)}", style="bold"))
    console.print()
    console.print(_table(run, console))
    console.print()
    for scenario in run.worst_first():
        if scenario.verdict != "valid":
            paragraph = Text(
                f"{_mark(scenario.verdict, console)} {scenario.verdict}: {_called(scenario)}{_code(scenario)}\n",
                style=STYLES[scenario.verdict],
            )
            paragraph.append(f"Promise: {clipped(scenario.promise, LONGEST_PROMISE)}\n", style="default not bold dim")
            paragraph.append(clipped(story(scenario), LONGEST_STORY) + "\n", style="default not bold not dim")
            console.print(_encodable(paragraph, console))
            drawing = counterexample(scenario, console.width) if drawn > 0 else ""
            if drawing:
                drawn -= 1
                console.print(_encodable(Text(f"{drawing}\n"), console))
    for trouble in run.reader.troubles[:5]:
        console.print(
            _encodable(Text(f"{trouble.path}: {trouble.what} [{of_trouble(trouble.what)}]", style="dim"), console)
        )
    if run.verdict != "valid":
        console.print(Text("ringproof explain CODE says what a code means and what to do."))
    _paths(run_folder, console, source)


def _paths(run_folder: Path, console: Console, source: Path | None) -> None:
    told = [("report", run_folder / "report.html"), ("junit", run_folder / "junit.xml"), ("bundle", run_folder)]
    if source is not None:
        told, run_folder = [("bundle", source)], source
    for name, path in told:
        if path.exists():
            console.print(_encodable(Text(f"{name:<7} {path}"), console), soft_wrap=True)
    console.print(_encodable(Text(f"again   ringproof judge {run_folder}"), console), soft_wrap=True)


def _table(run: Run, console: Console) -> Table:
    table = Table(
        box=box.SIMPLE_HEAD if _unicode(console) else box.ASCII2, pad_edge=False, show_edge=False, padding=(0, 1, 0, 0)
    )
    table.add_column("verdict", no_wrap=True)
    table.add_column("scenario", overflow="fold")
    table.add_column("topology", overflow="fold")
    table.add_column("measured, limit", overflow="fold")
    table.add_column("s", justify="right", no_wrap=True)
    for one in run.worst_first():
        mark = Text(f"{_mark(one.verdict, console)} {one.verdict}", style=STYLES[one.verdict])
        cells = [Text(one.name), Text(one.place), Text(against(one))]
        seconds = "" if one.seconds is None else f"{one.seconds:.0f}"
        table.add_row(mark, *(_encodable(cell, console) for cell in cells), seconds)
    return table


def against(scenario: Scenario) -> str:
    """The first broken check, or the tightest one: what was measured, and its limit; the report has the formula."""
    check = tightest(scenario.checks)
    if check is None:
        return "no check was judged"
    if check.get("verdict") == "valid" and check.get("measured") is None:
        return all_held(scenario.checks)
    if kept(check):
        anomaly = next((text(one.get("anomaly")) for one in objects(check.get("findings"))), "")
        return clipped(f"broken: {anomaly.replace('-', ' ')}" if anomaly else "broken", 60)
    most = bound(check)
    return clipped(f"{measured(check)}{', ' + most if most else ''}", 60).replace(NARROW, " ")


def _called(scenario: Scenario) -> str:
    return scenario.name if scenario.place == "its own" else f"{scenario.name} on {scenario.topology}"


def _code(scenario: Scenario) -> str:
    stories = section(scenario, pictures=False).stories
    return f" [{stories[0].code}]" if stories else ""


def story(scenario: Scenario) -> str:
    """The one paragraph that matters of a scenario that is not valid."""
    stories = section(scenario, pictures=False).stories
    return stories[0].plain.replace(NARROW, " ") if stories else scenario.explanation


def _unicode(console: Console) -> bool:
    return console.encoding.lower().replace("-", "").startswith("utf")


def _mark(word: str, console: Console) -> str:
    return (MARKS if _unicode(console) else PLAIN_MARKS)[word]


def _encodable(words: Text, console: Console) -> Text:
    words.plain = logged(words.plain)
    if not _unicode(console):
        words.plain = words.plain.encode("ascii", "replace").decode()
    return words


def markdown(run_folder: Path) -> str:
    """Return the run as GitHub-flavoured markdown below 1 MiB: headline, table, what broke, how to judge again."""
    run = read_run(run_folder)
    ranked = run.worst_first()
    parts = [
        f"## {MARKS[run.verdict]} {run.verdict}: {headline(run)}",
        cell(lede(run)),
        "| verdict | scenario | topology | measured, limit | seconds |\n|---|---|---|---|---:|\n"
        + "".join(_row(one) for one in ranked).rstrip(),
    ]
    amiss = [one for one in ranked if one.verdict != "valid"]
    parts += [
        f"**{one.verdict}: {cell(_called(one))}{_code(one)}.** {cell(clipped(story(one), LONGEST_STORY))}"
        for one in amiss[:MOST_STORIES]
    ]
    if len(amiss) > MOST_STORIES:
        parts.append(f"… and {len(amiss) - MOST_STORIES} more that are not valid, in the table above.")
    parts.append(f"Run {cell(run.id)}; judge it again with `ringproof judge <folder>`.")
    return cut("\n\n".join(parts) + "\n", LARGEST)


def cut(words: str, most: int) -> str:
    """Return whole lines of the words in at most ``most`` bytes; where something is left out, a last line says so."""
    held = words.encode()
    if len(held) <= most:
        return words
    kept_ = held[: max(0, most - 100)].decode("utf-8", "ignore").rpartition("\n")[0]
    return f"{kept_}\n\n… cut here; the report has the rest.\n"


def _row(one: Scenario) -> str:
    seconds = "" if one.seconds is None else f"{one.seconds:.0f}"
    cells = [f"{MARKS[one.verdict]} {one.verdict}", cell(one.name), cell(one.place), cell(against(one)), seconds]
    return f"| {' | '.join(cells)} |\n"


def cell(words: str) -> str:
    """Escape what markdown or HTML would read as more than words."""
    found = html.escape(" ".join(safe(words).split()), quote=False)
    for sign in "\\`*_[]|~#":
        found = found.replace(sign, "\\" + sign)
    return found.replace("@", "@\u200b")
