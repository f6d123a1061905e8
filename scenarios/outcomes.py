"""What one driver outcome says about an operation: `ok`, `fail` (certainly not) or `info` (may have, may still).

A time-out is not a failure. The table below is read from the top and the first row that matches decides; the
last row matches everything, so an exception that nobody has thought of is `info` on a write. Sources: Cassandra
5.0 `StorageProxy.java`, `service/paxos/Paxos.java`, `exceptions/ExceptionCode.java`; driver 3.30 `cluster.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from cassandra import (
    ConsistencyLevel,
    OperationTimedOut,
    ReadFailure,
    ReadTimeout,
    Unavailable,
    WriteFailure,
    WriteTimeout,
    WriteType,
)
from cassandra.cluster import NoHostAvailable
from cassandra.connection import ConnectionException
from cassandra.protocol import ErrorMessage

Kind = Literal["read", "write", "lwt", "counter", "batch"]
Outcome = Literal["ok", "fail", "info"]
Triple = tuple[str, str, str]

CAS_WRITE_UNKNOWN = 0x1700  # ExceptionCode.CAS_WRITE_UNKNOWN; the driver has no class for it
SERVER_ERROR, OVERLOADED, IS_BOOTSTRAPPING, TRUNCATE_ERROR = 0x0000, 0x1001, 0x1002, 0x1003
SERIAL_LEVELS = {"SERIAL", "LOCAL_SERIAL"}
TEXT_LIMIT = 300  # characters of an error's text that go into a history line


@dataclass(frozen=True)
class Row:
    """One row of the table: which errors it takes, and what they say about each kind of operation.

    Reads are always `fail`: a read has no effect of its own and an answer that never came is not used. Increments and
    logged batches are plain writes here: both check that enough replicas are alive before anything is sent, a batch
    also before its batch log (`StorageProxy.mutateCounter`, `mutateAtomically`), and any time-out leaves them open.
    """

    name: str
    takes: Callable[[BaseException, bool], bool]
    write: Outcome
    lwt: Outcome
    why: str
    read: Outcome = "fail"

    def outcome(self, kind: Kind) -> Outcome:
        """What the row says about an operation of this kind."""
        if kind == "read":
            return self.read
        return self.lwt if kind == "lwt" else self.write


@dataclass(frozen=True)
class Classified:
    """The verdict over one error, with the words that go into the history.

    ``error`` is [exception type, write type or "", consistency or "", text], as in docs/formats.md.
    """

    outcome: Outcome
    row: str
    error: tuple[str, str, str, str]

    @property
    def triple(self) -> Triple:
        """(exception type, write type, consistency) without the text."""
        return self.error[:3]


def _is(*types: type[BaseException]) -> Callable[[BaseException, bool], bool]:
    return lambda error, attempted: isinstance(error, types)


def _no_host(sent: bool) -> Callable[[BaseException, bool], bool]:
    return lambda error, attempted: isinstance(error, NoHostAvailable) and attempted is sent


def _code(*codes: int) -> Callable[[BaseException, bool], bool]:
    return lambda error, attempted: isinstance(error, ErrorMessage) and getattr(error, "code", None) in codes


def _unavailable_in_paxos(error: BaseException, attempted: bool) -> bool:
    return isinstance(error, Unavailable) and _consistency(error) in SERIAL_LEVELS


TABLE: tuple[Row, ...] = (
    Row("no host, nothing sent", _no_host(sent=False), "fail", "fail", "no request left this process"),
    Row("no host, something sent", _no_host(sent=True), "info", "info", "the first host may have applied it"),
    Row("unavailable for paxos", _unavailable_in_paxos, "fail", "fail", "thrown before any proposal"),
    Row("unavailable", _is(Unavailable), "fail", "info", "a plain write is not sent; v1 paxos commits what it decided"),
    Row("write timeout", _is(WriteTimeout), "info", "info", "some replicas may have it, whatever the write type"),
    Row("write failure", _is(WriteFailure), "info", "info", "one replica refused, another may have applied it"),
    Row("read timeout", _is(ReadTimeout), "info", "info", "v1 reads inside a round and may have proposed"),
    Row("read failure", _is(ReadFailure), "info", "info", "as the read timeout"),
    Row("cas write unknown", _code(CAS_WRITE_UNKNOWN), "info", "info", "accepted by some, not by a quorum"),
    Row("server error", _code(SERVER_ERROR), "info", "info", "the coordinator may have sent it before it failed"),
    Row("overloaded", _code(OVERLOADED), "info", "info", "a mutation before the refused one may have been sent"),
    Row("bootstrapping", _code(IS_BOOTSTRAPPING), "info", "info", "no promise says that nothing was sent"),
    Row("truncate error", _code(TRUNCATE_ERROR), "info", "info", "no promise says that nothing was sent"),
    Row("client timeout", _is(OperationTimedOut), "info", "info", "the server goes on without us"),
    Row("connection lost", _is(ConnectionException), "info", "info", "the request may have been read before the loss"),
    Row("unknown", lambda error, attempted: True, "info", "info", "what we do not know may have happened"),
)


def classify(error: BaseException, kind: Kind, attempted: Sequence[str]) -> Classified:
    """Say what ``error`` proves about an operation of this ``kind``; never claims more than the server promised.

    ``attempted`` are the addresses to which the request was sent: NoHostAvailable is `fail` only when it is
    empty. Sound only for sessions that never retry (`session.profile`).
    """
    row = next(row for row in TABLE if row.takes(error, bool(attempted)))
    words = (_type(error), _write_type(error), _consistency(error), str(error)[:TEXT_LIMIT])
    return Classified(row.outcome(kind), row.name, words)


def _type(error: BaseException) -> str:
    if type(error) is ErrorMessage:  # no class for this code
        return f"ErrorMessage 0x{getattr(error, 'code', 0):04x}"
    return type(error).__name__


def _write_type(error: BaseException) -> str:
    return _name(getattr(error, "write_type", None), WriteType.value_to_name)


def _consistency(error: BaseException) -> str:
    return _name(getattr(error, "consistency", None), ConsistencyLevel.value_to_name)


def _name(value: Any, names: dict[int, str]) -> str:
    return "" if value is None else names.get(value, str(value))
