"""Faults of the register rules that the first mutants showed to go unnoticed."""

from __future__ import annotations

from scenarios.checks.linear import MODELS
from scenarios.checks.linear.models import calls_of
from scenarios.checks.linear.rules import broken
from tests.test_linear_rules import told
from tests.test_linear_search import cas, read, write

BIG = 10**12
"""Above what CPython keeps one object of: equal numbers are then not the same object, as in a history that was read."""


def far(operations):
    """The same with large numbers of their own, as they come from a file."""
    for item in operations:
        item.invoke, item.returned = int(f"{BIG + item.invoke}"), int(f"{BIG + item.returned}")
        if item.f == "cas":
            item.value = [int(f"{BIG + value}") for value in item.value]
        elif item.f == "write":
            item.value = int(f"{BIG + item.value}")
        else:
            item.out = int(f"{BIG + item.out}")
    return operations


def anomalies(operations, initial):
    return [finding.anomaly for finding in broken(calls_of(MODELS["cas-register"], operations), operations, initial)]


def test_two_winners_are_found_whichever_way_the_values_go():
    assert told([cas(5, 1, 1, 9), cas(5, 2, 1, 9)], 5)[0][0] == "two-winners"
    assert told([cas(5, 8, 1, 9), cas(5, 9, 1, 9)], 5)[0][0] == "two-winners"


def test_a_value_set_to_itself_is_still_there():
    assert told([cas(0, 0, 1, 9), cas(0, 0, 1, 9)]) == []
    assert anomalies(far([cas(0, 0, 1, 9), cas(0, 0, 1, 9), cas(0, 0, 1, 9)]), BIG) == []


def test_one_winner_more_than_there_were_values_is_told():
    operations = [write(7, 1, 2), write(7, 1, 2), *(cas(7, number, 3, 9) for number in (1, 2, 3, 4, 5))]
    ((anomaly, proof, detail),) = [item for item in told(operations) if item[0] == "two-winners"]

    assert (anomaly, proof) == ("two-winners", [0, 1, 2, 3, 4])
    assert detail == "c2 and c3 and c4 each replaced 7 of key 1, which was there 2 times"


def test_what_was_sent_last_replaced_a_value_although_it_ended_earlier():
    """9 was sent at 0 and 8 at 5, so only 8 certainly came after 7, which was acknowledged at 2."""
    operations = [write(9, 0, 10), write(7, 1, 2), write(8, 5, 6), read(7, 20, 21)]

    assert [item[:2] for item in told(operations)] == [("stale-read", [1, 2, 3])]
    assert anomalies(far(operations), BIG) == ["stale-read"]
