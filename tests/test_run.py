"""A scenario while it happens: what a fault's life leaves in the files, and its end whatever happens."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import pytest

from clusters.cluster import CutsNetwork, StopsNodes
from clusters.errors import CleanupFailed, FaultIneffective, WaitTimeout
from clusters.lab.wire import LabGone
from clusters.network import Rule
from clusters.ring.limits import Limit
from scenarios import run as running
from scenarios.checks import reachable
from scenarios.conduct import conduct, keyspace_of
from scenarios.run import Notebook, Run
from scenarios.scenario import Scenario, Tier
from tests.ring_fakes import fake_ring

RULE = Rule(10, destination="10.9.0.0/16")


@dataclass
class Blackhole:
    """Adds one rule on the router; each step fails as told."""

    name: str = "blackhole"
    fails: dict[str, BaseException] = field(default_factory=dict)
    steps: list[str] = field(default_factory=list)
    acts: list[int] = field(default_factory=list)

    def _step(self, step: str) -> None:
        self.steps.append(step)
        if step in self.fails:
            raise self.fails[step]

    def precheck(self, run: Run) -> None:
        self._step("precheck")

    def inject(self, run: Run) -> None:
        self.acts.append(run.acts.add_rule(run.ring.clusters.router, RULE))
        self._step("inject")

    def await_effect(self, run: Run) -> str:
        self._step("await_effect")
        return "nobody is heard"

    def recover(self, run: Run) -> None:
        self._step("recover")
        for number in self.acts:
            run.acts.undo(number)

    def await_recovery(self, run: Run) -> str:
        self._step("await_recovery")
        return "everybody is heard"


@pytest.fixture
def ring(tmp_path):
    return fake_ring(tmp_path / "ring")


@pytest.fixture(autouse=True)
def at_once(monkeypatch):
    monkeypatch.setattr(running, "pause", lambda _seconds: None)


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "scenario"


def scenario(function, **variant):
    return Scenario("try-out", function, {"": variant}, (), Tier.CHANGE, True)


def records(folder, name="events.jsonl"):
    lines = (folder / name).read_text().splitlines()
    assert json.loads(lines[0])["type"] == "anchor"
    return [json.loads(line) for line in lines[1:]]


def life(folder, fault="F1"):
    return [event["state"] for event in records(folder) if event["event"] == "fault" and event["id"] == fault]


def of(folder, event):
    return [found for found in records(folder) if found["event"] == event]


def perform(ring, folder, body):
    """Conduct a scenario whose function does ``body`` and promises nothing."""

    def function(run, _ring):
        """Nothing in particular holds."""
        run.hold("calm")
        body(run)
        return []

    return conduct(scenario(function), "", ring, folder, seed=7)


# the life of a fault


def test_a_fault_is_written_before_the_act_proven_and_taken_back(ring, folder):
    fault = Blackhole()
    inside = []

    def body(run):
        with run.fault(fault) as identity:
            inside.append((identity, ring.clusters.router.rules(), len(run.acts.journal.open())))

    verdict = perform(ring, folder, body)

    assert inside == [("F1", [RULE], 1)]
    assert fault.steps == ["precheck", "inject", "await_effect", "recover", "await_recovery"]
    assert life(folder) == ["inject", "effective", "recover", "recovered"]
    evidence = {event["state"]: event.get("evidence") for event in of(folder, "fault")}
    assert (evidence["effective"], evidence["recovered"]) == ("nobody is heard", "everybody is heard")
    assert ring.clusters.router.rules() == []
    assert (verdict.verdict.value, verdict.evidence.verdict.value, verdict.cleanup.verdict.value) == (
        "valid",
        "valid",
        "valid",
    )
    assert json.loads((folder / "scenario.json").read_text())["faults"] == ["F1"]


def test_a_fault_that_does_not_bite_is_taken_back_and_the_scenario_is_unknown(ring, folder):
    fault = Blackhole(fails={"await_effect": FaultIneffective("still answers")})
    reached = []

    def body(run):
        with run.fault(fault):
            reached.append("inside")

    verdict = perform(ring, folder, body)

    assert reached == []
    assert life(folder) == ["inject", "error", "recover", "recovered"]
    assert ring.clusters.router.rules() == []
    assert of(folder, "error")[0]["kind"] == "ineffective"
    assert (verdict.verdict.value, verdict.cleanup.verdict.value) == ("unknown", "valid")


def test_a_fault_that_was_declared_and_not_injected_is_unknown(ring, folder):
    def body(run):
        with run.fault(Blackhole(fails={"precheck": LookupError("no such zone")})):
            pass

    verdict = perform(ring, folder, body)

    assert life(folder) == []
    assert verdict.verdict.value == "unknown"


def test_an_error_inside_the_block_recovers_and_surfaces_in_the_verdict(ring, folder):
    fault = Blackhole()

    def body(run):
        with run.fault(fault):
            raise ValueError("a bug of the scenario")

    verdict = perform(ring, folder, body)

    assert life(folder) == ["inject", "effective", "recover", "recovered"]
    assert ring.clusters.router.rules() == []
    assert of(folder, "error")[0]["text"] == "ValueError: a bug of the scenario"
    assert of(folder, "error")[0]["where"].startswith("test_run.py:")
    assert of(folder, "cleanup") == [
        {**of(folder, "cleanup")[0], "ok": True, "detail": "0 entries left in the journal"}
    ]
    assert verdict.verdict.value == "unknown"


@pytest.mark.parametrize("step", ["inject", "await_effect"])
def test_an_error_while_it_begins_takes_back_what_was_done(ring, folder, step):
    perform(ring, folder, lambda run: run.fault(Blackhole(fails={step: OSError("lost")})).__enter__())

    assert life(folder) == ["inject", "error", "recover", "recovered"]
    assert ring.clusters.router.rules() == []


@pytest.mark.parametrize("where", ["inside", "await_effect"])
def test_an_interrupt_recovers_at_once_leaves_a_readable_folder_and_surfaces(ring, folder, where):
    fault = Blackhole(fails={where: KeyboardInterrupt()} if where != "inside" else {})

    def body(run):
        with run.fault(fault):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        perform(ring, folder, body)

    assert ring.clusters.router.rules() == []
    assert "await_recovery" not in fault.steps
    assert life(folder)[-1] == "recover"
    assert of(folder, "cleanup")[0]["ok"]
    assert of(folder, "error")[0]["text"].startswith("KeyboardInterrupt")
    assert json.loads((folder / "checks.json").read_text())


def test_a_fault_inside_a_fault_fails_alone(ring, folder):
    """The inner one does not bite: that is no finding about the outer one, which is taken back all the same."""
    outer, inner = Blackhole("outer"), Blackhole("inner", fails={"precheck": FaultIneffective("inner did nothing")})

    def body(run):
        with run.fault(outer), run.fault(inner):
            pass

    perform(ring, folder, body)

    assert life(folder, "F1") == ["inject", "effective", "recover", "recovered"]
    assert life(folder, "F2") == []


def test_a_fault_that_does_not_recover_leaves_its_undo_to_the_end(ring, folder):
    fault = Blackhole(fails={"recover": CleanupFailed("the rule is stuck")})

    def body(run):
        with run.fault(fault):
            pass

    verdict = perform(ring, folder, body)

    assert life(folder) == ["inject", "effective", "recover"]
    assert ring.clusters.router.rules() == []  # the end undid it
    assert of(folder, "cleanup")[0]["ok"] is False
    assert of(folder, "cleanup")[0]["detail"] == "1 entries left in the journal"
    assert verdict.cleanup.verdict.value != "valid"


def test_the_seconds_of_a_window_are_between_its_states(ring, folder):
    found = []

    def body(run):
        with run.fault(Blackhole()) as fault:
            pass
        found.append(run.seconds_between(fault))
        found.append(run.seconds_between(fault, "inject", "effective"))

    perform(ring, folder, body)

    assert 0 <= found[1] <= found[0] < 10


# the end


def lab_that_ends(ring):
    def body(run):
        run.acts.add_rule(ring.clusters.router, RULE)
        ring.clusters.alive = False
        ring.clusters.network = lambda _space: (_ for _ in ()).throw(LabGone("the lab is gone"))
        raise LabGone("the lab is gone")

    return body


def test_a_lab_that_is_gone_surfaces_after_the_folder_was_closed(ring, folder):
    with pytest.raises(LabGone):
        perform(ring, folder, lab_that_ends(ring))

    assert of(folder, "error")[0]["kind"] == "broken"
    assert json.loads((folder / "checks.json").read_text())[-1]["check"] == "completed"
    assert ring.ran == ["try-out-stub-domains"]


def test_a_lab_that_is_gone_took_everything_with_it(ring, folder):
    with pytest.raises(LabGone):
        perform(ring, folder, lab_that_ends(ring))

    cleanup = of(folder, "cleanup")[0]
    assert (cleanup["ok"], cleanup["detail"]) == (True, "the clusters ended, and all that was added with them")


def test_what_a_lab_that_lives_cannot_undo_is_no_clean_end(ring, folder):
    def body(run):
        run.acts.journal.write({"provider": "lab", "act": "rule", "space": "nowhere", "rule": RULE.as_json()})

    verdict = perform(ring, folder, body)

    cleanup = of(folder, "cleanup")[0]
    assert cleanup["ok"] is False
    assert "could not be undone" in cleanup["detail"]
    assert verdict.cleanup.verdict.value == "invalid"


def test_what_the_clusters_cannot_do_is_said_by_name_and_nothing_is_done(ring, folder):
    done = []
    made = Scenario("try-out", lambda *_: done.append("ran"), {"": {}}, (StopsNodes, CutsNetwork), Tier.CHANGE, True)

    verdict = conduct(made, "", ring, folder, seed=7)

    assert done == []
    assert verdict.verdict.value == "unknown"
    assert "scenario try-out needs CutsNetwork, which cluster east cannot do" in verdict.explain


def test_a_wait_that_is_late_is_invalid_and_one_that_breaks_is_unknown(ring, folder, tmp_path):
    def late(run):
        run.wait_for("the ring", lambda _limit: 3.0, Limit("ring", 2.0, "1 x 2"))

    def missing(run):
        def wait(limit):
            raise WaitTimeout("the ring", limit, 9, "nothing")

        run.wait_for("the ring", wait, Limit("ring", 2.0, "1 x 2"))

    def broken(_run):
        raise OSError("lost")

    verdicts = [perform(ring, tmp_path / body.__name__, body).verdict.value for body in (late, missing, broken)]

    assert verdicts == ["invalid", "invalid", "unknown"]
    waited = [event for event in of(tmp_path / "missing", "waited") if event["for"] == "the ring"]
    assert waited[0]["limit"] == 2.0
    assert waited[0]["seconds"] == 4.0
    assert "nothing" in waited[0]["missed"]


def test_checks_are_written_with_the_one_that_says_it_came_to_its_end(ring, folder):
    conduct(scenario(lambda run, _ring: [run.phase("x"), reachable("x", (7070,))][1:]), "", ring, folder, seed=7)

    assert [check["check"] for check in json.loads((folder / "checks.json").read_text())] == ["reachable", "completed"]


def test_variants_are_arguments_and_facts_say_what_ran_before(ring, tmp_path):
    given: list[Any] = []

    def function(run, _ring, *, how):
        """It holds.

        And more.
        """
        given.append(how)
        run.phase("x")
        return []

    made = Scenario("try-out", function, {"soft": {"how": 1}, "hard": {"how": 2}}, (), Tier.CHANGE, True)
    for variant in made.variants:
        conduct(made, variant, ring, tmp_path / variant, seed=7)
    facts = json.loads((tmp_path / "hard" / "scenario.json").read_text())

    assert given == [1, 2]
    assert (facts["id"], facts["promise"]) == ("try-out-hard-stub-domains", "It holds.")
    assert facts["ran_before_on_ring"] == ["try-out-soft-stub-domains"]
    assert facts["hosts"][0]["pod"] == "east-a-0"
    assert facts["tokens"]["id-east-a-0"] == [str(-(2**63))]
    assert facts["replication"] == {"east": 3, "west": 3}


@pytest.mark.parametrize(
    ("identity", "keyspace"),
    [
        ("baseline-stub-domains", "rp_baseline_stub_domains"),
        ("a-very-long-scenario-with-a-variant-on-a-long-topology", "rp_a_very_long_scenario_with_a_variant_on_a_long"),
    ],
)
def test_a_keyspace_has_a_name_that_cassandra_takes(identity, keyspace):
    assert keyspace_of(identity) == keyspace
    assert len(keyspace) <= 48


def died(name, **changed):
    known = {"cluster": "east", "name": name, "uid": "u", "node": "n", "zone": "a", "address": "10.0.0.1",
             "state": "waiting", "restarts": 1, "exit_code": 137, "reason": "exit 137, restart in 1 s"}  # fmt: skip
    return {"t": changed.pop("t"), "kind": "pod", "by": "lab", **known, **changed}


def test_a_host_that_died_by_itself_is_told_with_its_last_words(ring, folder):
    log = ring.folder / "hosts" / "east-a-0" / "system.log"
    log.parent.mkdir(parents=True)
    now = datetime.now().astimezone()
    stamps = [(now + timedelta(seconds=away)).strftime("%Y-%m-%dT%H:%M:%S,%f")[:-3] for away in (-9, -8, 3600)]
    words = ["INFO  {} fine", "ERROR {} out of memory " + "x" * 500, "INFO  {} started again"]
    log.write_text("".join(word.format(stamp) + "\n" for word, stamp in zip(words, stamps, strict=True)) + "a trace\n")

    def body(run):
        run.expected_exits.add("east-b-0")
        lines = [died("east-a-0", t=run.started - 1), died("east-a-0", t=run.started + 1),
                 died("east-b-0", t=run.started + 1), died("east-c-0", t=run.started + 1, state="running")]  # fmt: skip
        text = "".join(json.dumps(line) + "\n" for line in lines)
        (ring.folder / "pods.jsonl").write_text(text + '{"t": 99')

    perform(ring, folder, body)
    seen = records(folder, "observations.jsonl")
    deaths = [record for record in seen if record["kind"] == "log_line"]

    assert [(death["pod"], death["level"]) for death in deaths] == [("east-a-0", "DEATH")]
    assert "out of memory" in deaths[0]["text"]
    assert "started again" not in deaths[0]["text"]  # the log of the next start is no last word
    assert len(deaths[0]["text"]) < 400
    assert [record["pod"] for record in seen if record["kind"] == "pod"] == ["east-a-0", "east-b-0", "east-c-0"]


def test_what_happens_is_told_and_written_as_it_happens(ring, folder):
    told = []
    book = Notebook(folder, {"faults": []}, lambda what, facts: told.append((what, facts)))
    book.phase("calm")
    assert book.mark("killed") == ["mark", "killed"]
    book.observe("schema", "ring", versions=["s-1"])
    written = records(folder)
    book.close()

    assert [event["event"] for event in written] == ["phase", "mark"]
    assert [what for what, _ in told] == ["phase", "mark"]
    assert records(folder, "observations.jsonl")[0]["versions"] == ["s-1"]
