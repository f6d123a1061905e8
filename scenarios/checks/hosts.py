"""What became of starts and of servers: expected outcomes, deaths that nobody ordered, errors in server logs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Required, TypedDict

from scenarios.checks.registry import check, conclude, listed
from scenarios.record import Record
from scenarios.verdict import CheckResult, Finding

NEVER_UNASKED = frozenset(("split-ring",))
"""Outcomes that are a finding whenever they were seen and not expected, even if another one followed."""

_LAST_LINES = 5
_SHOWN = 900
"""Characters of each: a death comes with four lines of 200, an alarm with one that may be very long."""


class Expected(TypedDict, total=False):
    """The outcome that a subject must have, and how many seconds it may take, with the formula of that limit."""

    subject: Required[str]
    outcome: Required[str]
    limit: float | None
    formula: str | None


@check("outcomes", ident="starts end as expected")
def outcomes(record: Record, expected: Sequence[Expected]) -> CheckResult:
    """The last outcome of every subject is the expected one, within its limit; a split ring never goes unnoticed.

    Measured is the subject that came nearest to its limit. A subject that was not observed makes the check vacuous,
    unless others contradict it.
    """
    findings: list[Finding] = []
    missing: list[str] = []
    timed: list[tuple[float, float, float, str | None]] = []
    for item in expected:
        seen = [found for found in record.seen("outcome") if found["subject"] == item["subject"]]
        if not seen:
            missing.append(item["subject"])
            continue
        findings += _contradictions(item, seen)
        limit, seconds = item.get("limit"), seen[-1].get("seconds")
        if limit is not None and seconds is not None:
            timed.append((seconds / limit if limit else float("inf"), seconds, limit, item.get("formula")))
    _, measured, limit, formula = max(timed, key=lambda row: row[0]) if timed else (None, None, None, None)
    known = len(expected) - len(missing)
    return conclude(
        findings,
        (),
        0 if missing else known,
        (f"{known} outcomes were as expected", f"no outcome was observed for {listed(missing) or 'anything'}"),
        measured=measured,
        limit=limit,
        unit="s" if timed else None,
        formula=formula,
        counts={"expected": len(expected), "observed": known},
    )


@check("no_host_died", ident="no host died by itself")
def no_host_died(record: Record, allowed: Sequence[str] = ()) -> CheckResult:
    """No host died by itself, and no server log shows a linearizability violation or an ERROR that is not allowed.

    `allowed` are substrings of log lines. Deaths that the scenario ordered are not recorded with the reason `died`.
    Vacuous when no host was watched at all: no ring view, pod or log line was observed.
    """
    lines = record.seen("log_line")
    findings: list[Finding] = []
    excused = 0
    for position, line in enumerate(lines):
        anomaly = _trouble(line)
        if anomaly == "error-line" and any(text in line["text"] for text in allowed):
            excused += 1
        elif anomaly:
            before = [item["text"] for item in lines[: position + 1] if item["pod"] == line["pod"]][-_LAST_LINES:]
            findings.append(Finding(anomaly, line["pod"], _told(anomaly, line, before), line["t"], (dict(line),)))
    watched = len(lines) + len(record.seen("pod")) + len(record.seen("ring_view"))
    return conclude(
        findings,
        (),
        watched,
        (f"no host died by itself, {excused} allowed ERROR lines", "no host was watched"),
        measured=len(findings),
        limit=0,
        unit="log lines",
        counts={"log lines": len(lines), "allowed": excused, "observations": watched},
    )


def _contradictions(item: Expected, seen: Sequence[Mapping[str, Any]]) -> list[Finding]:
    subject, wanted, last = item["subject"], item["outcome"], seen[-1]
    wrong = [found for found in seen if found["outcome"] in NEVER_UNASKED and found["outcome"] != wanted]
    if not wrong and last["outcome"] != wanted:
        wrong = [last]
    if wrong:
        first = wrong[0]
        detail = f"{subject}: {first['outcome']} instead of {wanted} ({first.get('detail') or 'no detail'})"
        return [Finding(str(first["outcome"]), subject, detail, first["t"], (dict(first),))]
    limit, seconds = item.get("limit"), last.get("seconds")
    if limit is not None and seconds is None:
        return [Finding("untimed", subject, f"{subject}: {wanted}, at an unknown time", last["t"], (dict(last),))]
    if limit is not None and seconds is not None and seconds > limit:
        detail = f"{subject}: {wanted} after {seconds:.1f} s, limit {limit:g} s"
        return [Finding("too-late", subject, detail, last["t"], (dict(last),))]
    return []


def _trouble(line: Mapping[str, Any]) -> str | None:
    if line.get("reason") == "died":
        return "host-died"
    if "linearizability violation" in line["text"].lower():
        return "linearizability-violation"
    return "error-line" if line.get("level") in ("ERROR", "FATAL") else None


def _told(anomaly: str, line: Mapping[str, Any], before: Sequence[str]) -> str:
    if anomaly == "host-died":
        return f"{line['pod']} died by itself; its last lines: {' | '.join(text[:_SHOWN] for text in before)}"
    return f"{line['pod']} logged: {line['text']}"
