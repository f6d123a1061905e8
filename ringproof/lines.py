"""What every view of a run does, and the one for logs: a line per change of state, and a heartbeat in silence."""

from __future__ import annotations

import textwrap
import threading
import time
from abc import abstractmethod
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack

from rich.console import Console
from rich.text import Text

from clusters.waiting import Look, watched
from reports import told
from reports.safe import logged
from ringproof.under_way import Clock, Facts, UnderWay, Usual, duration, unknown
from scenarios.progress import heard

HEARTBEAT = 30.0
"""Seconds of silence after which a line says that it goes on; services end a silent job after ten minutes."""
WIDEST, NARROWEST = 80, 40
"""Columns of a line."""
OUTERMOST = ("run", "topology", "step", "fetch", "scenario")
"""Events that are no part of a scenario's story."""


class View(AbstractContextManager["View"]):
    """What shows a run while the block runs, its waits included; ``tell`` may be called after it too."""

    def __init__(self, clock: Clock = time.monotonic, usual: Usual = unknown) -> None:
        self.state = UnderWay(clock, usual)
        self._lock = threading.RLock()
        self._ears = ExitStack()

    def tell(self, event: str, facts: Facts) -> None:
        """Show one event of docs/formats.md, or `look` (at a wait) or `judging` (how far a judgement has come)."""
        with self._lock:
            self.state.take(event, facts)
            self.show(event, facts)

    @abstractmethod
    def show(self, event: str, facts: Facts) -> None:
        """Show an event that the state has taken in."""

    def begin(self) -> None:
        """The block begins."""

    def end(self) -> None:
        """The block ends, however it does."""

    def _look(self, look: Look) -> None:
        facts = {"for": look.what, "seconds": round(look.seconds, 3), "limit": round(look.timeout, 3)}
        self.tell("look", {**facts, "seen": " ".join(look.seen.split()), "over": look.over})

    def __enter__(self) -> View:
        self._ears.enter_context(watched(self._look))
        self._ears.enter_context(heard(lambda what, count: self.tell("judging", {"what": what, "count": count})))
        self._ears.callback(self.end)
        self.begin()
        return self

    def __exit__(self, *_: object) -> None:
        self._ears.close()


class Heart:
    """Calls ``beat`` from a thread of its own once a second or oftener; how long it was silent, ``beat`` knows."""

    def __init__(self, beat: Callable[[], None], every: float) -> None:
        self._beat = beat
        self._every = min(1.0, every)
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="heartbeat", daemon=True)

    def start(self) -> None:
        """Begin to beat."""
        self._thread.start()

    def stop(self) -> None:
        """End; twice is once."""
        self._over.set()
        if self._thread.is_alive():
            self._thread.join()

    def _run(self) -> None:
        while not self._over.wait(self._every):
            self._beat()


class PlainView(View):
    """One line per change of state with the seconds since the start; at most 80 columns, no sign that moves a cursor.

    ``groups``: a scenario's lines fold in the log of GitHub Actions, its verdict stands below the fold.
    """

    def __init__(
        self,
        console: Console,
        heartbeat: float = HEARTBEAT,
        *,
        clock: Clock = time.monotonic,
        usual: Usual = unknown,
        groups: bool = False,
    ) -> None:
        super().__init__(clock, usual)
        self._console = console
        self._heartbeat = heartbeat
        self._spoke = clock()
        self._groups = groups
        self._group = False
        self._heart = Heart(self.beat, heartbeat)

    def show(self, event: str, facts: Facts) -> None:
        """Print the event, if it is a change of state."""
        if event == "scenario":
            self._fold(facts)
        words = self._expected() if event == "run" else told.line(event, facts)
        if words:
            self._say(("" if event in OUTERMOST else "  ") + words + self._beside(event, facts))

    def _expected(self) -> str:
        left = self.state.remaining()
        return f"{left}, as earlier runs took" if left else ""

    def _beside(self, event: str, facts: Facts) -> str:
        """Which of how many scenarios begins, and how long it usually takes."""
        current = self.state.scenario
        if event != "scenario" or facts["state"] != "begin" or current is None:
            return ""
        ended, total = sum(1 for _ in self.state.ended()), len(self.state.items)
        said = [f"{ended + 1} of {total}"] if total else []
        if current.usual is not None:
            said.append(f"usually {duration(current.usual)}")
        return f" ({', '.join(said)})" if said else ""

    def _fold(self, facts: Facts) -> None:
        """Open a group before the scenario's first line, close it before its last."""
        if not self._groups:
            return
        self._close_group()
        if facts["state"] == "begin":
            self._raw("::group::" + printable(f"{told.name(facts)} on {facts['topology']}", self._console))
            self._group = True

    def _close_group(self) -> None:
        if self._group:
            self._raw("::endgroup::")
            self._group = False

    def _raw(self, words: str) -> None:
        self._console.print(Text(words[:WIDEST]), soft_wrap=True)

    def _say(self, words: str) -> None:
        self._spoke = self.state.clock()
        stamp = f"{self.state.seconds:6.1f}  "
        width = max(NARROWEST, min(WIDEST, self._console.width))
        told_ = printable(words, self._console)
        text = textwrap.fill(told_, width, initial_indent=stamp, subsequent_indent=" " * (len(stamp) + 2))
        self._console.print(Text(text), soft_wrap=True)

    def beat(self) -> None:
        """Say what is under way, with the last thing seen, when nothing was said for the heartbeat's seconds."""
        with self._lock:
            if self.state.clock() - self._spoke >= self._heartbeat:
                self._say(f"still at it: {self.state.doing()}")

    def begin(self) -> None:
        """The heart begins to beat."""
        self._heart.start()

    def end(self) -> None:
        """The heart stops, and no group stays open."""
        self._heart.stop()
        with self._lock:
            self._close_group()


def printable(words: str, console: Console) -> str:
    """The words without what a terminal obeys, and with `?` for what its encoding cannot say."""
    shown = "".join(letter if letter.isprintable() or letter == "\n" else "?" for letter in words)
    return logged(shown).encode(console.encoding, "replace").decode(console.encoding)
