"""A run as one file that can be given to others: without secrets, of limited size, with an index, whole or not there.

The same run folder gives the same bytes on one machine. What a verdict rests on is never cut; logs are, in their
middle. The page and the machine outputs are written from what is packed, so they hold nothing that was taken out.
"""

from __future__ import annotations

import gzip
import os
import tarfile
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from clusters.errors import BundleError, EnvironmentUnfit, UsageError
from reports import ctrf, junit
from reports.bundle import number
from reports.cases import cases
from reports.page import write_page
from reports.redaction import Redaction
from reports.safe import replace_file
from reports.verdicts import read_run
from scenarios.index import INDEX, SCENARIOS, Entry, changes, entry, recorded, write_index
from scenarios.runs import RunBook, going_on

MIB = 1024 * 1024
MOST_OF_A_LOG = 8 * MIB
"""Bytes kept of one log, half from its head and half from its tail: twenty times the longest log of a change run."""
LEAST_OF_A_LOG = MIB // 16
"""Bytes kept of each log when many of them are too much together."""
MOST = 512 * MIB
"""Bytes of all files before they are compressed; a nightly run of half an hour leaves 70 MB."""
LEVEL = 6
_WHOLE = (".json", ".xml", ".properties", ".yaml")
"""Half of a document is none, so these are never cut."""


@dataclass
class Packed:
    """What was packed: the archive, how many files, what was cut, replaced and left out."""

    archive: Path
    files: int = 0
    cut: list[str] = field(default_factory=list)
    redacted: Counter[str] = field(default_factory=Counter)
    left_out: list[Entry] = field(default_factory=list)


def pack(run: Path, archive: Path | None = None, homes: Sequence[str] | None = None) -> Packed:
    """Pack a run folder as `archive`, `<run-id>.tar.gz` beside it by default.

    `homes` are the home directories that are hidden beside those below /home, by default that of this user. UsageError
    for a run that goes on or is too large, BundleError for what is no run, EnvironmentUnfit where it cannot be written.
    """
    if not (run / "run.json").is_file() and not (run / "scenarios").is_dir():
        raise BundleError(f"{run}: no run folder (run.json, scenarios/); name one below runs/")
    if going_on(run):
        raise UsageError(f"run {run.name} is still going on: pack it when it has ended")
    name = run.resolve().name
    result = Packed(run.resolve().parent / f"{name}.tar.gz" if archive is None else archive)
    hide = Redaction([str(Path.home())] if homes is None else homes)
    with tempfile.TemporaryDirectory(prefix="ringproof-") as scratch:
        staged = Path(scratch) / name
        staged.mkdir()
        _stage(run, staged, hide, result)
        _derive(staged)
        try:
            _write(staged, result.archive)
        except OSError as error:
            where = f"{result.archive} cannot be made ({error.strerror})"
            raise EnvironmentUnfit(f"{where}; name a place where you may write with -o") from error
    return result


def _stage(run: Path, staged: Path, hide: Redaction, result: Packed) -> None:
    """Write each file as it will be packed, and the index over them."""
    listed = [(name, file) for name, file in recorded(run, run)]
    limit = _limit(run, [(name, file.stat().st_size) for name, file in listed])
    entries: list[Entry] = []
    for name, file in listed:
        content, told = _content(name, file, limit, hide)
        if content is None:
            result.left_out.append({"path": name, "size": file.stat().st_size, "why": "not text"})
            continue
        place = staged / name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(content)
        entries.append(entry(name, place, **told))
        result.cut += [name] if "cut" in told else []
        result.redacted.update(told.get("redacted", {}))
    result.left_out += [{"path": name, "why": "a link"} for name in _links(run, run)]
    result.files = len(entries)
    more = {"altered": _altered(run), "left_out": result.left_out}
    write_index(staged, entries, packed=True, **{key: value for key, value in more.items() if value})


def _altered(run: Path) -> dict[str, str]:
    """What was not as recorded before it was packed, so that packing hides no edit."""
    try:
        return {one.path: one.what for one in changes(run)}
    except BundleError as error:
        return {INDEX: f"altered: {str(error).removeprefix(f'{INDEX}: ')}"}


def _links(folder: Path, run: Path) -> Iterator[str]:
    for item in sorted(folder.iterdir()):
        if item.is_symlink():
            yield item.relative_to(run).as_posix()
        elif item.is_dir():
            yield from _links(item, run)


def log(name: str) -> bool:
    """Whether a file of a run, by its path there, is one that no verdict rests on and that may be cut."""
    parts = name.split("/")
    judged = len(parts) == 1 or (parts[0] in SCENARIOS and not {"clusters", "lab", "hosts"} & set(parts[2:-1]))
    return not judged and not name.endswith(_WHOLE)


def _limit(run: Path, sizes: Sequence[tuple[str, int]]) -> int:
    """Bytes that each log may have so that all files together keep to what a bundle may hold."""
    whole = sum(size for name, size in sizes if not log(name))
    logs = [size for name, size in sizes if log(name)]
    limit = MOST_OF_A_LOG
    while whole + sum(min(size, limit) for size in logs) > MOST:
        limit //= 2
        if limit < LEAST_OF_A_LOG:
            held = f"{(whole + sum(logs)) / MIB:.0f} MiB, more than a bundle may hold ({MOST // MIB} MiB)"
            raise UsageError(f"run {run.name} has {held}: copy its folder as it is")
    return limit


def _content(name: str, file: Path, limit: int, hide: Redaction) -> tuple[bytes | None, Entry]:
    """(bytes to pack, what the index says of them); no bytes for a file that is no text."""
    try:
        size = file.stat().st_size
        pieces = _ends(file, size, limit) if log(name) and size > limit else [file.read_bytes()]
    except OSError as error:
        raise BundleError(f"{name}: cannot be read ({error.strerror})") from error
    if any(b"\0" in piece for piece in pieces):
        return None, {}
    hide.count.clear()
    found = [hide.file(name, piece) for piece in pieces]
    told: Entry = {"redacted": dict(sorted(hide.count.items()))} if hide.count else {}
    if len(pieces) == 1:
        return found[0], told
    gone = size - sum(map(len, pieces))
    mark = f'{{"cut": {gone}}}\n' if name.endswith(".jsonl") else f"[{gone} bytes were cut here]\n"
    return mark.encode().join(found), {**told, "cut": {"size": size, "bytes": gone}}


def _ends(file: Path, size: int, limit: int) -> list[bytes]:
    """Head and tail of a file, of whole lines where its lines are not longer than that."""
    with file.open("rb") as stream:
        head = stream.read(limit // 2)
        stream.seek(size - limit // 2)
        tail = stream.read()
    head = head[: head.rfind(b"\n") + 1] or head + b"\n"
    return [head, tail[tail.find(b"\n") + 1 :]]


def _derive(staged: Path) -> None:
    """The page and the machine outputs of what is packed."""
    write_page(staged)
    run = read_run(staged)
    listed = cases(run)
    replace_file(staged / "junit.xml", junit.render(run, listed))
    replace_file(staged / "ctrf.json", ctrf.render(run, listed))


def _write(staged: Path, archive: Path) -> None:
    """One archive of the folder, under a temporary name until it is whole and on the disk."""
    started = number(RunBook(staged).facts().get("started")) if (staged / "run.json").is_file() else None
    scratch = tempfile.NamedTemporaryFile(dir=archive.parent, prefix=f".{archive.name}.", delete=False)  # noqa: SIM115
    try:
        with scratch:
            with (
                gzip.GzipFile("", "wb", LEVEL, scratch, mtime=0) as squeezed,
                tarfile.open(fileobj=squeezed, mode="w", format=tarfile.PAX_FORMAT) as inside,
            ):
                for file in sorted(path for path in staged.rglob("*") if path.is_file()):
                    _add(inside, file, staged, int(started or 0))
            scratch.flush()
            os.fsync(scratch.fileno())
        Path(scratch.name).chmod(0o644)
        Path(scratch.name).replace(archive)
    except BaseException:
        Path(scratch.name).unlink(missing_ok=True)
        raise


def _add(inside: tarfile.TarFile, file: Path, staged: Path, when: int) -> None:
    member = tarfile.TarInfo(f"{staged.name}/{file.relative_to(staged).as_posix()}")
    member.size, member.mtime, member.mode = file.stat().st_size, when, 0o644
    with file.open("rb") as stream:
        inside.addfile(member, stream)
