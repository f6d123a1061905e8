"""The provider seam: who is known, what the lab can do, and that nothing of another provider is ever undone here."""

from __future__ import annotations

import inspect
import time

import pytest

from clusters.alive import Identity
from clusters.catalog import named
from clusters.cluster import CutsNetwork, FaultsDns, PinsPodAddress, ReschedulesPods, StopsNodes
from clusters.errors import CleanupFailed, ClustersGone, EnvironmentUnfit, ProvisionFailed, UsageError
from clusters.holding import Holding, hold
from clusters.journal import Journal
from clusters.lab.fabric import ROUTER
from clusters.network import CUT_PRIORITY, Rule
from clusters.providers import PROVIDERS, provider
from clusters.ring import standing
from clusters.ring.config import HostSpec
from clusters.undo import Acts
from fixtures import plugin
from ringproof.running import Order, run
from scenarios.conduct import require_abilities
from scenarios.registered import registered
from tests.lease_fakes import leased_lab, leased_ring
from tests.ring_fakes import fake_ring

ABILITIES = (ReschedulesPods, PinsPodAddress, StopsNodes, CutsNetwork, FaultsDns)


def test_every_name_leads_to_a_provider_of_that_name():
    assert {name: provider(name).name for name in PROVIDERS} == {name: name for name in PROVIDERS}
    assert tuple(PROVIDERS) == plugin.PROVIDERS


def test_an_unknown_provider_is_one_sentence_before_anything_is_created(tmp_path):
    with pytest.raises(UsageError, match=r"^no provider is called moon; known: lab"):
        run(Order(provider="moon", runs=tmp_path / "runs"), None)

    assert list(tmp_path.iterdir()) == []


def test_clusters_that_never_were_are_not_alive_and_refuse_every_act():
    clusters = provider("lab").attach(named("stub-domains"), "nobody/stub-domains/0")

    assert not clusters.alive
    with pytest.raises(ClustersGone):
        clusters.cluster("east").states()
    clusters.close()


def test_a_ring_whose_clusters_ended_is_held_no_longer(monkeypatch, tmp_path):
    monkeypatch.setenv("RINGPROOF_STATE", str(tmp_path / "state"))
    entry = Holding("x", "stub-domains", str(tmp_path), "", time.time() + 60, Identity.of())
    lent = []

    with pytest.raises(ProvisionFailed, match="nobody/stub-domains/0 ended by themselves"):
        hold(standing.StandingRing(named("stub-domains"), tmp_path, "nobody"), entry, lent.append)

    assert [one.set for one in lent] == ["nobody/stub-domains/0"]


def test_what_another_provider_made_is_not_conducted_on_as_asked():
    entry = Holding("x", "kind-vxlan", "", "n/kind-vxlan/0", 0.0, Identity.of(), "kind")

    entry.refuse_other(None)
    entry.refuse_other("kind")
    with pytest.raises(UsageError, match="x was made by kind, not by lab"):
        entry.refuse_other("lab")


def test_a_holding_leads_to_its_clusters(tmp_path):
    entry = Holding("x", "shared-suffix", str(tmp_path), "nobody/shared-suffix/0", 0.0, Identity.of())

    assert (entry.clusters().provider, entry.clusters().topology.name) == ("lab", "shared-suffix")


def test_clusters_of_the_lab_have_every_ability():
    lab, _ = leased_lab()

    assert [ability for ability in ABILITIES for one in lab.clusters if not isinstance(one, ability)] == []


def test_a_scenario_that_uses_an_ability_requires_it():
    """What faults assert is what scenarios must have declared: the refusal then names it."""
    using = {"Partition(": CutsNetwork, "ZoneIsolation(": CutsNetwork, "NamesFail(": FaultsDns, "ZoneLoss(": StopsNodes,
             "PodReschedule(": ReschedulesPods}  # fmt: skip
    lacking = []
    for scenario in registered().values():
        body = inspect.getsource(scenario.function)
        lacking += [
            (scenario.name, word)
            for word, ability in using.items()
            if word in body and ability not in scenario.requires
        ]

    assert lacking == []


def test_what_clusters_cannot_do_is_named(tmp_path):
    scenario = next(one for one in registered().values() if one.name == "address-reuse")

    with pytest.raises(EnvironmentUnfit, match="needs ReschedulesPods, PinsPodAddress, which cluster east cannot do"):
        require_abilities(scenario, fake_ring(tmp_path))


def test_networks_are_all_places_with_rules_and_each_is_found_again_by_name():
    lab, _ = leased_lab()
    spaces = [net.space for net in lab.networks()]

    assert spaces[:3] == ["router", "east-gateway", "west-gateway"]
    assert len(spaces) == len(set(spaces)) == 3 + 2 * 4
    assert [lab.network(space).space for space in spaces] == spaces


def test_a_cut_towards_a_cluster_is_one_rule_per_range_on_the_router():
    lab, _ = leased_lab()
    east, west = lab.clusters

    assert [(net.space, rule) for net, rule in east.cut_towards(west.spec)] == [
        (ROUTER, Rule(CUT_PRIORITY, iif="c0", destination="10.250.0.0/16")),
        (ROUTER, Rule(CUT_PRIORITY, iif="c0", destination="10.150.0.0/24")),
    ]


def test_a_reschedule_at_an_address_is_there():
    lab, supervisor = leased_lab()
    supervisor.add("east", "east-a-0", "a")

    assert lab.cluster("east").reschedule_at("east-a-0", "10.200.0.99").address == "10.200.0.99"
    assert lab.cluster("east").reschedule("east-a-0").address != "10.200.0.99"


def test_what_another_provider_made_is_never_undone_here(tmp_path):
    lab, supervisor = leased_lab()
    lab.router.add_rule(Rule(10))
    acts = Acts(lab, Journal(tmp_path / "journal.jsonl"))
    number = acts.journal.write({"provider": "moon", "act": "rule", "space": "router", "rule": Rule(10).as_json()})

    with pytest.raises(CleanupFailed, match="made on clusters of moon, these are of lab"):
        acts.undo(number)

    assert supervisor.standing() == [("router", Rule(10))]
    assert set(acts.journal.open()) == {number}


def test_a_host_is_started_as_the_pod_of_its_name_and_its_undo_deletes_it(tmp_path, monkeypatch):
    monkeypatch.setattr("clusters.lab.hosts.start_command", lambda _ring: (("java", "every"), ("java", "first")))
    ring, supervisor = leased_ring(tmp_path / "ring")
    acts = Acts(ring.clusters, Journal(tmp_path / "journal.jsonl"))
    spec = HostSpec("east-lone", "east", "east", "c", 1, "east-lone.cassandra.ringproof.svc.east.local")
    number = acts.start_host(ring.start_of(spec, [spec.name]))
    (given,) = [arguments["spec"] for do, arguments in supervisor.calls if do == "create_pod"]

    assert (given["name"], given["zone"], given["command"], given["first_command"]) == (
        "east-lone", "c", ("java", "every"), ("java", "first"))  # fmt: skip
    assert spec.name in given["files"]["cassandra.yaml"]
    assert ring.cluster_name in given["files"]["cassandra.yaml"]
    assert acts.journal.open()[number] == {"provider": "lab", "act": "pod", "cluster": "east", "pod": "east-lone"}
    acts.undo(number)
    assert ("east", "east-lone") not in supervisor.pods
