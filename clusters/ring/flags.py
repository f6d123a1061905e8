"""JVM flags of a Cassandra host: what every start uses, what only a first start uses, what a timers profile adds.

Paths named ``conf/...`` and class names are those of the Apache Cassandra 4.1 and 5.0 sources. The same flags serve
a host's start and the making of its class-data archive (`clusters.ring.archive`), so that the archive fits.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from clusters.errors import ArtifactMissing, EnvironmentUnfit, UsageError

MAIN_CLASS: Final = "org.apache.cassandra.service.CassandraDaemon"

POD_FLAGS: Final = (
    "-Dcassandra-foreground=yes",
    "-Dcassandra.config=file://{{CONFIG}}/cassandra.yaml",
    "-Dcassandra-rackdc.properties=file://{{CONFIG}}/rackdc.properties",
    "-Dcassandra.storagedir={{VOLUME}}",
    "-Dcassandra.logdir={{LOGS}}",
    "-Dlogback.configurationFile=file://{{CONFIG}}/logback.xml",
    "-Dcassandra.jmx.local.port=7199",
    "-Dcassandra.enable_nodelocal_queries=true",
)
"""What every host of any provider is started with; the provider puts its folders for what is in double braces."""

FITTING_MAJORS: Final[dict[str, tuple[int, ...]]] = {"5.0": (17, 11), "4.1": (11,)}
"""Cassandra series to the Java majors that it supports, best first (5.0 build.xml ``java.supported``; the 4.1
``bin/cassandra.in.sh`` always loads ``jvm11-server.options``, which newer JVMs refuse)."""

_EXPORTS_BOTH: Final = (
    "java.base/jdk.internal.misc",
    "java.management.rmi/com.sun.jmx.remote.internal.rmi",
    "java.rmi/sun.rmi.registry",
    "java.rmi/sun.rmi.server",
    "java.sql/java.sql",
)
_EXPORTS: Final[dict[int, tuple[str, ...]]] = {
    11: (*_EXPORTS_BOTH, "java.base/jdk.internal.ref", "java.base/jdk.internal.util", "java.base/sun.nio.ch"),
    17: (
        *_EXPORTS_BOTH,
        "java.base/java.lang.ref",
        "java.management/com.sun.jmx.remote.security",
        "jdk.unsupported/sun.misc",
    ),
}
"""``--add-exports`` of conf/jvm11-server.options and conf/jvm17-server.options (5.0; 4.1 lacks jdk.internal.util,
which does no harm there)."""

_OPENS_BOTH: Final = (
    "java.base/java.lang.module",
    "java.base/jdk.internal.loader",
    "java.base/jdk.internal.math",
    "java.base/jdk.internal.module",
    "java.base/jdk.internal.ref",
    "java.base/jdk.internal.reflect",
    "java.base/jdk.internal.util.jar",
    "jdk.management/com.sun.management.internal",
)
_OPENS: Final[dict[int, tuple[str, ...]]] = {
    11: _OPENS_BOTH,
    17: (
        *_OPENS_BOTH,
        "java.base/java.io",
        "java.base/java.lang",
        "java.base/java.lang.reflect",
        "java.base/java.nio",
        "java.base/java.util",
        "java.base/sun.nio.ch",
    ),
}
"""``--add-opens`` of the same two files; without them the 17 JVM dies while starting, with no useful message."""

_NETTY_17: Final = ("-Dio.netty.allocator.useCacheForAllThreads=true", "-Dio.netty.allocator.maxOrder=11")
"""conf/jvm17-server.options: keeps netty's former defaults for buffers."""

_SMALL_HOST: Final = (
    "-XX:+UseSerialGC",  # one collector thread: six hosts share two cores
    "-XX:TieredStopAtLevel=1",  # C1 only: a start is over before C2 pays
    "-XX:+ExitOnOutOfMemoryError",  # a host that lost its memory must be seen to die, not linger
)
_UPSTREAM: Final = (
    "-ea",
    "-da:net.openhft...",
    "-Xss256k",
    "-XX:+PerfDisableSharedMem",
    "-Djava.net.preferIPv4Stack=true",
    "-Djdk.attach.allowAttachSelf=true",
    "-Dio.netty.tryReflectionSetAccessible=true",
)
"""conf/jvm-server.options, and the options files of both Java versions."""

_ROW_OVERHEAD: Final = "-Dcassandra.memtable.row_overhead_size=180"
"""Bytes per memtable row, for accounting only. SkipListMemtable otherwise measures it at each start with 100,000 rows
(`Estimated SkipListMemtable row overhead: 180` on this heap): 1 CPU second alone, 6-8 s with six starts at once."""

_RESOLVER: Final = ("-Dsun.net.inetaddr.ttl=5", "-Dsun.net.inetaddr.negative.ttl=1")
"""Seconds that the JVM keeps a resolved and an unresolvable name (java.net.InetAddress: 30 and 10 by default). Pods
change addresses here, and a limit derived from DNS must not be dominated by the JVM."""

FORMATION_FLAGS: Final[tuple[str, ...]] = (
    "-Dcassandra.skip_wait_for_gossip_to_settle=0",  # Gossiper.waitToSettle: no settling; default waits 8 s or more
    "-Dcassandra.superuser_setup_delay_ms=0",  # CassandraRoleManager: role set-up at once; default 10 s
    "-Dcassandra.load_ring_state=false",  # StorageService: there is no saved ring to read
    "-Dcassandra.consistent.rangemovement=false",  # StorageService: hosts may join at the same time
    "-Dcassandra.skip_schema_check=true",  # StorageService: do not wait for a schema that nobody has yet
)
"""For a host's first start only; every later start is one as users do it."""

_TIMERS: Final[dict[str, tuple[str, ...]]] = {
    "fast": (
        "-Dcassandra.ring_delay_ms=5000",  # StorageService.RING_DELAY_MILLIS: 30 s by default
        "-Dcassandra.gossip_quarantine_delay_ms=70000",  # Gossiper.QUARANTINE_DELAY; see limits.QUARANTINE
        "-Dcassandra.migration_delay_ms=1000",  # MigrationCoordinator: 60 s by default, docs/findings.md 17
    ),
    "default": (),
}

LAUNCHER: Final = ("/bin/sh", "-c", 'echo 2000000 > /proc/self/timerslack_ns; exec "$@"', "cassandra")
"""What stands before a host's command line: timers may be 2 ms late (prctl(2), PR_SET_TIMERSLACK; 50 us by default).

Cassandra's idle workers park for 10 us at a time (SEPWorker.doWaitSpin), which six hosts on two cores cannot afford:
measured in the lab at 130 operations a second, 75,000 context switches a second became 17,000, and the hosts' processor
time fell by 31 % (docs/findings.md 18). A task may wait that much longer for its worker."""

_ARCHIVING: Final = ("-XX:+UnlockDiagnosticVMOptions", "-XX:+AllowArchivingWithJavaAgent")
"""HotSpot refuses a class-data archive beside an agent (jamm is one) unless told otherwise."""


def fitting_majors(cassandra_version: str) -> tuple[int, ...]:
    """Return the Java majors on which a Cassandra version runs, best first; UsageError for an unknown series."""
    series = ".".join(cassandra_version.split(".")[:2])
    try:
        return FITTING_MAJORS[series]
    except KeyError:
        known = ", ".join(FITTING_MAJORS)
        raise UsageError(f"Cassandra {cassandra_version}: unknown series {series}; known: {known}") from None


def jvm_flags(java_major: int, cassandra_version: str, heap_mb: int, jar_folder: Path) -> list[str]:
    """Return the flags that every start of a host has, without class path and main class.

    ``heap_mb`` is minimum and maximum heap in MiB. ``jar_folder`` must hold exactly one jamm jar, Cassandra's
    memory-measuring agent. EnvironmentUnfit when the version does not run on that Java.
    """
    majors = fitting_majors(cassandra_version)
    if java_major not in majors:
        fits = " or ".join(map(str, majors))
        raise EnvironmentUnfit(f"Cassandra {cassandra_version} does not run on Java {java_major}; it needs Java {fits}")
    return [
        f"-javaagent:{_jamm(jar_folder)}",
        f"-Xms{heap_mb}m",
        f"-Xmx{heap_mb}m",
        *_SMALL_HOST,
        *_UPSTREAM,
        "-Dchronicle.analytics.disable=true",  # net.openhft sends usage statistics over the network otherwise
        *_RESOLVER,
        _ROW_OVERHEAD,
        *(f"--add-exports={package}=ALL-UNNAMED" for package in _EXPORTS[java_major]),
        *(f"--add-opens={package}=ALL-UNNAMED" for package in _OPENS[java_major]),
        *(_NETTY_17 if java_major == 17 else ()),
    ]


def timer_flags(profile: str) -> tuple[str, ...]:
    """Return the flags of a timers profile, ``fast`` or ``default``, used at every start of a host."""
    try:
        return _TIMERS[profile]
    except KeyError:
        raise UsageError(f"timers profile {profile!r} does not exist; known: {', '.join(_TIMERS)}") from None


def archive_flags(archive: Path | None) -> tuple[str, ...]:
    """Return the flags that map a class-data archive, none without one; a misfit is ignored by the JVM."""
    return () if archive is None else (*_ARCHIVING, f"-XX:SharedArchiveFile={archive}")


def archiving_flags(archive: Path) -> tuple[str, ...]:
    """Return the flags with which a JVM writes a class-data archive when it exits (JEP 350, Java 13 or later)."""
    return (*_ARCHIVING, f"-XX:ArchiveClassesAtExit={archive}")


def _jamm(jar_folder: Path) -> Path:
    found = sorted(jar_folder.glob("jamm-*.jar"))
    if len(found) != 1:
        raise ArtifactMissing(f"{jar_folder} holds {len(found)} jamm jars, not one; run `ringproof fetch`")
    return found[0]
