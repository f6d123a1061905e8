"""A counterexample keeps the order of its times, tells each operation in words, and names its raw lines."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reports.clock import Clock, Window, clock
from reports.intervals import MOST_OPERATIONS, Told, intervals
from reports.page import write_page
from reports.section import section
from reports.setting import reason, sabotage
from reports.trail import Sources, trail
from reports.verdicts import SEEN_IN, read_run
from tests.bundle_records import at, write_json
from tests.bundles import IDS, write_run

AXIS = Clock(0, 100.0, (Window("F1", "a cut", 10.0, 12.0, 30.0, 31.0),), ())


def op(start: float, end: float | None, process: str = "east-log-0", outcome: str = "ok") -> Told:
    return Told(process, "read key 0", outcome, start, end)


def bars(figure: Any) -> dict[str, list[float]]:
    """Left edges of the bars of each named row."""
    return {
        row.label: [float(shape.d[1:].split(" ")[0]) for shape in row.shapes if shape.css.startswith(("iok", "iinfo"))]
        for row in figure.rows
    }


def test_what_overlaps_in_the_drawing_was_concurrent_and_what_does_not_was_not() -> None:
    figure = intervals([op(1, 5, "a"), op(5.0001, 6, "b"), op(4.9, 5.5, "c")], AXIS, broken=True)
    assert figure is not None
    shapes = {row.label: row.shapes[0] for row in figure.rows if row.css == "iv"}
    edges = {
        name: tuple(float(v) for v in shape.d[1:-1].replace("H", " ").replace("v9", " ").split()[::2][:2])
        for name, shape in shapes.items()
    }
    assert edges["a"][0] < edges["c"][0] < edges["b"][0]
    assert shapes["c"].css == "iok ibad"


@given(st.lists(st.tuples(st.floats(0, 90), st.floats(0, 5)), min_size=1, max_size=MOST_OPERATIONS))
def test_later_begins_stand_further_right_and_all_inside(times: list[tuple[float, float]]) -> None:
    listed = [op(start, start + long, f"p{number}") for number, (start, long) in enumerate(times)]
    figure = intervals(listed, AXIS, broken=False)
    assert figure is not None
    left = bars(figure)
    for one in listed:
        assert 0 <= left[one.process][0] <= 100
        for other in listed:
            if one.start < other.start:
                assert left[one.process][0] <= left[other.process][0]


def test_an_operation_without_end_reaches_the_edge_and_many_are_cut_but_for_the_last() -> None:
    figure = intervals([op(1, None, outcome="info")], AXIS, broken=False)
    assert figure is not None
    assert any(shape.css == "iopen" and shape.d.endswith("H100") for row in figure.rows for shape in row.shapes)
    many = intervals([op(n, n + 0.5, f"p{n}") for n in range(20)], AXIS, broken=True)
    assert many is not None
    assert many.untold == 8
    assert "p19" in bars(many)
    assert intervals([], AXIS, broken=True) is None


def test_a_fault_that_was_over_or_came_later_is_told_in_words() -> None:
    words = {}
    for start in (1.0, 50.0):
        figure = intervals([op(start, start + 1)], AXIS, broken=False)
        assert figure is not None
        words[start] = figure.rows[0].words[0].words.replace("\u00a0", " ")
    assert words == {1.0: "a cut: begins 8.0 s later", 50.0: "a cut: over 19.0 s before the first"}


@pytest.mark.parametrize(
    ("given", "what", "came_back"),
    [
        ({"workload": "ledger", "f": "write", "key": 4, "value": 1}, "write 1 in bucket 4", "ok"),
        ({"workload": "registers", "f": "write", "key": 0, "value": 4}, "write key 0 = 4", "ok"),
        ({"workload": "registers", "f": "read", "key": 0, "out": 3}, "read key 0", "ok: 3"),
        ({"workload": "registers", "f": "read", "key": 0, "out": None}, "read key 0", "ok: nothing there"),
        (
            {"workload": "cas", "f": "cas", "key": 0, "value": [4294967301, 5], "out": {"applied": False, "value": 4}},
            "key 0: put 5 if it is 4294967301",
            "ok: not applied, it is 4",
        ),
        ({"workload": "counter", "f": "add", "key": 3, "value": 6}, "add 6 to counter 3", "ok"),
        ({"workload": "probe", "f": "write", "key": 1, "value": 445}, "write 1 = 445", "ok"),
    ],
)
def test_an_operation_is_told_as_what_was_asked_and_what_came_back(
    given: dict[str, Any], what: str, came_back: str
) -> None:
    told = {"process": "east-0", "op": 1, "outcome": "ok", "cl": "ONE", "invoke": 10**9, "returned": 2 * 10**9, **given}
    found = trail({"operations": [told]}, Sources({}, [], AXIS, {}), broken=True)
    assert (found.steps[0].what, found.steps[0].outcome) == (f"{what} at ONE", came_back)
    assert found.steps[0].at == "1.000 to 2.000"


def test_a_finding_without_operations_is_told_by_the_observation_of_its_moment() -> None:
    peers = [{"host_id": "h2", "address": "10.0.0.2"}, {"host_id": "stranger", "address": "10.0.0.9"}]
    view = {
        "t": at(5),
        "kind": "ring_view",
        "host": "h1",
        "ok": True,
        "peers": peers,
        SEEN_IN: "x/observations.jsonl:7",
    }
    found = trail({"at": at(5), "operations": []}, Sources({}, [view], AXIS, {"h1": "a-0", "h2": "a-1"}), broken=True)
    assert found.figure is None
    assert found.steps[0].outcome == "3 hosts, itself among them; stranger at 10.0.0.9 is none of this ring"
    assert found.steps[0].raw[0].seen_in == "x/observations.jsonl:7"


def test_the_raw_lines_are_those_of_the_file(tmp_path: Path) -> None:
    folder = write_run(tmp_path / "run", ("invalid",))
    story = section(read_run(folder).scenarios[0]).stories[0]
    raw = [line for step in story.trail.steps for line in step.raw]
    assert len(raw) >= 2
    for line in raw:
        path, number = line.seen_in.rsplit(":", 1)
        assert json.loads((folder / path).read_text().splitlines()[int(number) - 1]) == json.loads(line.words)


def test_sabotage_and_the_reason_behind_a_promise_stand_on_the_page(tmp_path: Path) -> None:
    folder = write_run(tmp_path / "run", ("invalid",))
    home = folder / "scenarios" / IDS["invalid"]
    facts = json.loads((home / "scenario.json").read_text())
    write_json(home / "scenario.json", {**facts, "explanation": "A promise.\n\nBecause <b>replicas</b>\noverlap."})
    offset = {"datacenter": "east", "sabotage": {"clock_offset_us": -5_000_000, "retry": "default"}}
    write_json(home / "client-east.json", offset)
    scenario = read_run(folder).scenarios[0]
    assert reason(scenario) == "Because <b>replicas</b> overlap."
    assert sabotage(scenario)[0] == "the clients of east stamp their writes 5 s behind the time"
    content = write_page(folder).read_text("utf-8")
    assert "Because &lt;b&gt;replicas&lt;/b&gt; overlap." in content
    assert "Sabotaged on purpose" in content
    clean = read_run(write_run(tmp_path / "clean", ("valid",)))
    assert sabotage(clean.scenarios[0]) == []


def test_controls_are_shown_and_never_merged(tmp_path: Path) -> None:
    folder = write_run(tmp_path / "run", ("valid", "invalid"))
    (folder / "controls").mkdir()
    (folder / "scenarios" / IDS["invalid"]).rename(folder / "controls" / "control-cut-forged")
    document = json.loads((folder / "verdict.json").read_text())
    kept = [one for one in document["scenarios"] if one["id"] == IDS["valid"]]
    write_json(folder / "verdict.json", {**document, "verdict": "valid", "system": "valid", "scenarios": kept})
    run = read_run(folder)
    assert (run.verdict, [one.id for one in run.controls]) == ("valid", ["control-cut-forged"])
    content = write_page(folder).read_text("utf-8")
    assert "<h1>It held.</h1>" in content
    assert 'id="control-s-control-cut-forged"' in content
    for path in ("scenarios", "verdict.json"):
        (folder / path).rename(tmp_path / path)
    alone = write_page(folder).read_text("utf-8")
    assert "No promise was tried, only the controls." in alone
    assert "one controls" not in alone.lower()


def test_lines_that_are_no_text_and_a_scenario_without_observations_are_said(tmp_path: Path) -> None:
    folder = write_run(tmp_path / "run", ("valid", "invalid"))
    lines = folder / "scenarios" / IDS["valid"] / "observations.jsonl"
    lines.write_bytes(lines.read_bytes() + b'{"t": 1, "kind": "log_line", "text": "\xff\xfe"}\n')
    (folder / "scenarios" / IDS["invalid"] / "observations.jsonl").unlink()
    content = write_page(folder).read_text("utf-8")
    assert "altered: not UTF-8" in content
    for words in ("no view was observed", "no name was asked", "no pod was observed"):
        assert words in content
    found = section(read_run(folder).scenarios[1])
    assert clock(read_run(folder).scenarios[1], [], []).windows == found.axis.windows
