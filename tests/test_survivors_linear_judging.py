"""Faults of the judging that the first mutants showed to go unnoticed."""

from __future__ import annotations

import dataclasses
from contextlib import nullcontext
from types import SimpleNamespace

import pytest

from scenarios.checks.linear import KeyVerdict, Question, judge_key, judge_keys, judging
from scenarios.checks.linear.search import Answer
from tests.test_linear_registers import read, write
from tests.test_linear_search import cas, refused
from tests.test_linear_shrink import crossing


def test_what_needs_no_search_takes_no_steps():
    assert judge_key([write(1, 1, 2), read(1, 3, 4)], Question()) == KeyVerdict(legal=True, findings=(), steps=0)


@pytest.mark.parametrize(("value", "name"), [(Question(), "model"), (KeyVerdict(legal=True), "legal")])
def test_questions_and_verdicts_are_small_and_never_change(value, name):
    assert not hasattr(value, "__dict__")
    with pytest.raises(dataclasses.FrozenInstanceError):
        setattr(value, name, None)


def test_no_process_is_started_unless_it_is_asked_for(monkeypatch):
    monkeypatch.setattr(judging, "ProcessPoolExecutor", None)
    groups = {number: [cas(0, 1, 1, 2), cas(1, 2, 3, 4)] for number in range(3)}

    assert [item.legal for item in judge_keys(groups, Question("cas-register", 0)).values()] == [True] * 3


@pytest.mark.parametrize(("jobs", "keys", "started"), [(2, 2, [2]), (2, 1, []), (1, 2, []), (0, 2, []), (3, 2, [2])])
def test_two_keys_are_enough_for_two_processes(monkeypatch, jobs, keys, started):
    asked = []

    def pool(count, context):
        asked.append(count)
        return nullcontext(SimpleNamespace(map=map))

    monkeypatch.setattr(judging, "ProcessPoolExecutor", pool)
    groups = {number: [cas(0, 1, 1, 2)] for number in range(keys)}

    assert len(judge_keys(groups, Question("cas-register", 0), jobs)) == keys
    assert asked == started


def test_a_register_with_repeated_values_is_searched_and_one_without_is_not():
    """The budget holds for the search alone."""
    nothing = Question("register", None, judging.Budget(steps=0))
    once, twice = [write(1, 1, 2), read(1, 3, 4)], [write(1, 1, 2), write(1, 3, 4)]

    assert judge_keys({1: once, 2: twice}, nothing) == {1: KeyVerdict(legal=True), 2: KeyVerdict(legal=None)}
    assert judge_key(twice, Question()) == KeyVerdict(legal=True, steps=3)


def test_the_visible_rules_are_for_registers_and_need_no_search(monkeypatch):
    verdict = judge_key([cas(0, 1, 1, 9), cas(0, 2, 1, 9)], Question("cas-register", 0, judging.Budget(steps=0)))

    assert (verdict.legal, [item.anomaly for item in verdict.findings], verdict.steps) == (False, ["two-winners"], 0)


@pytest.mark.parametrize(
    ("last", "words"),
    [
        (refused(5, 6, 7, 50, 51), "c, lost cas of key 1: no order of 1 operations explains"),
        (cas(7, 6, 50, 51), "c, cas of key 1: no order of 1 operations explains"),
        (read(7, 50, 51), "east-r-50, read of key 1: no order of 1 operations explains"),
    ],
)
def test_who_came_last_is_told_with_what_it_did(monkeypatch, last, words):
    monkeypatch.setattr(judging, "broken", lambda *told: [])
    first = cas(0, 1, 1, 2)
    verdict = judge_key([last, first], Question("cas-register", 0))
    (finding,) = verdict.findings

    assert (verdict.legal, finding.anomaly, finding.who, finding.at) == (False, "not-linearizable", last.process, 50)
    assert finding.detail == f"{words} what they saw, whatever the others did"
    assert len(finding.operations) == 1


def test_of_the_few_the_one_that_ended_last_is_told(monkeypatch):
    operations = crossing()
    monkeypatch.setattr(judging, "core", lambda model, calls, *asked: [calls[5], calls[4], calls[3]])
    (finding,) = judge_key(operations, Question("cas-register", 0)).findings

    assert (finding.at, [item["op"] for item in finding.operations]) == (6, [0, 1, 3, 4, 5])


def test_an_answer_that_is_no_answer_is_no_contradiction(monkeypatch):
    monkeypatch.setattr(judging, "search", lambda *asked: Answer(legal=None, steps=7))

    assert judge_key(crossing(), Question("cas-register", 0)) == KeyVerdict(legal=None, findings=(), steps=7)
