"""Machine outputs of one bundle: the same verdict in each, and words that no reader can take for more than words."""

from __future__ import annotations

import io
import json
import os
import re
import uuid
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from rich.console import Console

from fixtures.allure_export import fill
from reports import github, summary
from reports.cases import cases
from reports.junit import write_junit
from reports.outputs import write_outputs
from reports.safe import logged, safe
from reports.verdicts import read_run
from tests.bundle_records import write_json
from tests.bundles import IDS, write_run

WORDS = ("valid", "invalid", "unknown", "vacuous")
EVIL = "a\x00b\x1b[31m\x9b\ud800\u202e <b>&amp; ]]> `x`|@all 100%,:\r\n::error::forged"


def of_verdicts(folder: Path) -> dict[str, str]:
    found = {}
    for inside in (folder / "scenarios").iterdir():
        file = inside / "verdict.json"
        found[inside.name] = json.loads(file.read_text())["verdict"] if file.exists() else "not judged"
    return found


def of_junit(folder: Path) -> dict[str, str]:
    found = {}
    for case in ET.parse(folder / "junit.xml").getroot().iter("testcase"):
        outcome = next((child for child in case if child.tag in ("failure", "error")), None)
        assert outcome is None or (outcome.tag == "failure") == (outcome.get("type") == "invalid")
        found[str(case.get("name"))] = "valid" if outcome is None else str(outcome.get("type"))
    return found


def of_ctrf(folder: Path) -> dict[str, str]:
    tests = json.loads((folder / "ctrf.json").read_text())["results"]["tests"]
    assert all((test["status"] == "passed") == (test["rawStatus"] == "valid") for test in tests)
    return {test["name"]: test["rawStatus"] for test in tests}


def of_annotations(folder: Path) -> dict[str, str]:
    lines = github.commands(folder, cases(read_run(folder)))
    return {line.partition("scenarios/")[2].partition("/")[0] or "run": titled(line) for line in lines}


def titled(line: str) -> str:
    match = re.fullmatch(r"::error file=[^,:]+,title=([a-z ]+)%3A [^,:]*::.*", line)
    assert match is not None, line
    return match[1]


def of_markdown(folder: Path) -> list[str]:
    rows = [row.split("|")[1].split() for row in summary.markdown(folder).splitlines() if row.startswith("| ")][1:]
    return sorted(" ".join(row[1:]) for row in rows)


def of_terminal(folder: Path) -> list[str]:
    raw = io.StringIO()
    summary.render(folder, Console(file=raw, width=120, no_color=True))
    marks = "|".join(re.escape(mark) for mark in summary.MARKS.values())
    rows = raw.getvalue().split("\n\n")[1].splitlines()
    found = [re.match(rf"(?:{marks}) (valid|invalid|unknown|vacuous|not judged) ", row) for row in rows]
    return sorted(row[1] for row in found if row is not None)


@pytest.mark.parametrize("killed", [False, True])
def test_every_output_says_the_verdicts_of_the_bundle(tmp_path: Path, killed: bool) -> None:
    folder = write_run(tmp_path / "run", [*WORDS, "nested"], killed=killed)
    write_outputs(folder)
    stored = of_verdicts(folder)
    assert set(stored.values()) == {*WORDS} | ({"not judged"} if killed else set())
    whole = {"run": "not judged"} if killed else {}
    assert of_junit(folder) == of_ctrf(folder) == stored | whole
    assert of_annotations(folder) == {name: word for name, word in (stored | whole).items() if word != "valid"}
    assert of_markdown(folder) == of_terminal(folder) == sorted(stored.values())


@pytest.mark.parametrize("words", [(), ("vacuous",)])
def test_a_run_that_proves_nothing_passes_nowhere(tmp_path: Path, words: tuple[str, ...]) -> None:
    folder = write_run(tmp_path / "run", words)
    write_outputs(folder)
    assert set(of_junit(folder).values()) == set(of_ctrf(folder).values()) == {"vacuous"}
    assert set(of_annotations(folder).values()) == {"vacuous"}


def poisoned(folder: Path, change: Callable[[dict[str, Any]], None], file: str = "verdict.json") -> Path:
    path = folder / "scenarios" / IDS["invalid"] / file
    document = json.loads(path.read_text())
    change(document)
    path.write_text(json.dumps(document))
    return folder


def evil(tmp_path: Path) -> Path:
    folder = write_run(tmp_path / "run", ("invalid",))

    def verdict(document: dict[str, Any]) -> None:
        document |= {"promise": EVIL, "topology": EVIL}
        document["checks"][0] |= {"explain": EVIL, "id": EVIL, "formula": EVIL, "unit": EVIL}

    poisoned(folder, lambda facts: facts.update(scenario=EVIL, variant=EVIL, topology=EVIL), "scenario.json")
    return poisoned(folder, verdict)


def test_no_output_takes_words_for_more_than_words(tmp_path: Path) -> None:
    folder = evil(tmp_path)
    write_outputs(folder)
    assert of_junit(folder)[IDS["invalid"]] == of_ctrf(folder)[IDS["invalid"]] == "invalid"
    (line, *_) = github.commands(folder, cases(read_run(folder)))
    assert titled(line) == "invalid"
    raw = io.StringIO()
    summary.render(folder, Console(file=raw, width=100, no_color=True))
    markdown = summary.markdown(folder)
    assert "<b>" not in markdown
    assert "@all" not in markdown
    assert "::error" not in raw.getvalue()
    files = [(folder / name).read_text() for name in ("ctrf.json", "junit.xml", "report.html")]
    for told in (line, markdown, raw.getvalue(), *files):
        assert "\ufffd" in told
        assert not set(told) & set("\x00\x1b\x9b\u202e")


def test_bytes_that_are_no_utf8_are_told_and_never_pass(tmp_path: Path) -> None:
    folder = write_run(tmp_path / "run", ("valid",))
    (folder / "scenarios" / IDS["valid"] / "verdict.json").write_bytes(b'{"verdict": "valid", "x": "\xff"}')
    write_outputs(folder)
    assert of_junit(folder)[IDS["valid"]] == of_ctrf(folder)[IDS["valid"]] == "not judged"


def test_a_folder_whose_name_is_no_utf8_is_told(tmp_path: Path) -> None:
    folder = write_run(tmp_path / "run", ("valid", "invalid"), killed=True)
    (folder / "scenarios" / IDS["valid"]).rename(folder / "scenarios" / os.fsdecode(b"caf\xe9"))
    write_outputs(folder)
    assert of_junit(folder)["caf\ufffd"] == of_ctrf(folder)["caf\ufffd"] == "valid"
    page = (folder / "report.html").read_text(encoding="utf-8")
    assert "caf\ufffd" in page
    assert "scenarios/caf%E9/verdict.json" in page


def test_safe_keeps_what_people_write_and_the_length() -> None:
    kept = "tab\t line\n Größe ≥ 3, 😀 a.py::test \u2028"
    assert safe(kept) == kept
    assert len(safe(EVIL)) == len(EVIL)


@pytest.mark.parametrize(
    ("command", "told"),
    [
        ("::error file=a,title=b::c", "\ufffd:error file=a,title=b::c"),
        ("words ::add-mask::x", "words \ufffd:add-mask\ufffd:x"),
        ("##[error]x", "\ufffd#[error]x"),
        ("##vso[task.complete]", "\ufffd#vso[task.complete]"),
        ("##teamcity[x]", "\ufffd#teamcity[x]"),
        ("fe80::a1, ::1, [::]:7000, ## heading", "fe80::a1, ::1, [::]:7000, ## heading"),
    ],
)
def test_logged_breaks_what_a_runner_obeys(command: str, told: str) -> None:
    assert logged(command) == told


def test_ctrf_has_what_the_schema_wants_and_nothing_else(tmp_path: Path) -> None:
    write_outputs(write_run(tmp_path / "run"))
    document = json.loads((tmp_path / "run" / "ctrf.json").read_text())
    assert set(document) == {"reportFormat", "specVersion", "reportId", "generatedBy", "extra", "results"}
    assert (document["reportFormat"], uuid.UUID(document["reportId"]).version) == ("CTRF", 5)
    results = document["results"]
    assert set(results) == {"tool", "summary", "tests"}
    assert all(type(value) is int for value in results["summary"].values())
    numbers = {name: results["summary"][name] for name in ("tests", "passed", "failed", "skipped", "pending", "other")}
    assert numbers == {"tests": 4, "passed": 1, "failed": 3, "skipped": 0, "pending": 0, "other": 0}
    assert results["summary"]["stop"] - results["summary"]["start"] == 240_000
    test = next(one for one in results["tests"] if one["rawStatus"] == "invalid")
    assert test["status"] == "failed"
    assert test["labels"]["limit"].startswith("limit 0")
    assert len(test["labels"]["topology_digest"]) == 64
    assert (tmp_path / "run" / test["attachments"][0]["path"]).is_file()
    assert "2 QUORUM operations" in test["message"]


def many(folder: Path, number: int) -> Path:
    write_run(folder, ("invalid",))
    for at in range(number - 1):
        write_json(folder / "scenarios" / f"more-{at}" / "verdict.json", {"schema": 1, "verdict": "unknown"})
    return folder


def test_annotations_are_ten_the_worst_first_and_say_how_many_are_left_out(tmp_path: Path) -> None:
    folder = many(tmp_path / "run", 14)
    lines = github.commands(folder, cases(read_run(folder)))
    assert len(lines) == 10
    assert titled(lines[0]) == "invalid"
    left = len([one for one in cases(read_run(folder)) if one.word != "valid"]) - 10
    assert lines[-1].endswith(f"(and {left} more that are not valid, in the job summary)")


def test_github_is_told_only_in_github(tmp_path: Path) -> None:
    folder = write_run(tmp_path / "run")
    stream, file = io.StringIO(), tmp_path / "summary.md"
    github.publish(folder, cases(read_run(folder)), {}, stream)
    assert stream.getvalue() == ""
    file.write_text("what an earlier step left\n")
    environment = {"GITHUB_ACTIONS": "true", "GITHUB_STEP_SUMMARY": str(file)}
    github.publish(folder, cases(read_run(folder)), environment, stream)
    assert [titled(line) for line in stream.getvalue().splitlines()] == ["invalid", "unknown", "vacuous"]
    assert file.read_text().startswith("what an earlier step left\n## ✗ invalid: It did not hold.")


def test_a_job_summary_stays_below_its_limit_with_what_is_there(tmp_path: Path) -> None:
    file = tmp_path / "summary.md"
    for _ in range(4):
        github.append(file, "words of a run\n" * 30_000)
    assert file.stat().st_size < 1 << 20
    assert file.read_text().endswith("… cut here; the report has the rest.\n")


def test_a_summary_that_cannot_be_written_is_a_warning(tmp_path: Path) -> None:
    folder, stream = write_run(tmp_path / "run", ("valid",)), io.StringIO()
    github.publish(folder, cases(read_run(folder)), {"GITHUB_STEP_SUMMARY": str(tmp_path)}, stream)
    assert stream.getvalue().startswith("::warning::")
    assert stream.getvalue().count("\n") == 1


def allure_of(folder: Path, word: str) -> Any:
    from allure_commons.model2 import TestResult

    result = TestResult(name="test", uuid="1")
    fill(result, folder, next(one for one in read_run(folder).scenarios if one.id == IDS[word]))
    return result


def test_allure_steps_are_the_phases_at_their_times_with_their_faults_and_the_checks(tmp_path: Path) -> None:
    result = allure_of(write_run(tmp_path / "run"), "invalid")
    *phases, verdict = result.steps
    assert [step.name for step in phases] == ["baseline", "cut", "healed"]
    assert [step.status for step in phases] == ["passed", "failed", "passed"]
    assert all(one.stop == other.start for one, other in pairwise(phases))
    assert phases[0].start > 1_795_593_600_000
    assert phases[1].steps[0].name.startswith("F1 ")
    assert (verdict.name, verdict.status) == ("verdict: invalid", "failed")
    assert [step.name for step in verdict.steps[:3]] == ["system: invalid", "evidence: valid", "cleanup: valid"]
    assert any("limit 0" in step.name for step in verdict.steps[3:])


def test_a_fault_that_never_bit_is_a_broken_step(tmp_path: Path) -> None:
    result = allure_of(write_run(tmp_path / "run"), "unknown")
    faults = [inner for step in result.steps[:-1] for inner in (step, *step.steps) if inner.name.startswith("F1 ")]
    assert [fault.status for fault in faults] == ["broken"]


def test_without_phases_and_with_altered_times_the_verdict_is_still_told(tmp_path: Path) -> None:
    folder = write_run(tmp_path / "run")
    events = folder / "scenarios" / IDS["vacuous"] / "events.jsonl"
    events.write_text("".join(line for line in events.read_text().splitlines(keepends=True) if "phase" not in line))
    assert [step.name for step in allure_of(folder, "vacuous").steps] == ["verdict: vacuous"]
    poisoned(folder, lambda document: document["checks"][0].update(findings=[{"at": []}, {"at": 1e308}, 3]))
    assert allure_of(folder, "invalid").steps[-1].name == "verdict: invalid"


def test_allure_can_write_whatever_a_bundle_holds(tmp_path: Path) -> None:
    from allure_commons.logger import AllureFileLogger

    result = allure_of(evil(tmp_path), "invalid")
    AllureFileLogger(str(tmp_path / "results")).report_result(result)
    (file,) = (tmp_path / "results").iterdir()
    told = json.loads(file.read_text(encoding="utf-8"))
    assert "<b>" not in told["description"]
    assert {one["name"]: one["value"] for one in told["labels"]}["verdict"] == "invalid"
    assert not set(json.dumps(told, ensure_ascii=False)) & set("\x00\x1b\x9b\ud800\u202e")
    assert {one["name"] for one in told["links"]} == {"report", "bundle"}


def test_junit_alone_is_the_junit_of_all_outputs(tmp_path: Path) -> None:
    folder = write_run(tmp_path / "run")
    write_outputs(folder)
    assert (folder / "junit.xml").read_bytes() == write_junit(folder).read_bytes()
