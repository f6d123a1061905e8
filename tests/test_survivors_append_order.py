"""Faults of the check `append_order` that would go unnoticed: what is counted, who is named, where stamps are equal."""

from __future__ import annotations

import pytest

from scenarios.checks.append_order import _List, append_order
from tests.records import ns
from tests.test_checks_append_order import Told, a, judged, r


def findings(*calls):
    return [(item.anomaly, item.detail, [each["op"] for each in item.operations]) for item in judged(*calls).findings]


def test_the_figures_say_what_was_looked_at():
    story = Told()
    story.append("p0", (1, 2), 1)
    story.append("p1", (1, 2), 2, "info")
    story.append("p2", (1, 2), 3, "fail")
    story.append("p3", (1, 2), 4, key=2)
    story.read("p4", (3, 4), 1)
    story.op("p5", "append read", (3, 4), "fail")
    story.op("p5", "append read", (3, 4), "info")
    for f in ("create", "touch", "aaa"):
        story.op("p6", f"append {f}", (3, 4), value=9, out=[9])
    result = story.judge(append_order())

    assert (result.verdict, result.measured, result.limit, result.unit) == ("valid", 0, 0, "contradictions")
    assert result.counts == {"acked": 2, "reads": 1, "lists": 2, "findings": 0}
    assert result.explain == "1 reads of 2 lists show one order each of 2 acknowledged appends"


def test_a_value_that_was_appended_twice_is_named_with_its_list():
    story = Told()
    for value in (1, 7, 7, 8, 8):
        story.append("p0", (1, 2), value, key=5)
    story.append("p0", (1, 2), 8, "fail", key=5)

    assert story.judge(append_order()).explain == "value(s) 7, 8 were appended more than once, to key 5"


@pytest.mark.parametrize(("one", "other"), [(2, 9), (9, 2)])
def test_reads_fork_whichever_value_is_larger(one, other):
    told = findings(a((1, 9), 1), a((1, 9), 2), a((1, 9), 9), a((1, 9), 5), r((2, 9), 1, one, 5), r((2, 9), 1, other))

    assert told == [("fork", f"p5 read {other} as element 2 of key 1, p4 read {one} there", [5, 6])]


@pytest.mark.parametrize(
    ("calls", "told"),
    [
        (
            (a((3, 4), 1), a((1, 2), 2), r((5, 6), 1, 2)),
            [("reordered", "p1 appended 2 behind 1 of key 1, but had ended before p0 sent that", [2, 1])],
        ),
        (
            (r((1, 2), 1), a((3, 4), 1)),
            [("future-read", "p0 read 1 in key 1 before p1 sent it", [1, 2])],
        ),
        (
            (a((1, 2), 1), r((3, 4)), r((5, 6), 1)),
            [("stale-read", "p1 read 0 element(s) of key 1 after p0 had appended 1", [1, 2])],
        ),
        (
            (a((1, 9), 1), r((2, 3), 1), r((4, 5))),
            [("stale-read", "p2 read 0 element(s) of key 1 after p1 had read more", [2, 3])],
        ),
        (
            (a((1, 2), 1), a((1, 2), 2), r((5, 6), 2)),
            [("lost", "p0 appended 1 to key 1; p2 began to read later, without it", [1, 3])],
        ),
        (
            (a((1, 2), 1), a((3, 4), 2), r((1, 6), 2)),
            [("lost", "p0 appended 1 to key 1; p2 read 2, which was sent later, without it", [3, 1, 2])],
        ),
        (
            (a((1, 2), 1), r((3, 4), 1, 1)),
            [("duplicate", "p1 read 1 in key 1 twice", [1, 2])],
        ),
        (
            (r((3, 4), 9, 9),),
            [
                ("garbage", "p0 read 9 in key 1, which nobody appended", [1]),
                ("duplicate", "p0 read 9 in key 1 twice", [1]),
            ],
        ),
        (
            (a((1, 2), 1, "fail"), r((3, 4), 1)),
            [("failed-visible", "p1 read 1 in key 1, whose append by p0 certainly failed", [1, 2])],
        ),
    ],
)
def test_a_contradiction_is_told_with_those_who_prove_it(calls, told):
    assert findings(*calls) == told


@pytest.mark.parametrize(
    ("calls", "anomalies"),
    [
        ((a((1, 3), 1), r((3, 4))), []),  # at once
        ((a((1, 2.9), 1), r((3, 4)), r((5, 6), 1)), ["stale-read"]),
        ((r((1, 3), 1), a((3, 4), 1)), []),
        ((r((1, 2.9), 1), a((3, 4), 1)), ["future-read"]),
        ((a((3, 4), 1), a((1, 3), 2), r((5, 6), 1, 2)), []),
        ((a((1, 3), 1), a((1, 9), 2), r((3, 6), 2)), []),
        ((a((1, 2.9), 1), a((1, 9), 2), r((3, 6), 2)), ["lost"]),
        ((a((1, 3), 1), a((3, 9), 2), r((2, 6), 2)), []),
        ((a((1, 2.9), 1), a((3, 9), 2), r((2, 6), 2)), ["lost"]),
        ((a((1, 2), 1, "info"), a((5, 9), 2), r((5, 6), 2)), []),  # may not have happened
        ((a((1, 2), 1, "info"), r((3, 4), 1), r((5, 6))), ["stale-read"]),
    ],
)
def test_equal_stamps_are_concurrent(calls, anomalies):
    assert [anomaly for anomaly, _, _ in findings(*calls)] == anomalies


def test_every_list_is_judged_and_told_in_the_order_of_time():
    story = Told()
    for at, key in ((12, 1), (8, 2), (10, 3)):
        story.append("p0", (1, 2), key, key=key)
        story.read("p1", (at, at + 1), 99, key=key)
    result = story.judge(append_order())

    assert [item.at for item in result.findings] == [ns(8), ns(10), ns(12)]
    assert result.measured == 3


def test_the_same_pair_is_told_once_and_others_beside_it():
    story = Told()
    for number in (1, 2, 3):
        story.append("p0", (1, 2.9 - number / 10), number)
    story.read("p1", (3, 4), 1, 2, 3)
    story.read("p2", (5, 6))
    story.read("p3", (7, 8), 1)
    result = story.judge(append_order())

    assert {item.anomaly for item in result.findings} == {"stale-read"}
    assert sorted((item.who, item.operations[0]["op"]) for item in result.findings) == [("p2", 3), ("p3", 3)]


def test_a_list_of_six_is_shown_whole_and_a_longer_one_by_its_end():
    for count, shown in ((6, [1, 2, 3, 4, 5, 6]), (7, "7: ..2, 3, 4, 5, 6, 7")):
        story = Told()
        for number in range(1, count):
            story.append("p0", (1, 2), number)
        story.read("p1", (3, 4), *range(1, count + 1))

        assert story.judge(append_order()).findings[0].operations[-1]["out"] == shown


def test_what_there_is_one_of_for_each_list_is_small():
    assert not hasattr(_List(), "__dict__")


def test_a_fork_is_told_by_its_element_of_values_that_are_no_one_object():
    calls = [a((1, 9), value) for value in (1001, 1002, 1003, 1004)]
    (told,) = findings(*calls, r((2, 9), 1001, 1002, 1003, 1004), r((2, 9), 1001, 1002, 1004))

    assert told == ("fork", "p5 read 1004 as element 3 of key 1, p4 read 1003 there", [5, 6])


def test_the_first_list_with_a_repeated_value_is_named():
    story = Told()
    for key in (5, 6):
        for at in (1, 3):
            story.append("p0", (at, at + 1), key, key=key)

    assert story.judge(append_order()).explain == "value(s) 5, 6 were appended more than once, to key 5"
