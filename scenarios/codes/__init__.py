"""Stable codes for everything that can fail: `RP-DNS-002` means the same in every version and every output.

One table (`table`) maps failures to codes; what carries only a sentence is told apart by it (`sentences`). Each code
has a section in docs/codes/ that `ringproof explain CODE` prints without any network (`pages`).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from scenarios.codes.sentences import BUNDLES, CLEANUPS, DOUBTS, ERRORS, FAULTS, told
from scenarios.codes.table import BY_FAILURE, CODES

__all__ = ["BY_FAILURE", "CODES", "of_check", "of_doctor", "of_error", "of_finding", "of_gate", "of_part", "of_run"]
__all__ += ["of_trouble"]

_BROKEN = re.compile(r"the run broke at \S+: (\w+): (.*)", re.DOTALL)
_UNREADABLE = "the check could not be made: BundleError: "


def of_finding(check: str, anomaly: str) -> str:
    """The code of an anomaly that a check found; RP-CHECK-001 for one that is not known here."""
    names = (f"finding:{check}/{anomaly}", f"finding:{check}/*", "finding:*/*")
    return next(BY_FAILURE[name] for name in names if name in BY_FAILURE)


def of_check(result: Mapping[str, Any]) -> str | None:
    """The code of a check's result as verdict.json holds it, by its first finding or its reason; None when valid."""
    verdict, name = result.get("verdict"), str(result.get("check", ""))
    if verdict == "valid":
        return None
    if verdict == "vacuous":
        return BY_FAILURE.get(f"vacuous:{name}", BY_FAILURE["vacuous:*"])
    if verdict == "invalid":
        findings = result.get("findings")
        first = findings[0] if isinstance(findings, list) and findings else None
        return of_finding(name, str(first.get("anomaly", "")) if isinstance(first, Mapping) else "")
    return _of_doubt(str(result.get("explain", "")))


def of_part(part: str, why: str) -> str:
    """The code of a part of a scenario's verdict (system, evidence, cleanup) that is not valid, by its sentence."""
    if part == "evidence":
        return BY_FAILURE[told(why, FAULTS) or "reason:*"]
    if part == "cleanup":
        return BY_FAILURE[told(why, CLEANUPS) or "cleanup:left"]
    return _of_doubt(why)


def of_gate(gate: str) -> str:
    """The code of a gate that did not pass."""
    return BY_FAILURE.get(f"gate:{gate}", BY_FAILURE["reason:*"])


def of_run(word: str) -> str:
    """The code of what became of a run: not judged, interrupted, unfinished, defect."""
    return BY_FAILURE[f"run:{word}"]


def of_trouble(what: str) -> str:
    """The code of what is wrong with a file of a bundle."""
    return BY_FAILURE[told(what, BUNDLES) or "bundle:altered"]


def of_doctor(identity: str) -> str:
    """The code of a finding of the doctor; RP-FIT-099 for a check that has none of its own."""
    return BY_FAILURE.get(f"doctor:{identity}", BY_FAILURE["doctor:*"])


def of_error(error: BaseException) -> str:
    """The code of an error of the tree, by its sentence within its class, else by its class or the nearest above."""
    sentence = str(error)
    for kind in (cls.__name__ for cls in type(error).__mro__):
        found = told(sentence, ERRORS.get(kind, ())) or f"error:{kind}"
        if found == "error:EnvironmentUnfit":  # a refusal repeats the doctor's finding, with its id
            found = next((name for word in sentence.split(": ") if (name := f"doctor:{word}") in BY_FAILURE), found)
        if found in BY_FAILURE:
            return BY_FAILURE[found]
    return BY_FAILURE["error:RingproofError"]


def _of_named(kind: str, sentence: str) -> str | None:
    """The code of an error of which a record holds the name of its class and its sentence."""
    return BY_FAILURE.get(told(sentence, ERRORS.get(kind, ())) or f"error:{kind}")


def _of_doubt(why: str) -> str:
    """By the doubt, or by the file that could not be read, which is said alone or as the error of the check."""
    found = told(why, DOUBTS)
    broken = _BROKEN.search(why)
    if broken is not None and (code := _of_named(broken[1], broken[2])):
        return code
    if found is None or why.startswith(_UNREADABLE):
        found = (found if found != "reason:check raised" else None) or told(why, ERRORS["BundleError"]) or found
    return BY_FAILURE[found or "reason:*"]
