"""Validation errors of a declared file as sentences: file, line, column, where, what was expected."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, get_args

from pydantic import BaseModel

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails, ValidationError

    from clusters.marked_yaml import Marked

# pydantic's error types whose own words speak of Python, not of YAML.
_EXPECTED: Mapping[str, str] = {
    "tuple_type": "expected a list",
    "model_type": "expected a mapping of keys",
    "string_type": "expected text",
    "int_type": "expected a whole number",
    "float_type": "expected a number",
    "bool_type": "expected true or false",
    "invalid_key": "expected text as key",
}


def sentences(source: Marked, error: ValidationError, model: type[BaseModel]) -> Iterator[str]:
    """One sentence per error; a misspelt key is one error, not also a missing one."""
    details = error.errors(include_url=False)
    misspelt = {_meant(detail["loc"], model) for detail in details if detail["type"] == "extra_forbidden"}
    for detail in details:
        path = detail["loc"]
        if detail["type"] == "missing" and path in misspelt:
            continue
        place = source.place(path, of_key=detail["type"] in ("extra_forbidden", "invalid_key"))
        where = _dotted(path[:-1] if detail["type"] == "missing" else path)
        yield f"{place}: {where}: {_expected(detail, model)}" if where else f"{place}: {_expected(detail, model)}"


def _expected(detail: ErrorDetails, model: type[BaseModel]) -> str:
    path = detail["loc"]
    match detail["type"]:
        case "missing":
            return f"expected the key {str(path[-1])!r}, which is missing"
        case "extra_forbidden":
            meant = _meant(path, model)
            guess = f" (did you mean {meant[-1]}?)" if meant else ""
            return f"unknown key {str(path[-1])!r}{guess}; expected one of: {', '.join(_fields(model, path[:-1]))}"
        case "value_error":
            text = str(detail["ctx"]["error"])
        case "declared":
            text = detail["msg"]
        case known:
            text = _EXPECTED.get(known, detail["msg"].replace("Input should be", "expected"))
    return text + _found(detail["input"])


def _meant(path: tuple[int | str, ...], model: type[BaseModel]) -> tuple[int | str, ...]:
    """The path with the known key that is most like its last one; empty when none is like it."""
    close = difflib.get_close_matches(str(path[-1]), _fields(model, path[:-1]), n=1, cutoff=0.5)
    return (*path[:-1], close[0]) if close else ()


def _found(value: object) -> str:
    match value:
        case None:
            return ", found nothing"
        case bool():
            return f", found {str(value).lower()} (text such as yes, no, on and off needs quotes)"
        case str() | int() | float():
            return f", found {str(value)[:80]!r}"
        case dict():
            return ", found a mapping"
        case list() | tuple():
            return f", found a list of {len(value)}"
        case _:
            return f", found {type(value).__name__}"


def _fields(model: type[BaseModel], path: tuple[int | str, ...]) -> list[str]:
    for step in path:
        if isinstance(step, str):
            field = model.model_fields.get(step)
            model = _model_in(field.annotation) if field else model
    return list(model.model_fields)


def _model_in(annotation: Any) -> type[BaseModel]:
    """The model inside tuple[Model, ...] or Model | None."""
    waiting = [annotation]
    while waiting:
        item = waiting.pop()
        if isinstance(item, type) and issubclass(item, BaseModel):
            return item
        waiting.extend(get_args(item))
    return BaseModel


def _dotted(path: tuple[int | str, ...]) -> str:
    return "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path).lstrip(".")
