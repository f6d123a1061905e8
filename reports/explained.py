"""The sections of docs/codes/ that a page needs, as HTML, so that `explain` is a link inside the page itself."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from markdown_it import MarkdownIt
from markupsafe import Markup

from scenarios.codes.pages import sections


@dataclass(frozen=True)
class Explained:
    """One code: its title, and its section as HTML."""

    code: str
    title: str
    html: Markup


def explained(codes: Iterable[str]) -> list[Explained]:
    """Each code once, in their order; what has no section is left out."""
    known, markdown = sections(), MarkdownIt("commonmark", {"html": False})
    return [
        Explained(code, known[code].title, Markup(markdown.render(known[code].text)))  # noqa: S704 - our own pages
        for code in dict.fromkeys(codes)
        if code in known
    ]
