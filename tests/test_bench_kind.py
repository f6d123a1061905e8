"""The bench of kind clusters: what is a ratio to what, what is told of the machine, that nothing stands afterwards."""

from __future__ import annotations

import io
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from clusters.catalog import named
from clusters.errors import EnvironmentUnfit, ProvisionFailed, UsageError
from clusters.kind.engine import Engine
from ringproof import bench, bench_kind
from ringproof.bench_figures import Figure, Report
from ringproof.bench_files import Deadline
from ringproof.bench_kind import KindRings, Lived, kind_figures
from ringproof.bench_rings import Formed
from tests.test_kind_pure import IMAGE

LIVED = [
    Lived(0.5, 40, 2_000_000_000, Formed(5, 50, 60, 70, 71, 5_500_000_000), 18, 6),
    Lived(1.0, 50, 2_200_000_000, Formed(10, 55, 66, 75, 76, 5_700_000_000), 20, 7),
]


def test_ratios_are_to_what_the_same_repeat_measured() -> None:
    figures = {figure.name: figure for figure in kind_figures(LIVED, 6)}

    assert figures["both up"].values == (40, 50)
    assert figures["both up / one container"].values == (80, 50)
    assert figures["first EACH_QUORUM write / one host alone"].values == (14, 7.5)
    assert figures["two clusters"].values == (2.0, 2.2)
    assert figures["with a ring of 6 hosts"].values == (5.5, 5.7)
    assert figures["nothing is left"].values == (6, 7)
    told = {name: figure.note for name, figure in figures.items() if figure.note}
    assert told == {
        "both up": "goal 45 s", "first EACH_QUORUM write": "goal 90 s", "with a ring of 6 hosts": "goal below 6 GB",
    }  # fmt: skip


class Clusters:
    """Clusters that cost nothing; ``calls`` says in which order they were used."""

    def __init__(self, calls: list[str]) -> None:
        self.calls = calls
        self.hosts = [type("Host", (), {"spec": type("Spec", (), {"who": "east-a-0"})})]
        self.clusters = self

    def memory(self) -> int:
        self.calls.append("memory")
        return 10**9

    def close(self) -> None:
        self.calls.append("given back")


class Makes:
    """A provider that remembers."""

    def __init__(self, calls: list[str]) -> None:
        self.calls = calls

    def prepare(self, *_: object) -> None:
        self.calls.append("prepare")

    def start(self, _topology: object, name: str, _folder: Path) -> Makes:
        self.calls.append("start")
        self.name = name
        return self

    def attach(self, _topology: object, name: str) -> Clusters:
        assert name == self.name
        return Clusters(self.calls)

    def close(self) -> None:
        self.calls.append("close")


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    made: list[str] = []
    monkeypatch.setattr(bench_kind, "provider", lambda _name: Makes(made))
    monkeypatch.setattr(bench_kind, "container_seconds", lambda: 0.5)
    monkeypatch.setattr(bench_kind, "single_start", lambda _topology, warm: 5.0 if not warm else 1.0)

    def form(clusters: Clusters, _folder: Path, _name: str, step: Any) -> Clusters:
        made.append("form")
        step("CQL on all hosts")
        return clusters

    monkeypatch.setattr(bench_kind, "form", form)
    monkeypatch.setattr(bench_kind, "first_answers", lambda *_: (7.0, 8.0))
    monkeypatch.setattr(bench_kind, "reschedule", lambda *_: 18.0)
    return made


def test_memory_is_counted_without_and_with_the_ring_and_the_clusters_go(calls: list[str]) -> None:
    figures = KindRings(named("kind-host-gw"), Deadline(60), 1, lambda _text: None).figures()

    assert calls == ["prepare", "start", "memory", "form", "memory", "given back", "close"]
    values = {figure.name: figure.values for figure in figures}
    assert values["one host alone to its CQL port"] == (5.0,)  # without an archive, as hosts on kind are
    assert values["first read at ALL"] == (8.0,)


def test_clusters_go_when_the_ring_does_not_form(calls: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise ProvisionFailed("the ring did not form: no")

    monkeypatch.setattr(bench_kind, "form", fail)
    with pytest.raises(ProvisionFailed, match="did not form"):
        KindRings(named("kind-host-gw"), Deadline(60), 1, lambda _text: None).figures()
    assert calls[-2:] == ["given back", "close"]


def test_a_formation_that_tells_no_step_is_no_figure(calls: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench_kind, "form", lambda clusters, *_: clusters)
    with pytest.raises(ProvisionFailed, match="the formation did not tell when there was CQL on all hosts"):
        KindRings(named("kind-host-gw"), Deadline(60), 1, lambda _text: None).figures()
    assert calls[-1] == "close"


def test_without_a_ring_there_is_nothing_to_measure() -> None:
    bare = named("kind-host-gw").model_copy(update={"ring": None})
    with pytest.raises(UsageError, match="declares no ring"):
        KindRings(bare, Deadline(60), 1, lambda _text: None).figures()


@pytest.fixture
def heard(monkeypatch: pytest.MonkeyPatch) -> io.StringIO:
    out = io.StringIO()
    monkeypatch.setattr(bench, "Console", lambda **_: Console(file=out, width=200))
    return out


def test_figures_of_kind_have_files_of_their_own_and_name_engine_and_image(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, heard: io.StringIO
) -> None:
    monkeypatch.setattr(bench, "RESULTS", tmp_path / "bench")
    monkeypatch.setattr(bench, "ROOT", tmp_path)
    monkeypatch.setattr(bench_kind, "choose", lambda: Engine("docker", "/usr/bin/docker", "28.2", ""))
    monkeypatch.setattr(bench_kind, "find_image", lambda _containers: IMAGE)
    monkeypatch.setattr(bench, "provider", lambda _name: type("Fit", (), {"require": staticmethod(lambda *_: None)}))
    asked = []

    def measured(topology: str, *_: object) -> list[Figure]:
        asked.append(topology)
        return kind_figures(LIVED, 6)

    monkeypatch.setattr(bench, "kind_rings", measured)
    assert bench.main(["--provider", "kind", "--write", "--repeats", "1"]) == 0

    assert asked == ["kind-host-gw"]
    names = sorted(path.name for path in (tmp_path / "bench").iterdir())
    assert all(name.startswith(f"{datetime.now(UTC):%Y-%m-%d}-kind-") for name in names)
    told = (tmp_path / "bench" / names[1]).read_text()
    assert told.startswith("# Bench on kind of ")
    assert "engine docker 28.2, node_image node:1" in told
    assert "java 17 (image)" in told
    assert "planning" not in heard.getvalue()


def test_a_machine_that_cannot_carry_kind_is_refused_before_anything_is_made(
    monkeypatch: pytest.MonkeyPatch, heard: io.StringIO
) -> None:
    def refuse(*_: object) -> None:
        raise EnvironmentUnfit("no container engine is here")

    monkeypatch.setattr(bench, "provider", lambda _name: type("Unfit", (), {"require": staticmethod(refuse)}))
    monkeypatch.setattr(bench, "kind_rings", lambda *_: pytest.fail("clusters were made"))
    assert bench.main(["--provider", "kind"]) == 11
    assert "no container engine is here" in heard.getvalue()


def test_quick_leaves_nothing_to_measure_on_kind(heard: io.StringIO) -> None:
    assert bench.main(["--provider", "kind", "--quick"]) == 4


def test_names_of_the_labs_files_are_as_they_were() -> None:
    facts = {"cores": 2, "memory_gb": 25.3, "machine": "x86_64"}
    started = datetime(2026, 11, 26, tzinfo=UTC)
    assert Report(started, facts).name == "2026-11-26-2-cores-25.3-gb-x86_64"
    assert Report(started, facts, about="kind").name == "2026-11-26-kind-2-cores-25.3-gb-x86_64"
