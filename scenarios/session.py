"""How this project talks CQL: one driver profile that never retries, one clock for timestamps, pinned reads.

The driver's default policies silently send a write again to another host after a connection error, which would
fake evidence; `FallthroughRetryPolicy` is the only one that never does (driver 3.30 `policies.py`).
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from cassandra import ConsistencyLevel
from cassandra.cluster import EXEC_PROFILE_DEFAULT, Cluster, DefaultConnection, ExecutionProfile, NoHostAvailable
from cassandra.policies import (
    ConstantReconnectionPolicy,
    DCAwareRoundRobinPolicy,
    FallthroughRetryPolicy,
    RetryPolicy,
    WhiteListRoundRobinPolicy,
)
from cassandra.query import SimpleStatement, dict_factory

from clusters.errors import EnvironmentUnfit, ProvisionFailed, WaitTimeout
from clusters.waiting import until
from scenarios.workloads.operation import Done, Operation, Reply

REQUEST_TIMEOUT = 6.0  # seconds; above every server time-out (read 5, write 2, counter 5), so the server's word wins
CONNECT_TIMEOUT = 3.0  # seconds
HEARTBEAT = 2  # seconds; a black-holed connection is noticed after interval + time-out
PIN_TIMEOUT = 10.0  # seconds to reach one given host
AGREEMENT_TIMEOUT = 30  # seconds that a schema change may take to reach all hosts
NODE_LOCAL = 11  # code in o.a.c.db.ConsistencyLevel (4.1, 5.0); needs -Dcassandra.enable_nodelocal_queries=true

# The driver names levels in its errors by this table and would raise KeyError for the one it does not know.
ConsistencyLevel.value_to_name.setdefault(NODE_LOCAL, "NODE_LOCAL")
ConsistencyLevel.name_to_value.setdefault("NODE_LOCAL", NODE_LOCAL)


def assert_libev() -> None:
    """Make sure that the driver runs on libev; its other reactors are gone (asyncore) or experimental (asyncio)."""
    if DefaultConnection.__name__ != "LibevConnection":
        raise EnvironmentUnfit(
            f"cassandra-driver uses {DefaultConnection.__name__} instead of libev: install the binary wheel of "
            "cassandra-driver 3.30 for this Python (it holds libevwrapper), not the source package"
        )


@dataclass
class SharedTimestamps:
    """Write timestamps in microseconds that no clock step can turn back and that no two clients share.

    All clients of a machine that were given the same anchor agree to within scheduling; values grow strictly
    within a process; the lowest 6 bits are the client number (0-63), so two clients never tie.
    """

    wall_us: int
    monotonic_ns: int
    client_number: int
    clock: Callable[[], int] = time.monotonic_ns
    _last: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    CLIENTS = 64

    def __call__(self) -> int:
        """The next timestamp, in microseconds since 1970."""
        with self._lock:
            now = self.wall_us + (self.clock() - self.monotonic_ns) // 1000
            tick = max(now // self.CLIENTS, self._last + 1)
            self._last = tick
            return tick * self.CLIENTS + self.client_number % self.CLIENTS

    def step(self, offset_us: int) -> None:
        """Sabotage: go on as a machine whose clock was stepped by ``offset_us``, also backwards."""
        with self._lock:
            self.wall_us += offset_us
            self._last = 0


def profile(
    datacenter: str, cl: str, serial: str | None = None, retry: Literal["fallthrough", "default"] = "fallthrough"
) -> ExecutionProfile:
    """The profile of every recorded client: local hosts in turn, nothing is ever sent twice.

    ``retry`` "default" is sabotage: the driver then sends a write again to another host after a connection error.
    """
    return _profile(DCAwareRoundRobinPolicy(datacenter), cl, serial, retry)


def pinned_profile(address: str, cl: str) -> ExecutionProfile:
    """The profile that talks to one host only."""
    return _profile(WhiteListRoundRobinPolicy([address]), cl)


def _profile(
    balancing: object, cl: str, serial: str | None = None, retry: Literal["fallthrough", "default"] = "fallthrough"
) -> ExecutionProfile:
    return ExecutionProfile(
        load_balancing_policy=balancing,
        retry_policy=FallthroughRetryPolicy() if retry == "fallthrough" else RetryPolicy(),
        consistency_level=ConsistencyLevel.name_to_value[cl],
        serial_consistency_level=ConsistencyLevel.name_to_value[serial] if serial else None,
        request_timeout=REQUEST_TIMEOUT,
        row_factory=dict_factory,
    )


def cluster_of(
    contact_points: Sequence[str],
    port: int,
    profiles: Mapping[str, ExecutionProfile],
    timestamps: Callable[[], int] | None = None,
) -> Any:
    """A driver `Cluster`, not connected yet; one per process and purpose, made after any fork.

    The first of ``profiles`` is the default one: the driver's own default would connect to hosts nobody asked for.
    """
    assert_libev()
    return Cluster(
        contact_points=list(contact_points),
        port=port,
        protocol_version=5,
        execution_profiles={EXEC_PROFILE_DEFAULT: next(iter(profiles.values())), **profiles},
        timestamp_generator=timestamps,
        reconnection_policy=ConstantReconnectionPolicy(1.0, max_attempts=None),
        idle_heartbeat_interval=HEARTBEAT,
        idle_heartbeat_timeout=HEARTBEAT,
        connect_timeout=CONNECT_TIMEOUT,
        control_connection_timeout=10,
        max_schema_agreement_wait=0,  # Session.define waits itself, once
        executor_threads=8,
        status_event_refresh_window=1,
        topology_event_refresh_window=2,
        compression=False,
        monitor_reporting_enabled=False,
        schema_metadata_enabled=False,
        token_metadata_enabled=False,
    )


@dataclass(frozen=True)
class Session:
    """A connected session that sends `Operation`s and answers with plain values (`operation.Driver`)."""

    cluster: Any
    session: Any

    @classmethod
    def connect(
        cls,
        contact_points: Sequence[str],
        port: int,
        profiles: Mapping[str, ExecutionProfile],
        timestamps: Callable[[], int] | None = None,
        timeout: float = 60.0,
    ) -> Session:
        """Connect, trying again for ``timeout`` seconds while no contact point answers."""

        def attempt() -> Session:
            cluster = cluster_of(contact_points, port, profiles, timestamps)
            try:
                return cls(cluster, cluster.connect())
            except BaseException:
                cluster.shutdown()
                raise

        what = f"CQL session with one of {', '.join(contact_points)} port {port}"
        return until(what, attempt, timeout=timeout, every=0.5, tolerate=(NoHostAvailable,))

    @classmethod
    def pinned(cls, host_id: str, address: str, port: int, cl: str, *, lane: str) -> Session:
        """Connect to one host and no other; raises ProvisionFailed when another host answers at its address."""
        session = cls.connect([address], port, {lane: pinned_profile(address, cl)}, timeout=PIN_TIMEOUT)
        found = [str(host.host_id) for host in session.hosts() if host.endpoint.address == address]
        if found != [host_id]:
            session.close()
            raise ProvisionFailed(f"at {address} answers host {found} instead of {host_id}: pass its current address")
        return session

    def hosts(self) -> list[Any]:
        """All hosts of the ring that the driver knows, as driver `Host` objects."""
        return list(self.cluster.metadata.all_hosts())

    def submit(self, lane: str, operation: Operation, done: Done) -> None:
        """Send ``operation`` by the profile named ``lane``; ``done`` is called once, on the driver's loop thread."""
        statement = SimpleStatement(
            operation.cql,
            consistency_level=ConsistencyLevel.name_to_value[operation.levels.wire],
            serial_consistency_level=_serial(operation),
            fetch_size=None,
        )
        try:
            future = self.session.execute_async(statement, operation.parameters, execution_profile=lane)
        except Exception as error:  # noqa: BLE001 - whatever the driver raises is the operation's end, to be classified
            done(Reply(error=error))
            return
        future.add_callbacks(
            lambda rows: done(_reply(future, rows=tuple(rows or ()))),
            lambda error: done(_reply(future, error=error)),
        )

    def define(self, statements: Sequence[str]) -> None:
        """Change the schema; returns when all hosts that are up have it, else raises ProvisionFailed.

        All statements go to one coordinator, which orders them, so agreement is waited for once, after the last, and by
        asking the same host: any other may not have heard of the change yet, and sees everybody agree on what was
        before (the driver's own wait asks whichever host its control connection has, and leaves out peers that have no
        version yet). A host publishes a version once its tables are open (SchemaManager.mergeAndUpdateVersion, 5.0).
        """
        for cql in statements:
            self._change(cql)
        behind: list[str] = []

        def agreed() -> bool:
            behind[:] = self._behind(self._coordinator())
            return not behind

        try:
            until("schema agreement", agreed, timeout=AGREEMENT_TIMEOUT, tolerate=(NoHostAvailable,))
        except WaitTimeout as error:
            told = ", ".join(behind) or str(error)
            raise ProvisionFailed(
                f"no schema agreement after {AGREEMENT_TIMEOUT} s: {told}; is a host out of reach?"
            ) from error

    def _change(self, cql: str) -> None:
        """Send what may be sent twice: the driver drops a host that a young ring's peers do not list yet."""

        def sent() -> bool:
            self.session.execute(cql, timeout=AGREEMENT_TIMEOUT, host=self._coordinator())
            return True

        try:
            until("a host for the schema change", sent, timeout=AGREEMENT_TIMEOUT, tolerate=(NoHostAvailable,))
        except WaitTimeout as error:
            raise ProvisionFailed(f"no schema agreement: {error}") from error

    def _coordinator(self) -> Any:
        address = self.cluster.contact_points[0]
        host = self.cluster.metadata.get_host(address)
        if host is None:
            raise NoHostAvailable(f"the driver does not know {address} now", {})
        return host

    def _behind(self, coordinator: Any) -> list[str]:
        """Which hosts that are up have another schema than the coordinator, as the coordinator knows them."""
        (own,) = self.session.execute("SELECT schema_version FROM system.local", host=coordinator)
        peers = self.session.execute("SELECT native_address, schema_version FROM system.peers_v2", host=coordinator)
        return [
            f"{row['native_address']} has version {row['schema_version']}"
            for row in peers
            if row["schema_version"] != own["schema_version"] and self._is_up(row["native_address"])
        ]

    def _is_up(self, address: Any) -> bool:
        known = self.cluster.metadata.get_host(str(address))
        return known is None or known.is_up is not False

    def close(self) -> None:
        """Close every connection."""
        self.cluster.shutdown()


def _serial(operation: Operation) -> int | None:
    serial = operation.levels.serial
    return ConsistencyLevel.name_to_value[serial] if serial else None


def _reply(future: Any, rows: tuple[dict[str, Any], ...] = (), error: BaseException | None = None) -> Reply:
    coordinator = future.coordinator_host
    attempted = [str(host.endpoint.address) for host in future.attempted_hosts or ()]
    if coordinator is not None and coordinator.endpoint.address not in attempted:
        attempted.append(str(coordinator.endpoint.address))  # the answer overtook the driver's own note
    host_id = str(coordinator.host_id) if coordinator is not None and coordinator.host_id else None
    return Reply(rows, error, host_id, tuple(attempted))
