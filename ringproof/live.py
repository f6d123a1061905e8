"""What a run shows while it happens: a tree on a terminal, one line per change of state anywhere else."""

from __future__ import annotations

import os
import textwrap
import threading
import time
from abc import abstractmethod
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any

from rich.console import Console
from rich.live import Live
from rich.text import Text
from rich.tree import Tree

from reports import told
from reports.summary import STYLES

HEARTBEAT = 30.0
"""Seconds of silence after which a line says that it goes on; services end a silent job after ten minutes."""
REFRESH = 4
"""Times per second that the tree is drawn."""

NARROWEST = 40


class View(AbstractContextManager["View"]):
    """What shows a run while the block runs; ``tell`` may be called after it too."""

    @abstractmethod
    def tell(self, event: str, facts: dict[str, Any]) -> None:
        """Show one event."""


def view(console: Console) -> View:
    """The tree on a terminal that can redraw, else lines."""
    if console.is_terminal and os.environ.get("TERM") != "dumb":
        return TreeView(console)
    return PlainView(console)


class PlainView(View):
    """One line per change of state with the seconds since the start, and a heartbeat when nothing changes."""

    def __init__(self, console: Console, heartbeat: float = HEARTBEAT) -> None:
        self._console = console
        self._heartbeat = heartbeat
        self._started = time.monotonic()
        self._spoke = self._started
        self._doing = "starting"
        self._over = threading.Event()
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._beat, name="heartbeat", daemon=True)

    def tell(self, event: str, facts: dict[str, Any]) -> None:
        """Print the event."""
        words = told.line(event, facts)
        if words is not None:
            indent = "" if event in ("topology", "step", "fetch", "scenario") else "  "
            self._say(indent + words)
            self._doing = words

    def _say(self, words: str) -> None:
        with self._lock:
            self._spoke = time.monotonic()
            stamp = f"{self._spoke - self._started:6.1f}  "
            width = max(NARROWEST, self._console.width)
            text = textwrap.fill(words, width, initial_indent=stamp, subsequent_indent=" " * (len(stamp) + 2))
            self._console.print(Text(text), soft_wrap=True)

    def _beat(self) -> None:
        while not self._over.wait(max(0.05, self._spoke + self._heartbeat - time.monotonic())):
            if time.monotonic() - self._spoke >= self._heartbeat:
                self._say(f"still at it: {self._doing}")

    def __enter__(self) -> PlainView:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()


@dataclass
class Branch:
    """One scenario in the tree: its phases and faults as they come, the wait that is under way, and its end."""

    title: str
    began: float
    rows: list[Text] = field(default_factory=list)
    faults: dict[str, tuple[str, float]] = field(default_factory=dict)
    waiting: tuple[str, float, float] | None = None
    ended: Text | None = None


@dataclass
class Stem:
    """One topology in the tree."""

    name: str
    step: str = ""
    branches: list[Branch] = field(default_factory=list)


class TreeView(View):
    """Topology, scenario, phase; open fault windows; the current wait beside its limit. Drawn by rich.live."""

    MOST_ROWS = 8
    """Rows of the scenario that is under way; older ones make room."""

    def __init__(self, console: Console, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._live = Live(self, console=console, refresh_per_second=REFRESH)
        self._started = clock()
        self._stems: list[Stem] = []
        self._lock = threading.Lock()

    def tell(self, event: str, facts: dict[str, Any]) -> None:
        """Take in one event."""
        with self._lock:
            act = getattr(self, f"_on_{event}", None)
            if act is None:
                self._note(event, facts)
            else:
                act(facts)

    def _stem(self, name: str) -> Stem:
        if not self._stems or self._stems[-1].name != name:
            self._stems.append(Stem(name))
        return self._stems[-1]

    @property
    def _branch(self) -> Branch | None:
        branches = self._stems[-1].branches if self._stems else []
        return branches[-1] if branches and branches[-1].ended is None else None

    def _on_topology(self, facts: dict[str, Any]) -> None:
        stem = self._stem(facts["name"])
        stem.step = "" if facts["state"] in ("asked", "closed", "given back") else told.line("topology", facts) or ""

    def _on_step(self, facts: dict[str, Any]) -> None:
        self._stem(facts["topology"]).step = facts["text"]

    def _on_fetch(self, facts: dict[str, Any]) -> None:
        if self._stems:
            self._stems[-1].step = told.megabytes(facts)

    def _on_scenario(self, facts: dict[str, Any]) -> None:
        if facts["state"] == "begin":
            stem = self._stem(facts["topology"])
            stem.branches.append(Branch(told.name(facts), self._clock()))
        elif (branch := self._branch) is not None:
            style = STYLES[facts["verdict"]]
            branch.ended = Text.assemble((facts["verdict"], style), f" {branch.title}, {facts['seconds']:.0f} s")

    def _on_waiting(self, facts: dict[str, Any]) -> None:
        if (branch := self._branch) is not None:
            branch.waiting = (facts["for"], self._clock(), facts["limit"])

    def _on_waited(self, facts: dict[str, Any]) -> None:
        if (branch := self._branch) is not None:
            branch.waiting = None
        self._note("waited", facts)

    def _on_fault(self, facts: dict[str, Any]) -> None:
        if (branch := self._branch) is None:
            return
        if facts["state"] == "inject":
            branch.faults[facts["id"]] = (facts["name"], self._clock())
        elif facts["state"] in ("recovered", "error"):
            named, since = branch.faults.pop(facts["id"], (facts["id"], self._clock()))
            words = (
                told.fault(facts) if facts["state"] == "error" else f"{named}: {self._clock() - since:.0f} s, healed"
            )
            self._row(Text(f"fault {words}", style="yellow"))

    def _note(self, event: str, facts: dict[str, Any]) -> None:
        words = told.line(event, facts)
        if words is not None:
            self._row(Text(words, style="red" if event in ("error", "warning", "cleanup") else ""))

    def _row(self, words: Text) -> None:
        if (branch := self._branch) is not None:
            branch.rows.append(words)

    def __enter__(self) -> TreeView:
        self._live.start(refresh=True)
        return self

    def __exit__(self, *_: object) -> None:
        self._live.stop()

    def __rich__(self) -> Tree:
        with self._lock:
            now = self._clock()
            tree = Tree(Text(f"ringproof, {now - self._started:.0f} s"), guide_style="dim")
            for stem in self._stems:
                drawn = tree.add(Text.assemble((stem.name, "bold"), f"  {stem.step}" if stem.step else ""))
                for branch in stem.branches:
                    self._draw(branch, drawn, now)
            return tree

    def _draw(self, branch: Branch, stem: Tree, now: float) -> None:
        if branch.ended is not None:
            stem.add(branch.ended)
            return
        drawn = stem.add(Text(f"{branch.title}, {now - branch.began:.0f} s", style="bold"))
        for row in branch.rows[-self.MOST_ROWS :]:
            drawn.add(row)
        for identity, (named, since) in branch.faults.items():
            drawn.add(Text(f"fault {identity} {named}: open for {now - since:.0f} s", style="bold yellow"))
        if branch.waiting is not None:
            what, since, limit = branch.waiting
            drawn.add(Text(f"waiting: {what}, {now - since:.0f} s of {limit:.0f} s", style="cyan"))
