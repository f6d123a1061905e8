"""Built things in the user's cache, each under the hash of everything that it was made from.

    images/<name>/<key>/content    the thing: a program, or a tar
    images/<name>/<key>.json       its SHA-256, size, and how long it took: written last, so what has none is not there

A thing is made beside its place and renamed; a second call with the same key finds it and makes nothing.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from clusters.errors import ArtifactMissing, EnvironmentUnfit
from clusters.ring.artifacts import cache_lock, cache_root, sha256

KEY_LENGTH: Final = 12
"""Hexadecimal digits: 48 bits, enough for the few hundred things that one cache ever holds."""
ROOM: Final = 6_000_000_000
"""Free bytes in the cache that a first build needs: 1.5 GB of results, twice that while they are put together."""


@dataclass(frozen=True)
class Artifact:
    """One thing of the store: what it is called, the key of its ingredients, and how to make it at a path.

    ``expected`` is the time in seconds that making it took on two cores: only for the remaining time that is shown.
    """

    name: str
    key: str
    expected: float
    make: Callable[[Path], None]

    @property
    def path(self) -> Path:
        """Where its content lies once it is made."""
        return cache_root() / "images" / self.name / self.key / "content"

    @property
    def record(self) -> Path:
        """Where its hash is kept."""
        return cache_root() / "images" / self.name / f"{self.key}.json"

    def made(self) -> bool:
        """It lies in the store, in the size that was recorded."""
        try:
            told = json.loads(self.record.read_bytes())
            return bool(self.path.stat().st_size == told["size"])
        except (OSError, ValueError, KeyError):
            return False

    def digest(self) -> str:
        """Return the recorded SHA-256 after comparing it with the content; ArtifactMissing when they differ."""
        told = str(json.loads(self.record.read_bytes())["sha256"])
        if sha256(self.path) != told:
            self.record.unlink()
            raise ArtifactMissing(f"{self.path} is not what the lock says (SHA-256 {told}); call this again to rebuild")
        return told

    def ensure(self) -> float:
        """Make it if need be; the seconds it took, 0 when it was there."""
        if self.made():
            return 0.0
        with cache_lock(f"image-{self.name}"):
            if self.made():
                return 0.0
            return self._make()

    def _make(self) -> float:
        folder = self.path.parent
        folder.parent.mkdir(parents=True, exist_ok=True)
        started = time.monotonic()
        with tempfile.TemporaryDirectory(dir=folder.parent, prefix="new-") as work:
            self.make(Path(work, "content"))
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
            Path(work, "content").rename(self.path)
        seconds = time.monotonic() - started
        told = {"sha256": sha256(self.path), "size": self.path.stat().st_size, "seconds": round(seconds, 1)}
        fresh = self.record.with_suffix(".new")
        fresh.write_text(json.dumps(told))
        fresh.replace(self.record)
        return seconds


def key(*ingredients: bytes | str | Path | Iterable[Path]) -> str:
    """Return the key of a thing made of these: texts as they are, files by name and content."""
    whole = hashlib.sha256()
    for part in ingredients:
        if isinstance(part, Path):
            whole.update(f"file {part.name} {sha256(part)}\n".encode())
        elif isinstance(part, (str, bytes)):
            text = part.encode() if isinstance(part, str) else part
            whole.update(b"text %d " % len(text) + text)
        else:
            for file in sorted(part):
                whole.update(f"file {file.name} {sha256(file)}\n".encode())
    return whole.hexdigest()[:KEY_LENGTH]


def demand_room() -> None:
    """EnvironmentUnfit when the cache's file system is too full for a build."""
    root = cache_root()
    free = shutil.disk_usage(root).free
    if free < ROOM:
        raise EnvironmentUnfit(
            f"no space for images: {free / 1e9:.1f} GB free in {root}, needed: {ROOM / 1e9:.1f} GB; "
            "make room there or set RINGPROOF_CACHE"
        )
