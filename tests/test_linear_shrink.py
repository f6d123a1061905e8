"""From an impossible history to the few operations that contradict each other."""

from __future__ import annotations

import random
from dataclasses import replace

from scenarios.checks.linear import MODELS, Budget, Question, judge_key
from scenarios.checks.linear.models import calls_of
from scenarios.checks.linear.search import Answer, search
from scenarios.checks.linear.shrink import core, witnesses
from tests import brute, histories
from tests.test_linear_registers import hidden
from tests.test_linear_search import cas, read, write

MODEL = MODELS["cas-register"]


def shrunk(operations, budget=None):
    calls = calls_of(MODEL, operations)
    answer = search(MODEL, calls, 0)
    assert answer.legal is False
    return [call.operation for call in core(MODEL, calls, 0, budget or Budget(), answer)]


def numbered(operations):
    return [replace(item, op=number) for number, item in enumerate(operations)]


def test_what_has_nothing_to_do_with_it_is_left_out():
    before = [cas(number, number + 1, 10 * number, 10 * number + 1) for number in range(29)]
    after = [write(number, 10 * number, 10 * number + 1) for number in range(50, 60)]
    old, stale = read(29, 295, 296), read(29, 305, 306)
    shown = shrunk([*before, write(40, 301, 302), old, stale, *after])

    assert shown == [write(40, 301, 302), stale]  # nothing leads from 40 to 29, and 29 was read after it


def test_every_core_contradicts_itself_and_misses_nothing():
    sizes = []
    for seed in range(600):
        rng = random.Random(seed)
        mix = rng.choice([histories.CAS, histories.CAS_REPEATING])
        operations = histories.shaken(rng, histories.simulated(rng, 10, mix), 1)
        if not search(MODEL, calls_of(MODEL, operations), 0).legal:
            shown = {item.op for item in shrunk(operations)}
            sizes.append(len(shown))
            assert not brute.linearizable(hidden(operations, shown), 0)
            assert all(brute.linearizable(hidden(operations, shown - {one}), 0) for one in shown)
    assert len(sizes) > 100
    assert sum(sizes) / len(sizes) < 3.5


def test_without_a_budget_it_stays_whole():
    operations = [write(1, 1, 2), write(2, 3, 4), read(2, 4, 5), read(1, 5, 6)]

    assert shrunk(operations, Budget(steps=0)) == operations
    assert len(shrunk(operations, Budget(steps=100_000))) == 3


def test_a_wrong_hint_costs_time_and_no_operation():
    operations = [write(1, 1, 2), write(2, 3, 4), read(1, 5, 6)]
    calls = calls_of(MODEL, operations)

    assert core(MODEL, calls, 0, Budget(), Answer(legal=False, steps=1, stuck=2)) == calls


def test_where_a_value_came_from_is_told_too():
    open_write, other, seen, gone = write(5, 1, 2, "info"), write(5, 3, 4), read(5, 5, 6), read(0, 7, 8)
    calls = calls_of(MODEL, [other, open_write, seen, gone])
    shown = calls[2:]

    assert [call.operation for call in witnesses(MODEL, calls, 0, shown)] == [open_write]
    assert witnesses(MODEL, calls, 0, [calls[0], *shown]) == []
    assert [call.operation for call in witnesses(MODEL, calls, 5, shown)] == []


def crossing():
    """Two values, each seen before the other; 7 is written twice, so the rules are silent and the search must speak."""
    return numbered(
        [
            *(write(7, 1, 40), write(8, 1, 40), write(7, 30, 40, "info")),
            *(read(7, 2, 4), read(8, 3, 5), read(7, 6, 8), read(8, 7, 9), read(7, 10, 11), read(8, 12, 13)),
            *(read(7, 14, 15), read(8, 16, 17)),
        ]
    )


def test_what_only_the_search_finds_is_told_with_its_sources():
    operations = crossing()
    verdict = judge_key(operations, Question("cas-register", 0))
    (finding,) = verdict.findings
    shown = {item["op"] for item in finding.operations}

    assert (verdict.legal, finding.anomaly, finding.who) == (False, "not-linearizable", "r")
    assert verdict.steps > 0
    assert not brute.linearizable(hidden(operations, shown), 0)
    assert {0, 1} <= shown
    assert len(shown) < len(operations)
    assert finding.detail == (
        f"r, read of key 1: no order of {len(shown) - 2} operations explains what they saw, whatever the others did"
    )
    assert [item["invoke"] for item in finding.operations] == sorted(item["invoke"] for item in finding.operations)
