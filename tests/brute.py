"""The obvious judge of small histories: try every order. Slow, and knowing nothing of the checkers."""

from __future__ import annotations


def linearizable(operations, initial=None, apply=None):
    """Whether some order of the completed operations and of any of the open ones respects real time and values.

    `apply(state, operation)` tells whether the operation is possible and what it leaves; of a register by default.
    """
    relevant = [item for item in operations if item.outcome == "ok" or (item.outcome == "info" and item.f != "read")]
    return _some_order(initial, relevant, apply or register)


def _some_order(state, rest, apply):
    if all(item.outcome == "info" for item in rest):
        return True
    for item in rest:
        others = [other for other in rest if other is not item]
        if not any(ended_before(other, item) for other in others):
            possible, after = apply(state, item)
            if possible and _some_order(after, others, apply):
                return True
    return False


def ended_before(other, item):
    return other.outcome == "ok" and other.returned < item.invoke


def register(state, item):
    if item.f == "read":
        return item.out == state, state
    if item.f == "write":
        return True, item.value
    if item.f == "delete":
        return True, None
    if item.f == "cas" and item.outcome == "ok" and not item.out["applied"]:
        return item.out["value"] == state != item.value[0], state
    if item.f == "cas":
        return item.value[0] == state, item.value[1]
    raise AssertionError(item.f)


def elements(state, item):
    if item.f == "read":
        return set(item.out) == state, state
    return True, (state | {item.value} if item.f == "add" else state - {item.value})


def counter(state, item):
    if item.f == "read":
        return item.out == state, state
    return True, state + item.value
