"""What the kernel must do for a lab: each act performed in a throw-away process, each refusal with its cause."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from clusters.fit import reading
from clusters.fit.finding import Asked, Finding
from clusters.fit.sizes import largest
from clusters.lab.acts import ABILITIES, ACTS

ROOT = Path(__file__).parents[2]
ACTS_SECONDS = 20.0
PROGRAMS = ("nsenter", "unshare", "mount", "hostname", "readlink", "sh")
PACKAGES = {"hostname": "hostname", "readlink": "coreutils", "sh": "dash"}
SECCOMP_FILTER = "2"
"""Seccomp: of /proc/PID/status (proc(5)): 2 is SECCOMP_MODE_FILTER, which container engines set."""
ENOUGH_NAMESPACES = 15000
"""What `sysctl` is told to set; the kernel's own default is half of the threads that fit into memory."""


def acts(_asked: Asked) -> Iterator[Finding]:
    """One finding per act, and one per ability that nothing needs yet, all from one process."""
    by_name = {entry["act"]: entry for entry in performed()}
    for act in ACTS:
        entry = by_name.get(act)
        if entry is None:
            yield Finding(act, "fail", "not tried", "works", "see the refused act above")
        elif entry["ok"]:
            yield Finding(act, "ok", "works", "works")
        else:
            yield Finding(act, "fail", f"refused ({entry['said']})", "works", remedy(act))
    for ability in ABILITIES:
        entry = by_name.get(ability)
        works = entry is not None and entry["ok"]
        told = "not tried" if entry is None else "works" if works else f"refused ({entry['said']})"
        yield Finding(ability, "ok" if works else "skipped", told, "nothing that runs today")


def performed() -> list[dict[str, Any]]:
    """What clusters.lab.acts said, line by line; a process that dies without a word is a refusal of its next act."""
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
    basic = [line for line in lines if line["act"] in ACTS]
    if len(basic) < len(ACTS) and all(line["ok"] for line in basic):
        said = done.stderr.strip()[-300:] or "ended by itself"
        lines.append({"act": ACTS[len(basic)], "ok": False, "said": said})
    return lines


# causes of a refusal: each reads one switch of this machine and knows the command that turns it


def causes() -> Iterator[tuple[str, str]]:
    """Every switch of this machine that refuses namespaces, with the command that turns it."""
    for kind in ("user", "mnt", "pid", "net", "uts", "ipc"):
        switch = f"user.max_{kind}_namespaces"
        if reading.read(f"/proc/sys/{switch.replace('.', '/')}") == "0":
            yield f"{switch} is 0", f"sudo sysctl {switch}={ENOUGH_NAMESPACES}"
    if reading.read("/proc/sys/kernel/unprivileged_userns_clone") == "0":
        yield "kernel.unprivileged_userns_clone is 0", "sudo sysctl kernel.unprivileged_userns_clone=1"
    if reading.read("/proc/sys/kernel/apparmor_restrict_unprivileged_userns") == "1":
        switch = "kernel.apparmor_restrict_unprivileged_userns"
        yield f"{switch} is 1 (AppArmor)", f"sudo sysctl {switch}=0"
    if _seccomp() == SECCOMP_FILTER:
        options = "--security-opt seccomp=unconfined --security-opt systempaths=unconfined"
        yield "a seccomp filter is set, as container engines do", f"start the container with {options}"


def _seccomp() -> str:
    lines = reading.read("/proc/self/status").splitlines()
    return next((line.split()[1] for line in lines if line.startswith("Seccomp:")), "")


def remedy(act: str) -> str:
    """Why an act was refused here, and what helps."""
    found = [f"{cause}: {command}" for cause, command in causes()]
    if found:
        return "; or ".join(found)
    if act == ACTS[-1]:
        return "install util-linux, mount and hostname (Debian, Ubuntu: apt install util-linux mount hostname)"
    return "no switch of this kernel is off: this ability is not built in, or a security module refuses it"


def namespaces(asked: Asked) -> Iterator[Finding]:
    """The numbers of namespaces that this user may have, against what the lab of the largest topology takes."""
    most = largest(asked.topologies)
    needs = {"user": 1, "pid": 1, "ipc": 1, "mnt": 1 + most.hosts, "uts": 1 + most.hosts, "net": 1 + most.networks}
    limits = {kind: reading.number(f"/proc/sys/user/max_{kind}_namespaces") for kind in needs}
    needed = f"net {needs['net']}, mnt and uts {needs['mnt']}, others 1"
    short = [kind for kind, limit in limits.items() if limit is not None and limit < needs[kind]]
    if short:
        told = ", ".join(f"{kind} {limits[kind]}" for kind in short)
        fix = "sudo sysctl " + " ".join(f"user.max_{kind}_namespaces={ENOUGH_NAMESPACES}" for kind in short)
        yield Finding("namespace limits", "fail", told, needed, fix)
        return
    known = [limit for limit in limits.values() if limit is not None]
    yield Finding("namespace limits", "ok", f"{min(known)} of each kind" if known else "no limit told", needed)


def programs(_asked: Asked) -> Iterator[Finding]:
    """Whether the programs that put a process into a pod are installed."""
    for program in PROGRAMS:
        path = shutil.which(program)
        package = PACKAGES.get(program, "mount util-linux")
        fix = "" if path else f"install it (Debian, Ubuntu: apt install {package})"
        yield Finding(program, "ok" if path else "fail", path or "not installed", "installed", fix)
