"""Random histories of one key, linearizable by construction, and lies to tell about them.

Times are small integers, so that equal stamps are common. `simulated` lets every operation take effect at one
moment of its interval; an indeterminate one takes effect at a moment of its own, perhaps long after, or never.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, replace
from typing import Any

from scenarios.history import Operation, successor


@dataclass(frozen=True)
class Mix:
    """How many clients work, what they do (weights by f), how they end, and from which values they choose.

    `values` None gives every update a value that no other has.
    """

    clients: int = 3
    weights: tuple[tuple[str, int], ...] = (("read", 5), ("write", 4))
    info: float = 0.1
    fail: float = 0.05
    values: int | None = None
    initial: Any = None
    longest: int = 6


REGISTER = Mix()
REPEATING = Mix(values=3, initial=0)
ELEMENTS = Mix(weights=(("read", 4), ("add", 4), ("delete", 1)), initial=frozenset())
COUNTER = Mix(weights=(("read", 4), ("add", 4)), values=3, initial=0)
CAS = Mix(weights=(("read", 3), ("write", 1), ("cas", 5)), initial=0)
CAS_REPEATING = Mix(weights=(("read", 3), ("write", 2), ("cas", 4)), values=3, initial=0)
DELETES = Mix(weights=(("read", 4), ("write", 3), ("delete", 2)))


def operation(process, f, span, outcome="ok", **fields):
    """One operation of key 1 at SERIAL; `span` is (invoke, return or None)."""
    optional = dict.fromkeys(("due", "error", "host", "stage", "serial", "value", "out"))
    known = {"key": 1, "cl": "SERIAL", "dc": "east", "workload": "cas", "index": 0, "op": 0, **optional, **fields}
    return Operation(process=process, f=f, invoke=span[0], returned=span[1], outcome=outcome, **known)


NEVER = float("inf")


def simulated(rng: random.Random, count: int, mix: Mix = REGISTER) -> list[Operation]:
    """`count` operations of a register that behaves, by invoke."""
    planned = sorted(_planned(rng, count, mix), key=lambda item: item[:2])
    state = mix.initial
    for point, _, item in planned:
        state = _effect(state, item, happens=point is not NEVER)
    made = [item for *_, item in planned]
    made.sort(key=lambda item: (item.invoke, item.process))
    for number, item in enumerate(made):
        item.index = item.op = number
    return made


def _planned(rng, count, mix):
    clocks = {f"east-client-{number}": 0 for number in range(mix.clients)}
    recent = [mix.initial]
    for number in range(count):
        process = rng.choice(sorted(clocks))
        start = clocks.pop(process) + rng.randint(1, 3)
        end = start + rng.randint(0, mix.longest)
        item = _asked(rng, mix, process, (start, end), number + 1, recent)
        point = start + rng.random() * (end - start)
        if item.outcome == "info":
            process, point = successor(process), rng.choice([point, end + rng.random() * 40, NEVER])
        elif item.outcome == "fail":
            point = NEVER
        clocks[process] = end
        yield point, rng.random(), item


def _asked(rng, mix, process, span, number, recent):
    names, weights = zip(*mix.weights, strict=True)
    f = rng.choices(names, weights)[0]
    value = number if mix.values is None else rng.randrange(mix.values)
    outcome = rng.choices(["info", "fail", "ok"], [mix.info, mix.fail, 1 - mix.info - mix.fail])[0]
    if f != "read":
        recent.append(value)
    if f == "delete" and isinstance(mix.initial, frozenset):
        value = rng.choice(recent[1:])  # an element that may be there
    told = {"read": None, "cas": [rng.choice(recent[-4:]), value]}.get(f, value)
    return operation(process, f, span, outcome, value=told)


def _effect(state, item, happens):
    if not happens:
        return state
    if item.f == "read":
        item.out = (sorted(state) if isinstance(state, frozenset) else state) if item.outcome == "ok" else None
        return state
    if item.f == "cas":
        applied = state == item.value[0]
        if item.outcome == "ok":
            item.out = {"applied": True} if applied else {"applied": False, "value": state}
        return item.value[1] if applied else state
    if isinstance(state, frozenset):
        return state | {item.value} if item.f == "add" else state - {item.value}
    return {"write": item.value, "delete": None, "add": (state or 0) + item.value}[item.f]


def shaken(rng: random.Random, operations: list[Operation], lies: int = 1) -> list[Operation]:
    """A copy with `lies` random lies, each of any kind; the result may be linearizable or not."""
    for _ in range(lies):
        operations = LIES[rng.choice(sorted(LIES))](rng, operations)
    return operations


def changed(operations, place, **fields):
    """A copy in which the operation at `place` has other fields."""
    copy = [replace(item) for item in operations]
    copy[place] = replace(copy[place], **fields)
    return copy


def _places(operations, fits):
    return [place for place, item in enumerate(operations) if fits(item)]


def _one(rng, operations, fits):
    places = _places(operations, fits)
    return rng.choice(places) if places else None


def showing(item):
    """Whether an operation showed a value: a read, or a lost race."""
    return item.outcome == "ok" and (item.f == "read" or (item.f == "cas" and not item.out["applied"]))


def updating(item):
    """Whether an operation would leave a value."""
    return item.f in ("write", "cas", "add")


def written(item):
    """The value that an update would leave."""
    return item.value[1] if item.f == "cas" else item.value


def _made_to_show(rng, operations, values, fits=showing):
    place = _one(rng, operations, fits)
    values = list(values)
    if place is None or not values:
        return operations
    item, value = operations[place], rng.choice(values)
    return changed(operations, place, out={"applied": False, "value": value} if item.f == "cas" else value)


def other_read(rng, operations):
    """A value is seen that is any other of this history."""
    return _made_to_show(rng, operations, [None, *(written(item) for item in operations if updating(item))])


def garbage(rng, operations):
    """A value is seen that nobody wrote."""
    return _made_to_show(rng, operations, [-1])


def failed_visible(rng, operations):
    """A value is seen whose update certainly failed."""
    return _made_to_show(
        rng, operations, [written(item) for item in operations if item.outcome == "fail" and updating(item)]
    )


def stale_read(rng, operations):
    """The last read shows a value of long ago."""
    last = max(_places(operations, showing), default=None)
    early = [written(item) for item in operations[: len(operations) // 2] if updating(item)]
    return _made_to_show(rng, operations, early, lambda item: last is not None and item is operations[last])


def future_read(rng, operations):
    """The first read shows a value that comes later."""
    first = min(_places(operations, showing), default=None)
    late = [written(item) for item in operations[len(operations) // 2 :] if updating(item)]
    return _made_to_show(rng, operations, late, lambda item: first is not None and item is operations[first])


def lost_ack(rng, operations):
    """An indeterminate or failed update is told that it took effect."""
    place = _one(rng, operations, lambda item: updating(item) and item.outcome != "ok")
    if place is None:
        return operations
    out = {"applied": True} if operations[place].f == "cas" else None
    return changed(operations, place, outcome="ok", out=out)


def denied(rng, operations):
    """An update that took effect, or may have, is told that it failed."""
    place = _one(rng, operations, updating)
    return operations if place is None else changed(operations, place, outcome="fail", out=None)


def second_winner(rng, operations):
    """A compare-and-set that lost its race is told that it won."""
    place = _one(rng, operations, lambda item: item.f == "cas" and item.outcome == "ok" and not item.out["applied"])
    return operations if place is None else changed(operations, place, out={"applied": True})


def swapped_reads(rng, operations):
    """Two reads exchange what they saw."""
    seen = _places(operations, lambda item: item.f == "read" and item.outcome == "ok")
    if len(seen) < 2:
        return operations
    one, two = rng.sample(seen, 2)
    copy = changed(operations, one, out=operations[two].out)
    return changed(copy, two, out=operations[one].out)


def shifted(rng, operations):
    """One interval moves past others."""
    place = rng.randrange(len(operations))
    item = operations[place]
    by = rng.choice([-20, -8, -3, 3, 8, 20])
    return changed(operations, place, invoke=item.invoke + by, returned=item.returned + by)


LIES = {
    lie.__name__: lie
    for lie in (
        other_read,
        garbage,
        failed_visible,
        stale_read,
        future_read,
        lost_ack,
        denied,
        second_winner,
        swapped_reads,
        shifted,
    )
}
"""Every lie by its name: `lie(rng, operations)` gives a changed copy, or the same list where it does not apply."""
