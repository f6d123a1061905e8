"""What a run shows while it happens: a tree on a terminal, lines anywhere else, and events for programs."""

from __future__ import annotations

import os
import sys
from typing import TextIO

from rich.console import Console

from ringproof.lines import WIDEST, PlainView, View
from ringproof.stream import StreamView, abandon
from ringproof.tree import TreeView
from ringproof.under_way import Usual, unknown

__all__ = ["PlainView", "Screen", "StreamView", "TreeView", "View", "view"]


class Screen(Console):
    """Standard output, or standard error, at most 80 columns wide unless it is a terminal.

    Variables that force colours (FORCE_COLOR) make no terminal of a log. A reader that leaves ends the words, never
    the run.
    """

    def __init__(self, *, stderr: bool = False) -> None:
        super().__init__(stderr=stderr, highlight=False)
        if not self.file.isatty():
            self.width = min(WIDEST, self.width)

    def on_broken_pipe(self) -> None:
        """Say nothing more."""
        self.quiet = True
        abandon(sys.stderr if self.stderr else sys.stdout)


def view(console: Console, usual: Usual = unknown, stream: TextIO | None = None) -> View:
    """The tree on a terminal that can redraw, else lines; with a ``stream`` always lines, and the events go there."""
    groups = os.environ.get("GITHUB_ACTIONS") == "true"
    if stream is not None:
        return StreamView(stream, PlainView(console, usual=usual, groups=groups), usual=usual)
    if console.file.isatty() and console.is_terminal and not console.is_dumb_terminal and not groups:
        return TreeView(console, usual=usual)
    return PlainView(console, usual=usual, groups=groups)
