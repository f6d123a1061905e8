"""Whether two providers say the same of one scenario: their verdict files, field by field.

What may differ is listed here and nowhere else, each with its reason; everything else must be equal. A provider has
its own clock, addresses, evidence and speed. It may not have its own promises, limits, formulas, gates or verdicts.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from clusters.errors import UsageError
from scenarios.index import VERDICT

Json = dict[str, Any]

LISTS: Final = ("checks", "gates", "windows")
"""The parts of a verdict file that are lists of entries, each compared field by field."""
MAY_DIFFER: Final[dict[str, str]] = {
    "id": "a scenario's folder is named after its topology",
    "topology": "each provider has topologies of its own; the same one on both is the stricter comparison",
    "seconds": "a measurement",
    "explain": "names what was measured",
    "why": "names what was measured, and the kind of evidence",
    "windows.inject": "a moment",
    "windows.effective": "a moment",
    "windows.recover": "a moment",
    "windows.recovered": "a moment",
    "windows.evidence": "the kind of evidence is the provider's",
    "checks.counts": "measurements",
    "checks.measured": "a measurement",
    "checks.explain": "names what was measured",
    "gates.measured": "a measurement",
    "gates.passed": "follows from the measurement; a check that needs the gate says so in its own verdict",
}
"""Fields of a verdict file that may differ between providers, with the reason; fields of list entries with a dot."""

ABILITIES: Final[dict[str, str]] = {
    "silence_noticed": "only Kubernetes has node conditions",
    "pods_kept": "only Kubernetes evicts",
}
"""Checks that one provider alone can make, because the other does not model what they judge."""

_OWN: Final = (
    (re.compile(r"\b[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\b"), "<host_id>"),
    (re.compile(r"\b\d{1,3}(\.\d{1,3}){3}\b"), "<address>"),
    (re.compile(r"\b(\w*seconds) \d+(\.\d+)?\b"), r"\1 <measured>"),
)
"""What a check's id may carry of a run: identities, addresses, and seconds that were measured."""


@dataclass(frozen=True)
class Difference:
    """One field that is not equal; ``left`` and ``right`` as they stand there, or None where there is none."""

    field: str
    left: Any
    right: Any

    def __str__(self) -> str:
        return f"{self.field}: {json.dumps(self.left)} and {json.dumps(self.right)}"


def read_verdict(path: Path) -> Json:
    """Return a verdict file, or the one in a scenario's folder; UsageError when there is none or it is no verdict."""
    file = path / VERDICT if path.is_dir() else path
    try:
        verdict = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UsageError(f"{file}: not there; name a scenario's folder of a run, or its verdict.json") from None
    except (OSError, ValueError) as error:
        raise UsageError(f"{file}: not a readable verdict ({error}); `ringproof judge` writes one") from error
    if not isinstance(verdict, dict) or not {"scenario", *LISTS} <= verdict.keys():
        raise UsageError(f"{file}: not a verdict of a scenario; name a scenario's folder of a run, or its verdict.json")
    return verdict


def differences(left: Json, right: Json) -> Iterator[Difference]:
    """Yield every field in which two verdicts of one scenario and variant disagree and must not.

    UsageError when they are of different scenarios: those are not comparable.
    """
    for name in ("scenario", "variant"):
        if left.get(name) != right.get(name):
            raise UsageError(f"these are verdicts of different scenarios: {_called(left)} and {_called(right)}")
    for name in sorted({*left, *right} - {*LISTS, *MAY_DIFFER}):
        yield from _unequal(name, left.get(name), right.get(name))
    one, other = _judged(left), _judged(right)
    for name in LISTS:
        yield from _lists(name, one[name], other[name])


def _called(verdict: Json) -> str:
    return f"{verdict['scenario']} {verdict.get('variant') or ''}".rstrip()


def _judged(verdict: Json) -> Json:
    """The verdict without checks of one provider alone, and with ids that carry nothing of a run."""
    checks = [check for check in verdict["checks"] if check["check"] not in ABILITIES]
    return {**verdict, "checks": [{**check, "id": _plain(check["id"])} for check in checks]}


def _plain(text: str) -> str:
    for pattern, name in _OWN:
        text = pattern.sub(name, text)
    return text


def _lists(name: str, left: list[Json], right: list[Json]) -> Iterator[Difference]:
    """Entries by their order: both providers run one function, which declares them in one order."""
    if len(left) != len(right):
        yield Difference(f"{name}.length", len(left), len(right))
    for place, (one, other) in enumerate(zip(left, right, strict=False)):
        for field in sorted({*one, *other}):
            if f"{name}.{field}" not in MAY_DIFFER:
                yield from _unequal(f"{name}[{place}].{field}", one.get(field), other.get(field))


def _unequal(field: str, left: Any, right: Any) -> Iterator[Difference]:
    if left != right:
        yield Difference(field, left, right)
