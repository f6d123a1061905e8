"""Profiles name what exists, and a selection is a part of one."""

from dataclasses import replace
from itertools import groupby

import pytest

from clusters.catalog import catalog, named
from clusters.errors import UsageError
from scenarios.profiles import CHANGE, NIGHTLY, NO_RING, PROFILES, SHARED, SMOKE, STUB, Item, Selection, placed
from scenarios.registered import registered
from scenarios.scenario import Tier


@pytest.mark.parametrize("profile", PROFILES.values(), ids=PROFILES)
def test_a_profile_names_what_exists_once(profile):
    known = registered()

    assert len(set(profile.items)) == len(profile.items)
    assert {item.topology for item in profile.items} <= set(catalog())
    assert [item for item in profile.items if item.variant not in known[item.scenario].variants] == []
    assert [item for item in profile.items if known[item.scenario].needs_ring == (item.topology == NO_RING)] == []


@pytest.mark.parametrize("backwards", [False, True])
@pytest.mark.parametrize("name", PROFILES)
def test_items_of_one_topology_stand_together(name, backwards):
    places = [item.topology for item in Selection(name, backwards=backwards).items()]
    changes = [place for place, before in zip(places, [None, *places], strict=False) if place != before]

    assert len(changes) == len(set(changes))


def test_change_has_every_scenario_once():
    expected = sorted(name for name, scenario in registered().items() if scenario.tier is Tier.CHANGE)

    assert sorted(item.scenario for item in CHANGE.items) == expected


def test_nightly_has_every_variant_of_every_scenario_on_both_topologies():
    expected = {
        Item(name, variant, topology)
        for name, scenario in registered().items()
        if scenario.tier is not Tier.SELFTEST
        for variant in scenario.variants
        for topology in ((STUB, SHARED) if scenario.needs_ring else (NO_RING,))
    }

    assert set(NIGHTLY.items) == expected


def test_smoke_is_a_part_of_change():
    assert set(SMOKE.items) <= set(CHANGE.items)


def test_a_selection_takes_scenarios_variant_and_places():
    assert Selection(scenarios=("zone-loss",)).items() == [Item("zone-loss", "frozen", STUB)]
    assert Selection("smoke", ("partition",)).items() == [Item("partition", "both-ways", STUB)]
    asked = Selection(scenarios=("zone-loss",), variant="cut", topologies=(SHARED, STUB))
    assert asked.items() == [Item("zone-loss", "cut", SHARED), Item("zone-loss", "cut", STUB)]
    assert Selection(topologies=(SHARED,)).items()[0] == Item("overlap", "", NO_RING)
    assert Selection("nightly", backwards=True).items() == Selection("nightly").items()[::-1]


@pytest.mark.parametrize(
    ("selection", "said"),
    [
        (Selection("nightli"), "did you mean nightly?"),
        (Selection(scenarios=("zone-los",)), "zone-loss"),
        (Selection(scenarios=("zone-loss",), variant="froze"), "did you mean frozen?"),
        (Selection(scenarios=("baseline",), variant="hot"), "it has none"),
    ],
)
def test_what_does_not_exist_is_refused_with_the_nearest_names(selection, said):
    with pytest.raises(UsageError, match=said.replace("?", r"\?")):
        selection.items()


@pytest.mark.parametrize("profile", PROFILES)
def test_on_kind_a_profile_is_the_same_scenarios_in_places_that_kind_builds(profile):
    lab, kind = Selection(profile).items(), Selection(profile, provider="kind").items()

    moved = {item for item in lab if item.scenario == "address-reuse"}
    assert [replace(item, topology=placed(item.topology, "kind")) for item in lab if item not in moved] == [
        item for item in kind if item.scenario != "address-reuse"
    ]
    inheriting = [Item("address-reuse", "", "kind-shared-node")]
    assert [item for item in kind if item.scenario == "address-reuse"] == (inheriting if moved else [])
    assert {item.topology for item in kind} <= {"kind-host-gw", "kind-vxlan", "kind-overlap", "kind-shared-node"}
    for item in kind:
        assert all(cluster.routing for cluster in named(item.topology).clusters)


def test_items_of_one_topology_stand_together_on_kind_too():
    places = [item.topology for item in Selection("nightly", provider="kind").items()]

    assert [place for place, _ in groupby(places)] == list(dict.fromkeys(places))


def test_a_scenario_with_a_place_of_its_own_runs_where_its_caller_says():
    asked = Selection("nightly", scenarios=("address-reuse",), topologies=("kind-vxlan",), provider="kind")
    assert [item.topology for item in asked.items()] == ["kind-vxlan"]


def test_a_place_that_is_named_is_taken_as_it_is():
    chosen = Selection("smoke", topologies=("kind-vxlan",), provider="kind").items()
    assert {item.topology for item in chosen} == {"kind-vxlan"}
