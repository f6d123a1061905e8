"""Reading a run folder whose state nobody vouches for.

No content of a bundle raises: a file that is missing, torn, altered or of an unknown schema becomes a
:class:`Trouble` that the reports show, and what it should have told counts as not known. Links are never followed,
so that a page never shows what is outside of the bundle. Only a folder that is not there raises
:class:`~clusters.errors.BundleError`.
"""

from __future__ import annotations

import hashlib
import json
import math
import stat
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from clusters.errors import BundleError
from scenarios.index import DERIVED, INDEX, changes, regular_files

__all__ = ["DERIVED", "FileEntry", "Json", "Lines", "Operation", "Reader", "Trouble", "mapping", "number", "objects"]
__all__ += ["reader", "strings", "text"]

SCHEMA = 1
LARGEST = 512 * 1024 * 1024
"""Bytes; a file above this is named and not read. The largest history of a nightly run is a tenth of it."""

NS = 1e9

Json = dict[str, Any]


@dataclass(frozen=True)
class Trouble:
    """A file of the bundle that is not as it should be: its path in the run folder, and what is wrong."""

    path: str
    what: str


@dataclass(frozen=True)
class Lines:
    """The records of a .jsonl file without its anchor, each with its line number."""

    records: tuple[tuple[int, Json], ...] = ()
    boot: str | None = None
    wall_offset: float | None = None
    """Seconds to add to a monotonic time in seconds to get wall time."""


@dataclass(frozen=True, slots=True)
class Operation:
    """One client operation; times in monotonic ns. ``end`` is None while nothing was heard of it."""

    process: str
    op: int
    invoke: Json
    start: int
    end: int | None
    outcome: str
    completion: Json
    seen_in: str
    """File and line of the invoke."""
    ended_in: str = ""
    """File and line of the completion; empty while there is none."""

    @property
    def level(self) -> str:
        """The consistency level asked for."""
        return text(self.invoke.get("cl"))

    @property
    def datacenter(self) -> str:
        """The datacenter of the client."""
        return text(self.invoke.get("dc"))

    @property
    def due(self) -> int:
        """When it should have been sent (open loop), monotonic ns."""
        due = number(self.invoke.get("due"))
        return self.start if due is None else int(due)


@dataclass(frozen=True)
class FileEntry:
    """A file of the bundle: path in the run folder, bytes, sha256 (None if it could not be read)."""

    path: str
    size: int
    sha256: str | None


def number(value: object) -> float | None:
    """Return a finite number, or None for everything else; true and false are no numbers."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        found = float(value)
    except OverflowError:
        return None
    return found if math.isfinite(found) else None


def text(value: object, otherwise: str = "") -> str:
    """Return ``value`` if it is a string, a number in plain form (whole ones with all digits), else ``otherwise``."""
    if isinstance(value, str):
        return value
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    found = number(value)
    return otherwise if found is None else f"{found:g}"


def mapping(value: object) -> Json:
    """Return ``value`` if it is a JSON object, else an empty one."""
    return value if isinstance(value, dict) else {}


def objects(value: object) -> list[Json]:
    """Return the JSON objects of a list; anything else is an empty list."""
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def strings(value: object) -> list[str]:
    """Return the strings of a list; anything else is an empty list."""
    return [item for item in value if isinstance(item, str)] if isinstance(value, list) else []


@dataclass
class Reader:
    """Reads files below one run folder and remembers what was wrong with them."""

    root: Path
    troubles: list[Trouble] = field(default_factory=list)
    changed: set[str] = field(default_factory=set)
    """Paths of files that are not as the index of the bundle says, once they were compared."""

    def complain(self, path: Path, what: str) -> None:
        """Remember, once, that ``path`` is not as it should be."""
        trouble = Trouble(self.name(path), what)
        if trouble not in self.troubles:
            self.troubles.append(trouble)

    def compare(self) -> None:
        """Remember every file that is not as the index says, and an index that cannot be read."""
        try:
            found = changes(self.root)
        except BundleError as error:
            self.changed.add(INDEX)
            self.complain(self.root / INDEX, f"altered: {str(error).removeprefix(f'{INDEX}: ')}")
            return
        for one in found:
            self.changed.add(one.path)
            self.complain(self.root / one.path, one.what)

    def altered(self, folder: Path) -> bool:
        """Whether anything below a folder is not as the index says, or nobody can say."""
        start = f"{self.name(folder)}/"
        return INDEX in self.changed or any(path.startswith(start) for path in self.changed)

    def name(self, path: Path) -> str:
        """Return the path inside the run folder, with forward slashes."""
        return path.relative_to(self.root).as_posix()

    def content(self, path: Path, *, required: bool = True) -> str | None:
        """Return the text of a regular file, or None with a trouble; absent and not required is no trouble."""
        try:
            status = path.lstat()
        except OSError:
            if required:
                self.complain(path, "missing")
            return None
        if not stat.S_ISREG(status.st_mode):
            self.complain(path, "not a regular file, so not read")
            return None
        if status.st_size > LARGEST:
            self.complain(path, f"larger than {LARGEST >> 20} MiB, so not read")
            return None
        try:
            return path.read_bytes().decode("utf-8")
        except UnicodeDecodeError:
            self.complain(path, "altered: not UTF-8")
        except OSError as error:
            self.complain(path, f"not readable: {error.strerror}")
        return None

    def parse(self, path: Path, content: str) -> object:
        """Return the JSON value, or None with a trouble."""
        try:
            return json.loads(content)
        except ValueError:
            self.complain(path, "torn or altered: not JSON")
        except RecursionError:
            self.complain(path, "altered: nested too deep")
        return None

    def document(self, path: Path, *, required: bool = True) -> Json:
        """Return the JSON object of a file; empty, with a trouble, if there is none of a known schema."""
        content = self.content(path, required=required)
        if content is None:
            return {}
        found = self.parse(path, content)
        if not isinstance(found, dict):
            if found is not None:
                self.complain(path, "altered: not a JSON object")
            return {}
        return found if self._known(path, found) else {}

    def array(self, path: Path, *, required: bool = True) -> list[Json]:
        """Return the objects of a JSON list in a file."""
        content = self.content(path, required=required)
        return [] if content is None else objects(self.parse(path, content))

    def lines(self, path: Path, *, required: bool = True) -> Lines:
        """Return the records of a .jsonl file; a torn last line is named and left out, so is a bad one."""
        content = self.content(path, required=required)
        if content is None:
            return Lines()
        records: list[tuple[int, Json]] = []
        pieces = content.split("\n")
        for at, piece in enumerate(pieces, start=1):
            record = _record(piece)
            if record is not None:
                records.append((at, record))
            elif piece.strip():
                torn = at == len(pieces)
                self.complain(
                    path, "torn: its last line is not complete" if torn else f"altered: line {at} is no record"
                )
        return self._anchored(path, records)

    def _anchored(self, path: Path, records: list[tuple[int, Json]]) -> Lines:
        if not records or records[0][1].get("type") != "anchor":
            if records:
                self.complain(path, "altered: its first line is no anchor")
            return Lines(tuple(records))
        anchor = records[0][1]
        if not self._known(path, anchor):
            return Lines()
        wall, monotonic = number(anchor.get("wall")), number(anchor.get("monotonic"))
        offset = None if wall is None or monotonic is None else wall - monotonic / NS
        boot = text(anchor.get("boot_id")) or None
        later = [record for _, record in records[1:] if record.get("type") == "anchor"]
        if any(text(record.get("boot_id")) != boot for record in later):
            self.complain(path, "altered: continued in another boot, so its times mean nothing here")
            return Lines()
        kept = [(at, record) for at, record in records[1:] if record.get("type") != "anchor"]
        return Lines(tuple(kept), boot, offset)

    def _known(self, path: Path, found: Json) -> bool:
        schema = found.get("schema", SCHEMA)
        if schema == SCHEMA:
            return True
        self.complain(
            path, f"schema {str(schema)[:20]} is not known here, only {SCHEMA}: use the version that wrote it"
        )
        return False

    def folders(self, path: Path) -> list[Path]:
        """Return the folders in a folder by name; links are left out and named."""
        try:
            found = sorted(path.iterdir())
        except OSError:
            return []
        for item in found:
            if item.is_symlink():
                self.complain(item, "a link, so not followed")
        return [item for item in found if item.is_dir() and not item.is_symlink()]

    def files(self) -> Iterator[FileEntry]:
        """Yield every regular file but the derived reports at the top, by path, with its sha256."""
        for path in sorted(regular_files(self.root)):
            if path.name.endswith(".tmp") or (path.parent == self.root and path.name in DERIVED):
                continue
            try:
                with path.open("rb") as stream:
                    digest: str | None = hashlib.file_digest(stream, "sha256").hexdigest()
                size = path.stat().st_size
            except OSError:
                digest, size = None, 0
            yield FileEntry(self.name(path), size, digest)


def _record(line: str) -> Json | None:
    try:
        found = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def reader(folder: Path) -> Reader:
    """Return a reader for ``folder``; BundleError if it is not a folder."""
    if not folder.is_dir():
        raise BundleError(f"{folder}: no run folder; name one below runs/, for example runs/<run-id>")
    return Reader(folder.resolve())
