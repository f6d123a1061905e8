"""The visible rules of a register: each with a history that only it names, and never one that brute force excuses."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest

from scenarios.checks.linear import MODELS
from scenarios.checks.linear.models import calls_of
from scenarios.checks.linear.rules import broken
from tests import brute, histories
from tests.test_linear_search import cas, read, refused, write


def told(operations, initial=0):
    numbered = [replace(item, op=number, process=f"{item.process}{number}") for number, item in enumerate(operations)]
    found = list(broken(calls_of(MODELS["cas-register"], numbered), numbered, initial))
    return [(finding.anomaly, [item["op"] for item in finding.operations], finding.detail) for finding in found]


def test_a_value_that_nobody_wrote():
    assert told([write(1, 1, 2), read(9, 3, 4)]) == [("garbage", [1], "r1 saw 9 in key 1, which nobody wrote")]


def test_a_row_that_nobody_deleted():
    assert told([read(None, 3, 4)]) == [("garbage", [0], "r0 saw no row in key 1, which nobody wrote")]


@pytest.mark.parametrize("failed", [write(1, 1, 2, "fail"), cas(0, 1, 1, 2, "fail")])
def test_a_failed_update_that_was_seen(failed):
    ((anomaly, proof, detail),) = told([failed, read(1, 3, 4)])

    assert (anomaly, proof) == ("failed-visible", [0, 1])
    assert detail == "r1 saw 1 in key 1, whose write certainly failed"


def test_a_failed_delete_that_was_seen():
    delete = histories.operation("d", "delete", (1, 2), "fail", value=5)

    assert told([delete, read(None, 3, 4)])[0][:2] == ("failed-visible", [0, 1])
    assert told([delete, read(5, 3, 4)])[0][:2] == ("garbage", [1])


def test_a_lost_race_that_was_seen():
    detail = "r1 saw 7 in key 1, whose write was told that it had not applied"

    assert told([refused(5, 7, 0, 1, 2), read(7, 3, 4)]) == [("failed-visible", [0, 1], detail)]


def test_a_retry_that_meets_its_own_value():
    """The first attempt applied, the driver sent it again, and the answer is that of the second."""
    ((anomaly, proof, _),) = told([refused(0, 7, 7, 1, 2)])

    assert (anomaly, proof) == ("failed-visible", [0])


def test_a_refusal_by_the_expected_value():
    detail = "c0 was refused on key 1 because of 0, which is what it expected"

    assert told([refused(0, 7, 0, 1, 2)]) == [("refused-match", [0], detail)]
    assert told([refused(5, 7, 0, 1, 2)]) == []


def test_a_read_before_the_first_write_of_its_value():
    operations = [read(1, 1, 2), write(1, 7, 8), write(1, 3, 4)]

    assert told(operations) == [("future-read", [0, 2], "r0 saw 1 in key 1 before w2 sent it")]
    assert told([read(1, 1, 3), write(1, 3, 4)]) == []  # equal stamps: at once


def test_a_read_after_its_value_was_replaced():
    operations = [write(1, 1, 2), write(2, 3, 4), read(1, 5, 6)]

    assert told(operations) == [("stale-read", [0, 1, 2], "r2 saw 1 of key 1 after w1 had put 2 in its place")]


@pytest.mark.parametrize("replacing", [write(2, 2, 4), write(2, 3, 5), write(2, 3, 4, "info"), write(1, 3, 4)])
def test_what_may_have_come_first_replaced_nothing(replacing):
    assert told([write(1, 1, 2), replacing, read(1, 5, 6)]) == []


def test_a_value_that_may_have_come_back_is_not_stale():
    for again in (write(1, 4, 9), write(1, 6, 9), write(1, 1, 2, "info")):
        assert told([write(1, 1, 2), write(2, 3, 4), again, read(1, 5, 6)]) == []


def test_of_all_that_wrote_the_value_the_latest_is_told():
    operations = [write(1, 1, 9), write(1, 2, 3), write(2, 10, 11), write(3, 12, 13), read(1, 20, 21)]

    assert told(operations)[0][1] == [0, 3, 4]


def test_the_replacement_is_another_value_even_when_the_last_is_the_same():
    """Of what ended before the read, 1 was written last; 2, before it, replaced nothing that came later."""
    assert told([write(2, 1, 2), write(1, 3, 4), read(1, 5, 6)]) == []
    stale = [write(1, 1, 2), write(3, 3, 5), write(2, 4, 6), read(2, 8, 9), read(1, 8, 9)]
    assert [proof for _, proof, _ in told(stale)] == [[0, 2, 4]]


def test_the_first_value_is_replaced_by_anything():
    assert told([write(1, 1, 2), read(0, 3, 4)]) == [
        ("stale-read", [0, 1], "r1 saw 0 of key 1 after w0 had put 1 in its place")
    ]
    assert told([write(1, 1, 3), read(0, 3, 4)]) == []
    assert told([write(1, 1, 2), write(0, 3, 4), read(0, 5, 6)]) == []


def test_a_compare_and_set_of_an_old_value():
    ((anomaly, proof, detail),) = told([write(1, 1, 2), cas(0, 5, 3, 4)])

    assert (anomaly, proof) == ("stale-read", [0, 1])
    assert detail == "c1 replaced 0 of key 1 after w0 had put 1 in its place"


def test_a_lost_race_that_saw_an_old_value():
    assert told([write(1, 1, 2), refused(9, 5, 0, 3, 4)])[0][2] == "c1 saw 0 of key 1 after w0 had put 1 in its place"


def test_two_winners_at_once():
    detail = "c0 and c1 each replaced 0 of key 1, which was there once"

    assert told([cas(0, 1, 1, 9), cas(0, 2, 1, 9)]) == [("two-winners", [0, 1], detail)]


def test_three_winners_of_a_value_that_was_there_twice():
    operations = [write(0, 1, 9), cas(0, 1, 1, 9), cas(0, 2, 1, 9), cas(0, 3, 1, 9)]
    ((anomaly, proof, detail),) = told(operations)

    assert (anomaly, proof) == ("two-winners", [1, 2, 3, 0])  # by invoke, then by name
    assert detail == "c1 and c2 and c3 each replaced 0 of key 1, which was there 2 times"
    assert told(operations[:3]) == []


@pytest.mark.parametrize("other", [cas(0, 2, 1, 9, "info"), cas(0, 0, 1, 9), refused(7, 2, 0, 1, 9)])
def test_who_did_not_replace_it_is_no_winner(other):
    assert told([cas(0, 1, 1, 9), other]) == []


def test_what_a_rule_names_is_wrong_and_most_wrongs_have_a_rule():
    named = wrong = 0
    for seed in range(2_000):
        rng = random.Random(seed)
        mix = rng.choice([histories.CAS, histories.CAS_REPEATING, histories.DELETES])
        operations = histories.shaken(rng, histories.simulated(rng, 10, mix), 1)
        legal = brute.linearizable(operations, mix.initial)
        rules = list(broken(calls_of(MODELS["cas-register"], operations), operations, mix.initial))
        assert not (rules and legal), seed
        named += bool(rules)
        wrong += not legal
    assert wrong > 400
    assert 0.85 < named / wrong < 1
