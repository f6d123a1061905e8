"""The append log, on histories small enough to judge by eye."""

from __future__ import annotations

import pytest

from scenarios.checks import append_log
from tests.records import Story, ns


def won(story, process, span, version, value):
    return story.op(
        process,
        "log append",
        span,
        value=value,
        cl="SERIAL",
        serial="SERIAL",
        out={"applied": True, "version": version},
    )


def lost_race(story, process, span, head, value):
    out = {"applied": False, "head": head}
    return story.op(process, "log append", span, value=value, cl="SERIAL", serial="SERIAL", out=out)


def open_append(story, process, span, value, outcome="info"):
    return story.op(process, "log append", span, outcome, value=value, cl="SERIAL", serial="SERIAL")


def read(story, process, span, *ids, cl="SERIAL"):
    out = [[version, value] for version, value in enumerate(ids, start=1)]
    return story.op(process, "log read", span, cl=cl, out=out)


def calm():
    """Appends 11, 12, 13 one after the other, a lost race and two reads."""
    story = Story()
    won(story, "east-log-0", (1, 2), 1, 11)
    won(story, "west-log-0", (3, 4), 2, 12)
    lost_race(story, "east-log-1", (4.5, 5), 2, 99)
    read(story, "east-log-1", (5.5, 6), 11, 12)
    won(story, "east-log-0", (7, 8), 3, 13)
    read(story, "west-log-1", (9, 10), 11, 12, 13)
    return story


def anomalies(story):
    return sorted({finding.anomaly for finding in story.judge(append_log()).findings})


def append_findings(story):
    return story.judge(append_log()).findings


def test_one_order_is_valid():
    result = calm().judge(append_log())

    assert result.verdict == "valid"
    assert (result.counts["acked"], result.counts["reads"], result.counts["lost races"]) == (3, 2, 1)


def test_a_read_during_an_append_may_show_it_or_not():
    story = calm()
    won(story, "east-log-0", (20, 30), 4, 14)
    read(story, "west-log-1", (21, 22), 11, 12, 13)
    read(story, "west-log-1", (23, 24), 11, 12, 13, 14)

    assert story.judge(append_log()).verdict == "valid"


def test_two_reads_during_an_append_may_not_see_it_come_and_go():
    story = calm()
    won(story, "east-log-0", (20, 30), 4, 14)
    read(story, "west-log-1", (21, 22), 11, 12, 13, 14)
    stale = read(story, "west-log-2", (23, 24), 11, 12, 13)

    (finding,) = story.judge(append_log()).findings

    assert (finding.anomaly, finding.who, finding.at) == ("stale-read", "west-log-2", stale.invoke)
    assert len(finding.operations) == 2


def test_of_all_who_saw_a_version_the_first_to_return_counts():
    story = calm()
    won(story, "east-log-0", (20, 40), 4, 14)
    first = read(story, "west-log-1", (21, 22), 11, 12, 13, 14)
    read(story, "west-log-2", (21, 39), 11, 12, 13, 14)
    read(story, "west-log-3", (23, 24), 11, 12, 13)

    (finding,) = story.judge(append_log()).findings

    assert (finding.anomaly, finding.operations[0]["op"]) == ("stale-read", first.op)


def test_touching_intervals_are_concurrent():
    story = Story()
    won(story, "east-log-0", (1, 2), 1, 11)
    read(story, "east-log-1", (2, 3))

    assert story.judge(append_log()).findings == ()


def test_an_acknowledged_append_that_a_later_read_lacks_is_lost():
    story = calm()
    missing = won(story, "east-log-0", (11, 12), 4, 14)
    read(story, "west-log-1", (13, 14), 11, 12, 13)

    (finding,) = story.judge(append_log()).findings

    assert (finding.anomaly, finding.who) == ("lost-append", "west-log-1")
    assert finding.operations[0]["op"] == missing.op


def test_two_winners_of_one_version_are_found():
    story = calm()
    won(story, "west-log-0", (7, 8), 3, 77)

    result = story.judge(append_log())

    assert result.findings[0].anomaly == "two-winners"
    assert "version 3" in result.explain


def test_reads_that_disagree_about_a_version_are_a_fork():
    story = calm()
    open_append(story, "east-log-2", (7, 8), 77)
    read(story, "west-log-1", (11, 12), 11, 77)

    assert anomalies(story) == ["fork"]


def test_an_acknowledged_version_must_be_the_one_that_reads_show():
    story = Story()
    won(story, "east-log-0", (1, 2), 1, 11)
    open_append(story, "east-log-1", (1, 2), 12)
    read(story, "west-log-1", (3, 4), 12)

    assert anomalies(story) == ["fork"]


@pytest.mark.parametrize("out", [[[1, 11], [3, 13]], [[2, 12], [3, 13]], [[1, 11], [3, 13], [2, 12]]])
def test_a_read_with_a_gap_or_out_of_order_is_found(out):
    story = calm()
    story.operations = [item for item in story.operations if item.f == "append"]
    story.op("west-log-1", "log read", (20, 21), cl="SERIAL", out=out)

    assert "gap" in anomalies(story)


def test_a_retry_that_landed_twice_is_found():
    story = Story()
    open_append(story, "east-log-0", (1, 2), 11)
    read(story, "east-log-1", (3, 4), 11, 11)

    assert anomalies(story) == ["duplicate"]


def test_an_id_that_nobody_appended_is_garbage():
    story = calm()
    read(story, "west-log-1", (20, 21), 11, 12, 13, 55)

    assert anomalies(story) == ["garbage"]


@pytest.mark.parametrize("loser", ["failed", "lost its race"])
def test_an_append_that_did_not_happen_must_not_show(loser):
    story = calm()
    if loser == "failed":
        open_append(story, "east-log-2", (11, 12), 14, "fail")
    else:
        lost_race(story, "east-log-2", (11, 12), 3, 14)
    read(story, "west-log-1", (20, 21), 11, 12, 13, 14)

    result = story.judge(append_log())

    assert (anomalies(story), loser in result.explain) == (["failed-visible"], True)


def test_an_indeterminate_append_may_land_long_after():
    story = calm()
    open_append(story, "east-log-2", (11, 12), 14)
    read(story, "west-log-1", (20, 21), 11, 12, 13)  # not yet
    read(story, "west-log-1", (30, 31), 11, 12, 13, 14)  # a later round completed it

    assert story.judge(append_log()).verdict == "valid"


def test_an_indeterminate_append_may_not_land_before_it_was_sent():
    story = calm()
    read(story, "west-log-1", (20, 21), 11, 12, 13, 14)
    open_append(story, "east-log-2", (25, 26), 14)

    (finding,) = story.judge(append_log()).findings

    assert (finding.anomaly, finding.who) == ("future-read", "west-log-1")


def test_appends_in_an_order_that_time_forbids_are_reordered():
    story = Story()
    won(story, "east-log-0", (1, 2), 2, 12)  # told version 2 ...
    won(story, "east-log-1", (3, 4), 1, 11)  # ... before version 1 was sent
    read(story, "west-log-1", (5, 6), 11, 12)

    assert anomalies(story) == ["reordered"]


def test_a_lost_race_is_a_read_of_the_head():
    story = calm()
    lost_race(story, "east-log-2", (20, 21), 2, 98)  # version 3 was acknowledged at 8 s

    (finding,) = story.judge(append_log()).findings

    assert (finding.anomaly, finding.who) == ("lost-append", "east-log-2")


def test_a_head_that_no_append_can_have_made_is_found():
    story = calm()
    lost_race(story, "east-log-2", (20, 21), 4, 98)
    assert anomalies(story) == ["unwritten"]

    open_append(story, "east-log-3", (15, 16), 14)  # this one can have made version 4
    assert anomalies(story) == []


def test_an_indeterminate_append_makes_only_one_version():
    story = calm()
    open_append(story, "east-log-3", (15, 16), 14)
    lost_race(story, "east-log-2", (20, 21), 5, 98)

    assert anomalies(story) == ["unwritten"]


def test_keys_are_judged_apart():
    story = calm()
    story.op("east-log-5", "log read", (20, 21), cl="SERIAL", key=2, out=[])

    assert story.judge(append_log()).verdict == "valid"


def test_reads_below_the_serial_levels_are_counted_and_not_judged():
    story = calm()
    read(story, "east-log-5", (20, 21), 11, cl="QUORUM")  # may miss a decided append

    result = story.judge(append_log())

    assert (result.verdict, result.counts["other reads"]) == ("valid", 1)


def test_without_reads_or_without_appends_it_is_vacuous():
    story = Story()
    read(story, "east-log-5", (1, 2))
    assert story.judge(append_log()).verdict == "vacuous"

    story = Story()
    won(story, "east-log-0", (1, 2), 1, 11)
    assert story.judge(append_log()).verdict == "vacuous"


def test_the_numbers_of_a_result_say_what_was_looked_at():
    story = calm()
    open_append(story, "east-log-3", (15, 16), 14)
    open_append(story, "east-log-3", (15, 16), 15, "fail")
    read(story, "east-log-5", (20, 21), 11, cl="QUORUM")
    story.op("east-log-5", "log read", (20, 21), "fail", cl="SERIAL")
    result = story.judge(append_log())

    assert result.counts == {
        "acked": 3, "reads": 2, "other reads": 1, "lost races": 1, "indeterminate": 1, "keys": 1,
        "concurrent keys": 1, "findings": 0,
    }  # fmt: skip
    assert (result.measured, result.limit, result.unit) == (0, 0, "contradictions")
    assert result.explain == "3 appends and 2 reads over 1 keys fit one order each"


def test_a_history_with_nothing_to_compare_says_so():
    assert Story().judge(append_log()).explain == "0 acknowledged appends and 0 serial reads: nothing to compare"


@pytest.mark.parametrize(("begins", "keys"), [(2.1, 0), (2, 1), (1.5, 1)])  # equal stamps are concurrent
def test_keys_with_operations_at_once_are_counted(begins, keys):
    story = Story()
    won(story, "east-log-0", (1, 2), 1, 11)
    read(story, "east-log-1", (begins, 3), 11)
    story.op("east-log-2", "log read", (0, 9), cl="SERIAL", key=2, out=[])
    result = story.judge(append_log())

    assert (result.counts["keys"], result.counts["concurrent keys"]) == (2, keys)


def test_who_ended_last_counts_for_what_is_at_once():
    story = Story()
    won(story, "east-log-0", (1, 9), 1, 11)
    won(story, "east-log-1", (0.5, 0.7), 1, 11)
    story.operations.pop()
    read(story, "east-log-1", (2, 3), 11)
    read(story, "east-log-1", (4, 5), 11)

    assert story.judge(append_log()).counts["concurrent keys"] == 1


def test_an_append_without_a_recorded_end_is_open_for_ever():
    story = calm()
    open_append(story, "east-log-3", (3.5, None), 14)
    read(story, "west-log-1", (30, 31), 11, 12, 13, 14)

    result = story.judge(append_log())
    assert (result.verdict, result.counts["concurrent keys"]) == ("valid", 1)


@pytest.mark.parametrize(
    ("make", "detail", "operations", "at"),
    [
        (
            lambda story: won(story, "west-log-7", (7, 8), 3, 77),
            "east-log-0 and west-log-7 were both told that they appended version 3 of key 1",
            [5, 7],
            7,
        ),
        (
            lambda story: read(story, "west-log-7", (20, 21), 11, 13),
            "west-log-7 read 13 as version 2 where west-log-1 read 12 as version 2, key 1",
            [6, 7],
            20,
        ),
        (
            lambda story: read(story, "west-log-7", (20, 21), 11, 12),
            "west-log-7, read of key 1, did not show an append that was acknowledged before (east-log-0, append); "
            "version 3",
            [5, 7],
            20,
        ),
        (
            lambda story: read(story, "west-log-7", (5, 6), 11, 12, 13),
            "east-log-0, append of key 1, began after somebody had seen it (west-log-7, read); version 3",
            [5, 7],
            5,
        ),
        (
            lambda story: lost_race(story, "west-log-7", (20, 21), 5, 98),
            "west-log-7 shows that version 4 of key 1 exists, no append made it",
            [7],
            20,
        ),
        (
            lambda story: read(story, "west-log-7", (20, 21), 11, 12, 13, 55),
            "west-log-7 read 55 as version 4, which nobody appended",
            [7],
            20,
        ),
    ],
)
def test_a_finding_names_who_when_and_the_operations_that_contradict(make, detail, operations, at):
    story = calm()
    make(story)
    findings = story.judge(append_log()).findings

    assert detail in [finding.detail for finding in findings]
    finding = next(finding for finding in findings if finding.detail == detail)
    assert ([item["op"] for item in finding.operations], finding.at) == (operations, ns(at))


def test_a_version_that_others_show_as_another_is_told_from_both_sides():
    story = Story()
    won(story, "east-log-0", (1, 2), 1, 11)
    open_append(story, "east-log-1", (1, 2), 12)
    read(story, "west-log-1", (3, 4), 12, 11)

    assert [finding.detail for finding in append_findings(story)] == [
        "east-log-0 was told version 1 of key 1 for 11, reads show 12",
        "east-log-0 was told version 1 for 11, reads show it as 2",
    ]


def test_a_gap_and_a_duplicate_are_told_with_their_version():
    story = Story()
    story.op("west-log-1", "log read", (20, 21), cl="SERIAL", out=[[1, 11], [3, 11]])

    told = [finding.detail for finding in append_findings(story)]
    assert told[:2] == ["west-log-1 read key 1 with version 3 where 2 belongs", "west-log-1 read 11 twice in key 1"]


def test_an_acknowledged_version_beyond_one_that_nobody_made_is_the_proof():
    story = Story()
    won(story, "east-log-0", (1, 2), 2, 12)

    (finding,) = append_findings(story)
    assert finding.detail == "east-log-0 shows that version 1 of key 1 exists, no append made it"


def test_the_first_who_shows_a_version_proves_it():
    story = calm()
    lost_race(story, "west-log-8", (24, 25), 9, 98)
    lost_race(story, "west-log-7", (20, 21), 4, 97)

    assert [item["op"] for item in append_findings(story)[0].operations] == [8]


def test_of_a_long_read_the_last_rows_are_shown():
    story = Story()
    for version in range(1, 7):
        won(story, "east-log-0", (version, version + 0.5), version, 10 + version)
    read(story, "west-log-1", (20, 21), 11, 12, 13, 14, 15)
    read(story, "west-log-2", (20, 21), 11, 12, 13, 14, 15, 99)

    shown = next(finding for finding in append_findings(story) if finding.anomaly == "garbage").operations[-1]
    assert shown["out"] == {"versions": 6, "last": [[2, 12], [3, 13], [4, 14], [5, 15], [6, 99]]}
    short = read(story, "west-log-3", (30, 31), 11, 12, 13, 14, 98)
    (fork,) = [finding for finding in append_findings(story) if finding.anomaly == "fork" and finding.at == ns(30)]
    assert fork.operations[-1]["out"] == short.out
