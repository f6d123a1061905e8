"""Availability against an obvious twin that looks at single operations, and by eye on small stories."""

from __future__ import annotations

import itertools
import math
import random
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scenarios.checks.availability import BUCKET, Timeline, quantile, timelines
from scenarios.history import SECOND, Operation

MS = 1_000_000


def operation(due, outcome="ok", latency=1.0, **fields):
    """A probe that was due at `due` ms and took `latency` ms from then on."""
    known = {"dc": "east", "cl": "LOCAL_QUORUM", "f": "read", "serial": None, **fields}
    returned = None if latency is None else round((due + latency) * MS)
    return Operation(
        0, "p", 0, "probe", known["f"], 1, None, None, known["cl"], known["serial"], known["dc"], None, None,
        round(due * MS), round((due + known.get("late", 0)) * MS), returned, outcome,
    )  # fmt: skip


def line(*operations) -> Timeline:
    """The one timeline of the operations."""
    (timeline,) = timelines(operations).values()
    return timeline


def beat(outcomes, every=100.0, start=0.0, latency=1.0):
    """One operation every so many ms: `.` ok, `x` fail, `?` info, `s` ok but slow (1 s), `_` none was due."""
    words = {".": "ok", "x": "fail", "?": "info", "s": "ok"}
    return [
        operation(start + number * every, words[letter], 1000.0 if letter == "s" else latency)
        for number, letter in enumerate(outcomes)
        if letter != "_"
    ]


# the obvious twin: single operations, no buckets kept


class Twin:
    """What the docstrings say, from the operations each time anew."""

    def __init__(self, operations):
        self.operations = [(item.started, item.outcome, (item.returned or 0) - item.started) for item in operations]
        dues = [due for due, _, _ in self.operations]
        tenths = sorted({due // (100 * MS) for due in dues})
        gaps = sorted(later - earlier for earlier, later in itertools.pairwise(tenths))
        usual = gaps[(len(gaps) - 1) // 2] if gaps else 0
        seconds = (usual + sum(usual if gap > 5 * usual else gap for gap in gaps)) / 10
        self.rate = len(dues) / seconds if gaps else 0.0
        self.width = 100 * MS if self.rate >= 9 else 500 * MS
        self.dues = dues

    def inside(self, start, end):
        return [item for item in self.operations if start <= item[0] < end]

    def state(self, number):
        """`bad`, `good` or `silent`."""
        inside = self.inside(number * self.width, (number + 1) * self.width)
        oks = sum(outcome == "ok" for _, outcome, _ in inside)
        return "silent" if not inside else "bad" if oks / len(inside) < 0.5 else "good"

    def numbers(self):
        return range(min(self.dues) // self.width, max(self.dues) // self.width + 1)

    def outages(self):
        bridge = max(0.5, 2 / self.rate if self.rate else 0)
        runs, current, quiet = [], None, 0
        for number in self.numbers():
            state = self.state(number)
            if state == "silent":
                quiet += 1
                continue
            if state == "good":
                current = None
            elif current is not None and quiet * self.width / SECOND < bridge:
                current[1] = number + 1
            else:
                current = [number, number + 1]
                runs.append(current)
            quiet = 0
        spans = [[a * self.width, b * self.width] for a, b in runs if (b - a) * self.width >= 300 * MS]
        place = 0
        while place + 1 < len(spans):
            if spans[place + 1][0] - spans[place][1] < 500 * MS:
                spans[place] = [spans[place][0], spans.pop(place + 1)[1]]
            else:
                place += 1
        return [tuple(span) for span in spans]

    def first_bad(self, since, until):
        bad = [number * self.width for number in self.numbers() if self.state(number) == "bad"]
        return min((start for start in bad if start + self.width > since and start < until), default=None)

    def detected(self, since, until):
        first = self.first_bad(since, until)
        return None if first is None else max(first - since, 0) / SECOND

    def recovered(self, since, baseline):
        first = self.first_bad(since, math.inf)
        begin = max(since, min(self.dues)) if first is None else first
        start = begin // self.width * self.width
        while start + 5 * SECOND <= (max(self.dues) // self.width + 1) * self.width:
            inside = self.inside(start, start + 5 * SECOND)
            oks = [latency for _, outcome, latency in inside if outcome == "ok"]
            quick = [latency for latency in oks if latency / SECOND < 3 * baseline]
            enough = self.state(start // self.width) != "silent" and len(inside) / 5 >= self.rate / 2
            if enough and len(oks) / len(inside) >= 0.99 and len(quick) / len(oks) >= 0.99:
                return max(start - since, 0) / SECOND
            start += self.width
        return None


def history(seed):
    """A random small history: steady, bad, mixed, slow and silent stretches at one of several rates."""
    draw = random.Random(seed)
    rate = draw.choice((2, 4, 10, 20, 40))
    now, made = draw.uniform(0, 2000), []
    for _ in range(draw.randint(1, 6)):
        mood = draw.choice(("good", "good", "good", "bad", "mixed", "slow", "silent"))
        end = now + draw.choice((100, 300, 400, 600, 1500, 5200, 6500))
        while now < end:
            share = {"good": 1.0, "slow": 1.0, "bad": 0.1}.get(mood, 0.5)
            outcome = "ok" if draw.random() < share else draw.choice(("fail", "info"))
            if mood != "silent":
                made.append(operation(now, outcome, 1000.0 if mood == "slow" else 1.0))
            now += 1000 / rate
    draw.shuffle(made)
    return made or [operation(0.0)]


@pytest.mark.parametrize("seeds", [range(start, start + 250) for start in range(0, 2000, 250)], ids=str)
def test_the_fast_way_agrees_with_the_obvious_one(seeds):
    for seed in seeds:
        made = history(seed)
        timeline, twin = line(*made), Twin(made)
        first, last = min(twin.dues), max(twin.dues)
        since, until = first + (last - first) * (seed % 7) // 7, last - (last - first) * (seed % 3) // 4

        assert (timeline.width, timeline.rate) == (twin.width, pytest.approx(twin.rate))
        assert timeline.outages() == tuple(twin.outages()), seed
        assert timeline.detected(since, until) == twin.detected(since, until), seed
        assert timeline.recovered(since, 0.001) == twin.recovered(since, 0.001), seed
        assert timeline.whole().total == len(made)


def test_the_random_histories_have_everything_in_them():
    seen = [line(*history(seed)) for seed in range(300)]

    assert {timeline.width for timeline in seen} == {BUCKET, 5 * BUCKET}
    assert {len(timeline.outages()) for timeline in seen} >= {0, 1, 2}
    assert {timeline.recovered(0, 0.001) is None for timeline in seen} == {True, False}


# buckets and tracks


def test_tracks_are_apart_by_datacenter_level_and_kind():
    made = [operation(0), operation(0, dc="west"), operation(0, cl="QUORUM"), operation(0, f="write")]
    made += [operation(0, cl="QUORUM", serial="SERIAL", f="cas"), operation(50, f="write")]

    assert {tuple(track): timeline.whole().total for track, timeline in timelines(made).items()} == {
        ("east", "LOCAL_QUORUM", "read"): 1,
        ("west", "LOCAL_QUORUM", "read"): 1,
        ("east", "QUORUM", "read"): 1,
        ("east", "LOCAL_QUORUM", "write"): 2,
        ("east", "SERIAL", "cas"): 1,
    }
    assert timelines([]) == {}


def test_an_operation_counts_where_it_was_due_and_its_latency_from_there():
    timeline = line(*beat("." * 20), operation(2000, late=700, latency=800))

    assert max(timeline.buckets) == 20
    assert quantile(timeline.buckets[20].latencies, 1) == pytest.approx(0.8, rel=0.011)


def test_without_a_due_time_the_invoke_counts():
    item = operation(150)
    item.due = None

    assert (min(line(item).buckets), line(item).width) == (0, 5 * BUCKET)
    assert min(line(*beat("." * 11), item).buckets) == 0


def test_outcomes_are_counted_apart_and_only_what_is_ok_has_a_latency():
    bucket = line(operation(0), operation(1, "fail"), operation(2, "info"), operation(3, "info")).whole()

    assert (bucket.ok, bucket.fail, bucket.info, bucket.total, sum(bucket.latencies.values())) == (1, 1, 2, 4, 1)


def test_half_is_not_bad():
    assert not line(operation(0), operation(1, "fail")).whole().bad
    assert line(operation(0), operation(1, "fail"), operation(2, "info")).whole().bad


@pytest.mark.parametrize(("every", "width"), [(50, 100), (100, 100), (110, 100), (115, 500), (500, 500)])
def test_the_width_follows_the_rate(every, width):
    assert line(*beat("." * 40, every)).width == width * MS


def test_a_whole_is_cut_at_the_starts_of_buckets():
    timeline = line(*beat("." * 30))

    assert timeline.whole(500 * MS, 700 * MS).total == 2
    assert timeline.whole(501 * MS, 701 * MS).total == 2
    assert timeline.whole(stop=1000 * MS).total == 10


# quantiles


@given(st.lists(st.floats(0.0011, 90_000), min_size=1, max_size=60), st.sampled_from([0.5, 0.95, 0.99, 1.0]))
def test_a_quantile_is_one_percent_off_at_most(latencies, share):
    timeline = line(*[operation(0, latency=latency) for latency in latencies])
    exact = sorted(round(latency * MS) for latency in latencies)[math.ceil(share * len(latencies)) - 1] / SECOND

    assert quantile(timeline.whole().latencies, share) == pytest.approx(exact, rel=0.0101)


def test_latencies_have_two_ends_and_none_has_no_quantile():
    assert quantile({}, 0.5) is None
    short = line(operation(0, latency=0.0001), operation(0, latency=0.001), operation(0, latency=0.0))
    assert short.whole().latencies == {0: 3}
    long = line(operation(0, latency=1e6), operation(0, latency=1e7)).whole().latencies
    assert list(long.values()) == [2]
    assert quantile(long, 1) == pytest.approx(100, rel=0.03)


# outages


@pytest.mark.parametrize(
    ("beats", "spans"),
    [
        ("..........", []),
        ("...xx.....", []),  # 200 ms
        ("...xxx....", [(300, 600)]),
        ("...?x?....", [(300, 600)]),
        ("...xxx....xxx..", [(300, 1300)]),  # 400 ms between
        ("...xxx.....xxx..", [(300, 600), (1100, 1400)]),  # 500 ms between
        ("...xxx..xx..xxx..", [(300, 600), (1200, 1500)]),  # what is too short does not join
        ("...xx_x...", [(300, 700)]),  # silence is neither
        ("...xx____xx.....", [(300, 1100)]),
        ("...x_____x..........", []),  # 500 ms of silence end a run
        ("xxx", [(0, 300)]),
    ],
)
def test_an_outage_is_a_run_of_bad_buckets(beats, spans):
    outages = line(*beat(beats), *beat("." * 40, start=5000)).outages()

    assert [(outage.start // MS, outage.end // MS) for outage in outages] == spans
    assert [outage.seconds for outage in outages] == [(end - start) / 1000 for start, end in spans]


def test_a_rare_lane_has_outages_too():
    assert [outage.seconds for outage in line(*beat("..xxx...", 500)).outages()] == [1.5]
    assert [outage.seconds for outage in line(*beat("..xxx...", 900)).outages()] == [2.5]
    assert [outage.seconds for outage in line(*beat("..x_x" + "." * 30, 900)).outages()] == [2.5]
    assert [outage.seconds for outage in line(*beat("..x__x" + "." * 30, 900)).outages()] == [0.5, 0.5]
    assert [outage.seconds for outage in line(operation(100, "fail")).outages()] == [0.5]


# detection and recovery


def test_a_fault_shows_with_the_first_bad_bucket():
    timeline = line(*beat("." * 20 + "x" * 10 + "." * 60))

    assert timeline.detected(1500 * MS) == 0.5
    assert timeline.detected(2050 * MS) == 0  # within a bad bucket
    assert timeline.detected(2900 * MS) == 0
    assert timeline.detected(3000 * MS) is None
    assert timeline.detected(1500 * MS, 2000 * MS) is None
    assert timeline.detected(1500 * MS, 2001 * MS) == 0.5


def test_service_is_back_with_five_good_seconds():
    timeline = line(*beat("." * 20 + "x" * 10 + "." * 50))

    assert timeline.recovered(2000 * MS) == 1.0
    assert timeline.recovered(1000 * MS) == 2.0
    assert line(*beat("." * 20 + "x" * 10 + "." * 49)).recovered(2000 * MS) is None
    assert timeline.recovered(3050 * MS) == 0
    assert timeline.recovered(3100 * MS) is None


def test_what_never_was_bad_is_back_at_once_if_it_is_fast():
    assert line(*beat("." * 100)).recovered(2030 * MS, 0.001) == 0
    assert line(*beat("." * 30 + "s" * 20 + "." * 60)).recovered(2000 * MS, 0.001) == 3.0
    assert line(*beat("." * 30 + "s" * 20 + "." * 60)).recovered(2000 * MS) == 0


@pytest.mark.parametrize(("baseline", "seconds"), [(0.0102, 0), (0.0098, None)])
def test_fast_is_below_three_times_the_baseline(baseline, seconds):
    assert line(*beat("." * 60, latency=30.0)).recovered(0, baseline) == seconds


def test_one_per_cent_may_fail_and_one_per_cent_may_be_slow():
    beats = "." * 99 + "x" + "." * 99 + "s" + "." * 98 + "xs"
    for start, seconds in ((0, 0), (5, 0), (10, None)):
        timeline = line(*beat(beats, every=50)[20 * start : 20 * start + 100])
        assert timeline.recovered(start * SECOND, 0.001) == seconds


def test_silence_is_no_recovery():
    timeline = line(*beat("." * 20 + "x" * 10 + "." + "_" * 60 + "." * 60))

    assert timeline.recovered(2000 * MS) == 7.1


@pytest.mark.parametrize(("ok", "seconds"), [(25, 1.0), (24, None)])
def test_half_of_the_usual_number_is_enough(ok, seconds):
    timeline = line(*beat("x" * 10 + "." * ok + "_" * (50 - ok) + "x"))

    assert (timeline.rate, timeline.recovered(0)) == (10, seconds)


def test_slow_answers_before_a_silence_are_not_quick():
    assert line(*beat("x" * 10 + "s" * 25 + "_" * 25 + "x")).recovered(0, 0.001) is None


def test_nine_a_second_is_not_slow_yet():
    assert (line(*beat(".....____....")).width, line(*beat(".....____....")).rate) == (
        5 * BUCKET,
        pytest.approx(9 / 1.3),
    )
    assert (line(*beat("....._....")).width, line(*beat("....._....")).rate) == (BUCKET, 9)


@pytest.mark.parametrize(
    ("bad", "slow", "seconds"), [(5, 4, 0), (6, 0, None), (5, 5, None), (0, 5, 0), (0, 6, None), (4, 4, 0)]
)
def test_failing_and_slow_are_counted_apart(bad, slow, seconds):
    letters = ["."] * 500
    for number in range(bad):
        letters[20 * number] = "x"
    for number in range(slow):
        letters[20 * number + 10] = "s"

    assert line(*beat("".join(letters), every=10)).recovered(0, 0.001) == seconds


def test_an_ok_whose_return_is_not_known_has_no_latency():
    bucket = line(operation(0, latency=None)).whole()

    assert (bucket.ok, bucket.latencies) == (1, {})


def test_before_the_first_operation_nothing_was_seen():
    assert line(*beat("." * 60, start=10_000)).recovered(2 * SECOND) == 8.0


def test_memory_does_not_grow_with_the_number_of_operations():
    def used(count):
        stream = (operation(number * 10_000 / count, latency=number % 7 + 1.0) for number in range(count))
        tracemalloc.start()
        kept = timelines(stream)
        size = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert sum(timeline.whole().total for timeline in kept.values()) == count
        return size

    assert used(20_000) < 1.5 * used(4_000)
