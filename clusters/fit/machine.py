"""What this machine has: Python, memory, processors, limits of this user, clock, address families."""

from __future__ import annotations

import itertools
import os
import platform
import resource
import sys
import time
from collections.abc import Iterator

import psutil

from clusters.catalog import catalog
from clusters.fit import reading
from clusters.fit.finding import Asked, Finding
from clusters.fit.sizes import HOST_CPU_SECONDS, Need, largest, need

PYTHON = (3, 11)
"""requires-python of pyproject.toml."""
TIGHT = 0.8
"""A warning from this part on: what else runs here moves by more than a fifth."""
FEW_FILES = 4096
"""Open files of one host at this load stay below 1000; the JVM raises its soft limit to the hard one by itself."""
FEW_MAPPINGS = 65530
"""Default of vm.max_map_count (linux/mm.h), with which all scenarios ran; Cassandra asks for 1048575
(service/StartupChecks.java), which its large data files need, and only warns below."""
INSTANCES, WATCHES = 512, 524288
"""inotify limits for several nodes on one kernel (kind, known issues: "too many open files")."""
CLOCKS = "/sys/devices/system/clocksource/clocksource0"
SLOW_CLOCKS = frozenset({"acpi_pm", "hpet", "jiffies", "pit", "refined-jiffies"})
"""Sources that a process reads through the kernel and a device, in microseconds, or that step in milliseconds."""
CLOCK_READINGS = 2000


def python(_asked: Asked) -> Iterator[Finding]:
    """The interpreter, which also runs clients and probes."""
    enough = sys.version_info >= PYTHON
    needed = f"{'.'.join(map(str, PYTHON))} or newer"
    fix = "" if enough else "python3.11 bootstrap.py"
    yield Finding("Python", "ok" if enough else "fail", f"{platform.python_version()} ({sys.executable})", needed, fix)


def available_gb() -> tuple[float, bool]:
    """Memory that programs may still take (MemAvailable of /proc/meminfo), and whether a control group limits it."""
    machine, group = psutil.virtual_memory().available, reading.memory_left()
    limited = group is not None and group < machine
    return (group if group is not None and limited else machine) / 1e9, limited


def available_processors() -> float:
    """Processors that this process may use; a control group may grant parts of one."""
    count, quota = float(len(os.sched_getaffinity(0))), reading.processor_quota()
    return count if quota is None else min(count, quota)


def memory(asked: Asked) -> Iterator[Finding]:
    """Room for the hosts of the largest topology and the harness."""
    most = largest(asked.topologies)
    free, limited = available_gb()
    told = f"{free:.1f} GB available{' in this control group' if limited else ''}"
    if most.memory_gb <= TIGHT * free:
        yield Finding("memory", "ok", told, most.memory_told)
        return
    lacking = most.memory_gb > free
    yield Finding("memory", "fail" if lacking else "warn", told, most.memory_told, _more(most, free, limited=limited))


def _more(most: Need, free: float, *, limited: bool) -> str:
    """Commands that make room: of the container, of what else runs, of a smaller place when one has a name."""
    wanted = most.memory_gb / TIGHT
    box = f"give the container more: docker run --memory {wanted:.0f}g, or " if limited else ""
    smaller = [one for one in map(need, catalog().values()) if one.hosts and one.memory_gb <= TIGHT * free]
    place = f", or take --topology {smaller[0].topology}" if smaller else ""
    return f"{box}end what holds most: ps -eo rss,pid,args --sort=-rss | head{place}; {wanted:.1f} GB are comfortable"


def processors(asked: Asked) -> Iterator[Finding]:
    """Processors that this process may use; a control group may grant parts of one."""
    most, quota = largest(asked.topologies), reading.processor_quota()
    count = float(len(os.sched_getaffinity(0)))
    granted = available_processors()
    needed = f"{most.processors} for {most.hosts} hosts"
    if granted >= most.processors:
        yield Finding("processors", "ok", f"{granted:g}", needed)
        return
    seconds = most.hosts * HOST_CPU_SECONDS / granted
    limited = quota is not None and quota < count
    box = f"docker run --cpus {most.processors}; with less " if limited else "with less "
    spent = f"{most.hosts} hosts x {HOST_CPU_SECONDS:g} CPU s / {granted:g}"
    fix = f"{box}starts alone take {seconds:.0f} s = {spent}, and runs may end unknown as starved"
    yield Finding("processors", "warn", f"{granted:g}", needed, fix)


def threads(asked: Asked) -> Iterator[Finding]:
    """Room for the threads of all hosts. RLIMIT_NPROC does not bind root."""
    wanted = largest(asked.topologies).threads
    limits = [resource.getrlimit(resource.RLIMIT_NPROC)[0]] if os.geteuid() != 0 else []
    group = reading.most_processes()
    limits += [] if group is None else [group]
    lowest = min((limit for limit in limits if limit != resource.RLIM_INFINITY), default=None)
    enough = lowest is None or lowest >= wanted
    fix = "" if enough else f"ulimit -u {2 * wanted}, or docker run --pids-limit {2 * wanted}"
    told = "no limit" if lowest is None else str(lowest)
    yield Finding("threads", "ok" if enough else "warn", told, str(wanted), fix)


def files(_asked: Asked) -> Iterator[Finding]:
    """Open files that a host may have."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    enough = hard == resource.RLIM_INFINITY or hard >= FEW_FILES
    fix = "" if enough else f"sudo prlimit --pid $$ --nofile={FEW_FILES}"
    told = "no limit" if hard == resource.RLIM_INFINITY else str(hard)
    yield Finding("open files", "ok" if enough else "warn", told, str(FEW_FILES), fix)


def mappings(_asked: Asked) -> Iterator[Finding]:
    """Memory mappings that a host may have: one per data file at least."""
    count = reading.number("/proc/sys/vm/max_map_count")
    enough = count is None or count >= FEW_MAPPINGS
    fix = "" if enough else "sudo sysctl vm.max_map_count=1048575"
    told = "no limit told" if count is None else str(count)
    yield Finding("memory mappings", "ok" if enough else "warn", told, str(FEW_MAPPINGS), fix)


def inotify(asked: Asked) -> Iterator[Finding]:
    """Limits that several nodes on one kernel share; nothing in a lab uses inotify."""
    counts = {name: reading.number(f"/proc/sys/fs/inotify/max_user_{name}") for name in ("instances", "watches")}
    told = ", ".join(f"{count} {name}" for name, count in counts.items())
    if asked.provider == "lab":
        yield Finding("inotify", "skipped", told, "nothing in a lab")
        return
    wanted = {"instances": INSTANCES, "watches": WATCHES}
    short = [name for name, count in counts.items() if count is not None and count < wanted[name]]
    fix = "sudo sysctl " + " ".join(f"fs.inotify.max_user_{name}={wanted[name]}" for name in short) if short else ""
    needed = f"{INSTANCES} instances, {WATCHES} watches"
    yield Finding("inotify", "warn" if short else "ok", told, needed, fix)


def control_groups(asked: Asked) -> Iterator[Finding]:
    """Which version this machine has. A lab makes none and reads the limits of both."""
    second = bool(reading.read(f"{reading.GROUPS}/cgroup.controllers"))
    told = "version 2" if second else "version 1, or both"
    if asked.provider == "lab":
        yield Finding("control groups", "skipped", told, "nothing in a lab")
        return
    fix = "" if second else "start the kernel with systemd.unified_cgroup_hierarchy=1 on its command line"
    yield Finding("control groups", "ok" if second else "warn", told, "version 2", fix)


def clock(_asked: Asked) -> Iterator[Finding]:
    """The one clock of every record: it never goes back, and it is cheap to read."""
    info = time.get_clock_info("monotonic")
    source = reading.read(f"{CLOCKS}/current_clocksource") or "unknown"
    times = [time.monotonic_ns() for _ in range(CLOCK_READINGS)]
    needed = "a clock that never goes back, read without a device"
    if not info.monotonic or any(later < earlier for earlier, later in itertools.pairwise(times)):
        yield Finding("clock", "fail", f"{info.implementation} by {source} goes back", needed, "use another machine")
        return
    step = f"{info.implementation} by {source}, steps of {info.resolution * 1e9:.0f} ns"
    fast = [name for name in reading.read(f"{CLOCKS}/available_clocksource").split() if name not in SLOW_CLOCKS]
    if source in SLOW_CLOCKS:
        better = f"echo {fast[0]} | sudo tee {CLOCKS}/current_clocksource" if fast else "none is available here"
        yield Finding("clock", "warn", step, needed, better)
        return
    yield Finding("clock", "ok", step, needed)


def ipv6(_asked: Asked) -> Iterator[Finding]:
    """Whether this machine speaks IPv6; rings here are told to use IPv4 (java.net.preferIPv4Stack)."""
    off = reading.read("/proc/sys/net/ipv6/conf/all/disable_ipv6")
    told = {"0": "enabled", "1": "disabled"}.get(off, "not built in")
    yield Finding("IPv6", "skipped", told, "nothing: rings here speak IPv4")
