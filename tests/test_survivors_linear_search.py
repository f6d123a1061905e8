"""Faults of the general search that the first mutants showed to go unnoticed."""

from __future__ import annotations

import random
from dataclasses import replace
from types import SimpleNamespace

import pytest

from scenarios.checks.linear import MODELS, Budget
from scenarios.checks.linear import search as module
from scenarios.checks.linear.models import calls_of
from scenarios.checks.linear.search import Answer, search
from tests import histories
from tests.test_linear_search import cas, entangled, look, public_set, read
from tests.test_survivors_linear_rules import BIG, read_from_a_file

LONG = 20_000


def test_what_lies_behind_costs_nothing():
    """0.2 s; a search that looks at all calls before its frontier again needs minutes, and ends at the budget."""
    calls = calls_of(MODELS["cas-register"], [cas(n, n + 1, 10 * n, 10 * n + 5) for n in range(LONG)])

    assert search(MODELS["cas-register"], calls, 0, Budget(seconds=10)) == Answer(legal=True, steps=LONG + 1)


def test_the_budget_of_a_key_is_as_documented():
    assert Budget() == Budget(steps=1_000_000, seconds=60.0)


def test_the_clock_is_looked_at_every_1024_steps():
    assert look(entangled(40), "counter", 0, Budget(seconds=0.0)).steps == 1023


@pytest.mark.parametrize(("now", "steps"), [((100, 159, 160, 160.5), 3 * 1024 - 1), ((0.5, 60.4, 60.6), 2 * 1024 - 1)])
def test_the_clock_ends_a_search_when_its_seconds_are_over(monkeypatch, now, steps):
    """The first look is at the beginning; at the very end of the budget there is still time."""
    monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=iter(now).__next__))

    assert look(entangled(40), "counter", 0, Budget(seconds=60.0)) == Answer(legal=None, steps=steps)


def test_a_long_chain_with_reads_is_one_order_and_a_wrong_last_read_is_none():
    """More states, kinds and calls than CPython keeps one object of."""
    operations = []
    for n in range(700):
        operations += [cas(n, n + 1, 30 * n, 30 * n + 5), read(n + 1, 30 * n + 10, 30 * n + 15)]
        operations.append(cas(n, n + 1, 30 * n, 30 * n + 5, "fail"))
    assert look(operations) == Answer(legal=True, steps=701)

    operations.append(read(699, 30_000, 30_001))
    assert look(operations) == Answer(legal=False, steps=701, stuck=30_001)


def test_a_search_does_not_depend_on_which_numbers_are_one_object():
    illegal = 0
    for seed in range(400):
        rng = random.Random(seed)
        mix = rng.choice([histories.CAS, histories.CAS_REPEATING, replace(histories.CAS, info=0.4, clients=5)])
        operations = histories.shaken(rng, histories.simulated(rng, 12, mix), 1)
        here, there = look(operations), look(read_from_a_file(operations), initial=BIG)
        assert (here.legal, here.steps, here.stuck) == (there.legal, there.steps, max(there.stuck - BIG, here.stuck))
        illegal += not here.legal
    assert illegal > 100


def drawn(seeds, count, mix, lie=None):
    for seed in seeds:
        rng = random.Random(seed)
        operations = histories.simulated(rng, count, mix)
        yield histories.LIES[lie](rng, operations) if lie else operations


BUSY = histories.Mix(6, (("read", 4), ("write", 3), ("cas", 3)), info=0.15, fail=0.03, values=4, initial=0, longest=30)
OPEN_ENDED = replace(histories.CAS, clients=5, info=0.5, longest=20)
BLIND = histories.Mix(6, (("read", 2), ("write", 5), ("delete", 2)), info=0.3, initial=0, values=4, longest=25)


@pytest.mark.parametrize(
    ("mix", "lie", "most"),
    [
        (BUSY, None, 1_087),
        (BUSY, "other_read", 2_616),
        (OPEN_ENDED, "other_read", 240),
        (BLIND, None, 1_296),
        (BLIND, "swapped_reads", 3_832),
    ],
)
def test_a_search_is_no_longer_than_when_this_was_written(mix, lie, most):
    """Every order in which calls are tried, and everything that is known to be dead, shows in these sums."""
    assert sum(look(operations).steps for operations in drawn(range(40), 60, mix, lie)) <= most


def test_the_public_set_takes_no_more_steps_than_when_this_was_written():
    assert sum(look(operations).steps for operations in public_set()) <= 5_142


def test_every_open_call_is_used_once_and_each_of_them_may_be():
    """Ten open increments by hand, each a bit of its own: a chain that uses all of them has one order."""
    adds = [cas(n, n + 1, 1, 2, "info") for n in range(12)]

    assert look([*adds, read(12, 5, 6)]).legal
    assert look([*adds, read(6, 5, 6), read(12, 7, 8), read(12, 9, 10)]).legal
    assert not look([*adds, read(6, 5, 6), read(3, 7, 8)]).legal
    assert not look([*adds, read(13, 5, 6)]).legal


@pytest.mark.parametrize(("sent", "legal"), [(4, True), (5, True), (6, False)])
def test_an_open_call_may_take_effect_at_the_stamp_at_which_it_was_sent(sent, legal):
    assert look([cas(0, 1, sent, 9, "info"), read(1, 3, 5)]).legal is legal


def test_nothing_has_an_order_from_the_beginning_on():
    assert look([]) == Answer(legal=True, steps=1)
    assert look([read(5, 0, 0)]) == Answer(legal=False, steps=1, stuck=0)
