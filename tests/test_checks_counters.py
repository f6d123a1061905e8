"""Counters: what must have been counted and what can have been counted, on histories small enough to add up by eye."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scenarios.checks import counters_bounded
from tests.made import SEEDS, around, drawn, end, ended_before, found, instants, lie, rename, sees, weaken
from tests.records import Story, ns


def add(story, process, span, delta, outcome="ok", **fields):
    return story.op(process, "counter add", span, outcome, value=delta, **fields)


def read(story, process, span, out, **fields):
    return story.op(process, "counter read", span, out=out, **fields)


def counted(final=6, **facts):
    """1 and 2 added in the east, 3 in the west, read at ALL in the end."""
    story = Story(**facts)
    add(story, "east-counter-0", (1, 2), 1)
    add(story, "east-counter-0", (3, 4), 2)
    add(story, "west-counter-0", (3, 4), 3)
    for dc in ("east", "west"):
        read(story, f"{dc}-counter-9", (20, 21), final, cl="ALL", stage="final")
    return story


def test_the_final_read_is_the_sum():
    result = counted().judge(counters_bounded())

    assert (result.verdict, result.measured, result.limit, result.unit) == ("valid", 0, 0, "reads")
    assert result.explain == "2 reads of 1 counters lie within their bounds"
    assert result.counts == {"acked": 3, "reads": 2, "counters": 1, "findings": 0}


@pytest.mark.parametrize(("final", "anomaly"), [(5, "under-count"), (7, "over-count"), (None, "under-count")])
def test_a_final_read_beside_the_sum_is_wrong(final, anomaly):
    result = counted(final).judge(counters_bounded())

    assert [(finding.anomaly, finding.who) for finding in result.findings] == [
        (anomaly, "east-counter-9"),
        (anomaly, "west-counter-9"),
    ]
    assert (result.verdict, result.measured) == ("invalid", 2)


@pytest.mark.parametrize(("final", "verdict"), [(6, "valid"), (10, "valid"), (11, "invalid"), (5, "invalid")])
def test_an_indeterminate_add_may_count_or_not(final, verdict):
    story = counted(final)
    add(story, "east-counter-1", (5, 6), 4, "info")

    assert story.judge(counters_bounded()).verdict == verdict


def test_an_add_that_certainly_failed_does_not_count():
    story = counted(10)
    add(story, "east-counter-1", (5, 6), 4, "fail")

    assert {finding.anomaly for finding in story.judge(counters_bounded()).findings} == {"over-count"}


@pytest.mark.parametrize(
    ("process", "cl", "out", "anomaly"),
    [
        ("east-counter-5", "LOCAL_QUORUM", 3, None),  # the west's 3 may not have come yet
        ("east-counter-5", "LOCAL_QUORUM", 2, "under-count"),
        ("west-counter-5", "LOCAL_QUORUM", 3, None),
        ("west-counter-5", "LOCAL_QUORUM", 2, "under-count"),
        ("east-counter-5", "ONE", 0, None),  # 2 + 1 replicas of 3 need not overlap
        ("east-counter-5", "ONE", 7, "over-count"),  # what nobody added is wrong at any level
        ("east-counter-5", "NODE_LOCAL", 0, None),
        ("east-counter-5", "NODE_LOCAL", 7, "over-count"),
        ("east-counter-5", "LOCAL_QUORUM", None, "under-count"),  # no row is 0
    ],
)
def test_the_lower_bound_needs_levels_that_overlap_and_the_upper_does_not(process, cl, out, anomaly):
    story = counted()
    read(story, process, (10, 11), out, cl=cl)

    assert [finding.anomaly for finding in story.judge(counters_bounded()).findings] == ([anomaly] if anomaly else [])


@pytest.mark.parametrize(("out", "anomalies"), [(0, []), (1, []), (2, ["over-count"])])
def test_an_add_that_overlaps_the_read_may_count_or_not(out, anomalies):
    story = counted()
    read(story, "east-counter-5", (2, 2.5), out)  # 1 is acknowledged at the stamp at which the read begins

    assert [finding.anomaly for finding in story.judge(counters_bounded()).findings] == anomalies


@pytest.mark.parametrize(("until", "verdict"), [(3, "valid"), (2.9, "invalid")])
def test_an_add_sent_at_the_stamp_at_which_the_read_ends_may_count(until, verdict):
    story = counted()
    read(story, "east-counter-5", (2.5, until), 6)

    assert story.judge(counters_bounded()).verdict == verdict


def test_an_under_count_shows_the_last_adds_and_the_sums():
    story = Story()
    for at in range(10):
        add(story, f"east-counter-{at}", (at, at + 0.5), 1)
    read(story, "east-counter-9", (20, 21), 3, cl="ALL", stage="final")

    (finding,) = story.judge(counters_bounded()).findings
    assert finding.detail == (
        "east-counter-9 read 3 of counter 1 at ALL, 10 had been acknowledged before in 10 adds that it must see, "
        "the last to east-counter-9"
    )
    assert [item["op"] for item in finding.operations] == [7, 8, 9, 10, 11]
    assert finding.at == ns(20)


def test_an_over_count_shows_the_last_adds_that_can_count_and_the_first_that_cannot():
    story = Story()
    for at in range(10):
        add(story, f"east-counter-{at}", (at, at + 0.5), 1)
    read(story, "east-counter-9", (5, 5.5), 7)
    read(story, "east-counter-9", (20, 21), 11, cl="ALL", stage="final")

    first, second = story.judge(counters_bounded()).findings
    assert first.detail == (
        "east-counter-9 read 7 of counter 1 at LOCAL_QUORUM, only 6 had been sent in 6 adds before it ended"
    )
    assert [item["op"] for item in first.operations] == [4, 5, 6, 7, 11]
    assert [item["op"] for item in second.operations] == [8, 9, 10, 12]


def test_an_over_count_of_nothing_shows_the_read_alone():
    story = Story()
    read(story, "east-counter-9", (20, 21), 1, cl="ALL", stage="final")

    (finding,) = story.judge(counters_bounded()).findings
    assert (finding.anomaly, len(finding.operations)) == ("over-count", 1)


@pytest.mark.parametrize("delta", [-1, 0, 1.5, None, True])
def test_what_is_no_increment_makes_it_unknown(delta):
    story = counted()
    add(story, "east-counter-1", (5, 6), delta)

    result = story.judge(counters_bounded())
    assert (result.verdict, result.explain) == (
        "unknown",
        f"east-counter-1 added {delta} to counter 1: only increments have bounds that prove",
    )


def test_counters_are_judged_apart():
    story = counted()
    add(story, "east-counter-0", (1, 2), 5, key=2)
    for dc in ("east", "west"):
        read(story, f"{dc}-counter-9", (20, 21), 5, key=2, cl="ALL", stage="final")
    result = story.judge(counters_bounded())

    assert (result.verdict, result.counts["counters"]) == ("valid", 2)


def test_a_final_read_that_need_not_see_all_is_not_enough():
    story = counted()
    for item in story.operations:
        if item.stage:
            item.cl = "LOCAL_QUORUM"

    result = story.judge(counters_bounded())
    assert (result.verdict, result.explain) == (
        "unknown",
        "counter 1 has no final read that must see all its adds: read it at ALL",
    )


def test_a_datacenter_without_a_final_read_is_unknown():
    story = counted()
    story.operations.pop()

    result = story.judge(counters_bounded())
    assert (result.verdict, result.explain) == ("unknown", "no counter has a final read in west")


@pytest.mark.parametrize("fields", [{"stage": None}, {"stage": "final", "cl": "NODE_LOCAL"}])
def test_a_read_that_is_not_final_or_of_one_replica_is_no_final_read(fields):
    story = counted()
    for item in story.operations:
        if item.stage:
            item.stage, item.cl = fields["stage"], fields.get("cl", item.cl)

    result = story.judge(counters_bounded())
    assert (result.verdict, "and 2 more" in result.explain) == ("unknown", True)


def test_a_counter_that_nobody_touched_needs_no_final_read():
    story = counted()
    add(story, "east-counter-0", (1, 2), 5, "info", key=2)
    read(story, "east-counter-0", (3, 4), 0, key=3)

    assert story.judge(counters_bounded()).verdict == "valid"


def test_without_adds_or_without_reads_it_is_vacuous():
    story = Story()
    read(story, "east-counter-0", (1, 2), 0)
    result = story.judge(counters_bounded())
    assert (result.verdict, result.explain) == ("vacuous", "0 acknowledged adds and 1 reads: nothing to compare")

    assert Story().judge(counters_bounded()).verdict == "vacuous"


def test_a_read_that_was_not_answered_is_not_judged():
    story = counted()
    story.op("east-counter-5", "counter read", (10, 11), "fail")

    assert story.judge(counters_bounded()).verdict == "valid"


def atomic(rng, count=8):
    story, total = Story(), {1: 0, 2: 0}
    for at in instants(rng, count):
        process, level = drawn(rng)
        key, span = rng.choice((1, 1, 1, 2)), around(rng, at)
        if rng.random() < 0.5:
            read(story, process, span, total[key] or rng.choice([0, None]), key=key, cl=level)
            continue
        delta, outcome = rng.randrange(1, 4), rng.choice(["ok", "ok", "ok", "info", "fail"])
        add(story, process, span, delta, outcome, key=key, cl=level)
        if outcome == "ok" or (outcome == "info" and rng.random() < 0.5):
            total[key] += delta
    for key in (1, 2):
        for dc in ("east", "west"):
            read(story, f"{dc}-final", (20, 21), total[key], key=key, cl="ALL", stage="final")
    return story


def other_answer(rng, item, story):
    item.out = max(0, (item.out or 0) + rng.choice([-2, -1, 1, 2]))


def lied(rng):
    story = atomic(rng)
    for _ in range(rng.randrange(3)):
        lie(rng, story, other_answer, ("add",))
    return story


def obvious_bounds(operations):
    """By the definition, nothing clever."""
    wrong = set()
    for item in (one for one in operations if one.f == "read" and one.outcome == "ok"):
        adds = [other for other in operations if other.f == "add" and other.key == item.key]
        must = [one for one in adds if one.outcome == "ok" and ended_before(one, item) and sees(one, item)]
        can = [one for one in adds if one.outcome != "fail" and one.invoke <= end(item)]
        if (item.out or 0) < sum(one.value for one in must):
            wrong.add(("under-count", item.op))
        if (item.out or 0) > sum(one.value for one in can):
            wrong.add(("over-count", item.op))
    return wrong


@pytest.mark.parametrize("seeds", SEEDS)
def test_counters_bounded_agrees_with_brute_force(seeds):
    for seed in seeds:
        story = lied(random.Random(seed))
        assert found(story, counters_bounded()) == obvious_bounds(story.operations), seed


@given(st.integers(0, 2**32), st.integers(1, 30))
def test_an_atomic_counter_is_bounded_and_stays_so_when_less_is_known(seed, count):
    rng = random.Random(seed)
    story = atomic(rng, count)
    assert found(story, counters_bounded()) == set()

    weaken(rng, story)
    assert found(story, counters_bounded()) == set()


@given(st.integers(0, 2**32))
def test_names_and_units_do_not_matter(seed):
    story = lied(random.Random(seed))
    before = found(story, counters_bounded())
    rename(story, lambda value: value and value * 7)

    assert found(story, counters_bounded()) == before
