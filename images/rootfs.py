"""The two file systems that images stand on, from Debian's packages by mmdebstrap, verified by Debian's own keys.

``node`` boots systemd and runs containerd; ``tools`` is never booted: programs and the libraries that their packages
name, unpacked and not set up. The mirror is the one of this machine's apt, or ``RINGPROOF_DEBIAN_MIRROR``.
"""

from __future__ import annotations

import os
import re
import shutil
import tarfile
from pathlib import Path
from typing import Final

from clusters.errors import EnvironmentUnfit, UsageError
from clusters.shell import CommandFailed, run
from images.store import Artifact, key

MIRROR: Final = "http://deb.debian.org/debian"
SETTING: Final = "RINGPROOF_DEBIAN_MIRROR"
SECONDS: Final = 1800.0
"""Deadline of one rootfs: 100 MB of packages at 100 kB/s, and their set-up."""
NODE: Final = (
    "systemd", "systemd-sysv", "dbus", "containerd", "runc", "iptables", "nftables", "iproute2", "conntrack", "socat",
    "ethtool", "ebtables", "kmod", "procps", "mount", "util-linux", "containernetworking-plugins", "ca-certificates",
    "netbase",
)  # fmt: skip
TOOLS: Final = (
    "base-files", "busybox-static", "dash", "iptables", "conntrack", "nftables", "iproute2", "etcd-server", "python3",
    "netbase",
)  # fmt: skip
"""One layer for kube-proxy (iptables with every library of its matches), etcd, flannel, probes and Cassandra."""
WITHOUT: Final = ("/usr/share/doc/*", "/usr/share/man/*", "/usr/share/locale/*", "/usr/share/info/*")
LIST: Final = "usr/share/ringproof-packages"
"""What was unpacked into ``tools``, as file names of packages: nothing is installed, so dpkg knows of nothing."""
SETTLE: Final = Path(__file__).parent / "node" / "settle"


def node(suite: str) -> Artifact:
    """Return the rootfs of a node."""
    return _artifact("rootfs-node", suite, ["--variant=essential", f"--include={','.join(NODE)}"], 62)


def tools(suite: str) -> Artifact:
    """Return the rootfs of the component images."""
    listing = f'--extract-hook=ls "$1/var/cache/apt/archives" > "$1/{LIST}"'
    return _artifact("rootfs-tools", suite, ["--variant=extract", f"--include={','.join(TOOLS)}", listing], 42)


def package_version(rootfs: Path, package: str) -> str:
    """Return the upstream version of a package, read from the list of packages inside the ``tools`` rootfs."""
    with tarfile.open(rootfs) as whole:
        listed = whole.extractfile(f"./{LIST}")
        assert listed is not None
        text = listed.read().decode()
    found = re.search(rf"^{re.escape(package)}_(?:\d+%3a)?([^-+~_\n]+)", text, re.MULTILINE)
    if found is None:
        raise EnvironmentUnfit(f"{package} is not in {rootfs}; delete that folder and call this again")
    return found[1]


def demand() -> None:
    """EnvironmentUnfit when mmdebstrap is not here."""
    if shutil.which("mmdebstrap") is None:
        raise EnvironmentUnfit("mmdebstrap is not installed, which makes rootfs of nodes; as root: make kind-host")


def mirror() -> str:
    """Return the address of the Debian mirror."""
    address = (os.environ.get(SETTING) or MIRROR).rstrip("/")
    if not address.startswith(("https://", "http://", "file://")):
        raise UsageError(f"RINGPROOF_DEBIAN_MIRROR={address}: expected an https, http or file URL")
    return address


def _artifact(name: str, suite: str, options: list[str], expected: float) -> Artifact:
    without = [f"--dpkgopt=path-exclude={pattern}" for pattern in WITHOUT]
    # Devices are the engine's affair, and cannot be made without root.
    command = ["mmdebstrap", "--quiet", "--format=tar", "--skip=output/dev", "--skip=check/chroot", *options, *without]

    # Without its path, so that every checkout of the same content has the same key.
    hooks = [f'--customize-hook="{SETTLE}" "$1"'] if name == "rootfs-node" else []

    def make(target: Path) -> None:
        demand()
        source = f"deb {mirror()} {suite} main"
        # The same packages then give the same bytes.
        settings = {**os.environ, "SOURCE_DATE_EPOCH": "0"}
        try:
            run([*command, *hooks, suite, str(target), source], timeout=SECONDS, env=settings)
        except CommandFailed as error:
            raise EnvironmentUnfit(
                f"{name} cannot be made from Debian's packages: {error}; "
                f"see that {mirror()} is reached, or set {SETTING}"
            ) from error

    return Artifact(name, key(" ".join([*command, suite]), SETTLE), expected, make)
