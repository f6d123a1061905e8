"""Faults of the check `linearizable` that would go unnoticed: which levels are judged, which keys are refused."""

from __future__ import annotations

import pytest

from scenarios.checks import linearizable
from tests.records import Story
from tests.test_checks_linearizable import Told, contended, judge, local


def register(*told):
    """(f, level, value) of a register, each at once with the next but after the one before that."""
    story = Story()
    for at, (f, cl, value) in enumerate(told, start=1):
        shown = {"out": value} if f == "read" else {"value": value}
        story.op(f"east-{at}", f"registers {f}", (at, at + 1.5), cl=cl, **shown)
    return story


@pytest.mark.parametrize(
    ("told", "verdict"),
    [
        ((("write", "ALL", 1), ("read", "ONE", 1), ("read", "ONE", 1)), "valid"),  # reads need not see each other
        ((("write", "ONE", 1), ("write", "ONE", 2), ("read", "ALL", 2)), "valid"),  # nor writes
        ((("write", "ONE", 1), ("delete", "ONE", 2), ("read", "ALL", None)), "valid"),
        ((("write", "ALL", 1), ("delete", "ONE", 2), ("read", "QUORUM", None)), "unknown"),  # a delete must be seen
        ((("write", "ALL", 1), ("read", "QUORUM", 1), ("read", "NODE_LOCAL", None)), "valid"),
        (
            (("write", "QUORUM", 1), ("read", "QUORUM", 1), ("read", "QUORUM", None), ("read", "QUORUM", None)),
            "invalid",
        ),
        ((("write", "EACH_QUORUM", 1), ("read", "LOCAL_QUORUM", 1)), "valid"),
    ],
)
def test_every_write_must_be_seen_by_every_read_and_nothing_else(told, verdict):
    assert register(*told).judge(linearizable("registers")).verdict == verdict


def test_a_transaction_commits_at_another_level_than_it_is_decided_at():
    story = Told()
    story.cas("east-a", (1, 4), 0, 1, cl="QUORUM")
    story.cas("east-b", (2, 5), 1, 2, cl="LOCAL_QUORUM")
    story.read("east-c", (6, 7), 2)
    result = judge(story)

    assert (result.verdict, result.counts["operations"], result.counts["other reads"]) == ("valid", 3, 0)


@pytest.mark.parametrize(("serial", "dcs"), [("LOCAL_SERIAL", ("east", "east")), ("SERIAL", ("east", "west"))])
def test_a_plain_write_that_failed_has_no_electorate(serial, dcs):
    story = Told()
    for place, dc in enumerate(dcs):
        story.cas(f"{dc}-x", (1 + place, 4 + place), place, place + 1, cl=serial, serial=serial)
    story.read("east-c", (6, 7), 2, cl=serial)
    story.op("west-p", "cas write", (8, 9), "fail", value=9, cl="QUORUM")

    assert judge(story).verdict == "valid"


def test_every_key_without_a_promise_is_told():
    story = contended(key=1)
    contended(key=2, story=story)
    contended(key=3, story=story)
    for key in (1, 3):
        story.op("west-p", "cas write", (8, 9), value=9, cl="QUORUM", key=key)
    result = judge(story)

    assert result.explain == "key 1: plain writes (west-p at QUORUM) beside SERIAL transactions (and 1 more)"
    assert (result.counts["keys"], result.counts["operations"]) == (1, 3)
    local("east", (8, 9), 2, 3, story, key=2)
    assert judge(story).explain.endswith("(and 2 more)")


@pytest.mark.parametrize(("telling", "verdict"), [(7, "valid"), (8, "vacuous")])
def test_the_share_is_of_operations_on_keys_that_showed_a_value(telling, verdict):
    """Twelve on four contended keys are 80 % of 15; keys where everything failed or was a plain update tell nothing."""
    story = Told()
    for key in range(4):
        contended(key, story)
    for key in range(4, telling):
        story.read("east-c", (30, 31), 0, key=key)
    for key in (20, 21, 22):
        story.read("east-c", (30, 31), 0, key=key, stage="final")
        story.op("east-w", "cas write", (40, 41), value=key, serial="SERIAL", key=key)
        story.op("east-c", "cas read", (50, 51), "fail", cl="SERIAL", key=key)

    result = judge(story)
    assert (result.verdict, result.counts["concurrent keys"], result.counts["keys"]) == (verdict, 4, telling + 3)


def test_the_figures_are_of_what_was_judged():
    story = contended()
    for at, cl in ((8, "QUORUM"), (10, "ONE"), (12, "NODE_LOCAL")):
        story.read("east-c", (at, at + 1), 0, cl=cl)
    result = judge(story)

    expected = {"operations": 3, "keys": 1, "concurrent keys": 1, "other reads": 3, "findings": 0}
    assert {name: result.counts[name] for name in expected} == expected
    assert judge(Told()).counts == {**dict.fromkeys(expected, 0), "steps": 0}


@pytest.mark.parametrize("model", ["register", "counter", "set"])
def test_only_a_register_of_transactions_leaves_plain_reads_out(model):
    story = Story()
    f, out = {"register": ("write", 1), "counter": ("add", 1), "set": ("add", [1])}[model]
    story.op("east-w", f"it {f}", (1, 4), value=1, cl="ALL")
    story.op("east-r", "it read", (2, 5), out=out, cl="QUORUM")
    result = story.judge(linearizable("it", model))

    assert (result.verdict, result.counts["operations"], result.counts["other reads"]) == ("valid", 2, 0)
