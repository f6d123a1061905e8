"""Faults of the shrinking that the first mutants showed to go unnoticed: what is shown, and what it may cost."""

from __future__ import annotations

import pytest

from scenarios.checks.linear import MODELS, Budget, shrink
from scenarios.checks.linear.models import calls_of
from scenarios.checks.linear.search import Answer
from tests.test_linear_search import read, write
from tests.test_linear_shrink import shrunk

MODEL = MODELS["cas-register"]


class Asked:
    """A search that finds a contradiction exactly where all calls of `proof` must be placed."""

    def __init__(self, monkeypatch, proof=(), steps=1):
        self.proof, self.steps = proof, steps
        self.sizes, self.budgets = [], []
        monkeypatch.setattr(shrink, "search", self)

    def __call__(self, model, calls, initial, budget):
        shown = [call.operation.value for call in calls if not call.optional]
        self.sizes.append(len(shown))
        self.budgets.append((budget.steps, budget.seconds))
        return Answer(legal=not set(self.proof) <= set(shown), steps=self.steps)


def shown(operations, budget, stuck=1000):
    answer = Answer(legal=False, steps=1, stuck=stuck)
    return [call.operation.value for call in shrink.core(MODEL, calls_of(MODEL, operations), 0, budget, answer)]


def test_the_first_of_two_contradictions_is_told():
    first = [write(1, 1, 2), write(2, 3, 4), read(1, 5, 6)]
    second = [write(11, 101, 102), write(12, 103, 104), read(11, 105, 106)]

    assert [item.returned for item in shrunk([*first, *second])] == [2, 4, 6]


def test_stretches_are_halved_until_they_are_single(monkeypatch):
    """16 calls, of which two are the proof: by halves, quarters and so on, each attempt without one stretch."""
    asked = Asked(monkeypatch, proof=(5, 12))
    operations = [write(number, 10 * number, 10 * number + 1) for number in range(16)]

    assert shown(operations, Budget()) == [5, 12]
    # All that ended early; then without 8, without 4, 2 and 1 of what was left, until a round finds nothing.
    assert asked.sizes == [16, *(8, 8), *(12, 8, 8, 4), *(6, 6, 4, 4), *(3, 2, 2, 2), *(1, 1)]


def test_what_ended_after_the_contradiction_is_cut_off_at_once(monkeypatch):
    asked = Asked(monkeypatch, proof=(1, 2))
    operations = [write(number, 10 * number, 10 * number + 1) for number in range(16)]

    assert shown(operations, Budget(), stuck=21) == [1, 2]
    assert asked.sizes == [3, 2, 1, 1, 1, 1]


def test_an_attempt_gets_its_share_of_the_budget_and_all_of_them_no_more_than_all(monkeypatch):
    asked = Asked(monkeypatch, proof=(0, 1, 2, 3), steps=450)
    operations = [write(number, 10 * number, 10 * number + 1) for number in range(4)]
    shown(operations, Budget(steps=1010, seconds=75.0))

    assert asked.budgets[:4] == [(20, 1.5), (20, 1.5), (20, 1.5), (0, 1.5)]
    assert min(steps for steps, _ in asked.budgets) == 0


@pytest.mark.parametrize(
    ("count", "proof", "sizes"),
    [
        (1, (0,), [1, 0]),  # nothing to halve
        (2, (0, 1), [2, 1, 1]),
        (4, (0, 1, 2, 3), [4, *(2, 2), *(3, 3, 3, 3)]),  # a round that finds nothing is the last
        (6, (5,), [6, *(3, 0), *(2, 1, 0), 0]),
        (9, (8,), [9, *(5, 1, 0), 0]),  # by fours one is left: by twos there is nothing to try
    ],
)
def test_a_stretch_is_at_most_half_of_what_is_left(monkeypatch, count, proof, sizes):
    asked = Asked(monkeypatch, proof=proof)
    operations = [write(number, 10 * number, 10 * number + 1) for number in range(count)]

    assert shown(operations, Budget()) == list(proof)
    assert asked.sizes == sizes


def test_what_was_there_first_or_what_nobody_saw_needs_no_witness():
    seen, other = read(5, 10, 11), write(3, 12, 13)
    calls = calls_of(MODEL, [write(3, 1, 2), write(5, 1, 2), write(5, 3, 4), write(7, 1, 2), seen, other])

    told = [call.operation.value for call in shrink.witnesses(MODEL, calls, 3, calls[4:])]
    assert told == [5]
    assert [call.invoke for call in shrink.witnesses(MODEL, calls, 7, calls[4:])] == [1]
    assert shrink.witnesses(MODEL, calls, 5, [*calls[4:], calls_of(MODEL, [write(5, 0, 1)])[0]]) == []
