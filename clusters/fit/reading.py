"""Switches and limits of this machine, as the kernel tells them: files of /proc and /sys, and control groups."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path, PurePosixPath

GROUPS = "/sys/fs/cgroup"


def read(path: str) -> str:
    """The stripped text of a file of the kernel; empty when there is none or it may not be read."""
    try:
        return Path(path).read_text().strip()
    except (OSError, UnicodeDecodeError):
        return ""


def number(path: str) -> int | None:
    """The whole number in a file; none when there is none, as with ``max``."""
    text = read(path)
    return int(text) if text.removeprefix("-").isdigit() else None


def folders(controller: str) -> Iterator[str]:
    """The control groups of this process for a controller, version 2 and 1, each followed by those around it.

    A container sees a path that is not there; its own limits are then at the top, which is always among them.
    """
    for line in read("/proc/self/cgroup").splitlines():
        _, names, path = line.split(":", 2)
        if names and controller not in names.split(","):
            continue
        top = f"{GROUPS}/{controller}" if names else GROUPS
        here = PurePosixPath(path)
        yield from (f"{top}{group}".rstrip("/") for group in (here, *here.parents))


def memory_left() -> int | None:
    """Bytes that the tightest control group leaves; none without a limit.

    File pages that nobody used lately are given back under pressure, so they count as free, as the kubelet counts
    (pkg/kubelet/stats, working set = usage - inactive_file).
    """
    left: list[int] = []
    for folder in folders("memory"):
        for most, used in (("memory.max", "memory.current"), ("memory.limit_in_bytes", "memory.usage_in_bytes")):
            limit, usage = number(f"{folder}/{most}"), number(f"{folder}/{used}")
            if limit is not None and usage is not None:
                left.append(limit - usage + _inactive(folder))
    return min(left, default=None)


def _inactive(folder: str) -> int:
    pairs = [line.split() for line in read(f"{folder}/memory.stat").splitlines()]
    facts = {pair[0]: int(pair[1]) for pair in pairs if len(pair) == 2 and pair[1].isdigit()}
    return facts.get("total_inactive_file", facts.get("inactive_file", 0))


def processor_quota() -> float | None:
    """Processors that the tightest control group grants, 1.5 for example; none without a quota."""
    granted: list[float] = []
    for folder in folders("cpu"):
        quota, _, period = read(f"{folder}/cpu.max").partition(" ")
        if quota.isdigit() and period.isdigit():
            granted.append(int(quota) / int(period))
        old, old_period = number(f"{folder}/cpu.cfs_quota_us"), number(f"{folder}/cpu.cfs_period_us")
        if old is not None and old > 0 and old_period:  # -1: no quota
            granted.append(old / old_period)
    return min(granted, default=None)


def most_processes() -> int | None:
    """Threads that the tightest control group allows; none without a limit."""
    found = (number(f"{folder}/pids.max") for folder in folders("pids"))
    return min((most for most in found if most is not None), default=None)
