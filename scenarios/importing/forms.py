"""The maps of an EDN or JSON file, one after the other, each with its line: a vector of maps, or maps side by side.

Of EDN this reads what histories are made of: maps, vectors, lists, sets, strings, keywords, numbers, nil, booleans
and comments; tags are passed over, their forms kept. One tokenizer serves both notations: JSON's colon is a blank.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from clusters.errors import BundleError

Form = dict[str, Any]

_STRING = r'"(?:[^"\\]|\\.)*"'
_EDN = re.compile(rf'{_STRING}|;.*|#[A-Za-z][\w./-]*|#?\{{|[\[\](){{}}]|[^\s,\[\](){{}}";]+|"')
_JSON = re.compile(rf'{_STRING}|[\[\]{{}}]|[^\s,:\[\]{{}}"]+|"')
_INTEGER = re.compile(r"[+-]?\d+N?")
_FLOAT = re.compile(r"[+-]?\d+(\.\d+)?([eE][+-]?\d+)?M?")
_CLOSERS: Final = {"[": "]", "(": ")", "{": "}", "#{": "}"}
_AS_JSON = re.compile(r'[\s\[{]*"')
"""A JSON map begins with a quoted key, where histories in EDN have keywords."""
_HEAD = 4096
"""Characters in which the first key is found."""
_LONG_LINE = 1 << 20
"""Characters from which on a line is not split at once: a whole history may stand on one line."""
_KEPT = 100_000
"""Atoms whose value is kept: most of a history repeats, its times do not."""


class _Malformed(Exception):
    """What is wrong with a line."""


@dataclass(slots=True)
class Bad:
    """The lines that could not be used: the first of them, and how many share its fault."""

    path: Path
    first: tuple[int, str] | None = None
    seen: Counter[str] = field(default_factory=Counter)

    def note(self, line: int, what: str) -> None:
        """Line `line` cannot be used."""
        if self.first is None:
            self.first = (line, what)
        self.seen[what] += 1

    def refuse(self) -> None:
        """BundleError with the first bad line, when there is one."""
        if self.first is None:
            return
        line, what = self.first
        same, all_bad = self.seen[what], self.seen.total()
        more = f" ({same} such lines)" if same > 1 else ""
        others = f", {all_bad - same} lines have other faults" if all_bad > same else ""
        raise BundleError(f"{self.path}:{line}: {what}{more}{others}")


@dataclass(slots=True)
class Forms:
    """The maps of one file, read as they are asked for.

    `truncated` is the line of a map that the end of the file cut off, None when there is none; it is known once all
    maps were read. Keywords are strings that keep their colon, EDN strings their quotes: they are never mistaken for
    each other. Keys have neither.
    """

    path: Path
    bad: Bad
    truncated: int | None = None

    def __iter__(self) -> Iterator[tuple[int, Form]]:
        try:
            with self.path.open(encoding="utf-8-sig") as text:
                parser = _Parser(as_json=_AS_JSON.match(text.read(_HEAD)) is not None)
                text.seek(0)
                yield from self._read(text, parser)
        except OSError as error:
            raise BundleError(f"{self.path}: cannot be read ({error.strerror})") from error
        except UnicodeDecodeError as error:
            raise BundleError(f"{self.path}: not UTF-8 text, so neither EDN nor JSON") from error

    def _read(self, text: Iterable[str], parser: _Parser) -> Iterator[tuple[int, Form]]:
        number = 0
        for number, line in enumerate(text, start=1):
            if line[0] == "{" and parser.stack and not parser.within:
                self.bad.note(parser.started, "the map does not end before the next one begins")
                parser.stack.clear()
            try:
                yield from parser.feed(line, number)
            except _Malformed as fault:
                if not line.endswith("\n") and str(fault) == _UNENDED:
                    self.truncated = number
                    return
                self.bad.note(number, str(fault))
                parser.stack.clear()
        if parser.stack or parser.within:
            self.truncated = parser.started if parser.stack else number


_UNENDED = "a string does not end on its line"


class _Parser:
    """Maps from tokens; `stack` holds the collections that are open, without the vector around all maps."""

    def __init__(self, *, as_json: bool) -> None:
        self.token = _JSON if as_json else _EDN
        self.within = False
        self.started = 0
        self.stack: list[tuple[str, list[Any]]] = []
        self.atoms: dict[str, Any] = {}

    def feed(self, line: str, number: int) -> Iterator[tuple[int, Form]]:
        """The maps that end on this line, each with the line on which it began."""
        atoms, stack = self.atoms, self.stack
        for token in _tokens(self.token, line):
            if token in _CLOSERS:
                self._open(token, number)
            elif token in "])}":
                form = self._closed(token) if stack else self._end(token)
                if isinstance(form, dict) and not stack:
                    yield self.started, form
            elif stack and token in atoms:
                stack[-1][1].append(atoms[token])
            elif token[0] not in "#;" or token.startswith("#_"):
                self._atom(token)

    def _open(self, token: str, number: int) -> None:
        if not self.stack:
            if token in "[(" and not self.within:
                self.within = True
                return
            self.started = number
        self.stack.append((token, []))

    def _end(self, token: str) -> Any:
        if not self.within or token == "}":
            raise _Malformed(f"{token} closes nothing")
        self.within = False
        return None

    def _closed(self, token: str) -> Any:
        opened, items = self.stack.pop()
        if _CLOSERS[opened] != token:
            raise _Malformed(f"{token} closes {opened}")
        form: Any = items
        if opened == "{":
            if len(items) % 2:
                raise _Malformed("a key of the map has no value")
            keys = iter(items)
            form = {str(key).strip(':"'): value for key, value in zip(keys, keys, strict=True)}
        if self.stack:
            self.stack[-1][1].append(form)
        elif opened != "{":
            raise _Malformed(f"{opened}..{token} stands where a map should")
        return form

    def _atom(self, token: str) -> None:
        if token.startswith("#_"):
            raise _Malformed("#_ takes a form back, which is not understood here")
        if not self.stack:
            raise _Malformed(f"{token} stands where a map should")
        if len(self.atoms) > _KEPT:
            self.atoms.clear()
        value = self.atoms[token] = _value(token)
        self.stack[-1][1].append(value)


def read_atom(text: str) -> Any:
    """The value of one EDN form on a command line: `0`, `nil`, `[1 2]`, `word`; None when it is no such form."""
    try:
        found = list(_Parser(as_json=False).feed(f"{{:value {text}}}", 1))
    except _Malformed:
        return None
    return found[0][1]["value"] if found else None


def _tokens(pattern: re.Pattern[str], line: str) -> Iterable[str]:
    if len(line) < _LONG_LINE:
        found: list[str] = pattern.findall(line)
        return found
    return (match.group() for match in pattern.finditer(line))


def _value(token: str) -> Any:
    if _INTEGER.fullmatch(token):
        return int(token.rstrip("N"))
    if token in {"nil", "null"}:
        return None
    if token == '"':
        raise _Malformed(_UNENDED)
    if _FLOAT.fullmatch(token):
        return float(token.rstrip("M"))
    return token
