"""Whether this machine can carry a lab: every act performed, every need measured, every refusal with cause and fix.

All findings are made, none stops another; nothing asks the network unless told to. `examine` takes well below 2 s.
"""

from __future__ import annotations

import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import psutil

from clusters.errors import ArtifactMissing, EnvironmentUnfit, RingproofError
from clusters.lab.acts import ACTS

State = Literal["ok", "warn", "fail"]
ROOT = Path(__file__).parents[1]
VERSION = "5.0.9"
"""The Cassandra of the named topologies."""
HOSTS = 6
HOST_GB = 0.45
"""Resident memory of one host with a 192 MB heap after several scenarios, measured."""
HARNESS_GB = 0.6
"""Command, clients, DNS, probes and observers together, measured."""
COLD_DISK_GB = 0.6
"""Jars 90 MB, Java 110 MB, its base archive 15 MB, class-data archive 56 MB, and as much again while they are made."""
WARM_DISK_GB = 0.2
"""Logs and histories of one run, ten times over."""
FEW_FILES = 4096
"""Open files of one host at this load stay below 1000; the JVM raises its soft limit to the hard one by itself."""
ACTS_SECONDS = 20.0
ONLINE_SECONDS = 3.0
PROGRAMS = ("nsenter", "unshare", "mount", "hostname", "readlink")
PACKAGES = {"hostname": "hostname", "readlink": "coreutils"}
SECCOMP_FILTER = "2"
"""Seccomp: of /proc/PID/status (proc(5)): 2 is SECCOMP_MODE_FILTER, which container engines set."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One check: what was measured against what is needed, and how to make it fit. Only ``fail`` forbids a run."""

    id: str
    state: State
    measured: str
    needed: str
    fix: str = ""

    def as_json(self) -> dict[str, str]:
        """Plain values with the same names."""
        return dict(asdict(self))

    def __str__(self) -> str:
        return f"{self.id}: {self.measured}, needed: {self.needed}{f'; {self.fix}' if self.fix else ''}"


def examine(*, online: bool = False) -> list[Finding]:
    """Every finding, in a fixed order; with ``online`` the jars' repository is asked too."""
    checks = (*CHECKS, repository) if online else CHECKS
    return [*kernel_acts(), *programs(), *(check() for check in checks)]


def require() -> None:
    """Nothing when a lab can run here; else EnvironmentUnfit: one sentence, with the fix."""
    for finding in (*programs(), *kernel_acts(), memory(), disk()):
        if finding.state == "fail":
            raise EnvironmentUnfit(f"this machine cannot carry a lab: {finding}")


def kernel_acts() -> list[Finding]:
    """Perform the acts of clusters.lab.acts in a throw-away process; one finding per act."""
    told = _perform()
    by_name = {entry["act"]: entry for entry in told}
    found: list[Finding] = []
    for act in ACTS:
        entry = by_name.get(act)
        if entry is None:
            found.append(Finding(act, "fail", "not tried", "works", "see the refused act above"))
        elif entry["ok"]:
            found.append(Finding(act, "ok", "works", "works"))
        else:
            found.append(Finding(act, "fail", f"refused ({entry['said']})", "works", remedy(act)))
    return found


def _perform() -> list[dict[str, Any]]:
    with tempfile.TemporaryDirectory(prefix="ringproof-doctor-") as scratch:
        command = [sys.executable, "-m", "clusters.lab.acts", scratch]
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        try:
            done = subprocess.run(
                command, capture_output=True, text=True, timeout=ACTS_SECONDS, env=environment, cwd=ROOT, check=False
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            return [{"act": ACTS[0], "ok": False, "said": str(error)}]
    lines = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    if not lines or (done.returncode != 0 and all(line["ok"] for line in lines)):
        lines.append({"act": ACTS[len(lines)], "ok": False, "said": done.stderr.strip()[-300:] or "ended by itself"})
    return lines


# causes of a refusal: each reads one switch of this machine and knows the command that turns it


def _read(path: str) -> str:
    try:
        return Path(path).read_text().strip()
    except OSError:
        return ""


def causes() -> Iterator[tuple[str, str]]:
    """Every switch of this machine that refuses namespaces, with the command that turns it."""
    for kind in ("user", "mnt", "pid", "net", "uts", "ipc"):
        if _read(f"/proc/sys/user/max_{kind}_namespaces") == "0":
            yield f"user.max_{kind}_namespaces is 0", f"sudo sysctl user.max_{kind}_namespaces=15000"
    if _read("/proc/sys/kernel/unprivileged_userns_clone") == "0":
        yield "kernel.unprivileged_userns_clone is 0", "sudo sysctl kernel.unprivileged_userns_clone=1"
    if _read("/proc/sys/kernel/apparmor_restrict_unprivileged_userns") == "1":
        switch = "kernel.apparmor_restrict_unprivileged_userns"
        yield f"{switch} is 1 (AppArmor)", f"sudo sysctl {switch}=0"
    if _seccomp() == SECCOMP_FILTER:
        options = "--security-opt seccomp=unconfined --security-opt systempaths=unconfined"
        yield "a seccomp filter is set, as container engines do", f"start the container with {options}"


def _seccomp() -> str:
    lines = _read("/proc/self/status").splitlines()
    return next((line.split()[1] for line in lines if line.startswith("Seccomp:")), "")


def remedy(act: str) -> str:
    """Why an act was refused here, and what helps."""
    found = [f"{cause}: {command}" for cause, command in causes()]
    if found:
        return "; or ".join(found)
    if act == ACTS[-1]:
        return "install util-linux, mount and hostname (Debian, Ubuntu: apt install util-linux mount hostname)"
    return "no switch of this kernel is off: this ability is not built in, or a security module refuses it"


# what is measured


def programs() -> list[Finding]:
    """Whether the programs that put a process into a pod are installed."""
    found = []
    for program in PROGRAMS:
        path = shutil.which(program)
        package = PACKAGES.get(program, "mount util-linux")
        fix = f"install it (Debian, Ubuntu: apt install {package})"
        found.append(
            Finding(program, "ok" if path else "fail", path or "not installed", "installed", "" if path else fix)
        )
    return found


def available_gb() -> float:
    """Memory that may still be used, in GB: the machine's, or what the control group leaves when that is less."""
    free = float(psutil.virtual_memory().available)
    group = _read("/proc/self/cgroup").rpartition("::")[2].strip("/")
    for folder in (f"/sys/fs/cgroup/{group}", "/sys/fs/cgroup"):
        most, used = _read(f"{folder}/memory.max"), _read(f"{folder}/memory.current")
        if most.isdigit() and used.isdigit():
            free = min(free, int(most) - int(used))
    return free / 1e9


def memory() -> Finding:
    """Room for six hosts and the harness."""
    need = HOSTS * HOST_GB + HARNESS_GB
    free = available_gb()
    needed = f"{need:.1f} GB = {HOSTS} hosts x {HOST_GB} + harness {HARNESS_GB}"
    fix = "" if free >= need else "end other programs, or give this machine (or its container) 4 GB"
    return Finding("memory", "ok" if free >= need else "fail", f"{free:.1f} GB available", needed, fix)


def cores() -> Finding:
    """Processors that this process may use."""
    count = len(os.sched_getaffinity(0))
    fix = "" if count >= 2 else "expect starts to take twice as long, and waits to come near their limits"
    return Finding("processors", "ok" if count >= 2 else "warn", str(count), "2", fix)


def disk() -> Finding:
    """Room in the cache."""
    from clusters.ring.artifacts import cache_root

    try:
        root = cache_root()
    except EnvironmentUnfit as error:
        return Finding("cache", "fail", str(error), "a folder that may be written")
    free = shutil.disk_usage(root).free / 1e9
    need = WARM_DISK_GB if (root / "cassandra").is_dir() else COLD_DISK_GB
    fix = "" if free >= need else "free some room, or set RINGPROOF_CACHE to a folder on another disk"
    return Finding("cache", "ok" if free >= need else "fail", f"{free:.1f} GB free in {root}", f"{need} GB", fix)


def processes() -> Finding:
    """Room for threads: a host has about 120."""
    need = HOSTS * 120 + 200
    limits = [resource.getrlimit(resource.RLIMIT_NPROC)[0]] if os.geteuid() != 0 else []
    group = _read("/proc/self/cgroup").rpartition("::")[2].strip("/")
    most = _read(f"/sys/fs/cgroup/{group}/pids.max")
    limits += [int(most)] if most.isdigit() else []
    lowest = min((limit for limit in limits if limit != resource.RLIM_INFINITY), default=None)
    enough = lowest is None or lowest >= need
    fix = "" if enough else f"raise it: ulimit -u {2 * need}, or --pids-limit {2 * need} of the container"
    return Finding("threads", "ok" if enough else "warn", "no limit" if lowest is None else str(lowest), str(need), fix)


def files() -> Finding:
    """Open files that a host may have."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    enough = hard == resource.RLIM_INFINITY or hard >= FEW_FILES
    fix = "" if enough else f"raise the hard limit: ulimit -Hn {FEW_FILES}"
    told = "no limit" if hard == resource.RLIM_INFINITY else str(hard)
    return Finding("open files", "ok" if enough else "warn", told, str(FEW_FILES), fix)


def java() -> Finding:
    """A Java that runs Cassandra, here already or to be fetched."""
    from clusters.ring.java import find_java

    needed = f"one that runs Cassandra {VERSION}"
    try:
        found = find_java(VERSION, offline=True)
    except ArtifactMissing:
        return Finding("Java", "warn", "none here", needed, "the first run fetches one (36 MB), or: ringproof fetch")
    except RingproofError as error:
        return Finding("Java", "fail", str(error), needed, "unset RINGPROOF_JAVA, or let it name such a Java")
    return Finding("Java", "ok", f"Java {found.major} ({found.source})", needed)


def jars() -> Finding:
    """The jars of Cassandra, here already or to be fetched."""
    from clusters.ring.artifacts import ensure_cassandra, read_lock

    needed = f"Cassandra {VERSION} in the cache"
    try:
        ensure_cassandra(VERSION, offline=True)
    except ArtifactMissing:
        size = sum(jar.size for jar in read_lock(VERSION).jars) / 1e6
        return Finding(
            "jars", "warn", "not all cached", needed, f"the first run fetches {size:.0f} MB, or: ringproof fetch"
        )
    return Finding("jars", "ok", "cached and verified", needed)


def nft() -> Finding:
    """nft, which only faults of single ports would use."""
    path = shutil.which("nft")
    return Finding("nft", "ok" if path else "warn", path or "not installed", "nothing that runs today", "")


def repository() -> Finding:
    """Whether the jars' repository answers."""
    from clusters.ring.artifacts import maven_mirror

    address = maven_mirror()
    fix = "set https_proxy, or RINGPROOF_MAVEN_MIRROR to a repository that can be reached"
    try:
        request = urllib.request.Request(f"{address}/", method="HEAD")
        with urllib.request.urlopen(request, timeout=ONLINE_SECONDS):
            pass
    except urllib.error.HTTPError:
        pass  # it answers; what it thinks of its own root does not matter
    except (OSError, ValueError) as error:
        return Finding("repository", "warn", f"{address} is not reached: {error}", "an answer", fix)
    return Finding("repository", "ok", f"{address} answers", "an answer")


CHECKS: tuple[Callable[[], Finding], ...] = (memory, cores, disk, processes, files, java, jars, nft)
