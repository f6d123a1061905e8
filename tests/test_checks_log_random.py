"""The append log at random: a simulated log, lies, and a brute force that the linear judge agrees with."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.made import SEEDS
from tests.records import Story
from tests.test_checks_log import append_findings, lost_race, open_append, read, won


def simulated(rng, count):
    """A history of one key whose operations take effect at a random instant of their interval."""
    story, log = Story(), []
    points = sorted((rng.uniform(0, 10), number) for number in range(count))
    for point, number in points:
        span = (round(point - rng.uniform(0.01, 3), 3), round(point + rng.uniform(0.01, 3), 3))
        process, kind = f"east-log-{number}", rng.choice(["append", "append", "read", "race", "info", "info", "fail"])
        value = 100 + number
        if kind == "append":
            log.append(value)
            won(story, process, span, len(log), value)
        elif kind == "race":
            lost_race(story, process, span, len(log), value)
        elif kind == "info":
            if rng.random() < 0.5:
                log.append(value)
            open_append(story, process, (span[0], rng.choice([None, round(span[0] + 0.001, 3)])), value)
        elif kind == "fail":
            open_append(story, process, span, value, "fail")
        else:
            read(story, process, span, *log)
    return story


def judged(story):
    return append_findings(story) == ()


@settings(deadline=None)
@given(st.integers(0, 2**32), st.integers(1, 60))
def test_every_simulated_log_is_linearizable(seed, count):
    assert append_findings(simulated(random.Random(seed), count)) == ()


@settings(deadline=None, max_examples=400)
@given(st.integers(0, 2**32), st.integers(2, 7))
def test_the_linear_judge_agrees_with_brute_force_on_mutated_logs(seed, count):
    rng = random.Random(seed)
    story = simulated(rng, count)
    for _ in range(rng.randint(0, 2)):
        mutate(rng, story)

    assert judged(story) == linearizable(story.operations)


@settings(deadline=None, max_examples=50)
@given(st.integers(0, 2**32), st.integers(2, 30))
def test_less_knowledge_never_makes_a_valid_log_invalid(seed, count):
    rng = random.Random(seed)
    story = simulated(rng, count)
    for item in story.operations:
        item.invoke -= rng.randrange(10**9)
        if item.returned is not None:
            item.returned += rng.randrange(10**9)
    reads = [item for item in story.operations if item.f == "read"]
    if reads:
        story.operations.remove(rng.choice(reads))

    assert append_findings(story) == ()


def mutate(rng, story):
    """One lie: a shifted operation, a changed version or head, a changed read, another outcome."""
    item = rng.choice(story.operations)
    lie = rng.choice(["shift", "answer", "outcome"])
    if lie == "shift":
        by = rng.randrange(-(4 * 10**9), 4 * 10**9)
        item.invoke += by
        item.returned = None if item.returned is None else item.returned + by
    elif lie == "outcome" and item.f == "append":
        item.outcome, item.out = rng.choice(["info", "fail"]), None
    elif item.f == "read":
        ids = [row[1] for row in item.out]
        change = rng.choice(["truncate", "swap", "extend"])
        if change == "truncate":
            ids = ids[: len(ids) // 2]
        elif change == "swap":
            rng.shuffle(ids)
        else:
            ids.append(rng.choice(story.operations).value or 7)
        item.out = [[version, value] for version, value in enumerate(ids, start=1)]
    elif item.outcome == "ok":
        name = "version" if item.out["applied"] else "head"
        item.out = {**item.out, name: max(1, item.out[name] + rng.choice([-1, 1]))}


def linearizable(operations):
    """Try every order that real time allows (n <= 8); indeterminate appends may be left out."""
    relevant = [item for item in operations if item.outcome != "fail"]
    infinite = float("inf")

    def end(item):
        return item.returned if item.outcome == "ok" else infinite

    def after(log, item):
        """The log after `item`, or None when `item` cannot have happened on it."""
        if item.f == "read":
            return log if [list(row) for row in enumerate(log, start=1)] == item.out else None
        if item.outcome == "info":
            return (*log, item.value)
        if not item.out["applied"]:
            return log if item.out["head"] == len(log) else None
        return (*log, item.value) if item.out["version"] == len(log) + 1 else None

    def search(log, left):
        if all(item.outcome == "info" for item in left):
            return True
        earliest = min(end(item) for item in left)
        for place, item in enumerate(left):
            if item.invoke <= earliest:
                grown = after(log, item)
                if grown is not None and search(grown, left[:place] + left[place + 1 :]):
                    return True
        return False

    return search((), relevant)


@pytest.mark.parametrize("seeds", SEEDS)
def test_the_linear_judge_agrees_with_brute_force(seeds):
    for seed in seeds:
        rng = random.Random(seed)
        story = simulated(rng, rng.randrange(2, 7))
        for _ in range(rng.randrange(3)):
            mutate(rng, story)
        assert judged(story) == linearizable(story.operations), seed


@settings(deadline=None, max_examples=50)
@given(st.integers(0, 2**32), st.integers(2, 8))
def test_names_do_not_matter(seed, count):
    rng = random.Random(seed)
    story = simulated(rng, count)
    mutate(rng, story)
    before = [(finding.anomaly, finding.at) for finding in append_findings(story)]
    for item in story.operations:
        item.process = f"{item.process}-renamed"
        item.value = item.value and item.value * 7
        if item.f == "read":
            item.out = [[version, value * 7] for version, value in item.out]

    assert [(finding.anomaly, finding.at) for finding in append_findings(story)] == before
