"""Who is served, and when: outside excused intervals, refused inside a cut, as the token map says, and old sessions."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from typing import TypedDict, Unpack

from scenarios.checks.levels import at_level
from scenarios.checks.registry import check, conclude, listed
from scenarios.checks.settling import Sample, settle
from scenarios.checks.table import expected_service, serving_level
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


class Asked(Which, total=False):
    """As Which, and how many operations of each lane must be judged for the check to say anything (1 by default)."""

    minimum: int


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
    operations = chosen(record, datacenter, consistency, which)
    end = max((item.ended for item in record.operations), default=0)
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
        for item in chosen(record, datacenter, consistency, {"workload": workload, "kinds": kinds})
        if _wholly_inside(item, start, stop)
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


@check("service_as_expected", ident="service in {window} is what the token map allows")
def service_as_expected(
    record: Record,
    window: str,
    away: Collection[str] = (),
    cut: Sequence[Collection[str]] = (),
    excused: Sequence[Excuse] = (),
    **asked: Unpack[Asked],
) -> CheckResult:
    """Inside the proven fault every operation is served where its key has enough replicas left, and nowhere else.

    `away` are the host_ids that the fault silences, `cut` the pairs of datacenters that it parts; table.py tells, per
    key, what that leaves. Where service is left, what was due from `effective` until before `recover` is ok unless it
    was open in an excused interval (as in `served`); where none is left, nothing that lies wholly inside is ok (as in
    `refused`). Vacuous when a lane (datacenter, level, left or not) that the history has was not judged inside;
    unknown when the replicas of a key or what a level needs cannot be reckoned.
    """
    span = record.moment([window, "effective"]), record.moment([window, "recover"])
    end = max((item.ended for item in record.operations), default=0)
    sorted_out = _Sorted(span, [_interval(record, item) for item in excused], end)
    keys = sorted_out.take_all(record, chosen(record, None, None, asked), away, cut)
    findings = [_unserved(process, failed) for (process, _), failed in sorted(sorted_out.unserved.items())]
    findings += [_served_inside(item, window, span[0]) for item in sorted_out.served_in_cut]
    silent = sorted_out.silent(asked.get("minimum", 1))
    return conclude(
        findings,
        [f"nothing is known of {text}" for text in sorted(sorted_out.doubts)],
        0 if silent else len(sorted_out.lanes),
        (
            f"{sum(sorted_out.lanes.values())} operations in {len(sorted_out.lanes)} lanes went as the token map says",
            f"too few operations inside {window} at {listed(silent)}" if silent else f"no {window} traffic at all",
        ),
        measured=len(findings),
        limit=0,
        unit="findings",
        formula="; ".join(f"excused: {item.get('why', 'no reason')}" for item in excused) or "no interval excused",
        counts={**sorted_out.tally, "keys": keys, "lanes": len(sorted_out.lanes)},
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
    operations = chosen(record, datacenter, consistency, which)
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
    consistency: str | None
    kinds: Sequence[str] = field(default_factory=tuple)

    def takes(self, operation: Operation) -> bool:
        return (
            operation.stage is None
            and (self.datacenter is None or operation.dc == self.datacenter)
            and (not self.kinds or operation.f in self.kinds)
            and (self.consistency is None or at_level(operation, self.consistency))
        )


def chosen(record: Record, datacenter: str | None, consistency: str | None, which: Which) -> list[Operation]:
    """The operations that service is judged by: of this datacenter and level (None: of all), from a warm ring on."""
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


@dataclass(slots=True)
class _Sorted:
    """The operations of a fault, sorted by what the service table says of each.

    `lanes` counts, for each (datacenter, level, left or not) of the whole history, what was judged inside the fault.
    """

    span: tuple[int, int]
    excused: Sequence[tuple[int, int]]
    end: int
    lanes: Counter[tuple[str, str, bool]] = field(default_factory=Counter)
    tally: Counter[str] = field(default_factory=Counter)
    unserved: defaultdict[tuple[str, str], list[Operation]] = field(default_factory=lambda: defaultdict(list))
    served_in_cut: list[Operation] = field(default_factory=list)
    doubts: set[str] = field(default_factory=set)

    def take_all(
        self, record: Record, operations: Iterable[Operation], away: Collection[str], cut: Sequence[Collection[str]]
    ) -> int:
        """Sort all operations in by the table of each key; how many keys there were."""
        tables: dict[int | None, dict[tuple[str, str], bool]] = {}
        for item in operations:
            if item.key not in tables:
                tables[item.key] = {} if item.key is None else expected_service(record.facts, item.key, away, cut)
            self.take(item, tables[item.key].get((item.dc, serving_level(item))))
        return len(tables)

    def take(self, item: Operation, left: bool | None) -> None:
        """Sort one operation in; `left` is whether its key has enough replicas, None when that is not known."""
        level = serving_level(item)
        if left is None:
            self.doubts.add(f"{level} from {item.dc} for key {item.key}")
            return
        judged = self._must_be_served(item) if left else self._must_be_refused(item)
        self.lanes[item.dc, level, left] += judged
        if judged:
            self.tally[f"{item.outcome} {'where served' if left else 'where refused'}"] += 1

    def silent(self, minimum: int) -> list[str]:
        """The lanes of which fewer than `minimum` operations were judged."""
        few = [lane for lane, count in self.lanes.items() if count < minimum]
        return [f"{level} from {dc} ({'served' if left else 'refused'})" for dc, level, left in sorted(few)]

    def _must_be_served(self, item: Operation) -> bool:
        start, stop = self.span
        last = self.end if item.returned is None else item.returned
        if not start <= item.started < stop or any(item.started <= to and last >= since for since, to in self.excused):
            return False
        if item.outcome != "ok":
            self.unserved[worker(item.process), serving_level(item)].append(item)
        return True

    def _must_be_refused(self, item: Operation) -> bool:
        inside = _wholly_inside(item, *self.span)
        if inside and item.outcome == "ok":
            self.served_in_cut.append(item)
        return inside


def _wholly_inside(item: Operation, start: int, stop: int) -> bool:
    """Whether the operation was sent after a fault took effect and returned before its recovery began."""
    return item.invoke > start and item.returned is not None and item.returned < stop


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
