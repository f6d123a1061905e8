"""Class-data archives: a host's classes as one file that the JVM maps instead of parsing 8,000 classes (JEP 350).

An archive only saves time (about 1 s and 1.5 CPU seconds of each start); whatever goes wrong with it is a warning.

What must be equal between making and using, or the JVM goes on without the archive and says nothing:
the JVM's build, its base archive, the class path (same paths, same order, sizes and times of the jars), and the
addressing of objects (compressed or not). Heap size and collector need not be: an archive made with 192 MiB and
SerialGC was mapped with 256 MiB, with 1000 MiB and with G1; with ZGC it was not (Java 17). All but the heap is
in the file's name; the flags are there because agents and modules matter and more of them may.
"""

from __future__ import annotations

import hashlib
import json
import logging
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Final

from clusters.cache import cache_lock, cache_root
from clusters.errors import RingproofError
from clusters.ring.artifacts import class_path, ensure_cassandra
from clusters.ring.flags import FORMATION_FLAGS, MAIN_CLASS, archiving_flags, jvm_flags, timer_flags
from clusters.ring.java import Java
from clusters.shell import run
from clusters.waiting import until

HEAP_MB: Final = 192
"""Heap of the host that makes the archive, in MiB."""
LOOPBACK: Final = "127.0.0.1"
START_SECONDS: Final = 180.0
"""Deadline for the CQL port of a single host: 5 s on two quiet cores."""
STOP_SECONDS: Final = 180.0
"""Deadline for drain and writing the archive: 8 s on two quiet cores."""
OLDEST_MAJOR: Final = 13
"""First Java that writes an archive of what it loaded (JEP 350)."""

_log = logging.getLogger(__name__)

_LOGBACK: Final = """<configuration><appender name="F" class="ch.qos.logback.core.FileAppender"><file>{file}</file>
<encoder><pattern>%-5level %msg%n</pattern></encoder></appender>
<root level="INFO"><appender-ref ref="F"/></root></configuration>
"""


def ensure_archive(java: Java, version: str, *, warn: Callable[[str], None] = _log.warning) -> Path | None:
    """Return the archive for this Java and Cassandra version, made if need be (about 15 s, once); never raises for it.

    None, after one sentence to ``warn``, when it cannot be had. Only a runtime of our own cache is given a base
    archive; another Java is used as it is.
    """
    if java.major < OLDEST_MAJOR:
        warn(f"no class-data archive: Java {java.major} cannot write one, starts take a second longer")
        return None
    try:
        jars = ensure_cassandra(version, offline=True)
        base = _base_archive(java)
        if base is None:
            warn(f"no class-data archive: {java.home} has no base archive, starts take a second longer")
            return None
        family, key = _names(java, version, jars, base)
        archive = cache_root() / "archive" / f"{family}-{key}.jsa"
        if not archive.exists():
            with cache_lock(f"archive-{family}"):
                if not archive.exists():
                    _make(java, version, archive)
                    _forget_older(archive, family)
    except (RingproofError, OSError) as error:
        warn(f"no class-data archive, starts take a second longer: {error}")
        return None
    return archive


def rehearse(java: Java, version: str, extra: Sequence[str], folder: Path) -> float:
    """Start one real host on a loopback address, stop it, and return the seconds until its CQL port opened.

    The host has the flags of every start plus ``extra``, free ports, and all its files in ``folder``, which must be
    an existing empty folder. RingproofError with its last words when it dies, or is not up or down in time.
    """
    jars = ensure_cassandra(version, offline=True)
    port = _configure(folder)
    command = [str(java.binary), *jvm_flags(java.major, version, HEAP_MB, jars), *extra]
    command += ["-cp", joined_class_path(version), *FORMATION_FLAGS, *timer_flags("fast"), *_places(folder), MAIN_CLASS]
    started = time.monotonic()
    with (folder / "out").open("wb") as out, subprocess.Popen(command, stdout=out, stderr=out, cwd=folder) as host:
        try:
            until("its CQL port", lambda: _listening(host, port, folder), timeout=START_SECONDS, every=0.05)
            seconds = time.monotonic() - started
            host.send_signal(signal.SIGTERM)
            host.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired as error:
            raise RingproofError(f"a single host did not stop within {STOP_SECONDS:.0f} s") from error
        finally:
            host.kill()
    return seconds


def joined_class_path(version: str) -> str:
    """Return the value of ``-cp``: every jar by name, in the order that the archive was made with."""
    return ":".join(map(str, class_path(version)))


def _base_archive(java: Java) -> Path | None:
    """Return the archive of Java's own classes; the wheel's runtime comes without and gets one here."""
    base = java.home / "lib" / "server" / "classes.jsa"
    if base.exists():
        return base
    if not java.home.is_relative_to(cache_root().resolve()):
        return None
    with cache_lock(f"base-{java.home.name}"), tempfile.TemporaryDirectory(dir=base.parent) as empty:
        if not base.exists():
            # The default class path is the working folder, and a dump refuses one that holds anything.
            fresh = base.with_suffix(".new")
            run([str(java.binary), "-Xshare:dump", f"-XX:SharedArchiveFile={fresh}"], timeout=STOP_SECONDS, cwd=empty)
            fresh.replace(base)
    return base


def _names(java: Java, version: str, jars: Path, base: Path) -> tuple[str, str]:
    """Return the name of all archives that replace each other, and the key of the one that fits now."""
    family = f"{version}-{_digest([str(java.home)])[:8]}"
    flags = jvm_flags(java.major, version, HEAP_MB, jars)
    entries = [f"{jar} {jar.stat().st_size} {jar.stat().st_mtime_ns}" for jar in class_path(version)]
    return family, _digest([java.build, f"{base.stat().st_size} {base.stat().st_mtime_ns}", *flags, *entries])[:16]


def _digest(parts: Sequence[str]) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


def _make(java: Java, version: str, archive: Path) -> None:
    archive.parent.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=archive.parent, prefix="new-") as work:
        fresh, host = Path(work, "fresh.jsa"), Path(work, "host")
        host.mkdir()
        rehearse(java, version, archiving_flags(fresh), host)
        if not fresh.exists():
            raise RingproofError(f"the JVM wrote none: {_tail(host)}")
        fresh.replace(archive)


def _forget_older(archive: Path, family: str) -> None:
    """Delete the archives that no longer fit: each is 56 MB. A JVM that has one mapped keeps it."""
    for other in archive.parent.glob(f"{family}-*.jsa"):
        if other != archive:
            other.unlink()


def _configure(folder: Path) -> int:
    """Write the files of a single host and return its CQL port; both ports were free a moment ago."""
    with ExitStack() as held:
        ports = [held.enter_context(socket.create_server((LOOPBACK, 0))).getsockname()[1] for _ in range(2)]
    seeds = {"class_name": "org.apache.cassandra.locator.SimpleSeedProvider", "parameters": [{"seeds": LOOPBACK}]}
    settings = {
        "cluster_name": folder.parent.name,
        "num_tokens": 1,
        "initial_token": "0",
        "auto_bootstrap": False,
        "partitioner": "org.apache.cassandra.dht.Murmur3Partitioner",
        "endpoint_snitch": "GossipingPropertyFileSnitch",
        "listen_address": LOOPBACK,
        "rpc_address": LOOPBACK,
        "storage_port": ports[0],
        "native_transport_port": ports[1],
        "seed_provider": [seeds],
        "commitlog_sync": "periodic",
        "commitlog_sync_period": "1s",
        "commitlog_segment_size": "8MiB",
        "commitlog_total_space": "64MiB",
        "memtable_heap_space": "32MiB",
        "memtable_offheap_space": "32MiB",
        "disk_access_mode": "standard",
    }
    (folder / "cassandra.yaml").write_text(json.dumps(settings))  # JSON is YAML
    (folder / "rackdc").write_text("dc=archive\nrack=archive\n")
    (folder / "logback.xml").write_text(_LOGBACK.format(file=folder / "system.log"))
    return int(ports[1])


def _places(folder: Path) -> list[str]:
    return [
        "-Dcassandra-foreground=yes",  # otherwise the daemon closes its output
        f"-Dcassandra.config={(folder / 'cassandra.yaml').as_uri()}",
        f"-Dcassandra-rackdc.properties={(folder / 'rackdc').as_uri()}",
        f"-Dlogback.configurationFile={(folder / 'logback.xml').as_uri()}",
        f"-Dcassandra.storagedir={folder}",
        f"-Dcassandra.logdir={folder}",
    ]


def _listening(host: subprocess.Popen[bytes], port: int, folder: Path) -> bool:
    """ConnectionError while it is not; RingproofError when it never will."""
    if host.poll() is not None:
        raise RingproofError(f"a single host exited with {host.returncode} while starting: {_tail(folder)}")
    socket.create_connection((LOOPBACK, port), timeout=1).close()
    return True


def _tail(folder: Path) -> str:
    """Return the last words of a host, its own output first."""
    files = [folder / "system.log", folder / "out"]
    return " | ".join(file.read_text(errors="replace")[-400:].strip() for file in files if file.exists())
