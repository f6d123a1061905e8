"""What is drawn means what it says: limits, expected pain, views, names, matrices."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from reports.bundle import Operation
from reports.clock import Clock, clock
from reports.drawing import Span, joined, line, nearest_rank
from reports.limits import budget, figure, limit, plain, tightest
from reports.pain import Pain
from reports.reach import matrices
from reports.seen import answer, dns_answers, pod_addresses, ring_views
from reports.tracks import availability, latency
from reports.verdicts import Scenario, read_run
from tests.bundle_records import at, dns
from tests.bundles import write_run

THIN = "\u00a0"


def scenario_of(tmp_path: Path, word: str) -> tuple[Scenario, Clock]:
    found = read_run(write_run(tmp_path / "run", (word,))).scenarios[0]
    return found, clock(found, found.operations(), found.observations())


@pytest.mark.parametrize(
    ("value", "unit", "words"),
    [
        (1, "operations", "1 operation"),
        (8412, "reads", "8 412 reads"),
        (0.9817, "share", "98.17 %"),
        (99.99999, "%", "99.99 %"),
        (100, "%", "100 %"),
        (21.4, "s", "21.4 s"),
        (None, "s", "not measured"),
        (True, "", "yes"),
        ([], "", "none"),
        (float("nan"), "s", "nan"),
    ],
)
def test_figures(value: object, unit: str, words: str) -> None:
    assert figure(value, unit).replace(THIN, " ") == words


def check(verdict: str, measured: object, bound: object, unit: str = "s", formula: str = "") -> dict[str, Any]:
    return {"verdict": verdict, "measured": measured, "limit": bound, "unit": unit, "formula": formula}


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (check("valid", 4.1, 35, "s", "ttl 30 + slack 5"), "limit 35 s = ttl 30 + slack 5"),
        (check("invalid", 2, 0, "operations", "3 of 6 replicas < quorum 4"), "limit 0: 3 of 6 replicas < quorum 4"),
        (check("valid", 99.97, 99.9, "%", "no replica is touched"), "limit ≥ 99.9 %: no replica is touched"),
        (check("invalid", 1, 0, "errors", "excused: a + 30 s"), "limit 0; excused: a + 30 s"),
        (check("invalid", 42, 59, "s", "a + b"), "limit 59 s = a + b"),
        (check("valid", "yes", None), ""),
    ],
)
def test_a_limit_stands_with_its_derivation(given: dict[str, Any], words: str) -> None:
    assert limit(given).replace(THIN, " ") == words


@pytest.mark.parametrize(
    ("given", "used", "zero", "over"),
    [
        (check("valid", 7, 35), 0.2, False, False),
        (check("invalid", 70, 35), 1.5, False, True),
        (check("valid", 0, 0), 0.0, True, False),
        (check("invalid", 3, 0), 1.5, True, True),
        (check("valid", 98, 95, "%"), 0.4, False, False),
        (check("unknown", 0, 1), None, False, False),
        (check("valid", None, 1), None, False, False),
    ],
)
def test_budget_is_the_used_part_of_the_limit(
    given: dict[str, Any], used: float | None, zero: bool, over: bool
) -> None:
    found = budget(given)
    assert (found.used, found.zero, found.over) == (pytest.approx(used) if used is not None else None, zero, over)


def test_the_tightest_valid_check_stands_for_a_scenario_and_a_broken_one_before_it() -> None:
    loose, tight, broken = check("valid", 1, 10), check("valid", 9, 10), check("invalid", 1, 0)
    assert tightest([loose, tight]) is tight
    assert tightest([loose, tight, broken]) is broken
    assert tightest([]) is None
    waits = {**check("valid", 0.9, 1), "check": "completed"}
    times, count = check("valid", 0, 0, "s"), check("valid", 0, 0, "errors")
    assert tightest([waits, times, count]) is count
    assert tightest([waits]) is waits


def test_lines_lift_the_pen_and_neighbours_join() -> None:
    assert line([(0, 1), (1, 2), None, (3, 1)]) == "M0 1L1 2M3 1"
    assert joined([Span(0, 1, "a"), Span(1, 2, "a"), Span(2, 3, "b")], 0) == [Span(0, 2, "a"), Span(2, 3, "b")]
    assert nearest_rank([1, 2, 3, 4], 0.5) == 2
    assert nearest_rank([1, 2, 3, 4], 0.99) == 4
    assert plain(12345.6) == f"12{THIN}346"


def test_refusals_that_the_fault_means_are_grey_and_a_served_operation_is_red(tmp_path: Path) -> None:
    scenario, axis = scenario_of(tmp_path, "invalid")
    rows = {
        (row.dim, row.label): {shape.css for shape in row.shapes}
        for row in availability(scenario, scenario.operations(), axis).rows
    }
    assert rows["east", "QUORUM"] == {"ok", "must", "viol"}
    assert rows["west", "QUORUM"] == {"ok", "must"}
    assert rows["east", "LOCAL_QUORUM"] == {"ok"}
    assert next(iter(rows)) == ("east", "LOCAL_QUORUM")


def test_a_failure_outside_every_window_is_red(tmp_path: Path) -> None:
    scenario, axis = scenario_of(tmp_path, "invalid")
    bare = Clock(axis.zero, axis.span, (), axis.phases)
    row = availability(scenario, scenario.operations(), bare).rows[1]
    assert {shape.css for shape in row.shapes} == {"ok", "info", "fail"}


EXCUSED = [
    {"from": ["phase", "cut"], "seconds": 10.0},
    {"from": ["F1", "recover"], "until": ["F1", "recovered"], "plus": 1},
]


@pytest.mark.parametrize(
    ("start", "end", "outcome", "stage", "drawn"),
    [
        (19.5, 20.1, "info", None, "must"),
        (19.0, 19.9, "info", None, "info"),
        (29.0, 31.0, "fail", None, "must"),
        (30.1, 31.0, "fail", None, "fail"),
        (63.0, 64.0, "info", None, "must"),
        (67.6, 68.0, "info", None, "info"),
        (5.0, 6.0, "info", "warm-up", "must"),
        (5.0, 6.0, "ok", None, "ok"),
    ],
)
def test_a_failure_is_grey_exactly_where_the_check_of_service_excuses_it(
    tmp_path: Path, start: float, end: float, outcome: str, stage: str | None, drawn: str
) -> None:
    scenario, axis = scenario_of(tmp_path, "invalid")
    params = {"consistency": "ALL", "datacenter": "east", "excused": EXCUSED}
    scenario.declared.append({"check": "served", "id": "ALL is served in east", "params": params})
    invoke = {"cl": "ALL", "dc": "east", **({"stage": stage} if stage else {})}
    one = Operation("p", 1, invoke, at(start), at(end), outcome, {}, "")
    assert Pain.of(scenario, axis).state(one, axis) == drawn


def test_an_excuse_whose_moment_never_came_excuses_nothing(tmp_path: Path) -> None:
    scenario, axis = scenario_of(tmp_path, "invalid")
    excused = [
        {"from": ["F9", "inject"], "seconds": 99},
        {"from": ["mark", "none"], "seconds": 99},
        {"from": ["phase"]},
    ]
    params = {"consistency": "ALL", "datacenter": "east", "excused": excused}
    scenario.declared.append({"check": "served", "id": "ALL is served in east", "params": params})
    one = Operation("p", 1, {"cl": "ALL", "dc": "east"}, at(30), at(31), "fail", {}, "")
    assert Pain.of(scenario, axis).state(one, axis) == "fail"


def test_nothing_is_drawn_where_nothing_was_probed(tmp_path: Path) -> None:
    scenario, axis = scenario_of(tmp_path, "vacuous")
    track = availability(scenario, [], axis)
    assert (track.rows, track.rest) == ((), "not probed")
    assert latency(scenario, [], axis).rest == "no samples"


def test_latency_has_a_gap_where_there_are_too_few_samples(tmp_path: Path) -> None:
    scenario, axis = scenario_of(tmp_path, "valid")
    kept = [one for one in scenario.operations() if not 10 <= axis.at(one.start) < 20]
    row = latency(scenario, kept, axis).rows[0]
    assert [shape.d.count("M") for shape in row.shapes if shape.css == "p99"] == [2]


def test_views_name_only_the_host_that_was_not_seen_and_its_old_address(tmp_path: Path) -> None:
    scenario, axis = scenario_of(tmp_path, "valid")
    track = ring_views(scenario, scenario.observations(), axis)
    assert [(row.label, [shape.css for shape in row.shapes]) for row in track.rows] == [("east-a-0", ["down", "old"])]
    assert track.rows[0].value == "16 s, up to 5"
    assert (track.rest, track.rest_value) == ("5 other hosts", "up in every view")


@pytest.mark.parametrize(
    ("rcode", "addresses", "expected", "found"),
    [
        ("NOERROR", ["10.0.0.1"], "10.0.0.1", "right"),
        ("NOERROR", ["10.0.0.1"], "10.0.0.2", "stale"),
        ("NOERROR", [], "10.0.0.2", "stale"),
        ("NXDOMAIN", [], "10.0.0.2", "denied"),
        ("NXDOMAIN", [], "", "right"),
        ("SERVFAIL", [], "x", "refusal"),
        ("TIMEOUT", [], "x", "none"),
    ],
)
def test_dns_answers_are_right_or_say_how_not(rcode: str, addresses: list[str], expected: str, found: str) -> None:
    assert answer(dns(0, "east", "east-a-0", rcode, addresses, expected)) == found


def test_the_name_that_was_wrong_longest_comes_first(tmp_path: Path) -> None:
    scenario, axis = scenario_of(tmp_path, "valid")
    rows = dns_answers(scenario.observations(), axis).rows
    assert [(row.dim, row.value) for row in rows] == [("west", "11 s"), ("east", "3 s")]


def test_a_refusal_after_the_fault_is_red_only_where_a_check_of_names_was_broken(tmp_path: Path) -> None:
    _, axis = scenario_of(tmp_path, "valid")  # F1 is gone at 33 s
    seen = [
        dns(second, "east", "east-a-0", "SERVFAIL" if second == 40 else "NOERROR", ["x"], "x") for second in range(60)
    ]
    drawn = [
        {shape.css for shape in dns_answers(seen, axis, condemned=condemned).rows[0].shapes}
        for condemned in (False, True)
    ]
    assert drawn == [{"right", "refusal"}, {"right", "refusal amiss"}]


def test_a_pod_shows_each_address_that_it_had(tmp_path: Path) -> None:
    scenario, axis = scenario_of(tmp_path, "valid")
    track = pod_addresses(scenario.observations(), axis)
    assert [[words.words for words in row.words] for row in track.rows] == [["10.81.1.11", "10.81.1.27"]]
    assert track.rest == "5 other pods"


def test_matrices_count_silence_and_name_a_wrong_identity(tmp_path: Path) -> None:
    scenario, axis = scenario_of(tmp_path, "invalid")
    found = {one.phase: (one.summary, one.quiet) for one in matrices(scenario, scenario.observations(), axis)}
    assert found == {
        "baseline": ("30 of 30 right", True),
        "cut": ("12 of 30 right, 18 silent", False),
        "healed": ("30 of 30 right", True),
    }
    inner = read_run(write_run(tmp_path / "other", ("nested",))).scenarios[0].nested[0]
    forced = matrices(inner, inner.observations(), clock(inner, [], inner.observations()))[0]
    assert forced.wrong == (forced.wrong[0],)
    assert forced.wrong[0][0].startswith("east-a-0 → west-a-0 was answered by east-b-0, not by west-a-0")


def test_the_axis_relates_a_moment_to_the_fault(tmp_path: Path) -> None:
    _, axis = scenario_of(tmp_path, "invalid")
    assert axis.relation(5) == "5.0 s after phase baseline began, 15.0 s before F1 was injected"
    assert Clock(0, 9, axis.windows, ()).relation(5) == "15.0 s before F1 was injected"
    assert Clock(0, 9, (), axis.phases).relation(30) == "10.0 s after phase cut began"
    assert Clock(0, 9, (), ()).relation(5) == ""
    assert axis.relation(20.2) == "0.2 s after F1 was injected"
    assert axis.relation(30.4) == "10.0 s after F1 took effect"
    assert axis.relation(63) == "1.0 s after F1 began to be undone"
    assert axis.relation(70.5) == "4.0 s after F1 was seen to be gone"
    assert axis.within(70.5) is None
    assert [phase.name for phase in axis.phases] == ["baseline", "cut", "healed"]
