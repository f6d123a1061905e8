"""truth.jsonl: what is written of the orchestrator, when, and what a scenario asserts of it."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from clusters.errors import ClustersGone, ClustersRefused
from clusters.lab.processes import running
from clusters.lab.truth import LabTruth
from clusters.lab.wire import LabGone
from clusters.truth import CONDITIONS, ENDPOINTS, EVENTS, EVICTION, READINESS, NodeTimers, seen
from clusters.waiting import until
from reports.orchestrated import orchestrated as words
from reports.section import section
from reports.verdicts import read_run
from scenarios import truth as module
from scenarios.checks import lives_once, placed, run_check
from scenarios.conduct import facts_of
from scenarios.record import Record
from scenarios.run import Run
from scenarios.scenario import Scenario, Tier
from scenarios.settling import agree_again, orchestrated
from scenarios.truth import TruthRecord
from scenarios.verdict import Verdict
from tests.records import Story
from tests.ring_fakes import FakeTruth, fake_ring

TIMERS = NodeTimers(50, "default of v1.34.4", 10, 10, 300, 300)


@pytest.fixture
def ring(tmp_path):
    return fake_ring(tmp_path / "ring")


@pytest.fixture
def folder(tmp_path) -> Path:
    return tmp_path / "scenario"


def written(folder: Path, kind: str = "") -> list[dict[str, Any]]:
    lines = [json.loads(line) for line in (folder / "truth.jsonl").read_text().splitlines()]
    assert lines[0]["type"] == "anchor"
    return [line for line in lines[1:] if not kind or line["kind"] == kind]


def told(ring, **changed: Any) -> None:
    """Let every cluster's truth have these attributes."""
    for cluster in ring.clusters.clusters:
        for name, value in changed.items():
            setattr(cluster.truth, name, value)


def test_everything_is_written_once_at_the_start_and_again_when_it_is_looked_at(ring, folder):
    record = TruthRecord(ring, folder)
    record.start()
    record.look()
    assert record.close() == []
    placements = written(folder, "placement")

    assert [one.get("look") for one in placements].count(1) == [one.get("look") for one in placements].count(2) == 6
    assert sum(bool(one.get("first")) for one in placements) == 6
    assert {one["by"] for one in placements} == {"lab"}
    assert len(written(folder, "living")) == 2 * 2
    assert record.timers == {"east": None, "west": None}
    assert record.not_modelled == [CONDITIONS]


def test_changes_after_the_start_are_news(ring, folder):
    notes = []

    def watch(note):
        note(seen("unseen", "east", what="pods", error="old"))
        notes.append(note)
        return FakeTruth(ring.clusters.clusters[0]).watch(lambda _: None)

    told(ring, watch=watch)
    record = TruthRecord(ring, folder)
    record.start()
    notes[0](seen("unseen", "east", what="pods", error="new"))
    record.close()

    assert [(one["error"], one.get("first")) for one in written(folder, "unseen")] == [
        ("old", True), ("old", True), ("new", None),
    ]  # fmt: skip


def test_live_settings_are_written_with_their_limits(ring, folder):
    told(ring, timers=lambda: TIMERS)
    record = TruthRecord(ring, folder)
    record.start()
    record.close()

    assert record.timers["west"] == TIMERS
    assert [one["limits"]["not_ready"]["limit"] for one in written(folder, "timers")] == [65, 65]


@pytest.mark.parametrize("error", [TimeoutError("late"), ConnectionError("no"), ClustersRefused("starting")])
def test_what_cannot_be_seen_is_written_and_ends_nothing(ring, folder, monkeypatch, error):
    monkeypatch.setattr(module, "ANSWER_SECONDS", 0.0)
    record = TruthRecord(ring, folder)
    record.start()

    def look():
        raise error

    told(ring, look=look)
    record.look()
    record.close()

    assert [(one["what"], one["look"]) for one in written(folder, "unseen")] == [("look", 2), ("look", 2)]
    assert str(error) in written(folder, "unseen")[0]["error"]


def test_clusters_that_do_not_tell_their_settings_are_refused(ring, folder, monkeypatch):
    monkeypatch.setattr(module, "ANSWER_SECONDS", 0.0)

    def timers():
        raise TimeoutError("no kubelet answers")

    told(ring, timers=timers)
    with pytest.raises(ClustersRefused, match=r"cluster east does not tell its settings: .*no kubelet answers"):
        TruthRecord(ring, folder).start()


def test_a_watch_that_failed_is_told_at_the_end(ring, folder):
    class Broken:
        def close(self):
            raise LabGone("the lab is gone")

    told(ring, watch=lambda _note: Broken())
    record = TruthRecord(ring, folder)
    record.start()

    assert record.close() == ["the watch of the orchestrator failed: the lab is gone"] * 2


# in a scenario


def run_on(ring, folder) -> Run:
    scenario = Scenario("story", lambda _run: [], {"": {}}, (), Tier.CHANGE, needs_ring=True)
    return Run(folder, ring, facts_of(scenario, "", ring, 7))


def test_a_run_records_the_truth_from_its_first_traffic_to_its_end(ring, folder, monkeypatch):
    run = run_on(ring, folder)
    run.look()  # nothing is watched yet
    run.watch()
    agree_again(run, ring.limits.restart)
    run.close()

    assert {one.get("look") for one in written(folder, "living")} == {1, 2}
    assert json.loads((folder / "scenario.json").read_text())["not_modelled"] == [CONDITIONS]


def checks_of(ring, folder):
    run = run_on(ring, folder)
    run.watch()
    for state in ("inject", "effective", "recover", "recovered"):
        run.event("fault", id="F1", name="zone loss", state=state)
    found = orchestrated(run, "F1", ring.datacenters[0], "b")
    run.close()
    return found


def test_where_conditions_are_not_modelled_only_placement_and_identity_are_asserted(ring, folder):
    assert [check.name for check in checks_of(ring, folder)] == ["placed", "lives_once"]


def test_silent_nodes_are_judged_by_the_live_settings(ring, folder):
    told(ring, timers=lambda: TIMERS)
    _, _, noticed, kept = checks_of(ring, folder)

    assert noticed.params["zone"] == kept.params["zone"] == "east/b"
    assert 65 <= noticed.params["limit"] < 66  # the act took a moment
    assert noticed.params["formula"].startswith("node-monitor-grace-period 50 s (default of v1.34.4) + ")
    assert (kept.params["tolerated"], kept.params["limit"]) == (300, 320)


def test_pods_that_tolerate_silence_for_ever_have_no_time(ring, folder):
    told(ring, timers=lambda: NodeTimers(50, "default of v1.34.4", 10, 10, None, None))
    kept = checks_of(ring, folder)[-1]

    assert (kept.params["tolerated"], kept.params["limit"]) == (None, None)


def test_what_a_run_recorded_is_judged_from_its_files_alone(ring, folder):
    """The whole way: the files of a run, an altered line of which is found."""
    run = run_on(ring, folder)
    run.watch()
    back = run.mark("back")
    run.look()
    run.close()
    checks = [placed(back), lives_once()]
    good = [run_check(check, Record.load(folder)).verdict for check in checks]
    path = folder / "truth.jsonl"
    lines = path.read_text().splitlines()
    altered = json.dumps({**json.loads(lines[-2]), "zone": "z"})
    path.write_text("\n".join([*lines[:-2], altered, lines[-1], ""]))
    bad = run_check(checks[0], Record.load(folder))

    assert good == [Verdict.VALID, Verdict.VALID]
    assert [finding.anomaly for finding in bad.findings] == ["outside-volume"]


# the lab's own


@dataclass
class Lease:
    """A supervisor that answers what it is told to."""

    pods: list[dict[str, Any]] = field(default_factory=list)
    living: list[dict[str, Any]] = field(default_factory=list)
    error: Exception | None = None

    def call(self, act: str, **given: Any) -> dict[str, Any]:
        assert (act, given["cluster"]) == ("truth", "east")
        if self.error is not None:
            raise self.error
        return {"pods": list(self.pods), "living": list(self.living) if given["processes"] else []}


def lab_pod(uid: str = "u-1", zone: str | None = "b", volume_zone: str | None = "b") -> dict[str, Any]:
    return {"pod": "east-b-0", "uid": uid, "node": "east-node-b-0", "zone": zone, "volume": "east-b-0",
            "volume_zone": volume_zone}  # fmt: skip


def test_the_lab_tells_placement_and_processes_and_says_what_it_does_not_model():
    lease = Lease([lab_pod()], [{"pod": "east-b-0", "uid": "u-1", "node": "east-node-b-0"}])
    placement, alive = LabTruth("east", lease).look()

    assert (placement["zone"], placement["volume_zones"], placement["ready"]) == ("b", ["b"], None)
    assert alive["pods"] == lease.living
    assert set(LabTruth.not_modelled) == {CONDITIONS, READINESS, EVENTS, ENDPOINTS, EVICTION}
    assert LabTruth("east", lease).timers() is None


def test_the_labs_watch_tells_what_changed():
    lease = Lease([lab_pod()])
    notes: list[dict[str, Any]] = []
    watching = LabTruth("east", lease).watch(notes.append)
    assert [note["uid"] for note in notes] == ["u-1"]
    lease.pods = [lab_pod("u-2", "c")]
    until("the second", lambda: len(notes) >= 3, timeout=10, every=0.02)
    watching.close()
    watching.close()

    assert [(note["uid"], note["state"], note["zone"]) for note in notes] == [
        ("u-1", "here", "b"), ("u-1", "gone", "b"), ("u-2", "here", "c"),
    ]  # fmt: skip


def test_a_lab_that_ends_under_the_watch_is_told():
    lease = Lease([lab_pod()])
    watching = LabTruth("east", lease).watch(lambda _: None)
    lease.error = LabGone("the lab is gone")
    watching._thread.join(10)
    with pytest.raises(ClustersGone):
        watching.close()


def test_processes_are_told_by_their_environments(tmp_path):
    def process(number: int, *words: str) -> None:
        (tmp_path / str(number)).mkdir()
        (tmp_path / str(number) / "environ").write_bytes("\0".join(words).encode() + b"\0")

    identity = ("POD_CLUSTER=east", "POD_NODE=n", "POD_NAME=east-b-0", "POD_UID=u-1")
    process(1, "HOME=/root", *identity)
    process(2, *identity, "SHELL=/bin/sh")  # its child
    process(3, *identity[:3])
    process(4, *identity[:3], "POD_UID=u-2")
    (tmp_path / "5").mkdir()
    (tmp_path / "5" / "environ").mkdir()  # cannot be read

    known = {"cluster": "east", "node": "n", "pod": "east-b-0"}
    found = sorted(running(tmp_path), key=lambda one: one["uid"])
    assert found == [{**known, "uid": "u-1"}, {**known, "uid": "u-2"}]


# in words


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"kind": "node_condition", "condition": "Ready", "status": "Unknown", "reason": "NodeStatusUnknown",
          "node": "n-b", "taints": ["node.kubernetes.io/unreachable:NoExecute"]},
         "east: node n-b has Ready Unknown (NodeStatusUnknown), node.kubernetes.io/unreachable:NoExecute"),
        ({"kind": "node_condition", "condition": "MemoryPressure", "status": "True", "node": "n-b"}, ""),
        ({"kind": "placement", "pod": "p", "node": "n-b", "zone": "b", "state": "here", "ready": "False"},
         "east: pod p is here on n-b in b, Ready False"),
        ({"kind": "placement", "pod": "p", "node": "", "zone": None, "state": "leaving", "ready": None},
         "east: pod p is leaving on no node in no zone"),
        ({"kind": "placement", "pod": "p", "node": "n", "zone": "b", "state": "here", "first": True}, ""),
        ({"kind": "placement", "pod": "p", "node": "n", "zone": "b", "state": "here", "look": 2}, ""),
        ({"kind": "kube_event", "about": "Node/n-b", "type": "Normal", "reason": "NodeNotReady", "text": "silent"},
         "east: Node/n-b: NodeNotReady: silent"),
        ({"kind": "kube_event", "about": "Pod/p", "type": "Normal", "reason": "Pulled", "text": "an image"}, ""),
        ({"kind": "kube_event", "about": "Pod/p", "type": "Warning", "reason": "FailedScheduling", "text": "no"},
         "east: Pod/p: FailedScheduling: no"),
        ({"kind": "unseen", "what": "nodes", "error": "reset"}, "east: nodes could not be seen: reset"),
        ({"kind": "ring_view"}, ""),
    ],
)  # fmt: skip
def test_the_chronicle_tells_news_and_nothing_else(fields, text):
    assert words({"cluster": "east", **fields}) == text


def test_the_page_tells_the_orchestrators_news_and_what_is_not_modelled(tmp_path):
    story = Story(not_modelled=["events"]).phase("baseline", 1).event("cleanup", 9, ok=True, detail="")
    folder = story.write(tmp_path / "scenarios" / "one")
    record = {"t": 5_000_000_000, "kind": "node_condition", "cluster": "east", "condition": "Ready", "node": "n-b",
              "status": "Unknown", "reason": "r", "taints": [], "by": "kind"}  # fmt: skip
    anchor = (folder / "events.jsonl").read_text().splitlines()[0]
    (folder / "truth.jsonl").write_text(f"{anchor}\n{json.dumps(record)}\n")
    (one,) = read_run(tmp_path).scenarios
    drawn = section(one)

    assert [
        (line.words, line.seen_in.endswith("truth.jsonl:2")) for line in drawn.chronicle if "n-b" in line.words
    ] == [("east: node n-b has Ready Unknown (r)", True)]
    assert ("not modelled here", "events") in drawn.facts
    assert "truth.jsonl" in dict(drawn.files)
