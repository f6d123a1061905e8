"""The append log of lightweight transactions: linearizability in linear time, because the order is visible.

Each append moves one key's log from version v - 1 to v, each read and each lost race shows one version. So a
history is linearizable exactly if (a) the versions and ids that were seen fit one log, and (b) times T(1) <= T(2)
<= ... exist, T(v) inside the interval of the append of v, with every operation that saw version h touching
[T(h), T(h + 1)]. Equal stamps are concurrent. (b) is decided by one sweep over lower and upper bounds.
"""

from __future__ import annotations

import sys
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
    one or two operations that contradict the rule. `concurrent keys` counts those that had two operations at once: what
    never overlapped proves little about an order.
    """
    logs, others = _logs(record.of(workload))
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
            "keys": len(logs),
            "concurrent keys": sum(log.concurrent for log in logs.values()),
        },
    )


def _logs(operations: Iterable[Operation]) -> tuple[dict[int | None, _Log], int]:
    """The appends and serial reads of each key, and how many reads were at other levels."""
    logs: dict[int | None, _Log] = {}
    others = 0
    for operation in operations:
        log = logs.get(operation.key)
        if log is None:
            log = logs[operation.key] = _Log()
        if operation.f == "append":
            log.appends.append(operation)
        elif operation.f == "read" and operation.outcome == "ok":
            if operation.cl not in SERIAL_LEVELS:
                others += 1
                continue
            log.reads.append(operation)
        else:
            continue
        log.concurrent |= operation.invoke <= log.until
        log.until = max(log.until, operation.ended)
    return {key: log for key, log in logs.items() if log.appends or log.reads}, others


@dataclass(slots=True)
class _Log:
    """One key: its appends and serial reads, then what they say about the one log."""

    appends: list[Operation] = field(default_factory=list)
    reads: list[Operation] = field(default_factory=list)
    acked: dict[int, Operation] = field(default_factory=dict)
    races: list[tuple[int, Operation]] = field(default_factory=list)
    order: dict[int, int] = field(default_factory=dict)
    until: int = -1
    concurrent: bool = False

    def judge(self) -> list[Finding]:
        """The contradictions of this key; times are only judged when the versions fit one log."""
        by_id = {item.value: item for item in self.appends}
        findings = [*self._claim(), *self._prefixes(), *self._acked_elsewhere()]
        findings += [finding for read in self._longest() for finding in _impossible(read, by_id, self.acked)]
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
        order = self.order
        for version, item in self.acked.items():
            if order.get(version, item.value) != item.value:
                detail = (
                    f"{item.process} was told version {version} of key {item.key} for {item.value}, "
                    f"reads show {order[version]}"
                )
                yield _finding("fork", detail, item, *self._longest())

    def _real_time(self, by_id: dict[int, Operation]) -> list[Finding]:
        """One sweep: the running lower bound of T(v) against the upper bound of each v."""
        seen = [(len(read.out), read) for read in self.reads] + self.races
        lower, upper = _seen_bounds(seen)
        acked, order = self.acked, self.order
        guests = self._unclaimed()
        findings: list[Finding] = []
        floor: Operation | None = None
        for version in range(1, max([0, *order, *acked, *upper]) + 1):
            owner = acked.get(version)
            if owner is None:
                owner = by_id[order[version]] if version in order else next(guests, None)
            if owner is None:
                proof = _witness(version, seen, acked)
                detail = f"{proof.process} shows that version {version} of key {proof.key} exists, no append made it"
                return [*findings, _finding("unwritten", detail, proof)]
            before = lower.get(version - 1)
            if before is not None and (floor is None or before.invoke > floor.invoke):
                floor = before
            if floor is None or owner.invoke > floor.invoke:
                floor = owner
            ceiling = upper.get(version)
            if owner.outcome == "ok" and (ceiling is None or _end(owner) < _end(ceiling)):
                ceiling = owner
            if ceiling is not None and floor.invoke > _end(ceiling):
                findings.append(_inverted(version, floor, ceiling))
        return findings

    def _unclaimed(self) -> Iterator[Operation]:
        """Indeterminate appends that no read has shown, earliest first: each may have made one unseen version."""
        claimed = set(self.order.values())
        yield from (item for item in self.appends if item.outcome == "info" and item.value not in claimed)


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


def _impossible(read: Operation, by_id: dict[int, Operation], acked: dict[int, Operation]) -> Iterable[Finding]:
    for version, value in read.out:
        item = by_id.get(value)
        if item is not None and acked.get(version) is item:
            continue
        if item is None:
            yield _finding("garbage", f"{read.process} read {value} as version {version}, which nobody appended", read)
        elif item.outcome == "fail" or (item.outcome == "ok" and not item.out["applied"]):
            why = "certainly failed" if item.outcome == "fail" else "lost its race"
            detail = f"{read.process} read {value} as version {version} of key {read.key}, whose append {why}"
            yield _finding("failed-visible", detail, item, read)
        elif item.outcome == "ok" and item.out["version"] != version:
            detail = f"{item.process} was told version {item.out['version']} for {value}, reads show it as {version}"
            yield _finding("fork", detail, item, read)


def _seen_bounds(seen: Iterable[tuple[int, Operation]]) -> tuple[dict[int, Operation], dict[int, Operation]]:
    """By version: who began last (T(h + 1) comes after that) and who ended first (T(h) comes before that)."""
    lower: dict[int, Operation] = {}
    upper: dict[int, Operation] = {}
    for version, item in seen:
        if version not in lower:
            lower[version] = upper[version] = item
            continue
        if item.invoke > lower[version].invoke:
            lower[version] = item
        if _end(item) < _end(upper[version]):
            upper[version] = item
    return lower, upper


def _end(item: Operation) -> int:
    """When an answered operation ended; one whose end was not recorded never did."""
    return sys.maxsize if item.returned is None else item.returned


def _witness(version: int, seen: Iterable[tuple[int, Operation]], acked: dict[int, Operation]) -> Operation:
    """The first operation that shows that `version` exists."""
    shown = [item for found, item in seen if found >= version]
    return min(shown or [item for found, item in acked.items() if found > version], key=lambda item: item.invoke)


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
