"""Faults of the models that the first mutants showed to go unnoticed."""

from __future__ import annotations

import dataclasses

import pytest

from scenarios.checks.linear import MODELS


@pytest.mark.parametrize("model", MODELS.values(), ids=list(MODELS))
def test_a_model_is_a_value_that_nobody_changes(model):
    assert model in {model}
    with pytest.raises(dataclasses.FrozenInstanceError):
        model.name = "another"


@pytest.mark.parametrize("name", ["set", "counter"])
def test_a_call_is_pure_by_its_verb_and_not_by_its_value(name):
    pure = MODELS[name].pure

    assert (pure(("read", "add")), pure(("add", "read")), pure(("delete", "read"))) == (True, False, False)
