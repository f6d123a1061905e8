"""Sequential models: what one client alone would see, as a state and the steps that lead from it.

A history is linearizable when its calls can be put in one order that respects real time and that the model
accepts. A model sees an operation as a `kind` (equal kinds do the same to every state), so the search needs to know
neither fields nor formats.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterable
from dataclasses import dataclass
from typing import Any, Final, NamedTuple, Protocol

from clusters.errors import BundleError
from scenarios.history import Operation

ANY: Final = "<any>"
"""Expectation of a blind write: every state will do."""
KEEP: Final = "<keep>"
"""Target of a read: the state stays as it is."""
IMPOSSIBLE: Final = "<impossible>"
"""What `step` gives when the state does not allow the call."""
OPEN: Final = math.inf
"""End of a call that may still take effect."""


class Access(NamedTuple):
    """What a call on a register asks of the state, and what it leaves: a read is (v, KEEP), a write (ANY, v)."""

    expect: Hashable
    target: Hashable


@dataclass(frozen=True, slots=True)
class Call:
    """One operation as a checker sees it: its kind and its closed interval in nanoseconds.

    `end` is OPEN for a call whose outcome is not known: it takes effect once at any time from `invoke` on, or never.
    """

    kind: Hashable
    invoke: int
    end: float
    operation: Operation

    @property
    def optional(self) -> bool:
        """Whether the call may never have taken effect."""
        return self.end == OPEN


class Model(Protocol):
    """A sequential object: what its operations do, one after the other."""

    @property
    def name(self) -> str:
        """The model's name in MODELS."""

    @property
    def overwrites(self) -> bool:
        """Whether a state is exactly the target of the last Access that had one."""

    def start(self, initial: Any) -> Hashable:
        """The first state, from a plain JSON value."""

    def kind(self, operation: Operation) -> Hashable:
        """What the operation does; BundleError when the model does not know it."""

    def step(self, state: Any, kind: Any) -> Hashable:
        """The state after a call, or IMPOSSIBLE."""

    def pure(self, kind: Any) -> bool:
        """Whether the call never changes a state."""


@dataclass(frozen=True)
class Register:
    """One value, read, written and deleted (null is absence); with `conditional` also compared and set.

    A compare-and-set that lost its race is a read of the value that it was shown (Paxos proposes an empty update,
    so the evaluation is in the order too: CASSANDRA-12126). Refused by the value that it expected, it is impossible.
    """

    name: str
    conditional: bool
    overwrites: bool = True

    def start(self, initial: Any) -> Hashable:
        """The value itself; None is an absent row."""
        first: Hashable = initial
        return first

    def kind(self, operation: Operation) -> Access:
        """The operation as an Access."""
        match operation.f:
            case "read":
                return Access(operation.out, KEEP)
            case "write":
                return Access(ANY, operation.value)
            case "delete":
                return Access(ANY, None)
            case "cas" if self.conditional:
                return self._conditional(operation)
        raise _foreign(self, operation)

    def _conditional(self, operation: Operation) -> Access:
        expected, new = operation.value
        if not lost(operation):
            return Access(expected, new)
        shown = operation.out.get("value")
        return Access(IMPOSSIBLE if shown == expected else shown, KEEP)

    def step(self, state: Hashable, kind: Access) -> Hashable:
        """The target, when the state is what the call expects."""
        expect, target = kind
        if expect is not ANY and expect != state:
            return IMPOSSIBLE
        return state if target is KEEP else target

    def pure(self, kind: Access) -> bool:
        """Reads and lost races."""
        return kind.target is KEEP


@dataclass(frozen=True)
class Elements:
    """A set: `add` (or `write`) puts an element in, `delete` takes it out, `read` shows all."""

    name: str = "set"
    overwrites: bool = False

    def start(self, initial: Any) -> Hashable:
        """The elements of a list; None is empty."""
        return frozenset(initial or ())

    def kind(self, operation: Operation) -> tuple[str, Hashable]:
        """("add" or "delete", element) or ("read", elements)."""
        match operation.f:
            case "add" | "write":
                return "add", operation.value
            case "delete":
                return "delete", operation.value
            case "read":
                return "read", frozenset(operation.out or ())
        raise _foreign(self, operation)

    def step(self, state: frozenset[Hashable], kind: tuple[str, Any]) -> Hashable:
        """The set with or without the element."""
        verb, what = kind
        if verb == "add":
            return state | {what}
        if verb == "delete":
            return state - {what}
        return state if state == what else IMPOSSIBLE

    def pure(self, kind: tuple[str, Any]) -> bool:
        """Reads."""
        return kind[0] == "read"


@dataclass(frozen=True)
class Counter:
    """A number that `add` changes by its value and `read` shows; an absent row reads as 0."""

    name: str = "counter"
    overwrites: bool = False

    def start(self, initial: Any) -> Hashable:
        """The number; None is 0."""
        return int(initial or 0)

    def kind(self, operation: Operation) -> tuple[str, int]:
        """("add", delta) or ("read", total)."""
        match operation.f:
            case "add":
                return "add", int(operation.value)
            case "read":
                return "read", int(operation.out or 0)
        raise _foreign(self, operation)

    def step(self, state: int, kind: tuple[str, int]) -> Hashable:
        """The sum, or the same number when it was read right."""
        verb, number = kind
        if verb == "add":
            return state + number
        return state if state == number else IMPOSSIBLE

    def pure(self, kind: tuple[str, int]) -> bool:
        """Reads."""
        return kind[0] == "read"


REGISTER = Register("register", conditional=False)
CAS_REGISTER = Register("cas-register", conditional=True)
MODELS: Final[dict[str, Model]] = {model.name: model for model in (REGISTER, CAS_REGISTER, Elements(), Counter())}
"""Every model by the name that checks and the command use."""


def lost(operation: Operation) -> bool:
    """Whether a compare-and-set was answered with "not applied" and the value that stood in its way."""
    return operation.outcome == "ok" and isinstance(operation.out, dict) and operation.out.get("applied") is False


def calls_of(model: Model, operations: Iterable[Operation]) -> list[Call]:
    """The calls that may have taken effect, in the order of `operations`.

    Failed operations and reads without an answer say nothing and are left out, as is `create`, which only makes the
    first state. BundleError when the model does not know an operation.
    """
    calls = []
    for operation in operations:
        outcome = operation.outcome
        if outcome == "ok" and operation.f != "create":
            calls.append(Call(model.kind(operation), operation.invoke, _returned(operation), operation))
        elif outcome == "info" and operation.f not in ("read", "create"):
            calls.append(Call(model.kind(operation), operation.invoke, OPEN, operation))
    return calls


def _returned(operation: Operation) -> int:
    if operation.returned is None:
        raise BundleError(f"operation {operation.op} of {operation.process} is ok without a return time")
    return operation.returned


def _foreign(model: Model, operation: Operation) -> BundleError:
    where = f"operation {operation.op} of {operation.process}"
    return BundleError(f"{where}: the model '{model.name}' has no '{operation.f}'; judge it with another model")
