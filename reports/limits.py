"""Numbers beside their limits: how a measurement is written, and how much of its limit it used."""

from __future__ import annotations

import math
from dataclasses import dataclass

from reports.bundle import Json, number, text

NARROW = "\u00a0"
"""Between number and unit, and between thousands, so that a figure is never broken across lines."""

PER_CENT = frozenset({"%", "percent"})
SHARE = frozenset({"share", "ratio", "fraction"})
LONGEST_SYMBOL = 3
"""Characters of a unit that is repeated at the limit (s, ms, MiB); a longer one stands at the measurement only."""
LONGEST = 400
"""Characters of a measured text that a report shows; the bundle holds the whole."""


@dataclass(frozen=True)
class Budget:
    """The used part of a limit: 1 at the limit, at most 1.5; None if it is not a matter of degree."""

    used: float | None
    zero: bool = False
    """The limit is zero: its tick stands at the left end, any bar is beyond it."""
    over: bool = False


def plain(value: float) -> str:
    """Write a number with at most three digits behind the point and thousands apart."""
    digits = 0 if abs(value) >= 10_000 or value == int(value) else 3 if abs(value) < 10 else 1
    whole, _, rest = f"{value:,.{digits}f}".partition(".")
    rest = rest.rstrip("0")
    return whole.replace(",", NARROW) + (f".{rest}" if rest else "")


def figure(value: object, unit: str = "") -> str:
    """Write a measured value or a limit with its unit; whatever a check may have put there."""
    if value is None:
        return "not measured"
    if isinstance(value, bool):
        return "yes" if value else "no"
    found = number(value)
    if found is not None:
        if unit in SHARE or unit in PER_CENT:
            return percent(found * (100 if unit in SHARE else 1))
        return f"{plain(found)}{NARROW}{_singular(unit) if found == 1 else unit}".rstrip(NARROW)
    if isinstance(value, dict):
        return clipped(", ".join(f"{key} {figure(item)}" for key, item in value.items()))
    if isinstance(value, list):
        return clipped(", ".join(figure(item) for item in value) or "none")
    return clipped(str(value))


def percent(value: float) -> str:
    """Write per cent with two digits, cut and not rounded: 100 % is only what had no failure at all."""
    return f"{math.floor(round(value * 100, 6)) / 100:.2f}".rstrip("0").rstrip(".") + f"{NARROW}%"


def clipped(words: str, longest: int = LONGEST) -> str:
    """Return the words, cut at ``longest`` characters with an ellipsis."""
    return words if len(words) <= longest else words[: longest - 1].rstrip() + "…"


def _singular(unit: str) -> str:
    return unit[:-1] if unit.endswith("s") and len(unit) > 2 and not unit.endswith("ss") else unit


def measured(check: Json) -> str:
    """The measured value of a check, in words."""
    return figure(check.get("measured"), text(check.get("unit")))


def floor(check: Json) -> bool:
    """Whether the limit is the least that must be reached: read off the verdict, as a check does not say it."""
    got, limit = number(check.get("measured")), number(check.get("limit"))
    if got is None or limit is None or got == limit:
        return False
    return (got > limit) == (check.get("verdict") == "valid")


def limit(check: Json) -> str:
    """The limit with its derivation: ``limit 35 s = ttl 30 + slack 5``; empty if the check has none."""
    if check.get("limit") is None:
        return text(check.get("formula"))
    unit = text(check.get("unit"))
    bound = figure(check.get("limit"), unit if len(unit) <= LONGEST_SYMBOL or unit in SHARE | PER_CENT else "")
    words = f"limit {'≥ ' if floor(check) else ''}{bound}"
    formula = clipped(text(check.get("formula")))
    if not formula or formula == bound:
        return words
    return f"{words} = {formula}" if _derives(formula) else f"{words}: {formula}"


def _derives(formula: str) -> bool:
    """Whether a formula computes the limit; one that only compares is a reason for it."""
    return any(sign in formula for sign in "+×/÷*") and not any(sign in formula for sign in "<>≤≥=")


def budget(check: Json) -> Budget:
    """How much of the limit was used; for shares the errors made by the errors allowed."""
    got, bound = number(check.get("measured")), number(check.get("limit"))
    if got is None or bound is None or check.get("verdict") in ("unknown", "vacuous"):
        return Budget(None)
    whole = 100.0 if check.get("unit") in PER_CENT else 1.0 if check.get("unit") in SHARE else None
    if floor(check):
        if whole is None:
            return Budget(None)
        got, bound = whole - got, whole - bound
    if got < 0 or bound < 0 or (got == bound > 0 and check.get("verdict") == "valid"):
        return Budget(None)  # equal to a limit above zero is an exact value that was wanted, and nothing was used up
    if bound == 0:
        return Budget(0.0 if got == 0 else 1.5, zero=True, over=got > 0)
    return Budget(min(got / bound, 1.5), over=check.get("verdict") == "invalid")


def tightest(checks: list[Json]) -> Json | None:
    """The check that stands for a scenario: the first of the worst, else the valid one nearest to its limit."""
    for word in ("invalid", "unknown", "vacuous"):
        for check in checks:
            if check.get("verdict") == word:
                return check
    return max(checks, key=_closeness, default=None)


def _closeness(check: Json) -> float:
    """Used part; a zero limit that was kept stands behind every limit that was used in part, but before no limit."""
    used = budget(check).used
    return -1.0 if used is None else used
