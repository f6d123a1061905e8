"""Faults of the models that the first mutants showed to go unnoticed."""

from __future__ import annotations

import dataclasses

import pytest

from scenarios.checks.linear import MODELS
from scenarios.checks.linear.models import ANY, IMPOSSIBLE, KEEP, OPEN, Access, calls_of, lost
from tests.histories import operation


@pytest.mark.parametrize("model", MODELS.values(), ids=list(MODELS))
def test_a_model_is_a_value_that_nobody_changes(model):
    assert model in {model}
    with pytest.raises(dataclasses.FrozenInstanceError):
        model.name = "another"


@pytest.mark.parametrize("name", ["set", "counter"])
def test_a_call_is_pure_by_its_verb_and_not_by_its_value(name):
    pure = MODELS[name].pure

    assert (pure(("read", "add")), pure(("add", "read")), pure(("delete", "read"))) == (True, False, False)


BIG = 10**12


@pytest.mark.parametrize(
    ("name", "state", "kind", "after"),
    [
        ("register", BIG, Access(int(str(BIG)), KEEP), BIG),
        ("register", BIG, Access(BIG + 1, KEEP), IMPOSSIBLE),
        ("register", BIG, Access(ANY, 7), 7),
        ("cas-register", BIG, Access(int(str(BIG)), 7), 7),
        ("cas-register", BIG, Access(BIG - 1, 7), IMPOSSIBLE),
        ("counter", BIG, ("read", int(str(BIG))), BIG),
        ("counter", BIG, ("read", BIG + 1), IMPOSSIBLE),
        ("counter", BIG, ("read", BIG - 1), IMPOSSIBLE),
        ("counter", 5, ("add", 3), 8),
        ("counter", 5, ("add", -3), 2),
        ("set", frozenset((1, 2)), ("read", frozenset((2, 1))), frozenset((1, 2))),
        ("set", frozenset((1, 2)), ("read", frozenset((1, 2, 3))), IMPOSSIBLE),
        ("set", frozenset((1, 2)), ("read", frozenset((1,))), IMPOSSIBLE),
        ("set", frozenset((1, 2)), ("add", 2), frozenset((1, 2))),
        ("set", frozenset((1, 2)), ("add", 3), frozenset((1, 2, 3))),
        ("set", frozenset((1, 2)), ("delete", 2), frozenset((1,))),
        ("set", frozenset((1, 2)), ("delete", 3), frozenset((1, 2))),
    ],
)
def test_one_step_of_each_model(name, state, kind, after):
    assert MODELS[name].step(state, kind) == after


@pytest.mark.parametrize(
    ("name", "initial", "state"),
    [
        ("register", None, None),
        ("register", 5, 5),
        ("counter", None, 0),
        ("counter", 7, 7),
        ("counter", 0, 0),
        ("set", None, frozenset()),
        ("set", [3, 4], frozenset((3, 4))),
    ],
)
def test_the_first_state_of_each_model(name, initial, state):
    assert MODELS[name].start(initial) == state


def told(f, outcome="ok", out=None, value=1):
    return operation("c", f, (1, 2), outcome, value=value, out=out)


@pytest.mark.parametrize(
    ("name", "asked", "kind"),
    [
        ("counter", told("read"), ("read", 0)),
        ("counter", told("read", out=5), ("read", 5)),
        ("counter", told("add", value=3), ("add", 3)),
        ("set", told("read"), ("read", frozenset())),
        ("set", told("add", value=3), ("add", 3)),
        ("set", told("write", value=3), ("add", 3)),
        ("set", told("delete", value=3), ("delete", 3)),
        ("cas-register", told("cas", value=[1, 2], out={"applied": False, "value": None}), Access(None, KEEP)),
        ("cas-register", told("cas", value=[None, 2], out={"applied": False}), Access(IMPOSSIBLE, KEEP)),
        ("cas-register", told("cas", "info", value=[1, 2]), Access(1, 2)),
    ],
)
def test_what_an_operation_asks_of_a_model(name, asked, kind):
    assert MODELS[name].kind(asked) == kind


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        (told("cas", out={"applied": False, "value": 3}), True),
        (told("cas", out={"applied": True}), False),
        (told("cas", out={}), False),
        (told("cas", "info", out={"applied": False}), False),
        (told("cas", "fail", out={"applied": False}), False),
        (told("read", out=0), False),
    ],
)
def test_a_race_is_lost_when_the_answer_says_so(asked, expected):
    assert lost(asked) is expected


@pytest.mark.parametrize("f", ["write", "cas", "delete"])
def test_what_may_have_happened_is_open_and_what_nobody_answered_is_none(f):
    given = [told(f, outcome, value=[1, 2] if f == "cas" else 1) for outcome in ("ok", "info", "fail")]
    given[0].out = {"applied": True}
    calls = calls_of(MODELS["cas-register"], [*given, told("read", "info"), told("create"), told("create", "info")])

    assert [(call.invoke, call.end, call.optional) for call in calls] == [(1, 2, False), (1, OPEN, True)]


def test_what_there_is_one_of_for_each_operation_is_small():
    assert not hasattr(calls_of(MODELS["register"], [told("write")])[0], "__dict__")
