"""From a history that has no order to the few of its operations that contradict each other.

An operation that is not shown is not forgotten, for then a read of its value would be a contradiction of its own:
a read is left out, an update becomes one that may take effect at any time after its invoke, or never. So what is left
contradicts itself whatever the others did.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import replace
from operator import attrgetter
from typing import Any

from scenarios.checks.linear.models import OPEN, Access, Call, Model
from scenarios.checks.linear.search import Answer, Budget, search

_SHARE = 50
"""One attempt to do without some operations may cost at most this part of the budget."""


def core(model: Model, calls: Sequence[Call], initial: Any, budget: Budget, answer: Answer) -> list[Call]:
    """The operations of `calls`, by invoke, that have no order; `answer` is the search's, which found none.

    None of them can be left out, unless the budget ended before all were tried; then there may be some too many.
    """
    return _Shrinking(model, calls, initial, budget).run(answer)


def witnesses(model: Model, calls: Sequence[Call], initial: Any, shown: Sequence[Call]) -> list[Call]:
    """For each value that `shown` calls saw and none of them left: the first of all `calls` that may have left it.

    They are no part of the contradiction; they tell a reader where the value came from.
    """
    accesses = [call.kind for call in shown if isinstance(call.kind, Access)]
    left = {access.target for access in accesses}
    wanted = {access.expect for access in accesses} - left - {model.start(initial)}
    found: dict[Hashable, Call] = {}
    for call in sorted(calls, key=attrgetter("invoke")):
        if isinstance(call.kind, Access) and call.kind.target in wanted:
            found.setdefault(call.kind.target, call)
    return list(found.values())


class _Shrinking:
    """The greedy removal of ever smaller stretches of the history, oldest first."""

    def __init__(self, model: Model, calls: Sequence[Call], initial: Any, budget: Budget) -> None:
        self.model = model
        self.initial = initial
        self.calls = sorted(calls, key=lambda call: (call.invoke, call.end))
        self.budget = budget
        self.left = budget.steps

    def run(self, answer: Answer) -> list[Call]:
        """Cut off what came after the contradiction, then remove stretches until none can go."""
        everything = [place for place, call in enumerate(self.calls) if not call.optional]
        early = [place for place in everything if self.calls[place].end <= answer.stuck]
        shown = early if self._contradict(early) else everything
        size = len(shown) // 2
        while size > 1:
            shown = self._without_stretches(shown, size)
            size = min(size, len(shown)) // 2
        while (fewer := self._without_stretches(shown, 1)) != shown:
            shown = fewer
        return [self.calls[place] for place in shown]

    def _without_stretches(self, shown: list[int], size: int) -> list[int]:
        start = 0
        while start < len(shown):
            rest = shown[:start] + shown[start + size :]
            if self._contradict(rest):
                shown = rest
            else:
                start += size
        return shown

    def _contradict(self, shown: Sequence[int]) -> bool:
        """Whether the shown calls have no order whatever the others did; False when that cannot be said in time."""
        kept = set(shown)
        seen = [self._seen(call, place in kept) for place, call in enumerate(self.calls)]
        allowance = Budget(max(0, min(self.left, self.budget.steps // _SHARE)), self.budget.seconds / _SHARE)
        answer = search(self.model, [call for call in seen if call is not None], self.initial, allowance)
        self.left -= answer.steps
        return answer.legal is False

    def _seen(self, call: Call, shown: bool) -> Call | None:
        if shown:
            return call
        return None if self.model.pure(call.kind) else replace(call, end=OPEN)
