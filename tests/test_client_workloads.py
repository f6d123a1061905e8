"""What the workloads ask: unique values, keys of their own, and what they learn from an answer."""

from __future__ import annotations

import dataclasses
import json
import re

import pytest
from pydantic import TypeAdapter

from clusters.errors import UsageError
from scenarios.workloads import ledger, log, plan, probe, registers, tables
from scenarios.workloads.declared import (
    DEFAULT_LANES,
    Declared,
    Ledger,
    LwtLog,
    Probe,
    ProbeLane,
    Registers,
)
from scenarios.workloads.operation import Levels
from tests.client_fakes import PLACE

OTHER = dataclasses.replace(PLACE, datacenter="west", client_number=4)
ALL = [Ledger(), Registers(), LwtLog(), Probe()]


@pytest.mark.parametrize("declared", ALL, ids=lambda declared: declared.workload)
def test_a_declaration_survives_the_way_to_the_client(declared):
    assert TypeAdapter(Declared).validate_json(json.dumps(declared.as_spec())) == declared


def test_ids_are_unique_over_writers_and_clients_and_exact_in_json():
    writers = [w for place in (PLACE, OTHER) for w in ledger.behaviours(place, Ledger(clients=3))]
    values = [writer.next().value for writer in writers for _ in range(50)]
    assert len(set(values)) == len(values) == 300
    assert max(values) < 2**53


def test_a_list_of_levels_is_shared_out_to_the_writers():
    levels = ("LOCAL_QUORUM", "EACH_QUORUM")
    writers = ledger.behaviours(PLACE, Ledger(consistency=levels, clients=4))
    assert [writer.next().levels.cl for writer in writers] == [*levels, *levels]
    with pytest.raises(UsageError, match="at least as many clients"):
        ledger.behaviours(PLACE, Ledger(consistency=levels, clients=1))


def test_the_same_seed_gives_the_same_buckets():
    first, again = (ledger.Writer(PLACE, Ledger(), 0) for _ in range(2))
    assert [first.next() for _ in range(20)] == [again.next() for _ in range(20)]
    other = ledger.Writer(dataclasses.replace(PLACE, seed=8), Ledger(), 0)
    assert [first.next().key for _ in range(20)] != [other.next().key for _ in range(20)]


def test_ledger_reads_cover_every_bucket_and_answer_sorted():
    reads = ledger.final_reads(PLACE, Ledger(buckets=3), Levels("ALL"))
    assert [read.key for read in reads] == [0, 1, 2]
    assert reads[0].interpret([{"id": 5}, {"id": 2}]) == [2, 5]


def test_no_register_has_two_writers():
    assert not set(registers.keys(PLACE, Registers())) & set(registers.keys(OTHER, Registers()))


def test_a_register_grows_whatever_became_of_the_last_write():
    writer = registers.Writer(PLACE, Registers(), 3000)
    first = writer.next()
    writer.settled(first, "info", None)
    assert (first.value, writer.next().value) == (1, 2)


def test_an_absent_register_reads_as_none():
    read = registers.read(PLACE, 3000, Levels("LOCAL_QUORUM"))
    assert (read.interpret([]), read.interpret([{"seq": 4}])) == (None, 4)


def append_of(worker):
    return next(operation for operation in iter(worker.next, None) if operation.f == "append")


def test_an_append_moves_the_head_and_adds_its_row_at_the_serial_level():
    operation = append_of(log.Worker(PLACE, LwtLog(keys=1), 0))
    assert operation.parameters == (1, 0, 0, 0, 1, operation.value)
    assert (operation.levels.cl, operation.levels.wire, operation.kind) == ("SERIAL", "QUORUM", "lwt")
    assert operation.interpret([{"[applied]": True}]) == {"applied": True, "version": 1}


def test_a_local_log_commits_locally():
    operation = append_of(log.Worker(dataclasses.replace(PLACE, serial="LOCAL_SERIAL"), LwtLog(keys=1), 0))
    assert (operation.levels.serial, operation.levels.wire) == ("LOCAL_SERIAL", "LOCAL_QUORUM")


def test_a_lost_race_teaches_the_head():
    worker = log.Worker(PLACE, LwtLog(keys=1), 0)
    lost = append_of(worker)
    out = lost.interpret([{"[applied]": False, "k": 0, "ver": None, "head": 7}])
    assert out == {"applied": False, "head": 7}
    worker.settled(lost, "ok", out)
    assert append_of(worker).interpret([{"[applied]": True}]) == {"applied": True, "version": 8}


def test_an_append_of_unknown_end_leaves_the_head_as_it_was_known():
    worker = log.Worker(PLACE, LwtLog(keys=1), 0)
    worker.settled(append_of(worker), "info", None)
    assert append_of(worker).parameters[:3] == (1, 0, 0)


def test_a_log_read_teaches_the_head_and_knows_an_empty_partition():
    worker = log.Worker(PLACE, LwtLog(keys=1), 0)
    read = log.read(PLACE, 0, Levels("SERIAL"))
    assert read.interpret([{"ver": None, "id": None}]) == []
    worker.settled(read, "ok", read.interpret([{"ver": 1, "id": 11}, {"ver": 2, "id": 12}]))
    assert append_of(worker).parameters[:3] == (3, 0, 2)


def test_log_ids_are_never_used_twice():
    workers = [w for place in (PLACE, OTHER) for w in log.behaviours(place, LwtLog(clients=2))]
    values = [append_of(worker).value for worker in workers for _ in range(30)]
    assert len(set(values)) == 120


def test_every_probe_lane_has_a_key_of_its_own():
    lanes = [ProbeLane(kind, cl, 1) for kind in ("write", "read", "cas") for cl in ("ONE", "QUORUM", "SERIAL")]
    keys = [probe.key_of(place, lane) for place in (PLACE, OTHER) for lane in lanes]
    assert len(set(keys)) == len(keys)
    assert max(keys) < 2**31


def test_a_compare_and_set_expects_what_it_last_saw_on_its_key():
    question = probe.Question(PLACE, ProbeLane("cas", "SERIAL", 2))
    first, *others = [question.next() for _ in range(probe.CAS_KEYS)]
    assert {asked.parameters[2] for asked in (first, *others)} == {None}
    question.settled(first, "ok", first.interpret([{"[applied]": False, "value": 41}]))
    for asked in others:
        question.settled(asked, "ok", asked.interpret([{"[applied]": True}]))

    again = [question.next() for _ in range(probe.CAS_KEYS)]
    assert [asked.key for asked in again] == [first.key, *(asked.key for asked in others)]
    assert [asked.parameters[2] for asked in again] == [41, *(asked.value for asked in others)]


def test_a_compare_and_set_never_contends_with_one_of_its_own():
    question = probe.Question(PLACE, ProbeLane("cas", "SERIAL", 4))
    keys = [question.next().key for _ in range(probe.CAS_KEYS)]

    assert len(set(keys)) == probe.CAS_KEYS
    assert set(keys) <= set(range(probe.key_of(PLACE, question.lane), probe.key_of(PLACE, question.lane) + 256))


def test_a_compare_and_set_of_unknown_end_changes_nothing_that_was_seen():
    question = probe.Question(PLACE, ProbeLane("cas", "SERIAL", 2))
    question.settled(question.next(), "info", None)
    others = [question.next() for _ in range(probe.CAS_KEYS - 1)]

    assert others
    assert question.next().parameters[2] is None


def test_lanes_hold_the_declared_rates():
    lanes = plan.lanes(PLACE, ALL)
    assert sum(lane.rate for lane in lanes) == pytest.approx(sum(declared.total_rate for declared in ALL))
    assert {lane.in_flight for lane in lanes if lane.behaviour.workload != "probe"} == {1}
    assert len([lane for lane in lanes if lane.behaviour.workload == "probe"]) == len(DEFAULT_LANES)


def test_process_names_count_within_a_workload():
    lanes = [lane for lane in plan.lanes(PLACE, ALL) if lane.behaviour.workload == "ledger"]
    assert [lane.take().name for lane in lanes] == ["east-ledger-0", "east-ledger-1"]


@pytest.mark.parametrize(
    ("workloads", "words"),
    [
        ([Ledger(rate=1000)], "at most 250"),
        ([Ledger(), Ledger()], "declared twice"),
        ([Ledger(rate=0)], "above 0"),
    ],
)
def test_a_load_that_cannot_be_is_refused(workloads, words):
    with pytest.raises(UsageError, match=words):
        plan.lanes(PLACE, workloads)


def test_final_reads_of_something_else_are_refused_with_what_there_is():
    with pytest.raises(UsageError, match="'probe'; this client has: ledger, log"):
        plan.final_reads(PLACE, [Ledger(), LwtLog(), Probe()], "probe", "ALL")


def test_only_the_log_needs_first_rows_and_gets_them_by_transaction():
    rows = plan.first_rows(PLACE, ALL)
    assert [row.key for row in rows] == [0, 1, 2, 3]
    assert all(row.kind == "lwt" and row.cql.endswith("IF NOT EXISTS") for row in rows)


def test_the_schema_names_every_datacenter_and_table():
    keyspace, *made = tables.statements("rp_test", {"east": 3, "west": 2}, "NONE")
    assert "'class': 'NetworkTopologyStrategy', 'east': 3, 'west': 2" in keyspace
    assert [re.search(r"rp_test\.(\w+)", cql)[1] for cql in made] == ["ledger", "registers", "log", "probe"]
    assert all("read_repair = 'NONE' AND speculative_retry = 'NEVER'" in cql for cql in made)


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
        tables.statements(keyspace, replication, read_repair)
