"""A ring that stands: formed once per topology, lent to one scenario after another, rebuilt when found unclean.

Start-ups of a machine take turns: a slot, held while a ring forms, is a name in the abstract socket namespace, so it
is free the moment its holder is gone.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from clusters.errors import WaitTimeout
from clusters.journal import Journal
from clusters.lab.provider import Lab, LabHandle, start_keeper
from clusters.lab.wire import LabError, LabGone, abstract
from clusters.ring.formation import FORMED_SECONDS, form
from clusters.ring.ring import Ring
from clusters.topology import Topology
from clusters.waiting import until

Step = Callable[[str], None]
CLEAN_SECONDS = 30.0
"""A ring that a scenario left agrees at once; this covers gossip rounds that are still under way."""
SLOT = "start-slot"
HEAP_TABLES = 150
"""Tables above which a 192 MB host is rebuilt: each table costs about 1 MB of heap (Cassandra's own warning at 150,
table_count_warn_threshold), four per scenario."""


@contextmanager
def start_slot(step: Step) -> Iterator[None]:
    """Held by one process of the machine at a time; waits for as long as a formation may take."""
    slot = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)

    def take() -> bool:
        try:
            slot.bind(abstract(SLOT))
        except OSError:
            return False
        return True

    with slot:
        if not take():
            step("another ring is forming on this machine; waiting for the start slot")
            until("the start slot", take, timeout=2 * FORMED_SECONDS, every=0.5)
        yield


class StandingRing:
    """The lab and the ring of one topology, while this process lives."""

    def __init__(self, topology: Topology, folder: Path, run_id: str, step: Step = lambda _text: None) -> None:
        self.topology = topology
        self.folder = folder
        self.run_id = run_id
        self.step = step
        self.rebuilt: list[str] = []
        self._handle: LabHandle | None = None
        self._ring: Ring | None = None
        self._rules: dict[str, int] = {}

    @property
    def lab_name(self) -> str:
        """The name under which the lab is leased."""
        return f"{self.run_id}/{self.topology.name}/{len(self.rebuilt)}"

    def ring(self) -> Ring:
        """A clean ring: the standing one, or a new one after the reason was told."""
        if self._ring is not None:
            reason = self.unclean(self._ring)
            if reason is None:
                return self._ring
            self.step(f"ring of {self.topology.name} is not clean: {reason}; rebuilding it")
            self.rebuilt.append(reason)
            self.close()
        return self._form()

    def lab(self) -> Lab:
        """Clusters without a ring, for topologies that declare none."""
        self._handle = start_keeper(self.lab_name, self._place())
        lab = Lab(self.topology, self.lab_name)
        lab.build()
        return lab

    def _place(self) -> Path:
        return self.folder if not self.rebuilt else self.folder / f"rebuilt-{len(self.rebuilt)}"

    def _form(self) -> Ring:
        with start_slot(self.step):
            lab = self.lab()
            self.step(f"clusters of {self.topology.name} are up")
            self._ring = form(lab, self._place(), f"rp-{self.run_id}-{self.topology.name}", self.step)
        self._rules = self._count_rules()
        return self._ring

    def _count_rules(self) -> dict[str, int]:
        assert self._ring is not None
        lab = self._ring.clusters
        nets = [lab.router, *[cluster.gateway for cluster in lab.clusters]]
        counts = {f"{net.space} rules": len(net.rules()) for net in nets}
        return counts | {f"{cluster.name} dns": len(cluster.dns({"do": "rules"})["rules"]) for cluster in lab.clusters}

    def unclean(self, ring: Ring) -> str | None:
        """None when every host finds the ring as it was formed, else what is different."""
        try:
            if Journal(ring.folder / "journal.jsonl").open():
                return "the journal has open entries"
            if self._count_rules() != self._rules:
                return f"rules differ: {self._count_rules()} instead of {self._rules}"
            ring.await_agreement(CLEAN_SECONDS)
            ring.await_hints_drained(ring.limits.hints.seconds)
            return self._stale_gossip(ring) or self._too_many_tables(ring)
        except (WaitTimeout, LabError, LabGone, TimeoutError) as error:
            return str(error)

    @staticmethod
    def _stale_gossip(ring: Ring) -> str | None:
        present = set(ring.addresses().values())
        for host, known in zip(ring.hosts, ring.each(lambda host: host.gossip_addresses()), strict=True):
            if isinstance(known, Exception):
                return f"{host.spec.who}: {known}"
            if set(known) - present:
                return f"{host.spec.who} still gossips about {sorted(set(known) - present)}"
        return None

    @staticmethod
    def _too_many_tables(ring: Ring) -> str | None:
        counts = ring.each(lambda host: host.count_tables(), ring.hosts[:1])
        return f"{counts[0]} tables" if isinstance(counts[0], Exception) or counts[0] > HEAP_TABLES else None

    def close(self) -> None:
        """End the lab and everything in it."""
        if self._ring is not None:
            self._ring.clusters.close()
            self._ring = None
        if self._handle is not None:
            self._handle.close()
            self._handle = None

    def __enter__(self) -> StandingRing:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
