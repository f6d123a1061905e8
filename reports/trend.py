"""What earlier runs on this machine took and found: one local file, and what a run's report shows of it.

``trend.jsonl`` in the user's cache has one line for each scenario that a run judged. What was known when a run ended
is saved in its bundle (``trend.json``), so that its report shows the same later and elsewhere. No verdict rests on it.
"""

from __future__ import annotations

import math
import os
import statistics
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path

import msgspec

from clusters.cache import cache_lock, cache_root
from clusters.errors import EnvironmentUnfit
from reports.bundle import Reader, number, text
from reports.limits import TIMES, WAITS, tightest
from reports.safe import replace_file
from reports.verdicts import NOT_JUDGED, Run, Scenario, read_run

FILE = "trend.jsonl"
SAVED = "trend.json"
SCHEMA = 1
SHOWN = 20
"""Runs of a scenario that a report shows, its own included."""
LAB = "lab"
"""clusters.providers.LAB, repeated here so that reports need nothing that makes clusters."""
USUAL = 5
"""Runs from which it is told how long a scenario takes."""
LARGEST = 4 << 20
"""Bytes of the file after which its older half is forgotten: about 10,000 lines, a year of thirty a day."""


class Timed(msgspec.Struct, frozen=True):
    """One check that measured a time: seconds, and the most that may pass."""

    measured: float
    limit: float


class Past(msgspec.Struct, frozen=True, kw_only=True):
    """One scenario of one run: a line of the file. ``time`` is wall seconds, ``seconds`` how long it took."""

    schema: int = SCHEMA
    time: float
    run: str
    id: str
    scenario: str
    variant: str
    topology: str
    provider: str = LAB
    """The lab where a line says nothing: it is older than the other providers."""
    verdict: str
    seconds: float | None = None
    check: str = ""
    """The check that stands for it in reports, with what that measured."""
    measured: float | None = None
    limit: float | None = None
    unit: str = ""
    timed: dict[str, Timed] = {}
    """Every check that measured a time within a limit, by its id: recovery times."""


class Saved(msgspec.Struct, frozen=True):
    """trend.json of a bundle: of each scenario the last runs, oldest first, its own the last; or why there are none."""

    schema: int = SCHEMA
    scenarios: dict[str, list[Past]] = {}
    why: str = ""


def record(run_folder: Path) -> None:
    """Add what a finished run found to the history, and save in its bundle what its report shows of it.

    Once per run, however often it is called. Scenarios that were not conducted are left out. Where the history cannot
    be written the bundle says so, and nothing else changes. BundleError only if there is no such folder.
    """
    run = read_run(run_folder)
    ours = [_past(run, one) for one in run.scenarios if _conducted(one)]
    try:
        with cache_lock("trend"):
            before = _read()
            if not any(one.run == run.id for one in before):
                _append(ours)
    except (OSError, EnvironmentUnfit) as error:
        saved = Saved(why=f"The history of earlier runs could not be kept: {error}")
    else:
        kept = _by_scenario(one for one in before if one.run != run.id)
        saved = Saved(scenarios={one.id: [*_alike(kept[one.id], one)[-SHOWN + 1 :], one] for one in ours})
    replace_file(run.reader.root / SAVED, msgspec.json.format(msgspec.json.encode(saved, order="sorted"), indent=1))


def usual_seconds(identity: str, provider: str = LAB) -> float | None:
    """How long a scenario, by its id, took on that provider: the median of the last five runs that held, in seconds.

    None without one. Runs that did not hold end early or wait to the end of every limit, and tell nothing of it.
    """
    alike = (one for one in _known() if (one.id, one.provider, one.verdict) == (identity, provider, "valid"))
    took = [one.seconds for one in alike if one.seconds]
    return statistics.median(took[-USUAL:]) if took else None


def flake_rate(verdicts: Sequence[str]) -> float:
    """The share of runs whose verdict nothing explains: neither one that held throughout, nor one change that lasted.

    ``verdicts`` are those of one scenario on one topology and provider, oldest first. They are cut where it explains
    most of them, and those that differ from the commonest verdict of their side are counted. So a defect that comes
    or is repaired is no flake, and the newest run is none before a later one has gone back. 0 without a run.
    """
    if not verdicts:
        return 0.0
    cuts = (_odd(verdicts[:at]) + _odd(verdicts[at:]) for at in range(len(verdicts)))
    return min(cuts) / len(verdicts)


def saved(reader: Reader) -> Saved | None:
    """What a bundle holds of earlier runs; None when nothing was kept with it, or when that was altered."""
    path = reader.root / SAVED
    document = reader.document(path, required=False)
    if not document:
        return None
    try:
        return msgspec.convert(document, Saved)
    except (msgspec.ValidationError, OverflowError) as error:
        reader.complain(path, f"altered: {error}")
        return None


def _odd(verdicts: Sequence[str]) -> int:
    return len(verdicts) - max(Counter(verdicts).values(), default=0)


def _conducted(scenario: Scenario) -> bool:
    if scenario.verdict == NOT_JUDGED or not scenario.facts:
        return False
    return not any(text(event.get("text")).startswith("not conducted:") for _, event in scenario.events.records)


def _past(run: Run, scenario: Scenario) -> Past:
    facts, best = scenario.facts, tightest(scenario.checks) or {}
    return Past(
        time=number(run.facts.get("started")) or 0.0,
        run=run.id,
        id=scenario.id,
        scenario=text(facts.get("scenario")),
        variant=text(facts.get("variant")),
        topology=scenario.topology,
        provider=text(facts.get("provider")) or LAB,
        verdict=scenario.verdict,
        seconds=scenario.seconds,
        check=text(best.get("id")),
        measured=number(best.get("measured")),
        limit=number(best.get("limit")),
        unit=text(best.get("unit")),
        timed=_timed(scenario),
    )


def _timed(scenario: Scenario) -> dict[str, Timed]:
    """The checks of a promise that measured a time; the scenario's own waits only where there is no other."""
    found: dict[str, Timed] = {}
    waits: dict[str, Timed] = {}
    for check in scenario.checks:
        got, most, unit = number(check.get("measured")), number(check.get("limit")), text(check.get("unit"))
        if got is not None and most is not None and most > 0 and unit in TIMES:
            scale = 0.001 if unit == "ms" else 1.0
            kind = waits if check.get("check") == WAITS else found
            kind[text(check.get("id"))] = Timed(got * scale, most * scale)
    return found or waits


def _alike(past: Sequence[Past], one: Past) -> list[Past]:
    return [other for other in past if (other.topology, other.provider) == (one.topology, one.provider)]


def _by_scenario(past: Iterable[Past]) -> defaultdict[str, list[Past]]:
    found: defaultdict[str, list[Past]] = defaultdict(list)
    for one in past:
        found[one.id].append(one)
    return found


def _known() -> list[Past]:
    try:
        return _read()
    except (OSError, EnvironmentUnfit):
        return []


def _read() -> list[Past]:
    """All lines, oldest first; lines that are torn or of another schema are passed over."""
    path = cache_root() / FILE
    found = []
    for line in path.read_bytes().splitlines() if path.exists() else ():
        try:
            one = msgspec.json.decode(line, type=Past)
        except (msgspec.DecodeError, UnicodeDecodeError):
            continue
        if one.schema == SCHEMA and math.isfinite(one.time):
            found.append(one)
    return found


def _append(lines: Sequence[Past]) -> None:
    """Append with one write, so that a reader without the lock finds whole lines; forget the older half when large."""
    path = cache_root() / FILE
    content = b"".join(msgspec.json.encode(one) + b"\n" for one in lines)
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    try:
        os.write(descriptor, content)
    finally:
        os.close(descriptor)
    if path.stat().st_size > LARGEST:
        kept = path.read_bytes().splitlines(keepends=True)
        replace_file(path, b"".join(kept[len(kept) // 2 :]))
