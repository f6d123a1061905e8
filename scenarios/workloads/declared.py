"""What a scenario declares as its load: frozen values, plain JSON on the way to the client.

Rates are operations per second *per datacenter* (one client process each), all lanes of the workload together
unless said otherwise. The defaults keep six hosts on two cores unsaturated.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

ONE = "ONE"
ALL = "ALL"
QUORUM = "QUORUM"
LOCAL_QUORUM = "LOCAL_QUORUM"
EACH_QUORUM = "EACH_QUORUM"
SERIAL = "SERIAL"
LOCAL_SERIAL = "LOCAL_SERIAL"
NODE_LOCAL = "NODE_LOCAL"


@dataclass(frozen=True)
class Spec:
    """Everything that is declared can be told to another process."""

    def as_spec(self) -> dict[str, Any]:
        """Plain JSON values; the client's `workloads` entry."""
        return asdict(self)


@dataclass(frozen=True)
class Ledger(Spec):
    """Unique rows, never overwritten: whoever acknowledges one must still have it at the end.

    ``consistency`` may be several levels: writer i uses the i-th, in turn, so have at least as many ``clients``.
    """

    consistency: str | tuple[str, ...] = LOCAL_QUORUM
    rate: float = 12.0
    clients: int = 2
    buckets: int = 8
    workload: Literal["ledger"] = "ledger"

    @property
    def levels(self) -> tuple[str, ...]:
        """The declared consistency levels as a tuple."""
        return (self.consistency,) if isinstance(self.consistency, str) else self.consistency

    @property
    def total_rate(self) -> float:
        """Operations per second of one client process."""
        return self.rate


@dataclass(frozen=True)
class Registers(Spec):
    """One writer and ``readers`` readers for each of ``keys`` keys of every datacenter: reads never go back.

    ``rate`` is the writes per second over all keys; each reader reads as often as the writer writes.
    """

    consistency: str = LOCAL_QUORUM
    rate: float = 6.0
    keys: int = 3
    readers: int = 1
    workload: Literal["registers"] = "registers"

    @property
    def total_rate(self) -> float:
        """Operations per second of one client process."""
        return self.rate * (1 + self.readers)


@dataclass(frozen=True)
class LwtLog(Spec):
    """Appends by lightweight transaction to few shared partitions, read back whole at the serial level.

    The default rate of 4 per datacenter keeps two datacenters below 10 LWT per second: contention beyond that
    makes the server give up (`cas_contention_timeout`, 1.8 s) and turns evidence into `info`.
    """

    rate: float = 4.0
    clients: int = 2
    keys: int = 4
    read_share: float = 0.3
    workload: Literal["log"] = "log"

    @property
    def total_rate(self) -> float:
        """Operations per second of one client process."""
        return self.rate


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

    @property
    def total_rate(self) -> float:
        """Operations per second of one client process."""
        return sum(lane.rate for lane in self.lanes)


Declared = Ledger | Registers | LwtLog | Probe
