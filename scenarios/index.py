"""The index of a bundle: every recorded file with its size and sha256, so that a reader finds what was changed since.

It is written when a run has ended, and anew for what is packed. It is no signature: it finds damage and edits, not a
forger who writes the index as well. Files that whoever judges derives again are not in it, but for verdict.json, whose
entry the judge renews. Needs the standard library only.
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from clusters.errors import BundleError, RingproofError
from scenarios.history import SCHEMA

INDEX = "index.json"
VERDICT = "verdict.json"
DERIVED = frozenset({"report.html", "junit.xml", "ctrf.json"})
"""Files at the top of a run that are written from the others."""
SCENARIOS = frozenset({"scenarios", "controls"})
"""Folders at the top of a run that hold scenario folders."""
_DEEPEST = 8
"""Folders between a run and a scenario nested in it: scenarios/<id>, and two more for each nesting."""

Entry = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Change:
    """A file that is not as the index says: its path in the run folder with forward slashes, and what is wrong."""

    path: str
    what: str


def regular_files(folder: Path) -> Iterator[Path]:
    """Every regular file below a folder; links are not followed, and a folder that cannot be read has none."""
    try:
        items = sorted(folder.iterdir())
    except OSError:
        return
    for item in items:
        if item.is_symlink():
            continue
        if item.is_dir():
            yield from regular_files(item)
        elif item.is_file():
            yield item


def recorded(folder: Path, root: Path) -> Iterator[tuple[str, Path]]:
    """(path in `root`, file) of all that an index of `root` lists below `folder`: regular files, links not followed."""
    for file in regular_files(folder):
        if not _passing(file, root):
            yield file.relative_to(root).as_posix(), file


def _passing(file: Path, root: Path) -> bool:
    """Whether a file is derived, or one that is about to be renamed."""
    derived = file.parent == root and file.name in DERIVED | {INDEX}
    return derived or file.name.endswith(".tmp") or file.name.startswith((f".{VERDICT}.", f".{INDEX}.", ".run.json."))


def entry(name: str, file: Path, **more: Any) -> Entry:
    """What the index says of a file: path, size in bytes, sha256, and what the caller adds."""
    with file.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
    return {"path": name, "size": file.stat().st_size, "sha256": digest, **more}


def write_index(root: Path, entries: list[Entry] | None = None, **more: Any) -> None:
    """Write index.json over all recorded files of a run folder, or over `entries`; a reader sees the old or the new."""
    listed = [entry(name, file) for name, file in recorded(root, root)] if entries is None else entries
    _write(root, {"schema": SCHEMA, "run_id": root.resolve().name, "files": listed, **more})


def read_index(root: Path) -> dict[str, Any] | None:
    """The index of a run folder, None when it has none; BundleError when it cannot be read or its schema is unknown."""
    path = root / INDEX
    if not path.is_file() or path.is_symlink():
        return None
    try:
        found = json.loads(path.read_bytes())
    except OSError as error:
        raise BundleError(f"{INDEX}: cannot be read ({error.strerror})") from error
    except (ValueError, RecursionError) as error:
        raise BundleError(f"{INDEX}: not JSON ({error})") from error
    if not isinstance(found, dict) or not isinstance(found.get("files"), list):
        raise BundleError(f"{INDEX}: not a JSON object with a list of files")
    if found.get("schema") != SCHEMA:
        raise BundleError(f"{INDEX}: schema {found.get('schema')} is not known here, this version reads {SCHEMA}")
    return found


def changes(root: Path, below: Path | None = None) -> list[Change]:
    """What below a folder of a run is not as its index says, by path; nothing when there is no index.

    BundleError as `read_index`. Only files that are found in the folder are opened, whatever paths the index has.
    """
    index = read_index(root)
    if index is None:
        return []
    start = "" if below is None or below == root else f"{below.relative_to(root).as_posix()}/"
    listed = {name: item for name, item in _entries(index) if name.startswith(start)}
    there = dict(recorded(below or root, root))
    before = index.get("altered")
    told = before.items() if isinstance(before, Mapping) else ()
    found = {name: str(what) for name, what in told if name.startswith(start)}
    found |= {name: f"missing: {INDEX} lists it" for name in listed.keys() - there.keys()}
    found |= {name: f"altered: {INDEX} does not list it" for name in there.keys() - listed.keys()}
    found |= {name: what for name in listed.keys() & there.keys() if (what := _difference(listed[name], there[name]))}
    return [Change(name, found[name]) for name in sorted(found)]


def changed_scenario(folder: Path) -> list[Change]:
    """What of a scenario folder is not as the index of the run around it says, but for verdicts; as `changes`.

    Nothing for a scenario folder that stands alone.
    """
    root = run_around(folder)
    if root is None:
        return []
    nested = f"{folder.absolute().relative_to(root).as_posix()}/nested/"
    found = changes(root, folder.absolute())
    return [one for one in found if not one.path.endswith(f"/{VERDICT}") and not one.path.startswith(nested)]


def run_around(folder: Path) -> Path | None:
    """The run folder with an index in which a scenario folder is; None when there is none."""
    absolute = folder.absolute()
    for root in absolute.parents[:_DEEPEST]:
        if (root / INDEX).is_file():
            return root if absolute.relative_to(root).parts[0] in SCENARIOS else None
    return None


def renew_verdicts(folder: Path) -> None:
    """Say in the index what the verdicts below a run or scenario folder are now; only who wrote them may call it.

    Without an index, and with one that cannot be read, nothing happens.
    """
    root = folder if (folder / INDEX).is_file() else run_around(folder)
    if root is None:
        return
    try:
        index = read_index(root)
    except BundleError:
        return  # every reader says so; it stays as it is
    if index is None:
        return
    verdicts = {name: file for name, file in recorded(folder.absolute(), root.absolute()) if file.name == VERDICT}
    kept = {name: item for name, item in _entries(index) if name not in verdicts}
    files = kept | {name: entry(name, file) for name, file in verdicts.items()}
    before = index.get("altered")
    told = {name: what for name, what in before.items() if name not in verdicts} if isinstance(before, Mapping) else {}
    index |= {"files": [files[name] for name in sorted(files)]} | ({"altered": told} if told else {})
    if not told:
        index.pop("altered", None)
    _write(root, index)


def _entries(index: Mapping[str, Any]) -> Iterator[tuple[str, Entry]]:
    for item in index["files"]:
        if isinstance(item, dict) and isinstance(item.get("path"), str):
            yield item["path"], item


def _difference(listed: Entry, file: Path) -> str | None:
    try:
        if entry("", file)["sha256"] != listed.get("sha256"):
            return f"altered: its sha256 is not the one in {INDEX}"
    except OSError as error:
        return f"not readable: {error.strerror}"
    return None


def _write(root: Path, index: Mapping[str, Any]) -> None:
    content = json.dumps(index, indent=1, sort_keys=True).encode() + b"\n"
    replace_whole(root / INDEX, content, "the index")


def replace_whole(path: Path, content: bytes, what: str) -> None:
    """Write under a temporary name, sync and rename: a reader sees the old or the new file, whole.

    RingproofError, which says `what` it was, where that cannot be done.
    """
    try:
        with tempfile.NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.", delete=False) as scratch:
            scratch.write(content)
            scratch.flush()
            os.fsync(scratch.fileno())
        Path(scratch.name).chmod(0o644)
        Path(scratch.name).replace(path)
    except OSError as error:
        where = f"{path}: {what} cannot be written ({error.strerror})"
        raise RingproofError(f"{where}; copy the bundle to a writable place") from error
