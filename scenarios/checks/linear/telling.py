"""How a contradiction is told: one sentence, whose operation it is, and the few operations that prove it."""

from __future__ import annotations

from collections.abc import Hashable, Iterable

from scenarios.history import Operation
from scenarios.verdict import Finding


def finding(anomaly: str, detail: str, culprit: Operation, proof: Iterable[Operation]) -> Finding:
    """A finding about `culprit`; the operations are told by invoke time."""
    ordered = sorted(proof, key=lambda item: (item.invoke, item.process, item.op))
    return Finding(anomaly, culprit.process, detail, culprit.invoke, tuple(item.as_json() for item in ordered))


def words(value: Hashable) -> str:
    """A value for a sentence."""
    return "no row" if value is None else str(value)


def unwritten(reader: Operation, value: Hashable, failed: Operation | None) -> Finding:
    """A read of a value that no operation can have left; `failed` is an operation that tried."""
    saw = f"{reader.process} saw {words(value)} in key {reader.key}"
    if failed is None:
        return finding("garbage", f"{saw}, which nobody wrote", reader, [reader])
    why = "whose write certainly failed" if failed.outcome == "fail" else "whose write was told that it had not applied"
    proof = [reader] if failed is reader else [failed, reader]
    return finding("failed-visible", f"{saw}, {why}", reader, proof)


def future_read(reader: Operation, value: Hashable, write: Operation) -> Finding:
    """A read that ended before the first write of its value was sent."""
    detail = f"{reader.process} saw {words(value)} in key {reader.key} before {write.process} sent it"
    return finding("future-read", detail, reader, [reader, write])
