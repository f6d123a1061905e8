"""Gates: whether the history has enough in it for a verdict to mean something.

A gate is a named figure beside its floor or ceiling; it never changes a verdict. What was not observed at all makes the
check that needs it vacuous or unknown, in the check itself. A gate that cannot be reckoned does not pass: it says why.
"""

from __future__ import annotations

import itertools
import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from scenarios.checks.levels import NODE_LOCAL
from scenarios.checks.linear import CONCURRENT_SHARE, concurrent
from scenarios.history import Operation
from scenarios.record import Moment, MomentMissing, Record

FLOOR = 10
"""Ok operations of a workload before, during and after each fault: a third of what the slowest declared workload
(the log, 4 per second in each of two datacenters) sends in the shortest phase (4 s)."""
INFO_SHARE_LIMIT = 0.3
"""Above this share of indeterminate operations a workload's history says little (etcd's and Jepsen's rule of thumb)."""
CONTENDED = ("log", "cas")
"""Workloads whose checks rest on operations that meet on one key."""
STABLE = ("ledger",)
"""Workloads of elements that must come to stay."""
_NO_WORKLOADS = frozenset(("warm-up", "final"))
"""Names under which clients count questions that belong to no workload (scenarios.workloads.warming, finals)."""
_WITHOUT_CONTENT = frozenset(("probe",))

Gate = dict[str, Any]


def gates(record: Record) -> tuple[Gate, ...]:
    """All gates of a record, per workload that was declared or that has operations; none without any workload.

    A scenario that has a ring but neither operations nor declared workloads gets one gate, which does not pass. So does
    a record that was read from files with a torn last line.
    """
    workloads = declared(record)
    torn = record.notes
    whole = (_row("torn files", "record", len(torn), 0, ceiling=True, why="; ".join(torn)),) if torn else ()
    if not workloads:
        loaded = "workloads" not in record.facts and record.facts.get("replication")
        why = "no operation was recorded and no workload is known to have been declared"
        return (*((_row("recorded traffic", "history", 0, 1, why=why),) if loaded else ()), *whole)
    return (
        *(_row("indeterminate share", *figure, ceiling=True) for figure in _info_shares(record, workloads)),
        *itertools.chain.from_iterable(_around_faults(record, workload) for workload in workloads),
        *(_concurrent(workload, record.of(workload)) for workload in CONTENDED if workload in workloads),
        *(_final_reads(record) if set(workloads) - _WITHOUT_CONTENT else ()),
        *(_stable(workload, record.of(workload)) for workload in STABLE if workload in workloads),
        *whole,
    )


def declared(record: Record) -> list[str]:
    """The workloads of a scenario by name: of the facts (`workloads`), `load` events and history."""
    told = record.facts.get("workloads", ())
    names = {str(item["workload"]) if isinstance(item, dict) else str(item) for item in told}
    for event in record.events:
        if event.get("event") == "load":
            names.update(name for counts in event["counts"].values() for name in counts or ())
    names -= _NO_WORKLOADS
    return sorted(names | {item.workload for item in record.operations})


def _row(
    gate: str, subject: str, measured: float | None, limit: float, *, ceiling: bool = False, why: str | None = None
) -> Gate:
    """A gate: a floor, or with `ceiling` the most that is allowed; one with nothing measured has not passed."""
    passed = measured is not None and (measured <= limit if ceiling else measured >= limit)
    told = {"gate": gate, "subject": subject, "measured": measured, "limit": limit, "passed": passed}
    return told if why is None else {**told, "why": why}


def _info_shares(record: Record, workloads: Sequence[str]) -> Iterator[tuple[str, float | None, float]]:
    for workload in workloads:
        outcomes = Counter(item.outcome for item in record.of(workload))
        yield workload, (outcomes["info"] / outcomes.total() if outcomes else None), INFO_SHARE_LIMIT


def _around_faults(record: Record, workload: str) -> Iterator[Gate]:
    """Ok operations before the first fault, inside each and after the last; over all when no fault was declared."""
    warm = record.warm
    served = [item for item in record.of(workload) if item.outcome == "ok" and item.stage is None]
    served = [item for item in served if item.started >= warm]
    names = list(dict.fromkeys([*record.facts.get("faults", ()), *record.windows]))
    if not names:
        yield _row("ok operations", workload, len(served), FLOOR)
    for when, subject, starts, stops in _stretches(workload, names):
        gate = f"ok operations {when}"
        try:
            start = max(map(record.moment, starts), default=-math.inf)
            stop = min(map(record.moment, stops), default=math.inf)
        except MomentMissing as missing:
            yield _row(gate, subject, None, FLOOR, why=str(missing))
            continue
        inside = [item for item in served if item.invoke > start and item.returned is not None and item.returned < stop]
        yield _row(gate, subject, len(inside), FLOOR)


def _stretches(workload: str, faults: Sequence[str]) -> Iterator[tuple[str, str, list[Moment], list[Moment]]]:
    """(before, during or after; subject; what it begins after; what it ends before) around all faults."""
    if faults:
        yield "before", workload, [], [[name, "inject"] for name in faults]
        for name in faults:
            yield "during", f"{workload} in {name}", [[name, "effective"]], [[name, "recover"]]
        yield "after", workload, [[name, "recovered"] for name in faults], []


def _concurrent(workload: str, operations: Iterable[Operation]) -> Gate:
    by_key: defaultdict[int | None, list[Operation]] = defaultdict(list)
    for item in operations:
        if item.stage is None and item.outcome != "fail":
            by_key[item.key].append(item)
    if not by_key:
        why = f"no {workload} operation was recorded"
        return _row("keys with concurrent operations", workload, None, CONCURRENT_SHARE, why=why)
    met = sum(len(group) for group in by_key.values() if concurrent(group))
    share = met / sum(map(len, by_key.values()))
    return _row("keys with concurrent operations", workload, share, CONCURRENT_SHARE)


def _final_reads(record: Record) -> Iterator[Gate]:
    """At least one final read in each datacenter, sent after every fault was healed."""
    gate, datacenters = "final reads after heal", record.facts.get("datacenters", ())
    if not datacenters:
        yield _row(gate, "ring", None, 1, why="scenario.json names no datacenters")
        return
    try:
        healed = max((record.moment([name, "recovered"]) for name in record.facts.get("faults", ())), default=-math.inf)
    except MomentMissing as missing:
        yield from (_row(gate, name, None, 1, why=str(missing)) for name in datacenters)
        return
    final = [item for item in record.operations if item.stage == "final" and item.f == "read" and item.invoke > healed]
    reads = Counter(item.dc for item in final if item.outcome == "ok" and item.cl != NODE_LOCAL)
    yield from (_row(gate, name, reads[name], 1) for name in datacenters)


def _stable(workload: str, operations: Sequence[Operation]) -> Gate:
    """Acknowledged elements that are in the last ok read of their bucket; reads of one replica alone do not count."""
    last: dict[int | None, Operation] = {}
    for item in operations:
        if item.f == "read" and item.outcome == "ok" and item.cl != NODE_LOCAL:
            last[item.key] = item
    if not last:
        return _row("stable elements", workload, None, 1, why=f"no {workload} read was ok")
    shown = {key: frozenset(read.out or ()) for key, read in last.items()}
    acked = [item for item in operations if item.f == "write" and item.outcome == "ok"]
    return _row("stable elements", workload, sum(item.value in shown.get(item.key, ()) for item in acked), 1)
