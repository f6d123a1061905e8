"""The few kernel calls that Python 3.11 lacks, and work inside a foreign network namespace."""

from __future__ import annotations

import ctypes
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")

CLONE_NEWNS = 0x00020000
CLONE_NEWUTS = 0x04000000
CLONE_NEWIPC = 0x08000000
CLONE_NEWUSER = 0x10000000
CLONE_NEWPID = 0x20000000
CLONE_NEWNET = 0x40000000
MS_BIND = 0x1000
MS_REC = 0x4000
MS_PRIVATE = 0x40000
PR_SET_PDEATHSIG = 1
NETNS = Path("/run/netns")

_libc = ctypes.CDLL(None, use_errno=True)


def _checked(result: int, what: str) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")


def unshare(flags: int) -> None:
    """Leave the namespaces named by ``flags`` for new ones (unshare(2))."""
    _checked(_libc.unshare(flags), f"unshare {flags:#x}")


def mount(source: str | None, target: str, kind: str | None = None, flags: int = 0, data: str | None = None) -> None:
    """Mount (mount(2)); None stands for a null pointer."""
    raw = [None if text is None else text.encode() for text in (source, target, kind, data)]
    _checked(_libc.mount(raw[0], raw[1], raw[2], flags, raw[3]), f"mount {target}")


def die_with_parent(signal_number: int) -> None:
    """Receive ``signal_number`` when the thread that started this process ends: the second belt only."""
    _checked(_libc.prctl(PR_SET_PDEATHSIG, signal_number, 0, 0, 0), "prctl")


def in_own_thread(work: Callable[[], T]) -> T:
    """Run ``work`` in a thread of its own, so that a changed namespace ends with it; errors surface here."""
    box: list[T] = []
    failure: list[BaseException] = []

    def body() -> None:
        try:
            box.append(work())
        except BaseException as error:  # noqa: BLE001  handed to the caller below
            failure.append(error)

    thread = threading.Thread(target=body)
    thread.start()
    thread.join()
    if failure:
        raise failure[0]
    return box[0]


def make_network(name: str) -> Path:
    """A new network namespace, bound to a path that keeps it alive; loopback is up, forwarding is off."""
    path = NETNS / name

    def body() -> None:
        unshare(CLONE_NEWNET)
        path.touch(exist_ok=False)
        mount("/proc/thread-self/ns/net", str(path), None, MS_BIND)

    in_own_thread(body)
    return path


def drop_network(name: str) -> None:
    """Let go of a namespace made by make_network; it ends with its last process."""
    path = NETNS / name
    _checked(_libc.umount2(str(path).encode(), 2), f"umount {path}")  # 2: MNT_DETACH
    path.unlink()


def within_network(name: str, work: Callable[[], T]) -> T:
    """Run ``work`` in a thread that has entered the namespace ``name``."""

    def body() -> T:
        with (NETNS / name).open() as handle:
            _checked(_libc.setns(handle.fileno(), CLONE_NEWNET), f"setns {name}")
        return work()

    return in_own_thread(body)


def visit_network(name: str, work: Callable[[], T]) -> T:
    """Run ``work`` in this very thread, which is in the namespace ``name`` meanwhile: for what stays with a thread."""
    with Path("/proc/thread-self/ns/net").open() as home, (NETNS / name).open() as there:
        _checked(_libc.setns(there.fileno(), CLONE_NEWNET), f"setns {name}")
        try:
            return work()
        finally:
            _checked(_libc.setns(home.fileno(), CLONE_NEWNET), "setns back")


def set_forwarding(name: str) -> None:
    """Make the namespace a router: forwards IPv4, accepts asymmetric paths, sends no redirects.

    What it cannot deliver it answers "unreachable" up to five times at once and once per second (net/ipv4/route.c,
    ip_rt_error_burst); the second limit of the kernel, icmp_ratelimit, which would halve that, is off.
    """

    def body() -> None:
        base = Path("/proc/sys/net/ipv4")
        (base / "ip_forward").write_text("1")
        (base / "icmp_ratelimit").write_text("0")
        for key in ("rp_filter", "send_redirects"):
            for scope in ("all", "default"):
                (base / "conf" / scope / key).write_text("0")

    within_network(name, body)
