"""Whether the machine itself kept the clients waiting: then nothing that rests on time can be concluded.

A client sends each operation when it is due; how late it was sent does not depend on the ring, only on the processor
time that the client got. What a starved machine makes late says nothing of the database.
"""

from __future__ import annotations

from dataclasses import replace

from scenarios.record import Record
from scenarios.verdict import CheckResult, Verdict

LATE_NS = 100_000_000
"""One bucket of the availability tracks."""
LATE_SHARE = 0.01
"""Measured on two cores with six hosts: 0.1 % late when nothing else runs, 6 % with a load of 30 beside it."""
FEWEST = 100
"""Operations below which a share says nothing."""
ON_TIME = frozenset(
    ("served", "availability", "service_as_expected", "session_recovers", "resolves",
     "ring_views", "all_alive", "hints_drained", "one_schema", "completed",
     "outcomes", "silence_noticed", "pods_kept")
)  # fmt: skip
"""Checks whose finding may be a matter of time alone; what is lost, stale or served in a cut is not among them."""
NEVER_LATE = frozenset(
    (
        "served-in-cut",
        "split-ring",
        "duplicate-host",
        "duplicate-address",
        "unknown-host",
        "wrong-rack",
        "evicted-early",
    )
)
"""Anomalies of those checks that no lack of processor time can make."""


def starved(record: Record) -> str | None:
    """None, or the sentence that says how late the clients were sent."""
    delays = [
        operation.invoke - operation.due
        for operation in record.operations
        if operation.due is not None and operation.stage is None and operation.invoke >= record.warm
    ]
    if len(delays) < FEWEST:
        return None
    late = sum(delay > LATE_NS for delay in delays) / len(delays)
    if late <= LATE_SHARE:
        return None
    return f"the machine was starved: {late:.1%} of the operations were sent over 0.1 s late, limit {LATE_SHARE:.0%}"


def excused(results: tuple[CheckResult, ...], record: Record) -> tuple[CheckResult, ...]:
    """The results, with findings that may be the machine's turned into `unknown` where it was starved."""
    why = starved(record)
    if why is None:
        return results
    return tuple(
        replace(result, verdict=Verdict.UNKNOWN, explain=f"{why}; otherwise: {result.explain}")
        if result.check in ON_TIME and result.verdict is Verdict.INVALID and not _certain(result)
        else result
        for result in results
    )


def _certain(result: CheckResult) -> bool:
    return any(finding.anomaly in NEVER_LATE for finding in result.findings)
