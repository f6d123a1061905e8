"""Every row of the outcome table has its test, and no row is out of reach behind another."""

from __future__ import annotations

import pytest
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
from cassandra.connection import ConnectionException, ConnectionShutdown
from cassandra.protocol import (
    ErrorMessage,
    IsBootstrappingErrorMessage,
    OverloadedErrorMessage,
    ServerError,
    TruncateError,
    error_classes,
)

from scenarios import session
from scenarios.outcomes import TABLE, classify

QUORUM, LOCAL_QUORUM, SERIAL, LOCAL_SERIAL = (
    ConsistencyLevel.QUORUM,
    ConsistencyLevel.LOCAL_QUORUM,
    ConsistencyLevel.SERIAL,
    ConsistencyLevel.LOCAL_SERIAL,
)
SENT = ("10.0.0.1",)


def message(kind, code):
    return kind(code, "text", None)


# row of the table, error, addresses tried, outcome of a read, of a plain write (also counter, batch), of a transaction
CASES = [
    ("no host, nothing sent", NoHostAvailable("none", {}), (), "fail", "fail", "fail"),
    ("no host, something sent", NoHostAvailable("none", {}), SENT, "fail", "info", "info"),
    ("unavailable for paxos", Unavailable("down", consistency=SERIAL), SENT, "fail", "fail", "fail"),
    ("unavailable for paxos", Unavailable("down", consistency=LOCAL_SERIAL), SENT, "fail", "fail", "fail"),
    ("unavailable", Unavailable("down", consistency=QUORUM), SENT, "fail", "fail", "info"),
    ("unavailable", Unavailable("down", consistency=LOCAL_QUORUM), SENT, "fail", "fail", "info"),
    *[
        (f"write {row}", error(row, write_type=number, consistency=LOCAL_QUORUM), SENT, "fail", "info", "info")
        for row, error in (("timeout", WriteTimeout), ("failure", WriteFailure))
        for number in WriteType.value_to_name
    ],
    ("read timeout", ReadTimeout("slow", consistency=SERIAL), SENT, "fail", "info", "info"),
    ("read failure", ReadFailure("no", consistency=SERIAL), SENT, "fail", "info", "info"),
    ("cas write unknown", message(ErrorMessage, 0x1700), SENT, "fail", "info", "info"),
    ("server error", message(ServerError, 0x0000), SENT, "fail", "info", "info"),
    ("overloaded", message(OverloadedErrorMessage, 0x1001), SENT, "fail", "info", "info"),
    ("bootstrapping", message(IsBootstrappingErrorMessage, 0x1002), SENT, "fail", "info", "info"),
    ("truncate error", message(TruncateError, 0x1003), SENT, "fail", "info", "info"),
    ("client timeout", OperationTimedOut(), SENT, "fail", "info", "info"),
    ("connection lost", ConnectionException("reset"), SENT, "fail", "info", "info"),
    ("connection lost", ConnectionShutdown("closed"), SENT, "fail", "info", "info"),
    ("unknown", KeyError("surprise"), SENT, "fail", "info", "info"),
    ("unknown", message(ErrorMessage, 0x2200), SENT, "fail", "info", "info"),
]


@pytest.mark.parametrize(
    ("row", "error", "attempted", "read", "write", "lwt"),
    CASES,
    ids=[f"{case[0]}: {'-'.join(filter(None, classify(*case[1:2], 'lwt', case[2]).triple))}" for case in CASES],
)
def test_row(row, error, attempted, read, write, lwt):
    found = [classify(error, kind, attempted) for kind in ("read", "write", "counter", "batch", "lwt")]
    assert [verdict.outcome for verdict in found] == [read, write, write, write, lwt]
    assert {verdict.row for verdict in found} == {row}


def test_every_row_has_a_test_that_reaches_it():
    names = [row.name for row in TABLE]
    assert {classify(error, "lwt", attempted).row for _, error, attempted, *_ in CASES} == set(names)
    assert len(set(names)) == len(names)


@pytest.mark.parametrize("kind", ["write", "counter", "batch", "lwt"])
@pytest.mark.parametrize("error", [Exception("new"), BaseException(), message(ErrorMessage, 0x7777)])
def test_what_nobody_has_thought_of_may_have_happened(kind, error):
    assert [classify(error, kind, attempted).outcome for attempted in ((), SENT)] == ["info", "info"]


def test_no_raw_error_message_claims_that_a_write_did_not_happen():
    claimed = {
        kind.__name__
        for code, kind in error_classes.items()
        if classify(message(kind, code), "write", SENT).outcome != "info"
    }
    assert len(error_classes) > 10
    assert claimed == set()


def test_the_error_names_write_type_and_consistency():
    error = WriteTimeout("slow", write_type=WriteType.CAS, consistency=SERIAL)
    assert classify(error, "lwt", SENT).triple == ("WriteTimeout", "CAS", "SERIAL")


def test_an_error_code_without_a_class_is_named_by_its_code():
    assert classify(message(ErrorMessage, 0x1700), "lwt", SENT).triple == ("ErrorMessage 0x1700", "", "")


def test_long_texts_are_cut():
    assert len(classify(ValueError("x" * 5000), "write", SENT).error[3]) == 300


def test_the_level_that_the_driver_does_not_know_has_a_name():
    error = ReadTimeout("slow", consistency=session.NODE_LOCAL)
    assert classify(error, "read", SENT).triple == ("ReadTimeout", "", "NODE_LOCAL")
