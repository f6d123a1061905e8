"""What a scenario declares as its load: frozen values, plain JSON on the way to the client.

Rates are operations per second *per datacenter* (one client process each), all lanes of the workload together
unless said otherwise. The defaults of all workloads together keep six hosts on two cores unsaturated: at most 150
operations and 30 lightweight transactions per second over two datacenters.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields, replace
from typing import Any, Final, Literal, Self

ONE: Final = "ONE"
ALL: Final = "ALL"
QUORUM: Final = "QUORUM"
LOCAL_QUORUM: Final = "LOCAL_QUORUM"
EACH_QUORUM: Final = "EACH_QUORUM"
SERIAL: Final = "SERIAL"
LOCAL_SERIAL: Final = "LOCAL_SERIAL"
NODE_LOCAL: Final = "NODE_LOCAL"

Serial = Literal["SERIAL", "LOCAL_SERIAL"]
DATACENTERS = 2
"""Clients, one per datacenter, that share a key which has no home."""


PACES: Final = ("rate", "reads")
"""The fields that are operations per second, in every workload that has them."""


@dataclass(frozen=True)
class Spec:
    """Everything that is declared can be told to another process."""

    def as_spec(self) -> dict[str, Any]:
        """Plain JSON values; the client's `workloads` entry."""
        return asdict(self)

    def at_share(self, share: float) -> Self:
        """The same at a share of its rates, reads included; how many clients, keys and lanes there are stays."""
        paced = {field.name: getattr(self, field.name) * share for field in fields(self) if field.name in PACES}
        return replace(self, **paced)


@dataclass(frozen=True)
class Ledger(Spec):
    """Unique rows, never overwritten: whoever acknowledges one must still have it at the end.

    ``consistency`` may be several levels: writer i uses the i-th, in turn, so have at least as many ``clients``.
    ``deletes`` is the share of a writer's operations that delete a row of its own which was acknowledged.
    ``reads`` are reads per second beside the ``rate``, at ``read_consistency``, of one whole bucket after the other.
    """

    consistency: str | tuple[str, ...] = LOCAL_QUORUM
    rate: float = 12.0
    clients: int = 2
    buckets: int = 8
    deletes: float = 0.0
    reads: float = 0.0
    read_consistency: str = LOCAL_QUORUM
    workload: Literal["ledger"] = "ledger"

    @property
    def levels(self) -> tuple[str, ...]:
        """The declared consistency levels as a tuple."""
        return (self.consistency,) if isinstance(self.consistency, str) else self.consistency

    @property
    def total_rate(self) -> float:
        """Operations per second of one client process."""
        return self.rate + self.reads


@dataclass(frozen=True)
class Registers(Spec):
    """One writer and ``readers`` readers for each of ``keys`` keys of every datacenter: reads never go back.

    ``rate`` is the writes per second over all keys; each reader reads as often as the writer writes, at
    ``read_consistency`` or, without it, at the level of the writes. ``deletes`` is the share of writes that delete.
    """

    consistency: str = LOCAL_QUORUM
    rate: float = 6.0
    keys: int = 3
    readers: int = 1
    deletes: float = 0.0
    read_consistency: str | None = None
    workload: Literal["registers"] = "registers"

    @property
    def total_rate(self) -> float:
        """Operations per second of one client process."""
        return self.rate * (1 + self.readers)


@dataclass(frozen=True)
class LwtLog(Spec):
    """Appends by lightweight transaction to few shared partitions, read back whole at the serial level.

    The ``clients`` of a datacenter send at one moment to one key, and rest when the last of them was answered.

    The default rate of 4 per datacenter keeps two datacenters below 10 LWT per second: contention beyond that
    makes the server give up (`cas_contention_timeout`, 1.8 s) and turns evidence into `info`. At LOCAL_SERIAL every
    partition has a home datacenter, whose client alone touches it, because the two electorates know nothing of each
    other (apache/cassandra `service/paxos/Paxos.java`, `Electorate.get`).

    Sabotage, for negative controls: ``home=False`` lets both datacenters use the same partitions at LOCAL_SERIAL.
    """

    rate: float = 4.0
    clients: int = 2
    keys: int = 4
    read_share: float = 0.3
    serial: Serial = SERIAL
    home: bool = True
    workload: Literal["log"] = "log"

    @property
    def shared(self) -> bool:
        """Whether the clients of all datacenters use the same partitions."""
        return self.serial == SERIAL or not self.home

    @property
    def total_rate(self) -> float:
        """Operations per second of one client process."""
        return self.rate


@dataclass(frozen=True)
class CasRegister(Spec):
    """Compare-and-set by lightweight transaction on ``keys`` active keys at a time, and reads at the serial level.

    ``clients`` of each datacenter contend for one key, together at most 6: beyond that the server gives up. They send
    at one moment and rest, when the last of them was answered, for 0.5 to 1.5 times what ``rate`` leaves them. A key
    is retired for a fresh one after about 150 operations or few indeterminate ones, which keeps the search for an order
    small. At LOCAL_SERIAL every key has a home datacenter, whose client alone touches it (see `LwtLog`).

    Sabotage, for negative controls: ``plain_share`` of the operations are writes without a condition, ``home=False``
    lets both datacenters use the same keys at LOCAL_SERIAL.
    """

    serial: Serial = SERIAL
    rate: float = 6.0
    keys: int = 2
    clients: int = 2
    read_share: float = 0.3
    plain_share: float = 0.0
    home: bool = True
    workload: Literal["cas"] = "cas"

    @property
    def shared(self) -> bool:
        """Whether the clients of all datacenters use the same keys."""
        return self.serial == SERIAL or not self.home

    @property
    def total_rate(self) -> float:
        """Operations per second of one client process."""
        return self.rate


@dataclass(frozen=True)
class Counter(Spec):
    """Increments of counters that both datacenters share: a sum never lacks what was acknowledged.

    ``rate`` are the increments per second, ``reads`` the reads per second beside them, of one key after the other.
    """

    consistency: str = LOCAL_QUORUM
    rate: float = 4.0
    clients: int = 2
    keys: int = 4
    reads: float = 0.5
    read_consistency: str = LOCAL_QUORUM
    workload: Literal["counter"] = "counter"

    @property
    def total_rate(self) -> float:
        """Operations per second of one client process."""
        return self.rate + self.reads


@dataclass(frozen=True)
class Batch(Spec):
    """Logged batches of one row in each of two tables: in the end both rows are there, or none.

    ``rate`` are the batches per second, ``reads`` the reads per second beside them: one bucket after the other, of
    both tables.
    """

    consistency: str = LOCAL_QUORUM
    rate: float = 2.0
    clients: int = 1
    buckets: int = 4
    reads: float = 0.5
    read_consistency: str = LOCAL_QUORUM
    workload: Literal["batch"] = "batch"

    @property
    def total_rate(self) -> float:
        """Operations per second of one client process."""
        return self.rate + self.reads


@dataclass(frozen=True)
class ProbeLane:
    """An endless question at one consistency level; ``kind`` is write, read or cas; ``rate`` is its own, per second."""

    kind: Literal["write", "read", "cas"]
    consistency: str
    rate: float


# Ten samples a second of each kind where a service window is measured, few where only a refusal must be seen.
DEFAULT_LANES = (
    ProbeLane("write", LOCAL_QUORUM, 10.0),
    ProbeLane("read", LOCAL_QUORUM, 10.0),
    ProbeLane("write", QUORUM, 2.0),
    ProbeLane("write", EACH_QUORUM, 2.0),
    ProbeLane("read", ALL, 2.0),
    ProbeLane("cas", SERIAL, 2.0),
    ProbeLane("cas", LOCAL_SERIAL, 2.0),
)


@dataclass(frozen=True)
class Probe(Spec):
    """Who is served at which level, and when: an open loop per lane, each on a key of its own.

    ``in_flight`` bounds the open operations of one lane; what is due beyond it is counted as overflow. The default
    holds all that is due at 20 per second within the client's time-out of 6 s, so that a silent ring hides nothing.
    """

    lanes: tuple[ProbeLane, ...] = DEFAULT_LANES
    in_flight: int = 128
    workload: Literal["probe"] = "probe"

    def at_share(self, share: float) -> Self:
        """The same at a share of each lane's rate."""
        return replace(self, lanes=tuple(replace(lane, rate=lane.rate * share) for lane in self.lanes))

    @property
    def total_rate(self) -> float:
        """Operations per second of one client process."""
        return sum(lane.rate for lane in self.lanes)


Declared = Ledger | Registers | LwtLog | CasRegister | Counter | Batch | Probe


@dataclass(frozen=True)
class Sabotage(Spec):
    """What is made wrong on purpose in one datacenter's client: for negative controls, never for a promise.

    ``clock_offset_us`` steps the clock of its write timestamps, in microseconds, when the traffic starts: what the
    warm-up wrote keeps its time, so a clock that steps back loses overwrites until it has caught up. ``retry``
    "default" takes the driver's own policy, which sends a write again after a connection error.
    """

    clock_offset_us: int = 0
    retry: Literal["fallthrough", "default"] = "fallthrough"
