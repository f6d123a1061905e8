"""Faults of the near-linear decider that the first mutants showed to go unnoticed."""

from __future__ import annotations

import random

import pytest

from scenarios.checks.linear.registers import PAIRS_KEPT, contradicted, unique
from tests import histories
from tests.histories import operation
from tests.test_linear_registers import read, write
from tests.test_survivors_linear_rules import read_from_a_file


@pytest.mark.parametrize("f", ["append", "cas", "delete", "swap", "write-if"])
def test_any_other_operation_belongs_to_another_decider(f):
    assert not unique([operation("east-w-1", f, (1, 2), value=1)], None)


def test_what_is_equal_need_not_be_the_same_object():
    """Values and times of a file are objects of their own."""
    told = 0
    for seed in range(400):
        rng = random.Random(seed)
        operations = histories.shaken(rng, histories.simulated(rng, 9), 1)
        here = [(item.anomaly, [each["op"] for each in item.operations]) for item in contradicted(operations, None)]
        there = contradicted(read_from_a_file(operations), None)
        assert [(item.anomaly, [each["op"] for each in item.operations]) for item in there] == here
        told += len(here)
    assert told > 100


def test_a_long_history_is_unique_too():
    writes = [write(value, value, value + 1) for value in range(1, 400)]

    assert unique(writes, None)
    assert not unique([*writes, write(300, 500, 501)], None)


@pytest.mark.parametrize(("ended", "anomalies"), [(2, ["future-read"]), (3, []), (4, [])])
def test_a_read_may_end_at_the_stamp_at_which_its_write_was_sent(ended, anomalies):
    assert [item.anomaly for item in contradicted([read(1, 1, ended), write(1, 3, 5)], None)] == anomalies


def test_of_the_first_value_no_earlier_sight_is_needed():
    early, newer, late = read(None, 1, 2), write(1, 3, 4), read(None, 5, 6)
    (finding,) = contradicted([early, newer, late], None)

    assert [item["invoke"] for item in finding.operations] == [3, 5]


def test_the_first_of_those_between_and_the_last_after_them_are_told():
    operations = [write(1, 1, 2), write(2, 3, 20), read(2, 5, 6), read(2, 4, 7), read(1, 9, 10), read(1, 11, 12)]
    (finding,) = contradicted(operations, None)

    assert [item["invoke"] for item in finding.operations] == [1, 5, 11]
    assert finding.at == 11


def test_five_pairs_are_told_at_most_beside_what_no_order_can_explain():
    writes = [write(value, 2 * value, 2 * value + 1) for value in range(1, 9)]
    stale = [read(value, 100 + value, 101 + value) for value in (1, 2)]
    garbage = [read(value, 50, 51) for value in (91, 92, 93, 94, 95, 96, 97)]
    found = [item.anomaly for item in contradicted([*writes, *stale, *garbage], None)]

    assert (found.count("garbage"), found.count("stale-read"), PAIRS_KEPT) == (7, 5, 5)
