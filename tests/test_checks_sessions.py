"""Sessions of registers at random: an atomic ring, lies, and a brute force that the checks agree with."""

from __future__ import annotations

import random
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scenarios.checks import monotonic_reads, read_your_writes
from tests.made import SEEDS, around, drawn, end, ended_before, found, grown, instants, lie, rename, sees, weaken
from tests.records import Story, ns


def read(story, process, span, out, **fields):
    return story.op(process, "registers read", span, out=out, **fields)


def atomic(rng, count=9):
    """One writer of each key, several readers; every operation takes effect at one instant of its interval."""
    story, shown, number = Story(), {1: None, 2: None}, 0
    for at in instants(rng, count, 30):
        process, level = drawn(rng)
        key, span = rng.choice((1, 1, 1, 2)), around(rng, at)
        if rng.random() < 0.6:
            read(story, process, span, shown[key], key=key, cl=level)
            continue
        number += 1
        f = rng.choice(["write", "write", "write", "delete"])
        outcome = rng.choice(["ok", "ok", "info", "fail"])
        writer = f"east-writer-{key}" if outcome == "ok" else f"east-writer-{key}+1"
        last = max([item.returned for item in story.operations if item.key == key and item.f != "read"], default=-1)
        span = (max(span[0], last / ns(1) + 1), max(span[1], last / ns(1) + 1))
        story.op(writer, f"registers {f}", span, outcome, value=number, key=key, cl=level)
        late = span[0] > at  # moved behind the write before it: leave out what its instant no longer holds
        if late:
            story.operations[-1].outcome = "fail"
        elif outcome == "ok" or (outcome == "info" and rng.random() < 0.5):
            shown[key] = number if f == "write" else None
    return story


def other_answer(rng, item, story):
    item.out = rng.choice([None, 1, 2, 3, 4, 5])


def lied(rng):
    story = atomic(rng)
    for _ in range(rng.randrange(3)):
        lie(rng, story, other_answer, ("write", "delete"))
    return story


def doubtful(operations, key):
    """Whether the numbers of a key do not tell the age of its values."""
    changes = [item for item in operations if item.key == key and item.f != "read" and item.outcome != "fail"]
    changes.sort(key=lambda item: item.invoke)
    return any(one.value >= other.value for one, other in pairwise(changes))


def candidates(operations, item):
    """All numbers that a read can have seen; no row is before every write or after any delete sent so far."""
    if item.out is not None:
        return [item.out]
    deletes = [one for one in operations if one.f == "delete" and one.key == item.key and one.outcome != "fail"]
    return [-1, *(one.value for one in deletes if one.invoke <= end(item))]


def scoped(item, scope):
    return {"process": item.process.partition("+")[0], "datacenter": item.dc, "ring": ""}[scope]


def can_be_monotonic(operations, reads):
    """Whether numbers for all reads exist that never go back: every combination is tried."""

    def fits(chosen, rest):
        if not rest:
            return True
        item = rest[0]
        for number in candidates(operations, item):
            before = [seen for other, seen in chosen if ended_before(other, item) and sees(other, item)]
            after = [seen for other, seen in chosen if ended_before(item, other) and sees(item, other)]
            ordered = max(before, default=-1) <= number <= min(after, default=number)
            if ordered and fits([*chosen, (item, number)], rest[1:]):
                return True
        return False

    return fits([], reads)


def obvious_monotonic(operations, scope):
    """False when some group of reads can only be explained by going back."""
    reads = [item for item in operations if item.f == "read" and item.outcome == "ok"]
    groups = {(scoped(item, scope), item.key) for item in reads if not doubtful(operations, item.key)}
    return all(
        can_be_monotonic(operations, [item for item in reads if (scoped(item, scope), item.key) == group])
        for group in groups
    )


@pytest.mark.parametrize("seeds", SEEDS)
def test_monotonic_reads_agrees_with_brute_force(seeds):
    for seed in seeds:
        story = lied(random.Random(seed))
        for scope in ("process", "datacenter"):
            stale = any(anomaly == "stale-read" for anomaly, _ in found(story, monotonic_reads(scope=scope)))
            assert stale is not obvious_monotonic(story.operations, scope), seed


def obvious_reads_of_writes(operations, scope):
    wrong = set()
    for item in (one for one in operations if one.f == "read" and one.outcome == "ok"):
        changes = [one for one in operations if one.f != "read" and one.key == item.key and one.outcome == "ok"]
        must = [
            one
            for one in changes
            if scoped(one, scope) == scoped(item, scope) and sees(one, item) and ended_before(one, item)
        ]
        if not must or doubtful(operations, item.key):
            continue
        latest = max(must, key=lambda one: one.value)
        if max(candidates(operations, item)) < latest.value:
            wrong.add(("resurrected" if latest.f == "delete" else "stale-read", item.op))
    return wrong


@pytest.mark.parametrize("seeds", SEEDS)
def test_read_your_writes_agrees_with_brute_force(seeds):
    for seed in seeds:
        story = lied(random.Random(seed))
        for scope in ("datacenter", "ring"):
            check = read_your_writes(scope=scope)
            assert found(story, check) == obvious_reads_of_writes(story.operations, scope), seed


@given(st.integers(0, 2**32), st.integers(1, 30))
def test_an_atomic_register_never_goes_back_and_does_not_when_less_is_known(seed, count):
    rng = random.Random(seed)
    story = atomic(rng, count)
    checks = [monotonic_reads(scope="datacenter"), monotonic_reads(), read_your_writes(scope="ring")]
    assert [found(story, check) for check in checks] == [set()] * 3

    weaken(rng, story)
    assert [found(story, check) for check in checks] == [set()] * 3


@given(st.integers(0, 2**32))
def test_names_do_not_matter(seed):
    story = lied(random.Random(seed))
    checks = [monotonic_reads(scope="datacenter"), read_your_writes(scope="ring")]
    before = [found(story, check) for check in checks]
    rename(story, grown)

    assert [found(story, check) for check in checks] == before
