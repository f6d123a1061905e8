"""Faults of the register rules that the first mutants showed to go unnoticed."""

from __future__ import annotations

import dataclasses
import json
import random

from scenarios.checks.linear import MODELS
from scenarios.checks.linear.models import calls_of
from scenarios.checks.linear.rules import broken
from scenarios.history import Operation
from tests import histories
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


def read_from_a_file(operations):
    """The same with times and values that are large and objects of their own."""
    told = json.dumps([item.as_json() for item in operations])
    return [Operation(**(dict.fromkeys(OPTIONAL) | grown(item))) for item in json.loads(told)]


OPTIONAL = [field.name for field in dataclasses.fields(Operation)]


def grown(told):
    """Times and values grow by BIG; a value may stand in a list or in an answer."""
    names = {"invoke", "returned", "value", "out"}
    return {name: larger(value) if name in names else value for name, value in told.items()}


def larger(value):
    if isinstance(value, list):
        return [larger(item) for item in value]
    if isinstance(value, dict):
        return {name: larger(item) for name, item in value.items()}
    return value if value is None or isinstance(value, bool) else BIG + value


def shown_to(item):
    """The value that an answered operation saw, or NOTHING: a blind write, or a refusal that is wrong by itself."""
    if item.outcome != "ok" or item.f in ("write", "delete"):
        return NOTHING
    if item.f == "read":
        return item.out
    if item.out["applied"]:
        return item.value[0]
    return NOTHING if item.out["value"] == item.value[0] else item.out["value"]


NOTHING = object()


def left_by(item):
    """The value that an operation left or would have left."""
    return {"delete": None, "read": NOTHING}.get(item.f, item.value[1] if item.f == "cas" else item.value)


def took_effect(item):
    return (
        item.f != "read" and item.outcome != "fail" and not (item.f == "cas" and item.out and not item.out["applied"])
    )


def end(item):
    return item.returned if item.outcome == "ok" else float("inf")


def obviously_broken(operations, initial):
    """Each rule by its definition, each pair of operations compared; (anomaly, number of the operation in fault)."""
    updates = [item for item in operations if took_effect(item)]
    wrong = set()
    for item in operations:
        if item.f == "cas" and item.out and not item.out["applied"] and item.out["value"] == item.value[0]:
            wrong.add(("refused-match", item.op))
        saw = shown_to(item)
        if saw is NOTHING:
            continue
        sources = [other for other in updates if left_by(other) == saw]
        begun = [other for other in sources if other.invoke <= end(item)]
        if not begun and saw != initial:
            failed = any(left_by(other) == saw and not took_effect(other) for other in operations if other.f != "read")
            wrong.add(("future-read" if sources else "failed-visible" if failed else "garbage", item.op))
        elif any(
            left_by(other) != saw and end(other) < item.invoke and all(end(source) < other.invoke for source in begun)
            for other in updates
        ):
            wrong.add(("stale-read", item.op))
    for value in {left_by(item) for item in updates} | {initial}:
        there = sum(left_by(item) == value for item in updates) + (value == initial)
        takers = [item for item in updates if item.outcome == "ok" and item.f == "cas" and item.value[0] == value]
        takers = [item for item in takers if item.value[1] != value]
        if len(takers) > there:
            wrong.add(("two-winners", sorted(takers, key=lambda item: item.invoke)[there].op))
    return wrong


def test_the_rules_find_exactly_what_their_definitions_name():
    seen = set()
    for seed in range(1_500):
        rng = random.Random(seed)
        mix = rng.choice([histories.CAS, histories.CAS_REPEATING, histories.CAS_REPEATING, histories.DELETES])
        operations = histories.shaken(rng, histories.simulated(rng, 10, mix), rng.choice([1, 2, 4]))
        operations, initial = read_from_a_file(operations), larger(mix.initial)
        found = list(broken(calls_of(MODELS["cas-register"], operations), operations, initial))
        expected = obviously_broken(operations, initial)
        numbers = {(item.process, item.invoke): item.op for item in operations}
        assert {(item.anomaly, numbers[item.who, item.at]) for item in found} == expected, seed
        seen |= {anomaly for anomaly, _ in expected}
    assert seen == {"refused-match", "garbage", "failed-visible", "future-read", "stale-read", "two-winners"}


def test_of_replacements_that_were_sent_at_once_the_one_that_ended_last_is_told():
    operations = [write(1, 1, 2), write(3, 3, 5), write(2, 3, 4), read(1, 8, 9)]

    assert [item[:2] for item in told(operations)] == [("stale-read", [0, 2, 3])]
    assert [item[:2] for item in told([operations[0], *operations[2:0:-1], operations[3]])] == [
        ("stale-read", [0, 1, 3])
    ]


def test_of_sources_that_ended_at_once_the_first_is_told():
    operations = [write(1, 2, 4), write(1, 1, 4), write(2, 5, 6), read(1, 8, 9)]

    assert [item[:2] for item in told(operations)] == [("stale-read", [1, 2, 3])]
