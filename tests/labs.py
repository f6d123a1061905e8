"""Labs for tests: one of two small clusters without a ring, and a hand that runs Python inside a pod."""

from __future__ import annotations

import sys
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from clusters.asking import LineTalk
from clusters.catalog import named
from clusters.cluster import PodSpec, RestartPolicy
from clusters.lab.cluster import LabPod
from clusters.lab.provider import Lab, LabHandle, start_keeper
from clusters.topology import Topology

AGENT = Path(__file__).parent / "data" / "hand.py"
ANSWER_SECONDS = 10.0
SLEEPER = ("/bin/sh", "-c", "exec tail -f /dev/null")


def small(name: str = "stub-domains") -> Topology:
    """A topology of the catalog without its ring."""
    return named(name).model_copy(update={"ring": None})


@contextmanager
def lab_up(topology: Topology, folder: Path) -> Iterator[tuple[Lab, LabHandle]]:
    """A built lab of that topology; it is gone when the block ends."""
    name = f"test/{uuid.uuid4().hex[:12]}"
    handle = start_keeper(name, folder)
    lab = Lab(topology, name)
    try:
        lab.build()
        yield lab, handle
    finally:
        lab.close()
        handle.close()


def add_pods(lab: Lab, restart: RestartPolicy | None = None) -> None:
    """One pod that does nothing in every zone of every cluster, named like a ring's: `east-a-0`."""
    for cluster in lab.clusters:
        for zone in cluster.spec.zones:
            spec = PodSpec(f"{cluster.name}-{zone}-0", zone, SLEEPER, restart=restart or RestartPolicy())
            cluster.create_pod(spec)


class Hand:
    """A Python program inside a pod that runs what it is told; names stay from one call to the next.

    `sys.argv[1]` is the pod's volume.
    """

    def __init__(self, pod: LabPod) -> None:
        self._talk: LineTalk = pod.spawn("hand", [sys.executable, str(AGENT), "{{VOLUME}}"])

    def run(self, code: str, **names: Any) -> Any:
        """What `answer` is after the code; a RuntimeError with the exception's text when it raised one."""
        told = self._talk.ask({"do": "run", "code": code, "names": names}, ANSWER_SECONDS)
        if not told["ok"]:
            raise RuntimeError(told["error"])
        return told["answer"]

    def close(self) -> None:
        self._talk.close()
