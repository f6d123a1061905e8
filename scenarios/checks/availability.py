"""How available: buckets of time, outages, how fast a fault showed and how fast service was back.

Operations are counted where they were due, not where they were sent or answered, and their latency counts from there
(no coordinated omission). What was due and never sent (overflow) is in no history; the `load` event counts it.
Memory depends on the time that passed, never on the number of operations.
"""

from __future__ import annotations

import itertools
import math
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, TypedDict, Unpack

from scenarios.checks.registry import check, conclude
from scenarios.checks.service import Which, chosen
from scenarios.checks.table import expected_service, serving_level
from scenarios.history import SECOND, Operation
from scenarios.record import Moment, Record
from scenarios.verdict import CheckResult, Finding

BUCKET = 100_000_000
"""Nanoseconds of a bucket of a lane that is asked at least 10 times a second."""
SLOW_BUCKET = 5 * BUCKET
"""Nanoseconds of a bucket of a slower lane: about one operation in it, too."""
SLOW_BELOW = 9.0
"""Operations per second below which a lane is slow: 10, less a tenth for what overflowed and was never sent."""
SILENT = 5
"""A lane is silent where nothing was due for over so many times its usual interval."""
SHORTEST_OUTAGE = 3 * BUCKET
"""A run of bad buckets is an outage from here on: three samples in a row, not one unlucky request."""
MERGED_GAP = 5 * BUCKET
"""Outages with less between them are one."""
STEADY = 5 * SECOND
"""Service is back with the first so many nanoseconds of ..."""
STEADY_SHARE = 99
"""... at least so many per cent ok, of which so many per cent were faster than ..."""
SLOWER = 3
"""... so many times the p99 of before the fault."""
FEWEST = 20
"""Operations before the fault below which their p99 is no baseline."""
STEP = 1.02
"""Each latency bucket reaches 2 % further than the one before, from a microsecond on: a quantile is 1 % off at most."""
_LOG_STEP = math.log(STEP)
_LONGEST = int(math.log(1e8) / _LOG_STEP)
"""The last latency bucket begins at 100 s; no request lives that long."""


class Track(NamedTuple):
    """What is measured apart: a datacenter's operations of one kind at one level."""

    datacenter: str
    level: str
    kind: str


@dataclass(slots=True)
class Bucket:
    """What became of the operations that were due in it; `latencies` counts the ok ones by latency bucket."""

    ok: int = 0
    fail: int = 0
    info: int = 0
    latencies: dict[int, int] = field(default_factory=dict)

    @property
    def total(self) -> int:
        """All operations."""
        return self.ok + self.fail + self.info

    @property
    def bad(self) -> bool:
        """Whether less than half was ok."""
        return 2 * self.ok < self.total

    def add(self, other: Bucket) -> None:
        """Count what `other` counted."""
        self.ok += other.ok
        self.fail += other.fail
        self.info += other.info
        for place, count in other.latencies.items():
            self.latencies[place] = self.latencies.get(place, 0) + count


class Outage(NamedTuple):
    """A time without service, in nanoseconds."""

    start: int
    end: int

    @property
    def seconds(self) -> float:
        """How long it was."""
        return (self.end - self.start) / SECOND


@dataclass(frozen=True, slots=True)
class Timeline:
    """One track's buckets by number (start = number x width nanoseconds), in order; empty ones are not there, one is.

    `rate` is operations per second while any were due: silences are left out, and it is 0 when all were due at once.
    """

    track: Track
    width: int
    rate: float
    buckets: Mapping[int, Bucket]

    def whole(self, start: float = 0, stop: float = math.inf) -> Bucket:
        """All buckets that begin in [start, stop), as one."""
        total = Bucket()
        for number, bucket in self.buckets.items():
            if start <= number * self.width < stop:
                total.add(bucket)
        return total

    def outages(self) -> tuple[Outage, ...]:
        """The maximal runs of bad buckets that last at least 300 ms, those less than 500 ms apart as one.

        A bucket in which nothing was due is neither bad nor good: a run goes on over silence shorter than 500 ms, or
        than twice the track's interval if that is longer.
        """
        silence = max(MERGED_GAP, 2 * SECOND / self.rate if self.rate else 0)
        runs: list[Outage] = []
        running = False
        for number, bucket in self.buckets.items():
            start, end = number * self.width, (number + 1) * self.width
            if bucket.bad and running and start - runs[-1].end < silence:
                runs[-1] = Outage(runs[-1].start, end)
            elif bucket.bad:
                runs.append(Outage(start, end))
            running = bucket.bad
        merged: list[Outage] = []
        for run in runs:
            if run.end - run.start < SHORTEST_OUTAGE:
                continue
            if merged and run.start - merged[-1].end < MERGED_GAP:
                merged[-1] = Outage(merged[-1].start, run.end)
            else:
                merged.append(run)
        return tuple(merged)

    def detected(self, since: int, until: float = math.inf) -> float | None:
        """Seconds from `since` to the first bad bucket that ends after it and begins before `until`; None without."""
        first = self._first_bad(since, until)
        return None if first is None else max(0, first * self.width - since) / SECOND

    def recovered(self, since: int, baseline: float | None = None) -> float | None:
        """Seconds from `since` to the start of the first 5 s of good service; None when that was not seen.

        Good is 99 % ok with a p99 below three times `baseline` (seconds; None: at any speed), and no less than half
        as many operations as the track's rate gives, the first of them in its first bucket. A fault that shows late is
        looked for from its first bad bucket on.
        """
        first = self._first_bad(since, math.inf)
        begin = max(since // self.width, min(self.buckets)) if first is None else first
        last = max(self.buckets)
        length = STEADY // self.width
        limit = math.inf if baseline is None else SLOWER * baseline
        rows = [self._row(number, limit) for number in range(begin, last + 1)]
        sums = [(0, 0, 0), *itertools.accumulate(rows, lambda a, b: (a[0] + b[0], a[1] + b[1], a[2] + b[2]))]
        for place in range(len(rows) - length + 1):
            total, ok, quick = (after - before for before, after in zip(sums[place], sums[place + length], strict=True))
            enough = rows[place][0] and total * SECOND >= self.rate * STEADY / 2
            if enough and 100 * ok >= STEADY_SHARE * total and 100 * quick >= STEADY_SHARE * ok:
                return max(0, (begin + place) * self.width - since) / SECOND
        return None

    def _first_bad(self, since: int, until: float) -> int | None:
        return next(
            (
                number
                for number, bucket in self.buckets.items()
                if bucket.bad and (number + 1) * self.width > since and number * self.width < until
            ),
            None,
        )

    def _row(self, number: int, limit: float) -> tuple[int, int, int]:
        """Operations of a bucket: all, ok, ok and faster than `limit` seconds."""
        bucket = self.buckets.get(number)
        if bucket is None:
            return 0, 0, 0
        quick = sum(count for place, count in bucket.latencies.items() if _seconds(place) < limit)
        return bucket.total, bucket.ok, quick


def timelines(operations: Iterable[Operation]) -> dict[Track, Timeline]:
    """The timeline of each track, in one pass over `operations` in any order."""
    counted: dict[tuple[str, str, str], dict[int, Bucket]] = {}
    for item in operations:
        due = item.started
        track = item.dc, serving_level(item), item.f
        buckets = counted.get(track)
        if buckets is None:
            buckets = counted[track] = {}
        bucket = buckets.get(due // BUCKET)
        if bucket is None:
            bucket = buckets[due // BUCKET] = Bucket()
        _count(bucket, item, due)
    return {Track(*track): _timeline(Track(*track), buckets) for track, buckets in counted.items()}


def quantile(latencies: Mapping[int, int], share: float) -> float | None:
    """The latency in seconds, 1 % off at most, that `share` of the counted operations do not exceed; None of none."""
    rank = math.ceil(share * sum(latencies.values()))
    for place in sorted(latencies):
        rank -= latencies[place]
        if rank <= 0:
            return _seconds(place)
    return None


class Limits(TypedDict, total=False):
    """What is promised, in seconds from the moment of the check, and which operations are meant.

    `detect`: until the first bad bucket. `recover`: until good service. `budget`: of all outages together; after so
    many seconds at least `share` (0.995) is ok. `until` ends the count of both (the history's end by default). `away`
    and `cut` are as in `service_as_expected`: operations due before `until` on keys that they leave without service
    are not counted. `workload` and `kinds` as in `served`.
    """

    detect: float
    recover: float
    budget: float
    share: float
    until: Moment
    away: Sequence[str]
    cut: Sequence[Sequence[str]]
    workload: str
    kinds: Sequence[str] | None


@check("availability", ident="{consistency} in {datacenter} is back after {since}")
def availability(
    record: Record, datacenter: str, consistency: str, since: Moment, **limits: Unpack[Limits]
) -> CheckResult:
    """What the fault cost at `consistency` in `datacenter` stays within the limits given, for each kind of operation.

    Measured are the seconds to recovery of the slowest kind. Limits that are not given are measured and not judged.
    Unknown with fewer than 20 ok operations of a kind before `since`, or when the history ends too early to tell;
    vacuous without any operation after it.
    """
    start = record.moment(since)
    stop = record.moment(limits["until"]) if "until" in limits else math.inf
    tracks = timelines(_counted(record, (datacenter, consistency), (start, stop), limits))
    kinds = [_Judged(timeline, start, stop) for _, timeline in sorted(tracks.items())]
    findings = [finding for kind in kinds for finding in kind.findings(limits)]
    times = [kind.recovered for kind in kinds if kind.recovered is not None]
    after = [timeline.whole(start).total for timeline in tracks.values()]
    return conclude(
        findings,
        [doubt for kind in kinds for doubt in kind.doubts(limits)],
        min(after, default=0),
        (
            f"{consistency} in {datacenter} kept its limits: {'; '.join(kind.told for kind in kinds)}",
            f"no {consistency} operation from {datacenter} after that moment",
        ),
        measured=max(times, default=None),
        limit=limits.get("recover"),
        unit="s",
        formula="start of the first 5 s with 99 % ok and p99 < 3 x that of before",
        counts={name: value for kind in kinds for name, value in kind.counts().items()},
    )


class _Judged:
    """One track against its limits."""

    def __init__(self, timeline: Timeline, start: int, stop: float) -> None:
        self.timeline = timeline
        self.start = start
        self.stop = stop
        self.who = " ".join(timeline.track)
        before = timeline.whole(stop=start)
        self.baseline = quantile(before.latencies, 0.99) if before.ok >= FEWEST else None
        self.before = before.ok
        self.detected = timeline.detected(start, stop)
        self.recovered = timeline.recovered(start, self.baseline)
        clipped = [(max(outage.start, start), min(outage.end, stop)) for outage in timeline.outages()]
        self.outages = [(end - begin) / SECOND for begin, end in clipped if end > begin]
        self.observed = (max(timeline.buckets) + 1) * timeline.width - start

    @property
    def told(self) -> str:
        """One clause for the check's sentence."""
        back = "not seen back" if self.recovered is None else f"back after {self.recovered:.1f} s"
        return f"{self.timeline.track.kind} {back}, {len(self.outages)} outages of {sum(self.outages):.1f} s"

    def counts(self) -> dict[str, float]:
        """The figures of this track, by kind."""
        figures = {
            "detected s": self.detected,
            "recovered s": self.recovered,
            "outages": len(self.outages),
            "longest outage s": max(self.outages, default=0.0),
            "unavailable s": sum(self.outages),
            "p99 before s": self.baseline,
        }
        kind = self.timeline.track.kind
        return {f"{kind} {name}": value for name, value in figures.items() if value is not None}

    def findings(self, limits: Limits) -> Iterable[Finding]:
        """Every limit that was certainly passed."""
        detect, recover, budget = limits.get("detect"), limits.get("recover"), limits.get("budget")
        if detect is not None and self.detected is not None and self.detected > detect:
            yield self._found("late-detection", f"the first bad bucket {self.detected:.1f} s, limit {detect:g} s")
        if recover is not None and self.recovered is not None and self.recovered > recover:
            yield self._found("late-recovery", f"service was back {self.recovered:.1f} s, limit {recover:g} s")
        if recover is not None and self.recovered is None and not self._ended_early(recover):
            seen = self.observed / SECOND
            yield self._found("not-recovered", f"service was not back {seen:.1f} s, limit {recover:g} s")
        if budget is None:
            return
        spent, share = sum(self.outages), limits.get("share", 0.995)
        if spent > budget:
            yield self._found("over-budget", f"{spent:.1f} s of outages, limit {budget:g} s, were counted")
        later = self.timeline.whole(self.start + budget * SECOND, self.stop)
        if later.ok < share * later.total:
            shown = f"only {later.ok} of {later.total} operations ok, limit {share:.1%}, over {budget:g} s"
            yield self._found("poor-service", shown)

    def doubts(self, limits: Limits) -> Iterable[str]:
        """Why the limits cannot be judged."""
        if self.baseline is None:
            yield f"{self.who}: {self.before} ok operations before the fault are no baseline, {FEWEST} are needed"
        recover = limits.get("recover")
        if recover is not None and self.recovered is None and self._ended_early(recover):
            yield f"{self.who}: the history ends {self.observed / SECOND:.1f} s after the fault, service not yet back"

    def _ended_early(self, recover: float) -> bool:
        """Whether good service that began within the limit could have been missed, because nobody looked on."""
        return self.observed < recover * SECOND + STEADY

    def _found(self, anomaly: str, words: str) -> Finding:
        return Finding(anomaly, self.who, f"{self.who}: {words} after the fault", self.start)


def _counted(record: Record, lane: tuple[str, str], span: tuple[int, float], limits: Limits) -> Iterable[Operation]:
    """The operations of the lane, without those that had no service to expect during the span."""
    datacenter, consistency = lane
    start, stop = span
    away, cut = limits.get("away", ()), limits.get("cut", ())
    tables: dict[int | None, bool] = {}
    which = Which(workload=limits.get("workload", "probe"), kinds=limits.get("kinds"))
    for item in chosen(record, datacenter, consistency, which):
        if (away or cut) and item.key is not None and start <= item.started < stop:
            if item.key not in tables:
                tables[item.key] = expected_service(record.facts, item.key, away, cut)[lane]
            if not tables[item.key]:
                continue
        yield item


def _count(bucket: Bucket, item: Operation, due: int) -> None:
    if item.outcome == "ok":
        bucket.ok += 1
        if item.returned is not None:
            place = _place(item.returned - due)
            bucket.latencies[place] = bucket.latencies.get(place, 0) + 1
    elif item.outcome == "fail":
        bucket.fail += 1
    else:
        bucket.info += 1


def _place(nanoseconds: int) -> int:
    """The latency bucket of a latency; all below a microsecond are in the first."""
    return min(int(math.log(nanoseconds / 1000) / _LOG_STEP), _LONGEST) if nanoseconds > 1000 else 0


def _seconds(place: int) -> float:
    """The middle of a latency bucket."""
    return float(STEP ** (place + 0.5)) / 1_000_000


def _timeline(track: Track, unordered: Mapping[int, Bucket]) -> Timeline:
    fine = dict(sorted(unordered.items()))
    rate = _rate(fine)
    if rate >= SLOW_BELOW:
        return Timeline(track, BUCKET, rate, fine)
    wide: dict[int, Bucket] = {}
    for number, bucket in fine.items():
        wide.setdefault(number * BUCKET // SLOW_BUCKET, Bucket()).add(bucket)
    return Timeline(track, SLOW_BUCKET, rate, wide)


def _rate(fine: Mapping[int, Bucket]) -> float:
    """Operations per second while any were due: a gap over five times the usual one is silence, and left out."""
    gaps = [later - earlier for earlier, later in itertools.pairwise(fine)]
    if not gaps:
        return 0.0
    usual = statistics.median_low(gaps)
    active = usual + sum(gap if gap <= SILENT * usual else usual for gap in gaps)
    return sum(bucket.total for bucket in fine.values()) * SECOND / (active * BUCKET)
