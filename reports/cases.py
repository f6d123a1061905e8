"""What every machine-readable output tells of a run: one case for each scenario, so that all say the same word.

A run that has no verdict, or a worse one than its scenarios, gets one more case, ``run``, that does not pass: a killed
run is never green.
"""

from __future__ import annotations

from dataclasses import dataclass

from reports.bundle import Json, text
from reports.limits import clipped, limit, measured, tightest
from reports.place import digest
from reports.safe import safe
from reports.section import section
from reports.verdicts import SHOWN_ORDER, Run, Scenario, merge

LONGEST_MESSAGE = 1_000
"""Characters of the one paragraph that matters."""
LONGEST_WHOLE = 8_000
"""Characters of all paragraphs; GitLab reads JUnit files below 30 MB."""
LONGEST_VALUE = 2_000
"""Characters of a property."""


@dataclass(frozen=True)
class Case:
    """One scenario as CI systems are told of it; every string is safe (:func:`reports.safe.safe`)."""

    id: str
    name: str
    topology: str
    word: str
    """The verdict: valid, invalid, unknown, vacuous, or not judged."""
    seconds: float
    message: str
    """The paragraph that matters; empty when valid."""
    whole: str
    told: tuple[tuple[str, str], ...]
    """Name and value of each property: the verdict and its parts, topology, digest, promise, figures, seed, codes."""
    path: str
    """The file in the bundle that holds the verdict."""


def cases(run: Run) -> list[Case]:
    """Return the cases of a run in its order, the case of the run itself last."""
    found = [_case(run, one) for one in run.scenarios]
    if not found or run.verdict not in ("valid", merge(one.verdict for one in run.scenarios)):
        found.append(_whole(run))
    return found


def worst_first(found: list[Case]) -> list[Case]:
    """Return the cases that are not valid, the worst first."""
    amiss = [one for one in found if one.word != "valid"]
    return sorted(amiss, key=lambda one: SHOWN_ORDER.index(one.word))


def _whole(run: Run) -> Case:
    why = "; ".join(one.what for one in run.reader.troubles[:5]) or "no scenario ran"
    said = _held(f"the run is {run.verdict}: {why}", LONGEST_MESSAGE)
    return Case("run", "the run", "", run.verdict, 0.0, said, said, (), "verdict.json")


def _case(run: Run, scenario: Scenario) -> Case:
    stories = section(scenario, pictures=False).stories if scenario.verdict != "valid" else []
    first = stories[0].plain if stories else scenario.verdict
    whole = "\n\n".join(f"{story.check or story.word}: {story.plain} [{story.code}]" for story in stories)
    codes = [("code", code) for code in dict.fromkeys(story.code for story in stories)]
    amiss = scenario.verdict != "valid"
    return Case(
        safe(scenario.id),
        _held(scenario.name if scenario.place == "its own" else f"{scenario.name} on {scenario.topology}", 200),
        safe(scenario.topology),
        scenario.verdict,
        scenario.seconds or 0.0,
        _held(first, LONGEST_MESSAGE) if amiss else "",
        _held(whole, LONGEST_WHOLE) if amiss else "",
        tuple((name, _held(value, LONGEST_VALUE)) for name, value in (*_told(run, scenario), *codes) if value),
        safe(f"{scenario.reader.name(scenario.folder)}/verdict.json"),
    )


def _told(run: Run, scenario: Scenario) -> list[tuple[str, str]]:
    topology: Json = run.topologies.get(scenario.topology, {}).get("topology", {})
    best = tightest(scenario.checks)
    told = [
        ("verdict", scenario.verdict),
        *scenario.parts.items(),
        ("topology", scenario.topology),
        ("topology_digest", digest(topology) or text(scenario.facts.get("topology_digest"))),
        ("promise", scenario.promise),
    ]
    if best:
        told += [("check", text(best.get("id"))), ("measured", measured(best)), ("limit", limit(best))]
    seed = scenario.facts.get("seed", run.facts.get("seed"))
    return [*told, ("seed", "" if seed is None else str(seed))]


def _held(words: str, longest: int) -> str:
    return safe(clipped(words, longest))
