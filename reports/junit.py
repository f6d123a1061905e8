"""junit.xml: one test case for each scenario, so that every CI system shows which promise broke.

Only ``valid`` passes. ``invalid`` is a failure; ``unknown``, ``vacuous`` and ``not judged`` are errors of that type.
A run that has no verdict, or a worse one than its scenarios, gets one more case, ``run``, that does not pass: a killed
run is never green.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from xml.etree import ElementTree as ET

from reports.bundle import Json, text
from reports.limits import clipped, limit, measured, tightest
from reports.place import digest
from reports.section import section
from reports.verdicts import Run, Scenario, merge, read_run

LONGEST = 8_000
"""Characters of a message; GitLab reads JUnit files below 30 MB."""

# XML 1.0, section 2.2: everything that is no Char.
_FORBIDDEN = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def write_junit(run_folder: Path) -> Path:
    """Write ``junit.xml`` into a run folder and return its path. BundleError only if there is no such folder."""
    run = read_run(run_folder)
    staging = run.reader.root / "junit.xml.tmp"
    staging.write_bytes(render(run))
    os.replace(staging, run.reader.root / "junit.xml")  # noqa: PTH105 - says that it is atomic
    return run_folder / "junit.xml"


def render(run: Run) -> bytes:
    """Return the XML of a run."""
    suite = ET.Element("testsuite", name="ringproof")
    _properties(suite, [("run", run.id), ("verdict", run.verdict), ("profile", str(run.facts.get("profile", "")))])
    for scenario in run.scenarios:
        _case(suite, run, scenario)
    if run.scenarios == [] or run.verdict not in ("valid", merge(one.verdict for one in run.scenarios)):
        said = f"the run is {run.verdict}: " + (
            "; ".join(one.what for one in run.reader.troubles[:5]) or "no scenario ran"
        )
        whole = ET.SubElement(suite, "testcase", classname="ringproof", name="run", time="0.000")
        _amiss(whole, run.verdict, said, said)
    for name, tag in (("tests", "testcase"), ("failures", "failure"), ("errors", "error")):
        suite.set(name, str(len(suite.findall(f".//{tag}"))))
    suite.set("skipped", "0")
    suite.set("time", f"{sum(one.seconds or 0.0 for one in run.scenarios):.3f}")
    root = ET.Element("testsuites", name="ringproof")
    root.append(suite)
    ET.indent(root)
    return bytes(ET.tostring(root, encoding="utf-8", xml_declaration=True)) + b"\n"


def _case(suite: ET.Element, run: Run, scenario: Scenario) -> None:
    case = ET.SubElement(
        suite,
        "testcase",
        classname=_clean(f"ringproof.{scenario.topology}"),
        name=_clean(scenario.id),
        time=f"{scenario.seconds or 0.0:.3f}",
    )
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
        told += [("check", str(best.get("id"))), ("measured", measured(best)), ("limit", limit(best))]
    seed = scenario.facts.get("seed", run.facts.get("seed"))
    told += [("seed", "" if seed is None else str(seed))]
    stories = section(scenario, pictures=False).stories if scenario.verdict != "valid" else []
    told += [("code", code) for code in dict.fromkeys(story.code for story in stories)]
    _properties(case, told)
    if scenario.verdict != "valid":
        first = stories[0].plain if stories else scenario.verdict
        whole = "\n\n".join(f"{story.check or story.word}: {story.plain} [{story.code}]" for story in stories)
        _amiss(case, scenario.verdict, first, whole)


def _amiss(case: ET.Element, word: str, message: str, whole: str) -> None:
    found = ET.SubElement(
        case, "failure" if word == "invalid" else "error", type=word, message=_clean(clipped(message, 1000))
    )
    found.text = _clean(clipped(whole, LONGEST))


def _properties(parent: ET.Element, told: list[tuple[str, str]]) -> None:
    held = ET.SubElement(parent, "properties")
    for name, value in told:
        if value:
            ET.SubElement(held, "property", name=name, value=_clean(clipped(value, 2000)))


def _clean(words: str) -> str:
    return _FORBIDDEN.sub("\ufffd", words)
