"""A host of the ring in a container of the node image: the lab's flags and command line at the image's paths."""

from __future__ import annotations

from pathlib import Path

from clusters.errors import UsageError
from clusters.kind.nodeimage import NodeImage
from clusters.ring.artifacts import class_path, ensure_cassandra
from clusters.ring.flags import FORMATION_FLAGS, LAUNCHER, MAIN_CLASS, POD_FLAGS, jvm_flags, timer_flags
from clusters.topology import RingSpec


def commands(ring: RingSpec, image: NodeImage) -> dict[str, list[str]]:
    """The command line of a host's ``first`` start and of ``every`` later one.

    The jars are those of the lock that the image was made from, so their names are known here; UsageError when the
    image holds another version of Cassandra.
    """
    if not image.cassandra.endswith(f":{ring.version}"):
        raise UsageError(f"the node image holds {image.cassandra}, the topology asks for Cassandra {ring.version}")
    here = ensure_cassandra(ring.version)
    flags = [moved(flag, here, image) for flag in jvm_flags(image.java_major, ring.version, ring.heap_mb, here)]
    common = [
        *LAUNCHER,
        str(image.java),
        *flags,
        *timer_flags(ring.timers),
        *POD_FLAGS,
    ]
    named = ":".join(str(image.jars / jar.name) for jar in class_path(ring.version))
    jars = str(image.jars / "*") if image.stock else named  # a published image has the jars of its own release
    tail = ["-cp", jars, MAIN_CLASS]
    return {"first": [*common, *FORMATION_FLAGS, *tail], "every": [*common, *tail]}


def moved(flag: str, folder: Path, image: NodeImage) -> str:
    """A flag that names a file of our jar folder, naming it where the image has it."""
    return flag.replace(str(folder), str(image.jars))
