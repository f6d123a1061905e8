"""The append log: hand-written histories, a brute-force judge that the linear one must agree with, mutations."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scenarios.checks import append_log
from tests.records import Story


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


def simulated(rng, count):
    """A history of one key whose operations take effect at a random instant of their interval."""
    story, log = Story(), []
    points = sorted((rng.uniform(0, 10), number) for number in range(count))
    for point, number in points:
        span = (round(point - rng.uniform(0.01, 3), 3), round(point + rng.uniform(0.01, 3), 3))
        process, kind = f"east-log-{number}", rng.choice(["append", "append", "read", "race", "info", "info", "fail"])
        value = 100 + number
        if kind == "append":
            log.append(value)
            won(story, process, span, len(log), value)
        elif kind == "race":
            lost_race(story, process, span, len(log), value)
        elif kind == "info":
            if rng.random() < 0.5:
                log.append(value)
            open_append(story, process, (span[0], rng.choice([None, round(span[0] + 0.001, 3)])), value)
        elif kind == "fail":
            open_append(story, process, span, value, "fail")
        else:
            read(story, process, span, *log)
    return story


def judged(story):
    return append_findings(story) == ()


def append_findings(story):
    return story.judge(append_log()).findings


@settings(deadline=None)
@given(st.integers(0, 2**32), st.integers(1, 60))
def test_every_simulated_log_is_linearizable(seed, count):
    assert append_findings(simulated(random.Random(seed), count)) == ()


@settings(deadline=None, max_examples=400)
@given(st.integers(0, 2**32), st.integers(2, 7))
def test_the_linear_judge_agrees_with_brute_force_on_mutated_logs(seed, count):
    rng = random.Random(seed)
    story = simulated(rng, count)
    for _ in range(rng.randint(0, 2)):
        mutate(rng, story)

    assert judged(story) == linearizable(story.operations)


@settings(deadline=None, max_examples=50)
@given(st.integers(0, 2**32), st.integers(2, 30))
def test_less_knowledge_never_makes_a_valid_log_invalid(seed, count):
    rng = random.Random(seed)
    story = simulated(rng, count)
    for item in story.operations:
        item.invoke -= rng.randrange(10**9)
        if item.returned is not None:
            item.returned += rng.randrange(10**9)
    reads = [item for item in story.operations if item.f == "read"]
    if reads:
        story.operations.remove(rng.choice(reads))

    assert append_findings(story) == ()


def mutate(rng, story):
    """One lie: a shifted operation, a changed version or head, a changed read, another outcome."""
    item = rng.choice(story.operations)
    lie = rng.choice(["shift", "answer", "outcome"])
    if lie == "shift":
        by = rng.randrange(-(4 * 10**9), 4 * 10**9)
        item.invoke += by
        item.returned = None if item.returned is None else item.returned + by
    elif lie == "outcome" and item.f == "append":
        item.outcome, item.out = rng.choice(["info", "fail"]), None
    elif item.f == "read":
        ids = [row[1] for row in item.out]
        change = rng.choice(["truncate", "swap", "extend"])
        if change == "truncate":
            ids = ids[: len(ids) // 2]
        elif change == "swap":
            rng.shuffle(ids)
        else:
            ids.append(rng.choice(story.operations).value or 7)
        item.out = [[version, value] for version, value in enumerate(ids, start=1)]
    elif item.outcome == "ok":
        name = "version" if item.out["applied"] else "head"
        item.out = {**item.out, name: max(1, item.out[name] + rng.choice([-1, 1]))}


def linearizable(operations):
    """Try every order that real time allows (n <= 8); indeterminate appends may be left out."""
    relevant = [item for item in operations if item.outcome != "fail"]
    infinite = float("inf")

    def end(item):
        return item.returned if item.outcome == "ok" else infinite

    def after(log, item):
        """The log after `item`, or None when `item` cannot have happened on it."""
        if item.f == "read":
            return log if [list(row) for row in enumerate(log, start=1)] == item.out else None
        if item.outcome == "info":
            return (*log, item.value)
        if not item.out["applied"]:
            return log if item.out["head"] == len(log) else None
        return (*log, item.value) if item.out["version"] == len(log) + 1 else None

    def search(log, left):
        if all(item.outcome == "info" for item in left):
            return True
        earliest = min(end(item) for item in left)
        for place, item in enumerate(left):
            if item.invoke <= earliest:
                grown = after(log, item)
                if grown is not None and search(grown, left[:place] + left[place + 1 :]):
                    return True
        return False

    return search((), relevant)
