"""A campaign: scenarios one after another, each on a clean ring of its topology, into one run folder.

One topology at a time: the ring of the one before is closed first, because two do not fit on two cores. Who owns a
campaign owns its clusters; they end with it, or with its process.
"""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any

from clusters.catalog import named
from clusters.errors import ClustersGone, ClustersRefused, ProvisionFailed, UsageError, WaitTimeout
from clusters.plan import plan
from clusters.providers import LAB, provider
from clusters.ring.attach import RING, HeldRing, write_ring
from clusters.ring.ring import Ring
from clusters.ring.standing import StandingRing
from clusters.topology import Topology
from clusters.turns import machine_turn
from scenarios.checks import completed
from scenarios.conduct import conduct, conduct_without_ring, scenario_id, write_checks
from scenarios.history import JsonLines
from scenarios.judge import judge_scenario
from scenarios.profiles import Item
from scenarios.registered import registered
from scenarios.run import Notebook
from scenarios.scenario import Scenario, named_scenario
from scenarios.verdict import ScenarioVerdict

Tell = Callable[[str, dict[str, Any]], None]
"""Called with an event and its facts: `topology`, `step`, `fetch` and `scenario` of the campaign, and whatever the
scenario that is under way tells (docs/formats.md, events)."""

PROGRESS_EVERY = 1.0
"""Seconds between two words on a download."""


class Campaign:
    """Conducts items into ``folder``; closing it ends the ring that stands, except one that was ``held`` by others."""

    def __init__(
        self,
        folder: Path,
        seed: int,
        tell: Tell,
        held: HeldRing | None = None,
        process: str = "",
        made_by: str = LAB,
    ) -> None:
        self.folder = folder
        self.seed = seed
        self.provider = made_by if held is None else held.provider
        self._tell = tell
        self._held = held
        self._standing: StandingRing | None = held
        self._log = JsonLines(folder / f"events{f'-{process}' if process else ''}.jsonl", process or "run")
        self._told = 0.0
        self.sources: dict[str, str] = {}
        """Topology name to what the caller called it: the same name, or the path of a file."""
        registered()

    @property
    def standing(self) -> StandingRing | None:
        """The ring that stands now."""
        return self._standing

    def tell(self, event: str, **facts: Any) -> None:
        """Record one event of the campaign and show it."""
        self._log.append({"t": time.monotonic_ns(), "event": event, **facts})
        self._tell(event, facts)

    def conduct(self, item: Item) -> ScenarioVerdict:
        """Conduct one scenario and judge it from its files; forms or reuses the ring it needs.

        Clusters that end under a scenario are no end of the campaign: the verdict says so, the next item gets new ones.
        """
        scenario = named_scenario(item.scenario)
        identity = self.identity(item)
        place = self.folder / "scenarios" / identity
        if place.exists():
            raise UsageError(f"{identity} was conducted in this run already; the same again needs a run of its own")
        self.sources[named(item.topology).name] = item.topology
        ring = self._ring(named(item.topology)) if scenario.needs_ring else None
        with machine_turn(lambda text: self.tell("step", topology=item.topology, text=text)):
            started = time.monotonic()
            self.tell("scenario", id=identity, **_named(scenario, item), state="begin")
            verdict = self._conducted(scenario, item, ring, place)
            seconds = round(time.monotonic() - started, 1)
        ended = {"verdict": verdict.verdict.value, "explain": verdict.explain, "seconds": seconds}
        self.tell("scenario", id=identity, **_named(scenario, item), state="end", **ended)
        if ring is not None and self._standing is not None and self._held is None:
            write_ring(self._standing, ring)
        return verdict

    def _conducted(self, scenario: Scenario, item: Item, ring: Ring | None, place: Path) -> ScenarioVerdict:
        try:
            return self._conduct(scenario, item, ring, place)
        except ClustersGone as error:
            self.tell("warning", text=f"the clusters ended under {place.name}: {error}")
            self._end_standing()
            return judge_scenario(place)

    def _conduct(self, scenario: Scenario, item: Item, ring: Ring | None, place: Path) -> ScenarioVerdict:
        if ring is None:
            return conduct_without_ring(
                item, place, run_id=self.folder.name, seed=self.seed, tell=self._tell, made_by=self.provider
            )
        return conduct(scenario, item.variant, ring, place, seed=self.seed, tell=self._tell)

    def leave_out(self, item: Item, why: str) -> None:
        """Leave a folder that says why the item was not conducted; judged, it is unknown. Nothing when it was begun."""
        identity = self.identity(item)
        place = self.folder / "scenarios" / identity
        if place.exists():
            return
        scenario = named_scenario(item.scenario)
        facts = {"schema": 1, "id": identity, **_named(scenario, item), "provider": self.provider, "seed": self.seed}
        book = Notebook(place, {**facts, "faults": []})
        book.event("error", kind="broken", text=f"not conducted: {why}", where="the campaign")
        write_checks(place, [completed()])
        book.close()

    @staticmethod
    def identity(item: Item) -> str:
        """The name of the item's folder, and its id in every output."""
        scenario = named_scenario(item.scenario)
        if not scenario.needs_ring:
            return scenario.name
        return scenario_id(scenario, item.variant, named(item.topology).name)

    # the ring

    def form(self, topology: Topology) -> StandingRing:
        """A clean ring of the topology that stands when this returns."""
        self._ring(topology)
        assert self._standing is not None
        return self._standing

    def _ring(self, topology: Topology) -> Ring:
        if self._held is not None:
            if self._held.topology.digest != topology.digest:
                raise UsageError(f"the held ring is {self._held.topology.name}, not {topology.name}")
            return self._checked(self._held)
        if self._standing is not None and self._standing.topology.digest != topology.digest:
            self._end_standing()
        if self._standing is None:
            self._standing = self.prepare(topology)
        self.tell("topology", name=topology.name, state="asked")
        begun = time.monotonic()
        ring = self._checked(self._standing)
        write_ring(self._standing, ring)
        self.tell("topology", name=topology.name, state="ready", seconds=round(time.monotonic() - begun, 1))
        return ring

    @staticmethod
    def _checked(standing: StandingRing) -> Ring:
        try:
            return standing.ring()
        except (WaitTimeout, ClustersRefused, ClustersGone) as error:
            raise ProvisionFailed(f"no ring of {standing.topology.name}: {error}") from error

    def prepare(self, topology: Topology) -> StandingRing:
        """What must be there before a ring forms: a sound plan, what hosts need; and the topology in the bundle."""
        thought = plan(topology)
        thought.refuse()
        place = self.folder / "topologies" / topology.name
        write_place(place, topology)
        if topology.ring is not None:
            self.tell("topology", name=topology.name, state="preparing")
            tell = lambda event, facts: self.tell(event, **facts)  # noqa: E731
            provider(self.provider).prepare(topology.ring, self._progress, tell)
        return StandingRing(topology, place, self.folder.name, lambda text: self._step(topology, text), self.provider)

    def _step(self, topology: Topology, text: str) -> None:
        self.tell("step", topology=topology.name, text=text)

    def _progress(self, done: int, total: int, name: str) -> None:
        now = time.monotonic()
        if done >= total or now - self._told >= PROGRESS_EVERY:
            self._told = now
            self._tell("fetch", {"name": name, "done": done, "total": total})

    def _end_standing(self) -> None:
        if self._standing is not None:
            standing, self._standing = self._standing, None
            standing.close()
            self.tell("topology", name=standing.topology.name, state="closed" if self._held is None else "given back")

    def _copy_held(self, held: HeldRing) -> None:
        """A bundle is whole: it gets the files of the held ring and the logs of its hosts."""
        place = self.folder / "topologies" / held.topology.name
        write_place(place, held.topology)
        shutil.copy2(held.folder / RING, place / RING)
        shutil.copytree(held.hosts_folder, place / "hosts", dirs_exist_ok=True)

    def close(self) -> None:
        """End the ring that stands (a held one is only given back) and close the log. Twice is once."""
        if self._held is not None and self._standing is not None:
            self._copy_held(self._held)
        self._end_standing()
        self._log.close()

    def __enter__(self) -> Campaign:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def write_place(folder: Path, topology: Topology) -> None:
    """Write topology.json and plan.json."""
    folder.mkdir(parents=True, exist_ok=True)
    documents = {"topology": topology.model_dump(mode="json"), "plan": plan(topology).as_json()}
    for name, document in documents.items():
        (folder / f"{name}.json").write_text(json.dumps(document, indent=1, sort_keys=True, default=str))


def _named(scenario: Scenario, item: Item) -> dict[str, str]:
    return {"scenario": scenario.name, "variant": item.variant, "topology": item.topology, "promise": scenario.promise}
