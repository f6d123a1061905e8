"""The general search for a linearization: exact for every model, bounded by a budget, never recursive.

It walks configurations (which calls are placed, which state they left) depth first and never visits one twice
(Wing & Gong 1993, Lowe 2017). What keeps it short, with the reason why nothing is lost:

* A read that fits the state is placed at once: it changes nothing, so placing it later gains nothing.
* Of calls of one kind only the one that ends first is tried: swapping two of them changes no state, and the one that
  ends later can take the later place.
* An optional call is only placed where the very next call needs its value (models that overwrite); otherwise the
  same order without it is as good. One whose value nobody needs is dropped beforehand.
* A configuration that used more optional calls than one that is known to fail, and is equal otherwise, fails too.
* When the call that must come next needs a value that no open call can leave, the configuration is dead.

Calls are sorted by invoke; all below the frontier are placed, so a configuration is a frontier and a few bits, and
a moment without open calls costs nothing to pass.
"""

from __future__ import annotations

import time
from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import Any

from scenarios.checks.linear.models import ANY, IMPOSSIBLE, KEEP, OPEN, Access, Call, Model

_CLOCK_EVERY = 1024
"""Steps between two looks at the clock: about 10 ms."""
_NONE = -1

_Configuration = tuple[int, int, int, int, bool]
"""Frontier, placed calls from there on (bits), state, used optional calls (bits), hungry: a reader must come next."""


@dataclass(frozen=True, slots=True)
class Budget:
    """What one key may cost: configurations (about 0.3 KB each, so memory too) and seconds, whichever ends first.

    A million configurations take 3 to 10 s of CPython on one core of 2026. The steps end first on any usual machine,
    so that the verdict does not depend on its speed.
    """

    steps: int = 1_000_000
    seconds: float = 60.0


@dataclass(frozen=True, slots=True)
class Answer:
    """Whether an order exists; None when the budget ended first.

    When none exists, everything that ended before `stuck` (nanoseconds) has an order, with the call that ends then
    it has none. `steps` are configurations visited.
    """

    legal: bool | None
    steps: int
    stuck: float = OPEN


def search(model: Model, calls: Sequence[Call], initial: Any, budget: Budget | None = None) -> Answer:
    """Whether `calls` have an order that `model` accepts from `initial` and that respects their intervals."""
    return _Search(model, calls, initial).run(budget or Budget())


class _Kinds:
    """Kinds and states as small numbers; steps between them are asked from the model once and kept."""

    def __init__(self, model: Model) -> None:
        self.model = model
        self.pure: list[bool] = []
        self.expect: list[int] = []
        self.target: list[int] = []
        self.rows: list[dict[int, int]] = []
        self._kinds: list[Hashable] = []
        self._states: list[Hashable] = []
        self._kind_numbers: dict[Hashable, int] = {}
        self._state_numbers: dict[Hashable, int] = {}

    def kind(self, kind: Hashable) -> int:
        """The number of `kind`."""
        number = self._kind_numbers.setdefault(kind, len(self._kinds))
        if number == len(self._kinds):
            self._kinds.append(kind)
            self.pure.append(self.model.pure(kind))
            expect, target = kind if isinstance(kind, Access) else (ANY, KEEP)
            self.expect.append(_NONE if expect is ANY else self.state(expect))
            self.target.append(_NONE if target is KEEP else self.state(target))
        return number

    def state(self, state: Hashable) -> int:
        """The number of `state`."""
        number = self._state_numbers.setdefault(state, len(self._states))
        if number == len(self._states):
            self._states.append(state)
            self.rows.append({})
        return number

    def learn(self, state: int, kind: int) -> int:
        """The state after a call, _NONE when it is impossible; kept in `rows[state][kind]`."""
        after = self.model.step(self._states[state], self._kinds[kind])
        number = _NONE if after is IMPOSSIBLE else self.state(after)
        self.rows[state][kind] = number
        return number


class _Search:
    """One search; `run` may be called once."""

    def __init__(self, model: Model, calls: Sequence[Call], initial: Any) -> None:
        self.kinds = kinds = _Kinds(model)
        self.overwrites = model.overwrites
        self.start = kinds.state(model.start(initial))
        must = sorted((call for call in calls if not call.optional), key=attrgetter("invoke"))
        self.invoke = [call.invoke for call in must]
        self.end = [call.end for call in must]
        self.kind = [kinds.kind(call.kind) for call in must]
        self.size = len(must)
        self.optional: dict[int, list[tuple[int, int]]] = {}
        """By kind: (invoke, bit) of its optional calls, by invoke."""
        self.sources: dict[int, list[int]] = {}
        """By state: the optional kinds that leave it."""
        self.chained: list[int] = []
        """The optional kinds whose value another optional call may need; all of them in a model without overwriting."""
        self._admit(sorted((call for call in calls if call.optional), key=attrgetter("invoke")))
        self.visited: dict[tuple[int, int, int], int | tuple[int, ...]] = {}
        self.reached = -OPEN

    def _admit(self, optional: list[Call]) -> None:
        kinds = self.kinds
        numbers = [kinds.kind(call.kind) for call in optional]
        useful = set(numbers)
        if self.overwrites:
            wanted: set[int] = {kinds.expect[kind] for kind in self.kind}
            useful = set()
            grown = True
            while grown:
                found = {kind for kind in numbers if kinds.target[kind] in wanted} - useful
                useful |= found
                wanted |= {kinds.expect[kind] for kind in found}
                grown = bool(found)
        for place, (kind, call) in enumerate(zip(numbers, optional, strict=True)):
            if kind in useful:
                self.optional.setdefault(kind, []).append((call.invoke, 1 << place))
        for kind in self.optional:
            self.sources.setdefault(kinds.target[kind], []).append(kind)
        needed = {kinds.expect[kind] for kind in self.optional} - {_NONE}
        self.chained = [kind for kind in self.optional if not self.overwrites or kinds.target[kind] in needed]

    def run(self, budget: Budget) -> Answer:
        """Visit configurations until all calls are placed, none is left, or the budget ends."""
        deadline = time.monotonic() + budget.seconds
        steps = 0
        pending: list[_Configuration] = [(0, 0, self.start, 0, False)]
        while pending:
            if steps >= budget.steps or (steps % _CLOCK_EVERY == _CLOCK_EVERY - 1 and time.monotonic() > deadline):
                return Answer(legal=None, steps=steps)
            steps += 1
            following = self._follow(pending.pop())
            if following is None:
                return Answer(legal=True, steps=steps)
            pending += following
        return Answer(legal=False, steps=steps, stuck=self.reached)

    def _follow(self, configuration: _Configuration) -> list[_Configuration] | None:
        """The configurations one step on, the most promising last; None when every call that must be is placed."""
        base, bits, state, used, hungry = configuration
        settled, window, limit = self._settle(base, bits, state)
        if not window:
            return None
        hungry = hungry and settled == bits
        while settled & 1:
            base += 1
            settled >>= 1
        if self._again((base, settled, ~state if hungry else state), used):
            return []
        self.reached = max(self.reached, limit)
        return self._moves((base, settled, state, used, hungry), window, limit)

    def _settle(self, base: int, bits: int, state: int) -> tuple[int, list[int], float]:
        """Place all reads that fit; give the placed bits, the open calls and the moment when the first of them ends."""
        invoke, end, kind, pure = self.invoke, self.end, self.kind, self.kinds.pure
        row = self.kinds.rows[state]
        window: list[int] = []
        limit = OPEN
        at, bit, size = base, 1, self.size
        while at < size and invoke[at] <= limit:
            if not bits & bit:
                number = kind[at]
                after = row.get(number)
                if after is None:
                    after = self.kinds.learn(state, number)
                if after == state and pure[number]:
                    bits |= bit
                else:
                    window.append(at)
                    if end[at] < limit:  # noqa: PLR1730  the innermost loop; min() would cost more than all else in it
                        limit = end[at]
            at += 1
            bit <<= 1
        return bits, window, limit

    def _again(self, key: tuple[int, int, int], used: int) -> bool:
        """Whether this configuration, or one that had used less, was visited before; it is noted."""
        known = self.visited.get(key)
        if known is None:
            self.visited[key] = used
            return False
        if isinstance(known, int):
            known = (known,)
        if any(before & used == before for before in known):
            return True
        self.visited[key] = (*known, used)
        return False

    def _moves(self, configuration: _Configuration, window: list[int], limit: float) -> list[_Configuration]:
        base, bits, state, used, hungry = configuration
        kinds, end, kind = self.kinds, self.end, self.kind
        row = kinds.rows[state]
        first: dict[int, int] = {}
        for at in window:
            number = kind[at]
            if row[number] != _NONE and not (hungry and kinds.expect[number] == _NONE):
                other = first.get(number)
                if other is None or end[at] < end[other]:
                    first[number] = at
        order = sorted(first.values(), key=end.__getitem__, reverse=True)
        urgent = min(window, key=end.__getitem__)
        need = kinds.expect[kind[urgent]]
        if self.overwrites and row[kind[urgent]] == _NONE:
            if not self._can_leave(need, window, used, limit):
                return []
            order.sort(key=lambda at: kinds.target[kind[at]] == need)
        moves = list(self._optional_moves(configuration, window, limit)) if self.optional else []
        moves += [(base, bits | 1 << (at - base), row[kind[at]], used, False) for at in order]
        return moves

    def _can_leave(self, state: int, window: list[int], used: int, limit: float) -> bool:
        """Whether any call that is open now leaves `state`."""
        if any(self.kinds.target[self.kind[at]] == state for at in window):
            return True
        return any(self._unused(number, used, limit) for number in self.sources.get(state, ()))

    def _optional_moves(
        self, configuration: _Configuration, window: list[int], limit: float
    ) -> Iterator[_Configuration]:
        base, bits, state, used, hungry = configuration
        expect, row = self.kinds.expect, self.kinds.rows[state]
        wanted = {expect[self.kind[at]] for at in window} if self.overwrites else ()
        numbers = {number for value in wanted for number in self.sources.get(value, ())}
        for number in sorted(numbers.union(self.chained)):
            if hungry and expect[number] == _NONE:
                continue
            bit = self._unused(number, used, limit)
            after = row.get(number)
            if after is None:
                after = self.kinds.learn(state, number)
            if bit and after not in (_NONE, state):
                yield base, bits, after, used | bit, self.overwrites

    def _unused(self, number: int, used: int, limit: float) -> int:
        """The bit of the first optional call of a kind that is not used and has begun, or 0."""
        for invoke, bit in self.optional[number]:
            if not used & bit:
                return bit if invoke <= limit else 0
        return 0
