"""Numbers beside their limits: how a measurement is written, and how much of its limit it used."""

from __future__ import annotations

import math
from dataclasses import dataclass

from reports.bundle import Json, number, text

NARROW = "\u00a0"
"""Between number and unit, and between thousands, so that a figure is never broken across lines."""

PER_CENT = frozenset({"%", "percent"})
SHARE = frozenset({"share", "ratio", "fraction"})
WAITS = "completed"
"""The check whether a scenario came to its end in time (scenarios/checks/completion.py)."""
EXCUSES = "excused: "
"""How a check of service begins its formula: it says where failures do not count, not how the limit follows."""
LONGEST_SYMBOL = 3
"""Characters of a unit that is repeated at the limit (s, ms, MiB); a longer one stands at the measurement only."""
TIMES = frozenset({"s", "ms", "seconds"})
"""Units of time: a limit in one of them is the most that may pass, never the least."""
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
    """The measured value of a check, in words; a check without a figure holds, or does not."""
    if check.get("measured") is None:
        return {"valid": "held", "invalid": "broken"}.get(text(check.get("verdict")), "not judged")
    return figure(check.get("measured"), text(check.get("unit")))


def floor(check: Json) -> bool:
    """Whether the limit is the least that must be reached: read off the verdict, as a check does not say it."""
    got, limit = number(check.get("measured")), number(check.get("limit"))
    if got is None or limit is None or got == limit or text(check.get("unit")) in TIMES:
        return False
    return (got > limit) == (check.get("verdict") == "valid")


def bound(check: Json) -> str:
    """The limit alone: ``limit 35 s``; empty if the check has none."""
    if check.get("limit") is None:
        return ""
    unit = text(check.get("unit"))
    value = figure(check.get("limit"), unit if len(unit) <= LONGEST_SYMBOL or unit in SHARE | PER_CENT else "")
    return f"limit {'≥ ' if floor(check) else ''}{value}"


def limit(check: Json) -> str:
    """The limit with its derivation: ``limit 35 s = ttl 30 + slack 5``; empty if the check has none."""
    words, formula = bound(check), clipped(text(check.get("formula")))
    if not words or not formula or words.endswith(f" {formula}"):
        return words or formula
    if formula.startswith(EXCUSES):
        return f"{words}; {formula}"
    return f"{words} = {formula}" if check.get("limit") != 0 and _derives(formula) else f"{words}: {formula}"


def kept(check: Json) -> bool:
    """Whether a broken check kept its limit: something else than the measured value is what broke it."""
    got, most = number(check.get("measured")), number(check.get("limit"))
    return (
        check.get("verdict") == "invalid" and got is not None and most is not None and not floor(check) and got <= most
    )


def _derives(formula: str) -> bool:
    """Whether a formula computes the limit; one that only compares is a reason for it."""
    return any(sign in formula for sign in "+×/÷*") and not any(sign in formula for sign in "<>≤≥=")


def budget(check: Json) -> Budget:
    """How much of the limit was used; for shares the errors made by the errors allowed."""
    got, most = number(check.get("measured")), number(check.get("limit"))
    if got is None or most is None or check.get("verdict") in ("unknown", "vacuous"):
        return Budget(None)
    unit = text(check.get("unit"))
    whole = 100.0 if unit in PER_CENT else 1.0 if unit in SHARE else None
    if floor(check):
        if whole is None:
            return Budget(None)
        got, most = whole - got, whole - most
    if got < 0 or most < 0 or (got == most > 0 and check.get("verdict") == "valid"):
        return Budget(None)  # equal to a limit above zero is an exact value that was wanted, and nothing was used up
    if most == 0:
        return Budget(0.0 if got == 0 else 1.5, zero=True, over=got > 0)
    return Budget(min(got / most, 1.5), over=got > most)


def tightest(checks: list[Json]) -> Json | None:
    """The check that stands for a scenario: the first of the worst, else the valid one nearest to its limit.

    The check of the scenario's own waits stands for it only where it has no other.
    """
    for word in ("invalid", "unknown", "vacuous"):
        for check in checks:
            if check.get("verdict") == word:
                return check
    promises = [check for check in checks if check.get("check") != WAITS]
    return max(promises or checks, key=_closeness, default=None)


def all_held(checks: list[Json]) -> str:
    """What stands for a valid scenario none of whose checks has a figure."""
    return f"all {len(checks)} checks held" if len(checks) > 1 else "its one check held"


def _closeness(check: Json) -> tuple[float, bool]:
    """Used part; a zero limit that was kept stands behind every limit that was used in part, but before no limit.

    Of two limits that were not used at all a count tells more than a time: ``0 errors`` rather than ``0 s``.
    """
    used = budget(check).used
    return -1.0 if used is None else used, text(check.get("unit")) not in TIMES
