"""The register with unique values: hand-written histories with the reason, brute force, minimal counterexamples."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scenarios.checks.linear import Question, judge_key
from scenarios.checks.linear.registers import PAIRS_KEPT, contradicted, unique
from tests import brute, histories
from tests.histories import operation


def write(value, start, end, outcome="ok", who="w"):
    return operation(f"east-{who}-{value}", "write", (start, end), outcome, value=value)


def read(value, start, end, who="r"):
    return operation(f"east-{who}-{start}", "read", (start, end), out=value)


def anomalies(operations, initial=None):
    numbered = [replace(item, op=number) for number, item in enumerate(operations)]
    assert unique(numbered, initial)
    return [finding.anomaly for finding in contradicted(numbered, initial)]


LEGAL = {
    "nothing happened": [],
    "a read of the first value": [read(None, 1, 2)],
    "a read of the latest value": [write(1, 1, 2), write(2, 3, 4), read(2, 5, 6)],
    "a read during a write may show the old value": [write(1, 1, 2), write(2, 3, 9), read(1, 5, 6)],
    "... or the new one": [write(1, 1, 2), write(2, 3, 9), read(2, 5, 6)],
    "... and first the old, then the new": [write(1, 1, 2), write(2, 3, 9), read(1, 4, 5), read(2, 6, 7)],
    "a write that returned when the read was sent ran at once with it": [write(1, 1, 2), write(2, 3, 5), read(1, 5, 6)],
    "a read that returned when the write was sent ran at once with it": [write(1, 5, 6), read(1, 1, 5)],
    "two writes at once may take effect in either order": [write(1, 1, 9), write(2, 1, 9), read(1, 10, 11)],
    "an open write that nobody saw may not have happened": [write(1, 1, 2), write(2, 3, 4, "info"), read(1, 9, 10)],
    "an open write may take effect long after": [write(1, 1, 2, "info"), read(None, 5, 6), read(1, 8, 9)],
    "a failed write that nobody saw": [write(1, 1, 2), write(2, 3, 4, "fail"), read(1, 9, 10)],
    "two reads at once may disagree": [write(1, 1, 9), read(None, 2, 8), read(1, 2, 8)],
}
ILLEGAL = {
    # 2 was acknowledged before the read was sent, and 1 before 2.
    "stale-read of an overwritten value": [write(1, 1, 2), write(2, 3, 4), read(1, 5, 6)],
    # 1 was acknowledged, so no row cannot be what is there.
    "stale-read of the first value": [write(1, 1, 2), read(None, 3, 4)],
    # The first read shows that 2 had replaced 1 (or the other way round): then 1 cannot be back.
    "stale-read after another reader": [write(1, 1, 2), write(2, 3, 20), read(2, 5, 6), read(1, 7, 8)],
    # What one read has shown is there for all who begin later, although the write is still open.
    "stale-read of an open write that was seen": [write(1, 1, 2, "info"), read(1, 3, 4), read(None, 5, 6)],
    # Both writes are open when 1, 2, 1 is seen; 2 lies wholly between the two reads of 1.
    "stale-read of three": [write(1, 1, 20), write(2, 1, 20), read(1, 2, 3), read(2, 4, 5), read(1, 6, 7)],
    # 1 and 2 are each seen early and late: whichever came first is back after the other.
    "not-linearizable": [
        *(write(1, 1, 20), write(2, 1, 20), read(1, 2, 4, "a"), read(2, 3, 5, "b")),
        *(read(1, 6, 8, "c"), read(2, 7, 9, "d")),
    ],
    # The read had returned before the write was sent.
    "future-read": [read(1, 1, 2), write(1, 3, 4)],
    "future-read of an open write": [read(1, 1, 2), write(1, 3, 4, "info")],
    # Nobody wrote 9.
    "garbage": [write(1, 1, 2), read(9, 3, 4)],
    # The server said that it did not write 1.
    "failed-visible": [write(1, 1, 2, "fail"), read(1, 3, 4)],
}


@pytest.mark.parametrize("name", LEGAL)
def test_histories_that_a_register_can_have(name):
    assert anomalies(LEGAL[name]) == []
    assert brute.linearizable(LEGAL[name])


@pytest.mark.parametrize("name", ILLEGAL)
def test_histories_that_no_register_has(name):
    assert anomalies(ILLEGAL[name]) == [name.split()[0]]
    assert not brute.linearizable(ILLEGAL[name])


def test_the_first_value_is_there_before_everything():
    assert anomalies([read(0, 1, 2), write(1, 3, 4), read(1, 5, 6)], initial=0) == []
    assert anomalies([write(1, 3, 4), read(0, 5, 6)], initial=0) == ["stale-read"]
    assert anomalies([read(None, 1, 2)], initial=0) == ["garbage"]


def test_reads_that_have_no_answer_say_nothing():
    lost = [replace(read(9, 5, 6), outcome=outcome, out=None) for outcome in ("fail", "info")]

    assert anomalies([write(1, 1, 2), *lost]) == []


def found(operations):
    (finding,) = contradicted(operations, None)
    return finding


def test_a_stale_read_is_told_with_three_operations():
    old, new, late = write(1, 1, 2), write(2, 3, 4), read(1, 7, 8)
    finding = found([late, read(2, 5, 6), read(1, 1, 2), new, old])

    assert (finding.who, finding.at) == ("east-r-7", 7)
    assert finding.operations == tuple(item.as_json() for item in (old, new, late))
    assert finding.detail == "east-r-7 read 1 of key 1 after east-w-2 had written 2, which is newer"


def test_a_read_may_be_the_proof_that_a_value_had_come():
    old, seen, late = write(1, 1, 2), read(2, 5, 6), read(1, 7, 8)
    finding = found([old, write(2, 3, 20), seen, late])

    assert finding.operations == tuple(item.as_json() for item in (old, seen, late))
    assert finding.detail == "east-r-7 read 1 of key 1 after east-r-5 had read 2, which is newer"


def test_against_the_first_value_two_operations_are_enough():
    finding = found([write(1, 1, 2), read(None, 3, 4)])

    assert [item["op"] for item in finding.operations] == [0, 0]
    assert finding.detail == "east-r-3 read no row of key 1 after east-w-1 had written 1, which is newer"


def test_two_values_that_were_each_before_the_other_are_told_with_four_operations():
    finding = found(ILLEGAL["not-linearizable"])

    assert [(item["invoke"], item["returned"]) for item in finding.operations] == [(2, 4), (3, 5), (6, 8), (7, 9)]
    assert (finding.who, finding.at) == ("east-d-7", 7)
    assert finding.detail == "key 1 was 1 before 2, and 2 before 1"


def test_the_pair_is_told_with_three_operations_whichever_value_lies_within():
    # 2 is seen from 3 to 9 and 1 from 4 to 12: a read of 1 lies within the reads of 2.
    tail = [read(2, 2, 3, "a"), read(1, 4, 5, "b"), read(2, 9, 10, "c"), read(1, 11, 12, "d")]
    finding = found([write(1, 1, 20), write(2, 1, 20), *tail])

    assert [item["process"] for item in finding.operations] == ["east-a-2", "east-b-4", "east-c-9"]


def test_a_failed_write_that_was_seen_is_told_with_its_reader():
    finding = found([write(1, 1, 2, "fail"), read(1, 3, 4)])

    assert [item["f"] for item in finding.operations] == ["write", "read"]
    assert (finding.who, finding.detail) == (
        "east-r-3",
        "east-r-3 saw 1 in key 1, whose write certainly failed",
    )


def test_a_read_from_the_future_does_not_blur_the_other_findings():
    operations = [read(1, 1, 2), write(1, 3, 4), write(2, 5, 6), read(1, 7, 8)]
    future, stale = contradicted(operations, None)

    assert (future.anomaly, future.detail) == ("future-read", "east-r-1 saw 1 in key 1 before east-w-1 sent it")
    assert [item["invoke"] for item in stale.operations] == [3, 5, 7]


def test_a_read_from_the_future_is_no_proof_of_another_contradiction():
    future, crossing = contradicted([read(1, 0, 0), *ILLEGAL["not-linearizable"]], None)

    assert future.anomaly == "future-read"
    assert [item["invoke"] for item in crossing.operations] == [2, 3, 6, 7]


def test_of_a_key_that_is_wrong_everywhere_some_pairs_are_told():
    writes = [write(value, 2 * value, 2 * value + 1) for value in range(1, 40)]

    assert anomalies([*writes, read(1, 100, 101)]) == ["stale-read"] * PAIRS_KEPT


@pytest.mark.parametrize(
    ("operations", "initial", "expected"),
    [
        ([], None, True),
        ([write(1, 1, 2), write(2, 1, 2), read(1, 3, 4), read(1, 5, 6)], None, True),
        ([write(1, 1, 2), write(1, 3, 4)], None, False),  # which write does a read name?
        ([write(1, 1, 2)], 1, False),  # the write, or what was there before?
        ([write(None, 1, 2)], None, False),
        ([operation("p", "delete", (1, 2), value=1)], None, False),
        ([operation("p", "cas", (1, 2), value=[None, 1], out={"applied": True})], None, False),
    ],
)
def test_only_reads_and_writes_of_values_of_their_own_are_unique(operations, initial, expected):
    assert unique(operations, initial) is expected


def agree(seeds, most):
    legal = 0
    for seed in seeds:
        rng = random.Random(seed)
        mix = rng.choice([histories.REGISTER, replace(histories.REGISTER, initial=0)])
        made = histories.simulated(rng, rng.randint(2, most), mix)
        operations = histories.shaken(rng, made, rng.randint(0, 2))
        assert unique(operations, mix.initial)
        verdict = not contradicted(operations, mix.initial)
        assert verdict == brute.linearizable(operations, mix.initial), seed
        legal += verdict
    assert 0.2 < legal / len(seeds) < 0.8  # neither answer alone would pass


def test_brute_force_agrees():
    agree(range(2_000), most=10)


@pytest.mark.slow
def test_brute_force_agrees_at_length():
    agree(range(10_000, 30_000), most=11)


def hidden(operations, shown, **known):
    """What is left of a history when only `shown` is told: of the other updates, that they may have happened."""
    return [
        item if item.op in shown else replace(item, outcome="info", **known)
        for item in operations
        if item.op in shown or (item.f != "read" and item.outcome != "fail" and not histories.showing(item))
    ]


def test_every_counterexample_contradicts_itself_and_misses_nothing():
    told = 0
    for seed in range(1_000):
        rng = random.Random(seed)
        operations = histories.shaken(rng, histories.simulated(rng, 8), 1)
        for finding in contradicted(operations, None):
            shown = {item["op"] for item in finding.operations}
            assert not brute.linearizable(hidden(operations, shown, invoke=0))
            assert len(shown) <= 4
            if finding.anomaly in ("stale-read", "not-linearizable"):
                told += 1
                assert all(brute.linearizable(hidden(operations, shown - {one}, invoke=0)) for one in shown)
    assert told > 100


@settings(deadline=None)
@given(st.integers(0, 2**32), st.integers(1, 80))
def test_what_a_register_did_is_valid(seed, count):
    assert contradicted(histories.simulated(random.Random(seed), count), None) == []


@settings(deadline=None)
@given(st.integers(0, 2**32), st.integers(2, 40), st.integers(0, 2))
def test_names_of_values_and_processes_do_not_matter(seed, count, lies):
    rng = random.Random(seed)
    operations = histories.shaken(rng, histories.simulated(rng, count), lies)
    names = {None: None, -1: -1} | {value: 7 * value + 1000 for value in range(count + 1)}
    renamed = [
        replace(item, process=f"west-{item.process}", value=names[item.value], out=names[item.out])
        for item in operations
    ]

    verdicts = [[finding.anomaly for finding in contradicted(told, None)] for told in (operations, renamed)]
    assert verdicts[0] == verdicts[1]


@settings(deadline=None)
@given(st.integers(0, 2**32), st.integers(2, 60))
def test_less_knowledge_never_makes_a_valid_history_invalid(seed, count):
    rng = random.Random(seed)
    operations = histories.simulated(rng, count)
    wider = [
        replace(item, invoke=item.invoke - rng.randrange(9), returned=item.returned + rng.randrange(9))
        for item in operations
    ]
    fewer = [item for item in wider if item.f != "read" or rng.random() < 0.8]

    assert contradicted(wider, None) == []
    assert contradicted(fewer, None) == []


@pytest.mark.parametrize("lie", sorted(set(histories.LIES) - {"second_winner"}))
def test_every_lie_is_found_unless_brute_force_excuses_it(lie):
    found = 0
    for seed in range(150):
        rng = random.Random(seed)
        operations = histories.LIES[lie](rng, histories.simulated(rng, 9))
        legal = judge_key(operations, Question()).legal
        assert legal == brute.linearizable(operations)
        found += not legal
    assert found >= 5
