"""No lost writes and no resurrection: histories to judge by eye, and a brute force that the checks agree with."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scenarios.checks import no_lost_writes, no_resurrection
from tests.made import SEEDS, around, drawn, end, ended_before, found, grown, instants, lie, rename, sees, weaken
from tests.records import Story, ns


def ledger(final=(1, 2, 3), **facts):
    """Acknowledged writes (1, 2), an indeterminate one (3), a failed one (4); a final read in each datacenter."""
    story = Story(**facts)
    story.op("east-ledger-0", "ledger write", (1, 2), value=1)
    story.op("west-ledger-0", "ledger write", (1, 2), value=2)
    story.op("east-ledger-0", "ledger write", (3, 5), "info", value=3, error=["WriteTimeout", "SIMPLE", "", ""])
    story.op("west-ledger-0", "ledger write", (3, 4), "fail", value=4)
    for dc in ("east", "west"):
        story.op(f"{dc}-ledger-9", "ledger read", (20, 21), out=list(final), stage="final")
    return story


@pytest.mark.parametrize("final", [(1, 2), (1, 2, 3)])  # an indeterminate write may be there or not
def test_what_was_acknowledged_is_there(final):
    result = ledger(final).judge(no_lost_writes())

    assert (result.verdict, result.measured, result.limit) == ("valid", 0, 0)
    assert result.counts["acked"] == 2


@pytest.mark.parametrize(
    ("final", "anomaly", "value"),
    [
        ((1, 3), "lost", 2),  # 2 was acknowledged in the west
        ((1, 2, 4), "failed-visible", 4),  # the driver said that 4 certainly did not happen
        ((1, 2, 99), "garbage", 99),  # nobody wrote 99
    ],
)
def test_every_difference_has_its_name(final, anomaly, value):
    result = ledger(final).judge(no_lost_writes())

    assert result.verdict == "invalid"
    assert {(finding.anomaly, finding.who) for finding in result.findings} == {(anomaly, "east"), (anomaly, "west")}
    assert str(value) in result.findings[0].detail


def test_one_datacenter_that_lost_a_write_is_named():
    story = ledger()
    story.op("west-ledger-9", "ledger read", (30, 31), out=[2], stage="final")

    (finding,) = story.judge(no_lost_writes()).findings

    assert (finding.anomaly, finding.who) == ("lost", "west")
    assert "east-ledger-0" in finding.detail  # the writer of the lost value
    assert [item["f"] for item in finding.operations] == ["write", "read"]


def test_a_write_acknowledged_only_after_the_read_began_may_be_missing():
    story = ledger()
    story.op("east-ledger-1", "ledger write", (20, 20.5), value=5)

    assert story.judge(no_lost_writes()).verdict == "valid"


def test_a_failed_value_is_found_in_any_read_not_only_the_final_ones():
    story = ledger()
    story.op("east-ledger-5", "ledger read", (10, 11), out=[1, 4])  # it vanished again before the end

    assert [finding.anomaly for finding in story.judge(no_lost_writes()).findings] == ["failed-visible"]


def test_a_value_from_the_future_is_found():
    story = ledger((1, 2, 3, 7))
    story.op("east-ledger-1", "ledger write", (18, 19), value=7)
    story.op("east-ledger-5", "ledger read", (10, 11), out=[7])  # 7 was sent at 18

    (finding,) = story.judge(no_lost_writes()).findings

    assert (finding.anomaly, finding.at) == ("future", 10_000_000_000)


def test_a_value_in_the_wrong_bucket_is_garbage_there():
    story = ledger()
    story.op("east-ledger-5", "ledger read", (10, 11), key=2, out=[1])

    assert [finding.anomaly for finding in story.judge(no_lost_writes()).findings] == ["garbage"]


def test_a_bucket_without_a_final_read_is_unknown_not_valid():
    story = ledger()
    story.op("east-ledger-0", "ledger write", (6, 7), key=2, value=8)

    result = story.judge(no_lost_writes())

    assert result.verdict == "unknown"
    assert "bucket 2 has no final read in east" in result.explain


def test_a_datacenter_without_final_reads_is_unknown():
    story = ledger()
    story.operations = [item for item in story.operations if item.dc == "east" or item.f == "write"]

    result = story.judge(no_lost_writes())

    assert (result.verdict, "west" in result.explain) == ("unknown", True)


def test_a_final_read_that_failed_is_no_final_read():
    story = ledger()
    for item in story.operations:
        if item.f == "read":
            item.outcome, item.out = "fail", None

    assert story.judge(no_lost_writes()).verdict == "unknown"


@pytest.mark.parametrize("outcome", ["info", "fail"])
def test_without_acknowledged_writes_it_is_vacuous(outcome):
    story = Story()
    story.op("east-ledger-0", "ledger write", (1, 2), outcome, value=1)
    story.op("east-ledger-0", "ledger read", (5, 6), out=[], stage="final")

    assert story.judge(no_lost_writes()).verdict == "vacuous"


def test_an_empty_history_is_vacuous():
    assert Story().judge(no_lost_writes()).verdict == "vacuous"


@given(
    acked=st.sets(st.integers(0, 99), min_size=1),
    info=st.sets(st.integers(100, 199)),
    shown=st.randoms(use_true_random=False),
)
def test_any_subset_of_the_indeterminate_is_valid_and_any_missing_ack_is_not(acked, info, shown):
    story = Story(datacenters=["east"])
    for value in sorted(acked | info):
        story.op("east-ledger-0", "ledger write", (1, 2), "ok" if value in acked else "info", value=value)
    final = sorted(acked | {value for value in info if shown.random() < 0.5})
    read = story.op("east-ledger-0", "ledger read", (5, 6), out=final, stage="final")
    assert story.judge(no_lost_writes()).verdict == "valid"

    victim = shown.choice(sorted(acked))
    read.out = [value for value in final if value != victim]
    result = story.judge(no_lost_writes())
    assert ([finding.anomaly for finding in result.findings], result.measured) == (["lost"], 1)


def test_a_bucket_of_reads_alone_has_only_garbage():
    story = Story(datacenters=["east"])
    story.op("east-ledger-5", "ledger read", (10, 11), key=9, out=[], stage="final")
    assert story.judge(no_lost_writes()).verdict == "vacuous"

    story.op("east-ledger-5", "ledger read", (12, 13), key=9, out=[3], stage="final")
    assert [finding.anomaly for finding in story.judge(no_lost_writes()).findings] == ["garbage"]


def test_one_replica_alone_may_lack_what_was_acknowledged():
    story = ledger()
    story.op("east-ledger-9", "ledger read", (30, 31), cl="NODE_LOCAL", host="id-east-a", out=[1], stage="final")

    assert story.judge(no_lost_writes()).verdict == "valid"


def test_a_value_that_was_written_twice_proves_nothing():
    story = ledger()
    story.op("east-ledger-0", "ledger write", (6, 7), value=1)

    for check in (no_lost_writes(), no_resurrection()):
        result = story.judge(check)
        assert (result.verdict, result.explain) == ("unknown", "value(s) 1 of bucket 1 were written more than once")


def test_the_numbers_of_a_result_say_what_was_looked_at():
    story = ledger()
    story.op("east-ledger-5", "ledger read", (10, 11), out=[1])
    story.op("east-ledger-0", "ledger delete", (12, 13), value=1)
    result = story.judge(no_lost_writes())

    assert result.counts == {
        "acked": 2, "indeterminate": 1, "deletes": 1, "final reads": 2, "reads": 3, "findings": 0,
    }  # fmt: skip
    assert result.explain == "all 2 acknowledged writes are in all 2 final reads"
    assert (result.unit, result.formula) == ("writes", "acked within final, final within acked + indeterminate")


def test_the_evidence_is_the_writes_the_deletes_and_the_read():
    story = ledger((1, 2, 3, 4))
    story.op("east-ledger-0", "ledger delete", (6, 7), value=1)
    (east, west) = story.judge(no_resurrection()).findings

    assert [(item["f"], item.get("value")) for item in east.operations] == [
        ("write", 1), ("delete", 1), ("read", None),
    ]  # fmt: skip
    assert (east.anomaly, east.who, west.who, east.at) == ("resurrected", "east", "west", ns(20))
    assert east.operations[-1]["out"] == "4 values"
    assert east.detail == (
        "east-ledger-9 saw 1 value(s) 1 in bucket 1 at LOCAL_QUORUM whose delete had been acknowledged"
    )


@pytest.mark.parametrize("outcome", ["ok", "info"])
@pytest.mark.parametrize("final", [(1, 2), (2,)])
def test_a_deleted_value_is_never_lost(outcome, final):
    story = ledger(final)
    story.op("east-ledger-0", "ledger delete", (6, 7), outcome, value=1)

    assert story.judge(no_lost_writes()).verdict == "valid"


def test_a_delete_that_failed_or_came_after_the_read_excuses_nothing():
    story = ledger((2,))
    story.op("east-ledger-0", "ledger delete", (6, 7), "fail", value=1)
    assert story.judge(no_lost_writes()).measured == 1

    story.op("east-ledger-0", "ledger delete", (22, 23), value=1)
    assert story.judge(no_lost_writes()).verdict == "invalid"

    story.op("east-ledger-0", "ledger delete", (21, 23), value=1)  # at the stamp at which the read ended
    assert story.judge(no_lost_writes()).verdict == "valid"


def deleted(final, outcome="ok", span=(6, 7), **fields):
    story = ledger(final)
    story.op("east-ledger-0", "ledger delete", span, outcome, value=1, **fields)
    return story


def test_what_was_deleted_stays_away():
    result = deleted((2,)).judge(no_resurrection())

    assert (result.verdict, result.measured, result.counts["deletes"]) == ("valid", 0, 1)
    assert (result.counts["judged"], result.counts["reads"]) == (2, 2)
    assert result.explain == "none of 1 deleted rows came back"


@pytest.mark.parametrize(
    ("outcome", "span"),
    [
        ("info", (6, 7)),  # may have happened, may still
        ("fail", (6, 7)),  # did not happen
        ("ok", (19, 20)),  # ended at the stamp at which the reads began: concurrent
        ("ok", (2, 7)),  # sent at the stamp at which its row was acknowledged: in no certain order with the write
    ],
)
def test_a_delete_that_is_not_certainly_before_the_read_and_after_the_write_leaves_both_open(outcome, span):
    story = deleted((1, 2), outcome, span)

    assert story.judge(no_resurrection()).verdict == "vacuous"


def test_a_delete_of_a_row_that_nobody_acknowledged_is_not_judged():
    story = ledger((1, 2, 3))
    for value in (3, 4, 77):
        story.op("east-ledger-0", "ledger delete", (6, 7), value=value)

    assert story.judge(no_resurrection()).verdict == "vacuous"


def test_before_the_end_only_reads_that_must_see_the_delete_are_judged():
    story = deleted((2,))
    story.op("west-ledger-5", "ledger read", (10, 11), out=[1, 2])  # the other datacenter may be behind
    assert story.judge(no_resurrection()).verdict == "valid"

    story.op("east-ledger-5", "ledger read", (10, 11), out=[1, 2])
    (finding,) = story.judge(no_resurrection()).findings
    assert (finding.anomaly, finding.who) == ("resurrected", "east")


def test_at_the_end_every_delete_must_be_honoured_unless_no_stage_is_the_end():
    story = deleted((1, 2))

    assert len(story.judge(no_resurrection()).findings) == 2
    (finding,) = story.judge(no_resurrection(stage="")).findings  # the west is not bound by a level of the east
    assert finding.who == "east"


def test_one_replica_alone_may_still_have_what_was_deleted():
    story = deleted((2,))
    story.op("east-ledger-9", "ledger read", (30, 31), cl="NODE_LOCAL", host="id-east-a", out=[1, 2], stage="final")

    assert story.judge(no_resurrection()).verdict == "valid"


def test_deletes_without_a_final_read_in_a_datacenter_are_unknown():
    story = deleted((2,))
    story.operations = [item for item in story.operations if item.f != "read" or item.dc == "east"]

    result = story.judge(no_resurrection())
    assert (result.verdict, result.explain) == ("unknown", "bucket 1 has no final read in west")
    assert story.judge(no_resurrection(stage="")).verdict == "valid"


def atomic(rng, count=8):
    """A ledger of one bucket or two whose operations take effect at once, with deletes and final reads."""
    story, present = Story(), {1: set(), 2: set()}
    waiting = []
    for number, at in enumerate(instants(rng, count)):
        process, level = drawn(rng)
        key, span = rng.choice((1, 1, 1, 2)), around(rng, at)
        call = rng.choice(["write", "write", "write", "read", "read", "delete"])
        if call == "read":
            story.op(process, "ledger read", span, key=key, cl=level, out=sorted(present[key]))
            continue
        outcome = rng.choice(["ok", "ok", "ok", "info", "fail"])
        applied = outcome == "ok" or (outcome == "info" and rng.random() < 0.5)
        if call == "write":
            waiting.append(story.op(process, "ledger write", span, outcome, key=key, cl=level, value=number))
            if applied:
                present[key].add(number)
            continue
        before = [item for item in waiting if item.outcome == "ok" and item.returned < ns(span[0])]
        if before:
            write = waiting.pop(waiting.index(rng.choice(before)))
            story.op(process, "ledger delete", span, outcome, key=write.key, cl=level, value=write.value)
            if applied:
                present[write.key].discard(write.value)
    for key, dc in ((1, "east"), (1, "west"), (2, "east"), (2, "west")):
        level = rng.choice(["LOCAL_QUORUM", "ALL"])
        story.op(f"{dc}-final", "ledger read", (20, 21), key=key, cl=level, out=sorted(present[key]), stage="final")
    return story


def other_answer(rng, read, story):
    if read.out and rng.random() < 0.6:
        read.out = [value for value in read.out if value != rng.choice(read.out)]
    else:
        read.out = sorted({*read.out, rng.randrange(10)})


def lied(rng):
    story = atomic(rng)
    for _ in range(rng.randrange(3)):
        lie(rng, story, other_answer, ("write", "delete"))
    return story


def obvious_losses(operations):
    """By the definition: every acknowledged value, every read, nothing clever."""
    wrong, missing = set(), set()
    for read in (item for item in operations if item.f == "read" and item.outcome == "ok"):
        writes = {item.value: item for item in operations if item.f == "write" and item.key == read.key}
        deletes = [item for item in operations if item.f == "delete" and item.key == read.key]
        for value, write in writes.items():
            taken = any(item.value == value and item.outcome != "fail" and item.invoke <= end(read) for item in deletes)
            must = read.stage == "final" and write.outcome == "ok" and ended_before(write, read) and not taken
            if must and value not in read.out:
                wrong.add(("lost", read.op))
                missing.add(value)
        for value in read.out:
            if value not in writes:
                wrong.add(("garbage", read.op))
            elif writes[value].outcome == "fail":
                wrong.add(("failed-visible", read.op))
            elif writes[value].invoke > end(read):
                wrong.add(("future", read.op))
    return wrong, missing


def obvious_resurrections(operations, stage):
    wrong = set()
    for read in (item for item in operations if item.f == "read" and item.outcome == "ok"):
        for delete in (item for item in operations if item.f == "delete" and item.key == read.key):
            ordered = any(
                write.value == delete.value and write.outcome == "ok" and ended_before(write, delete)
                for write in operations
                if write.f == "write" and write.key == read.key
            )
            must = sees(delete, read) or (stage and read.stage == stage)
            if delete.outcome == "ok" and ordered and must and ended_before(delete, read) and delete.value in read.out:
                wrong.add(("resurrected", read.op))
    return wrong


@pytest.mark.parametrize("seeds", SEEDS)
def test_no_lost_writes_agrees_with_brute_force(seeds):
    for seed in seeds:
        story = lied(random.Random(seed))
        wrong, missing = obvious_losses(story.operations)
        assert (found(story, no_lost_writes()), story.judge(no_lost_writes()).measured) == (wrong, len(missing)), seed


@pytest.mark.parametrize("seeds", SEEDS)
def test_no_resurrection_agrees_with_brute_force(seeds):
    for seed in seeds:
        story = lied(random.Random(seed))
        stage = random.Random(seed).choice(["final", ""])
        assert found(story, no_resurrection(stage=stage)) == obvious_resurrections(story.operations, stage), seed


@given(st.integers(0, 2**32), st.integers(1, 30))
def test_an_atomic_ledger_is_valid_and_stays_so_when_less_is_known(seed, count):
    rng = random.Random(seed)
    story = atomic(rng, count)
    for weaker in (False, True):
        if weaker:
            weaken(rng, story)
        assert found(story, no_lost_writes()) | found(story, no_resurrection()) == set()


@given(st.integers(0, 2**32))
def test_names_do_not_matter(seed):
    story = lied(random.Random(seed))
    before = [found(story, check) for check in (no_lost_writes(), no_resurrection())]
    rename(story, grown)

    assert [found(story, check) for check in (no_lost_writes(), no_resurrection())] == before
