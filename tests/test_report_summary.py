"""What a terminal, a job summary and a CI system are told."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from rich.console import Console

from reports import summary
from reports.junit import write_junit
from reports.section import section
from reports.verdicts import read_run
from tests.bundle_records import at, write_json
from tests.bundles import IDS, write_run

WORDS = ("valid", "invalid", "unknown", "vacuous")


def printed(folder: Path, *, encoding: str = "utf-8", width: int = 80) -> str:
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding=encoding, write_through=True)
    summary.render(folder, Console(file=stream, width=width, no_color=True, force_terminal=False))
    return raw.getvalue().decode(encoding)


def cases(folder: Path) -> dict[str, ET.Element]:
    return {str(case.get("name")): case for case in ET.parse(write_junit(folder)).getroot().iter("testcase")}


def test_the_table_fits_80_columns_and_says_verdict_limit_and_paragraph(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    write_run(tmp_path / "run")
    told = printed(Path("run"))
    assert max(len(line) for line in told.splitlines()) <= 80
    assert told.startswith("It did not hold. One promise of four was broken")
    for mark, word in (("✗", "invalid"), ("?", "unknown"), ("∅", "vacuous"), ("✓", "valid")):
        assert f"{mark} {word}" in told
    whole = " ".join(told.split())
    assert "2 QUORUM operations were acknowledged inside the cut. First at second 44.560 of the scenario" in whole
    assert "limit 0: 3 of 6 replicas < quorum 4." in whole
    assert "ringproof judge run" in whole


def test_the_table_has_measurement_and_limit_alone_and_names_the_place_once(tmp_path: Path) -> None:
    table = printed(write_run(tmp_path / "run", ("valid", "invalid", "nested")), width=100).split("\n\n")[1]
    assert table.splitlines()[0].split() == ["verdict", "scenario", "topology", "measured,", "limit", "s"]
    rows = [" ".join(line.split()) for line in table.splitlines()[2:]]
    assert rows == [
        "✗ invalid partition-both-ways (test data) stub-domains 2 operations, limit 0 90",
        "✓ valid pod-reschedule (test data) stub-domains 11 s, limit 35 s 60",
        "✓ valid cidr (test data) overlap 1 conflict, limit 1 8",
    ]


def changed(folder: Path, word: str, change: Callable[[dict[str, Any]], None]) -> Path:
    path = folder / "scenarios" / IDS[word] / "verdict.json"
    document = json.loads(path.read_text())
    change(document)
    write_json(path, document)
    return folder


def test_a_paragraph_says_nothing_twice_and_lets_the_server_speak(tmp_path: Path) -> None:
    server = (
        "Error from server: code=1100 [Coordinator node timed out waiting for replica nodes' responses] message="
        "\"Operation timed out - received only 3 responses.\" info={'consistency': 'ALL', 'required_responses': 4}"
    )
    told = f"east-probe-9: 1 EACH_QUORUM operation not served; first, a write: info, WriteTimeout {server}"

    def change(document: dict[str, Any]) -> None:
        check = document["checks"][0]
        check |= {
            "explain": f"{told} (and 1 more)",
            "measured": 1,
            "unit": "errors",
            "formula": "excused: 2 x 5 s + 1 s",
        }
        check["findings"][0] |= {"detail": told, "at": at(4.5), "operations": [{"subject": "no operation"}]}

    folder = changed(write_run(tmp_path / "run", ("invalid",)), "invalid", change)
    said = summary.story(read_run(folder).scenarios[0])
    assert said == (
        "east-probe-9: 1 EACH_QUORUM operation not served; first, a write: info, WriteTimeout “Operation timed out - "
        "received only 3 responses.” (4 are required) (and 1 more). First at second 4.500 of the scenario, 4.5 s after "
        "phase baseline began, 15.5 s before F1 was injected. Measured 1 error, limit 0; excused: 2 x 5 s + 1 s."
    )
    trail = section(read_run(folder).scenarios[0]).stories[0].trail
    assert [(step.what, step.outcome, step.raw) for step in trail.steps] == [("record", "subject no operation", ())]


def test_a_check_without_a_figure_held_or_is_broken(tmp_path: Path) -> None:
    def bare(document: dict[str, Any]) -> None:
        for check in document["checks"]:
            check |= {"measured": None, "limit": None, "formula": None}

    valid = changed(write_run(tmp_path / "valid", ("nested",)), "nested", bare)
    assert summary.against(read_run(valid).scenarios[0]) == "all 2 checks held"
    broken = changed(write_run(tmp_path / "broken", ("invalid",)), "invalid", bare)
    assert summary.against(read_run(broken).scenarios[0]) == "broken"


def test_a_limit_that_was_kept_is_not_told_as_what_broke(tmp_path: Path) -> None:
    def change(document: dict[str, Any]) -> None:
        document["checks"][0] |= {"measured": 42, "limit": 59, "unit": "s"}

    found = read_run(changed(write_run(tmp_path / "run", ("invalid",)), "invalid", change)).scenarios[0]
    assert summary.against(found) == "broken: served in cut"
    assert "Measured" not in summary.story(found)


def test_a_terminal_without_unicode_gets_other_marks(tmp_path: Path) -> None:
    told = printed(write_run(tmp_path / "run"), encoding="ascii", width=200)
    assert "X invalid" in told
    assert "+ valid" in told


def test_markup_in_a_bundle_is_printed_as_it_is(tmp_path: Path) -> None:
    folder = write_run(tmp_path / "run", ("invalid",))
    path = folder / "scenarios" / IDS["invalid"] / "verdict.json"
    document = json.loads(path.read_text())
    document["checks"][0]["explain"] = "[bold]lost[/] [/nothing] <b>`x`|@all"
    write_json(path, document)
    assert "[bold]lost[/] [/nothing]" in printed(folder, width=200)
    told = summary.markdown(folder)
    assert "&lt;b&gt;\\`x\\`\\|" in told
    assert "@all" not in told


def test_markdown_has_a_row_for_each_scenario_worst_first(tmp_path: Path) -> None:
    told = summary.markdown(write_run(tmp_path / "run"))
    rows = [row.split("|")[1].split()[-1] for row in told.splitlines() if row.startswith("| ")][1:]
    assert rows == ["invalid", "unknown", "vacuous", "valid"]


def test_markdown_is_cut_below_its_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = write_run(tmp_path / "run")
    monkeypatch.setattr(summary, "LARGEST", 700)
    told = summary.markdown(folder)
    assert len(told.encode()) <= 700
    assert told.endswith("the report has the rest.\n")


def test_junit_passes_only_what_is_valid(tmp_path: Path) -> None:
    found = cases(write_run(tmp_path / "run"))
    told = {
        name: [(child.tag, child.get("type")) for child in case if child.tag != "properties"]
        for name, case in found.items()
    }
    assert told == {
        IDS["valid"]: [],
        IDS["invalid"]: [("failure", "invalid")],
        IDS["unknown"]: [("error", "unknown")],
        IDS["vacuous"]: [("error", "vacuous")],
    }
    assert "2 QUORUM operations" in str(found[IDS["invalid"]][1].get("message"))


def test_junit_names_topology_promise_limit_parts_and_seed(tmp_path: Path) -> None:
    case = cases(write_run(tmp_path / "run", ("invalid",)))[IDS["invalid"]]
    told = {str(one.get("name")): str(one.get("value")) for one in case.iter("property")}
    assert len(told["topology_digest"]) == 64
    assert told["promise"].startswith("Cut apart")
    assert (told["system"], told["evidence"], told["cleanup"], told["seed"]) == ("invalid", "valid", "valid", "7")
    assert told["measured"].replace("\u00a0", " ") == "2 operations"
    assert told["limit"].startswith("limit 0")


def test_a_killed_run_is_never_green(tmp_path: Path) -> None:
    folder = write_run(tmp_path / "run", ("valid", "vacuous"), killed=True)
    found = cases(folder)
    assert [child.get("type") for child in found["run"]] == ["not judged"]
    assert found[IDS["vacuous"]].find("error") is not None
    suite = ET.parse(folder / "junit.xml").getroot()[0]
    assert (suite.get("tests"), suite.get("failures"), suite.get("errors")) == ("3", "0", "2")
    assert "It was not judged. The run was stopped before its verdict" in " ".join(printed(folder).split())


def test_junit_survives_characters_that_xml_forbids(tmp_path: Path) -> None:
    folder = write_run(tmp_path / "run", ("invalid",))
    path = folder / "scenarios" / IDS["invalid"] / "verdict.json"
    document = json.loads(path.read_text())
    document["checks"][0]["explain"] = "a\x00b\x1b[31m\ud800 ]]> <"
    path.write_text(json.dumps(document))
    failure = cases(folder)[IDS["invalid"]].find("failure")
    assert failure is not None
    assert str(failure.get("message")).startswith("a\ufffdb\ufffd[31m\ufffd ]]> <")
