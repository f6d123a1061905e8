"""For tests with real kind clusters: what is left of them, what stands beside them, and an engine of a test's own."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from clusters.alive import Identity
from clusters.kind.containers import Containers
from clusters.kind.engine import bounding_set_lacks
from clusters.kind.guard import tables
from clusters.kind.layout import LABEL_NAME, LABEL_OWNER, Marks, tag
from clusters.kind.place import find_image
from clusters.kind.removing import all_nodes
from clusters.waiting import until
from images.host.prepare import WRAPPER

ROOT = Path(__file__).parents[1]
COMMAND = (sys.executable, "-m", "ringproof.command")
DEFAULTS = ("env", "--default-signal=INT")
"""A shell starts what runs in its background with Ctrl-C ignored, and all that it starts inherits that."""
THEIR_RANGE = "198.51.100.0/24"
"""TEST-NET-2 (RFC 5737): of no cluster."""


@dataclass
class Machine:
    """An engine, and how a command of ours gets to it: ``prefix`` enters its network, ``settings`` name it."""

    containers: Containers
    image: str
    prefix: tuple[str, ...] = ()
    settings: Mapping[str, str] = field(default_factory=dict)

    def __call__(self, command: list[str], stdin: str | None = None) -> str:
        """See clusters.kind.guard.Machine."""
        return self.containers.on_machine(self.image, command, stdin=stdin)

    def names(self, *words: str) -> set[str]:
        """What a listing of the engine names."""
        return set(self.containers.ask(*words).split())

    def left(self) -> set[str]:
        """Everything here that could be ours: of containers, networks, volumes, tables and routes."""
        found = {f"container {name}" for name in [*all_nodes(self.containers), *self.containers.labelled(LABEL_OWNER)]}
        found |= {f"network {name}" for name in self.containers.labelled(LABEL_NAME, "network")}
        found |= {f"volume {name}" for name in self.names("volume", "ls", "-q", "-f", "dangling=true")}
        found |= {f"table {name}" for name in tables(self)}
        routes = json.loads(self(["ip", "-j", "route", "show", "type", "unreachable"]) or "[]")
        return found | {f"route {route['dst']}" for route in routes}

    def start(self, folder: Path, *words: str) -> subprocess.Popen[bytes]:
        """A command of ringproof in this folder, in a session of its own; its words are in `said.txt` there."""
        settings = {**os.environ, **self.settings, "PYTHONPATH": str(ROOT), "RINGPROOF_STATE": str(folder / "state")}
        with (folder / "said.txt").open("ab") as said:
            return subprocess.Popen(
                [*DEFAULTS, *self.prefix, *COMMAND, *words], cwd=folder, env=settings, stdin=subprocess.DEVNULL,
                stdout=said, stderr=said, start_new_session=True,
            )  # fmt: skip

    def sweep(self, folder: Path) -> str:
        """What `ringproof sweep` says."""
        settings = {**os.environ, **self.settings, "PYTHONPATH": str(ROOT), "RINGPROOF_STATE": str(folder / "state")}
        done = subprocess.run(
            [*self.prefix, *COMMAND, "sweep"], cwd=folder, env=settings, capture_output=True, text=True, timeout=300,
            check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout


def told(folder: Path, words: str) -> bool:
    """Whether the run that was started in this folder has recorded a step with these words."""
    return any(words in path.read_text() for path in folder.glob("runs/*/events.jsonl"))


@dataclass
class Others:
    """What stands beside the clusters under test: a stranger's, and those of a living process."""

    machine: Machine
    folder: Path
    name: str = field(default_factory=lambda: f"test-{uuid.uuid4().hex[:8]}/theirs/0")

    @property
    def theirs(self) -> list[str]:
        """Names of containers and of networks: without a label of ours, and with those of a live set."""
        return [f"theirs-{tag(self.name)}", f"rp-{tag(self.name)}-theirs"]

    def up(self) -> None:
        """All of it stands when this returns."""
        marks = Marks(self.name, time.time() + 3600, Identity.of(), self.folder).labels()
        ask = self.machine.containers.ask
        for name, labels in zip(self.theirs, ({}, marks), strict=True):
            words = [word for key, value in labels.items() for word in ("--label", f"{key}={value}")]
            ask("network", "create", "--internal", *words, name)
            ask(
                "run",
                "-d",
                "--name",
                name,
                "--network",
                name,
                *words,
                "--entrypoint",
                "sleep",
                self.machine.image,
                "7200",
            )
        for table in self.tables:
            words = f"table inet {table} {{\n set ranges {{ type ipv4_addr; flags interval; }}\n}}\n"
            self.machine(["nft", "-f", "-"], words)
        self.machine(["ip", "route", "add", "unreachable", THEIR_RANGE, "metric", "4000"])

    @property
    def tables(self) -> list[str]:
        """A stranger's, and the guard of the live set."""
        return [f"theirs_{tag(self.name)}", f"rp_{tag(self.name)}"]

    def state(self) -> dict[str, object]:
        """All that a sweep must not change."""
        known = self.machine.containers.states(*self.theirs)
        listed = json.loads(self.machine(["nft", "-j", "list", "tables"]))["nftables"]
        found = {entry["table"]["name"] for entry in listed if "table" in entry}
        routes = json.loads(self.machine(["ip", "-j", "route", "show", "type", "unreachable"]) or "[]")
        return {
            "containers": {one.name: (one.identity, one.pid, one.running) for one in known},
            "networks": self.machine.names("network", "ls", "-q", "--no-trunc", "-f", f"name={tag(self.name)}"),
            "tables": found & set(self.tables),
            "route": [route["dst"] for route in routes if route["dst"] == THEIR_RANGE],
        }

    def down(self) -> None:
        """None of it is left."""
        self.machine.containers.remove(*self.theirs)
        for name in self.machine.names("network", "ls", "-q", "-f", f"name={tag(self.name)}"):
            self.machine.containers.ask("network", "rm", name)
        for table in self.tables:
            self.machine(["nft", "-f", "-"], f"table inet {table}\ndelete table inet {table}\n")
        if f"route {THEIR_RANGE}" in self.machine.left():
            self.machine(["ip", "route", "del", "unreachable", THEIR_RANGE, "metric", "4000"])


class OwnEngine:
    """A dockerd beside the machine's own, in a network of its own, with all of its files in one folder.

    It may be stopped and started again, which nobody but the test notices. Needs root and Docker.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.socket = folder / "docker.sock"
        self._network = subprocess.Popen(["unshare", "--net", "--", "sleep", "infinity"], start_new_session=True)
        self._daemon: subprocess.Popen[bytes] | None = None
        self.prefix = ("nsenter", f"--net=/proc/{self._network.pid}/ns/net", "--")
        self.settings = {"DOCKER_HOST": f"unix://{self.socket}", "RINGPROOF_ENGINE": "docker"}

    def start(self) -> None:
        """It answers when this returns."""
        own = Path("/proc/self/ns/net").readlink()
        until("a network", lambda: Path(f"/proc/{self._network.pid}/ns/net").readlink() != own, timeout=10)
        subprocess.run([*self.prefix, "ip", "link", "set", "lo", "up"], check=True, timeout=10)
        runtime = ["--add-runtime", f"fit={WRAPPER}", "--default-runtime", "fit"] if bounding_set_lacks() else []
        command = ["dockerd", "--host", self.settings["DOCKER_HOST"], "--bridge", "none", *runtime]
        for option in ("data-root", "exec-root", "pidfile", "config-file"):
            command += [f"--{option}", str(self.folder / option)]
        (self.folder / "config-file").write_text("{}")
        with (self.folder / "dockerd.log").open("ab") as log:
            self._daemon = subprocess.Popen([*self.prefix, *command], stdout=log, stderr=log, start_new_session=True)
        until("an engine of our own", lambda: self._ask("version") == 0 or self._ended(), timeout=60, every=0.5)

    def _ended(self) -> bool:
        assert self._daemon is not None
        assert self._daemon.poll() is None, (self.folder / "dockerd.log").read_text()[-2000:]
        return False

    def _ask(self, *words: str) -> int:
        return subprocess.run(
            ["docker", *words], env={**os.environ, **self.settings}, capture_output=True, check=False, timeout=60
        ).returncode

    def load(self, image: str) -> None:
        """It holds the image, copied from the machine's engine."""
        with subprocess.Popen(["docker", "save", image], stdout=subprocess.PIPE) as saved:
            subprocess.run(
                ["docker", "load", "-q"], stdin=saved.stdout, env={**os.environ, **self.settings}, check=True,
                timeout=600, capture_output=True,
            )  # fmt: skip

    def stop(self) -> None:
        """It has ended, and every container with it, as at a restart of the service."""
        if self._daemon is not None:
            self._daemon.send_signal(signal.SIGTERM)
            self._daemon.wait(90)
            self._daemon = None

    def end(self) -> None:
        """Nothing of it is left, neither processes nor files."""
        try:
            self.stop()
        finally:
            self._network.kill()
            self._network.wait()
        mounts = [line.split()[1] for line in Path("/proc/self/mounts").read_text().splitlines()]
        for mount in sorted((one for one in mounts if one.startswith(f"{self.folder}/")), reverse=True):
            subprocess.run(["umount", mount], check=True, timeout=30)
        shutil.rmtree(self.folder)


@contextmanager
def own_engine() -> Iterator[tuple[OwnEngine, Machine]]:
    """An engine of our own that runs and holds the node image; it is gone when the block ends."""
    image = find_image(Containers("docker")).name
    folder = Path(tempfile.mkdtemp(prefix="rp-engine-", dir="/tmp"))  # a socket's path has 107 characters at most
    engine = OwnEngine(folder)
    try:
        engine.start()
        engine.load(image)
        program = folder / "docker"
        write_program(program, ["env", *(f"{key}={value}" for key, value in engine.settings.items()), "docker"])
        yield engine, Machine(Containers(str(program)), image, engine.prefix, engine.settings)
    finally:
        engine.end()


def write_program(path: Path, words: Sequence[str]) -> None:
    """A program that calls another with these words before its own."""
    path.write_text(f'#!/bin/sh\nexec {" ".join(words)} "$@"\n')
    path.chmod(0o755)
