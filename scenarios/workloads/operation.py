"""One operation of a workload and what came back: plain values, so that tests need no database."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from clusters.errors import UsageError
from scenarios.outcomes import Kind, Outcome

Rows = Sequence[Mapping[str, Any]]
Value = int | tuple[int | None, int] | None

WORKER_BITS = 32  # an id is (client number x 64 + worker) << 32 | count: below 2^53, exact in any JSON reader
WORKERS_PER_CLIENT = 64


@dataclass(frozen=True)
class Levels:
    """The consistency of an operation: ``cl`` is what the history shows, ``wire`` what the request carries.

    They differ for lightweight transactions only: the history shows the serial level, because that decides who
    may serve it, and the request carries the level of the commit beside it.
    """

    cl: str
    serial: str | None = None
    commit: str | None = None

    @classmethod
    def paxos(cls, serial: str) -> Levels:
        """A transaction at ``serial``, committed at the quorum of the same electorate."""
        return cls(serial, serial, "LOCAL_QUORUM" if serial == "LOCAL_SERIAL" else "QUORUM")

    @property
    def wire(self) -> str:
        """The consistency level of the request itself."""
        return self.commit or self.cl


@dataclass(frozen=True)
class Operation:
    """What is asked (`f`, `key`, `value` as in docs/formats.md) and the CQL that asks it.

    ``interpret`` makes the history's `out` from the rows of a success. ``before`` is asked first, within the same
    recorded interval; when it is refused, the operation ends so and is not sent. Its rows are only part of the
    answer, ahead of the operation's own, when ``joined``.
    """

    f: str
    key: int
    value: Value
    kind: Kind
    levels: Levels
    cql: str
    parameters: tuple[object, ...]
    interpret: Callable[[Rows], object] = field(default=lambda rows: None, repr=False)
    before: Operation | None = None
    joined: bool = False


@dataclass(frozen=True)
class Reply:
    """The end of one request: rows or an error, and which hosts had to do with it.

    ``coordinator`` is the host_id that answered, or None; ``attempted`` are addresses.
    """

    rows: Rows = ()
    error: BaseException | None = None
    coordinator: str | None = None
    attempted: tuple[str, ...] = ()


Done = Callable[[Reply], None]


class Driver(Protocol):
    """Sends operations; `session.Session` does it to Cassandra, tests bring their own."""

    def submit(self, lane: str, operation: Operation, done: Done) -> None:
        """Send and call ``done`` exactly once, from any thread; raises nothing."""


def send(driver: Driver, lane: str, operation: Operation, done: Done) -> None:
    """Send ``operation`` after what comes ``before`` it; ``done`` is called exactly once, with the end of all."""
    first = operation.before
    if first is None:
        driver.submit(lane, operation, done)
        return

    def answered(reply: Reply) -> None:
        if reply.error is not None:
            done(reply)
            return
        rows = reply.rows if operation.joined else ()
        driver.submit(lane, operation, lambda last: done(replace(last, rows=(*rows, *last.rows))))

    driver.submit(lane, first, answered)


class Behaviour(Protocol):
    """The client side of one lane of a workload: which operation comes next, and what was learnt from the last."""

    @property
    def workload(self) -> str:
        """The workload's name in the history."""

    @property
    def name(self) -> str:
        """The lane's name, unique within a client."""

    def next(self) -> Operation:
        """The next operation; never the same value twice."""

    def settled(self, operation: Operation, outcome: Outcome, out: object) -> None:
        """Learn from the end of ``operation``."""


@dataclass(frozen=True)
class Place:
    """Who this client is: what makes its values, keys and random choices its own.

    ``epoch_ns`` is a moment of CLOCK_MONOTONIC that all clients of a scenario know, for what they do in step.
    """

    datacenter: str
    keyspace: str
    client_number: int
    seed: int
    epoch_ns: int = 0

    def table(self, name: str) -> str:
        """The qualified name of a table of this scenario's keyspace."""
        return f"{self.keyspace}.{name}"

    def random_seed(self, purpose: str) -> str:
        """A seed of its own for each purpose, all from the one printed seed."""
        return f"{self.seed}/{self.datacenter}/{self.client_number}/{purpose}"

    def ids(self, worker: int) -> Iterator[int]:
        """Numbers that no other worker of any client of this scenario uses; UsageError when it has too many workers."""
        if worker >= WORKERS_PER_CLIENT:
            raise UsageError(f"worker {worker} of one workload: a client has at most {WORKERS_PER_CLIENT} of them")
        owner = self.client_number * WORKERS_PER_CLIENT + worker
        return ((owner << WORKER_BITS) | number for number in itertools.count(1))
