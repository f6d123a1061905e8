"""`ringproof explain`: what a printed code means and what to do, from the pages that are installed with the suite."""

from __future__ import annotations

from itertools import groupby

from rich.console import Console
from rich.markdown import Markdown
from rich.text import Text

from scenarios.codes.pages import Section, find, sections

WIDTH = 80
"""Columns of a page; a wider terminal makes no line longer."""


def explain(asked: str | None, console: Console) -> None:
    """Print the section of a code (or of an anomaly's name), or the list of all; UsageError with the nearest codes."""
    console.width = min(console.width, WIDTH)
    if asked is None:
        _list(console)
        return
    for section in find(asked):
        console.print(Text(f"{section.code}  (docs/codes/{section.page})", style="bold"))
        console.print()
        console.print(Markdown(section.text))
        console.print()


def _list(console: Console) -> None:
    for area, found in groupby(sections().values(), key=_area):
        console.print(Text(area, style="bold"))
        for section in found:
            console.print(Text(f"  {section.code:<12} {section.title}"), overflow="ellipsis", no_wrap=True)
    console.print(Text("ringproof explain CODE prints what it means, what to look at and what to do."))


def _area(section: Section) -> str:
    return section.code.rpartition("-")[0]
