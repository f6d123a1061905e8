"""Faults of the judging that the first mutants showed to go unnoticed."""

from __future__ import annotations

import dataclasses

import pytest

from scenarios.checks.linear import KeyVerdict, Question, judge_key
from tests.test_linear_registers import read, write


def test_what_needs_no_search_takes_no_steps():
    assert judge_key([write(1, 1, 2), read(1, 3, 4)], Question()) == KeyVerdict(legal=True, findings=(), steps=0)


@pytest.mark.parametrize(("value", "name"), [(Question(), "model"), (KeyVerdict(legal=True), "legal")])
def test_questions_and_verdicts_are_small_and_never_change(value, name):
    assert not hasattr(value, "__dict__")
    with pytest.raises(dataclasses.FrozenInstanceError):
        setattr(value, name, None)
