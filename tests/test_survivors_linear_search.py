"""Faults of the general search that the first mutants showed to go unnoticed."""

from __future__ import annotations

from scenarios.checks.linear import MODELS, Budget
from scenarios.checks.linear.models import calls_of
from scenarios.checks.linear.search import Answer, search
from tests.test_linear_search import cas

LONG = 20_000


def test_what_lies_behind_costs_nothing():
    """0.2 s; a search that looks at all calls before its frontier again needs minutes, and ends at the budget."""
    calls = calls_of(MODELS["cas-register"], [cas(n, n + 1, 10 * n, 10 * n + 5) for n in range(LONG)])

    assert search(MODELS["cas-register"], calls, 0, Budget(seconds=10)) == Answer(legal=True, steps=LONG + 1)
