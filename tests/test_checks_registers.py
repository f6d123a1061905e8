"""Monotonic reads and read-your-writes, on histories small enough to judge by eye."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scenarios.checks import CheckData, monotonic_reads, read_your_writes, run_check
from tests.records import Story, ns


def written(*values, outcome="ok", **fields):
    """Writes of key 1 in the east, value n sent at n and acknowledged at n + 0.5."""
    story = Story()
    for value in values:
        story.op("east-writer-0", "registers write", (value, value + 0.5), outcome, value=value, **fields)
    return story


def read(story, process, span, out, **fields):
    return story.op(process, "registers read", span, out=out, **fields)


def test_reads_that_only_go_forward_are_valid():
    story = written(1, 2, 3)
    for at, out in ((0, None), (1.6, 1), (2.6, 2), (3.6, 3), (5, 3)):
        read(story, "east-reader-0", (at, at + 0.1), out)

    result = story.judge(monotonic_reads())

    assert (result.verdict, result.counts["compared"]) == ("valid", 3)


def test_a_read_that_goes_back_is_stale():
    story = written(1, 2)
    read(story, "east-reader-0", (3, 3.1), 2)
    read(story, "east-reader-0", (4, 4.1), 1)

    (finding,) = story.judge(monotonic_reads()).findings

    assert (finding.anomaly, finding.who) == ("stale-read", "east-reader-0")
    assert [item["out"] for item in finding.operations] == [2, 1]


def test_a_row_that_vanishes_is_stale():
    story = written(1)
    read(story, "east-reader-0", (3, 3.1), 1)
    read(story, "east-reader-0", (4, 4.1), None)

    assert [finding.anomaly for finding in story.judge(monotonic_reads()).findings] == ["stale-read"]


@pytest.mark.parametrize("second", [(3.05, 3.2), (3.1, 3.2)])  # overlapping, and touching: equal stamps are concurrent
def test_concurrent_reads_may_disagree(second):
    story = written(1, 2)
    read(story, "east-reader-0", (3, 3.1), 2)
    read(story, "east-reader-1", second, 1)

    assert story.judge(monotonic_reads(scope="datacenter")).findings == ()


def test_a_worker_that_was_renamed_is_still_one_process():
    story = written(1, 2)
    read(story, "east-reader-0", (3, 3.1), 2)
    read(story, "east-reader-0+1", (4, 4.1), 1)

    assert story.judge(monotonic_reads()).verdict == "invalid"


def test_the_datacenter_scope_compares_readers_and_not_datacenters():
    story = written(1, 2)
    read(story, "east-reader-0", (3, 3.1), 2)
    read(story, "west-reader-0", (4, 4.1), 1)
    read(story, "west-reader-0", (5, 5.1), 1)
    assert story.judge(monotonic_reads(scope="datacenter")).verdict == "valid"

    read(story, "east-reader-1", (6, 6.1), 1)
    assert story.judge(monotonic_reads(scope="process")).verdict == "valid"
    (finding,) = story.judge(monotonic_reads(scope="datacenter")).findings
    assert finding.who == "east-reader-1"


def test_keys_are_not_compared_with_each_other():
    story = written(1, 2)
    story.op("east-writer-0", "registers write", (1, 1.5), key=2, value=1)
    read(story, "east-reader-0", (3, 3.1), 2)
    read(story, "east-reader-0", (4, 4.1), 1, key=2)

    assert story.judge(monotonic_reads()).findings == ()


@pytest.mark.parametrize(
    ("out", "anomaly"),
    [
        (9, "garbage"),  # nobody wrote 9
        (3, "failed-visible"),  # 3 certainly failed
        (7, "future-read"),  # 7 is sent at 7, the read ended at 4.1
    ],
)
def test_numbers_that_cannot_be_read_are_named(out, anomaly):
    story = written(1, 7)
    story.op("east-writer-0", "registers write", (2, 2.5), "fail", value=3)
    read(story, "east-reader-0", (3, 3.1), 1)
    read(story, "east-reader-0", (4, 4.1), out)

    assert [finding.anomaly for finding in story.judge(monotonic_reads()).findings] == [anomaly]


def test_an_indeterminate_write_may_be_read():
    story = written(1)
    story.op("east-writer-0", "registers write", (2, 2.5), "info", value=2)
    read(story, "east-reader-0", (3, 3.1), 1)
    read(story, "east-reader-0", (9, 9.1), 2)

    assert story.judge(monotonic_reads()).verdict == "valid"


@pytest.mark.parametrize("outs", [(), (1,), (None, None)])
def test_without_two_reads_that_can_disagree_it_is_vacuous(outs):
    story = written(1)
    for at, out in enumerate(outs, start=3):
        read(story, "east-reader-0", (at, at + 0.1), out)

    assert story.judge(monotonic_reads()).verdict == "vacuous"


@given(st.lists(st.integers(1, 20), min_size=2, max_size=20))
def test_monotonic_is_exactly_sorted_for_one_sequential_reader(outs):
    story = written(*range(1, 21))
    for at, out in enumerate(outs, start=100):
        read(story, "east-reader-0", (at, at + 0.5), out)

    assert (story.judge(monotonic_reads()).verdict == "valid") == (outs == sorted(outs))


def test_a_read_shows_what_its_datacenter_acknowledged():
    story = written(1, 2)
    read(story, "east-reader-0", (1.6, 1.7), 1)
    read(story, "east-reader-0", (2.1, 2.2), 1)  # 2 is in flight
    read(story, "east-reader-0", (3, 3.1), 2)

    result = story.judge(read_your_writes())

    assert (result.verdict, result.counts["judged"]) == ("valid", 3)


@pytest.mark.parametrize("out", [1, None])
def test_a_read_that_misses_an_acknowledged_write_is_stale(out):
    story = written(1, 2)
    read(story, "east-reader-0", (3, 3.1), out)

    (finding,) = story.judge(read_your_writes()).findings

    assert (finding.anomaly, finding.who, finding.operations[0]["value"]) == ("stale-read", "east-reader-0", 2)


def test_the_other_datacenter_may_be_behind():
    story = written(1, 2)
    read(story, "west-reader-0", (3, 3.1), None)

    assert story.judge(read_your_writes()).verdict == "vacuous"  # no pair whose replicas overlap


def test_a_read_at_one_is_judged_only_when_a_control_asks_for_it():
    story = written(1, 2)
    read(story, "east-reader-0", (3, 3.1), 1, cl="ONE")

    assert story.judge(read_your_writes()).verdict == "vacuous"  # 2 + 1 replicas of 3 need not overlap
    assert story.judge(read_your_writes(overlapping=False)).verdict == "invalid"


def test_the_newest_of_all_levels_is_demanded():
    story = written(1, cl="EACH_QUORUM")
    story.op("east-writer-0", "registers write", (2, 2.5), value=2)
    read(story, "east-reader-0", (3, 3.1), 1)

    assert story.judge(read_your_writes()).findings[0].operations[0]["value"] == 2


def test_reads_whose_levels_need_not_overlap_may_go_back():
    story = written(1, 2)
    read(story, "east-reader-0", (3, 3.1), 2, cl="ONE")
    read(story, "east-reader-0", (4, 4.1), 1, cl="ONE")

    assert story.judge(monotonic_reads()).verdict == "vacuous"
    assert story.judge(monotonic_reads(overlapping=False)).verdict == "invalid"  # a negative control asks for it


def test_version_1_compared_reads_of_any_level():
    story = written(1, 2)
    read(story, "east-reader-0", (3, 3.1), 2, cl="ONE")
    read(story, "east-reader-0", (4, 4.1), 1, cl="ONE")
    old = CheckData("monotonic_reads", 1, "as it was", {"workload": "registers", "scope": "process"})

    assert run_check(old, story.record()).verdict == "invalid"
    assert monotonic_reads().version == 2


def test_the_newest_read_of_each_level_counts():
    story = written(1, 2, 3)
    read(story, "east-reader-0", (4, 4.1), 2)
    read(story, "east-reader-0", (5, 5.1), 3, cl="ONE")  # may be ahead of what LOCAL_QUORUM shows next
    read(story, "east-reader-0", (6, 6.1), 2)
    assert story.judge(monotonic_reads()).verdict == "valid"

    read(story, "east-reader-0", (7, 7.1), 2, cl="ALL")
    (finding,) = story.judge(monotonic_reads()).findings
    assert finding.detail == "east-reader-0 in east read 2 of key 1 at ALL after east-reader-0 had read 3"


def test_only_reads_of_the_level_that_is_asked_for_are_compared():
    story = written(1, 2)
    read(story, "east-reader-0", (3, 3.1), 2, cl="ALL")
    read(story, "east-reader-0", (4, 4.1), 1)

    assert story.judge(monotonic_reads(consistency="LOCAL_QUORUM")).verdict == "vacuous"
    assert story.judge(monotonic_reads()).verdict == "invalid"


def test_one_replica_alone_may_be_behind():
    story = written(1, 2)
    read(story, "east-reader-0", (3, 3.1), 2)
    read(story, "east-reader-0", (4, 4.1), 1, cl="NODE_LOCAL", host="id-east-a")

    assert story.judge(monotonic_reads()).verdict == "vacuous"
    assert story.judge(read_your_writes()).counts["judged"] == 1


def test_a_finding_shows_both_reads_and_what_is_missing():
    story = written(1, 2)
    read(story, "east-reader-0", (3, 3.1), 2)
    read(story, "east-reader-0", (4, 4.1), None)

    result = story.judge(monotonic_reads())
    assert result.explain == (
        "east-reader-0 in east read no row of key 1 at LOCAL_QUORUM after east-reader-0 had read 2"
    )
    assert (result.measured, result.limit, result.unit) == (1, 0, "reads")
    assert result.counts == {"reads": 2, "compared": 1, "findings": 1}
    assert result.findings[0].at == ns(4)
    mine = story.judge(read_your_writes())
    assert mine.explain == (
        "east-reader-0 in east read no row of key 1 at LOCAL_QUORUM after east-writer-0 had 2 acked at LOCAL_QUORUM"
    )
    assert (mine.measured, mine.limit, mine.unit, mine.counts["judged"]) == (1, 0, "reads", 2)


@pytest.mark.parametrize(
    ("out", "words", "proof"),
    [
        (9, "which nobody wrote", ["read"]),
        (3, "whose write certainly failed", ["write", "read"]),
        (7, "whose write had not been sent", ["write", "read"]),
    ],
)
def test_a_number_that_cannot_be_read_is_shown_with_its_write(out, words, proof):
    story = written(1, 7)
    story.op("east-writer-0", "registers write", (2, 2.5), "fail", value=3)
    read(story, "east-reader-0", (4, 4.1), out)
    read(story, "east-reader-0", (8, 8.1), 7)

    finding = story.judge(monotonic_reads()).findings[0]
    assert finding.detail == f"east-reader-0 read {out} of key 1, {words}"
    assert ([item["f"] for item in finding.operations], finding.at) == (proof, ns(4))


def test_a_key_that_nobody_wrote_has_only_garbage():
    story = written(1)
    read(story, "east-reader-0", (4, 4.1), 1, key=5)

    assert [finding.anomaly for finding in story.judge(monotonic_reads()).findings] == ["garbage"]


def test_a_write_sent_at_the_stamp_at_which_the_read_ends_is_no_future():
    story = written(1, 2)
    read(story, "east-reader-0", (1.6, 2), 2)
    read(story, "east-reader-0", (3, 4), 2)

    assert story.judge(monotonic_reads()).verdict == "valid"


def deleting(*changes):
    """Changes of key 1 in the east, (f, outcome) numbered from 1: number n sent at n, ended at n + 0.5."""
    story = Story()
    for number, (f, outcome) in enumerate(changes, start=1):
        story.op("east-writer-0", f"registers {f}", (number, number + 0.5), outcome, value=number)
    return story


WRITE, DELETE = ("write", "ok"), ("delete", "ok")


def test_after_a_delete_no_row_is_the_newest_state():
    story = deleting(WRITE, DELETE)
    read(story, "east-reader-0", (1.6, 1.7), 1)
    read(story, "east-reader-0", (3, 3.1), None)

    assert story.judge(monotonic_reads()).verdict == "valid"
    assert story.judge(read_your_writes()).verdict == "valid"


def test_a_value_that_comes_back_after_its_delete_is_found():
    story = deleting(WRITE, DELETE)
    read(story, "east-reader-0", (3, 3.1), 1)

    (finding,) = story.judge(read_your_writes()).findings
    assert (finding.anomaly, [item["f"] for item in finding.operations]) == ("resurrected", ["delete", "read"])
    assert finding.detail.endswith("after east-writer-0 had 2 acked at LOCAL_QUORUM, a delete")


def test_a_delete_in_doubt_leaves_both_answers_open():
    story = deleting(WRITE, ("delete", "info"))
    read(story, "east-reader-0", (3, 3.1), 1)
    read(story, "east-reader-0", (4, 4.1), None)

    assert story.judge(read_your_writes()).verdict == "valid"
    assert story.judge(monotonic_reads()).verdict == "valid"


@pytest.mark.parametrize("change", [("delete", "fail"), None])
def test_no_row_without_a_delete_is_older_than_any_write(change):
    story = deleting(WRITE, *([change] if change else []))
    read(story, "east-reader-0", (3, 3.1), 1)
    read(story, "east-reader-0", (4, 4.1), None)

    assert story.judge(read_your_writes()).verdict == "invalid"
    assert story.judge(monotonic_reads()).verdict == "invalid"


@pytest.mark.parametrize(("span", "verdict"), [((1.6, 2), "valid"), ((1.6, 1.9), "invalid")])
def test_a_delete_that_was_not_sent_explains_no_missing_row(span, verdict):
    story = deleting(WRITE, DELETE)  # the delete is sent at 2
    read(story, "east-reader-0", span, None)
    read(story, "east-reader-0", (1.5, 1.55), 1)

    assert story.judge(read_your_writes()).verdict == verdict
    assert story.judge(monotonic_reads()).verdict == verdict


def test_no_row_between_two_values_was_the_delete_between_them():
    story = deleting(WRITE, DELETE, WRITE, DELETE)
    for at, out in ((5, 1), (6, None), (7, 3), (8, None), (9, None)):
        read(story, "east-reader-0", (at, at + 0.1), out)
    assert story.judge(monotonic_reads()).verdict == "valid"

    read(story, "east-reader-0", (10, 10.1), 3)
    (finding,) = story.judge(monotonic_reads()).findings
    assert "read 3 of key 1 at LOCAL_QUORUM after east-reader-0 had read no row" in finding.detail


def test_two_writers_at_once_have_no_order():
    story = written(1, 2)
    story.op("west-writer-0", "registers write", (2.2, 2.7), value=3)
    read(story, "east-reader-0", (4, 4.1), 3)
    read(story, "east-reader-0", (5, 5.1), 1)

    for check in (monotonic_reads(), read_your_writes(), read_your_writes(overlapping=False)):
        result = story.judge(check)
        assert (result.verdict, result.explain) == (
            "unknown",
            "key 1: east-writer-0 and west-writer-0 wrote at once, in no certain order",
        )


@pytest.mark.parametrize(
    ("writer", "span", "verdict"),
    [
        ("west-writer-0", (2.6, 2.7), "invalid"),  # one after the other: real time orders their stamps
        ("west-writer-0", (2.5, 2.7), "unknown"),  # equal stamps are concurrent
        ("east-writer-0+1", (2.2, 2.7), "invalid"),  # the same worker under its next name
    ],
)
def test_writers_that_real_time_orders_are_judged(writer, span, verdict):
    story = written(1, 2)
    story.op(writer, "registers write", span, value=3)
    read(story, "east-reader-0", (4, 4.1), 3)
    read(story, "east-reader-0", (5, 5.1), 1)

    assert story.judge(monotonic_reads()).verdict == verdict


def test_numbers_that_do_not_grow_do_not_tell_their_age():
    story = written(1)
    story.op("east-writer-0", "registers write", (2, 2.5), value=1)
    read(story, "east-reader-0", (3, 3.1), 1)

    assert story.judge(read_your_writes()).explain == "key 1: number 1 was written after 1"


def test_a_key_in_doubt_does_not_hide_what_another_shows():
    story = written(1)
    story.op("east-writer-0", "registers write", (2, 2.5), value=1)
    story.op("east-writer-1", "registers write", (1, 1.5), value=1, key=2)
    read(story, "east-reader-0", (3, 3.1), None, key=2)

    assert story.judge(read_your_writes()).verdict == "invalid"


def test_whose_writes_are_looked_at_is_a_parameter():
    story = written(1, cl="EACH_QUORUM")
    read(story, "west-reader-0", (3, 3.1), None)
    read(story, "west-reader-1", (4, 4.1), 1)

    assert story.judge(read_your_writes()).verdict == "vacuous"  # nobody wrote in the west
    assert [finding.who for finding in story.judge(read_your_writes(scope="ring")).findings] == ["west-reader-0"]
    assert story.judge(read_your_writes(scope="process")).verdict == "vacuous"
    read(story, "east-writer-0+1", (3, 3.1), None)
    assert [finding.who for finding in story.judge(read_your_writes(scope="process")).findings] == ["east-writer-0+1"]


def test_a_level_of_the_other_datacenter_does_not_bind():
    story = written(1)
    read(story, "west-reader-0", (3, 3.1), None)

    assert story.judge(read_your_writes(scope="ring")).verdict == "vacuous"
