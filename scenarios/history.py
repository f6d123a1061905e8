"""The recorded history: JSON lines written as they happen, ordered when read. Standard library only.

Writers append whole lines with write(2) to an O_APPEND descriptor, so a line is either there or torn at the very
end of the file. All times are CLOCK_MONOTONIC nanoseconds of one machine boot; the anchor, the first line of each
file, carries the boot id, and files of different boots are never read together.
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

    def as_json(self) -> dict[str, Any]:
        """The operation as plain data for a finding; fields that are None are left out."""
        pairs = ((name, getattr(self, name)) for name in _OPERATION_FIELDS)
        return {name: value for name, value in pairs if value is not None}


_OPERATION_FIELDS = tuple(item.name for item in fields(Operation))
_OUTCOMES = frozenset(("ok", "fail", "info"))


class Boot:
    """The boot that all files of a bundle must share; the first anchor read decides."""

    def __init__(self) -> None:
        self.id: str | None = None
        self._label = ""

    def check(self, label: str, boot_id: str) -> None:
        """Raise BundleError when `boot_id` is not the one seen before."""
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
            _accept_anchor(record, f"{label}:{number}", boot)
            anchored = True
        elif not anchored:
            raise BundleError(f"{label}:{number}: the first line is not an anchor record")
        else:
            yield number, record
    if torn and anchored:
        yield from _untorn(torn, len(lines) + 1)


def read_history(folder: Path, boot: Boot | None = None) -> list[Operation]:
    """All operations of the `history` folder in order of their invoke; a missing folder has none.

    BundleError names file and line of anything that a client cannot have written: a completion without invoke, a
    second completion, a return before its invoke, two invokes of one operation.
    """
    boot = boot or Boot()
    operations: list[Operation] = []
    for path in sorted(folder.glob("*.jsonl")):
        operations.extend(_read_segment(path, boot, f"{folder.name}/{path.name}"))
    operations.sort(key=lambda item: (item.invoke, item.process, item.op))
    for index, operation in enumerate(operations):
        operation.index = index
    return operations


def _read_segment(path: Path, boot: Boot, label: str) -> list[Operation]:
    known: dict[tuple[str, int], Operation] = {}
    for number, record in read_records(path, boot, label):
        try:
            identity = (record["process"], record["op"])
            if record["type"] == "invoke":
                problem = _begin(known, identity, record)
            else:
                problem = _finish(known.get(identity), record)
        except KeyError as missing:
            problem = f"field {missing} is missing"
        if problem:
            raise BundleError(f"{label}:{number}: {problem}")
    return list(known.values())


def _begin(known: dict[tuple[str, int], Operation], identity: tuple[str, int], record: dict[str, Any]) -> str | None:
    if identity in known:
        return f"operation {identity[1]} of {identity[0]} is invoked twice"
    get = record.get
    known[identity] = Operation(
        0,
        identity[0],
        identity[1],
        record["workload"],
        record["f"],
        get("key"),
        get("value"),
        None,
        record["cl"],
        get("serial"),
        record["dc"],
        get("host"),
        get("stage"),
        get("due"),
        record["time"],
    )
    return None


def _finish(operation: Operation | None, record: dict[str, Any]) -> str | None:
    if operation is None:
        return f"operation {record['op']} of {record['process']} completes without an invoke"
    if record["type"] not in _OUTCOMES:
        return f"record type {record['type']!r} is none of anchor, invoke, ok, fail, info"
    if operation.returned is not None:
        return f"operation {record['op']} of {record['process']} completes twice"
    if record["time"] < operation.invoke:
        return f"operation {record['op']} of {record['process']} returns before it was invoked"
    operation.returned = record["time"]
    operation.outcome = record["type"]
    operation.out = record.get("out")
    operation.error = record.get("error")
    operation.coordinator = record.get("coordinator")
    return None


def _parsed(line: str, label: str, number: int) -> dict[str, Any]:
    try:
        record = json.loads(line)
    except ValueError as error:
        raise BundleError(f"{label}:{number}: not a JSON record ({error})") from error
    if not isinstance(record, dict):
        raise BundleError(f"{label}:{number}: not a JSON object")
    return record


def _accept_anchor(record: dict[str, Any], label: str, boot: Boot) -> None:
    if record.get("schema") != SCHEMA:
        raise BundleError(f"{label}: schema {record.get('schema')} is not known here, this version reads {SCHEMA}")
    boot.check(label, str(record.get("boot_id")))


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


def _untorn(line: bytes, number: int) -> Iterator[tuple[int, dict[str, Any]]]:
    try:
        record = json.loads(line)
    except ValueError:
        return
    if isinstance(record, dict) and record.get("type") != "anchor":
        yield number, record


def _refuse_torn(path: Path) -> None:
    if not path.exists() or path.stat().st_size == 0:
        return
    with path.open("rb") as existing:
        existing.seek(-1, os.SEEK_END)
        if existing.read(1) != b"\n":
            raise BundleError(f"{path}: ends in a torn line and cannot be continued; write to a new file")
