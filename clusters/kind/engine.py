"""Which container engines are here, whether they work for this user, and what the machine withholds from them.

Pure reading: nothing is started, changed or written. Every answer is a plain record with its fix in words.
"""

from __future__ import annotations

import os
import resource
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

import psutil

from clusters.errors import EnvironmentUnfit

Name = Literal["docker", "podman"]
NAMES: Final[tuple[Name, ...]] = ("docker", "podman")

ASK_SECONDS: Final = 20.0
"""Deadline of one question; a quiet daemon answers in 0.05 s, podman makes its storage at the first one."""
OLDEST: Final[Mapping[Name, tuple[int, int]]] = {"docker": (20, 10), "podman": (4, 3)}
"""kind asks Docker for --cgroupns (API 1.41, 20.10); podman 4.3 is the oldest that was tried with kind 0.33."""
INSTANCES: Final = 512
"""fs.inotify.max_user_instances that kind's known issues ask for; the kernel's default of 128 ends at few nodes."""
WATCHES: Final = 131072
"""A quarter of what kind's known issues name, which is for hundreds of pods; eight nodes here watch below 20 000."""
OPEN_FILES: Final = 20000
"""Hard limit under which eight nodes and six Cassandra hosts ran."""
MEMORY: Final = 6_000_000_000
"""Bytes for two clusters of four nodes with the ring: measured 4.7 GiB, with room for the clients."""
DISK: Final = 20_000_000_000
"""Bytes in the engine's storage: node image 1.3 GB, and 1.5 GB in the volume of each of eight nodes."""
CAPABILITIES: Final = (
    "CHOWN", "DAC_OVERRIDE", "DAC_READ_SEARCH", "FOWNER", "FSETID", "KILL", "SETGID", "SETUID", "SETPCAP",
    "LINUX_IMMUTABLE", "NET_BIND_SERVICE", "NET_BROADCAST", "NET_ADMIN", "NET_RAW", "IPC_LOCK", "IPC_OWNER",
    "SYS_MODULE", "SYS_RAWIO", "SYS_CHROOT", "SYS_PTRACE", "SYS_PACCT", "SYS_ADMIN", "SYS_BOOT", "SYS_NICE",
    "SYS_RESOURCE", "SYS_TIME", "SYS_TTY_CONFIG", "MKNOD", "LEASE", "AUDIT_WRITE", "AUDIT_CONTROL", "SETFCAP",
    "MAC_OVERRIDE", "MAC_ADMIN", "SYSLOG", "WAKE_ALARM", "BLOCK_SUSPEND", "AUDIT_READ", "PERFMON", "BPF",
    "CHECKPOINT_RESTORE",
)  # fmt: skip
"""Bit by bit as in linux/capability.h."""


@dataclass(frozen=True)
class Engine:
    """One engine that is installed: its program, its server's version, and why it cannot be used, "" when it can."""

    name: Name
    program: str
    version: str
    problem: str

    @property
    def usable(self) -> bool:
        """Containers can be made with it by this user."""
        return not self.problem

    @property
    def told(self) -> str:
        """Its name and version for a sentence."""
        return f"{self.name} {self.version}".strip()


@dataclass(frozen=True)
class Measure:
    """One thing that kind needs of the machine: what was found, what is needed, whether that is enough, and the fix.

    ``blocks`` is False where kind runs all the same, with the cure of `make kind-host` or a warning.
    """

    what: str
    found: str
    needed: str
    remedy: str
    blocks: bool
    enough: bool


def engines() -> list[Engine]:
    """Return the engines that are installed, Docker first."""
    return [found for name in NAMES if (found := look(name)) is not None]


def choose() -> Engine:
    """Return the engine to use: ``RINGPROOF_ENGINE``, else the first that works; EnvironmentUnfit with the fix."""
    found = engines()
    wanted = os.environ.get("RINGPROOF_ENGINE")
    if wanted:
        found = [engine for engine in found if engine.name == wanted]
    for engine in found:
        if engine.usable:
            return engine
    if found:
        raise EnvironmentUnfit(f"no container engine can be used: {'; '.join(engine.problem for engine in found)}")
    named = f"RINGPROOF_ENGINE={wanted} is" if wanted else "Docker or podman is"
    raise EnvironmentUnfit(f"no container engine is here ({named} not installed); as root on Debian: make kind-host")


def look(name: Name) -> Engine | None:
    """Return what an engine says of itself, None when its program is not on the PATH."""
    program = shutil.which(name)
    if program is None:
        return None
    # podman has no server of its own on Linux; its client's version is the one that counts.
    field = "{{.Server.Version}}" if name == "docker" else "{{.Client.Version}}"
    code, said, complaint = _ask([program, "version", "--format", field])
    if code != 0:
        return Engine(name, program, "", _problem(name, complaint))
    version = said.strip()
    code, _, complaint = _ask([program, "info", "--format", "{{json .}}"])
    if code != 0:
        return Engine(name, program, version, _problem(name, complaint))
    oldest = OLDEST[name]
    if _numbers(version) < oldest:
        return Engine(name, program, version, f"{name} {version} is too old, kind needs {oldest[0]}.{oldest[1]}")
    return Engine(name, program, version, "")


def storage(engine: Engine) -> Path:
    """Return the folder in which the engine keeps images and volumes, "/" when it does not say."""
    field = "{{.DockerRootDir}}" if engine.name == "docker" else "{{.Store.GraphRoot}}"
    code, said, _ = _ask([engine.program, "info", "--format", field])
    place = Path(said.strip()) if code == 0 and said.strip() else Path("/")
    while not place.exists():
        place = place.parent
    return place


def measures(place: Path = Path("/")) -> list[Measure]:
    """Return all that two clusters with a ring need of this machine; ``place`` is the engine's storage."""
    return [*_kernel(), *_limits(), *_sizes(place)]


def lacks(place: Path = Path("/")) -> list[Measure]:
    """Return what this machine has too little of; see measures()."""
    return [measure for measure in measures(place) if not measure.enough]


def bounding_set_lacks() -> tuple[str, ...]:
    """Return the capabilities that no process here can ever have, such as CAP_SYS_RESOURCE; none on most machines."""
    last = int(_read("/proc/sys/kernel/cap_last_cap") or len(CAPABILITIES) - 1)
    bound = next((line.split()[1] for line in _read("/proc/self/status").splitlines() if line.startswith("CapBnd")), "")
    if not bound:
        return ()
    mask = int(bound, 16)
    return tuple(f"CAP_{name}" for bit, name in enumerate(CAPABILITIES[: last + 1]) if not mask >> bit & 1)


def control_groups() -> Literal["v2", "v1", "hybrid", "none"]:
    """Return how control groups are mounted: hybrid is version 1 with an empty version 2 tree beside it."""
    kinds = {line.split()[2] for line in _read("/proc/self/mounts").splitlines() if "cgroup" in line.split()[2]}
    if kinds == {"cgroup", "cgroup2"}:
        return "hybrid"
    return "v2" if "cgroup2" in kinds else "v1" if "cgroup" in kinds else "none"


def _kernel() -> Iterator[Measure]:
    for name, needed in (("max_user_instances", INSTANCES), ("max_user_watches", WATCHES)):
        found = int(_read(f"/proc/sys/fs/inotify/{name}") or 0)
        remedy = f"as root: make kind-host, or sysctl fs.inotify.{name}={needed}"
        yield Measure(f"fs.inotify.{name}", str(found), str(needed), remedy, blocks=True, enough=found >= needed)
    mode = control_groups()
    if mode == "none":
        remedy = "mount them, or use another machine"
        yield Measure("control groups", "none mounted", "version 1 or 2", remedy, blocks=True, enough=False)
        return
    remedy = "runs with Docker or with podman and runc; boot with systemd.unified_cgroup_hierarchy=1 for version 2"
    yield Measure("control groups", mode, "v2", remedy, blocks=False, enough=mode == "v2")


def _limits() -> Iterator[Measure]:
    withheld = bounding_set_lacks()
    found = f"without {', '.join(withheld)}" if withheld else "all that this kernel knows"
    remedy = "Docker needs the runtime of `make kind-host`; podman does without"
    yield Measure("capabilities", found, "all", remedy, blocks=False, enough=not withheld)
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    endless = hard == resource.RLIM_INFINITY
    remedy = f"raise the hard limit of open files (nofile) to {OPEN_FILES} or more in /etc/security/limits.conf"
    told, enough = "no limit" if endless else str(hard), endless or hard >= OPEN_FILES
    yield Measure("open files", told, str(OPEN_FILES), remedy, blocks=True, enough=enough)


def _sizes(place: Path) -> Iterator[Measure]:
    free = psutil.virtual_memory().available
    told = f"{_gigabytes(free)} available"
    yield Measure("memory", told, _gigabytes(MEMORY), "end other programs", blocks=True, enough=free >= MEMORY)
    left = shutil.disk_usage(place).free
    told, remedy = f"{_gigabytes(left)} free in {place}", f"make room on the file system of {place}"
    yield Measure("disk", told, _gigabytes(DISK), remedy, blocks=True, enough=left >= DISK)


def _problem(name: Name, complaint: str) -> str:
    """Why an engine that is installed does not answer, with the fix."""
    said = complaint.strip().splitlines()[-1][:200] if complaint.strip() else "it says nothing"
    if "permission denied" in complaint.lower():
        if name == "podman":  # it has no daemon whose group one could join
            return f"podman is here, but this user may not use it ({said}); call this as root"
        return f"{name} is here, but this user may not use it ({said}); join its group: sudo usermod -aG {name} $USER"
    if "cannot connect" in complaint.lower() or "daemon running" in complaint.lower():
        return f"{name} is here, but its daemon does not run ({said}); as root on Debian: make kind-host"
    return f"{name} is here, but does not answer ({said}); see that `{name} info` works"


def _ask(command: list[str]) -> tuple[int, str, str]:
    """Exit code, output and complaint of a question to an engine; 124 when it does not answer in time."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=ASK_SECONDS, check=False)
    except subprocess.TimeoutExpired:
        return 124, "", f"no answer in {ASK_SECONDS:.0f} s"
    except OSError as error:
        return 126, "", str(error)
    return done.returncode, done.stdout, done.stderr or done.stdout


def _numbers(version: str) -> tuple[int, ...]:
    words = version.replace("+", ".").replace("-", ".").split(".")
    return tuple(int(word) for word in words[:2] if word.isdigit())


def _read(path: str) -> str:
    try:
        return Path(path).read_text()
    except OSError:
        return ""


def _gigabytes(count: float) -> str:
    return f"{count / 1e9:.1f} GB"
