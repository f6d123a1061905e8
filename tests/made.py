"""Random small histories for the tests of the checks: an atomic ring, one lie at a time, and what was found.

In an atomic ring every operation takes effect at one instant of its interval, everywhere at once: no check may find
anything. Times are whole seconds, so that stamps are often equal.
"""

from __future__ import annotations

import pytest

from scenarios.checks.levels import must_see
from tests.records import FACTS, ns

SEEDS = [
    pytest.param(range(2_000), id="2,000"),
    pytest.param(range(2_000, 22_000), id="20,000", marks=pytest.mark.slow),
]
LEVELS = ("LOCAL_QUORUM", "LOCAL_QUORUM", "LOCAL_QUORUM", "QUORUM", "EACH_QUORUM", "ONE", "ALL")
PLACES = ("east", "west")


def instants(rng, count, length=12):
    """`count` moments in growing order."""
    return sorted(rng.randrange(1, length) for _ in range(count))


def around(rng, instant):
    """An interval that holds `instant`."""
    return (instant - rng.randrange(3), instant + rng.randrange(3))


def drawn(rng):
    """A process of a datacenter, and a level."""
    return f"{rng.choice(PLACES)}-client-{rng.randrange(3)}", rng.choice(LEVELS)


def found(story, check):
    """By anomaly, the numbers of the reads that prove it; the read is the last operation of a finding."""
    result = story.judge(check)
    assert "could not be made" not in result.explain
    return {(finding.anomaly, finding.operations[-1]["op"]) for finding in result.findings}


def lie(rng, story, change_read, calls=("write",)):
    """One change of a recorded history: an interval moved, an outcome swapped, a level swapped, an answer changed."""
    item = rng.choice(story.operations)
    kind = rng.choice(["shift", "outcome", "level", "answer", "answer"])
    if kind == "shift":
        by = ns(rng.randrange(-4, 5))
        item.invoke += by
        item.returned = None if item.returned is None else item.returned + by
    elif kind == "level":
        item.cl = rng.choice(LEVELS)
    elif kind == "outcome" and item.f in calls:
        item.outcome = rng.choice(["ok", "fail", "info"])
        item.returned = item.invoke if item.returned is None else item.returned
    elif item.f == "read" and item.outcome == "ok":
        change_read(rng, item, story)


def weaken(rng, story):
    """Less is known: intervals grow, one read that is not final is forgotten."""
    for item in story.operations:
        item.invoke -= rng.randrange(ns(2))
        if item.returned is not None:
            item.returned += rng.randrange(ns(2))
    reads = [item for item in story.operations if item.f == "read" and item.stage is None]
    if reads:
        story.operations.remove(rng.choice(reads))


def rename(story, value):
    """Other names for processes and values, in the same order."""
    for item in story.operations:
        item.process = f"{item.process}-renamed"
        item.value = value(item.value)
        item.out = value(item.out)


def grown(value):
    """Another value for each, in the same order; through lists and tables."""
    if isinstance(value, dict):
        return {name: grown(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [grown(inner) for inner in value]
    return value if value is None else value * 7 + 3


def sees(write, read):
    """Whether the levels of two operations overlap, by the replication of the hand-written records."""
    return must_see((write.cl, write.dc), (read.cl, read.dc), FACTS["replication"])


def ended_before(first, second):
    """Real-time order: equal stamps are concurrent."""
    return first.returned is not None and first.returned < second.invoke


def end(item):
    """When an operation ended; for one without a recorded end, when it began."""
    return item.invoke if item.returned is None else item.returned
