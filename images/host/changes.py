"""What `make kind-host` does to a machine, each act with its undo in a journal before it happens.

The journal is ``/var/lib/ringproof/kind-host.jsonl`` (clusters.journal): whatever is open in it was done, or was about
to be, and `make kind-host-undo` takes back exactly that, newest first, whether or not the first command ended well.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from clusters.errors import CleanupFailed, EnvironmentUnfit
from clusters.journal import Journal
from clusters.shell import CommandFailed, run
from clusters.waiting import until

STATE: Final = Path("/var/lib/ringproof")
POLICY: Final = Path("/usr/sbin/policy-rc.d")
"""Debian's answer to "may this service start?" while packages are installed; exit 101 is "no" (invoke-rc.d(8))."""
APT_SECONDS: Final = 900.0
"""Deadline of one apt-get call: 100 MB of packages at 150 kB/s."""
STOP_SECONDS: Final = 30.0
"""dockerd gives its containers 10 s to end (moby daemon/config: ShutdownTimeout 15 s)."""
QUIET_APT: Final = {"DEBIAN_FRONTEND": "noninteractive"}
Say = Callable[[str], None]


def journal() -> Journal:
    """The record of everything that was changed here and has not been taken back."""
    return Journal(STATE / "kind-host.jsonl")


def install(packages: Sequence[str], record: Journal, say: Say) -> None:
    """Install what is missing of ``packages`` with apt-get; what comes with them is recorded package by package.

    No service is started by an installation: a ``policy-rc.d`` forbids it for that time where there is none yet.
    """
    apt(["update", "-qq"])
    plan = apt(["install", "--simulate", "--no-install-recommends", *packages])
    new = [line.split()[1] for line in plan.splitlines() if line.startswith("Inst ") and " [" not in line.split("(")[0]]
    if not new:
        return
    say(f"installing {len(new)} packages: {' '.join(new)}")
    record.write({"packages": new})
    forbidding = None if POLICY.exists() else record.write({"file": str(POLICY)})
    if forbidding is not None:
        POLICY.write_text("#!/bin/sh\nexit 101\n")
        POLICY.chmod(0o755)
    try:
        apt(["install", "--yes", "-qq", "--no-install-recommends", *new])
    finally:
        if forbidding is not None:
            POLICY.unlink()
            record.done(forbidding)


def apt(arguments: Sequence[str]) -> str:
    """One apt-get call; EnvironmentUnfit with what it said."""
    try:
        return run(["apt-get", *arguments], timeout=APT_SECONDS, env={**os.environ, **QUIET_APT})
    except CommandFailed as error:
        raise EnvironmentUnfit(
            f"Debian's packages cannot be installed: {error}; see that apt-get works and call this again"
        ) from error


def set_kernel(path: Path, value: str, record: Journal, say: Say) -> None:
    """Write a kernel setting below /proc/sys until the next boot, with its old value in the journal."""
    old = path.read_text().strip()
    if old == value:
        return
    say(f"{path}: {old} -> {value} (until the next boot)")
    record.write({"setting": str(path), "old": old})
    path.write_text(value)


def write_file(path: Path, text: str, record: Journal, say: Say, mode: int = 0o644) -> None:
    """Write a file that did not exist; EnvironmentUnfit when another content is there, which stays as it is."""
    if path.exists():
        if path.read_text() == text:
            return
        raise EnvironmentUnfit(f"{path} is there with other settings and stays as it is; it would have to say: {text}")
    say(f"writing {path}")
    record.write({"file": str(path)})
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(mode)


def undo(record: Journal, say: Say) -> int:
    """Take back everything that is open in the journal, newest first; the number of changes taken back."""
    entries = record.open()
    for number, change in entries.items():
        for word, act in _UNDO.items():
            if word in change:
                try:
                    act(change, say)
                except (CommandFailed, OSError) as error:
                    raise CleanupFailed(
                        f"{word} {change[word]} cannot be taken back: {error}; see to that and call this again"
                    ) from error
        record.done(number)
    return len(entries)


def _remove_packages(change: Mapping[str, Any], say: Say) -> None:
    listed = subprocess.run(
        ["dpkg-query", "-W", "-f", "${db:Status-Abbrev} ${Package}\n", *change["packages"]],
        capture_output=True, text=True, check=False,
    ).stdout  # fmt: skip
    there = [line.split()[1] for line in listed.splitlines() if line[1:2] in {"i", "c"}]
    if there:
        say(f"removing {len(there)} packages: {' '.join(there)}")
        apt(["purge", "--yes", "-qq", *there])


def _remove_file(change: Mapping[str, Any], say: Say) -> None:
    path = Path(change["file"])
    if path.exists():
        say(f"removing {path}")
        path.unlink()
        if path.parent.name == "ringproof":
            path.parent.rmdir()


def _remove_folder(change: Mapping[str, Any], say: Say) -> None:
    path = Path(change["folder"])
    if path.exists():
        say(f"removing {path}")
        shutil.rmtree(path)


def _restore_setting(change: Mapping[str, Any], say: Say) -> None:
    path = Path(change["setting"])
    if path.exists() and path.read_text().strip() != change["old"]:
        say(f"{path}: back to {change['old']}")
        path.write_text(change["old"])


def _remove_group(change: Mapping[str, Any], say: Say) -> None:
    if subprocess.run(["getent", "group", change["group"]], capture_output=True, check=False).returncode == 0:
        say(f"removing the group {change['group']}")
        run(["groupdel", change["group"]], timeout=10)


def _remove_link(change: Mapping[str, Any], say: Say) -> None:
    if subprocess.run(["ip", "link", "show", change["link"]], capture_output=True, check=False).returncode == 0:
        say(f"removing the bridge {change['link']}")
        run(["ip", "link", "delete", change["link"]], timeout=10)


def _stop_daemon(change: Mapping[str, Any], say: Say) -> None:
    """End the dockerd whose pid file is ours, and only if it is still that program; never with containers in it."""
    file = Path(change["daemon"])
    pid = own_daemon(file)
    if pid is None:
        return
    running = run(["docker", "ps", "--format", "{{.Names}}"], timeout=STOP_SECONDS).split()
    if running:
        raise CleanupFailed(
            f"containers are running: {', '.join(running[:5])}; `ringproof sweep` or remove them, then call this again"
        )
    say(f"stopping dockerd (pid {pid})")
    os.kill(pid, signal.SIGTERM)
    until("dockerd ended", lambda: own_daemon(file) is None, timeout=STOP_SECONDS)


def own_daemon(file: Path) -> int | None:
    """The pid in the pid file when that process is a dockerd which was told this very file; None otherwise."""
    try:
        pid = int(file.read_text())
        words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except (OSError, ValueError):
        return None
    return pid if words[0].endswith(b"dockerd") and str(file).encode() in words else None


def _restore_filter(change: Mapping[str, Any], say: Say) -> None:
    """Take dockerd's rules out of iptables: those of its chains and those that name its bridge or chains."""
    if shutil.which("iptables") is None:
        return
    for table in ("filter", "nat"):
        listed = run(["iptables", "-t", table, "-S"], timeout=10).splitlines()
        chains = [line.split()[1] for line in listed if line.startswith("-N DOCKER")]
        for line in listed:
            words = line.split()
            if words[0] == "-A" and words[1] not in chains and ("docker0" in words or set(words[2:]) & set(chains)):
                run(["iptables", "-t", table, "-D", *words[1:]], timeout=10)
        for flag in ("-F", "-X"):
            for chain in chains:
                run(["iptables", "-t", table, flag, chain], timeout=10)
        if chains:
            say(f"removing Docker's chains from iptables' {table} table: {' '.join(chains)}")
    run(["iptables", "-P", "FORWARD", change["filter"]], timeout=10)


_UNDO: Final[Mapping[str, Callable[[Mapping[str, Any], Say], None]]] = {
    "packages": _remove_packages,
    "file": _remove_file,
    "folder": _remove_folder,
    "setting": _restore_setting,
    "group": _remove_group,
    "link": _remove_link,
    "daemon": _stop_daemon,
    "filter": _restore_filter,
}
