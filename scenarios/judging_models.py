"""One object's operations against its model, without a bundle: what a check would find had the file all that it asks.

Histories of other suites have neither levels nor datacenters nor stages. They are judged as if every read had to see
every acknowledged write, which is what a model of one object promises; the findings do not repeat what was made up.
"""

from __future__ import annotations

import itertools
import re
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from operator import attrgetter
from typing import Any, Final

import psutil

from clusters.errors import UsageError
from scenarios.checks import CheckData, counters_bounded, linearizable, reads_are_current, run_check
from scenarios.checks.append_order import append_order
from scenarios.checks.ledger import buckets_of, impossible, ok_reads, repeats
from scenarios.checks.linear import Budget, KeyVerdict, Question, concurrent, judge_key
from scenarios.checks.registry import conclude, listed
from scenarios.history import Operation
from scenarios.importing.pairing import LEVEL, PLACE
from scenarios.record import Record, Sources
from scenarios.scenario import suggest
from scenarios.verdict import CheckResult, Finding, Verdict

SECONDS = 60.0
"""What the search may take unless told: as `Budget.seconds`."""
_STEPS_A_SECOND = 400_000
"""More than one core of 2026 does, so that the time ends first."""
_STEP_BYTES = 400
"""Memory of a configuration (`Budget`: about 0.3 KB), rounded up."""
_MADE_UP = re.compile(r" at ALL\b| in dc\b")
"""What LEVEL and PLACE have put into a sentence."""
_KEY_0 = re.compile(r",? (?:of|in|to) (?:key|bucket|counter) 0\b|(?<=read )bucket 0 | bucket 0\b")


def judge_model(
    operations: Sequence[Operation], model: str, initial: Any = None, seconds: float | None = None
) -> CheckResult:
    """Whether the operations of every key are those of `model`, one of MODELS, that starts as `initial`.

    Valid, invalid with the few operations that contradict each other, vacuous when nothing was at stake, or unknown:
    for a register, after `seconds` of search (SECONDS by default) it names the keys that are undecided; the easy ones
    among them are decided all the same. The times of `operations` are nanoseconds or any other count that orders them.
    UsageError for a model that is not known.
    """
    judge = MODELS.get(model)
    if judge is None:
        raise UsageError(f"no model is called {model}; {suggest(model, MODELS)}")
    result = judge(operations, model, initial, SECONDS if seconds is None else seconds)
    keyless = all(not item.key for item in operations)
    return replace(
        result,
        explain=_plain(result.explain, keyless=keyless),
        findings=tuple(_plain_finding(finding, model, keyless=keyless) for finding in result.findings),
    )


def _linear(operations: Sequence[Operation], model: str, initial: Any, seconds: float) -> CheckResult:
    data = linearizable(model, model=model, initial=initial)
    groups: defaultdict[int | None, list[Operation]] = defaultdict(list)
    for item in operations:
        groups[item.key].append(item)
    verdicts = _verdicts(groups, Question(model, initial), seconds)
    undecided = [key for key, item in verdicts.items() if item.legal is None]
    findings = [finding for item in verdicts.values() for finding in item.findings]
    steps = sum(item.steps for item in verdicts.values())
    told = sum(item.outcome == "ok" and item.f in {"read", "cas"} for item in operations)
    result = conclude(
        findings,
        [f"key {listed(undecided)}: undecided after {seconds:g} s, {steps} steps of search"] if undecided else (),
        told,
        (
            f"{len(operations)} operations on {len(groups)} keys have one order each",
            f"none of {len(operations)} operations saw a value",
        ),
        measured=len(findings),
        limit=0,
        unit="contradictions",
        counts={
            "operations": len(operations),
            "keys": len(groups),
            "concurrent keys": sum(map(concurrent, groups.values())),
            "steps": steps,
        },
    )
    return _named(result, data)


def _verdicts(
    groups: Mapping[int | None, Sequence[Operation]], question: Question, seconds: float
) -> dict[int | None, KeyVerdict]:
    """Each key's verdict; the time is shared, and when it is over a key still has the search's first steps."""
    most = psutil.virtual_memory().available // 2 // _STEP_BYTES
    deadline = time.monotonic() + seconds
    verdicts = {}
    for key, group in groups.items():
        left = max(0.0, deadline - time.monotonic())
        budget = Budget(steps=min(most, max(1024, int(left * _STEPS_A_SECOND))), seconds=left)
        verdicts[key] = judge_key(group, replace(question, budget=budget))
    return verdicts


def _set(operations: Sequence[Operation], model: str, initial: Any, _seconds: float) -> CheckResult:
    """Elements: what was added before a read began is in it (stale, lost, never-read), and nothing impossible is."""
    held = [replace(item, f="write") if item.f == "add" else item for item in operations]
    held = [*_first(held, [("write", value) for value in initial or ()]), *held]
    result = _checked(reads_are_current(model), held)
    buckets = buckets_of(held)
    strange = [] if repeats(buckets) else impossible(buckets, ok_reads(held))
    if not strange:
        return result
    both = sorted([*strange, *result.findings], key=attrgetter("at"))
    explain = both[0].detail + (f" (and {len(both) - 1} more)" if len(both) > 1 else "")
    counts = {**result.counts, "findings": len(strange) + result.counts.get("findings", 0)}
    return replace(result, verdict=Verdict.INVALID, explain=explain, findings=tuple(both[:20]), counts=counts)


def _counter(operations: Sequence[Operation], model: str, initial: Any, _seconds: float) -> CheckResult:
    """Bounds of every read. All reads are final ones: what no read follows is bounded by none, and need not be."""
    held = [*_first(operations, [("add", initial)] if initial else []), *operations]
    return _checked(counters_bounded(model), [replace(item, stage="final") for item in held])


def _append(operations: Sequence[Operation], model: str, initial: Any, _seconds: float) -> CheckResult:
    held = [*_first(operations, [("append", value) for value in initial or ()]), *operations]
    return _checked(append_order(model), held)


MODELS: Final[Mapping[str, Callable[[Sequence[Operation], str, Any, float], CheckResult]]] = {
    "register": _linear,
    "cas-register": _linear,
    "set": _set,
    "counter": _counter,
    "append": _append,
}
"""What judges each model."""


def _first(operations: Sequence[Operation], calls: Sequence[tuple[str, Any]]) -> list[Operation]:
    """What makes the initial value of every key: calls one after the other, before all others."""
    if not calls or not operations:
        return []
    like = operations[0]
    start = min(item.invoke for item in operations) - len(calls) - 1
    keys = dict.fromkeys(item.key for item in operations)
    return [
        replace(
            like,
            process="initial",
            op=0,
            f=f,
            key=key,
            value=value,
            out=None,
            invoke=start + place,
            returned=start + place,
            outcome="ok",
            error=None,
        )
        for key, (place, (f, value)) in itertools.product(keys, enumerate(calls))
    ]


def _checked(data: CheckData, operations: Iterable[Operation]) -> CheckResult:
    """The result of a registered check over these operations, which nothing else surrounds."""
    held = sorted((replace(item, cl=LEVEL, dc=PLACE) for item in operations), key=attrgetter("invoke"))
    record = Record({"replication": {PLACE: 1}}, Sources(lambda: held, list, list))
    return run_check(data, record)


def _named(result: CheckResult, data: CheckData) -> CheckResult:
    return replace(result, check=data.name, version=data.version, id=data.id)


def _plain(text: str, *, keyless: bool) -> str:
    """A sentence without the levels, places and keys that the file does not have."""
    text = _MADE_UP.sub("", text)
    return _KEY_0.sub("", text) if keyless else text


def _plain_finding(finding: Finding, model: str, *, keyless: bool) -> Finding:
    made_up = {"cl", "dc", "stage", "workload", *(["key"] if keyless else ())}
    operations = tuple(
        {
            name: "add" if model == "set" and value == "write" else value
            for name, value in item.items()
            if name not in made_up
        }
        for item in finding.operations
    )
    who = str(finding.operations[-1].get("process", finding.who)) if finding.who == PLACE else finding.who
    return replace(finding, who=who, detail=_plain(finding.detail, keyless=keyless), operations=operations)
