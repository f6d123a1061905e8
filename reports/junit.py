"""junit.xml: one test case for each scenario, so that every CI system shows which promise broke.

Only ``valid`` passes. ``invalid`` is a failure; ``unknown``, ``vacuous`` and ``not judged`` are errors of that type.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from xml.etree import ElementTree as ET

from reports.bundle import text
from reports.cases import Case, cases
from reports.safe import replace_file, safe
from reports.verdicts import Run, read_run


def write_junit(run_folder: Path) -> Path:
    """Write ``junit.xml`` into a run folder and return its path. BundleError only if there is no such folder."""
    run = read_run(run_folder)
    replace_file(run.reader.root / "junit.xml", render(run, cases(run)))
    return run_folder / "junit.xml"


def render(run: Run, listed: list[Case]) -> bytes:
    """Return the XML of a run and its cases."""
    suite = ET.Element("testsuite", name="ringproof")
    _properties(suite, [("run", run.id), ("verdict", run.verdict), ("profile", text(run.facts.get("profile")))])
    for case in listed:
        _case(suite, case)
    for name, tag in (("tests", "testcase"), ("failures", "failure"), ("errors", "error")):
        suite.set(name, str(len(suite.findall(f".//{tag}"))))
    suite.set("skipped", "0")
    suite.set("time", f"{sum(one.seconds for one in listed):.3f}")
    root = ET.Element("testsuites", name="ringproof")
    root.append(suite)
    ET.indent(root)
    return bytes(ET.tostring(root, encoding="utf-8", xml_declaration=True)) + b"\n"


def _case(suite: ET.Element, told: Case) -> None:
    where = f"ringproof.{told.topology}" if told.topology else "ringproof"
    case = ET.SubElement(suite, "testcase", classname=where, name=told.id, time=f"{told.seconds:.3f}")
    _properties(case, told.told)
    if told.word != "valid":
        tag = "failure" if told.word == "invalid" else "error"
        ET.SubElement(case, tag, type=told.word, message=told.message).text = told.whole


def _properties(parent: ET.Element, told: Iterable[tuple[str, str]]) -> None:
    kept = [(name, value) for name, value in told if value]
    held = ET.SubElement(parent, "properties") if kept else parent
    for name, value in kept:
        ET.SubElement(held, "property", name=name, value=safe(value))
