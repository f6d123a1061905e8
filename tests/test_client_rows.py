"""The workloads of plain writes: what they ask, and what they make of the rows that come back."""

from __future__ import annotations

import dataclasses
import itertools

import pytest

from clusters.errors import UsageError
from scenarios.workloads import batch, counter, ledger, probe, registers
from scenarios.workloads.declared import Batch, Counter, Ledger, ProbeLane, Registers
from scenarios.workloads.operation import Levels
from tests.client_fakes import PLACE

OTHER = dataclasses.replace(PLACE, datacenter="west", client_number=4)


def taken(behaviour, count):
    return list(itertools.islice(iter(behaviour.next, None), count))


# ledger


def test_a_list_of_levels_is_shared_out_to_the_writers():
    levels = ("LOCAL_QUORUM", "EACH_QUORUM")
    writers = ledger.behaviours(PLACE, Ledger(consistency=levels, clients=4))
    assert [writer.next().levels.cl for writer in writers] == [*levels, *levels]
    with pytest.raises(UsageError, match="at least as many clients"):
        ledger.behaviours(PLACE, Ledger(consistency=levels, clients=1))


def test_a_ledger_without_deletes_deletes_nothing_and_remembers_nothing():
    writer = ledger.Writer(PLACE, Ledger(), 0)
    for operation in taken(writer, 50):
        assert operation.f == "write"
        writer.settled(operation, "ok", None)
    assert writer._acked == []


def test_a_delete_takes_an_acknowledged_row_of_its_own_once():
    writer = ledger.Writer(PLACE, Ledger(deletes=0.5), 0)
    outcomes = itertools.cycle(["ok", "info", "fail"])
    written, acked, deleted = set(), set(), []
    for _ in range(300):
        operation = writer.next()
        row = (operation.key, operation.value)
        if operation.f == "delete":
            assert row in acked
            deleted.append(row)
            writer.settled(operation, "info", None)
            continue
        assert row not in written
        written.add(row)
        outcome = next(outcomes)
        if outcome == "ok":
            acked.add(row)
        writer.settled(operation, outcome, None)
    assert len(deleted) > 50
    assert len(set(deleted)) == len(deleted)


def test_a_delete_names_its_row_at_the_level_of_its_writer():
    writer = ledger.Writer(PLACE, Ledger("QUORUM", deletes=1.0), 0)
    first = writer.next()
    writer.settled(first, "ok", None)
    operation = writer.next()
    assert (operation.f, operation.kind, operation.levels.cl) == ("delete", "write", "QUORUM")
    assert operation.cql == "DELETE FROM rp_test.ledger WHERE bucket = %s AND id = %s"
    assert operation.parameters == (operation.key, operation.value) == (first.key, first.value)
    assert writer.next().f == "write"  # nothing is left to delete


def test_ledger_reads_take_the_buckets_in_turn_and_answer_sorted():
    reader = ledger.reader(PLACE, Ledger(buckets=3, reads=1.0, read_consistency="QUORUM"))
    reads = taken(reader, 5)
    assert [read.key for read in reads] == [0, 1, 2, 0, 1]
    assert reads[0].levels == Levels("QUORUM")
    assert reads[0].interpret([{"id": 5}, {"id": 2}]) == [2, 5]


# registers


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


def test_deletes_of_a_register_have_numbers_of_the_same_sequence():
    operations = taken(registers.Writer(PLACE, Registers(deletes=0.3), 3000), 100)
    assert [operation.value for operation in operations] == list(range(1, 101))
    deletes = [operation for operation in operations if operation.f == "delete"]
    assert 15 < len(deletes) < 45
    assert {(each.cql, each.parameters) for each in deletes} == {
        ("DELETE FROM rp_test.registers WHERE key = %s", (3000,))
    }
    assert {operation.f for operation in taken(registers.Writer(PLACE, Registers(), 3000), 100)} == {"write"}


def test_registers_are_read_at_the_level_of_their_writes_or_at_their_own():
    def levels(declared):
        return {each.next().f: each.next().levels.cl for each in registers.behaviours(PLACE, declared)}

    assert levels(Registers("QUORUM")) == {"write": "QUORUM", "read": "QUORUM"}
    mixed = Registers("EACH_QUORUM", read_consistency="LOCAL_QUORUM")
    assert levels(mixed) == {"write": "EACH_QUORUM", "read": "LOCAL_QUORUM"}


# counter


def test_an_increment_adds_a_small_number_to_a_shared_key():
    operations = taken(counter.Adder(PLACE, Counter("QUORUM", keys=3), 0), 200)
    assert {operation.key for operation in operations} == {0, 1, 2}
    assert {operation.value for operation in operations} == set(range(1, 10))
    one = operations[0]
    assert (one.f, one.kind, one.levels.cl) == ("add", "counter", "QUORUM")
    assert (one.cql, one.parameters) == ("UPDATE rp_test.counters SET value = value + %s WHERE key = %s",
                                         (one.value, one.key))  # fmt: skip
    assert one.interpret([]) is None


def test_a_counter_reads_as_its_sum_or_none():
    read = counter.reader(PLACE, Counter()).next()
    assert (read.f, read.interpret([{"value": 12}]), read.interpret([])) == ("read", 12, None)


# batch


def test_a_batch_writes_one_id_into_two_partitions():
    operation = batch.Writer(PLACE, Batch(), 0).next()
    bucket, value = operation.key, operation.value
    assert operation.parameters == (bucket, value, batch.RIGHT + bucket, value)
    assert operation.cql.startswith("BEGIN BATCH INSERT INTO rp_test.batch_left")
    assert operation.cql.count("INSERT INTO") == 2
    assert (operation.f, operation.kind) == ("write", "batch")


def test_the_partitions_of_a_batch_never_meet():
    """Equal partition keys would make one mutation of the two rows, which needs no batch log."""
    keys = range(1000)
    assert not {batch.RIGHT + key for key in keys} & set(keys)


def test_a_read_of_a_batch_asks_both_tables_and_answers_both():
    read = batch.read(PLACE, 2, Levels("ALL"))
    assert (read.before.parameters, read.parameters, read.joined) == ((2,), (batch.RIGHT + 2,), True)
    assert ("batch_left" in read.before.cql, "batch_right" in read.cql) == (True, True)
    rows = [{"left_id": 4}, {"left_id": 1}, {"right_id": 3}]
    assert read.interpret(rows) == {"left": [1, 4], "right": [3]}
    assert read.interpret([]) == {"left": [], "right": []}


# probe


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
