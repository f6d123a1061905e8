"""One key after the other to its verdict: the near-linear decider where it applies, the general search elsewhere."""

from __future__ import annotations

import multiprocessing
from collections.abc import Hashable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from typing import Any, TypeVar

from scenarios.checks.linear.models import MODELS, Call, Register, calls_of, lost
from scenarios.checks.linear.registers import contradicted, unique
from scenarios.checks.linear.rules import broken
from scenarios.checks.linear.search import Answer, Budget, search
from scenarios.checks.linear.shrink import core, witnesses
from scenarios.checks.linear.telling import finding
from scenarios.history import Operation
from scenarios.verdict import Finding

Key = TypeVar("Key", bound=Hashable)


@dataclass(frozen=True, slots=True)
class Question:
    """What every key is asked: is it this model (a name of MODELS) that starts as `initial`, within `budget`?"""

    model: str = "register"
    initial: Any = None
    budget: Budget = field(default_factory=Budget)


@dataclass(frozen=True, slots=True)
class KeyVerdict:
    """Whether a key is linearizable: None when the budget ended first. Findings exactly when it is not.

    `steps` are the configurations of the general search, 0 where it was not needed.
    """

    legal: bool | None
    findings: tuple[Finding, ...] = ()
    steps: int = 0


def judge_key(operations: Sequence[Operation], question: Question) -> KeyVerdict:
    """The verdict of one key's operations; exact, or None when the budget ended. BundleError for foreign operations."""
    quick = _at_once(operations, question)
    return _searched(operations, question) if quick is None else quick


def judge_keys(groups: Mapping[Key, Sequence[Operation]], question: Question, jobs: int = 1) -> dict[Key, KeyVerdict]:
    """The verdict of every key, in the order of `groups`.

    Keys that need the general search are shared by `jobs` processes, started anew (the caller must be importable, as
    multiprocessing asks); near-linear ones cost less here than the way to another process would.
    """
    verdicts = {key: _at_once(operations, question) for key, operations in groups.items()}
    hard = [key for key, verdict in verdicts.items() if verdict is None]
    ask = partial(_searched, question=question)
    pending = [groups[key] for key in hard]
    if jobs > 1 and len(hard) > 1:
        with ProcessPoolExecutor(min(jobs, len(hard)), multiprocessing.get_context("spawn")) as workers:
            found = list(workers.map(ask, pending))
    else:
        found = [ask(operations) for operations in pending]
    verdicts.update(zip(hard, found, strict=True))
    return {key: verdict for key, verdict in verdicts.items() if verdict is not None}


def _at_once(operations: Sequence[Operation], question: Question) -> KeyVerdict | None:
    """The verdict where it costs no search: registers with unique values; None elsewhere."""
    if isinstance(MODELS[question.model], Register) and unique(operations, question.initial):
        findings = tuple(contradicted(operations, question.initial))
        return KeyVerdict(not findings, findings)
    return None


def _searched(operations: Sequence[Operation], question: Question) -> KeyVerdict:
    model = MODELS[question.model]
    calls = calls_of(model, operations)
    if isinstance(model, Register):
        findings = tuple(broken(calls, operations, question.initial))
        if findings:
            return KeyVerdict(legal=False, findings=findings)
    answer = search(model, calls, question.initial, question.budget)
    if answer.legal is False:
        return KeyVerdict(legal=False, findings=(_told(calls, question, answer),), steps=answer.steps)
    return KeyVerdict(answer.legal, steps=answer.steps)


def _told(calls: Sequence[Call], question: Question, answer: Answer) -> Finding:
    model = MODELS[question.model]
    few = core(model, calls, question.initial, question.budget, answer)
    last = max(few, key=lambda call: call.end).operation
    doing = "lost cas" if lost(last) else last.f
    detail = (
        f"{last.process}, {doing} of key {last.key}: no order of {len(few)} operations explains what they saw, "
        "whatever the others did"
    )
    shown = few + witnesses(model, calls, question.initial, few)
    return finding("not-linearizable", detail, last, [call.operation for call in shown])
