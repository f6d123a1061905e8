"""Performs every kernel act that a lab needs, once, and ends: `python -m clusters.lab.acts SCRATCH`.

One JSON line per act on standard output: `{"act": ..., "ok": ..., "errno": ..., "said": ...}`. It ends with the first
act that is refused, since those after it stand on it; then come abilities that no lab needs, each on its own. Nothing
is left: all of it lives in namespaces that end with the process. SCRATCH is an empty folder to mount on.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from clusters.lab import keeper, kernel
from clusters.lab.abilities import abilities
from clusters.lab.enter import Resolver, enter_command, write_etc
from clusters.lab.netlink import NetlinkOps
from clusters.network import Route, Rule

ACTS = (
    "user namespace",
    "mount, PID, network, host name and IPC namespaces",
    "mounts of proc and tmpfs",
    "two network namespaces, one a router",
    "veth pair with an address",
    "route",
    "blackhole rule by incoming interface",
    "programs inside a pod",
)
"""Names of the acts, in the order in which they are performed."""
ABILITIES = ("bridge", "vxlan", "tun", "nftables", "netem")
"""Names of what is tried after the acts; a refusal of one is no refusal of a lab."""
REFUSED = 1


def main() -> int:
    """Perform all acts; 0 when none was refused."""
    scratch = Path(sys.argv[1])
    if _forked(_user_namespace) != 0 or not _try(ACTS[1], keeper.enter_namespaces):
        return REFUSED
    return _forked(lambda: _inside(scratch))  # the new PID namespace begins with the next child


def _forked(work: Callable[[], int]) -> int:
    child = os.fork()
    if child == 0:
        kernel.die_with_parent(signal.SIGKILL)
        os._exit(work())
    _, status = os.waitpid(child, 0)
    return os.waitstatus_to_exitcode(status)


def _user_namespace() -> int:
    return 0 if _try(ACTS[0], lambda: kernel.unshare(kernel.CLONE_NEWUSER)) else REFUSED


def _inside(scratch: Path) -> int:
    if not _try(ACTS[2], lambda: keeper.prepare_mounts(scratch)):
        return REFUSED

    def networks() -> None:
        kernel.make_network("a")
        kernel.make_network("b")
        kernel.set_forwarding("a")

    def pair() -> None:
        with NetlinkOps("a") as net:
            net.add_pair("veth", "b", "eth0")
            net.add_address("10.0.0.1/32", "veth")

    def route() -> None:
        with NetlinkOps("a") as net:
            net.add_route(Route("10.0.0.2/32", device="veth"))

    def rule() -> None:
        with NetlinkOps("a") as net:
            cut = Rule(10, iif="veth")
            net.add_rule(cut)
            net.delete_rule(cut)

    rest = (networks, pair, route, rule, lambda: _programs(scratch))
    if not all(_try(name, act) for name, act in zip(ACTS[3:], rest, strict=True)):
        return REFUSED
    tries = abilities("a", "veth")
    for name in ABILITIES:
        _try(name, tries[name])
    return 0


def _programs(scratch: Path) -> None:
    """The very command line that starts a process of a pod: nsenter, unshare, sh, hostname, mount."""
    etc = scratch / "etc"
    write_etc(etc, "pod", "10.0.0.2", Resolver("10.0.0.1", ("local",), 1, 1))
    line = enter_command("b", "pod", etc, ["true"])
    done = subprocess.run(line, capture_output=True, text=True, timeout=5, check=False)
    if done.returncode != 0:
        raise OSError(f"{line[0]}: {(done.stderr or done.stdout).strip()[-300:]}")


def _try(name: str, act: Callable[[], object]) -> bool:
    said = {"act": name, "ok": True, "errno": 0, "said": ""}
    try:
        act()
    except Exception as error:  # noqa: BLE001  netlink errors have no common public base; the reader names the cause
        number = getattr(error, "errno", None) or getattr(error, "code", None) or 0
        said |= {"ok": False, "errno": number, "said": f"{type(error).__name__}: {error}"}
    print(json.dumps(said), flush=True)  # noqa: T201  a program that speaks to its parent
    return bool(said["ok"])


if __name__ == "__main__":
    sys.exit(main())
