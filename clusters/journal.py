"""The undo journal: what must be taken back is on the disk before it is done.

One JSON line per entry, fsynced: `{"entry": 3, "undo": {...}}` before the act, `{"entry": 3, "undone": true}` after its
undo. Whatever is open after a crash can be undone by anyone who has the file and the clusters.
"""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any


class Journal:
    """An append-only file of undo entries, each plain data that `clusters.undo` understands."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        self._lock = threading.Lock()
        self._next = max((record["entry"] for record in self._records()), default=0) + 1

    def write(self, undo: Mapping[str, Any]) -> int:
        """The undo is on the disk when this returns; the number names it in done()."""
        with self._lock:
            number = self._next
            self._append({"entry": number, "undo": dict(undo)})
            self._next += 1
        return number

    def done(self, number: int) -> None:
        """Entry ``number`` has been undone."""
        with self._lock:
            self._append({"entry": number, "undone": True})

    def open(self) -> dict[int, dict[str, Any]]:
        """Entries that have not been undone, newest first: the order in which to undo them."""
        entries: dict[int, dict[str, Any]] = {}
        for record in self._records():
            if record.get("undone"):
                entries.pop(record["entry"], None)
            else:
                entries[record["entry"]] = record["undo"]
        return dict(sorted(entries.items(), reverse=True))

    def _append(self, record: Mapping[str, Any]) -> None:
        line = json.dumps(record).encode() + b"\n"
        with self.path.open("a+b") as out:
            if out.seek(0, os.SEEK_END):
                out.seek(-1, os.SEEK_END)
                line = line if out.read(1) == b"\n" else b"\n" + line  # never glued to a torn one, which would hide it
            out.write(line)
            out.flush()
            os.fsync(out.fileno())

    def _records(self) -> list[dict[str, Any]]:
        records: list[dict[str, Any]] = []
        lines = self.path.read_bytes().split(b"\n") if self.path.exists() else []
        for line in lines:
            try:
                records.append(json.loads(line))
            except ValueError:
                continue  # a torn line was never acted upon: the act comes after the fsync
        return records
