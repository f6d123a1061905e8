"""Who is served, and when: availability outside excused intervals, refusal inside a cut, recovery of old sessions."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import TypedDict, Unpack

from scenarios.checks.levels import at_level
from scenarios.checks.registry import check, conclude
from scenarios.checks.settling import Sample, settle
from scenarios.history import SECOND, Operation, worker
from scenarios.record import Moment, Record
from scenarios.verdict import CheckResult, Finding

Excuse = TypedDict(
    "Excuse",
    {"from": Moment, "seconds": float, "until": Moment, "plus": float, "why": str},
    total=False,
)
"""An interval in which failures are excused: from a moment for `seconds`, or `until` another moment `plus` seconds."""

_PROOF = 3
"""Operations shown per finding of a process."""


class Which(TypedDict, total=False):
    """Which operations are meant: a workload (`probe` by default) and kinds of operation (all by default)."""

    workload: str
    kinds: Sequence[str] | None


def excuse(
    start: Moment, *, why: str, seconds: float | None = None, until: Moment | None = None, plus: float = 0.0
) -> Excuse:
    """An excused interval and why: `seconds` from `start`, or from `start` until `until` plus `plus` seconds."""
    if (seconds is None) == (until is None):
        raise ValueError("an excuse has either seconds or an end moment")
    if until is None:
        return Excuse(**{"from": list(start), "seconds": float(seconds or 0), "why": why})
    return Excuse(**{"from": list(start), "until": list(until), "plus": plus, "why": why})


@check("served", ident="{consistency} is served in {datacenter}")
def served(
    record: Record,
    datacenter: str,
    consistency: str,
    excused: Sequence[Excuse] = (),
    minimum: int = 1,
    **which: Unpack[Which],
) -> CheckResult:
    """Every operation at `consistency` from `datacenter` is ok, unless it was open during an excused interval.

    An operation is open from when it was due, or sent, until it returned; one without completion until the history
    ends. Vacuous with fewer than `minimum` ok operations outside the excused intervals, invalid before vacuous.
    """
    operations = _chosen(record, datacenter, consistency, which)
    end = max((item.returned or item.invoke for item in record.operations), default=0)
    tally, errors = _tallied(operations, [_interval(record, item) for item in excused], end)
    outside = sum(count for name, count in tally.items() if name.endswith("outside"))
    good = tally["ok outside"]
    share = {"share ok outside": good / outside} if outside else {}
    if len(operations) > outside:
        share["share ok excused"] = tally["ok excused"] / (len(operations) - outside)
    return conclude(
        [_unserved(process, failed) for process, failed in sorted(errors.items())],
        (),
        good if good >= minimum else 0,
        (
            f"all {good} {consistency} operations from {datacenter} were served outside the excused intervals",
            f"{good} ok {consistency} operations from {datacenter}, at least {minimum} are needed",
        ),
        measured=outside - good,
        limit=0,
        unit="errors",
        formula="; ".join(f"excused: {item.get('why', 'no reason')}" for item in excused) or "no interval excused",
        counts={**tally, **share},
    )


@check("refused", ident="refused {consistency} in {window}")
def refused(
    record: Record,
    consistency: str,
    window: str,
    workload: str = "probe",
    datacenter: str | None = None,
    kinds: Sequence[str] | None = None,
) -> CheckResult:
    """No operation at `consistency` that lies wholly inside the proven fault is ok; time-outs count as refused.

    Inside means sent after the fault's `effective` and returned before its `recover`: detection decides only how
    fast a request is refused, so there is no settle time. Vacuous when nothing was attempted inside.
    """
    start, stop = record.moment([window, "effective"]), record.moment([window, "recover"])
    inside = [
        item
        for item in _chosen(record, datacenter, consistency, {"workload": workload, "kinds": kinds})
        if item.invoke > start and item.returned is not None and item.returned < stop
    ]
    findings = [_served_inside(item, window, start) for item in inside if item.outcome == "ok"]
    return conclude(
        findings,
        (),
        len(inside),
        (
            f"none of {len(inside)} {consistency} operations was ok",
            f"no {consistency} attempt inside {window}",
        ),
        measured=len(findings),
        limit=0,
        unit="operations",
        formula=f"sent after {window} took effect, returned before its recovery began",
        counts=dict(Counter(_answer(item) for item in inside)),
    )


@check("session_recovers", ident="the old session in {datacenter} recovers")
def session_recovers(
    record: Record,
    datacenter: str,
    since: Moment,
    limit: float,
    consistency: str = "LOCAL_QUORUM",
    **which: Unpack[Which],
) -> CheckResult:
    """Every client worker that was at work before `since` is served again within `limit` seconds, and stays served.

    Measured per worker: from `since` to the return of the first ok operation after its last failure. A failure that
    was sent after the limit is a finding.
    """
    start = record.moment(since)
    operations = _chosen(record, datacenter, consistency, which)
    old = sorted({worker(item.process) for item in operations if item.invoke < start and item.outcome == "ok"})
    settled = settle(_answers(operations, frozenset(old), start), start, limit, old)
    return conclude(
        settled.findings,
        settled.doubts,
        len(old),
        (f"{len(old)} old workers in {datacenter} were served again", f"no worker in {datacenter} before that moment"),
        measured=settled.slowest,
        limit=limit,
        unit="s",
        counts={**settled.counts(), "workers": len(old)},
    )


@dataclass(slots=True)
class _Lane:
    """What decides whether an operation is looked at."""

    datacenter: str | None
    consistency: str
    kinds: Sequence[str] = field(default_factory=tuple)

    def takes(self, operation: Operation) -> bool:
        return (
            operation.stage is None
            and (self.datacenter is None or operation.dc == self.datacenter)
            and (not self.kinds or operation.f in self.kinds)
            and at_level(operation, self.consistency)
        )


def _chosen(record: Record, datacenter: str | None, consistency: str, which: Which) -> list[Operation]:
    lane = _Lane(datacenter, consistency, which.get("kinds") or ())
    begin = record.warm
    return [item for item in record.of(which.get("workload", "probe")) if item.started >= begin and lane.takes(item)]


def _interval(record: Record, item: Excuse) -> tuple[int, int]:
    start = record.moment(item["from"])
    if "until" in item:
        return start, record.moment(item["until"]) + round(item.get("plus", 0.0) * SECOND)
    return start, start + round(item["seconds"] * SECOND)


def _tallied(
    operations: Iterable[Operation], excused: Sequence[tuple[int, int]], end: int
) -> tuple[Counter[str], dict[str, list[Operation]]]:
    """How many operations had which outcome in and outside the excused intervals; the errors outside by worker."""
    tally: Counter[str] = Counter()
    errors: defaultdict[str, list[Operation]] = defaultdict(list)
    for item in operations:
        last = end if item.returned is None else item.returned
        inside = any(item.started <= stop and last >= start for start, stop in excused)
        tally[f"{item.outcome} {'excused' if inside else 'outside'}"] += 1
        if not inside and item.outcome != "ok":
            errors[worker(item.process)].append(item)
    return tally, errors


def _answer(item: Operation) -> str:
    """The word for an outcome inside a cut: a read that timed out has failed, but nobody refused it."""
    if item.outcome == "ok":
        return "ok"
    timed_out = "time" in str((item.error or ("",))[0]).lower()
    return "timed out" if timed_out or item.outcome == "info" else "refused"


def _served_inside(item: Operation, window: str, start: int) -> Finding:
    after = (item.invoke - start) / SECOND
    detail = (
        f"{item.process} in {item.dc} had a {item.cl} {item.f} served inside {window}, {after:.1f} s after its effect"
    )
    return Finding("served-in-cut", item.process, detail, item.invoke, (item.as_json(),))


def _unserved(process: str, failed: Sequence[Operation]) -> Finding:
    first = failed[0]
    error = " ".join(str(word) for word in first.error or ("no answer recorded",))
    detail = (
        f"{process}: {len(failed)} {first.cl} operation(s) not served outside the excused intervals; "
        f"first, a {first.f}: {first.outcome}, {error}"
    )
    return Finding("not-served", process, detail, first.invoke, tuple(item.as_json() for item in failed[:_PROOF]))


def _answers(operations: Iterable[Operation], old: frozenset[str], since: int) -> Iterable[Sample]:
    for item in operations:
        name = worker(item.process)
        if item.invoke <= since or name not in old:
            continue
        if item.outcome == "ok" and item.returned is not None:
            yield Sample(name, item.returned)
        else:
            yield Sample(name, item.invoke, ("not-recovered", f"a {item.cl} {item.f} was not served"))
