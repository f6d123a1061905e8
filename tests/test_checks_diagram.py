"""The text diagram: drawn by hand for small cases, and what must hold of every drawing."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from scenarios.checks.diagram import diagram

MS = 1_000_000
HOST = "1a2b3c4d-0000-1111-2222-333344445555"


def op(process, f, span, outcome="ok", **fields):
    """An operation as it stands in a finding; `span` in ms."""
    start, end = span
    known = {"workload": "registers", "key": 3, "cl": "LOCAL_QUORUM", "dc": process.partition("-")[0], **fields}
    times = {"invoke": round(start * MS), "returned": None if end is None else round(end * MS)}
    told = {"process": process, "f": f, "outcome": outcome, **times, **known}
    return {name: value for name, value in told.items() if value is not None or name == "out"}


def window(*times, identity="F1"):
    """A fault window; times in ms."""
    states = ("inject", "effective", "recover", "recovered")
    given_times = {name: None if time is None else time * MS for name, time in zip(states, times, strict=True)}
    return {"id": identity, "name": f"fault {identity}", **given_times}


STALE = [
    op("east-registers-0", "write", (1000, 1012), value=5, coordinator=HOST),
    op("west-registers-1", "read", (1020, 1030), out=4),
]


def test_a_stale_read_under_a_fault():
    assert (
        diagram(STALE, [window(1005, 1010, 1025, 2000)])
        == """\
F1                                 ........#######################............
east-registers-0 @1a2b3c4d  |-1 write 5 ok-------|
west-registers-1                                          |-2 read -> 4--|
time                        ^ 0    ^ +5.0 ms     ^ +12.0 ms     +30.0 ms ^
 F1 fault F1: inject +5.0 ms, effective +10.0 ms, recover +25.0 ms, recovered
    +1.00 s
  1 registers write 5, key 3, ok, LOCAL_QUORUM, 0 to +12.0 ms, coordinator
    1a2b3c4d
  2 registers read -> 4, key 3, ok, LOCAL_QUORUM, +20.0 ms to +30.0 ms"""
    )


BUSY = [
    op("east-0", "write", (0, 10), value=1),
    op("east-0", "write", (11, 12), value=2),
    op("east-0", "write", (40, 41), "fail", value=3, error=["Unavailable", "", "QUORUM", "4 of 6"]),
    op("west-0", "read", (5, 30), out=1, coordinator=HOST),
    op("west-0", "read", (35, 55), "info", error=["OperationTimedOut"]),
    op("west-0+1", "cas", (60, 80), value=[1, 2], out={"applied": False, "value": 3}, cl="SERIAL", serial="SERIAL"),
]


def test_a_busy_drawing():
    faults = [window(-3, -2, 5, 20), window(41, 50, 60, 80, identity="F2"), window(70, None, None, None, identity="F3")]

    assert (
        diagram(BUSY, faults)
        == """\
F1                #####.............
F2                                                 ....#########..........
F3                                                                  ..........
east-0            |-1----|  |--| 3 write 2 ok   |--| 5 write 3 fail
west-0 @1a2b3c4d      |-2 read -> 1 ok--|   |-4 read info---.................>
west-0+1                                                       |-6 cas---|
time              ^ 0 ^ +5.0 ms    ^ +20.0 ms   ^ +40.0 ms      +80.0 ms ^
 F1 fault F1: inject -3.0 ms, effective -2.0 ms, recover +5.0 ms, recovered
    +20.0 ms
 F2 fault F2: inject +41.0 ms, effective +50.0 ms, recover +60.0 ms, recovered
    +80.0 ms
 F3 fault F3: inject +70.0 ms
  1 registers write 1, key 3, ok, LOCAL_QUORUM, 0 to +10.0 ms
  2 registers read -> 1, key 3, ok, LOCAL_QUORUM, +5.0 ms to +30.0 ms,
    coordinator 1a2b3c4d
  3 registers write 2, key 3, ok, LOCAL_QUORUM, +11.0 ms to +12.0 ms
  4 registers read, key 3, info, LOCAL_QUORUM, +35.0 ms to +55.0 ms, error
    OperationTimedOut
  5 registers write 3, key 3, fail, LOCAL_QUORUM, +40.0 ms to +41.0 ms, error
    Unavailable QUORUM 4 of 6
  6 registers cas 1->2 lost: 3, key 3, ok, SERIAL, +60.0 ms to +80.0 ms"""
    )


def test_a_drawing_of_instants_and_edges():
    ops = [BUSY[0], op("west-0", "read", (10, 10), out=1)]

    assert (
        diagram(ops, [window(10, 11, 12, 13), window(-5, -4, -3, 0, identity="F2")], 72)
        == """\
F1                                                                 .....
F2      .
east-0  |-1 write 1 ok---------------------------------------------|
west-0                                                             | 2
time    ^ 0                                               +10.0 ms ^
 F1 fault F1: inject +10.0 ms, effective +11.0 ms, recover +12.0 ms,
    recovered +13.0 ms
 F2 fault F2: inject -5.0 ms, effective -4.0 ms, recover -3.0 ms,
    recovered 0
  1 registers write 1, key 3, ok, LOCAL_QUORUM, 0 to +10.0 ms
  2 registers read -> 1, key 3, ok, LOCAL_QUORUM, +10.0 ms to +10.0 ms"""
    )


def test_a_drawing_without_room_for_words():
    ops = [op(f"p-{number}", "write", (number, number + 0.4), value=100 + number) for number in range(12)]

    assert diagram(ops).splitlines()[:13] == [
        "p-0   |--| 1 write 100 ok",
        "p-1         |--| 2 write 101 ok",
        "p-2               |-| 3 write 102 ok",
        "p-3                     |-| 4 write 103 ok",
        "p-4                          |--| 5 write 104 ok",
        "p-5                                |--| 6 write 105 ok",
        "p-6                                      |--| 7 write 106 ok",
        "p-7                                            |--| 8 write 107 ok",
        "p-8                                                  |-| 9 write 108 ok",
        "p-9                                                        |-| 10 write 109",
        "p-10                                                            |--| 11 write",
        "p-11                                                                  |--| 12",
        "time  ^ 0   ^ +1.0 ms   ^ +3.0 ms  ^ +5.0 ms   ^ +7.0 ms        +11.4 ms ^",
    ]


def test_the_last_time_stands_right_of_its_mark_where_it_fits():
    assert diagram([op("east-0", "w", (0, 0))]).splitlines()[1] == "time    ^ 0"
    one = diagram([op("east-0", "w", (0, 10)), op("east-0", "w", (10, 10))], width=72)
    assert one.splitlines()[-3].endswith(" +10.0 ms ^")


def test_words_stand_inside_if_they_fit_else_behind_if_they_fit_there():
    """Inside, the bars, one dash before and one behind stay; behind, a blank on both sides."""
    seen = set()
    for end in range(1, 380):
        ops = [op("a-0", "w", (0, end)), op("a-0", "w", (end + 8, 400)), op("b-0", "w", (0, 500))]
        lane = diagram(ops, width=72).splitlines()[0]
        last = lane.index("|", 7)
        gap = lane.index("|", last + 1) - last - 1
        expected = next(
            (word, place)
            for word in ("1 w ok", "1 w", "1", "")
            for place, room in (("inside", last - 6 - 3), ("behind", gap - 2))
            if len(word) <= room or not word
        )
        found = {"inside": lane[7:last].strip("-"), "behind": lane[last + 1 :][:gap]}
        assert found["inside"] == (expected[0] if expected[1] == "inside" else ""), lane
        assert found["behind"] == f" {expected[0] if expected[1] == 'behind' else ''}".ljust(gap), lane
        seen.add(expected)
    assert {place for _, place in seen} == {"inside", "behind"}


def test_a_free_row_is_used_again():
    ops = [op("a-0", "w", span) for span in ((0, 10), (5, 30), (15, 40), (35, 50), (50, 60))]
    rows = diagram(ops).splitlines()[:3]

    assert [row.count("|") // 2 for row in rows[:2]] == [3, 2]
    assert rows[2].startswith("time")


def test_the_edge_of_what_is_told_whole():
    assert words(f="write", value="twelve char.") == "write twelve char. ok"
    assert words(f="write", value="thirteen char") == "write ..rteen char ok"
    assert "registers write " + "4" * 40 + "," in diagram([op("a", "write", (0, 1), value="4" * 40)])
    assert ".." + "5" * 38 + "," in diagram([op("a", "write", (0, 1), value="5" * 41)])
    assert diagram([{"text": "6" * 60}]) == "- text=" + "6" * 60
    assert diagram([{"text": "7" * 61}]) == "- text=.." + "7" * 58
    assert diagram([{"text": " ~\x7f\x1f"}]).startswith("- text= ~")
    assert "~??" in diagram([{"text": "~\x7f\x1f"}])


def test_only_what_looks_like_a_host_id_is_shortened():
    assert "coordinator pod-of-a-very-long-name-in-the-ring-0" in " ".join(
        diagram([op("a", "w", (0, 1), coordinator="pod-of-a-very-long-name-in-the-ring-0")]).split()
    )
    assert "coordinator a-b-c-d-e" in diagram([op("a", "w", (0, 1), coordinator="a-b-c-d-e")])
    assert "coordinator " + "x" * 36 in " ".join(diagram([op("a", "w", (0, 1), coordinator="x" * 36)]).split())


def test_what_may_still_happen_is_open_to_the_right():
    text = diagram(
        [op("a", "write", (0, 10), "info", value=7, dc="east"), op("east-0", "write", (5, None), "info", value=8)]
    )
    first, second = text.splitlines()[:2]

    assert re.fullmatch(r"a \(east\)  \|-1 write 7 info-+\.+>", first)
    assert re.fullmatch(r"east-0 +\|\.2 write 8 info\.+>", second)
    assert first[-1] == second[-1] == ">"
    assert len(first) == len(second) == 78
    assert "  2 registers write 8, key 3, no answer, LOCAL_QUORUM, +5.0 ms" in text


def test_a_failed_operation_is_closed_and_told_with_its_error():
    error = ["WriteTimeout", "SIMPLE", "", "Coordinator\nnode timed out"]
    text = diagram([op("east-0", "read", (0, 6000), "fail", error=error, host=HOST, stage="final")])

    assert text.splitlines()[0].rstrip().endswith("|")
    assert "registers read, key 3, fail, LOCAL_QUORUM, 0 to +6.00 s" in text
    assert "asked of 1a2b3c4d, final, error" in " ".join(text.split())
    assert "WriteTimeout SIMPLE Coordinator" in " ".join(text.split())


def words(**fields):
    """How one operation is told in the drawing."""
    text = diagram([op("east-0", fields.pop("f"), (0, 9), **fields)])
    return re.search(r"\|-1 (.*?)-*\|", text.splitlines()[0])[1]


def test_each_kind_of_operation_has_its_words():
    assert words(f="write", value=5) == "write 5 ok"
    assert words(f="read", out=None) == "read -> null ok"
    assert words(f="read", out=[[1, 7]]) == "read -> [[1,7]] ok"
    assert words(f="read", out=list(range(20))) == "read -> ..,17,18,19] ok"
    assert words(f="read", outcome="fail") == "read fail"
    assert words(f="cas", value=[1, 2], out={"applied": True}) == "cas 1->2 ok"
    assert words(f="cas", value=(None, 2), out={"applied": False, "value": 3}) == "cas null->2 lost: 3 ok"
    assert words(f="cas", value=2, out={"applied": True, "value": 2}) == "cas 2 ok"
    assert words(f="append", value=7, out={"applied": True, "version": 3}) == "append 7 as 3 ok"
    assert words(f="append", value=7, out={"applied": False, "head": 3}) == "append 7 lost: 3 ok"
    assert words(f="append", value=7, out={"applied": False, "head": None}) == "append 7 lost: null ok"
    assert words(f="add", value="longer than twelve") == "add ..han twelve ok"


def test_levels_of_a_transaction_are_both_told():
    assert "SERIAL, 0 to" in diagram([op("a", "cas", (0, 1), cl="SERIAL", serial="SERIAL")])
    assert "QUORUM (serial SERIAL)" in diagram([op("a", "cas", (0, 1), cl="QUORUM", serial="SERIAL")])


def test_a_lane_has_its_coordinator_if_it_is_always_the_same():
    other = HOST.replace("1a", "9a")
    pair = [op("east-0", "read", (0, 1), coordinator=HOST), op("east-0", "read", (2, 3), coordinator=other)]

    assert diagram(pair).startswith("east-0  |")
    assert diagram([pair[0], {**pair[1], "coordinator": HOST}]).startswith("east-0 @1a2b3c4d  |")
    assert diagram([{**pair[0], "coordinator": "east-a-0"}]).startswith("east-0 @east-a-0  |")
    assert "coordinator 9a2b3c4d" in diagram(pair)


def test_a_process_name_that_is_too_long_is_cut():
    first = diagram([op("east-" + "x" * 40, "read", (0, 1))]).splitlines()[0]

    assert first.startswith("east-xxxxxxxxxxxxxxxxxxx..  |")


def test_operations_of_one_process_that_overlap_go_to_a_further_row():
    lines = diagram([op("a-0", "read", (0, 10), out=1), op("a-0", "read", (5, 12), out=2)]).splitlines()

    assert lines[0].startswith("a-0   |-1 read -> 1 ok-")
    assert re.fullmatch(r" +\|-2 read -> 2 ok-*\|", lines[1])
    assert lines[2].startswith("time  ^ 0")


def test_words_stand_behind_an_interval_that_is_too_short_for_them():
    text = diagram([op("a-0", "write", (0, 1), value=5), op("b-0", "write", (500, 900), value=6)])

    assert text.splitlines()[0].startswith("a-0   |")
    assert re.search(r"\| 1 write 5 ok$", text.splitlines()[0])


def test_where_there_is_no_room_only_the_number_stays():
    ops = [op("a-0", "write", (number, number + 0.5), value=number) for number in range(12)]
    first = diagram(ops).splitlines()[0]

    assert "write" not in first
    assert first.count("|") == 24


def test_of_an_outcome_that_is_not_ok_the_word_stays_longer_than_the_value():
    drawn = [
        diagram([op("a-0", "write", (0, end), "fail", value=12345678901), op("a-0", "read", (end + 0.1, 20))])
        for end in range(1, 20)
    ]

    assert any(re.match(r"a-0   \|-1 write fail-*\|", text) for text in drawn)
    assert not any(re.match(r"a-0   \|-1 write 12345678901-*\|", text) for text in drawn)


def test_windows_elsewhere_are_told_in_words():
    text = diagram(STALE, [window(1, 2, 3, 4), window(5000, 5001, 5002, 5003, identity="F2")])

    assert text.splitlines()[0] == "F1                          (over 996.0 ms before the first)"
    assert text.splitlines()[1] == "F2                          (begins 3.97 s after the last)"


def test_a_window_that_goes_on_reaches_the_edge():
    first, *_ = diagram(STALE, [window(1005, 1010, None, None)]).splitlines()
    assert re.fullmatch(r"F1 +\.+#+", first)
    assert len(first) == 78

    first, *_ = diagram(STALE, [window(1005, None, None, None)]).splitlines()
    assert re.fullmatch(r"F1 +\.+", first)
    first, *_ = diagram(STALE, [window(900, 950, 1025, 1026)]).splitlines()
    assert re.fullmatch(r"F1 +#+\.+", first)
    first, *_ = diagram(STALE, [window(900, 950, 960, 1026)]).splitlines()
    assert re.fullmatch(r"F1 +\.+", first)
    first, *_ = diagram(STALE, [window(1010, 1040, 1050, 1060)]).splitlines()
    assert re.fullmatch(r"F1 +\.+", first)
    first, *_ = diagram(STALE, [window(None, 1010, None, 1025)]).splitlines()
    assert re.fullmatch(r"F1 +\.+#+", first)


def test_the_nearest_windows_are_drawn_and_those_that_never_began_are_not():
    faults = [window(t, t + 1, t + 2, t + 3, identity=f"F{t}") for t in (10, 500, 1005, 1500, 9000)]
    text = diagram(STALE, [window(None, None, None, None), *faults])

    assert [line.split()[0] for line in text.splitlines()[:3]] == ["F500", "F1005", "F1500"]
    assert "F10 " not in text
    assert "F1 " not in text


def test_many_operations_are_cut_with_a_word():
    ops = [op(f"p-{number}", "write", (number, number + 1), value=100 + number) for number in range(15)]
    text = diagram(ops)

    assert "(3 more operations are not drawn)" in text
    assert [f"write {100 + number}," in text for number in range(15)] == [
        number < 11 or number == 14 for number in range(15)
    ]
    assert "not drawn" not in diagram(ops[:12])


def test_records_without_times_are_listed():
    text = diagram([{"kind": "ring_view", "t": 5, "host": "é", "error": None}])
    assert text == "- kind=ring_view t=5 host=?"
    assert "(2 more records are not shown)" in diagram([{"t": number} for number in range(14)])
    assert "more records" not in diagram([{"t": number} for number in range(12)])
    mixed = diagram([{"t": 1}, STALE[0]])
    assert mixed.splitlines()[0].startswith("east-registers-0")
    assert mixed.splitlines()[-1] == "- t=1"


def test_nothing_is_nothing():
    assert diagram([]) == ""
    assert diagram([], [window(1, 2, 3, 4)]) == ""


def test_little_is_known_of_an_operation():
    lane, axis, legend = diagram([{"invoke": 5}]).splitlines()

    assert re.fullmatch(r"\?     \|\.+1 \?\.+>", lane)
    assert (axis, legend) == ("time  ^ 0", "  1 ?, no answer, 0")


def test_times_have_units_that_fit_them():
    text = diagram([op("a", "read", (0, 0.5)), op("a", "read", (999, 1000)), op("b", "read", (61_000, 62_500))])

    assert "0 to +1.0 ms" in diagram([op("a", "read", (0, 1))])
    assert "0 to +0.999 ms" in diagram([op("a", "read", (0, 0.999))])
    for told in ("0 to +0.500 ms", "+999.0 ms to +1.00 s", "+61.00 s to +62.50 s"):
        assert told in " ".join(text.split())


SPANS = st.tuples(
    st.sampled_from(["east-0", "east-1", "west-0", "west-long-name-of-a-process-0+12"]),
    st.integers(0, 10**10),
    st.one_of(st.none(), st.integers(0, 10**10)),
    st.sampled_from(["ok", "fail", "info"]),
)
WINDOWS = st.lists(st.lists(st.integers(0, 10**10), min_size=4, max_size=4).map(sorted), max_size=4)


@given(st.lists(SPANS, min_size=1, max_size=15), WINDOWS, st.integers(20, 120))
def test_every_drawing_is_ascii_and_within_its_width(drawn, faults, width):
    ops = [
        op(process, "write", (start / MS, None if lasts is None else (start + lasts) / MS), outcome, value=number)
        for number, (process, start, lasts, outcome) in enumerate(drawn)
    ]
    text = diagram(ops, [window(*(time / MS for time in times)) for times in faults], width)

    assert text.replace("\n", "").isprintable()
    assert text.isascii()
    assert max(map(len, text.splitlines())) <= max(width, 72)
    assert all(f"{number} registers write" in " ".join(text.split()) for number in range(1, min(len(ops), 12) + 1))


@given(st.lists(st.integers(0, 10**12), min_size=4, max_size=24, unique=True))
def test_later_is_further_right(instants):
    """Every interval's ends, found again in the drawing, are in the order of their times."""
    pairs = [sorted(instants[place : place + 2]) for place in range(0, len(instants) // 2 * 2, 2)]
    ops = [op(f"p-{number:02}", "w", (a / MS, b / MS)) for number, (a, b) in enumerate(pairs)]
    rows = {line[:4]: line for line in diagram(ops, width=80).splitlines() if line.startswith("p-")}
    found = []
    for number, (a, b) in enumerate(pairs):
        bars = [place for place, letter in enumerate(rows[f"p-{number:02}"]) if letter == "|"]
        found += [(round(a / MS * MS), bars[0]), (round(b / MS * MS), bars[1])]

    ordered = sorted(found)
    assert [column for _, column in ordered] == sorted({column for _, column in found})
