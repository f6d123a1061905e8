"""Set reads while the ledger grows: current or not, and how long until an element stays."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scenarios.checks import reads_are_current, stable_latency
from scenarios.checks.stable import rank
from tests.made import SEEDS, end, ended_before, found, grown, rename, sees, weaken
from tests.records import Story, ns
from tests.test_checks_ledger import atomic, lied


def growing():
    """1 and 2 written in the east, read there while they appear and in the end everywhere."""
    story = Story()
    story.op("east-ledger-0", "ledger write", (1, 2), value=1)
    story.op("east-ledger-0", "ledger write", (5, 6), value=2)
    story.op("east-ledger-5", "ledger read", (3, 4), out=[1])
    story.op("east-ledger-5", "ledger read", (8, 9), out=[1, 2])
    for dc in ("east", "west"):
        story.op(f"{dc}-ledger-9", "ledger read", (20, 21), cl="ALL", out=[1, 2], stage="final")
    return story


def read(story, process, span, out, **fields):
    return story.op(process, "ledger read", span, out=out, **fields)


def anomalies(story):
    return [finding.anomaly for finding in story.judge(reads_are_current()).findings]


def test_reads_that_show_what_was_acknowledged_are_current():
    result = growing().judge(reads_are_current())

    assert (result.verdict, result.measured, result.limit, result.unit) == ("valid", 0, 0, "elements")
    assert result.explain == "reads showed all 7 elements that they had to show"
    assert result.counts == {"acked": 2, "reads": 4, "judged": 7, "findings": 0}


def test_an_element_that_is_missing_and_comes_later_is_stale():
    story = growing()
    stale = read(story, "east-ledger-6", (10, 11), [2])

    result = story.judge(reads_are_current())
    (finding,) = result.findings
    assert (finding.anomaly, finding.who, finding.at) == ("stale", "east-ledger-6", ns(10))
    assert [item.get("value", item["op"]) for item in finding.operations] == [1, stale.op]
    assert finding.operations[-1]["out"] == "1 values"
    assert finding.detail == (
        "east-ledger-6 read bucket 1 at LOCAL_QUORUM without 1 acknowledged value(s) 1, which a later read shows; "
        "1 was acknowledged to east-ledger-0 at LOCAL_QUORUM"
    )
    assert result.measured == 1


def test_an_element_that_was_shown_and_never_again_is_lost():
    story = growing()
    for item in story.operations:
        if item.f == "read" and item.invoke >= ns(20):
            item.out = [2]

    assert anomalies(story) == ["lost", "lost"]  # once for each level of reads
    assert "which an earlier read had shown and no later one does" in story.judge(reads_are_current()).explain


def test_an_element_that_no_read_ever_showed_is_never_read():
    story = growing()
    for item in story.operations:
        if item.f == "read":
            item.out = [value for value in item.out if value != 2]

    found_anomalies = story.judge(reads_are_current()).findings
    assert {finding.anomaly for finding in found_anomalies} == {"never-read"}
    assert "which no read has ever shown" in found_anomalies[0].detail


def test_one_read_may_lack_elements_of_different_fates():
    story = growing()
    story.op("east-ledger-0", "ledger write", (1, 2), value=7)
    read(story, "east-ledger-6", (10, 11), [2])

    at_ten = [item.anomaly for item in story.judge(reads_are_current()).findings if item.at == ns(10)]
    assert at_ten == ["stale"]  # 7 was told before, by the first read that lacked it
    assert sorted(set(anomalies(story))) == ["never-read", "stale"]


def test_what_is_missing_is_told_once_for_each_level_of_reads():
    story = growing()
    for at in (10, 12, 14):
        read(story, "east-ledger-6", (at, at + 1), [2])

    assert [finding.at for finding in story.judge(reads_are_current()).findings] == [ns(10)]


@pytest.mark.parametrize(
    ("process", "cl", "verdict"),
    [
        ("west-ledger-5", "LOCAL_QUORUM", "valid"),  # 2 replicas of the east, 2 of the west
        ("east-ledger-5", "ONE", "valid"),  # 2 + 1 replicas of 3
        ("west-ledger-5", "ALL", "invalid"),
        ("east-ledger-5", "NODE_LOCAL", "valid"),
    ],
)
def test_only_levels_that_overlap_are_bound(process, cl, verdict):
    story = growing()
    read(story, process, (10, 11), [], cl=cl)

    assert story.judge(reads_are_current()).verdict == verdict


def test_a_write_in_flight_may_be_missing():
    story = growing()
    story.op("east-ledger-0", "ledger write", (9, 10), value=3)  # acknowledged at the stamp of the read: concurrent
    read(story, "east-ledger-6", (10, 11), [1, 2])
    for item in story.operations:
        if item.stage == "final":
            item.out = [1, 2, 3]

    assert story.judge(reads_are_current()).verdict == "valid"


@pytest.mark.parametrize(
    ("outcome", "span", "verdict"),
    [
        ("ok", (9, 9.5), "valid"),
        ("info", (9, None), "valid"),
        ("ok", (11, 12), "valid"),  # sent at the stamp at which the read ended
        ("ok", (12, 13), "invalid"),
        ("fail", (9, 9.5), "invalid"),
    ],
)
def test_what_a_delete_may_have_taken_may_be_missing(outcome, span, verdict):
    story = growing()
    read(story, "east-ledger-6", (10, 11), [2])
    story.op("east-ledger-0", "ledger delete", span, outcome, value=1)

    assert story.judge(reads_are_current()).verdict == verdict


def test_a_value_that_was_written_twice_proves_nothing():
    story = growing()
    story.op("east-ledger-0", "ledger write", (15, 16), value=1)

    for check in (reads_are_current(), stable_latency()):
        result = story.judge(check)
        assert (result.verdict, result.explain) == ("unknown", "value(s) 1 of bucket 1 were written more than once")


def test_without_one_stable_element_it_is_unknown():
    story = growing()
    story.operations = [item for item in story.operations if item.f == "write"]

    result = story.judge(reads_are_current())
    assert (result.verdict, result.explain) == (
        "unknown",
        "none of 2 acknowledged elements was stable: no read had to show one",
    )


def test_without_acknowledged_elements_it_is_vacuous():
    story = Story()
    story.op("east-ledger-0", "ledger write", (1, 2), "info", value=1)
    read(story, "east-ledger-5", (3, 4), [])

    result = story.judge(reads_are_current())
    assert (result.verdict, result.explain) == ("vacuous", "no acknowledged ledger write")


def test_without_a_replication_no_level_binds_another():
    story = growing()
    story.facts.pop("replication")

    assert story.judge(reads_are_current()).verdict == "unknown"


def obvious_currency(operations):
    """By the definition: for each level of reads, the first read that lacks what it had to show."""
    wrong, missing = set(), set()
    reads = [item for item in operations if item.f == "read" and item.outcome == "ok"]
    for write in (item for item in operations if item.f == "write" and item.outcome == "ok"):
        deletes = [item for item in operations if item.f == "delete" and item.key == write.key]
        taken = [item for item in deletes if item.value == write.value and item.outcome != "fail"]
        mine = sorted((item for item in reads if item.key == write.key), key=lambda item: item.invoke)
        shown = [item.invoke for item in mine if write.value in item.out]
        told = set()
        for read_ in mine:
            must = sees(write, read_) and ended_before(write, read_)
            is_open = any(item.invoke <= end(read_) for item in taken)
            if must and write.value not in read_.out and not is_open and (read_.cl, read_.dc) not in told:
                later = [at for at in shown if at > read_.invoke]
                wrong.add(("stale" if later else "lost" if shown else "never-read", read_.op))
                told.add((read_.cl, read_.dc))
                missing.add((write.key, write.value))
    return wrong, len(missing)


@pytest.mark.parametrize("seeds", SEEDS)
def test_reads_are_current_agrees_with_brute_force(seeds):
    for seed in seeds:
        story = lied(random.Random(seed))
        result = (found(story, reads_are_current()), story.judge(reads_are_current()).measured)
        assert result == obvious_currency(story.operations), seed


@given(st.integers(0, 2**32), st.integers(1, 30))
def test_an_atomic_ledger_is_current_and_stays_so_when_less_is_known(seed, count):
    rng = random.Random(seed)
    story = atomic(rng, count)
    assert found(story, reads_are_current()) == set()

    weaken(rng, story)
    assert found(story, reads_are_current()) == set()


@given(st.integers(0, 2**32))
def test_names_do_not_matter(seed):
    story = lied(random.Random(seed))
    before = found(story, reads_are_current()), story.judge(stable_latency()).counts
    rename(story, grown)

    assert (found(story, reads_are_current()), story.judge(stable_latency()).counts) == before


def test_latency_is_from_the_acknowledgement_to_the_end_of_the_first_read_of_the_stable_ones():
    story = growing()
    read(story, "east-ledger-5", (6.5, 7), [1])  # 2 is not there yet

    result = story.judge(stable_latency())
    assert result.verdict == "valid"
    assert result.counts == {
        "east stable": 2, "east p50": 2, "east p95": 3, "east p99": 3, "east max": 3,
        "west stable": 2, "west p50": 15, "west p95": 19, "west p99": 19, "west max": 19, "findings": 0,
    }  # fmt: skip
    assert (result.measured, result.unit, result.limit) == (19, "s", None)
    assert result.explain == (
        "elements were stable after 2.000 s at p50, 3.000 s at p99 in east; 15.000 s at p50, 19.000 s at p99 in west"
    )


def test_an_element_that_vanishes_is_stable_only_when_it_is_back_for_good():
    story = growing()
    read(story, "east-ledger-5", (15, 16), [2])  # 1 was shown at 3 and at 8 s, not now

    assert story.judge(stable_latency()).counts["east max"] == 19  # shown at last at 20 s, acknowledged at 2 s


def test_an_element_that_the_last_read_lacks_was_never_stable():
    story = growing()
    read(story, "east-ledger-5", (30, 31), [1])

    counts = story.judge(stable_latency()).counts
    assert (counts["east stable"], counts["west stable"]) == (1, 2)


def test_an_element_that_was_shown_before_its_acknowledgement_counts_nothing():
    story = Story()
    story.op("east-ledger-0", "ledger write", (1, 9), value=1)
    read(story, "east-ledger-5", (2, 3), [1])

    assert story.judge(stable_latency()).counts["east max"] == 0


@pytest.mark.parametrize("outcome", ["ok", "info"])
def test_elements_that_a_delete_may_have_taken_are_left_out(outcome):
    story = growing()
    story.op("east-ledger-0", "ledger delete", (30, 31), outcome, value=1)

    assert story.judge(stable_latency()).counts["east stable"] == 1


def test_replicas_alone_and_other_buckets_say_nothing_of_stability():
    story = growing()
    read(story, "east-ledger-9", (40, 41), [], cl="NODE_LOCAL", host="id-east-a", stage="final")
    read(story, "east-ledger-9", (40, 41), [], key=2)

    assert story.judge(stable_latency()).counts["east stable"] == 2


@pytest.mark.parametrize("written", [(), (1,)])
def test_without_a_stable_element_there_is_nothing_to_measure(written):
    story = Story()
    for value in written:
        story.op("east-ledger-0", "ledger write", (1, 2), value=value)
    read(story, "east-ledger-5", (3, 4), [])

    result = story.judge(stable_latency())
    assert (result.verdict, result.explain, result.measured) == ("vacuous", "no element was stable", None)
    assert result.counts == {"east stable": 0, "findings": 0}


def obvious_latencies(operations, datacenter):
    """By the definition: the first read after which each read of the datacenter has the element."""
    spans = []
    for write in (item for item in operations if item.f == "write" and item.outcome == "ok"):
        deletes = [item for item in operations if item.f == "delete" and item.key == write.key]
        if any(item.value == write.value and item.outcome != "fail" for item in deletes):
            continue
        reads = [item for item in operations if item.f == "read" and item.key == write.key and item.dc == datacenter]
        lacking = [(item.invoke, item.returned) for item in reads if write.value not in item.out]
        stable = [
            (item.invoke, item.returned) for item in reads if (item.invoke, item.returned) > max(lacking, default=())
        ]
        if stable:
            spans.append(max(0, min(stable)[1] - write.returned))
    return sorted(spans)


@pytest.mark.parametrize("seeds", SEEDS)
def test_stable_latency_agrees_with_brute_force(seeds):
    for seed in seeds:
        story = lied(random.Random(seed))
        counts = story.judge(stable_latency()).counts
        for datacenter in ("east", "west"):
            spans = obvious_latencies(story.operations, datacenter)
            assert counts.get(f"{datacenter} stable", 0) == len(spans), seed
            if spans:
                told = counts[f"{datacenter} max"], counts[f"{datacenter} p50"]
                assert told == (spans[-1] / ns(1), spans[(len(spans) - 1) // 2] / ns(1)), seed


@pytest.mark.parametrize(
    ("count", "percent", "place"),
    [(1, 50, 0), (2, 50, 0), (3, 50, 1), (100, 95, 94), (100, 99, 98), (101, 99, 99), (10, 100, 9), (7, 99, 6)],
)
def test_percentiles_are_nearest_rank(count, percent, place):
    assert rank(count, percent) == place
