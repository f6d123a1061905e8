"""What a terminal, a job summary and a CI system are told."""

from __future__ import annotations

import io
import json
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from rich.console import Console

from reports import summary
from reports.junit import write_junit
from tests.bundle_records import write_json
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
    assert "2 QUORUM operations were acknowledged inside the cut. First at 44.560 s" in whole
    assert "limit 35 s = ttl" in whole
    assert "ringproof judge run" in whole


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
    assert "It was not judged." in printed(folder)


def test_junit_survives_characters_that_xml_forbids(tmp_path: Path) -> None:
    folder = write_run(tmp_path / "run", ("invalid",))
    path = folder / "scenarios" / IDS["invalid"] / "verdict.json"
    document = json.loads(path.read_text())
    document["checks"][0]["explain"] = "a\x00b\x1b[31m\ud800 ]]> <"
    path.write_text(json.dumps(document))
    failure = cases(folder)[IDS["invalid"]].find("failure")
    assert failure is not None
    assert str(failure.get("message")).startswith("A\ufffdb\ufffd[31m\ufffd ]]> <")
