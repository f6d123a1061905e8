"""The view of a run on a terminal: a tree that is drawn again in place and always fits the screen."""

from __future__ import annotations

import time
from collections import Counter

from rich.console import Console
from rich.live import Live
from rich.text import Text
from rich.tree import Tree

from reports import told
from reports.summary import STYLES
from ringproof.lines import View, printable
from ringproof.under_way import Clock, Conducted, Facts, Place, Usual, Wait, unknown

REFRESH = 4
"""Times per second that the tree is drawn."""
MOST_ROWS = 8
"""Rows of the story of the scenario that is under way; older ones make room."""
TONES = {"": "", "fault": "yellow", "bad": "red"}


class TreeView(View):
    """Run, topologies, scenarios, phases with their times; open fault windows; the current wait and what it last saw.

    Each row is one line, and there are no more than the terminal has: scenarios that ended longest ago are counted
    beside their topology instead.
    """

    def __init__(self, console: Console, clock: Clock = time.monotonic, usual: Usual = unknown) -> None:
        super().__init__(clock, usual)
        self._console = console
        self._live = Live(self, console=console, refresh_per_second=REFRESH, redirect_stdout=False)
        self._over = False

    def show(self, event: str, facts: Facts) -> None:
        """Nothing while it is drawn again and again; a line after it, while the last things end."""
        words = told.line(event, facts) if self._over else None
        if words is not None:
            self._console.print(self._text(words))

    def begin(self) -> None:
        """Draw, from now on."""
        self._live.start(refresh=True)

    def end(self) -> None:
        """Leave the tree as it is now, and the cursor below it."""
        self._live.stop()
        self._over = True

    def __rich__(self) -> Tree:
        with self._lock:
            state, now = self.state, self.state.clock()
            tree = Tree(self._text(self._heading(), "bold"), guide_style="dim")
            story = self._story(state.scenario, state.wait, now)
            room = self._console.height - 2 - len(state.places) - len(story)
            hidden = max(0, sum(1 for _ in state.ended()) - max(0, room))
            for place in state.places:
                here = [one for one in place.scenarios if one.verdict is not None]
                folded = here[: min(hidden, len(here))]
                hidden -= len(folded)
                drawn = tree.add(self._place(place, folded))
                for one in here[len(folded) :]:
                    drawn.add(self._ended(one, now))
            under = tree.children[-1] if tree.children else tree
            if state.scenario is not None:
                under = under.add(story.pop(0))
            for row in story:
                under.add(row)
            return tree

    def _heading(self) -> str:
        state = self.state
        ended, total = sum(1 for _ in state.ended()), len(state.items)
        parts = ["ringproof", *([f"{ended} of {total} scenarios ended"] if total else []), f"{state.seconds:.0f} s"]
        return ", ".join([*parts, *([left] if (left := state.remaining()) else [])])

    def _place(self, place: Place, folded: list[Conducted]) -> Text:
        counts = Counter(one.verdict for one in folded)
        before = ", ".join(f"{count} {word}" for word, count in counts.items())
        said = [part for part in (f"{before} before" if before else "", place.step) if part]
        return self._text(place.name, "bold").append(f"  {', '.join(said)}" if said else "", "not bold")

    def _ended(self, one: Conducted, now: float) -> Text:
        verdict = one.verdict or ""
        return self._text(verdict, STYLES.get(verdict, "")).append(f" {one.told(now)}", "default not bold not dim")

    def _story(self, current: Conducted | None, wait: Wait | None, now: float) -> list[Text]:
        """The scenario that is under way with its rows, newest last; without one, the wait of the step alone."""
        rows: list[Text] = []
        if current is not None:
            most = max(1, min(MOST_ROWS, self._console.height - 8 - len(current.faults) - len(self.state.places)))
            rows.append(self._text(current.told(now), "bold"))
            rows += [self._text(row.told(now), TONES[row.tone]) for row in current.rows[-most:]]
            rows += [self._text(fault.told(now), "bold yellow") for fault in current.faults.values()]
        if self.state.judging and current is not None:
            rows.append(self._text(self.state.judging, "cyan"))
        if wait is not None:
            rows.append(self._text(f"waiting: {wait.told(now)}", "cyan"))
            if wait.seen:
                rows.append(self._text(f"last seen: {wait.seen}", "cyan"))
        return rows

    def _text(self, words: str, style: str = "") -> Text:
        return Text(printable(words.replace("\n", " "), self._console), style, no_wrap=True, overflow="ellipsis")
