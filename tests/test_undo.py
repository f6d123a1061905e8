"""Acts are taken back exactly: what was added goes, what others added stays."""

from __future__ import annotations

import json

import pytest

from clusters.errors import CleanupFailed, UsageError
from clusters.journal import Journal
from clusters.network import Rule
from clusters.undo import Acts
from clusters.waiting import until
from tests.labs import add_pods, lab_up, small

pytestmark = pytest.mark.lab

OURS, OTHER = Rule(10, destination="10.9.0.0/16"), Rule(10, destination="10.8.0.0/16")
DROP = {"match": "*.west.local", "action": "drop"}


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    with lab_up(small(), tmp_path_factory.mktemp("lab")) as (lab, _handle):
        add_pods(lab)
        yield lab


@pytest.fixture
def acts(lab, tmp_path):
    made = Acts(lab, Journal(tmp_path / "journal.jsonl"))
    yield made
    made.undo_all()
    assert lab.router.rules() == []
    assert dns_rules(lab) == []


def dns_rules(lab):
    return [rule["id"] for rule in lab.cluster("east").dns({"do": "rules"})["rules"]]


def last_entry(acts):
    return json.loads(acts.journal.path.read_text().splitlines()[-1])


def test_a_rule_goes_and_that_of_another_stays(lab, acts):
    lab.router.add_rule(OTHER)
    try:
        number = acts.add_rule(lab.router, OURS)
        assert lab.router.rules() == [OTHER, OURS] or lab.router.rules() == [OURS, OTHER]
        assert last_entry(acts)["undo"]["space"] == "router"
        acts.undo(number)

        assert lab.router.rules() == [OTHER]
        assert acts.journal.open() == {}
    finally:
        lab.router.delete_rule(OTHER)


def test_a_rule_that_stands_already_is_not_ours_to_take_back(lab, acts):
    lab.router.add_rule(OURS)
    try:
        with pytest.raises(ValueError, match="stands in router already"):
            acts.add_rule(lab.router, OURS)
        assert acts.journal.open() == {}
        assert acts.undo_all() == 0
        assert lab.router.rules() == [OURS]
    finally:
        lab.router.delete_rule(OURS)


def test_the_undo_is_written_before_the_act_and_undone_even_if_the_act_never_happened(lab, acts):
    seen = []

    class Watched:
        space = "router"

        def rules(self):
            return []

        def add_rule(self, rule):
            seen.append(last_entry(acts)["undo"])
            raise OSError("killed in between")

    with pytest.raises(OSError, match="killed in between"):
        acts.add_rule(Watched(), OURS)

    assert seen == [{"provider": "lab", "act": "rule", "space": "router", "rule": OURS.as_json()}]
    assert acts.undo_all() == 1
    assert acts.journal.open() == {}


def test_a_rule_in_a_pod_goes_with_the_pod_that_it_was_in(lab, acts):
    pod = lab.cluster("west").pod("west-c-0")
    acts.add_rule(pod.net, OURS)
    lab.cluster("west").reschedule("west-c-0")

    assert acts.undo_all() == 1
    assert pod.net.rules() == []


def test_a_dns_rule_goes_and_that_of_another_stays(lab, acts):
    lab.cluster("east").dns({"do": "rule", "id": "other", **DROP})
    try:
        number = acts.add_dns_rule("east", {"id": "F1-0", **DROP})
        assert dns_rules(lab) == ["other", "F1-0"]
        acts.undo(number)

        assert dns_rules(lab) == ["other"]
    finally:
        lab.cluster("east").dns({"do": "unrule", "id": "other"})


@pytest.mark.parametrize(
    ("rule", "said"),
    [({"id": "other", **DROP}, "in force already"), ({"id": "F1-0", **DROP, "action": "explode"}, "explode")],
)
def test_a_refused_dns_rule_leaves_nothing_open_and_takes_nothing_away(lab, acts, rule, said):
    lab.cluster("east").dns({"do": "rule", "id": "other", **DROP})
    try:
        with pytest.raises(UsageError, match=said):
            acts.add_dns_rule("east", rule)
        assert acts.journal.open() == {}
        assert acts.undo_all() == 0
        assert dns_rules(lab) == ["other"]
    finally:
        lab.cluster("east").dns({"do": "unrule", "id": "other"})


def test_a_killed_zone_runs_again_and_the_others_were_never_touched(lab, acts):
    before = {state.name: state for cluster in lab.clusters for state in cluster.states()}
    number = acts.stop_zone("east", "b", "kill")
    down = {state.name for cluster in lab.clusters for state in cluster.states() if state.state == "exited"}
    acts.undo(number)
    after = {state.name: state for cluster in lab.clusters for state in cluster.states()}

    assert down == {"east-b-0"}
    assert after["east-b-0"].state == "running"
    assert {name for name, state in after.items() if state != before[name]} == {"east-b-0"}


def test_undoing_a_kill_that_never_happened_restarts_nobody(lab, acts):
    before = lab.cluster("east").states()
    number = acts.journal.write({"provider": "lab", "act": "zone", "cluster": "east", "zone": "b", "undo": "start"})
    acts.undo(number)

    assert lab.cluster("east").states() == before
    assert lab.cluster("east").pod("east-b-0").probe({"do": "heard"}, 5)["ok"]


def test_a_frozen_zone_thaws(lab, acts):
    pod = lab.cluster("east").pod("east-b-0")
    number = acts.stop_zone("east", "b", "freeze")
    with pytest.raises(TimeoutError):
        pod.probe({"do": "heard"}, 0.2)
    acts.undo(number)

    assert until("thawed", lambda: pod.probe({"do": "heard"}, 5)["ok"], timeout=5)


def test_another_process_takes_back_what_a_killed_one_left_newest_first(lab, acts, monkeypatch):
    acts.add_rule(lab.router, OURS)
    acts.add_dns_rule("east", {"id": "F1-0", **DROP})
    order = []
    real = Acts._reverse

    def reverse(self, entry):
        order.append(entry["act"])
        real(self, entry)

    monkeypatch.setattr(Acts, "_reverse", reverse)
    assert Acts(lab, Journal(acts.journal.path)).undo_all() == 2
    assert order == ["dns-rule", "rule"]
    assert acts.journal.open() == {}


def test_one_that_cannot_be_undone_is_told_and_keeps_no_other_from_it(lab, acts):
    acts.add_rule(lab.router, OURS)
    stuck = acts.journal.write({"provider": "lab", "act": "rule", "space": "nowhere", "rule": OURS.as_json()})
    with pytest.raises(CleanupFailed, match=f"journal entry {stuck} could not be undone.*nowhere"):
        acts.undo_all()

    assert lab.router.rules() == []
    assert set(acts.journal.open()) == {stuck}
    acts.journal.done(stuck)


def test_an_entry_is_undone_once(lab, acts):
    number = acts.add_rule(lab.router, OURS)
    acts.undo(number)

    with pytest.raises(LookupError):
        acts.undo(number)
