"""The check `append_order`: what each contradiction is called, and the same verdict as trying every order."""

from __future__ import annotations

import random

import pytest

from scenarios.checks.append_order import append_order
from tests import brute
from tests.records import Story


class Told(Story):
    """Appends and reads of lists."""

    def append(self, process, span, value, outcome="ok", **fields):
        return self.op(process, "append append", span, outcome, value=value, **fields)

    def read(self, process, span, *out, **fields):
        return self.op(process, "append read", span, out=list(out), **fields)


def judged(*calls):
    story = Told()
    for number, call in enumerate(calls):
        call(story, f"p{number}")
    return story.judge(append_order())


def a(span, value, outcome="ok"):
    return lambda story, process: story.append(process, span, value, outcome)


def r(span, *out):
    return lambda story, process: story.read(process, span, *out)


@pytest.mark.parametrize(
    "calls",
    [
        (a((1, 2), 1), r((3, 4), 1)),
        (a((1, 5), 1), a((1, 5), 2), r((2, 3)), r((3, 4), 2), r((6, 7), 2, 1)),
        (a((1, None), 1, "info"), a((2, 3), 2), r((4, 5), 2), r((6, 7), 2, 1)),
        (a((1, 2), 1, "fail"), a((3, 4), 1), r((5, 6), 1)),
        (r((1, 2)), a((2, 3), 1)),
        (a((1, 3), 1), r((3, 4))),
        (a((1, 2), 1), r((0, 1))),
    ],
    ids=["plain", "concurrent", "late", "again", "before", "equal stamps", "unread"],
)
def test_one_order_is_valid(calls):
    assert judged(*calls).verdict == "valid"


@pytest.mark.parametrize(
    ("anomaly", "who", "calls"),
    [
        ("garbage", "p1", (a((1, 2), 1), r((3, 4), 1, 9))),
        ("failed-visible", "p0", (a((1, 2), 1, "fail"), r((3, 4), 1), a((5, 6), 2))),
        ("duplicate", "p1", (a((1, 2), 1), r((3, 4), 1, 1))),
        ("fork", "p2", (a((1, 9), 1), a((1, 9), 2), r((3, 4), 1, 2), r((3, 4), 2))),
        ("reordered", "p1", (a((1, 2), 1), a((3, 4), 2), r((5, 6), 2, 1))),
        ("future-read", "p1", (a((5, 6), 1), r((3, 4), 1))),
        ("stale-read", "p2", (a((1, 9), 1), r((3, 4), 1), r((5, 6)))),
        ("stale-read", "p2", (a((1, 2), 1), r((1, 4), 1), r((5, 6)))),
        ("lost", "p1", (a((1, 2), 1), r((3, 4)))),
        ("lost", "p2", (a((1, 2), 1), a((3, 9), 2), r((1, 9), 2))),
    ],
)
def test_each_contradiction_has_its_name_and_its_operations(anomaly, who, calls):
    result = judged(*calls)

    assert (result.verdict, [item.anomaly for item in result.findings]) == ("invalid", [anomaly])
    (finding,) = result.findings
    if anomaly != "fork":
        assert finding.who == who
    assert {item["process"] for item in finding.operations} <= {f"p{number}" for number in range(len(calls))}
    assert finding.at in {item["invoke"] for item in finding.operations}


def test_lists_are_judged_by_key():
    story = Told()
    story.append("p0", (1, 2), 1, key=1)
    story.append("p0", (3, 4), 1, key=2)
    story.read("p1", (5, 6), key=1)
    story.read("p1", (7, 8), 1, key=2)
    result = story.judge(append_order())

    assert [finding.detail for finding in result.findings] == [
        "p0 appended 1 to key 1; p1 began to read later, without it"
    ]
    assert result.counts == {"acked": 2, "reads": 2, "lists": 2, "findings": 1}


def test_what_proves_nothing_is_not_valid():
    assert judged(a((1, 2), 1)).verdict == "vacuous"
    assert judged(r((1, 2))).verdict == "vacuous"
    twice = judged(a((1, 2), 1), a((3, 4), 1), r((5, 6), 1))
    assert (twice.verdict, twice.explain) == ("unknown", "value(s) 1 were appended more than once, to key 1")


def test_long_lists_are_shown_by_their_end():
    calls = [a((number, number + 0.5), number) for number in range(1, 10)]
    result = judged(*calls, r((20, 21), *range(1, 10)), r((22, 23), *range(1, 9)))

    assert [item["out"] for item in result.findings[0].operations if item["f"] == "read"] == ["8: ..3, 4, 5, 6, 7, 8"]


def appended(state, item):
    state = state or ()
    if item.f == "read":
        return tuple(item.out) == state, state
    return True, (*state, item.value)


def some_story(seed):
    """A small history that happened in order, with one read or time shifted so that about half are wrong."""
    chosen = random.Random(seed)
    story, state = Told(), []
    for number in range(6):
        at = number + 1
        begin, end = at - chosen.choice((0, 0.4, 1.6)), at + chosen.choice((0.1, 0.5, 1.7))
        if chosen.random() < 0.5:
            outcome = chosen.choice(("ok", "ok", "info", "fail"))
            story.append(f"p{number}", (begin, end), number, outcome)
            if outcome == "ok" or (outcome == "info" and chosen.random() < 0.5):
                state.append(number)
        else:
            shown = state[: chosen.choice((len(state), len(state), max(0, len(state) - 1)))]
            if chosen.random() < 0.15:
                shown = shown[::-1]
            story.read(f"p{number}", (begin, end), *shown)
    return story


def test_the_verdict_is_that_of_trying_every_order():
    verdicts = set()
    for seed in range(400):
        story = some_story(seed)
        expected = brute.linearizable(story.operations, None, appended)
        found = story.judge(append_order())
        verdicts.add((expected, found.verdict == "invalid"))
        assert (found.verdict != "invalid") is expected, f"seed {seed}: {found.explain}"

    assert verdicts == {(True, False), (False, True)}
