"""The part of the bench that makes kind clusters: both up, their ring, memory, reschedule, teardown.

What is reckoned as a ratio is measured in the same repeat: a container that does nothing, for the clusters; a host
alone on this machine, for the ring.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from clusters.catalog import named
from clusters.errors import ProvisionFailed, UsageError
from clusters.kind.containers import Containers
from clusters.kind.engine import choose
from clusters.kind.place import find_image
from clusters.providers import KIND, Provider, provider
from clusters.ring.config import declare_hosts
from clusters.ring.formation import form
from clusters.ring.ring import Ring
from clusters.topology import Topology
from clusters.turns import machine_turn
from ringproof.bench_figures import Figure, ratios
from ringproof.bench_files import Deadline
from ringproof.bench_rings import (
    SERVES,
    Formed,
    Say,
    first_answers,
    formation_figures,
    noting,
    reschedule,
    seconds_since,
    single_start,
)
from scenarios.runs import new_run_id

PART = "kind clusters"
GOALS = {"both up": "goal 45 s", "memory": "goal below 6 GB", "EACH_QUORUM": "goal 90 s"}
"""On two cores with the images made; told beside the figures, never judged."""
CONTAINER_SECONDS = 120.0


@dataclass(frozen=True)
class Lived:
    """One set of clusters from nothing to nothing; times in seconds, memory in bytes.

    ``up`` ends when DNS, routes and clients are up in both; times of ``ring`` begin when its hosts are asked for.
    """

    container: float
    """A container of the node image that ends at once, from asking for it to its end."""
    up: float
    empty: int
    ring: Formed
    moved: float
    """SIGKILL of a host's pod until every host sees it at its new address."""
    teardown: float


@dataclass
class KindRings:
    """Makes clusters of one topology for measurement; one set stands at a time, and none when a method has returned."""

    topology: Topology
    deadline: Deadline
    repeats: int
    say: Say

    def figures(self) -> list[Figure]:
        """All figures of this part."""
        makes = provider(KIND)
        if self.topology.ring is None:
            raise UsageError(f"topology {self.topology.name} declares no ring, so there is nothing to form")
        makes.prepare(self.topology.ring, lambda _done, _total, _name: None, lambda _event, _facts: None)
        numbers = iter(range(1, self.repeats + 1))

        def once() -> Lived:
            self.say(f"kind clusters {next(numbers)} of {self.repeats}")
            return self._live(makes)

        return kind_figures(self.deadline.repeated(self.repeats, once), len(declare_hosts(self.topology)))

    def _live(self, makes: Provider) -> Lived:
        with tempfile.TemporaryDirectory(prefix="ringproof-bench-") as place, machine_turn(self.say):
            container = container_seconds()
            single = single_start(self.topology, warm=False)  # hosts on kind have no class-data archive
            run_id, folder = new_run_id(), Path(place, "clusters")
            begun = time.monotonic_ns()
            handle = makes.start(self.topology, f"{run_id}/{self.topology.name}/0", folder)
            try:
                up = seconds_since(begun)
                self.say(f"clusters are up after {up:.0f} s")
                empty, ring, moved = self._form(makes, run_id, folder, single)
            finally:
                closing = time.monotonic_ns()
                handle.close()
            return Lived(container, up, empty, ring, moved, seconds_since(closing))

    def _form(self, makes: Provider, run_id: str, folder: Path, single: float) -> tuple[int, Formed, float]:
        """Memory before the ring, the ring's formation, seconds of one reschedule."""
        clusters = makes.attach(self.topology, f"{run_id}/{self.topology.name}/0")
        try:
            empty = clusters.memory()
            steps: dict[str, float] = {}
            asked = time.monotonic_ns()
            ring = form(clusters, folder, f"rp-{run_id}", noting(steps, asked))
            formed = _formed(ring, steps, asked, single, folder / "load")
            moved = reschedule(ring, ring.hosts[0].spec.who, self.say)
        finally:
            clusters.close()
        return empty, formed, moved


def _formed(ring: Ring, steps: dict[str, float], asked: int, single: float, folder: Path) -> Formed:
    agreed = seconds_since(asked)
    memory = ring.clusters.memory()
    if SERVES not in steps:
        raise ProvisionFailed(f"the formation did not tell when there was {SERVES}; it told {sorted(steps)}")
    return Formed(single, steps[SERVES], agreed, *first_answers(ring, folder, asked), memory)


def container_seconds() -> float:
    """Seconds of a container of the node image that does nothing: what the engine itself takes."""
    containers = Containers(choose().program)
    begun = time.monotonic_ns()
    image = find_image(containers).name
    containers.ask("run", "--rm", "--network", "none", "--entrypoint", "true", image, timeout=CONTAINER_SECONDS)
    return seconds_since(begun)


def kind_figures(lived: Sequence[Lived], hosts: int) -> list[Figure]:
    """Each ratio is to what was measured in its own repeat."""

    def column(value: Callable[[Lived], float]) -> tuple[float, ...]:
        return tuple(value(one) for one in lived)

    container, up = column(lambda one: one.container), column(lambda one: one.up)
    ring = formation_figures("ring on kind", [one.ring for one in lived])
    return [
        Figure(PART, "one container of the node image", "s", container),
        Figure(PART, "both up", "s", up, GOALS["both up"]),
        ratios(PART, "both up / one container", up, container),
        *(_with_goal(one) for one in ring),
        Figure("memory", "two clusters", "GB", column(lambda one: one.empty / 1e9)),
        Figure("memory", f"with a ring of {hosts} hosts", "GB", column(lambda one: one.ring.memory / 1e9),
               GOALS["memory"]),
        Figure("reschedule", "kill -9 to every host sees only the new address", "s", column(lambda one: one.moved)),
        Figure("teardown", "nothing is left", "s", column(lambda one: one.teardown)),
    ]  # fmt: skip


def _with_goal(figure: Figure) -> Figure:
    if figure.name != "first EACH_QUORUM write":
        return figure
    return Figure(figure.part, figure.name, figure.unit, figure.values, GOALS["EACH_QUORUM"])


def kind_facts() -> dict[str, Any]:
    """What else describes the machine when its clusters are kind's: engine and node image."""
    engine = choose()
    image = find_image(Containers(engine.program))
    return {"engine": engine.told, "node_image": image.name.rpartition("/")[2], "java": f"{image.java_major} (image)"}


def kind_rings(topology: str, deadline: Deadline, repeats: int, say: Say) -> list[Figure]:
    """All figures that need kind clusters."""
    return KindRings(named(topology), deadline, repeats, say).figures()
