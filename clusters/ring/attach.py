"""A formed ring written down, and taken up again by another process while its clusters stand.

`ring.json` holds what a ring is and how it was formed; with it, anybody of the same user can conduct on the ring.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from clusters.errors import ProvisionFailed, UsageError
from clusters.providers import LAB, provider
from clusters.ring.config import seed_names
from clusters.ring.limits import ring_limits
from clusters.ring.ring import Ring, bind_datacenters
from clusters.ring.standing import StandingRing
from clusters.topology import Topology

RING = "ring.json"


def write_ring(standing: StandingRing, ring: Ring) -> None:
    """Write ring.json beside the ring's hosts: what attach() needs, and what a reader of the bundle wants to know."""
    declared = ring.topology.ring
    assert declared is not None
    addresses = ring.addresses()
    limits = (ring.limits.conviction, ring.limits.restart, ring.limits.hints, ring.limits.reconnect)
    facts = {
        "schema": 1,
        "provider": standing.provider,
        "set": standing.set_name,
        "folder": str(ring.folder.resolve().relative_to(standing.folder.resolve())),
        "topology": ring.topology.name,
        "cluster_name": ring.cluster_name,
        **declared.model_dump(mode="json", exclude={"datacenters"}),
        "seeds": list(ring.seeds),
        "hosts": [host.as_json(addresses[host.spec.who]) for host in ring.hosts],
        "limits": {limit.name: limit.as_json() for limit in limits},
        "rules": standing._rules,
        "rebuilt": list(standing.rebuilt),
        "reset": list(standing.resets),
        "ran": list(ring.ran),
    }
    _write(standing.folder / RING, facts)


def read_ring(folder: Path) -> dict[str, Any]:
    """What ring.json in ``folder`` says; UsageError when there is none that can be read."""
    try:
        facts = json.loads((folder / RING).read_bytes())
    except (OSError, ValueError) as error:
        raise UsageError(f"{folder / RING} cannot be read ({error}): no ring was formed there") from error
    return dict(facts)


def attach(set_name: str, topology: Topology, folder: Path) -> Ring:
    """The ring that stands on a set of clusters, taken up from its ring.json.

    Every host is asked who it is: ProvisionFailed when one does not answer, or is not the host that was written down.
    """
    facts = read_ring(folder)
    declared = topology.ring
    if declared is None:
        raise UsageError(f"topology {topology.name} declares no ring, so none can be taken up")
    clusters = provider(facts.get("provider", LAB)).attach(topology, set_name)
    ring = Ring(
        topology,
        clusters,
        facts["cluster_name"],
        folder / facts["folder"],
        bind_datacenters(topology, clusters),
        ring_limits(topology),
        tuple(seed_names(topology)),
        list(facts["ran"]),
    )
    known = {host["pod"]: host["host_id"] for host in facts["hosts"]}
    for host, view in zip(ring.hosts, ring.views(), strict=True):
        if isinstance(view, Exception):
            raise ProvisionFailed(f"{host.spec.who} of the held ring does not answer: {view}; take it down")
        if view.host_id != known[host.spec.pod]:
            raise ProvisionFailed(f"{host.spec.who} is host {view.host_id}, not {known[host.spec.pod]} as {RING} says")
        host.host_id = view.host_id
        host.alarms.clear()  # the log was read from its start: those were told by the scenarios before
    return ring


class HeldRing(StandingRing):
    """A ring that another process holds: lent while it is clean, never rebuilt and never ended from here."""

    def __init__(
        self, set_name: str, topology: Topology, folder: Path, step: Callable[[str], None] = lambda _text: None
    ) -> None:
        super().__init__(topology, folder, set_name.partition("/")[0], step)
        self._held_name = set_name
        self._facts = read_ring(folder)
        self.provider = self._facts.get("provider", LAB)
        self._held = attach(set_name, topology, folder)
        self._rules = dict(self._facts["rules"])

    @property
    def set_name(self) -> str:
        """The name under which the holder keeps the clusters."""
        return self._held_name

    @property
    def hosts_folder(self) -> Path:
        """Where the logs of its hosts are written."""
        return self._held.folder / "hosts"

    def ring(self) -> Ring:
        """The ring; ProvisionFailed with the reason when the last scenario left it unclean."""
        reason = self.unclean(self._held)
        if reason is not None:
            raise ProvisionFailed(f"the held ring is not clean: {reason}; take it down and up again")
        return self._held

    def close(self) -> None:
        """Write down what ran on it, and give the lease back; the ring stays."""
        _write(self.folder / RING, {**self._facts, "ran": list(self._held.ran)})
        self._held.clusters.close()


def _write(path: Path, facts: dict[str, Any]) -> None:
    with tempfile.NamedTemporaryFile("w", dir=path.parent, prefix=f".{path.name}.", delete=False) as file:
        json.dump(facts, file, indent=1, sort_keys=True)
    Path(file.name).chmod(0o644)
    Path(file.name).replace(path)
