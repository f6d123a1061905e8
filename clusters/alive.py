"""Who a process is, so that no other is ever taken for it: its number, its start time, its boot, its PID namespace."""

from __future__ import annotations

import os
import signal
from dataclasses import dataclass
from pathlib import Path

_STATE, _START = 0, 19
"""Fields 3 and 22 of /proc/PID/stat, counted after the name in parentheses (proc(5))."""


def abstract(name: str) -> str:
    """The address of a socket that is a sign of life: abstract, so that its name goes with its holder (unix(7))."""
    return f"\0ringproof/{name}"


@dataclass(frozen=True, slots=True)
class Identity:
    """One process of one machine boot; ``start`` is in clock ticks since the boot."""

    pid: int
    start: int
    boot: str
    space: str

    @classmethod
    def of(cls, pid: int | None = None) -> Identity:
        """The process of that number, or this one; ProcessLookupError when there is none."""
        number = os.getpid() if pid is None else pid
        return cls(number, int(_stat(number)[_START]), _boot(), _space())

    @property
    def alive(self) -> bool:
        """Whether it runs; one of another PID namespace of this boot cannot be seen and counts as alive."""
        if self.boot != _boot():
            return False
        if self.space != _space():
            return True
        try:
            stat = _stat(self.pid)
        except ProcessLookupError:
            return False
        return int(stat[_START]) == self.start and stat[_STATE] not in "ZX"

    def signal(self, number: signal.Signals) -> bool:
        """Send a signal to exactly this process; False when it has ended."""
        if self.space != _space():
            return False
        try:
            handle = os.pidfd_open(self.pid)
        except ProcessLookupError:
            return False
        try:
            # The number cannot change its meaning while the handle is open, so what is checked is what is signalled.
            if not self.alive:
                return False
            signal.pidfd_send_signal(handle, number)
        except ProcessLookupError:
            return False
        finally:
            os.close(handle)
        return True


def _stat(pid: int) -> list[str]:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        raise ProcessLookupError(f"no process {pid}") from None


def _boot() -> str:
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()


def _space() -> str:
    return str(Path("/proc/self/ns/pid").readlink())
