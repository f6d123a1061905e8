"""Processes of a lab: started in sessions of their own, signalled as such, their ends reported."""

from __future__ import annotations

import os
import select
import subprocess
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

Ended = Callable[[int], None]


@dataclass(frozen=True, slots=True)
class Child:
    """A process that has not been waited for; ``handle`` is its pidfd, so its number cannot come to mean another."""

    pid: int
    handle: int
    ended: Ended


class ProcessTable:
    """Starts processes and learns of their end. Waits for nothing but what it started.

    Nothing here ends them all: PID 1's own end does that, and needs no lock that a start under way may hold.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._gone = threading.Condition(self._lock)
        self._children: dict[int, Child] = {}
        self._poll = select.epoll()
        threading.Thread(target=self._reap, name="reaper", daemon=True).start()

    def start(
        self,
        command: Sequence[str],
        output: Path,
        ended: Ended,
        stream: int | None = None,
        environment: dict[str, str] | None = None,
    ) -> int:
        """Start a program; ``ended`` gets its exit code (negative: signal number). ``stream`` is stdin and stdout."""
        output.parent.mkdir(parents=True, exist_ok=True)
        with output.open("ab") as log, self._lock:
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL if stream is None else stream,
                stdout=log if stream is None else stream,
                stderr=log,
                start_new_session=True,
                env=environment,
            )
            child = Child(process.pid, os.pidfd_open(process.pid), ended)
            process.returncode = 0  # the reaper waits for it, not subprocess
            self._children[child.handle] = child
            self._poll.register(child.handle, select.EPOLLIN)
        return child.pid

    def signal(self, pid: int, number: int) -> None:
        """Signal the whole session of a process that is still ours."""
        with self._lock:
            if any(child.pid == pid for child in self._children.values()):
                os.killpg(pid, number)

    def await_end(self, pids: Sequence[int], seconds: float) -> None:
        """Return when all of ``pids`` have ended; TimeoutError names those that have not."""
        wanted = set(pids)

        def left() -> set[int]:
            return wanted & {child.pid for child in self._children.values()}

        with self._gone:
            if not self._gone.wait_for(lambda: not left(), seconds):
                raise TimeoutError(f"processes {sorted(left())} did not end in {seconds:g} s")

    def _reap(self) -> None:
        while True:
            for handle, _event in self._poll.poll():
                with self._lock:
                    child = self._children.pop(handle)
                    _, status = os.waitpid(child.pid, 0)
                    self._poll.unregister(handle)
                    os.close(handle)
                    self._gone.notify_all()
                child.ended(os.waitstatus_to_exitcode(status))


IDENTITY = {"POD_CLUSTER": "cluster", "POD_NODE": "node", "POD_NAME": "pod", "POD_UID": "uid"}
"""Whose a main process is, by the keys of its environment (clusters.lab.pods.LivePod.identity)."""


def running(processes: Path = Path("/proc")) -> list[dict[str, str]]:
    """Whose main processes run in this PID namespace, as their environments say, whatever a table says of them."""
    found: list[dict[str, str]] = []
    for path in processes.glob("[0-9]*/environ"):
        try:
            words = path.read_bytes().decode(errors="replace").split("\0")
        except OSError:
            continue  # it ended while we looked
        pairs = [word.partition("=") for word in words]
        one = {IDENTITY[key]: value for key, _, value in pairs if key in IDENTITY}
        if len(one) == len(IDENTITY) and one not in found:
            found.append(one)
    return found
