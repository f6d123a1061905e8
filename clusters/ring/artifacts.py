"""The jars of Cassandra: locked, fetched once into the user's cache, verified.

The cache is ``RINGPROOF_CACHE`` or the user's cache folder; jars come from ``RINGPROOF_MAVEN_MIRROR`` (http, https
or file) or Maven Central, through the proxies and certificates of the usual variables (``https_proxy``,
``SSL_CERT_FILE``).

    cassandra/<version>/*.jar    exactly the locked jars, each renamed into place after its hash was right
    cassandra/<version>.json     stamp: the lock's hash, and size and time of each jar as it was verified
    partial/<sha256>             what a broken fetch left, continued by the next one
    locks/                       file locks, so that two runs fetch once
"""

from __future__ import annotations

import functools
import hashlib
import http
import http.client
import json
import os
import threading
import urllib.error
import urllib.request
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from typing import Final

from pydantic import BaseModel, ConfigDict

from clusters.cache import cache_lock, cache_root
from clusters.errors import ArtifactMissing, UsageError

Progress = Callable[[int, int, str], None]
"""Called with bytes done, bytes in all, and the name of the file that moved; from several threads, one at a time."""

MAVEN_CENTRAL: Final = "https://repo1.maven.org/maven2"
LOCKS: Final = Path(__file__).parent / "locks"
THREADS: Final = 8
TRIES: Final = 3
"""Tries per file; each goes on where the one before broke off."""
QUIET_SECONDS: Final = 30.0
"""A connection that is silent for this long is broken."""
CHUNK: Final = 1 << 16
JAR_TIME: Final = 1_600_000_000
"""Modification time of every jar, in seconds: class-data archives refer to it, so a jar fetched anew must have it."""


class Jar(BaseModel):
    """One locked jar: Maven coordinates, path in a repository, SHA-256 and size in bytes."""

    model_config = ConfigDict(frozen=True)
    coordinates: str
    path: str
    sha256: str
    size: int

    @property
    def name(self) -> str:
        """File name, unique within a version."""
        return self.path.rpartition("/")[2]


class Lock(BaseModel):
    """The runtime closure of one Cassandra version, jars sorted by file name."""

    model_config = ConfigDict(frozen=True)
    version: str
    jars: tuple[Jar, ...]


def versions() -> list[str]:
    """Return the Cassandra versions that have a lock."""
    return sorted(file.stem.removeprefix("cassandra-") for file in LOCKS.glob("cassandra-*.json"))


@functools.cache
def read_lock(version: str) -> Lock:
    """Return the lock of a version; UsageError names the known ones otherwise."""
    if version not in versions():
        raise UsageError(f"Cassandra {version} has no lock; known: {', '.join(versions())}")
    return Lock.model_validate_json((LOCKS / f"cassandra-{version}.json").read_bytes())


def ensure_cassandra(version: str, progress: Progress | None = None, offline: bool = False) -> Path:
    """Return the folder that holds all jars of ``version``, fetching what is missing.

    Cheap when everything is there: sizes and times are compared with the stamp. Content is hashed when fetched, and
    whenever the stamp does not fit. ArtifactMissing when something is missing and ``offline``, or not to be had.
    """
    lock = read_lock(version)
    folder = cache_root() / "cassandra" / version
    if _stamped(lock, folder):
        return folder
    with cache_lock("cassandra"):
        if _stamped(lock, folder):
            return folder
        folder.mkdir(parents=True, exist_ok=True)
        missing = [jar for jar in lock.jars if not _verified(jar, folder / jar.name)]
        if missing and offline:
            raise _missing(version, missing, "not fetched, because offline")
        _fetch_all(lock, missing, folder, progress)
        for stranger in set(folder.iterdir()) - set(class_path(version)):
            stranger.unlink()
        stamp = folder.with_name(f"{version}.json")
        stamp.with_suffix(".new").write_text(json.dumps(_facts(lock, folder)))
        stamp.with_suffix(".new").replace(stamp)
    return folder


def class_path(version: str) -> list[Path]:
    """Return the jars of a version, sorted by name: explicit and equal at every start, as an archive demands."""
    folder = cache_root() / "cassandra" / version
    return sorted(folder / jar.name for jar in read_lock(version).jars)


def maven_mirror() -> str:
    """Return the address of the Maven repository, without a slash at its end."""
    mirror = (os.environ.get("RINGPROOF_MAVEN_MIRROR") or MAVEN_CENTRAL).rstrip("/")
    if not mirror.startswith(("https://", "http://", "file://")):
        raise UsageError(f"RINGPROOF_MAVEN_MIRROR={mirror}: expected an https, http or file URL")
    return mirror


def sha256(file: Path) -> str:
    """Return the SHA-256 of a file in hexadecimal."""
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


def _facts(lock: Lock, folder: Path) -> dict[str, object]:
    """What a stamp records; FileNotFoundError when a jar is missing."""
    stats = {jar.name: (folder / jar.name).stat() for jar in lock.jars}
    files = {name: [stat.st_size, stat.st_mtime_ns] for name, stat in stats.items()}
    return {"lock": hashlib.sha256(lock.model_dump_json().encode()).hexdigest(), "files": files}


def _stamped(lock: Lock, folder: Path) -> bool:
    try:
        return bool(json.loads(folder.with_name(f"{lock.version}.json").read_bytes()) == _facts(lock, folder))
    except (FileNotFoundError, ValueError):
        return False


def _verified(jar: Jar, file: Path) -> bool:
    if not (file.is_file() and file.stat().st_size == jar.size and sha256(file) == jar.sha256):
        return False
    os.utime(file, (JAR_TIME, JAR_TIME))
    return True


def _missing(version: str, jars: list[Jar], why: str) -> ArtifactMissing:
    names = ", ".join(jar.name for jar in jars[:3]) + (f" and {len(jars) - 3} more" if len(jars) > 3 else "")
    return ArtifactMissing(f"Cassandra {version}: {names}: {why}; run `ringproof fetch` where the network is reached")


def _fetch_all(lock: Lock, jars: list[Jar], folder: Path, progress: Progress | None) -> None:
    """Bring all ``jars`` into ``folder``; the first failure lets those under way end and starts no other."""
    total = sum(jar.size for jar in lock.jars)
    positions = {jar.name: 0 if jar in jars else jar.size for jar in lock.jars}
    guard = threading.Lock()

    def at(position: int, name: str) -> None:
        with guard:
            positions[name] = position
            if progress is not None:
                progress(sum(positions.values()), total, name)

    partial = cache_root() / "partial"
    partial.mkdir(exist_ok=True)
    with ThreadPoolExecutor(THREADS, "fetch") as pool:
        futures = [pool.submit(_fetch, jar, partial / jar.sha256, folder / jar.name, at) for jar in jars]
        try:
            for future in as_completed(futures):
                future.result()
            return
        except (OSError, http.client.HTTPException, ArtifactMissing) as error:
            pool.shutdown(wait=False, cancel_futures=True)
            reason = error
    missing = [jar for jar in jars if not (folder / jar.name).exists()]
    raise _missing(lock.version, missing, f"not to be had from {maven_mirror()} ({reason})") from reason


def _fetch(jar: Jar, partial: Path, target: Path, at: Callable[[int, str], None]) -> None:
    """Bring one jar into place; what a broken try left is continued by the next try, here or in a later run."""
    for attempt in range(1, TRIES + 1):
        try:
            _download(jar, partial, at)
        except urllib.error.HTTPError as error:
            raise ArtifactMissing(f"{jar.path}: HTTP {error.code} {error.reason}") from error
        except urllib.error.URLError:
            raise  # no connection at all: trying again at once changes nothing
        except (OSError, http.client.HTTPException):
            if attempt == TRIES:
                raise
            continue
        if _verified(jar, partial):
            partial.replace(target)
            return
        partial.unlink()
    raise ArtifactMissing(f"{jar.path}: the content is not what the lock says (SHA-256 {jar.sha256})")


def _download(jar: Jar, partial: Path, at: Callable[[int, str], None]) -> None:
    """Append to ``partial`` what it lacks; raises on a broken connection, keeping what came."""
    have = partial.stat().st_size if partial.exists() else 0
    if have >= jar.size:
        return
    request = urllib.request.Request(f"{maven_mirror()}/{jar.path}")
    if have:
        request.add_header("Range", f"bytes={have}-")
    with urllib.request.build_opener().open(request, timeout=QUIET_SECONDS) as answer:
        resumed = getattr(answer, "status", None) == http.HTTPStatus.PARTIAL_CONTENT
        with partial.open("ab" if resumed else "wb") as file:
            while chunk := answer.read(CHUNK):
                file.write(chunk)
                at(min(file.tell(), jar.size), jar.name)
    if partial.stat().st_size < jar.size:
        raise http.client.IncompleteRead(b"", jar.size - partial.stat().st_size)
