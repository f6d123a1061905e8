"""The keeper of one lab: `python -m clusters.lab.keeper CONFIG.json LISTEN_FD LIFELINE_FD`.

It enters a user, mount, PID, network, UTS and IPC namespace, forks the supervisor as PID 1 of it, and waits. The lab
ends when the lifeline (held by whoever started the keeper) closes, or when the keeper dies by any signal: the
supervisor reads a pipe whose only writer is the keeper. When PID 1 ends, the kernel kills everything else in its PID
namespace, frozen or not, and mounts and interfaces go with the last process.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import traceback
from pathlib import Path
from typing import Any

from clusters.lab import kernel
from clusters.lab.supervisor import serve


def enter_namespaces() -> None:
    """Become root of new namespaces with one mapped user: ourselves. Needs no privilege."""
    user, group = os.getuid(), os.getgid()
    kernel.unshare(
        kernel.CLONE_NEWUSER
        | kernel.CLONE_NEWNS
        | kernel.CLONE_NEWPID
        | kernel.CLONE_NEWNET
        | kernel.CLONE_NEWUTS
        | kernel.CLONE_NEWIPC
    )
    Path("/proc/self/setgroups").write_text("deny")
    Path("/proc/self/uid_map").write_text(f"0 {user} 1")
    Path("/proc/self/gid_map").write_text(f"0 {group} 1")


def prepare_mounts(scratch: Path) -> None:
    """A private view: own /proc for the new PID namespace, an empty /run, and volumes on a tmpfs that dies with us."""
    kernel.mount(None, "/", None, kernel.MS_REC | kernel.MS_PRIVATE)
    kernel.mount("proc", "/proc", "proc")
    kernel.mount("tmpfs", "/run", "tmpfs", 0, "mode=755")
    kernel.NETNS.mkdir()
    scratch.mkdir(exist_ok=True)
    kernel.mount("tmpfs", str(scratch), "tmpfs", 0, "mode=755")


def supervise(config: dict[str, Any], listening: int, lifelines: tuple[int, ...]) -> None:
    """Be PID 1 of the lab. Never returns: neither to the keeper's code nor to an exit that waits for threads."""
    code = 1
    try:
        kernel.die_with_parent(signal.SIGKILL)
        prepare_mounts(Path(config["folder"]) / "scratch")
        serve(config, listening, lifelines)
        code = 0
    except BaseException:  # noqa: BLE001  the process ends here; the log is all that is left of it
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(code)


def main() -> int:
    """Run one lab until its lifeline closes; the exit code is the supervisor's."""
    config = json.loads(Path(sys.argv[1]).read_text())
    listening, lifeline = int(sys.argv[2]), int(sys.argv[3])
    alive, hold = os.pipe()
    enter_namespaces()
    child = os.fork()
    if child == 0:
        os.close(hold)
        supervise(config, listening, (lifeline, alive))
    os.close(alive)
    os.close(listening)
    os.close(lifeline)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda *_: os.kill(child, signal.SIGKILL))
    _, status = os.waitpid(child, 0)
    return os.waitstatus_to_exitcode(status)


if __name__ == "__main__":
    sys.exit(main())
