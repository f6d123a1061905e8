"""The append log of lightweight transactions: linearizability in linear time, because the order is visible.

Each append moves one key's log from version v - 1 to v, each read and each lost race shows one version. So a
history is linearizable exactly if (a) the versions and ids that were seen fit one log, and (b) times T(1) <= T(2)
<= ... exist, T(v) inside the interval of the append of v, with every operation that saw version h touching
[T(h), T(h + 1)]. Equal stamps are concurrent. (b) is decided by one sweep over lower and upper bounds.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from scenarios.checks.levels import SERIAL_LEVELS
from scenarios.checks.registry import check, conclude
from scenarios.history import Operation
from scenarios.record import Record
from scenarios.verdict import CheckResult, Finding


@check("append_log", ident="the {workload} is one linearizable order per key")
def append_log(record: Record, workload: str = "log") -> CheckResult:
    """Every key's log is linearizable: one order of appends, and every operation fits into it in real time.

    Judged are appends and the reads at SERIAL or LOCAL_SERIAL; other reads may miss a decided append and are only
    counted. An indeterminate append may be in the log or not, at any time after its invoke. Each finding carries the
    one or two operations that contradict the rule.
    """
    logs: defaultdict[int | None, _Log] = defaultdict(_Log)
    others = 0
    for operation in record.of(workload):
        if operation.f == "append":
            logs[operation.key].appends.append(operation)
        elif operation.f == "read" and operation.outcome == "ok":
            if operation.cl in SERIAL_LEVELS:
                logs[operation.key].reads.append(operation)
            else:
                others += 1
    findings = [finding for key in sorted(logs, key=str) for finding in logs[key].judge()]
    acked = sum(len(log.acked) for log in logs.values())
    reads = sum(len(log.reads) for log in logs.values())
    return conclude(
        findings,
        (),
        min(acked, reads),
        (
            f"{acked} appends and {reads} reads over {len(logs)} keys fit one order each",
            f"{acked} acknowledged appends and {reads} serial reads: nothing to compare",
        ),
        measured=len(findings),
        limit=0,
        unit="contradictions",
        counts={
            "acked": acked,
            "reads": reads,
            "other reads": others,
            "lost races": sum(len(log.races) for log in logs.values()),
            "indeterminate": sum(sum(item.outcome == "info" for item in log.appends) for log in logs.values()),
        },
    )


@dataclass(frozen=True, slots=True)
class _Bound:
    """A limit for T(v) and the operation that sets it."""

    time: int
    source: Operation


@dataclass(slots=True)
class _Log:
    """One key: its appends and serial reads, then what they say about the one log."""

    appends: list[Operation] = field(default_factory=list)
    reads: list[Operation] = field(default_factory=list)
    acked: dict[int, Operation] = field(default_factory=dict)
    races: list[tuple[int, Operation]] = field(default_factory=list)
    order: dict[int, int] = field(default_factory=dict)

    def judge(self) -> list[Finding]:
        """The contradictions of this key; times are only judged when the versions fit one log."""
        by_id = {item.value: item for item in self.appends}
        findings = [*self._claim(), *self._prefixes(), *self._acked_elsewhere()]
        findings += [finding for read in self._longest() for finding in _impossible(read, by_id)]
        return findings or self._real_time(by_id)

    def _claim(self) -> Iterable[Finding]:
        for item in self.appends:
            if item.outcome != "ok":
                continue
            if not item.out["applied"]:
                self.races.append((int(item.out["head"] or 0), item))
            elif (other := self.acked.setdefault(int(item.out["version"]), item)) is not item:
                detail = (
                    f"{other.process} and {item.process} were both told that they appended version "
                    f"{item.out['version']} of key {item.key}"
                )
                yield _finding("two-winners", detail, other, item)

    def _longest(self) -> list[Operation]:
        return [max(self.reads, key=lambda read: len(read.out))] if self.reads else []

    def _prefixes(self) -> Iterable[Finding]:
        """Every read is 1, 2, 3, ... and a prefix of the longest read."""
        for longest in self._longest():
            self.order = dict(longest.out)
            yield from _gaps(longest)
            for read in self.reads:
                if read.out != longest.out[: len(read.out)]:
                    at = next(place for place, row in enumerate(read.out) if row != longest.out[place])
                    detail = (
                        f"{read.process} read {_row(read.out[at])} where {longest.process} read "
                        f"{_row(longest.out[at])}, key {read.key}"
                    )
                    yield _finding("fork", detail, longest, read)

    def _acked_elsewhere(self) -> Iterable[Finding]:
        """What was acknowledged as version v is what the reads show there."""
        for version, item in self.acked.items():
            shown = self.order.get(version, item.value)
            if shown != item.value:
                detail = (
                    f"{item.process} was told version {version} of key {item.key} for {item.value}, reads show {shown}"
                )
                yield _finding("fork", detail, item, *self._longest())

    def _real_time(self, by_id: dict[int, Operation]) -> list[Finding]:
        """One sweep: the running lower bound of T(v) against the upper bound of each v."""
        seen = [(len(read.out), read) for read in self.reads] + self.races
        lower, upper = _seen_bounds(seen)
        owners = {version: by_id[value] for version, value in self.order.items()} | self.acked
        last = max([0, *owners, *upper])
        guests = self._unclaimed({owner.value for owner in owners.values()})
        findings: list[Finding] = []
        floor: _Bound | None = None
        for version in range(1, last + 1):
            ceiling = upper.get(version)
            owner = owners.get(version) or next(guests, None)
            if owner is None:
                proof = _witness(version, seen, owners)
                detail = f"{proof.process} shows that version {version} of key {proof.key} exists, no append made it"
                return [*findings, _finding("unwritten", detail, proof)]
            floor = _later(floor, lower.get(version - 1), _Bound(owner.invoke, owner))
            if owner.returned is not None and owner.outcome == "ok" and (not ceiling or owner.returned < ceiling.time):
                ceiling = _Bound(owner.returned, owner)
            if ceiling and floor.time > ceiling.time:
                findings.append(_inverted(version, floor.source, ceiling.source))
        return findings

    def _unclaimed(self, claimed: set[int]) -> Iterator[Operation]:
        """Indeterminate appends that no read has shown, earliest first: each may have made one unseen version."""
        return iter([item for item in self.appends if item.outcome == "info" and item.value not in claimed])


def _gaps(read: Operation) -> Iterable[Finding]:
    versions = [row[0] for row in read.out]
    if versions != list(range(1, len(versions) + 1)):
        wrong = next((place + 1 for place, version in enumerate(versions) if version != place + 1), 0)
        detail = f"{read.process} read key {read.key} with version {versions[wrong - 1]} where {wrong} belongs"
        yield _finding("gap", detail, read)
    if len({row[1] for row in read.out}) != len(versions):
        ids = [row[1] for row in read.out]
        twice = next(value for place, value in enumerate(ids) if value in ids[:place])
        yield _finding("duplicate", f"{read.process} read {twice} twice in key {read.key}", read)


def _impossible(read: Operation, by_id: dict[int, Operation]) -> Iterable[Finding]:
    for version, value in read.out:
        item = by_id.get(value)
        if item is None:
            yield _finding("garbage", f"{read.process} read {value} as version {version}, which nobody appended", read)
        elif item.outcome == "fail" or (item.outcome == "ok" and not item.out["applied"]):
            why = "certainly failed" if item.outcome == "fail" else "lost its race"
            detail = f"{read.process} read {value} as version {version} of key {read.key}, whose append {why}"
            yield _finding("failed-visible", detail, item, read)
        elif item.outcome == "ok" and item.out["version"] != version:
            detail = f"{item.process} was told version {item.out['version']} for {value}, reads show it as {version}"
            yield _finding("fork", detail, item, read)


def _seen_bounds(seen: Iterable[tuple[int, Operation]]) -> tuple[dict[int, _Bound], dict[int, _Bound]]:
    """By version: the latest invoke (T(h + 1) comes after it) and the earliest return (T(h) comes before it)."""
    lower: dict[int, _Bound] = {}
    upper: dict[int, _Bound] = {}
    for version, item in seen:
        if version not in lower or item.invoke > lower[version].time:
            lower[version] = _Bound(item.invoke, item)
        if item.returned is not None and (version not in upper or item.returned < upper[version].time):
            upper[version] = _Bound(item.returned, item)
    return lower, upper


def _witness(version: int, seen: Iterable[tuple[int, Operation]], owners: dict[int, Operation]) -> Operation:
    """The first operation that shows that `version` exists."""
    shown = [item for found, item in seen if found >= version]
    return min(shown or [item for found, item in owners.items() if found > version], key=lambda item: item.invoke)


def _later(first: _Bound | None, *others: _Bound | None) -> _Bound:
    bounds = [bound for bound in (first, *others) if bound is not None]
    return max(bounds, key=lambda bound: bound.time)


def _is_append(item: Operation) -> bool:
    return item.f == "append" and not (item.outcome == "ok" and not item.out["applied"])


def _inverted(version: int, late: Operation, early: Operation) -> Finding:
    """`late` began after `early` ended, but must come before version `version` exists, and `early` after it."""
    anomaly, words = {
        (False, True): ("lost-append", "did not show an append that was acknowledged before"),
        (False, False): ("stale-read", "saw less than an operation that ended before"),
        (True, True): ("reordered", "was appended below one that was acknowledged before it began"),
        (True, False): ("future-read", "began after somebody had seen it"),
    }[_is_append(late), _is_append(early)]
    detail = f"{late.process}, {late.f} of key {late.key}, {words} ({early.process}, {early.f}); version {version}"
    proof = (late, early) if anomaly == "future-read" else (early, late)
    return _finding(anomaly, detail, *proof)


def _row(row: Sequence[int]) -> str:
    return f"{row[1]} as version {row[0]}"


def _finding(anomaly: str, detail: str, *operations: Operation) -> Finding:
    culprit = operations[-1]
    return Finding(anomaly, culprit.process, detail, culprit.invoke, tuple(_short(item) for item in operations))


def _short(item: Operation) -> dict[str, object]:
    """The operation; of a long read only the size and the last rows."""
    told = item.as_json()
    if isinstance(item.out, list) and len(item.out) > 5:
        told["out"] = {"versions": len(item.out), "last": item.out[-5:]}
    return told
