"""Whether the scenario came to its end, and whether what it waited for came in time."""

from __future__ import annotations

from scenarios.checks.registry import check, conclude, undecided
from scenarios.record import Record
from scenarios.verdict import CheckResult, Finding


@check("completed", ident="the scenario came to its end in time")
def completed(record: Record) -> CheckResult:
    """Every wait ended within its derived limit and no step failed.

    A condition that did not come in time is a broken promise (`late`); any other error of the run itself leaves the
    question open (unknown). Vacuous when the run recorded no phase at all.
    """
    errors = [event for event in record.events if event.get("event") == "error"]
    waits = [event for event in record.events if event.get("event") == "waited"]
    findings = [
        Finding(
            "late", "ring", f"{event['for']} after {event['seconds']:.1f} s, limit {event['limit']:.1f} s", event["t"]
        )
        for event in waits
        if event["seconds"] > event["limit"]
    ]
    broken = [event for event in errors if event["kind"] != "late"]
    if broken and not findings:
        return undecided(f"the run broke at {broken[0]['where']}: {broken[0]['text']}")
    findings += [Finding("late", "ring", event["text"], event["t"]) for event in errors if event["kind"] == "late"]
    phases = sum(event.get("event") == "phase" for event in record.events)
    judged = [event for event in waits if not event.get("timer") and event["limit"] > 0]
    tightest = max(judged, key=lambda event: event["seconds"] / event["limit"], default=None)
    texts = (f"{len(waits)} waits ended in time", "no phase was recorded")
    if tightest is None:
        return conclude(findings, (), phases, texts)
    return conclude(
        findings,
        (),
        phases,
        (f"{len(waits)} waits ended in time; the tightest: {tightest['for']}", texts[1]),
        measured=tightest["seconds"],
        limit=tightest["limit"],
        unit="s",
        formula=tightest.get("formula"),
    )
