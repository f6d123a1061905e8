"""The recorded history: JSON lines written as they happen, ordered when read. Written with the standard library only.

Writers append whole lines with write(2) to an O_APPEND descriptor, so a line is either there or torn at the very
end of the file. All times are CLOCK_MONOTONIC nanoseconds of one machine boot; the anchor, the first line of each
file, carries the boot id, and files of different boots are never read together.

Other suites write and read the same files:

    with Segment(Path("history/mine.jsonl"), "mine") as segment:
        segment.invoke(1, "cas", "cas", key=3, value=[0, 17], cl="QUORUM", serial="SERIAL", dc="east")
        segment.complete(1, "ok", out={"applied": True})
        segment.invoke(2, "cas", "read", key=3, value=None, cl="SERIAL", dc="east")
        segment.complete(2, "ok", out=17)
    operations = read_history(Path("history"))
"""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self

from clusters.errors import BundleError

SCHEMA = 1
SECOND = 1_000_000_000
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")

Outcome = Literal["ok", "fail", "info"]


class JsonLines:
    """An append-only file of JSON records under one anchor; safe for threads, one whole line per write(2).

    A file that exists already is continued under a second anchor; one that ends in a torn line raises BundleError,
    because a new line glued to a torn one would be unreadable.
    """

    def __init__(self, path: Path, process: str) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        _refuse_torn(path)
        self.path = path
        self.process = process
        self._lock = threading.Lock()
        self._fd = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o644)
        self.append(anchor(process))

    def append(self, record: Mapping[str, Any]) -> None:
        """Write `record` as one line; returns when the kernel has it."""
        line = json.dumps(record, separators=(",", ":"), ensure_ascii=False).encode() + b"\n"
        with self._lock:
            while line:
                line = line[os.write(self._fd, line) :]

    def sync(self) -> None:
        """Return when everything written so far is on the disk."""
        os.fsync(self._fd)

    def close(self) -> None:
        """Sync and close; a second call does nothing."""
        with self._lock:
            if self._fd >= 0:
                os.fsync(self._fd)
                os.close(self._fd)
                self._fd = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class Segment(JsonLines):
    """The history segment of a client: `invoke` before the request is sent, `complete` after it returned.

    The processes of a client may share a segment: each names itself with `process`, which is the segment's own by
    default. A process does one operation at a time; after an `info` its worker goes on as its `successor`.
    """

    def invoke(self, op: int, workload: str, f: str, key: int | None, value: Any, **optional: Any) -> None:
        """Record, stamped now, that `op` is about to be sent.

        `optional` are process, cl, dc, due, serial, host and stage of `docs/formats.md`; None is left out.
        """
        stamp = {"type": "invoke", "time": time.monotonic_ns(), "process": self.process, "op": op}
        told = {name: item for name, item in optional.items() if item is not None}
        self.append({**stamp, "workload": workload, "f": f, "key": key, "value": value, **told})

    def complete(self, op: int, type: Outcome, **optional: Any) -> None:
        """Record, stamped now, how `op` ended; `optional` are process, out, error, coordinator, attempted."""
        self.append({"type": type, "time": time.monotonic_ns(), "process": self.process, "op": op, **optional})


def anchor(process: str) -> dict[str, Any]:
    """The first record of every file: it ties CLOCK_MONOTONIC of this boot to wall time."""
    boot_id = _BOOT_ID.read_text().strip()
    clocks = {"monotonic": time.monotonic_ns(), "wall": time.time()}
    return {"type": "anchor", "schema": SCHEMA, "boot_id": boot_id, **clocks, "process": process}


def worker(process: str) -> str:
    """The worker behind a process name: `east-ledger-0+2` is `east-ledger-0` after two indeterminate operations."""
    return process.partition("+")[0]


def successor(process: str) -> str:
    """The name under which a worker goes on after an `info` outcome: `a` -> `a+1` -> `a+2`."""
    name, _, turns = process.partition("+")
    return f"{name}+{int(turns or 0) + 1}"


@dataclass(slots=True)
class Operation:
    """One client operation. `returned` is None when no completion was recorded; its outcome is then `info`.

    `index` numbers operations by invoke time. `a` precedes `b` only if `a.returned < b.invoke`: equal stamps are
    concurrent, because at equal times an invoke sorts before a return.
    """

    index: int
    process: str
    op: int
    workload: str
    f: str
    key: int | None
    value: Any
    out: Any
    cl: str
    serial: str | None
    dc: str
    host: str | None
    stage: str | None
    due: int | None
    invoke: int
    returned: int | None = None
    outcome: Outcome = "info"
    error: list[Any] | None = None
    coordinator: str | None = None

    @property
    def started(self) -> int:
        """When the operation was due, or was sent if that was earlier or no due time exists."""
        return self.invoke if self.due is None else min(self.due, self.invoke)

    @property
    def ended(self) -> int:
        """When the operation ended, as far as was recorded: when it was sent, if no completion was."""
        return self.invoke if self.returned is None else self.returned

    def as_json(self) -> dict[str, Any]:
        """The operation as plain data for a finding; fields that are None are left out."""
        pairs = ((name, getattr(self, name)) for name in _OPERATION_FIELDS)
        return {name: value for name, value in pairs if value is not None}


_OPERATION_FIELDS = tuple(item.name for item in fields(Operation))


class Boot:
    """The boot that all files of a bundle must share; the first anchor read decides.

    `torn` names the files whose last line was torn and left out, in the order in which they were read.
    """

    def __init__(self) -> None:
        self.id: str | None = None
        self.torn: list[str] = []
        self._label = ""

    def accept(self, label: str, schema: object, boot_id: object) -> None:
        """Take an anchor; BundleError when its schema is not known here or its boot is not the one seen before."""
        if schema != SCHEMA:
            raise BundleError(f"{label}: schema {schema} is not known here, this version reads {SCHEMA}")
        boot_id = str(boot_id)
        if self.id is None:
            self.id, self._label = boot_id, label
        if boot_id != self.id:
            raise BundleError(
                f"{label}: recorded in another boot of the machine ({boot_id}) than {self._label} ({self.id}); "
                "their times cannot be compared, judge them apart"
            )


def read_records(path: Path, boot: Boot | None = None, label: str = "") -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield (line number, record) of a JSON-lines file, without its anchors.

    A last line without its newline is torn and dropped if it is no JSON. Anything else that cannot be read raises
    BundleError with `label` (the file's name by default) and line.
    """
    label = label or path.name
    boot = boot or Boot()
    text, torn = _whole_and_torn(path, label)
    lines = text.split("\n") if text else []
    anchored = False
    for number, line in enumerate(lines, start=1):
        record = _parsed(line, label, number)
        if record.get("type") == "anchor":
            boot.accept(f"{label}:{number}", record.get("schema"), record.get("boot_id"))
            anchored = True
        elif not anchored:
            raise BundleError(f"{label}:{number}: the first line is not an anchor record")
        else:
            yield number, record
    if torn:
        last = untorn(torn)
        if last is None:
            boot.torn.append(label)
        elif anchored and last.get("type") != "anchor":
            yield len(lines) + 1, last


def read_history(folder: Path, boot: Boot | None = None) -> list[Operation]:
    """All operations of the `history` folder in order of their invoke; a missing folder has none.

    BundleError with file and line for anything that a client cannot have written (`scenarios.segments`). Files that end
    in a torn line are read up to there and named in `boot.torn`.
    """
    from scenarios.segments import read_segments  # the one part that needs a library: writers do without it

    return read_segments(folder, boot or Boot())


def _parsed(line: str, label: str, number: int) -> dict[str, Any]:
    try:
        record = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise BundleError(f"{label}:{number}: not a JSON record ({error})") from error
    if not isinstance(record, dict):
        raise BundleError(f"{label}:{number}: not a JSON object")
    return record


def _whole_and_torn(path: Path, label: str) -> tuple[str, bytes]:
    """The text of the whole lines, without the last newline, and what follows it."""
    try:
        content, _, torn = path.read_bytes().rpartition(b"\n")
        return content.decode(), torn
    except OSError as error:
        raise BundleError(f"{label}: cannot be read ({error.strerror})") from error
    except UnicodeDecodeError as error:
        number = content.count(b"\n", 0, error.start) + 1
        raise BundleError(f"{label}:{number}: not UTF-8 text") from error


def untorn(line: bytes) -> dict[str, Any] | None:
    """The record of a last line that only lacks its newline; None when the line is torn."""
    try:
        record = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return record if isinstance(record, dict) else None


def _refuse_torn(path: Path) -> None:
    if not path.exists() or path.stat().st_size == 0:
        return
    with path.open("rb") as existing:
        existing.seek(-1, os.SEEK_END)
        if existing.read(1) != b"\n":
            raise BundleError(f"{path}: ends in a torn line and cannot be continued; write to a new file")
