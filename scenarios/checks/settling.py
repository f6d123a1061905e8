"""When something became right and stayed right: shared by the checks that compare a time with a derived limit."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from scenarios.history import SECOND
from scenarios.verdict import Finding


@dataclass(frozen=True, slots=True)
class Sample:
    """One look at a subject: `wrong` is None when it was right, else (anomaly, detail)."""

    subject: str
    at: int
    wrong: tuple[str, str] | None = None


@dataclass(slots=True)
class Settled:
    """Per subject the seconds until it was right for good, what contradicts the limit, and what stayed open."""

    seconds: dict[str, float] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)
    doubts: list[str] = field(default_factory=list)

    @property
    def slowest(self) -> float | None:
        """The largest time of all subjects, or None when none was seen."""
        return max(self.seconds.values(), default=None)

    def counts(self) -> dict[str, float]:
        """The time of each subject, for the result's counts."""
        return {f"seconds {subject}": seconds for subject, seconds in sorted(self.seconds.items())}


def settle(samples: Iterable[Sample], since: int, limit: float, subjects: Sequence[str] = ()) -> Settled:
    """Judge `samples` from `since` (ns) against `limit` (seconds), for each subject on its own.

    A wrong sample later than the limit is a finding. It is a doubt, hence unknown, when a subject was never seen,
    when it was still wrong as the observation ended within the limit, and when nobody looked between its last
    wrong sample before the limit and a right one after it. A subject that was never wrong took 0 seconds.
    """
    grouped: dict[str, list[Sample]] = {subject: [] for subject in subjects}
    for sample in sorted(samples, key=lambda item: item.at):
        if sample.at >= since:
            grouped.setdefault(sample.subject, []).append(sample)
    settled = Settled()
    for subject, seen in grouped.items():
        _settle_one(settled, subject, seen, since, limit)
    return settled


def _settle_one(settled: Settled, subject: str, seen: list[Sample], since: int, limit: float) -> None:
    if not seen:
        settled.doubts.append(f"{subject} was never observed in that time")
        return
    last_wrong = max((position for position, sample in enumerate(seen) if sample.wrong), default=-1)
    if last_wrong < 0:
        settled.seconds[subject] = 0.0
        return
    last = seen[last_wrong]
    after = seen[last_wrong + 1] if last_wrong + 1 < len(seen) else None
    seconds = ((after or last).at - since) / SECOND
    settled.seconds[subject] = seconds
    assert last.wrong is not None
    wrong_at = (last.at - since) / SECOND
    if wrong_at > limit:
        detail = f"{subject}: {last.wrong[1]}, {wrong_at:.1f} s after the start, limit {limit:g} s"
        settled.findings.append(Finding(last.wrong[0], subject, detail, last.at))
    elif after is None:
        settled.doubts.append(f"{subject}: {last.wrong[1]} when observation ended after {wrong_at:.1f} s")
    elif seconds > limit:
        settled.doubts.append(f"{subject}: nobody looked between {wrong_at:.1f} s and {seconds:.1f} s")
