"""A shell that stays open in a container: one command after another without starting the engine's program for each.

Starting that program costs 0.1-0.3 s of processor time, a command in an open shell 2 ms; and because the shell ends
with its container, it also tells at no cost that a node is down.
"""

from __future__ import annotations

import os
import select
import shlex
import subprocess
import threading
import time
import uuid
from collections.abc import Callable, Sequence

from clusters.errors import ClustersRefused

CHUNK = 1 << 16


class Console:
    """One shell; commands of several threads take turns. ``open_with`` is the command line that starts it."""

    def __init__(self, where: str, open_with: Sequence[str]) -> None:
        self.where = where
        self._mark = uuid.uuid4().hex
        self._lock = threading.Lock()
        self._shell = subprocess.Popen(
            list(open_with), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
            start_new_session=True,
        )  # fmt: skip

    @property
    def alive(self) -> bool:
        """Whether the shell goes on: its container was not stopped."""
        return self._shell.poll() is None

    def run(self, command: Sequence[str], timeout: float) -> str:
        """What the command printed.

        Errors: ClustersRefused with its words when it failed, ConnectionError when the container has ended,
        TimeoutError when nothing came in ``timeout`` seconds, after which this console is closed.
        """
        deadline = time.monotonic() + timeout
        errors = f"/tmp/{self._mark}"
        line = (
            f"{shlex.join(command)} 2>{errors} </dev/null; code=$?; [ $code = 0 ] || cat {errors}; "
            f"rm -f {errors}; echo; echo {self._mark} $code\n"
        )
        if not self._lock.acquire(timeout=timeout):
            raise TimeoutError(f"{self.where}: another command did not end in {timeout:g} s")
        try:
            said, code = self._ask(line.encode(), deadline)
        finally:
            self._lock.release()
        if code != 0:
            raise ClustersRefused(f"{self.where}: {' '.join(command[:8])}: exit {code}: {said.strip()[-400:]}")
        return said

    def _ask(self, line: bytes, deadline: float) -> tuple[str, int]:
        assert self._shell.stdin is not None
        assert self._shell.stdout is not None
        mark, said = f"\n{self._mark} ".encode(), b""
        try:
            self._shell.stdin.write(line)
            self._shell.stdin.flush()
            descriptor = self._shell.stdout.fileno()
            while mark not in said or not said.endswith(b"\n"):
                if not select.select([descriptor], [], [], max(0.0, deadline - time.monotonic()))[0]:
                    self.close()
                    raise TimeoutError(f"{self.where} does not answer")
                part = os.read(descriptor, CHUNK)
                if not part:
                    self._end()
                    raise ConnectionError(f"{self.where} has ended")
                said += part
        except (BrokenPipeError, ValueError) as error:
            self._end()
            raise ConnectionError(f"{self.where} has ended") from error
        text, _, code = said.decode(errors="replace").rpartition(f"\n{self._mark} ")
        return text, int(code)

    def _end(self) -> None:
        """A shell that nobody can speak with is over at once, though the kernel may still be ending its process."""
        self._shell.kill()
        self._shell.wait()

    def close(self) -> None:
        """The shell ends."""
        self._end()
        for pipe in (self._shell.stdin, self._shell.stdout):
            if pipe is not None:
                pipe.close()


class Consoles:
    """One console for each container, opened at the first command and again after its container was started again."""

    def __init__(self, open_with: Callable[[str], Sequence[str]]) -> None:
        self._open_with = open_with
        self._known: dict[str, Console] = {}
        self._lock = threading.Lock()

    def run(self, container: str, command: Sequence[str], timeout: float) -> str:
        """See Console.run."""
        return self.of(container).run(command, timeout)

    def of(self, container: str) -> Console:
        """The console of a container; it may be one that ends at once, because the container does not run."""
        with self._lock:
            known = self._known.get(container)
            if known is None or not known.alive:
                if known is not None:
                    known.close()
                known = self._known[container] = Console(container, self._open_with(container))
            return known

    def ended(self, containers: Sequence[str]) -> list[str]:
        """Those of the containers whose console has ended; one without a console gets one."""
        with self._lock:
            known = dict(self._known)
        for name in containers:
            if name not in known:
                self.of(name)
        return [name for name in containers if name in known and not known[name].alive]

    def close(self) -> None:
        """All of them end."""
        with self._lock:
            for console in self._known.values():
                console.close()
            self._known.clear()
