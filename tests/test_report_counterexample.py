"""The drawing of a counterexample below the table of promises, also from bundles that somebody altered."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from reports import summary
from reports.counterexample import counterexample
from reports.verdicts import Scenario, read_run
from tests.bundle_records import at, write_json
from tests.bundles import IDS, write_run

WINDOW = {"id": "F1", "name": "east and west cut apart", "inject": at(20), "effective": at(21), "recover": at(50),
          "recovered": at(51)}  # fmt: skip
WRITE = {"process": "east-probe-0", "op": 1, "f": "write", "value": 445, "cl": "QUORUM", "outcome": "ok",
         "invoke": at(44.56), "returned": at(44.57)}  # fmt: skip


def broken(folder: Path, operations: Any, windows: Any) -> Scenario:
    """An invalid scenario whose first finding has these operations."""
    write_run(folder, ("invalid",))
    path = folder / "scenarios" / IDS["invalid"] / "verdict.json"
    document = json.loads(path.read_text())
    document["windows"] = windows
    document["checks"][0]["findings"] = [{"anomaly": "served-in-cut", "who": "x", "detail": "y", "at": at(44.56),
                                          "operations": operations}]  # fmt: skip
    write_json(path, document)
    return read_run(folder).scenarios[0]


def printed(folder: Path, width: int = 80, **options: int) -> str:
    out = io.StringIO()
    summary.render(folder, Console(file=out, width=width, color_system=None), **options)
    return out.getvalue()


def test_the_operations_are_drawn_under_their_window_in_78_columns(tmp_path: Path) -> None:
    drawn = counterexample(broken(tmp_path / "run", [WRITE], [WINDOW])).splitlines()

    assert max(map(len, drawn)) <= 78
    assert drawn[0].split()[0] == "F1"
    assert set(drawn[0].split()[1]) == {"#"}
    assert any("1 write 445" in line for line in drawn)
    assert any("inject -24.56 s, effective -23.56 s" in line for line in drawn)


@pytest.mark.parametrize(
    ("operations", "windows"),
    [
        ([{**WRITE, "invoke": "early"}, {**WRITE, "op": 2, "returned": [1]}, WRITE], [WINDOW]),
        ([WRITE, {**WRITE, "op": 2, "returned": at(3)}, "no operation"], [WINDOW]),
        ([WRITE], [{**WINDOW, "inject": "then"}, {"name": "nameless"}, "window", {"id": ["F2"], "inject": at(1)}]),
        ([WRITE], [{**WINDOW, "recovered": at(2)}]),
        ([WRITE], {"id": "F1"}),
    ],
)
def test_what_an_altered_bundle_holds_is_left_out(tmp_path: Path, operations: Any, windows: Any) -> None:
    drawn = counterexample(broken(tmp_path / "run", operations, windows))

    assert "1 write 445" in drawn
    assert "  2 " not in drawn


@pytest.mark.parametrize("operations", [[], [{"kind": "dns_answer", "t": 1}], "none", None])
def test_findings_without_operations_have_no_drawing(tmp_path: Path, operations: Any) -> None:
    assert counterexample(broken(tmp_path / "run", operations, [WINDOW])) == ""


def test_a_narrow_terminal_gets_the_paragraph_alone(tmp_path: Path) -> None:
    scenario = broken(tmp_path / "run", [WRITE], [WINDOW])

    assert counterexample(scenario, 60) == ""
    assert "|-" not in printed(tmp_path / "run", 60)
    assert "|-" in printed(tmp_path / "run")


def test_the_table_is_followed_by_promise_paragraph_and_drawing_of_the_first_ones(tmp_path: Path) -> None:
    folder = write_run(tmp_path / "run")
    told = printed(folder)

    order = ["✗ invalid: partition", "Promise: Cut apart", "2 QUORUM operations", "1 write 445 ok", "? unknown: dns"]
    assert [told.index(words) for words in order] == sorted(told.index(words) for words in order)
    assert "1 write 445 ok" not in printed(folder, drawn=0)
