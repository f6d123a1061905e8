"""The undo journal: what must be taken back is on the disk before it is done.

One JSON line per entry, fsynced: `{"entry": 3, "undo": {...}}` before the act, `{"entry": 3, "undone": true}` after its
undo. Whatever is open after a crash can be undone by anyone who has the file and the clusters.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any


class Journal:
    """An append-only file of undo entries, each plain data that `clusters.undo` understands."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        self._next = max((entry for entry in self._read()), default=0) + 1

    def write(self, undo: Mapping[str, Any]) -> int:
        """The undo is on the disk when this returns; the number names it in done()."""
        number = self._next
        self._next += 1
        self._append({"entry": number, "undo": dict(undo)})
        return number

    def done(self, number: int) -> None:
        """Entry ``number`` has been undone."""
        self._append({"entry": number, "undone": True})

    def open(self) -> dict[int, dict[str, Any]]:
        """Entries that have not been undone, newest first: the order in which to undo them."""
        return dict(sorted(self._read().items(), reverse=True))

    def _append(self, record: Mapping[str, Any]) -> None:
        with self.path.open("ab") as out:
            out.write(json.dumps(record).encode() + b"\n")
            out.flush()
            os.fsync(out.fileno())

    def _read(self) -> dict[int, dict[str, Any]]:
        entries: dict[int, dict[str, Any]] = {}
        if not self.path.exists():
            return entries
        for line in self.path.read_bytes().split(b"\n"):
            try:
                record = json.loads(line)
            except ValueError:
                continue  # a torn line was never acted upon: the act comes after the fsync
            if record.get("undone"):
                entries.pop(record["entry"], None)
            else:
                entries[record["entry"]] = record["undo"]
        return entries
