"""A campaign whose rings and scenarios are made up: folders as a real one leaves them, without any lab."""

from pathlib import Path

import pytest

from clusters.errors import ProvisionFailed
from clusters.lab import hosts
from scenarios import campaign
from scenarios.checks import completed
from scenarios.conduct import write_checks
from scenarios.judge import judge_scenario
from scenarios.run import Notebook


class MadeUpRing:
    """A ring of which only the place matters."""

    def __init__(self, folder):
        self.folder = folder


class MadeUpStanding:
    """Forms in no time; keeps what happened to all of its kind."""

    happened: list[str] = []
    refuses: set[str] = set()

    def __init__(self, topology, folder, run_id, step, made_by):
        self.topology = topology
        self.folder = folder
        self.provider = made_by
        self.set_name = f"{run_id}/{topology.name}/0"
        self.formed = False

    def ring(self):
        if self.topology.name in self.refuses:
            raise ProvisionFailed(f"{self.topology.name} did not come up")
        if not self.formed:
            self.happened.append(f"formed {self.topology.name}")
        self.formed = True
        return MadeUpRing(self.folder)

    def close(self):
        self.happened.append(f"closed {self.topology.name}")


def leave(folder: Path, facts, outcome="valid", tell=lambda *_: None):
    """Leave a scenario folder that is judged as ``outcome`` says."""
    book = Notebook(folder, {"schema": 1, **facts}, tell)
    if outcome != "vacuous":
        book.phase("only")
    if outcome == "invalid":
        book.event("waited", **{"for": "agreement", "seconds": 9.0, "limit": 5.0, "formula": "5 s", "timer": False})
    if outcome == "unknown":
        book.event("error", kind="broken", text="made up", where="here:1")
    book.event("cleanup", ok=outcome != "unclean", detail="1 entry left" if outcome == "unclean" else "")
    write_checks(folder, [completed()])
    book.close()
    return judge_scenario(folder)


@pytest.fixture
def made_up(monkeypatch):
    """Scenario name to what comes of it: a verdict's word, or an exception that is raised; valid unless told."""
    outcomes = {}
    MadeUpStanding.happened, MadeUpStanding.refuses = [], set()

    def conduct(scenario, variant, ring, folder, *, seed, tell):
        identity = campaign.scenario_id(scenario, variant, ring.folder.name)
        facts = {"id": identity, "scenario": scenario.name, "variant": variant, "topology": ring.folder.name}
        outcome = outcomes.get(scenario.name, "valid")
        if isinstance(outcome, type):
            leave(folder, {**facts, "promise": scenario.promise, "seed": seed, "faults": []}, "unknown", tell)
            raise outcome("made up")
        return leave(folder, {**facts, "promise": scenario.promise, "seed": seed, "faults": []}, outcome, tell)

    def without_ring(item, folder, *, run_id, seed, tell, made_by):
        facts = {"id": item.scenario, "scenario": item.scenario, "variant": "", "topology": item.topology}
        return leave(folder, {**facts, "faults": []}, outcomes.get(item.scenario, "valid"), tell)

    monkeypatch.setattr(campaign, "StandingRing", MadeUpStanding)
    monkeypatch.setattr(campaign, "conduct", conduct)
    monkeypatch.setattr(campaign, "conduct_without_ring", without_ring)
    monkeypatch.setattr(campaign, "write_ring", lambda standing, ring: None)
    for name in ("ensure_cassandra", "ensure_archive"):
        monkeypatch.setattr(hosts, name, lambda *_args, **_named: None)
    java = type("Java", (), {"home": "/java", "build": "17", "source": "PATH"})
    monkeypatch.setattr(hosts, "find_java", lambda *_args, **_named: java)
    return outcomes
