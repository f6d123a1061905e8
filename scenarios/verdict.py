"""Verdicts and how they are written: four values, one merge order, one canonical form.

Everything here is plain data. `canonical` gives the same bytes for the same verdict on every machine.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class Verdict(StrEnum):
    """The value of a judgement; only `VALID` passes."""

    VALID = "valid"
    INVALID = "invalid"
    UNKNOWN = "unknown"
    VACUOUS = "vacuous"


_WORST_FIRST = (Verdict.INVALID, Verdict.UNKNOWN, Verdict.VACUOUS, Verdict.VALID)
_DIGITS = 3


def merge(verdicts: Iterable[Verdict]) -> Verdict:
    """The worst of `verdicts`: invalid > unknown > vacuous > valid; vacuous when there are none."""
    seen = set(verdicts)
    return next((verdict for verdict in _WORST_FIRST if verdict in seen), Verdict.VACUOUS)


def plain(value: Any) -> Any:
    """`value` as JSON data: floats rounded to 3 digits, no NaN or infinity (null instead), tuples as lists."""
    if isinstance(value, float):
        return round(value, _DIGITS) if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if isinstance(value, StrEnum):
        return value.value
    return value


def canonical(value: Any) -> bytes:
    """`value` as UTF-8 JSON with sorted keys and a final newline; equal data gives equal bytes."""
    text = json.dumps(plain(value), sort_keys=True, indent=1, ensure_ascii=False, allow_nan=False)
    return text.encode() + b"\n"


@dataclass(frozen=True, slots=True)
class Finding:
    """One counterexample: which rule broke, whose operation or view broke it, when, and the operations that prove it.

    `at` is CLOCK_MONOTONIC nanoseconds, or None when the finding has no single time.
    """

    anomaly: str
    who: str
    detail: str
    at: int | None = None
    operations: tuple[Mapping[str, Any], ...] = ()

    def as_json(self) -> dict[str, Any]:
        """The finding as `docs/formats.md` writes it."""
        return {
            "anomaly": self.anomaly,
            "who": self.who,
            "detail": self.detail,
            "at": self.at,
            "operations": list(self.operations),
        }


@dataclass(frozen=True, slots=True)
class CheckResult:
    """What one check found: a verdict, one sentence, the measured value beside its limit, and the findings."""

    check: str
    id: str
    version: int
    verdict: Verdict
    explain: str
    measured: float | None = None
    limit: float | None = None
    unit: str | None = None
    formula: str | None = None
    counts: Mapping[str, float] = field(default_factory=dict)
    findings: tuple[Finding, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """The result as `docs/formats.md` writes it."""
        return {
            "check": self.check,
            "id": self.id,
            "version": self.version,
            "verdict": self.verdict.value,
            "explain": self.explain,
            "measured": self.measured,
            "limit": self.limit,
            "unit": self.unit,
            "formula": self.formula,
            "counts": dict(self.counts),
            "findings": [finding.as_json() for finding in self.findings],
        }


@dataclass(frozen=True, slots=True)
class Reasoned:
    """A verdict with the sentence that explains it."""

    verdict: Verdict
    explain: str


@dataclass(frozen=True, slots=True)
class ScenarioVerdict:
    """The judgement of one scenario folder: system, evidence and clean-up apart, and merged.

    `facts` are the facts that the verdict repeats (scenario, id, variant, topology, promise). `gates` are named
    quality figures of the history that never change the verdict; `seconds` is the span of the recorded events.
    """

    facts: Mapping[str, Any]
    system: Reasoned
    evidence: Reasoned
    cleanup: Reasoned
    windows: tuple[Mapping[str, Any], ...] = ()
    checks: tuple[CheckResult, ...] = ()
    gates: tuple[Mapping[str, Any], ...] = ()
    nested: Mapping[str, ScenarioVerdict] = field(default_factory=dict)
    seconds: float | None = None

    @property
    def verdict(self) -> Verdict:
        """System, evidence and clean-up merged; nested folders never merge into their parent."""
        return merge((self.system.verdict, self.evidence.verdict, self.cleanup.verdict))

    @property
    def ok(self) -> bool:
        """True only when the merged verdict is valid."""
        return self.verdict is Verdict.VALID

    @property
    def explain(self) -> str:
        """The sentence of the part that decided the merged verdict."""
        decisive = next(part for part in (self.system, self.evidence, self.cleanup) if part.verdict is self.verdict)
        return decisive.explain

    def as_json(self) -> dict[str, Any]:
        """The verdict as `docs/formats.md` writes it, with `explain`, `why`, `gates`, `nested` and `seconds` beside."""
        parts = {"system": self.system, "evidence": self.evidence, "cleanup": self.cleanup}
        return {
            "schema": 1,
            **self.facts,
            "verdict": self.verdict.value,
            "explain": self.explain,
            **{name: part.verdict.value for name, part in parts.items()},
            "why": {name: part.explain for name, part in parts.items()},
            "windows": list(self.windows),
            "checks": [result.as_json() for result in self.checks],
            "gates": list(self.gates),
            "nested": {name: inner.verdict.value for name, inner in sorted(self.nested.items())},
            "seconds": self.seconds,
        }


@dataclass(frozen=True, slots=True)
class RunVerdict:
    """The judgement of a run: one row per scenario folder, and their merge (vacuous when there is none)."""

    rows: tuple[Mapping[str, Any], ...]
    scenarios: Mapping[str, ScenarioVerdict]

    @property
    def verdict(self) -> Verdict:
        """The worst of all rows."""
        return merge(Verdict(row["verdict"]) for row in self.rows)

    @property
    def ok(self) -> bool:
        """True only when every scenario is valid and there is at least one."""
        return self.verdict is Verdict.VALID

    def as_json(self) -> dict[str, Any]:
        """The run's verdict as `docs/formats.md` writes it."""
        parts = ("system", "evidence", "cleanup")
        merged = {part: merge(Verdict(row[part]) for row in self.rows).value for part in parts}
        return {"schema": 1, "verdict": self.verdict.value, **merged, "scenarios": list(self.rows)}
