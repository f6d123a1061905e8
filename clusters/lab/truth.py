"""The lab's own truth: where its pods and their volumes are, and whose processes run."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Any

from clusters.errors import ClustersGone
from clusters.lab.wire import Lease
from clusters.truth import CONDITIONS, ENDPOINTS, EVENTS, EVICTION, GONE, READINESS, Note, Placement, living

LOOK_EVERY = 0.5
"""Seconds between two looks of a watch: one question to the supervisor, a millisecond of its time."""

Json = dict[str, Any]


class LabTruth:
    """See clusters.truth.Truth: placement and identity are the lab's own, the rest is Kubernetes' alone."""

    not_modelled = (CONDITIONS, READINESS, EVENTS, ENDPOINTS, EVICTION)

    def __init__(self, cluster: str, lease: Lease) -> None:
        self._cluster = cluster
        self._lease = lease

    def timers(self) -> None:
        """See Truth: no kubelet, no controller manager."""

    def placements(self) -> list[Placement]:
        """Every pod's placement."""
        answer: Json = self._lease.call("truth", cluster=self._cluster, processes=False)
        return [_placement(self._cluster, pod) for pod in answer["pods"]]

    def look(self) -> list[Mapping[str, Any]]:
        """See Truth."""
        answer: Json = self._lease.call("truth", cluster=self._cluster, processes=True)
        placed = [_placement(self._cluster, pod).record() for pod in answer["pods"]]
        return [*placed, living(self._cluster, answer["living"])]

    def watch(self, note: Note) -> LabWatch:
        """See Truth."""
        return LabWatch(self, note)


def _placement(cluster: str, pod: Json) -> Placement:
    zones = () if pod["volume_zone"] is None else (pod["volume_zone"],)
    return Placement(cluster, pod["pod"], pod["uid"], pod["node"], pod["zone"], pod["volume"], zones)


class LabWatch:
    """Notes every placement that changed since the look before; what is no more is noted as gone."""

    def __init__(self, truth: LabTruth, note: Note) -> None:
        self._truth = truth
        self._note = note
        self._known: dict[str, Placement] = {}
        self._over = threading.Event()
        self._failure: Exception | None = None
        self._thread = threading.Thread(target=self._watch, name="truth of the lab", daemon=True)
        self.look()
        self._thread.start()

    def _watch(self) -> None:
        try:
            while not self._over.wait(LOOK_EVERY):
                self.look()
        except (ConnectionError, TimeoutError, ClustersGone) as error:
            self._failure = error

    def look(self) -> None:
        """Note what has changed."""
        now = {one.uid: one for one in self._truth.placements()}
        for uid, one in self._known.items():
            if uid not in now:
                self._note({**one.record(), "state": GONE})
        for uid, one in now.items():
            if self._known.get(uid) != one:
                self._note(one.record())
        self._known = now

    def close(self) -> None:
        """See Watching."""
        self._over.set()
        self._thread.join()
        if self._failure is not None:
            raise self._failure
