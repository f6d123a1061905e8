"""Logged batches: whole or not at all, on histories small enough to judge by eye."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scenarios.checks import batches_whole
from tests.made import SEEDS, around, drawn, end, ended_before, found, grown, instants, lie, rename, weaken
from tests.records import Story, ns


def tables(left, right=None):
    return {"left": list(left), "right": list(left if right is None else right)}


def write(story, process, span, value, outcome="ok", **fields):
    return story.op(process, "batch write", span, outcome, value=value, **fields)


def read(story, process, span, out, **fields):
    return story.op(process, "batch read", span, out=out, **fields)


def batches(left=(1, 2), right=None, **facts):
    """1 and 2 acknowledged, 3 indeterminate, 4 failed; a final read in each datacenter, long after."""
    story = Story(**facts)
    write(story, "east-batch-0", (1, 2), 1)
    write(story, "west-batch-0", (1, 2), 2)
    write(story, "east-batch-0", (3, 5), 3, "info")
    write(story, "west-batch-0", (3, 4), 4, "fail")
    for dc in ("east", "west"):
        read(story, f"{dc}-batch-9", (40, 41), tables(left, right), stage="final")
    return story


@pytest.mark.parametrize("final", [(1, 2), (1, 2, 3)])  # an indeterminate batch is there or not
def test_whole_batches_are_valid(final):
    result = batches(final).judge(batches_whole())

    assert (result.verdict, result.measured, result.limit, result.unit) == ("valid", 0, 0, "batches")
    assert result.explain == "all 2 acknowledged batches are whole in all 2 final reads"
    assert result.counts == {"acked": 2, "indeterminate": 1, "final reads": 2, "reads": 2, "findings": 0}


@pytest.mark.parametrize(
    ("left", "right", "anomaly"),
    [
        ((1,), (1, 2), "torn"),  # an acknowledged one
        ((1, 2, 3), (1, 2), "torn"),  # an indeterminate one
        ((1, 2), (1, 2, 3), "torn"),
        ((1,), (1,), "lost"),
        ((1, 2, 4), (1, 2), "failed-visible"),
        ((1, 2), (1, 2, 4), "failed-visible"),
        ((1, 2, 9), (1, 2, 9), "garbage"),
        ((1, 2), (1, 2, 9), "garbage"),
    ],
)
def test_every_difference_has_its_name(left, right, anomaly):
    result = batches(left, right).judge(batches_whole())

    assert [(finding.anomaly, finding.who) for finding in result.findings] == [(anomaly, "east"), (anomaly, "west")]
    assert result.measured == (1 if anomaly in ("torn", "lost") else 0)


def test_a_torn_batch_is_told_with_its_write_and_what_each_table_shows_of_it():
    story = batches((1, 2, 3), (1, 2))
    finding = story.judge(batches_whole()).findings[0]

    assert finding.detail == (
        "the LOCAL_QUORUM read of bucket 1 in east shows 1 batch(es) in one table only: 3, "
        "written by east-batch-0 (info)"
    )
    assert [item["f"] for item in finding.operations] == ["write", "read"]
    assert finding.operations[-1]["out"] == {"left": [3], "right": []}
    assert finding.at == ns(40)


def test_a_lost_batch_is_in_neither_table():
    finding = batches((1,)).judge(batches_whole()).findings[0]

    assert "shows 1 batch(es) in neither table: 2, written by west-batch-0 (ok)" in finding.detail


def test_batches_are_not_isolated_before_the_end():
    story = batches()
    read(story, "east-batch-5", (10, 11), tables((1,), (2,)))

    assert story.judge(batches_whole()).verdict == "valid"


@pytest.mark.parametrize(("value", "anomaly"), [(4, "failed-visible"), (9, "garbage"), (5, "future")])
def test_what_cannot_be_is_found_in_any_read(value, anomaly):
    story = batches((1, 2, 5))
    write(story, "east-batch-0", (20, 21), 5)
    read(story, "east-batch-5", (10, 11), tables((), (value,)))

    assert [finding.anomaly for finding in story.judge(batches_whole()).findings] == [anomaly]


@pytest.mark.parametrize(
    ("outcome", "span", "verdict"),
    [
        ("info", (30, 31), "valid"),  # the batch log may not have been replayed yet
        ("info", (25, 26), "valid"),  # just 15 s before the read
        ("info", (24, 26), "invalid"),
        ("ok", (39, 40), "valid"),  # acknowledged at the stamp at which the read began
        ("ok", (39, 39.5), "invalid"),
    ],
)
def test_a_batch_in_flight_or_not_yet_replayed_is_open(outcome, span, verdict):
    story = batches((1, 2, 5), (1, 2))
    write(story, "east-batch-0", span, 5, outcome)

    assert story.judge(batches_whole()).verdict == verdict


def test_how_long_a_replay_may_take_is_a_parameter():
    story = batches((1, 2, 5), (1, 2))
    write(story, "east-batch-0", (30, 31), 5, "info")

    assert story.judge(batches_whole(replay_seconds=9.9)).verdict == "invalid"


def test_one_replica_alone_may_hold_a_half():
    story = batches()
    read(story, "east-batch-9", (50, 51), tables((1,), ()), cl="NODE_LOCAL", host="id-east-a", stage="final")

    assert story.judge(batches_whole()).verdict == "valid"


def test_a_batch_that_was_written_twice_proves_nothing():
    story = batches()
    write(story, "east-batch-0", (6, 7), 1)

    assert story.judge(batches_whole()).explain == "value(s) 1 of bucket 1 were written more than once"


def test_a_bucket_or_a_datacenter_without_final_read_is_unknown():
    story = batches()
    story.operations.pop()
    result = story.judge(batches_whole())
    assert (result.verdict, result.explain) == ("unknown", "bucket 1 has no final read in west")

    story = batches()
    write(story, "east-batch-0", (1, 2), 7, key=2)
    assert story.judge(batches_whole()).verdict == "unknown"


def test_without_acknowledged_batches_it_is_vacuous():
    story = Story()
    write(story, "east-batch-0", (1, 2), 1, "info")
    read(story, "east-batch-5", (30, 31), tables(()), stage="final")
    result = story.judge(batches_whole())

    assert (result.verdict, result.explain) == ("vacuous", "no acknowledged batch")
    assert Story().judge(batches_whole()).verdict == "vacuous"


def test_a_final_read_of_a_bucket_that_nobody_wrote_shows_only_garbage():
    story = batches()
    read(story, "east-batch-9", (40, 41), tables((7,), ()), key=5, stage="final")

    assert [finding.anomaly for finding in story.judge(batches_whole()).findings] == ["garbage"]


def atomic(rng, count=8):
    """Batches take effect at once, an indeterminate one perhaps; final reads come long after the replay."""
    story, present = Story(), {1: [], 2: []}
    for number, at in enumerate(instants(rng, count)):
        process, level = drawn(rng)
        key, span = rng.choice((1, 1, 1, 2)), around(rng, at)
        if rng.random() < 0.4:
            half = [value for value in present[key] if rng.random() < 0.8]  # not isolated
            read(story, process, span, tables(present[key], half), key=key, cl=level)
            continue
        outcome = rng.choice(["ok", "ok", "ok", "info", "fail"])
        write(story, process, span, number, outcome, key=key, cl=level)
        if outcome == "ok" or (outcome == "info" and rng.random() < 0.5):
            present[key].append(number)
    for key in (1, 2):
        for dc in ("east", "west"):
            read(story, f"{dc}-final", (30, 31), tables(present[key]), key=key, stage="final")
    return story


def other_answer(rng, item, story):
    name = rng.choice(["left", "right"])
    if item.out[name] and rng.random() < 0.6:
        victim = rng.choice(item.out[name])
        item.out = {**item.out, name: [value for value in item.out[name] if value != victim]}
    else:
        item.out = {**item.out, name: sorted({*item.out[name], rng.randrange(10)})}


def lied(rng):
    story = atomic(rng)
    for _ in range(rng.randrange(3)):
        lie(rng, story, other_answer)
    return story


def obvious_batches(operations, replay):
    """By the definition, value by value."""
    wrong, broken = set(), set()
    for item in (one for one in operations if one.f == "read" and one.outcome == "ok"):
        writes = {one.value: one for one in operations if one.f == "write" and one.key == item.key}
        for value in {*writes, *item.out["left"], *item.out["right"]}:
            halves = (value in item.out["left"]) + (value in item.out["right"])
            one = writes.get(value)
            if halves and one is None:
                wrong.add(("garbage", item.op))
            elif halves and one.outcome == "fail":
                wrong.add(("failed-visible", item.op))
            elif halves and one.invoke > end(item):
                wrong.add(("future", item.op))
            if item.stage != "final" or one is None:
                continue
            acked = one.outcome == "ok" and ended_before(one, item)
            replayed = one.outcome == "info" and one.invoke + ns(replay) < item.invoke
            if acked and halves == 0:
                wrong.add(("lost", item.op))
                broken.add(value)
            elif (acked or replayed) and halves == 1:
                wrong.add(("torn", item.op))
                broken.add(value)
    return wrong, len(broken)


@pytest.mark.parametrize("seeds", SEEDS)
def test_batches_whole_agrees_with_brute_force(seeds):
    for seed in seeds:
        story = lied(random.Random(seed))
        for replay in (15, 22):
            check = batches_whole(replay_seconds=replay)
            result = (found(story, check), story.judge(check).measured)
            assert result == obvious_batches(story.operations, replay), seed


@given(st.integers(0, 2**32), st.integers(1, 30))
def test_atomic_batches_are_whole_and_stay_so_when_less_is_known(seed, count):
    rng = random.Random(seed)
    story = atomic(rng, count)
    assert found(story, batches_whole()) == set()

    weaken(rng, story)
    assert found(story, batches_whole()) == set()


@given(st.integers(0, 2**32))
def test_names_do_not_matter(seed):
    story = lied(random.Random(seed))
    before = found(story, batches_whole())
    rename(story, grown)

    assert found(story, batches_whole()) == before
