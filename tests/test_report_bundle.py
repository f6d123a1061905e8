"""A bundle that is missing, torn or altered: the reports name it, never fail, and never show a better verdict."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from reports import junit, page
from reports.bundle import Trouble
from reports.verdicts import NOT_JUDGED, merge, read_run
from tests.bundle_records import BOOT, write_json
from tests.bundles import IDS, write_run

VACUOUS = f"scenarios/{IDS['vacuous']}"
FILES = (
    "run.json",
    "verdict.json",
    "topologies/shared-suffix/topology.json",
    *(
        f"{VACUOUS}/{name}"
        for name in (
            "scenario.json",
            "verdict.json",
            "checks.json",
            "events.jsonl",
            "observations.jsonl",
            "history/east-probe-0.jsonl",
        )
    ),
)


def remove(path: Path) -> None:
    path.unlink()


def tear(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: -max(3, path.stat().st_size // 3)])


def garble(path: Path) -> None:
    path.write_bytes(b"\x00\xff\xfe" + path.read_bytes())


def link(path: Path) -> None:
    path.unlink()
    path.symlink_to("/etc/passwd")


def forget_schema(path: Path) -> None:
    path.write_text(path.read_text().replace('"schema": 1', '"schema": 2'))


def troubles(folder: Path) -> list[Trouble]:
    run = read_run(folder)
    page.render(run)
    return run.reader.troubles


@pytest.mark.parametrize("harm", [remove, tear, garble, link], ids=lambda harm: str(harm.__name__))
@pytest.mark.parametrize("name", FILES)
def test_a_harmed_file_is_named_and_nothing_fails(tmp_path: Path, name: str, harm: Callable[[Path], None]) -> None:
    folder = write_run(tmp_path / "run", ("vacuous",))
    assert troubles(folder) == []
    harm(folder / name)
    found = troubles(folder)
    quiet = harm is remove and not name.endswith(
        ("run.json", "verdict.json", "scenario.json", "checks.json", "events.jsonl")
    )
    assert (name in {one.path for one in found}) is not quiet, found
    assert "root:x:0:" not in page.write_page(folder).read_text("utf-8")
    assert junit.write_junit(folder).is_file()


def test_an_unknown_schema_is_refused_in_one_sentence(tmp_path: Path) -> None:
    folder = write_run(tmp_path / "run", ("valid",))
    forget_schema(folder / "scenarios" / IDS["valid"] / "verdict.json")
    found = troubles(folder)
    assert any("schema 2 is not known here" in one.what for one in found)
    assert read_run(folder).scenarios[0].verdict == NOT_JUDGED
    assert read_run(folder).verdict == "unknown"


def edit(path: Path, change: Callable[[Any], None]) -> None:
    value = json.loads(path.read_text())
    change(value)
    write_json(path, value)


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("verdict.json", lambda doc: doc.update(verdict="valid")),
        ("verdict.json", lambda doc: doc.update(verdict="valid", system="valid")),
        ("verdict.json", lambda doc: doc.update(verdict="valid", system="valid", checks=[])),
        ("verdict.json", lambda doc: doc.pop("cleanup")),
        ("verdict.json", lambda doc: doc.update(verdict="VALID")),
    ],
    ids=["word", "parts", "no checks", "no clean-up", "no such word"],
)
def test_a_forged_verdict_is_never_shown_as_valid(tmp_path: Path, name: str, change: Callable[[Any], None]) -> None:
    folder = write_run(tmp_path / "run", ("invalid",))
    edit(folder / "scenarios" / IDS["invalid"] / name, change)
    run = read_run(folder)
    assert run.scenarios[0].verdict in ("invalid", "unknown")
    assert any("altered" in one.what and one.path.endswith("verdict.json") for one in run.reader.troubles)


def test_a_scenario_that_the_run_names_and_nobody_has_is_not_judged(tmp_path: Path) -> None:
    folder = write_run(tmp_path / "run", ("valid", "vacuous"))
    shutil.rmtree(folder / "scenarios" / IDS["valid"])
    run = read_run(folder)
    assert [one.verdict for one in run.scenarios] == [NOT_JUDGED, "vacuous"]
    assert run.verdict == "unknown"


def test_a_run_verdict_better_than_its_scenarios_is_not_believed(tmp_path: Path) -> None:
    folder = write_run(tmp_path / "run", ("invalid",))
    edit(folder / "verdict.json", lambda doc: doc.update(verdict="valid"))
    assert read_run(folder).verdict == "invalid"


def test_files_of_another_boot_are_left_out(tmp_path: Path) -> None:
    folder = write_run(tmp_path / "run", ("valid",))
    history = folder / "scenarios" / IDS["valid"] / "history" / "west-probe-0.jsonl"
    history.write_text(history.read_text().replace(BOOT, "another"))
    operations = read_run(folder).scenarios[0].operations()
    assert {one.datacenter for one in operations} == {"east"}


def test_an_operation_without_completion_is_info_and_knows_its_line(tmp_path: Path) -> None:
    folder = write_run(tmp_path / "run", ("valid",))
    history = folder / "scenarios" / IDS["valid"] / "history" / "east-probe-0.jsonl"
    lines = history.read_text().splitlines()
    history.write_text("\n".join(lines[:4]) + '\n{"type": "ok", "ti')
    scenario = read_run(folder).scenarios[0]
    mine = [one for one in scenario.operations() if one.process == "east-probe-0"]
    assert [(one.outcome, one.end is None) for one in mine] == [("ok", False), ("info", True)]
    assert mine[1].seen_in.endswith("history/east-probe-0.jsonl:4")
    assert any(one.what.startswith("torn") for one in scenario.reader.troubles)


@pytest.mark.parametrize(
    ("words", "merged"),
    [
        ((), "vacuous"),
        (("valid", "vacuous"), "vacuous"),
        (("vacuous", "unknown"), "unknown"),
        (("unknown", "invalid", "valid"), "invalid"),
        (("valid", "perfect"), "unknown"),
    ],
)
def test_merge(words: tuple[str, ...], merged: str) -> None:
    assert merge(words) == merged


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=8)
    | st.sampled_from([BOOT, 10**400, -1]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)


def leaves(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path] * bool(path) + [one for key, item in items for one in leaves(item, (*path, key))]


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_value_anywhere_gives_a_page_and_a_junit(tmp_path: Path, data: st.DataObject) -> None:
    folder = tmp_path / "run"
    shutil.rmtree(folder, ignore_errors=True)
    write_run(folder, ("vacuous", "nested"))
    files = sorted(path for path in folder.rglob("*.json*") if path.stat().st_size < 200_000)
    path = data.draw(st.sampled_from(files))
    lines = path.read_text().splitlines() if path.suffix == ".jsonl" else [path.read_text()]
    at = data.draw(st.integers(0, len(lines) - 1))
    value = json.loads(lines[at])
    where = data.draw(st.sampled_from(leaves(value)))
    inner = value
    for key in where[:-1]:
        inner = inner[key]
    inner[where[-1]] = data.draw(JSON)
    lines[at] = json.dumps(value)
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    assert page.write_page(folder).stat().st_size > 10_000
    assert junit.write_junit(folder).stat().st_size > 500
