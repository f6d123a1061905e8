"""The judge: from a closed folder to its verdict, the same here and now as elsewhere next year.

It reads facts, history, observations, events and checks, and writes verdict.json; it looks at nothing that is alive.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from clusters.errors import BundleError
from scenarios.checks import CheckData, run_check
from scenarios.gates import gates
from scenarios.history import SECOND
from scenarios.index import changed_scenario, replace_whole
from scenarios.packed import opened
from scenarios.record import FAULT_STATES, Record, Window, load_json
from scenarios.starvation import excused
from scenarios.verdict import CheckResult, Reasoned, RunVerdict, ScenarioVerdict, Verdict, canonical, merge

_REPEATED_FACTS = ("scenario", "variant", "id", "topology", "promise")


def judge_scenario(folder: Path) -> ScenarioVerdict:
    """Judge a scenario folder and the folders nested in it, and write each one's verdict.json.

    BundleError when scenario.json cannot be read. Any other file that cannot be read makes what rests on it unknown.
    """
    nested = {path.name: judge_safely(path) for path in _folders(folder / "nested")}
    verdict = _judged(folder, Record.load(folder, nested))
    _write(folder / "verdict.json", verdict.as_json())
    return verdict


def judge_run(
    folder: Path, judged: Callable[[Sequence[Path]], Iterable[ScenarioVerdict]] = lambda paths: map(judge_safely, paths)
) -> RunVerdict:
    """Judge every scenario folder of a run and write the run's verdict.json.

    A scenario folder whose facts cannot be read counts as unknown, with the reason; a run without any is vacuous.
    `judged` gives the verdicts of folders in their order, for a caller that has more than one core.
    """
    paths = scenario_folders(folder)
    scenarios = {path.name: verdict for path, verdict in zip(paths, judged(paths), strict=True)}
    verdict = RunVerdict(tuple(_row(name, item) for name, item in scenarios.items()), scenarios)
    _write(folder / "verdict.json", verdict.as_json())
    return verdict


def judge_any(path: Path) -> ScenarioVerdict | RunVerdict:
    """Judge a scenario folder, a run folder, or a .tar.gz of either (unpacked aside, so that nothing is written to it).

    BundleError when `path` is none of these.
    """
    if path.is_file():
        with opened(path) as folder:
            return judge_any(folder)
    if (path / "scenario.json").is_file():
        return judge_scenario(path)
    if (path / "scenarios").is_dir():
        return judge_run(path)
    raise BundleError(f"{path}: no scenario folder (scenario.json), no run (scenarios/), no .tar.gz of one")


def evidence(record: Record) -> Reasoned:
    """Whether every declared fault lived its whole life, each effect proven; valid when none was declared."""
    declared = list(record.facts.get("faults", ()))
    windows = [record.windows.get(name, Window(name, name)) for name in declared]
    windows += [window for name, window in record.windows.items() if name not in declared]
    troubles = [trouble for window in windows if (trouble := _trouble(window))]
    if troubles:
        return Reasoned(Verdict.UNKNOWN, "; ".join(troubles))
    if not windows:
        return Reasoned(Verdict.VALID, "no fault was declared")
    return Reasoned(Verdict.VALID, "; ".join(f"{window.id}: {window.evidence}" for window in windows))


def _proof(folder: Path, found: Reasoned) -> Reasoned:
    """The evidence, which proves nothing as long as files are not those that were recorded."""
    try:
        changed = changed_scenario(folder)
    except BundleError as error:
        told = str(error)
    else:
        if not changed:
            return found
        more = f" (and {len(changed) - 1} more)" if len(changed) > 1 else ""
        name = "/".join(changed[0].path.split("/")[2:])
        told = f"files are not as recorded: {name}: {changed[0].what}{more}"
    return Reasoned(merge([found.verdict, Verdict.UNKNOWN]), told)


def cleanup(record: Record) -> Reasoned:
    """What the last `cleanup` event says: ok is valid, not ok is invalid; unknown when there is none."""
    events = [event for event in record.events if event.get("event") == "cleanup"]
    if not events:
        return Reasoned(Verdict.UNKNOWN, "the run ended before the clean-up was recorded")
    detail = str(events[-1].get("detail") or "no detail")
    return Reasoned(Verdict.VALID if events[-1].get("ok") is True else Verdict.INVALID, detail)


def _judged(folder: Path, record: Record) -> ScenarioVerdict:
    results, system = _system(folder, record)
    facts = {name: record.facts.get(name) for name in _REPEATED_FACTS}
    try:
        windows = tuple(window.as_json() for window in record.windows.values())
        proof, tidy, seconds = _proof(folder, evidence(record)), cleanup(record), _seconds(record)
    except BundleError as error:
        unreadable = Reasoned(Verdict.UNKNOWN, str(error))
        windows, proof, tidy, seconds = (), unreadable, unreadable, None
    try:
        figures = gates(record)
    except BundleError as error:
        figures = ({"gate": "readable history", "subject": "history", "passed": False, "why": str(error)},)
    return ScenarioVerdict(
        facts, system, proof, tidy, windows, results, gates=figures, nested=record.nested, seconds=seconds
    )


def _system(folder: Path, record: Record) -> tuple[tuple[CheckResult, ...], Reasoned]:
    try:
        declared = load_json(folder / "checks.json", "checks.json")
        checks = [CheckData.from_json(item) for item in declared]
    except BundleError as error:
        return (), Reasoned(Verdict.UNKNOWN, str(error))
    results = tuple(_placeless(run_check(item, record), folder) for item in checks)
    try:
        results = excused(results, record)
    except BundleError as error:
        return results, Reasoned(Verdict.UNKNOWN, str(error))
    results = tuple(sorted(results, key=_symptom))
    verdict = merge(result.verdict for result in results)
    decisive = [result for result in results if result.verdict is verdict]
    if not results:
        return results, Reasoned(verdict, "no check was declared")
    if verdict is Verdict.VALID:
        return results, Reasoned(verdict, f"all {len(results)} checks are valid")
    more = f" (and {len(decisive) - 1} more)" if len(decisive) > 1 else ""
    return results, Reasoned(verdict, f"{decisive[0].id}: {decisive[0].explain}{more}")


def _symptom(result: CheckResult) -> bool:
    """False for what explains the rest: a host that died by itself is told before what nobody got from it."""
    return not any(finding.anomaly == "host-died" for finding in result.findings)


def _placeless(result: CheckResult, folder: Path) -> CheckResult:
    """The result without the folder's own path in its sentence: a moved bundle must give the same bytes."""
    return replace(result, explain=result.explain.replace(f"{folder}{os.sep}", ""))


def _trouble(window: Window) -> str | None:
    if window.error is not None:
        return f"{window.id} ended in error: {window.error}"
    if window.inject is None:
        return f"{window.id} was declared but never injected"
    if window.effective is None or not window.evidence:
        return f"{window.id} did not bite: no independent observation of its effect"
    missing = [state for state in FAULT_STATES if getattr(window, state) is None]
    if missing:
        return f"{window.id} has no recorded '{missing[0]}'"
    times = [window.at(state) for state in FAULT_STATES]
    return None if times == sorted(times) else f"{window.id} has its states out of order"


def _seconds(record: Record) -> float | None:
    times = [int(event["t"]) for event in record.events]
    return (max(times) - min(times)) / SECOND if times else None


def _unreadable(folder: Path, error: BundleError) -> ScenarioVerdict:
    reason = Reasoned(Verdict.UNKNOWN, str(error))
    facts: dict[str, Any] = dict.fromkeys(_REPEATED_FACTS)
    return ScenarioVerdict({**facts, "id": folder.name}, reason, reason, reason)


def _row(name: str, verdict: ScenarioVerdict) -> dict[str, Any]:
    told = verdict.as_json()
    names = ("id", "scenario", "variant", "topology", "verdict", "system", "evidence", "cleanup", "seconds", "explain")
    return {"folder": name, **{key: told[key] for key in names}}


def scenario_folders(run: Path) -> list[Path]:
    """The scenario folders of a run, in the order of its verdict."""
    return _folders(run / "scenarios")


def _folders(folder: Path) -> list[Path]:
    return sorted(path for path in folder.glob("*") if path.is_dir())


def judge_safely(folder: Path) -> ScenarioVerdict:
    """As judge_scenario, but unreadable facts make an unknown verdict that is written as well."""
    try:
        return judge_scenario(folder)
    except BundleError as error:
        verdict = _unreadable(folder, error)
        _write(folder / "verdict.json", verdict.as_json())
        return verdict


def _write(path: Path, data: Mapping[str, Any]) -> None:
    replace_whole(path, canonical(data), "the verdict")
