"""What a scenario is: a function with a promise for a docstring, what it requires, and its variants."""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from clusters.errors import UsageError
from scenarios.checks import CheckData

Checks = list[CheckData]


class Tier(StrEnum):
    """When a scenario runs: on every change, every night, or in a self-test."""

    CHANGE = "change"
    NIGHTLY = "nightly"
    SELFTEST = "selftest"


@dataclass(frozen=True, slots=True)
class Scenario:
    """A registered scenario. ``variants`` maps a variant's name to the keyword arguments of the function."""

    name: str
    function: Callable[..., Checks]
    variants: dict[str, dict[str, Any]]
    requires: tuple[type, ...]
    tier: Tier
    needs_ring: bool

    @property
    def promise(self) -> str:
        """The first paragraph of the docstring, on one line."""
        return " ".join((inspect.getdoc(self.function) or "").split("\n\n")[0].split())

    @property
    def explanation(self) -> str:
        """The whole docstring."""
        return inspect.getdoc(self.function) or ""


_REGISTRY: dict[str, Scenario] = {}


def scenario(
    name: str,
    *,
    variants: dict[str, dict[str, Any]] | None = None,
    requires: Sequence[type] = (),
    tier: Tier = Tier.CHANGE,
    needs_ring: bool = True,
) -> Callable[[Callable[..., Checks]], Scenario]:
    """Register a scenario; the first variant is the one that the `change` profile runs."""

    def register(function: Callable[..., Checks]) -> Scenario:
        made = Scenario(name, function, variants or {"": {}}, tuple(requires), tier, needs_ring)
        _REGISTRY[name] = made
        return made

    return register


def scenarios() -> dict[str, Scenario]:
    """Every registered scenario by name."""
    return dict(_REGISTRY)


def named_scenario(name: str) -> Scenario:
    """The scenario of that name; UsageError with the nearest names otherwise."""
    if name not in _REGISTRY:
        raise UsageError(f"no scenario is called {name}; {suggest(name, _REGISTRY)}")
    return _REGISTRY[name]


def suggest(name: str, known: Iterable[str]) -> str:
    """The nearest known names, or all of them."""
    names = list(known)
    close = difflib.get_close_matches(name, names, 3, 0.4)
    return f"did you mean {' or '.join(close)}?" if close else f"there are {', '.join(sorted(names))}"
