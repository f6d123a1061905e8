"""A host of the ring as a pod of the lab: the real JVM from its published jars, started as a process."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from typing import Any

from clusters.cluster import PodSpec
from clusters.ring.archive import ensure_archive, joined_class_path
from clusters.ring.artifacts import ensure_cassandra
from clusters.ring.config import HostStart
from clusters.ring.flags import FORMATION_FLAGS, LAUNCHER, MAIN_CLASS, POD_FLAGS, archive_flags, jvm_flags, timer_flags
from clusters.ring.java import find_java
from clusters.ring.limits import restart_policy
from clusters.topology import RingSpec


def prepare(
    ring: RingSpec, progress: Callable[[int, int, str], None], tell: Callable[[str, Mapping[str, Any]], None]
) -> None:
    """Jars, a Java and its class-data archive are there when this returns; errors as those of each."""
    ensure_cassandra(ring.version, progress)
    java = find_java(ring.version, progress=progress)
    ensure_archive(java, ring.version, warn=lambda text: tell("warning", {"text": text}))
    tell("java", {"home": str(java.home), "build": java.build, "source": java.source})


@functools.cache
def start_command(ring: RingSpec) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The command line of every start and that of a host's first start."""
    jars = ensure_cassandra(ring.version)
    java = find_java(ring.version)
    archive = ensure_archive(java, ring.version)
    common = [
        *LAUNCHER,
        str(java.binary),
        *archive_flags(archive),
        *jvm_flags(java.major, ring.version, ring.heap_mb, jars),
        *timer_flags(ring.timers),
        *POD_FLAGS,
    ]
    tail = ["-cp", joined_class_path(ring.version), MAIN_CLASS]
    return (*common, *tail), (*common, *FORMATION_FLAGS, *tail)


def pod_of(start: HostStart) -> PodSpec:
    """The pod that runs one host."""
    every, first = start_command(start.ring)
    return PodSpec(
        start.host.pod,
        start.host.rack,
        command=every,
        first_command=first,
        files=start.files,
        environment={"MALLOC_ARENA_MAX": "4"},
        restart=restart_policy(start.ring),
    )
