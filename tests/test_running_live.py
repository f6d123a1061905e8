"""What a run shows: a line per change of state, a heartbeat in silence, and a tree with open windows and waits."""

import io
import json

import pytest
from rich.console import Console

from clusters.waiting import until
from fixtures.following import Follower
from reports import told
from ringproof.live import PlainView, TreeView, view

BEGIN = ("scenario", {"state": "begin", "scenario": "zone-loss", "variant": "frozen", "topology": "stub-domains"})
END = ("scenario", {**BEGIN[1], "state": "end", "verdict": "valid", "seconds": 41.2})
STORY = [
    ("topology", {"name": "stub-domains", "state": "preparing"}),
    ("step", {"topology": "stub-domains", "text": "6 hosts started"}),
    ("topology", {"name": "stub-domains", "state": "ready", "seconds": 17.0}),
    BEGIN,
    ("phase", {"name": "baseline"}),
    ("fault", {"id": "F1", "name": "zone loss east/b", "state": "inject"}),
    ("fault", {"id": "F1", "state": "effective", "evidence": "3 of 3 probes unanswered"}),
    ("waiting", {"for": "conviction", "limit": 23.4}),
]


@pytest.fixture
def told_lines():
    out = io.StringIO()
    return out, Console(file=out, width=80, highlight=False)


def test_without_a_terminal_each_change_of_state_is_one_line(told_lines):
    out, console = told_lines
    with view(console) as screen:
        assert isinstance(screen, PlainView)
        for event, facts in [*STORY, ("load", {"counts": {}}), END]:
            screen.tell(event, facts)

    lines = out.getvalue().splitlines()
    assert len(lines) == len(STORY) + 1
    assert lines[-1].endswith("zone-loss (frozen): valid in 41 s")
    assert max(map(len, lines)) <= 80


def test_a_silent_run_says_that_it_goes_on(told_lines):
    out, console = told_lines
    with PlainView(console, heartbeat=0.05) as screen:
        screen.tell(*BEGIN)
        until("a heartbeat", lambda: "still at it: zone-loss (frozen)" in out.getvalue(), timeout=10)


def test_the_tree_shows_open_windows_and_the_current_wait():
    now = [0.0]
    out = Console(file=io.StringIO(), width=100, force_terminal=True, color_system=None)
    tree = TreeView(out, clock=lambda: now[0])
    for event, facts in STORY:
        tree.tell(event, facts)
    now[0] = 12.0

    drawn = text_of(tree)
    assert "zone-loss (frozen), 12 s" in drawn
    assert "fault F1 zone loss east/b: open for 12 s" in drawn
    assert "waiting: conviction, 12 s of 23 s" in drawn

    tree.tell("waited", {"for": "conviction", "seconds": 12.0, "limit": 23.4, "timer": True})
    tree.tell("fault", {"id": "F1", "state": "recovered", "evidence": "answered"})
    drawn = text_of(tree)
    assert "open for" not in drawn
    assert "waiting" not in drawn
    assert "fault F1 zone loss east/b: 12 s, healed" in drawn

    tree.tell(*END)
    assert "valid zone-loss (frozen), 41 s" in text_of(tree)
    assert "phase" not in text_of(tree)


def text_of(tree):
    out = io.StringIO()
    Console(file=out, width=100).print(tree)
    return out.getvalue()


@pytest.fixture(autouse=True)
def no_runner(monkeypatch):
    """These tests may run in GitHub Actions, or where colours are forced."""
    for name in ("GITHUB_ACTIONS", "FORCE_COLOR", "NO_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm")


def test_a_terminal_gets_the_tree():
    with view(Console(file=Terminal(), force_terminal=True, width=80)) as screen:
        assert isinstance(screen, TreeView)


class Terminal(io.StringIO):
    """Says that it is one."""

    def isatty(self):
        return True


@pytest.mark.parametrize(
    ("file", "environment"),
    [(Terminal, {"TERM": "dumb"}), (Terminal, {"GITHUB_ACTIONS": "true"}), (io.StringIO, {"FORCE_COLOR": "1"})],
)
def test_what_cannot_redraw_gets_lines_whatever_colours_are_forced(monkeypatch, file, environment):
    for name, value in environment.items():
        monkeypatch.setenv(name, value)

    assert isinstance(view(Console(file=file(), width=80)), PlainView)


@pytest.mark.parametrize(
    ("event", "facts", "words"),
    [
        ("waited", {"for": "traffic in calm", "seconds": 4, "limit": 4, "timer": True}, None),
        ("waited", {"for": "agreement", "seconds": 9, "limit": 5, "missed": "late"}, "not in time: agreement"),
        ("fault", {"id": "F1", "state": "error", "detail": "nothing seen"}, "fault F1 did not bite: nothing seen"),
        ("cleanup", {"ok": False, "detail": "1 entry left"}, "clean-up: 1 entry left"),
        ("cleanup", {"ok": True, "detail": ""}, None),
        ("load", {"counts": {}}, None),
    ],
)
def test_words_of_an_event(event, facts, words):
    line = told.line(event, facts)

    assert line is None if words is None else line.startswith(words)


def test_the_controller_follows_its_workers_by_whole_lines(tmp_path):
    first = json.dumps({"event": "scenario", **BEGIN[1]}) + "\n"
    (tmp_path / "events-gw0.jsonl").write_text('{"type": "anchor"}\n' + first + first[:20])
    follower = Follower(tmp_path, print)

    assert list(follower.fresh()) == ["[gw0] zone-loss (frozen) on stub-domains"]
    assert list(follower.fresh()) == []
    with (tmp_path / "events-gw0.jsonl").open("a") as file:
        file.write(first[20:])
    assert len(list(follower.fresh())) == 1
