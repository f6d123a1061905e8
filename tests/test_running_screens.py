"""A real run's recorded events on every screen: widths, folds, heights, times left, and an interrupted terminal."""

import io
import json
import os
import pty
import re
import select
import signal
import subprocess
import sys
import termios
import time
from pathlib import Path

import pytest
from rich.console import Console

from clusters.waiting import until
from ringproof.lines import PlainView
from ringproof.stream import StreamView
from ringproof.tree import TreeView
from tests.replay import ITEMS, USUAL, Clock, play, recorded

ROOT = Path(__file__).parents[1]
DARK = 130.0
"""Second of the record at which a zone is frozen and its conviction is waited for."""


@pytest.fixture
def clock():
    return Clock()


def lines(clock, encoding="utf-8", width=80, until=float("inf"), **options):
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding=encoding, write_through=True)
    view = PlainView(Console(file=stream, width=width, highlight=False), clock=clock, usual=USUAL.get, **options)
    play(view, clock, until)
    return view, lambda: raw.getvalue().decode(encoding).splitlines()


def drawn(tree, width=80, height=24):
    out = io.StringIO()
    Console(file=out, width=width, height=height, color_system=None).print(tree)
    return out.getvalue().splitlines()


@pytest.mark.parametrize("width", [80, 200])
def test_a_log_is_never_wider_than_80_columns_and_moves_no_cursor(clock, width):
    _, told = lines(clock, width=width)

    assert max(map(len, told())) <= 80
    assert "\x1b" not in "".join(told())
    assert sum("(both-ways)" in line for line in told()) == 2


def test_lines_have_the_seconds_of_the_run_and_windows_as_they_open_and_close(clock):
    _, told = lines(clock)

    windows = [line for line in told() if "fault F1" in line and 95 < float(line.split()[0]) < 165]
    assert [line.split()[0] for line in windows] == ["114.3", "116.3", "143.6", "144.0"]
    assert windows[0].endswith("fault F1 zone loss east/b (frozen): injected")
    assert "in effect" in windows[1]
    assert "gone" in windows[3]


def test_a_scenario_says_how_many_there_are_and_how_long_it_usually_takes(clock):
    _, told = lines(clock)

    assert told()[0].endswith("about 3 min left, as earlier runs took")
    assert any(line.endswith("zone-loss (frozen) on stub-domains (3 of 4, usually 70 s)") for line in told())


def test_a_heartbeat_names_scenario_phase_window_wait_and_last_observation(clock):
    view, told = lines(clock, until=118.0)
    before = len(told())
    clock.now = float(told()[-1].split()[0]) + 29.0
    view.beat()
    silent = told()[before:]
    clock.now += 1.5
    view.beat()
    view.beat()

    words = " ".join(" ".join(told()[before:]).split())
    assert silent == []
    assert words.startswith("146.8 still at it: zone-loss (frozen), 51 s, usually 70 s, phase baseline, 37 s; fault F1")
    assert "zone loss east/b (frozen): open for 33 s, in effect; waiting: conviction, 31 s of 23 s" in words
    assert words.endswith("last seen: east-a-0 holds 2 hosts for down")


def test_in_github_a_scenario_folds_and_its_verdict_stands_below_the_fold(clock):
    _, told = lines(clock, groups=True)

    signs = [(place, line) for place, line in enumerate(told()) if line.startswith("::")]
    assert [line for _, line in signs] == [
        sign for name in ("overlap on overlap", "reschedule on stub-domains", "zone-loss (frozen) on stub-domains",
                          "partition (both-ways) on shared-suffix") for sign in (f"::group::{name}", "::endgroup::")
    ]  # fmt: skip
    assert ["valid in" in told()[place + 1] for place, line in signs if line == "::endgroup::"] == [True] * 4


def test_an_interrupted_run_leaves_no_group_open(clock):
    view, told = lines(clock, until=DARK, groups=True)
    with view:
        pass

    assert told()[-1] == "::endgroup::"


def test_words_that_a_terminal_obeys_or_an_encoding_lacks_are_replaced(clock):
    view, told = lines(clock, encoding="ascii", until=0)
    view.tell("warning", {"text": "caf\u00e9 \x1b[2J \udce9 \u202e"})

    assert told()[-1].endswith("warning: caf? ?[2J ? ?")


def test_the_tree_shows_times_the_open_window_and_the_wait_with_what_it_last_saw(clock):
    tree = TreeView(Console(file=io.StringIO(), width=80, height=24), clock=clock, usual=USUAL.get)
    play(tree, clock, DARK)

    assert drawn(tree) == [
        "ringproof, 2 of 4 scenarios ended, 130 s, about 95 s left",
        "├── overlap",
        "│   └── valid overlap, 1 s",
        "└── stub-domains  ring is ready after 19 s",
        "    ├── valid reschedule, 38 s",
        "    └── zone-loss (frozen), 35 s, usually 70 s",
        "        ├── phase warm-up, 6 s",
        "        ├── phase baseline, 20 s",
        "        ├── fault F1 zone loss east/b (frozen): open for 16 s, in effect",
        "        ├── waiting: conviction, 14 s of 23 s",
        "        └── last seen: east-a-0 holds 2 hosts for down",
    ]


def test_time_left_is_a_least_time_where_a_scenario_never_ran(clock):
    known = {**USUAL, ITEMS[3]: None}
    tree = TreeView(Console(file=io.StringIO()), clock=clock, usual=known.get)
    play(tree, clock, DARK)
    assert tree.state.remaining() == "at least 35 s left"

    without = TreeView(Console(file=io.StringIO()), clock=clock)
    without.tell("run", {"items": ITEMS})
    assert without.state.remaining() == ""


@pytest.mark.parametrize(("width", "height"), [(80, 24), (60, 14), (40, 12)])
def test_the_tree_fits_the_screen_at_every_moment(clock, width, height):
    tree = TreeView(Console(file=io.StringIO(), width=width, height=height), clock=clock, usual=USUAL.get)
    sizes = []

    def measure():
        rows = drawn(tree, width, height)
        sizes.append((len(rows), max(map(len, rows))))

    play(tree, clock, each=measure)
    assert len(sizes) == len(recorded())
    assert max(rows for rows, _ in sizes) < height
    assert max(columns for _, columns in sizes) <= width


def test_scenarios_that_ended_long_ago_are_counted_when_there_is_no_room(clock):
    tree = TreeView(Console(file=io.StringIO(), width=80, height=12), clock=clock)
    for number in range(20):
        facts = {"id": str(number), "scenario": f"s{number}", "variant": "", "topology": "stub-domains"}
        tree.tell("scenario", {**facts, "state": "begin"})
        verdict = "invalid" if number == 3 else "valid"
        tree.tell("scenario", {**facts, "state": "end", "verdict": verdict, "seconds": 1.0})

    rows = drawn(tree, height=12)
    assert rows[1] == "└── stub-domains  10 valid, 1 invalid before"
    assert rows[-1].endswith("valid s19, 1 s")
    assert len(rows) == 11


def test_a_wait_without_a_scenario_is_shown_once_it_lasts(clock):
    tree = TreeView(Console(file=io.StringIO()), clock=clock)
    play(tree, clock, 5.0)
    waits = {"for": "CQL on east/a/0", "limit": 300.0, "seen": "refused", "over": False}
    tree.tell("look", {**waits, "seconds": 0.4})
    assert "refused" not in "".join(drawn(tree))
    tree.tell("look", {**waits, "seconds": 2.0})
    assert [row.strip(" └├─│") for row in drawn(tree)[-2:]] == [
        "waiting: CQL on east/a/0, 2 s of 300 s", "last seen: refused",
    ]  # fmt: skip
    tree.tell("look", {**waits, "seconds": 3.0, "over": True})
    assert "refused" not in "".join(drawn(tree))


def test_a_view_hears_the_waits_of_its_block():
    view = PlainView(Console(file=io.StringIO()))
    started = time.monotonic()

    def lasting():
        return view.state.wait is not None and view.state.wait.seen == "not yet"

    with view:
        until("six hosts", lasting, timeout=20, every=0.1)
        assert view.state.wait is None

    assert time.monotonic() - started >= 1.0
    assert until("seven", lambda: True, timeout=1) is True


class Gone(io.StringIO):
    """A pipe whose reader left after two lines."""

    def __init__(self, number):
        super().__init__()
        self._number = number

    def write(self, words):
        if self.getvalue().count("\n") == 2:
            raise BrokenPipeError
        return super().write(words)

    def fileno(self):
        return self._number


def streamed(clock, out=None, until=float("inf")):
    out = io.StringIO() if out is None else out
    beside = PlainView(Console(file=io.StringIO(), width=80), clock=clock)
    view = StreamView(out, beside, clock=clock, usual=USUAL.get)
    play(view, clock, until)
    return view, lambda: [json.loads(line) for line in out.getvalue().splitlines()]


def test_the_stream_has_every_event_of_the_record_with_the_scenario_it_is_of(clock):
    _, told = streamed(clock)

    events = [one["event"] for one in told() if one["event"] != "look"]
    assert events == [event for _, event, _ in recorded() if event != "look"]
    inside = {one["in"] for one in told() if one["event"] in ("phase", "fault", "waited", "waiting")}
    assert inside == set(ITEMS)
    assert all(isinstance(one["t"], int) for one in told())


def test_the_stream_has_an_observation_of_a_wait_when_it_changes(clock):
    view, told = streamed(clock, until=DARK)
    before = [one for one in told() if one["event"] == "look"][-1]
    assert (before["for"], before["seen"]) == ("conviction", "east-a-0 holds 2 hosts for down")
    looks = {"for": "conviction", "limit": 46.8, "over": False}
    for seconds, seen in ((15.0, before["seen"]), (16.0, "1 host"), (16.2, "0 hosts"), (17.5, "0 hosts")):
        clock.now = DARK + seconds
        view.tell("look", {**looks, "seconds": seconds, "seen": seen})

    after = [one for one in told() if one["event"] == "look"]
    assert [one["seen"] for one in after[after.index(before) + 1 :]] == ["1 host", "0 hosts"]
    assert "over" not in after[-1]


def test_the_stream_has_a_heartbeat(clock):
    view, told = streamed(clock, until=DARK)
    view.beat()
    assert told()[-1]["event"] != "heartbeat"
    clock.now += 30.0
    view.beat()

    last = told()[-1]
    assert (last["event"], last["for"], last["seen"]) == ("heartbeat", "conviction", "east-a-0 holds 2 hosts for down")
    assert "zone-loss (frozen)" in last["doing"]


def test_a_reader_that_leaves_ends_the_stream_and_nothing_else(clock, tmp_path):
    with (tmp_path / "out").open("w") as file:
        out = Gone(file.fileno())
        view, _ = streamed(clock, out)

        assert out.getvalue().count("\n") == 2
        assert sum(1 for _ in view.state.ended()) == 4


INTERRUPTED = """
import signal
signal.signal(signal.SIGINT, signal.default_int_handler)  # a background job inherits that it is ignored
from clusters.waiting import until
from ringproof.live import Screen, TreeView
from tests.replay import Clock, USUAL, play
clock = Clock()
screen = TreeView(Screen(), clock, USUAL.get)
try:
    with screen:
        play(screen, clock, 130.0)
        until("the end", lambda: None, timeout=60)
except KeyboardInterrupt:
    print("interrupted")
"""


def test_an_interrupted_tree_leaves_the_terminal_as_it_was():
    master, slave = pty.openpty()
    termios.tcsetwinsize(slave, (24, 80))
    before = termios.tcgetattr(slave)
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "TERM": "xterm"}
    for name in ("GITHUB_ACTIONS", "NO_COLOR", "COLUMNS", "LINES"):
        environment.pop(name, None)
    child = subprocess.Popen(
        [sys.executable, "-c", INTERRUPTED], stdin=slave, stdout=slave, stderr=slave, env=environment
    )
    said = b""

    def hear(word):
        """Read on until the word was said; the end of the child comes first when it never is."""
        nonlocal said
        while word not in said and (child.poll() is None or select.select([master], [], [], 0)[0]):
            if select.select([master], [], [], 0.1)[0]:
                said += os.read(master, 65536)
        assert word in said, said.decode(errors="replace")[-2000:]

    try:
        hear(b"last seen")
        child.send_signal(signal.SIGINT)
        hear(b"interrupted")
        assert child.wait(20) == 0
        assert termios.tcgetattr(slave) == before
    finally:
        child.kill()
        child.wait()
        os.close(slave)
        os.close(master)

    text = said.decode()
    assert text.count("\x1b[?25h") == text.count("\x1b[?25l") == 1
    last = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", text).splitlines()
    assert last[-1] == "interrupted"
    assert "waiting: conviction" in last[-2]
