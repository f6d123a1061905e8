"""Pods of a lab: a namespace, an address, a volume that outlives them, one main process under a restart policy."""

from __future__ import annotations

import os
import signal
import socket
import threading
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from clusters.lab.enter import Resolver, enter_command, write_etc
from clusters.lab.processes import ProcessTable

STABLE_SECONDS = 600.0
"""A container that ran this long starts its back-off anew (kubelet: 10 minutes, 2 x MaxContainerBackOff)."""

END_SECONDS = 10.0
"""A process with 0.5 GB resident is gone 0.1 s after SIGKILL here; ten seconds mean that the kernel is stuck."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a pod's files are."""

    scratch: Path
    volume: Path
    logs: Path

    @property
    def etc(self) -> Path:
        """Resolver files."""
        return self.scratch / "etc"

    @property
    def config(self) -> Path:
        """Files of the spec, written anew at every start of the main process; beside the logs, so that they stay."""
        return self.logs / "config"


@dataclass
class LivePod:
    """One pod as the supervisor runs it. All fields are guarded by ``lock``."""

    cluster: str
    node: str
    zone: str | None
    address: str
    space: str
    spec: dict[str, Any]
    place: Place
    processes: ProcessTable
    resolver: Resolver
    report: Callable[[dict[str, Any]], None]
    uid: str = field(default_factory=lambda: str(uuid.uuid4()))
    state: str = "created"
    reason: str = ""
    restarts: int = 0
    doublings: int = 0
    exit_code: int | None = None
    main: int | None = None
    held: bool = False
    gone: bool = False
    started: float = 0.0
    others: dict[int, str] = field(default_factory=dict)
    timer: threading.Timer | None = None
    lock: threading.RLock = field(default_factory=threading.RLock)

    @property
    def name(self) -> str:
        """The pod's name, which is its host name too."""
        return str(self.spec["name"])

    def prepare(self) -> None:
        """Write the resolver files; the volume exists afterwards."""
        write_etc(self.place.etc, self.name, self.address, self.resolver)
        for folder in (self.place.volume, self.place.logs, self.place.config):
            folder.mkdir(parents=True, exist_ok=True)

    def fill(self, text: str) -> str:
        """Replace the placeholders of PodSpec."""
        values = {
            "POD_IP": self.address,
            "POD_NAME": self.name,
            "POD_UID": self.uid,
            "CONFIG": str(self.place.config),
            "VOLUME": str(self.place.volume),
            "LOGS": str(self.place.logs),
        }
        for key, value in values.items():
            text = text.replace("{{" + key + "}}", value)
        return text

    def identity(self) -> dict[str, str]:
        """Whose a main process is, in its environment, where it can be read while it lives."""
        return {"POD_CLUSTER": self.cluster, "POD_NODE": self.node, "POD_NAME": self.name, "POD_UID": self.uid}

    def start_main(self) -> None:
        """Start the main process from the spec, as a container start does."""
        with self.lock:
            if self.gone or self.held or self.main is not None or not self.spec["command"]:
                return
            for name, text in self.spec["files"].items():
                (self.place.config / name).write_text(self.fill(text))
            mark = self.place.volume / ".started"
            first = self.spec["first_command"] if not mark.exists() else None
            command = [self.fill(part) for part in first or self.spec["command"]]
            mark.touch()
            record = self.place.logs / "command.jsonl"
            with record.open("a") as out:
                out.write(f"{time.monotonic_ns()} {self.uid} {' '.join(command)}\n")
            self.started = time.monotonic()
            told = {key: self.fill(value) for key, value in self.spec["environment"].items()}
            environment = {**os.environ, **self.identity(), **told}
            output = self.place.logs / "main.out"
            line = enter_command(self.space, self.name, self.place.etc, command)
            self.main = self.processes.start(line, output, self._main_ended, environment=environment)
            self.state, self.reason = "running", ""
            self.report(self.as_json())

    def _main_ended(self, code: int) -> None:
        with self.lock:
            self.main, self.exit_code = None, code
            if self.gone:
                return
            if self.held:
                self.state, self.reason = "exited", "held down with its node"
                self.report(self.as_json())
                return
            wait = self._back_off()
            self.restarts += 1
            self.doublings += 1
            self.state, self.reason = "waiting", f"exit {code}, restart in {wait:g} s"
            self.report(self.as_json())  # before the wait begins, or a busy machine records it as shorter than it is
            self.timer = threading.Timer(wait, self.start_main)
            self.timer.daemon = True
            self.timer.start()

    def _back_off(self) -> float:
        if time.monotonic() - self.started > STABLE_SECONDS:
            self.doublings = 0  # the count of restarts goes on, as a container's does
        policy = self.spec["restart"]
        return float(min(policy["most"], policy["first"] * 2 ** min(self.doublings, 16)))

    def spawn(self, name: str, command: list[str], ended: Callable[[int], None] | None = None) -> tuple[int, int]:
        """A further process with a socket as its standard input and output; returns PID and our end's descriptor."""
        ours, theirs = socket.socketpair()
        with self.lock:
            line = enter_command(self.space, self.name, self.place.etc, [self.fill(part) for part in command])
            number = theirs.fileno()

            def over(code: int) -> None:
                with self.lock:
                    self.others.pop(pid, None)
                if ended is not None:
                    ended(code)

            pid = self.processes.start(line, self.place.logs / f"{name}.err", over, number)
            self.others[pid] = name
        theirs.close()
        return pid, ours.detach()

    def signal_all(self, number: int) -> None:
        """Signal the main process and everything spawned beside it."""
        with self.lock:
            for pid in self._pids():
                self.processes.signal(pid, number)

    def _pids(self) -> list[int]:
        return [*self.others, *([self.main] if self.main else [])]

    def signal_main(self, number: int) -> None:
        """Signal the main process only."""
        with self.lock:
            if self.main is not None:
                self.processes.signal(self.main, number)

    def hold(self) -> list[int]:
        """The node is dead: SIGKILL everything, and no restart until release(); returns whom it killed."""
        with self.lock:
            self.held = True
            if self.timer is not None:
                self.timer.cancel()
            if self.main is None:
                self.state, self.reason = "exited", "held down with its node"
            self.signal_all(signal.SIGKILL)
            return self._pids()

    def release(self) -> bool:
        """The node runs again: the pod may start, which counts as a restart; False when it was not held down."""
        with self.lock:
            if not self.held:
                return False
            self.held = False
            self.restarts += bool(self.spec["command"])
            return True

    def remove(self) -> None:
        """SIGKILL everything for good and see it end; the volume stays."""
        with self.lock:
            self.gone = True
            if self.timer is not None:
                self.timer.cancel()
            pids = self._pids()
            self.signal_all(signal.SIGKILL)
        self.processes.await_end(pids, END_SECONDS)

    def as_json(self) -> dict[str, Any]:
        """The pod's PodState as plain values."""
        with self.lock:
            return {
                "cluster": self.cluster,
                "name": self.name,
                "uid": self.uid,
                "node": self.node,
                "zone": self.zone,
                "address": self.address,
                "state": self.state,
                "restarts": self.restarts,
                "exit_code": self.exit_code,
                "reason": self.reason,
            }
