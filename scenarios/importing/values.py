"""What the operations of each model carry, and names as numbers: the checks compare whole numbers."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from scenarios.history import Operation

KEYED = "; keyed values [key value] need --keyed"


class Unfit(Exception):
    """Why a value cannot belong to its operation."""


def _one(value: Any) -> Any:
    if isinstance(value, (list, dict)):
        raise Unfit(f"is no single value{KEYED if isinstance(value, list) else ''}")
    return value


def _element(value: Any) -> Any:
    if value is None:
        raise Unfit("is no value")
    return _one(value)


def _number(value: Any) -> Any:
    if not isinstance(value, int):
        raise Unfit(f"is no whole number{KEYED if isinstance(value, list) else ''}")
    return value


def _total(value: Any) -> Any:
    return None if value is None else _number(value)


def _pair(value: Any) -> Any:
    if not isinstance(value, list) or len(value) != 2:
        raise Unfit("is no [old new]")
    return [_one(item) for item in value]


def _many(value: Any) -> Any:
    if value is None:
        return []
    if not isinstance(value, list):
        raise Unfit("is no collection")
    if not _PLAIN.issuperset(map(type, value)):
        raise Unfit(f"holds more than single values{KEYED}")
    return value


_PLAIN = frozenset((int, str, float))

Shape = Callable[[Any], Any]

SHAPES: Final[Mapping[str, Mapping[str, Shape]]] = {
    "register": {"read": _one, "write": _one},
    "cas-register": {"read": _one, "write": _one, "cas": _pair},
    "set": {"read": _many, "add": _element},
    "counter": {"read": _total, "add": _number},
    "append": {"read": _many, "append": _element},
}
"""The operations of each model by name, each with what makes sure that a value is its own; Unfit when it is not."""

INITIAL: Final[Mapping[str, Shape]] = {name: shapes["read"] for name, shapes in SHAPES.items()}
"""The first value of each model is what a read of it would show."""


@dataclass(slots=True)
class Names:
    """Numbers for what is no number: 0, 1, 2, .. in order of appearance, above all numbers that `used` holds."""

    used: int = -1
    table: dict[Any, int] = field(default_factory=dict)

    @classmethod
    def over(cls, values: Iterable[Any]) -> Names:
        """Names beside these values; lists are looked into."""
        names = cls()
        for value in values:
            for item in value if isinstance(value, list) else (value,):
                if isinstance(item, int):
                    names.used = max(names.used, item)
        return names

    def number(self, value: Any) -> Any:
        """The value with every name in it replaced; None and numbers stay."""
        if isinstance(value, list):
            return [self.number(item) for item in value]
        if value is None or isinstance(value, (int, dict)):
            return value
        return self.table.setdefault(value, self.used + 1 + len(self.table))


def numbered(operations: Iterable[Operation], initial: Any) -> tuple[Names, Any]:
    """Replace the names in all operations by numbers, keys by their own; the names, and `initial` as a number."""
    held = list(operations)
    values = Names.over([initial, *(item.value for item in held), *(item.out for item in held)])
    keys = Names.over(item.key for item in held)
    first = values.number(initial)
    for item in held:
        item.key = keys.number(item.key)
        item.value = values.number(item.value)
        item.out = values.number(item.out)
    return values, first
