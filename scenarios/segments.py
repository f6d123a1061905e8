"""Segments of a history read fast: typed decoding in blocks, one pass, and the refusal of what no client can write.

Well-formed files cost about 2 microseconds a line. Only a file that is refused is read again, slowly, to say which
line is wrong and why.
"""

from __future__ import annotations

import gc
import json
from collections.abc import Iterator
from contextlib import contextmanager
from operator import attrgetter
from pathlib import Path
from typing import Any, Final

import msgspec

from clusters.errors import BundleError
from scenarios.history import Boot, Operation, Outcome, untorn
from scenarios.progress import tell

BLOCK = 1 << 20
"""Bytes decoded at once: what is decoded and not yet folded into operations stays below 10 MB."""
_KINDS = "anchor, invoke, ok, fail, info"
_BOUNDARY = b"}\n{"
"""What no JSON value holds: lines that all meet so, and are as many as their records, are decoded together."""


class _Anchor(msgspec.Struct, tag_field="type", tag="anchor", gc=False):
    schema: Any = None
    boot_id: Any = None


class _Invoke(msgspec.Struct, tag_field="type", tag="invoke", gc=False):
    time: int
    process: str
    op: int
    workload: str
    f: str
    cl: str
    dc: str
    key: int | None = None
    value: Any = None
    serial: str | None = None
    host: str | None = None
    stage: str | None = None
    due: int | None = None


class _Ended(msgspec.Struct, gc=False):
    time: int
    process: str
    op: int
    out: Any = None
    error: list[Any] | None = None
    coordinator: str | None = None


class _Ok(_Ended, tag_field="type", tag="ok", gc=False):
    pass


class _Fail(_Ended, tag_field="type", tag="fail", gc=False):
    pass


class _Info(_Ended, tag_field="type", tag="info", gc=False):
    pass


_Line = _Anchor | _Invoke | _Ok | _Fail | _Info
_DECODER: Final = msgspec.json.Decoder(_Line)
_OUTCOMES: Final[dict[type, Outcome]] = {_Ok: "ok", _Fail: "fail", _Info: "info"}


def read_segments(folder: Path, boot: Boot) -> list[Operation]:
    """All operations of the `*.jsonl` files of `folder` in order of their invoke; torn files are named in `boot.torn`.

    BundleError names file and line of a line that cannot be read (and how many there are), and of anything that a
    client cannot have written: a completion without invoke, a second completion, a return before its invoke, two
    invokes of one operation, a process with two operations open at once or whose times run backwards.
    """
    operations: list[Operation] = []
    processes: dict[str, Path] = {}
    shared: dict[str, list[Path]] = {}
    with _without_collection():
        for path in sorted(folder.glob("*.jsonl")):
            segment = _Segment(path, f"{folder.name}/{path.name}", boot)
            operations.extend(segment.read())
            for process in segment.last:
                first = processes.setdefault(process, path)
                if first is not path:
                    shared.setdefault(process, [first]).append(path)
        operations.sort(key=attrgetter("invoke", "process", "op"))
        for index, operation in enumerate(operations):
            operation.index = index
    if shared:
        _refuse_overlaps(operations, shared, folder.name)
    return operations


class _Segment:
    """One file on its way to operations. `last` holds the latest operation of each process."""

    def __init__(self, path: Path, label: str, boot: Boot) -> None:
        self.path = path
        self.label = label
        self.boot = boot
        self.last: dict[str, Operation] = {}
        self._operations: list[Operation] = []
        self._words: dict[str, str] = {}
        self._used: dict[str, set[int]] = {}
        self._anchored = False
        self._torn = b""

    def read(self) -> list[Operation]:
        """The file's operations in order of their lines; BundleError with the line that is wrong."""
        number = 1
        for block in self._blocks():
            count = block.count(b"\n")
            self._fold(self._decoded(block, count), number)
            number += count
            tell("operations read", len(self._operations))
        if self._torn:
            self._fold_torn(number)
        return self._operations

    def _blocks(self) -> Iterator[bytes]:
        """Whole lines, about BLOCK bytes at once; what follows the last newline is kept aside."""
        rest = b""
        try:
            with self.path.open("rb") as file:
                while block := file.read(BLOCK):
                    head, newline, tail = block.rpartition(b"\n")
                    if newline:
                        yield rest + head + newline
                        rest = tail
                    else:
                        rest += block
        except OSError as error:
            raise BundleError(f"{self.label}: cannot be read ({error.strerror})") from error
        self._torn = rest

    def _decoded(self, block: bytes, count: int) -> list[_Line]:
        """The records of `count` whole lines, one of each; fields that no reader needs must be text all the same."""
        try:
            if not block.isascii():
                block.decode()
            if block.startswith(b"{") and block.endswith(b"}\n") and block.count(_BOUNDARY) == count - 1:
                lines: list[_Line] = _DECODER.decode_lines(block)
                if len(lines) == count:
                    return lines
            return [_DECODER.decode(line) for line in block.split(b"\n")[:-1]]
        except (ValueError, RecursionError) as error:
            raise self._malformed(str(error)) from error

    def _fold_torn(self, number: int) -> None:
        record = untorn(self._torn)
        if record is None:
            self.boot.torn.append(self.label)
        elif self._anchored or record.get("type") == "anchor":
            if complaint := _complaint(self._torn):
                raise BundleError(f"{self.label}:{number}: {complaint}")
            self._fold([_DECODER.decode(self._torn)], number)
        else:
            raise BundleError(f"{self.label}:{number}: the first line is not an anchor record")

    def _fold(self, lines: list[_Line], start: int) -> None:
        """Take lines in, the first of which is line `start` of the file."""
        for number, line in enumerate(lines, start):
            kind = type(line)
            if isinstance(line, _Invoke):
                if not self._anchored:
                    raise BundleError(f"{self.label}:{number}: the first line is not an anchor record")
                self._begin(line, number)
            elif isinstance(line, _Anchor):
                self.boot.accept(f"{self.label}:{number}", line.schema, line.boot_id)
                self._anchored = True
            else:
                operation = self.last.get(line.process)
                time = line.time
                if (
                    operation is None
                    or operation.op != line.op
                    or operation.returned is not None
                    or time < operation.invoke
                ):
                    raise self._unasked(line, number)
                operation.returned = time
                operation.outcome = _OUTCOMES[kind]
                operation.out = line.out
                operation.error = line.error
                coordinator = line.coordinator
                if coordinator is not None:
                    operation.coordinator = self._words.setdefault(coordinator, coordinator)

    def _begin(self, line: _Invoke, number: int) -> None:
        word = self._words.setdefault
        process = word(line.process, line.process)
        last = self.last.get(process)
        if last is not None:
            if line.op <= last.op or process in self._used:
                self._refuse_repeated(line, number)
            if last.returned is None or line.time < last.returned:
                raise self._overlapping(last, line, number)
        serial, host, stage = line.serial, line.host, line.stage
        operation = Operation(
            0,
            process,
            line.op,
            word(line.workload, line.workload),
            word(line.f, line.f),
            line.key,
            line.value,
            None,
            word(line.cl, line.cl),
            serial and word(serial, serial),
            word(line.dc, line.dc),
            host and word(host, host),
            stage and word(stage, stage),
            line.due,
            line.time,
        )
        self.last[process] = operation
        self._operations.append(operation)

    def _refuse_repeated(self, line: _Invoke, number: int) -> None:
        """An operation's number that is not above the one before may have been used: looked up, from then on."""
        process = line.process
        used = self._used.get(process)
        if used is None:
            used = self._used[process] = {item.op for item in self._operations if item.process == process}
        if line.op in used:
            raise BundleError(f"{self.label}:{number}: operation {line.op} of {process} is invoked twice")
        used.add(line.op)

    def _overlapping(self, last: Operation, line: _Invoke, number: int) -> BundleError:
        where = f"{self.label}:{number}"
        first = f"operation {last.op} ({last.f} of key {last.key}"
        second = f"operation {line.op} ({line.f} of key {line.key}, line {number})"
        if last.returned is None:
            began = _line_of(self.path, last, "invoke")
            return BundleError(
                f"{where}: process {last.process} overlaps itself: {second} is invoked while {first}, line {began}) is "
                "open; record every worker under a process of its own"
            )
        ended = _line_of(self.path, last, last.outcome)
        return BundleError(
            f"{where}: the times of process {last.process} run backwards: {second} is invoked at {line.time}, {first}, "
            f"line {ended}) had returned at {last.returned}; record times of one monotonic clock"
        )

    def _unasked(self, line: _Ended, number: int) -> BundleError:
        name = f"operation {line.op} of {line.process}"
        known = [item for item in self._operations if item.op == line.op and item.process == line.process]
        if not known:
            return BundleError(f"{self.label}:{number}: {name} completes without an invoke")
        if known[0].returned is not None:
            return BundleError(f"{self.label}:{number}: {name} completes twice")
        return BundleError(f"{self.label}:{number}: {name} returns before it was invoked")

    def _malformed(self, otherwise: str) -> BundleError:
        """The first line that cannot be read, with the reason, and how many there are in the file."""
        lines = self.path.read_bytes().split(b"\n")[:-1]
        wrong = [(number, why) for number, line in enumerate(lines, 1) if (why := _complaint(line))]
        number, why = wrong[0] if wrong else (1, otherwise)
        more = f" (and {len(wrong) - 1} more of {len(lines)} lines cannot be read)" if len(wrong) > 1 else ""
        return BundleError(f"{self.label}:{number}: {why}{more}")


def _complaint(line: bytes) -> str | None:
    """Why a line cannot be read; None when it can."""
    try:
        record = json.loads(line.decode())
    except UnicodeDecodeError:
        return "not UTF-8 text"
    except (ValueError, RecursionError) as error:
        return f"not a JSON record ({error})"
    if not isinstance(record, dict):
        return "not a JSON object"
    if record.get("type") not in _KINDS.split(", "):
        return f"record type {record.get('type')!r} is none of {_KINDS}"
    needed: tuple[str, ...] = ()
    if record["type"] != "anchor":
        needed = ("process", "op", *(("workload", "f", "cl", "dc") if record["type"] == "invoke" else ()), "time")
    for name in needed:
        if name not in record:
            return f"field '{name}' is missing"
    try:
        _DECODER.decode(line)
    except (ValueError, RecursionError) as error:
        return f"not a record of a history ({error})"
    return None


def _line_of(path: Path, operation: Operation, kind: str) -> int:
    """The line of a file on which an operation was invoked or completed; 0 when it is not in it."""
    time = operation.invoke if kind == "invoke" else operation.returned
    wanted = (kind, operation.process, operation.op, time)
    for number, line in enumerate(path.read_bytes().split(b"\n"), 1):
        record = untorn(line)
        if record is not None and tuple(map(record.get, ("type", "process", "op", "time"))) == wanted:
            return number
    return 0


def _refuse_overlaps(operations: list[Operation], shared: dict[str, list[Path]], folder: str) -> None:
    """BundleError when a process that is in several files has two operations open at once."""
    last: dict[str, Operation] = {}
    for operation in operations:
        process = operation.process
        if process not in shared:
            continue
        before = last.get(process)
        if before is not None and (before.returned is None or operation.invoke < before.returned):
            places = (place for item in (before, operation) for place in _places(item, shared[process], folder))
            both = " and ".join(dict.fromkeys(places))
            raise BundleError(f"process {process} overlaps itself: {both} are open at once; name it apart in each file")
        last[process] = operation


def _places(operation: Operation, paths: list[Path], folder: str) -> Iterator[str]:
    for path in paths:
        if line := _line_of(path, operation, "invoke"):
            yield f"operation {operation.op} ({operation.f} of key {operation.key}, {folder}/{path.name}:{line})"


@contextmanager
def _without_collection() -> Iterator[None]:
    """No cycle is made in the block, so the collector, which would walk all operations again and again, may rest."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()
