"""The load of a scenario: one client process per datacenter, in a pod that no fault touches."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from clusters.cluster import Process
from clusters.errors import RingproofError
from clusters.ring.config import CQL_PORT
from clusters.ring.ring import Datacenter, Ring
from clusters.waiting import until
from scenarios.workloads.declared import CasRegister, Declared, LwtLog, Sabotage

READY_SECONDS = 60.0
"""The client itself gives up after 60 s (scenarios.client, connect_timeout)."""
SCHEMA_SECONDS = 90.0
"""Schema agreement 30 s (session.AGREEMENT_TIMEOUT), as much for the statements, and as much room."""
WARM_SECONDS = 30.0
"""For the first answers of a ring that has just formed; 2-4 s (measured)."""
STOP_SECONDS = 30.0
FINAL_SECONDS = 60.0
FINAL_LEVELS = {
    "ledger": ("LOCAL_QUORUM", "ALL"),
    "registers": ("LOCAL_QUORUM",),
    "counter": ("ALL",),
    "batch": ("LOCAL_QUORUM", "ALL"),
    "probe": (),
}
"""Levels of the final reads; transactions are read at their serial level."""


class ClientFailed(RingproofError):
    """A workload client could not do what it was told; its own words are in the message."""


class Client:
    """One client process."""

    def __init__(self, datacenter: Datacenter, talk: Process, log: Path) -> None:
        self.datacenter = datacenter
        self._talk = talk
        self._log = log

    def await_ready(self) -> None:
        """Wait for the client's first event; ClientFailed shows what it said instead."""

        def ready() -> bool:
            if self._talk.ended:
                raise ClientFailed(f"the client of {self.datacenter.name} ended: {self._said()}")
            return any(event.get("event") == "ready" for event in self._talk.events)

        until(f"client of {self.datacenter.name} connected", ready, timeout=READY_SECONDS)

    def tell(self, do: str, timeout: float, **arguments: Any) -> dict[str, Any]:
        """One command and its answer."""
        answer = self._talk.ask({"do": do, **arguments}, timeout)
        if answer["event"] == "error":
            raise ClientFailed(f"the client of {self.datacenter.name} could not {do}: {answer['message']}")
        return answer

    def close(self) -> None:
        """Close its standard input; it closes its history and leaves."""
        self._talk.close()

    def _said(self) -> str:
        return self._log.read_text(errors="replace")[-800:] if self._log.exists() else "nothing"


def final_requests(workload: Declared, pins: Mapping[str, str]) -> list[dict[str, Any]]:
    """The entries of a client's `final` command for one workload; ``pins`` are addresses by host_id."""
    if isinstance(workload, LwtLog | CasRegister):
        levels: tuple[str, ...] = (workload.serial,)
    else:
        levels = FINAL_LEVELS[workload.workload]
    reads: list[dict[str, Any]] = [{"workload": workload.workload, "cl": level} for level in levels]
    if workload.workload == "ledger":
        # replicas alone first: a read at more than one level would repair what it finds missing
        reads.insert(0, {"workload": "ledger", "cl": "NODE_LOCAL", "hosts": dict(pins)})
    return reads


class Load:
    """All clients of one scenario."""

    def __init__(self, ring: Ring, folder: Path, keyspace: str, seed: int) -> None:
        self.ring = ring
        self._folder = folder
        self._keyspace = keyspace
        self._seed = seed
        self._sabotage: dict[str, Sabotage] = {}
        self.clients: list[Client] = []

    def open(
        self,
        workloads: Sequence[Declared],
        read_repair: str = "BLOCKING",
        sabotage: Mapping[str, Sabotage] | None = None,
    ) -> None:
        """Connect every client and create the schema; traffic begins with start().

        ``sabotage``, by datacenter, is what a negative control makes wrong in that datacenter's client.
        """
        self._sabotage = dict(sabotage or {})
        moment = {"wall_us": time.time_ns() // 1000, "monotonic_ns": time.monotonic_ns()}
        for number, datacenter in enumerate(self.ring.datacenters):
            self.clients.append(self._spawn(number, datacenter, workloads, moment))
        for client in self.clients:
            client.await_ready()
        replication = {datacenter.name: datacenter.replication_factor for datacenter in self.ring.datacenters}
        self.clients[0].tell("schema", SCHEMA_SECONDS, replication=replication, read_repair=read_repair)
        self._warm()

    def _warm(self) -> None:
        """Every lane of every client was answered by every coordinator of its datacenter."""

        def warm(client: Client) -> str | None:
            hosts = len(client.datacenter.hosts)
            cold = client.tell("warm", WARM_SECONDS + STOP_SECONDS, times=hosts, deadline=WARM_SECONDS)["cold"]
            return f"{', '.join(cold)} in {client.datacenter.name}" if cold else None

        with ThreadPoolExecutor(len(self.clients)) as pool:
            cold = [name for name in pool.map(warm, self.clients) if name is not None]
        if cold:
            raise ClientFailed(f"a healthy ring did not answer {'; '.join(cold)} within {WARM_SECONDS:g} s")

    def _spawn(
        self, number: int, datacenter: Datacenter, workloads: Sequence[Declared], moment: Mapping[str, int]
    ) -> Client:
        addresses = self.ring.addresses()
        name = f"client-{self._keyspace}-{datacenter.name}"
        spec = {
            "datacenter": datacenter.name,
            "contact_points": [addresses[host.spec.who] for host in datacenter.hosts],
            "port": CQL_PORT,
            "keyspace": self._keyspace,
            "history": str((self._folder / "history").resolve()),
            "seed": self._seed,
            "client_number": number,
            "workloads": [workload.as_spec() for workload in workloads],
            "timestamps": dict(moment),
        }
        if datacenter.name in self._sabotage:
            spec["sabotage"] = self._sabotage[datacenter.name].as_spec()
        path = self._folder / f"client-{datacenter.name}.json"
        path.write_text(json.dumps(spec, indent=1))
        pod = self.ring.clusters.cluster(datacenter.cluster.name).pod("client")
        talk = pod.spawn(name, [pod.python, "-m", "scenarios.client", str(path.resolve())])
        logs = self.ring.folder / "hosts" / f"{datacenter.cluster.name}-client"
        return Client(datacenter, talk, logs / f"{name}.err")

    def start(self) -> None:
        """Begin the traffic."""
        for client in self.clients:
            client.tell("start", STOP_SECONDS)

    def stop(self) -> dict[str, Any]:
        """End the traffic and wait for what is in flight; counts by datacenter."""
        return {client.datacenter.name: client.tell("stop", STOP_SECONDS) for client in self.clients}

    def counts(self) -> dict[str, Any]:
        """Operations so far by datacenter."""
        return {client.datacenter.name: client.tell("counts", STOP_SECONDS) for client in self.clients}

    def final_reads(self, workloads: Sequence[Declared]) -> None:
        """Ask in every datacenter what is there now: local quorum, every replica alone, and all replicas at once."""
        addresses = self.ring.addresses()
        for client in self.clients:
            pins = {host.host_id: addresses[host.spec.who] for host in client.datacenter.hosts}
            reads = [request for workload in workloads for request in final_requests(workload, pins)]
            if reads:
                client.tell("final", FINAL_SECONDS + STOP_SECONDS, reads=reads, deadline=FINAL_SECONDS)

    def close(self) -> None:
        """End every client."""
        for client in self.clients:
            client.close()
        self.clients.clear()
