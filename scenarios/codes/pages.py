"""The sections of docs/codes/, from the checkout or, installed, from inside this package: no network is asked."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from clusters.errors import EnvironmentUnfit, UsageError
from scenarios.codes.table import CODES

INSTALLED = Path(__file__).parent / "pages"
"""Where pyproject.toml puts docs/codes/ in a wheel."""
CHECKOUT = Path(__file__).parents[2] / "docs" / "codes"
_SECTION = re.compile(r"^## (RP-[A-Z]+-\d{3})\n+(.*?)(?=^## |\Z)", re.MULTILINE | re.DOTALL)
_TITLE = re.compile(r"\*\*(.+?)\.\*\*", re.DOTALL)
_NEAREST = 3


@dataclass(frozen=True, slots=True)
class Section:
    """What a person reads about one code: its title in a few words, the whole text as markdown, and its file."""

    code: str
    title: str
    text: str
    page: str


@cache
def sections() -> Mapping[str, Section]:
    """Every section by its code, page by page; EnvironmentUnfit when the pages are not installed."""
    folder = INSTALLED if INSTALLED.is_dir() else CHECKOUT
    pages = sorted(folder.glob("*.md"))
    if not pages:
        raise EnvironmentUnfit(f"no page of codes is in {folder}: install ringproof again, or read docs/codes/")
    return {
        code: Section(code, _title(text), text.strip(), page.name)
        for page in pages
        for code, text in _SECTION.findall(page.read_text("utf-8"))
    }


def find(asked: str) -> list[Section]:
    """The sections that `asked` means: a code in any case, or the name of an anomaly, a gate or an error.

    UsageError names the nearest codes when there is none.
    """
    known, word = sections(), asked.strip()
    code = word.upper()
    if code in known:
        return [known[code]]
    meant = [code for code, failures in CODES.items() if word.lower() in {_word(failure) for failure in failures}]
    if meant:
        return [known[code] for code in meant]
    close = difflib.get_close_matches(code, known, _NEAREST, 0.6)
    words = {_word(failure): code for code, failures in CODES.items() for failure in failures}
    close = close or [words[near] for near in difflib.get_close_matches(word.lower(), words, _NEAREST, 0.6)]
    nearest = " or ".join(f"{near} ({known[near].title})" for near in dict.fromkeys(close))
    hint = f"did you mean {nearest}?" if nearest else "ringproof explain lists all"
    raise UsageError(f"no code is called {asked}; {hint}")


def _title(text: str) -> str:
    found = _TITLE.search(text)
    return " ".join(found[1].split()) if found else ""


def _word(failure: str) -> str:
    """`served-in-cut` of `finding:refused/served-in-cut`, `torn files` of `gate:torn files`."""
    return re.split(r"[:/]", failure)[-1].lower()
