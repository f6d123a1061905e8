"""The way into a pod: its network, host name, resolver files and an empty /run, for every process of it.

Each process gets a mount namespace of its own, made from the same script. Sockets of the machine's resolver, nscd or
D-Bus live below /run (/var/run), which is empty inside, so glibc's only ways to resolve a name are the pod's own
hosts file and the pod's own name server.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from clusters.lab.kernel import NETNS

INSIDE = """#!/bin/sh
set -e
hostname "$1"; files="$2"; shift 2
mount -t tmpfs tmpfs /run
if [ ! -L /var/run ] && [ -d /var/run ]; then mount -t tmpfs tmpfs /var/run; fi
for name in resolv.conf hosts nsswitch.conf; do
  target=$(readlink -m "/etc/$name")
  case "$target" in /run/*) mkdir -p "$(dirname "$target")"; : > "$target";; esac
  if [ -e "$target" ]; then mount --bind "$files/$name" "$target"; fi
done
exec "$@"
"""
"""A missing /etc/nsswitch.conf stays missing: glibc's default then is `hosts: dns [!UNAVAIL=return] files`."""


@dataclass(frozen=True, slots=True)
class Resolver:
    """What a pod's /etc/resolv.conf says."""

    server: str
    search: tuple[str, ...]
    timeout: int
    attempts: int

    def text(self) -> str:
        """The file, in the shape that the kubelet writes (ndots:5), with the stated timeout and attempts."""
        return (
            f"nameserver {self.server}\nsearch {' '.join(self.search)}\n"
            f"options ndots:5 timeout:{self.timeout} attempts:{self.attempts}\n"
        )


def write_etc(folder: Path, hostname: str, address: str, resolver: Resolver) -> None:
    """The three files that decide how a name is resolved in the pod, and the script that puts them in place."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "resolv.conf").write_text(resolver.text())
    (folder / "hosts").write_text(f"127.0.0.1 localhost\n{address} {hostname}\n")
    (folder / "nsswitch.conf").write_text("passwd: files\ngroup: files\nhosts: files dns\n")
    (folder / "inside.sh").write_text(INSIDE)


def enter_command(space: str, hostname: str, folder: Path, command: Sequence[str]) -> list[str]:
    """The command line that runs ``command`` inside the pod; every step execs, so its PID is the program's."""
    return [
        "nsenter",
        f"--net={NETNS / space}",
        "unshare",
        "--mount",
        "--uts",
        "--propagation",
        "private",
        "/bin/sh",
        str(folder / "inside.sh"),
        hostname,
        str(folder),
        *command,
    ]
