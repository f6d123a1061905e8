"""truth.jsonl of a scenario: what the orchestrator of each cluster says while the scenario runs."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from clusters.cluster import Cluster
from clusters.errors import ClustersRefused, WaitTimeout
from clusters.ring.ring import Ring
from clusters.truth import NodeTimers, Watching, seen
from clusters.waiting import TRANSIENT, until
from scenarios.history import JsonLines

FILE = "truth.jsonl"
ANSWER_SECONDS = 30.0
"""For a control plane to answer; one that shares two cores with starting hosts takes up to 3 s (measured)."""
TOLERATED = (*TRANSIENT, ClustersRefused)


class TruthRecord:
    """Writes the file: settings and a look at the start, every change, and a look whenever one is asked for."""

    def __init__(self, ring: Ring, folder: Path) -> None:
        self._clusters = list(ring.clusters.clusters)
        self._by = ring.clusters.provider
        self._out = JsonLines(folder / FILE, "truth")
        self._watches: list[Watching] = []
        self._looks = 0
        self.timers: dict[str, NodeTimers | None] = {}

    @property
    def not_modelled(self) -> list[str]:
        """What no record can tell of some cluster, because its provider has no notion of it."""
        return sorted({what for cluster in self._clusters for what in cluster.truth.not_modelled})

    def start(self) -> None:
        """Settings and placements are written, and every change from now on; ClustersRefused without the settings."""
        for cluster in self._clusters:
            self.timers[cluster.name] = found = self._settings(cluster)
            if found is not None:
                self._note(found.record(cluster.name))
        self.look()
        for cluster in self._clusters:
            self._watches.append(self._begun(cluster))

    def _begun(self, cluster: Cluster) -> Watching:
        """A watch; what it writes before it has begun is how things are, not news."""
        begun = threading.Event()

        def note(record: Mapping[str, Any]) -> None:
            self._note(record if begun.is_set() else {**record, "first": True})

        watch = until(f"a watch of {cluster.name}", lambda: cluster.truth.watch(note), timeout=ANSWER_SECONDS,
                      tolerate=TOLERATED)  # fmt: skip
        begun.set()
        return watch

    def look(self) -> None:
        """Write everything as it is now; a cluster that does not tell is written as `unseen`."""
        self._looks += 1
        for cluster in self._clusters:
            try:
                records = until(
                    f"placements in {cluster.name}", cluster.truth.look, timeout=ANSWER_SECONDS, tolerate=TOLERATED
                )
            except WaitTimeout as error:
                records = [seen("unseen", cluster.name, what="look", error=str(error))]
            for record in records:
                self._note({**record, "look": self._looks})

    def close(self) -> list[str]:
        """Nothing is written any more; what went wrong with the watches."""
        problems = []
        for watch in self._watches:
            try:
                watch.close()
            except Exception as error:  # noqa: BLE001  told in the clean-up event and judged there
                problems.append(f"the watch of the orchestrator failed: {error}")
        self._watches = []
        self._out.close()
        return problems

    def _note(self, record: Mapping[str, Any]) -> None:
        self._out.append({**record, "by": self._by})

    def _settings(self, cluster: Cluster) -> NodeTimers | None:
        def asked() -> tuple[NodeTimers | None]:
            return (cluster.truth.timers(),)

        try:
            return until(f"settings of {cluster.name}", asked, timeout=ANSWER_SECONDS, tolerate=TOLERATED)[0]
        except WaitTimeout as error:
            raise ClustersRefused(f"cluster {cluster.name} does not tell its settings: {error}") from None
