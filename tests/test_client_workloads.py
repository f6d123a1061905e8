"""What every declared workload has in common: specs, rates, tables, final reads, unique values."""

from __future__ import annotations

import dataclasses
import json
import re

import pytest
from pydantic import TypeAdapter

from clusters.errors import UsageError
from scenarios.load import final_requests
from scenarios.workloads import plan, tables
from scenarios.workloads.declared import (
    DEFAULT_LANES,
    SERIAL,
    Batch,
    CasRegister,
    Counter,
    Declared,
    Ledger,
    LwtLog,
    Probe,
    ProbeLane,
    Registers,
    Sabotage,
)
from scenarios.workloads.lanes import SECOND
from scenarios.workloads.operation import WORKERS_PER_CLIENT, Operation, Reply, send
from tests.client_fakes import OK, PLACE, TIMED_OUT, FakeSession, write

OTHER = dataclasses.replace(PLACE, datacenter="west", client_number=4)
ALL = [Ledger(), Registers(), LwtLog(), CasRegister(), Counter(), Batch(), Probe()]
VARIANTS = [
    Ledger(consistency=("LOCAL_QUORUM", "EACH_QUORUM"), deletes=0.1, reads=4.0, read_consistency="QUORUM"),
    Registers("EACH_QUORUM", deletes=0.2, read_consistency="LOCAL_QUORUM"),
    LwtLog(serial="LOCAL_SERIAL", home=False),
    CasRegister("LOCAL_SERIAL", clients=3, plain_share=0.1, home=False),
    Counter("QUORUM", reads=0.0),
    Batch("EACH_QUORUM"),
    Probe((ProbeLane("read", "ONE", 1.0),), in_flight=3),
]
NAMES = [*(declared.workload for declared in ALL), *(f"{declared.workload} variant" for declared in VARIANTS)]


@pytest.mark.parametrize("declared", ALL + VARIANTS, ids=NAMES)
def test_a_declaration_survives_the_way_to_the_client(declared):
    assert TypeAdapter(Declared).validate_json(json.dumps(declared.as_spec())) == declared


def test_a_sabotage_survives_the_way_to_the_client():
    sabotage = Sabotage(clock_offset_us=-5_000_000, retry="default")
    assert TypeAdapter(Sabotage).validate_json(json.dumps(sabotage.as_spec())) == sabotage
    assert Sabotage() == Sabotage(0, "fallthrough")


# rates


@pytest.mark.parametrize("workloads", [ALL, VARIANTS], ids=["defaults", "variants"])
def test_lanes_hold_the_declared_rates(workloads):
    lanes = plan.lanes(PLACE, workloads)
    assert sum(lane.rate for lane in lanes) == pytest.approx(sum(declared.total_rate for declared in workloads))
    assert {lane.in_flight for lane in lanes if lane.behaviour.workload not in ("probe", "cas", "log")} == {1}


@pytest.mark.parametrize("clients", [1, 3])
def test_the_clients_of_a_cas_key_meet(clients):
    lanes = plan.lanes(PLACE, [CasRegister(rate=12.0, keys=4, clients=clients)])
    assert {(lane.together, lane.in_flight) for lane in lanes} == {(clients, clients)}
    assert [lane.interval for lane in lanes] == [round(clients / 3.0 * SECOND)] * 4  # 3 a second on each key


def test_a_probe_has_a_lane_for_each_question():
    assert len(plan.lanes(PLACE, [Probe()])) == len(DEFAULT_LANES)


def test_the_defaults_of_all_workloads_leave_six_hosts_room():
    everything = [dataclasses.replace(each, reads=4.0) if isinstance(each, Ledger) else each for each in ALL]
    transactions = sum(each.total_rate for each in ALL if each.workload in ("log", "cas"))
    transactions += sum(lane.rate for lane in DEFAULT_LANES if lane.kind == "cas")
    assert 2 * sum(each.total_rate for each in everything) <= 150
    assert 2 * transactions <= 30


def test_only_those_who_wait_for_others_think():
    thinking = {lane.behaviour.workload for lane in plan.lanes(PLACE, ALL) if lane.thinks}
    assert thinking == {"log", "cas"}


def test_readers_are_only_there_when_they_are_asked_for():
    workloads = [Ledger(), Counter(reads=0.0), Batch(reads=0.0)]
    assert not [lane for lane in plan.lanes(PLACE, workloads) if "reader" in lane.behaviour.name]
    workloads = [Ledger(reads=2.0), Counter(), Batch()]
    readers = {
        lane.behaviour.name: lane.rate for lane in plan.lanes(PLACE, workloads) if "reader" in lane.behaviour.name
    }
    assert readers == {"ledger reader": 2.0, "counter reader": 0.5, "batch reader": 0.5}


def test_process_names_count_within_a_workload():
    lanes = [lane for lane in plan.lanes(PLACE, ALL) if lane.behaviour.workload == "ledger"]
    assert [lane.take().name for lane in lanes] == ["east-ledger-0", "east-ledger-1"]


@pytest.mark.parametrize(
    ("workloads", "words"),
    [
        ([Ledger(rate=1000)], "at most 250"),
        ([Ledger(), Ledger()], "declared twice"),
        ([Ledger(rate=0)], "above 0"),
        ([CasRegister(rate=0)], "above 0"),
        ([CasRegister(clients=0)], "1 client or more"),
        ([LwtLog(clients=0)], "1 client or more"),
        ([CasRegister(keys=17)], "1 to 16 keys"),
        ([CasRegister(clients=4)], "8 clients would contend"),
        ([CasRegister("LOCAL_SERIAL", clients=7)], "7 clients would contend"),
        ([CasRegister("LOCAL_SERIAL", clients=4, home=False)], "8 clients would contend"),
        ([Batch(clients=WORKERS_PER_CLIENT + 1)], "at most 64"),
    ],
)
def test_a_load_that_cannot_be_is_refused(workloads, words):
    with pytest.raises(UsageError, match=words):
        plan.lanes(PLACE, workloads)


# values


@pytest.mark.parametrize("declared", [Ledger(clients=3), LwtLog(), CasRegister(), Batch(clients=3)])
def test_values_are_unique_over_workers_and_clients_and_exact_in_json(declared):
    lanes = [lane for place in (PLACE, OTHER) for lane in plan.lanes(place, [declared])]
    asked = [lane.behaviour.next() for lane in lanes if "reader" not in lane.behaviour.name for _ in range(200)]
    values = [each.value[1] if each.f == "cas" else each.value for each in asked if each.f != "read"]
    assert len(values) > 200
    assert len(set(values)) == len(values)
    assert max(values) < 2**53


@pytest.mark.parametrize("declared", ALL + VARIANTS, ids=NAMES)
def test_the_same_seed_asks_the_same_questions(declared):
    def asked(place):
        return [
            (operation.f, operation.key, operation.value)
            for lane in plan.lanes(place, [declared])
            for operation in (lane.behaviour.next() for _ in range(10))
        ]

    place = dataclasses.replace(PLACE, epoch_ns=2**62)  # before the first turn of keys: no clock decides
    assert asked(place) == asked(place)
    if not isinstance(declared, Probe | Registers):  # there nothing but deletes is left to chance
        assert asked(place) != asked(dataclasses.replace(place, seed=8))


# final reads


def levels_of(declared):
    return [(request["workload"], request["cl"]) for request in final_requests(declared, {"h1": "10.0.0.1"})]


def test_final_reads_are_asked_at_the_levels_that_must_show_it():
    assert [levels_of(declared) for declared in ALL] == [
        [("ledger", "NODE_LOCAL"), ("ledger", "LOCAL_QUORUM"), ("ledger", "ALL")],
        [("registers", "LOCAL_QUORUM")],
        [("log", "SERIAL")],
        [("cas", "SERIAL")],
        [("counter", "ALL")],
        [("batch", "LOCAL_QUORUM"), ("batch", "ALL")],
        [],
    ]
    assert levels_of(LwtLog(serial="LOCAL_SERIAL")) == [("log", "LOCAL_SERIAL")]
    assert levels_of(CasRegister("LOCAL_SERIAL")) == [("cas", "LOCAL_SERIAL")]


def test_only_replicas_own_rows_are_pinned():
    requests = final_requests(Ledger(), {"h1": "10.0.0.1"})
    assert [request.get("hosts") for request in requests] == [{"h1": "10.0.0.1"}, None, None]


@pytest.mark.parametrize(
    ("declared", "keys"),
    [
        (Ledger(buckets=3), [0, 1, 2]),
        (Registers(keys=2), [3000, 3001]),
        (LwtLog(keys=2), [0, 1]),
        (LwtLog(keys=2, serial="LOCAL_SERIAL"), [4000, 4001]),
        (Counter(keys=2), [0, 1]),
        (Batch(buckets=2), [0, 1]),
        (CasRegister(), []),  # no key was active yet
    ],
)
def test_final_reads_cover_every_key(declared, keys):
    reads = plan.final_reads(PLACE, [Probe(), declared], declared.workload, SERIAL)
    assert [read.key for read in reads] == keys
    assert {(read.f, read.kind, read.levels.cl, read.value) for read in reads} <= {("read", "read", SERIAL, None)}


def test_final_reads_of_something_else_are_refused_with_what_there_is():
    with pytest.raises(UsageError, match="'probe'; this client has: ledger, log"):
        plan.final_reads(PLACE, [Ledger(), LwtLog(), Probe()], "probe", "ALL")


# tables


def test_the_schema_names_every_datacenter_and_the_tables_of_what_is_declared():
    keyspace, *made = tables.statements("rp_test", {"east": 3, "west": 2}, {"ledger", "batch"}, "NONE")
    assert "'class': 'NetworkTopologyStrategy', 'east': 3, 'west': 2" in keyspace
    assert [re.search(r"rp_test\.(\w+)", cql)[1] for cql in made] == ["ledger", "batch_left", "batch_right", "probe"]
    assert all("read_repair = 'NONE' AND speculative_retry = 'NEVER'" in cql for cql in made)


def test_every_table_that_is_asked_is_made_for_its_workload():
    for declared in ALL:
        made = tables.statements("rp_test", {"east": 3}, {declared.workload})[1:]
        asked = [lane.behaviour.next() for lane in plan.lanes(PLACE, [declared]) for _ in range(5)]
        asked += [each.before for each in asked if each.before]
        names = {name for each in asked for name in re.findall(r"rp_test\.\w+", each.cql)}
        assert names | {"rp_test.probe"} == {re.search(r"rp_test\.\w+", cql)[0] for cql in made}


@pytest.mark.parametrize(
    ("keyspace", "replication", "read_repair"),
    [
        ("Bad; DROP", {"east": 1}, "NONE"),
        ("ok", {}, "NONE"),
        ("ok", {"e'ast": 1}, "NONE"),
        ("ok", {"east": 0}, "NONE"),
        ("ok", {"east": 1}, "SOME"),
    ],
)
def test_what_would_not_stand_in_cql_is_refused(keyspace, replication, read_repair):
    with pytest.raises(UsageError):
        tables.statements(keyspace, replication, ["ledger"], read_repair)


# one operation of two statements

FIRST = Operation("create", 1, None, "lwt", write().levels, "FIRST", ())
ROWS = [Reply(rows=({"a": 1},)), Reply(rows=({"a": 2},), coordinator="host-2")]


def sent(operation, *replies):
    session, ends = FakeSession(), []
    session.replies.extend(replies)
    send(session, "lane", operation, ends.append)
    return [asked.cql for _, asked in session.sent], ends


def test_an_operation_alone_is_sent_as_it_is():
    assert sent(write(), OK) == (["INSERT"], [OK])


@pytest.mark.parametrize(("joined", "rows"), [(False, ({"a": 2},)), (True, ({"a": 1}, {"a": 2}))])
def test_what_comes_before_is_answered_first_and_adds_its_rows_when_joined(joined, rows):
    asked, ends = sent(dataclasses.replace(write(), before=FIRST, joined=joined), *ROWS)
    assert asked == ["FIRST", "INSERT"]
    assert [(end.rows, end.coordinator) for end in ends] == [(rows, "host-2")]


def test_an_operation_is_not_sent_after_a_first_step_of_unknown_end():
    asked, ends = sent(dataclasses.replace(write(), before=FIRST), TIMED_OUT)
    assert (asked, ends) == (["FIRST"], [TIMED_OUT])
