"""`make kind-host`: a container engine on a Debian machine that has none, and `make kind-host-undo`: all of it back.

Nothing else in the product changes the host. Each change is said in a line before it is made, and journaled with its
undo (images.host.changes). A machine whose engine works is left as it is, but for kernel limits that are too low.
"""

from __future__ import annotations

import grp
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from clusters.errors import EnvironmentUnfit, RingproofError
from clusters.journal import Journal
from clusters.kind.engine import bounding_set_lacks, engines
from clusters.waiting import until
from images.host import changes
from images.host.changes import Say

DOCKER: Final = ("docker.io", "iptables", "mmdebstrap", "arch-test")
PODMAN: Final = ("podman", "runc", "netavark", "aardvark-dns", "iptables", "mmdebstrap", "arch-test")
WRAPPER: Final = Path("/usr/local/lib/ringproof/fit-runtime")
PID_FILE: Final = Path("/run/ringproof-dockerd.pid")
LOG: Final = Path("/var/log/ringproof-dockerd.log")
SETTINGS: Final = Path("/etc/docker/daemon.json")
PODMAN_SETTINGS: Final = Path("/etc/containers/containers.conf")
INSTANCES: Final = Path("/proc/sys/fs/inotify/max_user_instances")
ENOUGH_INSTANCES: Final = 512
"""kind's known issues ask for 512: each systemd, kubelet and containerd holds some; eight nodes need about 200."""
START_SECONDS: Final = 60.0
"""dockerd answers after 2 to 4 s; its first start makes its folders."""


def prepare(kind: str, say: Say) -> None:
    """Leave with an engine of ``kind`` (docker, podman) that works; EnvironmentUnfit says what stands in the way."""
    _demand_debian()
    record = changes.journal()
    raise_limits(record, say)
    working = [engine for engine in engines() if engine.usable]
    packages = ["mmdebstrap", "arch-test"] if working else list(PODMAN if kind == "podman" else DOCKER)
    if "docker.io" in packages and not _group_exists("docker"):
        record.write({"group": "docker"})  # made by the package and not removed with it
    changes.install(packages, record, say)
    if working:
        say(f"{working[0].told} works and is left as it is")
        return
    if kind == "podman":
        _settle_podman(record, say)
    else:
        _settle_docker(record, say)
    found = next((engine for engine in engines() if engine.name == kind), None)
    if found is None or not found.usable:
        raise EnvironmentUnfit(f"{kind} does not answer after its installation; its log is {LOG}")
    say(f"{found.told} works; `make kind-host-undo` takes back every change ({record.path})")


def raise_limits(record: Journal, say: Say) -> None:
    """Kernel limits that eight nodes on one machine exceed."""
    if int(INSTANCES.read_text()) < ENOUGH_INSTANCES:
        changes.set_kernel(INSTANCES, str(ENOUGH_INSTANCES), record, say)


def _group_exists(name: str) -> bool:
    return any(entry.gr_name == name for entry in grp.getgrall())


def _demand_debian() -> None:
    if os.geteuid() != 0:
        raise EnvironmentUnfit("a container engine is installed as root only; call `sudo make kind-host`")
    if shutil.which("apt-get") is None:
        raise EnvironmentUnfit("a container engine is installed on Debian only; install Docker or podman by hand")


def _settle_docker(record: Journal, say: Say) -> None:
    arguments: list[str] = []
    lacking = bounding_set_lacks()
    if lacking:
        say(f"this machine withholds {', '.join(lacking)}: Docker gets a runtime that does not ask for them")
        source = Path(__file__).with_name("fit-runtime").read_text()
        changes.write_file(WRAPPER, source, record, say, mode=0o755)
        arguments = ["--add-runtime", f"fit={WRAPPER}", "--default-runtime", "fit"]
    if Path("/proc/1/comm").read_text().strip() == "systemd":
        if arguments:
            text = f'{{"runtimes": {{"fit": {{"path": "{WRAPPER}"}}}}, "default-runtime": "fit"}}\n'
            changes.write_file(SETTINGS, text, record, say)
        subprocess.run(["systemctl", "restart", "docker"], check=False, timeout=START_SECONDS)
    else:
        _start_dockerd(arguments, record, say)
    until("Docker answers", lambda: any(engine.usable for engine in engines()), timeout=START_SECONDS, every=0.5)


def _start_dockerd(arguments: Sequence[str], record: Journal, say: Say) -> None:
    """Without systemd nobody starts services: dockerd as a process of its own, found again by a pid file of ours."""
    if changes.own_daemon(PID_FILE) is not None:
        return
    for folder in (Path("/var/lib/docker"), Path("/var/lib/containerd"), Path("/etc/docker")):
        if not folder.exists():
            record.write({"folder": str(folder)})
    record.write({"file": str(LOG)})
    forward = Path("/proc/sys/net/ipv4/ip_forward")
    record.write({"setting": str(forward), "old": forward.read_text().strip()})
    record.write({"filter": _forward_policy()})
    if not Path("/sys/class/net/docker0").exists():
        record.write({"link": "docker0"})
    record.write({"daemon": str(PID_FILE)})
    command = ["dockerd", "--pidfile", str(PID_FILE), *arguments]
    say(f"starting {' '.join(command)} (log: {LOG})")
    with LOG.open("ab") as log:
        subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd="/", start_new_session=True)


def _forward_policy() -> str:
    listed = subprocess.run(["iptables", "-S", "FORWARD"], capture_output=True, text=True, check=False).stdout
    return "DROP" if listed.startswith("-P FORWARD DROP") else "ACCEPT"


def _settle_podman(record: Journal, say: Say) -> None:
    """Limits that can be granted here, and runc: crun refuses hybrid control groups."""
    import resource

    files = min(resource.getrlimit(resource.RLIMIT_NOFILE)[1], 1048576)
    processes = 30000  # podman asks for the kernel's maximum, more than a limited root may set
    text = (
        f'[containers]\ndefault_ulimits = ["nofile={files}:{files}", "nproc={processes}:{processes}"]\n'
        '[engine]\nruntime = "runc"\n[network]\nnetwork_backend = "netavark"\n'
    )
    changes.write_file(PODMAN_SETTINGS, text, record, say)


def main(arguments: Sequence[str]) -> int:
    """`python -m images.host.prepare [docker|podman|undo]`; every expected error is one sentence and an exit code."""

    def say(line: str) -> None:
        print(f"kind-host: {line}", flush=True)

    word = arguments[0] if arguments else "docker"
    try:
        if word == "undo":
            _demand_debian()
            count = changes.undo(changes.journal(), say)
            say(f"{count} changes taken back" if count else "nothing was changed here, nothing to take back")
        else:
            prepare(word, say)
    except RingproofError as error:
        print(f"kind-host: {error}", file=sys.stderr)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
