"""Sentences of checks and servers made fit to be read: without a driver's own notation, and nothing said twice."""

from __future__ import annotations

import re

_SERVER = re.compile(
    r"""Error\ from\ server:\ code=\w+\ \[[^\]]*\]\ message=(?P<quote>["'])(?P<said>.*?)(?P=quote)"""
    r"""(?:\ info=\{(?P<info>[^}]*)\})?""",
    re.VERBOSE,
)
"""How cassandra-driver 3.30 writes a server's error: ``ErrorMessage.summary_msg`` and the exceptions made of it."""
_REQUIRED = re.compile(r"'required_responses': (\d+)")
_MORE = re.compile(r" \(and \d+ more\)$")


def spoken(words: str) -> str:
    """The words with each server error as its own sentence in quotes, and the responses that it needed."""
    return _SERVER.sub(_said, words)


def _said(found: re.Match[str]) -> str:
    said = found["said"].strip()
    required = _REQUIRED.search(found["info"] or "")
    needed = f" ({required[1]} are required)" if required and "required" not in said else ""
    return f"“{said}”{needed}"


def repeats(detail: str, sentence: str) -> bool:
    """Whether ``sentence`` has told ``detail`` already; a count of further findings at its end does not matter."""
    return _bare(detail) in _bare(sentence)


def _bare(words: str) -> str:
    return " ".join(_MORE.sub("", words.strip()).rstrip(".").split()).lower()
