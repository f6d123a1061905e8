"""The bench's arithmetic: repeats within their time, figures, ratios, what is timed is right, what is told is whole."""

from __future__ import annotations

import inspect
import io
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from clusters.errors import ProvisionFailed, RingproofError
from clusters.lab import hosts
from clusters.ring import formation
from ringproof import bench, bench_files, bench_rings
from ringproof.bench_figures import Figure, Report, machine, ratios, shown
from ringproof.bench_files import Deadline, big_topology, judging, newest_run, overheads, planning
from ringproof.bench_made import make
from ringproof.bench_rings import KEYSPACE, Formed, archive_used, first_answers, formation_figures
from scenarios.history import read_history
from scenarios.judge import judge_scenario
from tests.bundle_records import at, write_lines
from tests.bundles import IDS, write_run

MACHINE = {"cores": 2, "memory_gb": 25.3, "machine": "x86_64", "java": "17 | made up"}
STARTED = datetime(2026, 11, 25, 10, tzinfo=UTC)


def ticking(*seconds: float) -> Iterator[float]:
    """A clock that shows these times, one after another."""
    return iter(seconds)


def test_repeats_end_when_another_of_the_longest_would_not_fit() -> None:
    times = ticking(0, 0, 40, 40, 40, 70, 80)  # made; first from 0 to 40, 60 left; second from 40 to 70, 20 left
    deadline = Deadline(100, lambda: next(times))
    assert deadline.repeated(5, lambda: "measured") == ["measured", "measured"]


def test_one_repeat_is_made_even_when_the_time_is_over() -> None:
    times = ticking(0, 90, 95, 96)
    assert len(Deadline(10, lambda: next(times)).repeated(3, lambda: 1)) == 1


def test_figures_have_the_least_the_median_and_every_value() -> None:
    figure = Figure("formation, warm", "first EACH_QUORUM write", "s", (24.0, 20.5, 30.0))
    assert (figure.least, figure.median) == (20.5, 24.0)
    assert figure.as_json()["values"] == [24.0, 20.5, 30.0]


def test_a_ratio_is_made_of_the_two_values_of_one_repeat() -> None:
    assert ratios("p", "n", (24.0, 30.0), (6.0, 10.0)).values == (4.0, 3.0)
    with pytest.raises(ValueError, match="shorter"):
        ratios("p", "n", (24.0, 30.0), (6.0,))


@pytest.mark.parametrize(
    ("value", "words"), [(0.0312, "0.0312"), (1.0, "1.00"), (24.06, "24.1"), (99.96, "100"), (95361.4, "95361")]
)
def test_values_are_shown_with_three_digits_and_never_as_a_power(value: float, words: str) -> None:
    assert shown(value) == words


def test_the_results_are_named_by_date_and_machine_and_hold_every_value(tmp_path: Path) -> None:
    figures = [Figure("memory", "lab of 6 hosts", "GB", (3.1, 3.3), "a | b")]
    table, values = Report(STARTED, MACHINE, figures, ["rings: none"]).write(tmp_path / "bench")
    assert table.name == "2026-11-25-2-cores-25.3-gb-x86_64.md"
    assert "| memory | lab of 6 hosts | 3.10 | 3.20 | GB | 2 | a \\| b |" in table.read_text()
    assert "Left out: rings: none" in table.read_text()
    document = json.loads(values.read_text())
    assert document["figures"][0]["values"] == [3.1, 3.3]
    assert document["machine"]["java"] == "17 | made up"


def test_the_machine_is_described_without_a_name() -> None:
    found = machine("17")
    assert set(found) == {"cores", "memory_gb", "machine", "kernel", "python", "java", "commit", "load_before"}
    assert found["cores"] >= 1


@pytest.mark.parametrize("operations", [1_000, 6_000])
def test_the_made_up_history_is_valid_and_every_check_looks_at_something(tmp_path: Path, operations: int) -> None:
    lines = make(tmp_path / "scenario", operations)
    verdict = judge_scenario(tmp_path / "scenario")
    assert verdict.ok, verdict.explain
    assert len(verdict.checks) == 8
    assert lines == 2 * (operations + 16) == 2 * len(read_history(tmp_path / "scenario" / "history"))


def test_throughput_is_operations_and_lines_over_seconds() -> None:
    reader, judge, page = judging(Deadline(60), 2, operations=500)
    assert (reader.unit, judge.unit, page.unit) == ("lines/s", "operations/s", "s")
    assert reader.note == "1032 lines"
    assert all(value > 0 for figure in (reader, judge, page) for value in figure.values)


def test_planning_is_timed_on_sound_plans_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench_files, "PLAN_SIZES", (2, 10))
    assert [figure.name for figure in planning(Deadline(60), 1)] == ["2 clusters", "10 clusters"]

    def clash(size: int) -> Any:
        topology = big_topology(size)
        twin = topology.clusters[1].model_copy(update={"pod_range": topology.clusters[0].pod_range})
        return topology.model_copy(update={"clusters": (topology.clusters[0], twin)})

    monkeypatch.setattr(bench_files, "big_topology", clash)
    with pytest.raises(RingproofError, match="topology of 2 clusters has a conflict"):
        planning(Deadline(60), 1)


def test_overhead_is_the_wall_time_that_no_timer_explains(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", ("valid", "vacuous"))
    ended = {"t": at(64), "event": "scenario", "state": "end", "id": IDS["valid"], "seconds": 64.5}
    write_lines(run / "events.jsonl", [ended])
    (figure,) = overheads(run)  # the vacuous one has waited for nothing
    assert figure.values == (pytest.approx(64.5 - 10.2),)
    assert figure.note == "64.5 s in all, timers 10.2 s"
    assert figure.name == "pod-reschedule (test data) on stub-domains"


def test_the_newest_run_is_the_last_one_that_waited(tmp_path: Path) -> None:
    assert newest_run(tmp_path) is None
    old = write_run(tmp_path / "20260101T000000Z-aaaa", ("valid",))
    write_run(tmp_path / "20260102T000000Z-bbbb", ("vacuous",))
    write_run(tmp_path / "20260103T000000Z-cccc", ("valid",), killed=True)
    assert newest_run(tmp_path) == old


def test_formation_is_told_beside_one_host_of_the_same_repeat() -> None:
    formed = [Formed(6, 15, 18, 24, 25, 3), Formed(10, 20, 22, 30, 31, 3)]
    figures = {figure.name: figure.values for figure in formation_figures("formation, warm", formed)}
    assert figures["one host alone to its CQL port"] == (6, 10)
    assert figures["CQL on all hosts"] == (15, 20)
    assert figures["every host sees every host"] == (18, 22)
    assert figures["first EACH_QUORUM write"] == (24, 30)
    assert figures["first read at ALL"] == (25, 31)
    assert figures["first EACH_QUORUM write / one host alone"] == (4.0, 3.0)


def test_a_cold_formation_has_no_archive_and_leaves_no_command_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hosts, "ensure_archive", lambda _java, _version: "an archive")
    with archive_used(used=True):
        assert vars(hosts)["ensure_archive"](None, "5.0.9") == "an archive"
    with archive_used(used=False):
        assert vars(hosts)["ensure_archive"](None, "5.0.9") is None
    assert vars(hosts)["ensure_archive"](None, "5.0.9") == "an archive"
    assert hosts.start_command.cache_info().currsize == 0


def test_the_steps_that_are_timed_are_those_that_the_formation_tells() -> None:
    assert f'"{bench_rings.SERVES}"' in inspect.getsource(formation.await_formed)


class Client:
    """Stands for scenarios.load.Load: leaves a history as its client would, and remembers that it was closed."""

    closed = 0
    records: tuple[dict[str, Any], ...] = ()

    def __init__(self, ring: object, folder: Path, keyspace: str, seed: int) -> None:
        self._folder = folder
        assert keyspace == KEYSPACE

    def open(self, workloads: object) -> None:
        write_lines(self._folder / "history" / "east.jsonl", self.records)

    def close(self) -> None:
        Client.closed += 1


def asked(op: int, f: str, cl: str, second: float, outcome: str = "ok") -> list[dict[str, Any]]:
    same = {"process": f"east-probe-{op}", "op": op}
    told = {"workload": "probe", "f": f, "key": 1, "value": 1, "cl": cl, "dc": "east", "stage": "warm-up"}
    return [
        {"type": "invoke", "time": at(second), **same, **told},
        {"type": outcome, "time": at(second + 0.5), **same},
    ]


def test_the_first_answers_are_the_first_that_were_ok(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench_rings, "Load", Client)
    Client.records = (
        *asked(1, "write", "EACH_QUORUM", 3.0, "info"),
        *asked(2, "write", "EACH_QUORUM", 5.0),
        *asked(3, "write", "EACH_QUORUM", 9.0),
        *asked(4, "read", "ALL", 6.5),
    )
    ring: Any = None
    assert first_answers(ring, tmp_path / "load", at(1.0)) == (4.5, 6.0)
    Client.records = tuple(asked(1, "write", "EACH_QUORUM", 3.0))
    with pytest.raises(ProvisionFailed, match="no acknowledged ALL read"):
        first_answers(ring, tmp_path / "again", at(1.0))
    assert Client.closed == 2


def quick(monkeypatch: pytest.MonkeyPatch, runs: Path, *more: str) -> tuple[int, str]:
    heard = io.StringIO()
    monkeypatch.setattr(bench, "Console", lambda **_: Console(file=heard, width=200))
    monkeypatch.setattr(bench_files, "PLAN_SIZES", (10,))
    monkeypatch.setattr(bench, "judging", lambda deadline, repeats: judging(deadline, repeats, operations=500))
    monkeypatch.setattr(bench, "rings", lambda *_: pytest.fail("a ring was formed"))
    monkeypatch.chdir(runs.parent)
    return bench.main(["--quick", "--repeats", "1", *more]), heard.getvalue()


def test_quick_forms_no_ring_and_writes_nothing_unless_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench, "RESULTS", tmp_path / "bench")
    monkeypatch.setattr(bench, "ROOT", tmp_path)
    code, told = quick(monkeypatch, tmp_path / "runs")
    assert code == 0
    assert "left out: scenario overhead: no run below runs has recorded any" in told
    assert "left out: formation, reschedule, memory: --quick forms no ring" in told
    assert not (tmp_path / "bench").exists()

    write_run(tmp_path / "runs" / "20260101T000000Z-aaaa", ("valid",))
    code, told = quick(monkeypatch, tmp_path / "runs", "--write")
    assert code == 0
    assert "pod-reschedule (test data) on stub-domains" in told
    assert len(list((tmp_path / "bench").iterdir())) == 2


def test_a_part_that_fails_is_named_and_the_others_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> list[Figure]:
        raise ProvisionFailed("no plan today")

    monkeypatch.setattr(bench, "planning", fail)
    code, told = quick(monkeypatch, tmp_path)
    assert code == ProvisionFailed.exit_code
    assert "left out: planning, which failed: no plan today" in told
    assert "operations/s" in told


def test_a_number_of_repeats_below_one_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    code, told = quick(monkeypatch, tmp_path, "--repeats", "0")
    assert code == 4
    assert "--repeats must be 1 or more" in told
