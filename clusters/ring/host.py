"""One live host of the ring and what it says of itself and of the others."""

from __future__ import annotations

import re
import threading
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from clusters.cluster import Cluster, Pod
from clusters.ring.config import CQL_PORT, HostSpec

ASK_SECONDS = 5.0
"""The default read time-out of a host (cassandra.yaml read_request_timeout)."""
ONE, ALL = 1, 5
"""Consistency codes of the native protocol (native_protocol_v4.spec, section 3)."""
UNUSED_KEY = -1
HINTS = "{{VOLUME}}/hints"
UUID_LENGTH = 36
"""A hint file is called `<host_id>-<milliseconds>-<version>.hints` (HintsDescriptor)."""
LOG = "{{LOGS}}/system.log"
STATEMENTS = (
    "SELECT JSON host_id, data_center, rack, schema_version, broadcast_address, bootstrapped, cluster_name,"
    " release_version FROM system.local",
    "SELECT JSON peer, host_id, data_center, rack, schema_version FROM system.peers_v2",
)
LIVENESS = re.compile(r"InetAddress \S*/([0-9.]+):\d+ is now (UP|DOWN)|JVM vendor/version")
"""Gossiper's words on a peer, and the first words of a start, which knows nobody to be up."""
ALARM = re.compile(r"^ERROR|linearizability(?!_)|lists no seeds|already exists, cancelling join|own seed list")


@dataclass(frozen=True, slots=True)
class View:
    """What one host holds for true at one moment; addresses are strings, identities host_ids."""

    host_id: str
    address: str
    datacenter: str
    rack: str
    schema: str
    peers: tuple[dict[str, str], ...]
    down: tuple[str, ...]
    hints: dict[str, int]

    @property
    def addresses(self) -> dict[str, str]:
        """host_id to address of every host that it knows, itself included."""
        return {self.host_id: self.address, **{peer["host_id"]: peer["address"] for peer in self.peers}}


@dataclass
class Host:
    """One host: its pod, its host_id once known, and how far its log was read."""

    spec: HostSpec
    cluster: Cluster
    host_id: str = ""
    up: set[str] = field(default_factory=set)
    alarms: list[str] = field(default_factory=list)
    _offset: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def pod(self) -> Pod:
        """The pod that runs it now."""
        return self.cluster.pod(self.spec.pod)

    @property
    def address(self) -> str:
        """The pod's address now."""
        return self.pod.state().address

    def view(self) -> View:
        """Ask the host itself, over CQL from its own pod; ConnectionError or TimeoutError when it does not answer."""
        pod = self.pod
        state = pod.state()
        request = {"do": "query", "address": state.address, "port": CQL_PORT, "timeout": ASK_SECONDS}
        answer = pod.probe({**request, "statements": STATEMENTS}, ASK_SECONDS + 1)
        if not answer["ok"]:
            raise ConnectionError(f"{self.spec.who}: {answer['error']}")
        self.read_log()
        (local,), peers = answer["rows"]
        known = tuple(
            {
                "host_id": str(peer["host_id"]),
                "address": str(peer["peer"]),
                "datacenter": str(peer["data_center"]),
                "rack": str(peer["rack"]),
                "schema": str(peer["schema_version"]),
            }
            for peer in peers
        )
        down = tuple(sorted(peer["host_id"] for peer in known if peer["address"] not in self.up))
        return View(
            local["host_id"],
            local["broadcast_address"],
            local["data_center"],
            local["rack"],
            local["schema_version"],
            known,
            down,
            self.hints(),
        )

    def gossip_addresses(self) -> list[str]:
        """Addresses that this host still gossips about, those on their way out included."""
        # one column only: the table resolves a host name per row when asked for everything (GossipInfoTable)
        rows = self._select("SELECT JSON address FROM system_views.gossip_info")
        return [str(row["address"]) for row in rows]

    def count_tables(self) -> int:
        """Tables of every keyspace."""
        return len(self._select("SELECT JSON table_name FROM system_schema.tables"))

    def hints(self) -> dict[str, int]:
        """Hint files on its disk, by the host_id that they are for.

        `system_views.pending_hints` does not list the file that is being written (measured on 5.0.9: empty for 18 s
        while three files waited for the dispatcher), so it cannot say that nothing waits.
        """
        request = {"do": "names_in", "path": HINTS, "suffix": ".hints"}
        answer = self.pod.probe(request, ASK_SECONDS)
        return dict(Counter(name[:UUID_LENGTH] for name in answer["names"]))

    def count_batches(self) -> int:
        """Logged batches that this host keeps until it is sure of them; it plays old ones again every 10 s."""
        return len(self._select("SELECT JSON id FROM system.batches"))

    def reads_at_all(self, table: str) -> str | None:
        """None when this host, as coordinator, had an answer of every replica of one partition, else what it says.

        The key is one that nobody writes, so the read repairs nothing.
        """
        try:
            self._select(f"SELECT JSON key FROM {table} WHERE key = {UNUSED_KEY}", ALL)
        except (ConnectionError, TimeoutError) as error:
            return str(error)
        return None

    def _select(self, statement: str, consistency: int = ONE) -> list[dict[str, Any]]:
        pod = self.pod
        request = {"do": "query", "address": pod.state().address, "port": CQL_PORT, "timeout": ASK_SECONDS + 1}
        request["consistency"] = consistency
        answer = pod.probe({**request, "statements": [statement]}, ASK_SECONDS + 2)
        if not answer["ok"]:
            raise ConnectionError(f"{self.spec.who}: {answer['error']}")
        rows: list[dict[str, Any]] = answer["rows"][0]
        return rows

    def read_log(self) -> list[str]:
        """Read the log on from where it was left: whom it holds for up, and its alarms; returns new alarms."""
        with self._lock:
            pattern = f"{LIVENESS.pattern}|{ALARM.pattern}"
            request = {"do": "tail", "path": LOG, "offset": self._offset, "pattern": pattern}
            answer = self.pod.probe(request, ASK_SECONDS)
            if not answer["ok"]:
                return []
            self._offset = answer["offset"]
            fresh = [line for line in answer["lines"] if ALARM.search(line)]
            for line in answer["lines"]:
                self._note(line)
            self.alarms.extend(fresh)
            return fresh

    def _note(self, line: str) -> None:
        found = LIVENESS.search(line)
        if found is None:
            return
        address, state = found.groups()
        if address is None:
            self.up.clear()
        elif state == "UP":
            self.up.add(address)
        else:
            self.up.discard(address)

    def as_json(self, address: str) -> dict[str, Any]:
        """Its entry in a scenario's facts."""
        spec = self.spec
        return {
            "pod": spec.pod,
            "host_id": self.host_id,
            "datacenter": spec.datacenter,
            "rack": spec.rack,
            "cluster": spec.cluster,
            "address": address,
            "name": spec.name,
            "token": spec.token,
        }
