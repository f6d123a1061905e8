"""Profiles: frozen, versioned lists of what runs, in order; and the selection of a part of one.

Importing this costs nothing: scenarios are named, not imported. A change of a list raises its version.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from clusters.errors import UsageError

STUB, SHARED = "stub-domains", "shared-suffix"
NO_RING = "overlap"
"""The place of a scenario that makes its own clusters."""
PLACES = {"kind": {STUB: "kind-host-gw", SHARED: "kind-vxlan", NO_RING: "kind-overlap"}}
"""What stands for the places of a profile where real clusters are made: the same ways of names, and what only real
clusters have, a pod network of their own (docs/fidelity.md). The lab is what profiles are written in."""
ELSEWHERE = {("kind", "address-reuse"): "kind-shared-node"}
"""Which scenario has a place of its own on a provider, instead of those: where every node has a range of pod addresses,
only hosts of one node can inherit an address from each other."""


@dataclass(frozen=True, slots=True)
class Item:
    """One scenario in one variant on one topology."""

    scenario: str
    variant: str
    topology: str

    def __str__(self) -> str:
        named = f"{self.scenario} ({self.variant})" if self.variant else self.scenario
        return f"{named} on {self.topology}"


@dataclass(frozen=True, slots=True)
class Profile:
    """A list with a name and a version; items of one topology stand together, so that its ring is formed once."""

    name: str
    version: int
    purpose: str
    items: tuple[Item, ...]


RINGED = (
    ("baseline", ""),
    ("reschedule", ""),
    ("address-reuse", ""),
    ("zone-loss", "frozen"),
    ("zone-loss", "killed"),
    ("zone-loss", "cut"),
    ("partition", "both-ways"),
    ("partition", "one-way"),
    ("dns-failure", "servfail"),
    ("dns-failure", "dropped"),
    ("dns-failure", "nxdomain"),
    ("dns-failure", "stale"),
)
OVERLAP = Item("overlap", "", NO_RING)

SMOKE = Profile(
    "smoke",
    1,
    "the short lab run of `make test`",
    (Item("baseline", "", STUB), Item("reschedule", "", STUB)),
)
CHANGE = Profile(
    "change",
    2,
    "every scenario once, spread over the two topologies",
    (
        OVERLAP,
        Item("baseline", "", STUB),
        Item("zone-loss", "frozen", STUB),
        # last on its ring: the old address is gossiped about for a quarantine, and such a ring is not used again
        Item("reschedule", "", STUB),
        Item("partition", "both-ways", SHARED),
        Item("dns-failure", "servfail", SHARED),
    ),
)
NIGHTLY = Profile(
    "nightly",
    1,
    "every variant of every scenario on both topologies",
    (OVERLAP, *(Item(scenario, variant, topology) for topology in (STUB, SHARED) for scenario, variant in RINGED)),
)
PROFILES = {profile.name: profile for profile in (SMOKE, CHANGE, NIGHTLY)}
DEFAULT = CHANGE.name


@dataclass(frozen=True, slots=True)
class Selection:
    """What a caller asked for. ``topologies`` replaces the places of the profile; ``backwards`` is the second order.

    A place of the profiles, named or not, is the one that stands for it on that ``provider``.
    """

    profile: str = DEFAULT
    scenarios: tuple[str, ...] = ()
    variant: str | None = None
    topologies: tuple[str, ...] = ()
    backwards: bool = False
    provider: str = "lab"

    def items(self) -> list[Item]:
        """What to run, in order; UsageError with the nearest names when something asked for does not exist."""
        chosen = list(named_profile(self.profile).items)
        if self.scenarios:
            chosen = [item for name in self.scenarios for item in _of(name, chosen)]
        if self.variant is not None:
            chosen = [replace(item, variant=_checked(item.scenario, self.variant)) for item in chosen]
        if self.topologies:
            chosen = [*_on(self.topologies, chosen)]
        chosen = _together(replace(item, topology=_place(item, self.provider)) for item in chosen)
        return chosen[::-1] if self.backwards else chosen


def placed(topology: str, provider: str) -> str:
    """The place that stands for one of the profiles on that provider; any other stands for itself."""
    return PLACES.get(provider, {}).get(topology, topology)


def _place(item: Item, provider: str) -> str:
    there = placed(item.topology, provider)
    return there if there == item.topology else ELSEWHERE.get((provider, item.scenario), there)


def _together(items: Iterable[Item]) -> list[Item]:
    """Each item once, those of one topology together, in the order in which both come first."""
    groups: dict[str, dict[Item, None]] = {}
    for item in items:
        groups.setdefault(item.topology, {})[item] = None
    return [item for group in groups.values() for item in group]


def named_profile(name: str) -> Profile:
    """The profile of that name; UsageError with the nearest names otherwise."""
    if name not in PROFILES:
        raise UsageError(f"no profile is called {name}; {_nearest(name, PROFILES)}")
    return PROFILES[name]


def _of(name: str, items: Sequence[Item]) -> list[Item]:
    """The items of one scenario; of one that the profile does not know, its first variant on the first topology."""
    from scenarios.registered import registered
    from scenarios.scenario import named_scenario

    registered()
    scenario = named_scenario(name)
    found = [item for item in items if item.scenario == name]
    return found or [Item(name, next(iter(scenario.variants)), STUB if scenario.needs_ring else NO_RING)]


def _checked(name: str, variant: str) -> str:
    from scenarios.registered import registered

    known = registered()[name].variants
    if variant not in known:
        said = _nearest(variant, known) if any(known) else "it has none"
        raise UsageError(f"scenario {name} has no variant {variant}; {said}")
    return variant


def _on(topologies: Sequence[str], items: Sequence[Item]) -> Iterator[Item]:
    yield from (item for item in items if item.topology == NO_RING)
    for topology in topologies:
        yield from (replace(item, topology=topology) for item in items if item.topology != NO_RING)


def _nearest(name: str, known: Iterable[str]) -> str:
    names = sorted(known)
    close = difflib.get_close_matches(name, names, 3, 0.4)
    return f"did you mean {' or '.join(close)}?" if close else f"there are {', '.join(names)}"
