"""Containers and networks by the engine's own command line, with errors in the words of the provider seam."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from clusters.alive import Identity
from clusters.errors import ClustersGone, ClustersRefused
from clusters.kind.layout import LABEL_OWNER, owner_label
from clusters.shell import CommandFailed, run

SECONDS = 30.0
"""For a question to the engine; it takes 0.05 s, and seconds while eight nodes start on two cores."""
STOPPED = ("is not running", "is paused", "is restarting", "cannot exec in a stopped", "is stopped")
GONE = ("No such container", "no such container", "No such object", "no container with name")

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class ContainerState:
    """One container as the engine sees it; ``pid`` is 0 while nothing runs."""

    name: str
    identity: str
    running: bool
    paused: bool
    pid: int
    addresses: Mapping[str, str]
    labels: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Containers:
    """Asks one engine, docker or podman, by its ``program``."""

    program: str

    @property
    def is_podman(self) -> bool:
        """Whether it is podman, which says and takes some things otherwise than Docker."""
        return Path(self.program).name == "podman"

    def ask(self, *words: str, timeout: float = SECONDS, stdin: str | None = None) -> str:
        """What a command of the engine printed.

        Errors: ClustersGone when what was named is no more, ConnectionError when it is stopped or frozen,
        ClustersRefused with the engine's words otherwise.
        """
        try:
            return run([self.program, *words], timeout=timeout, stdin=stdin)
        except CommandFailed as error:
            said = str(error)
            if any(word in said for word in STOPPED):
                raise ConnectionError(said) from error
            if any(word in said for word in GONE):
                raise ClustersGone(said) from error
            raise ClustersRefused(said) from error

    def exec(
        self, container: str, command: Sequence[str], *, timeout: float = SECONDS, stdin: str | None = None
    ) -> str:
        """What a command printed inside a container."""
        head = ["exec", "--privileged", *(["-i"] if stdin is not None else [])]
        return self.ask(*head, container, *command, timeout=timeout, stdin=stdin)

    def on_machine(self, image: str, command: Sequence[str], *, stdin: str | None = None) -> str:
        """What a command printed in the machine's own network, where the engine may do what its user may not.

        The container is gone with the command; if this process dies meanwhile, it is known by its owner.
        """
        head = ["run", "--rm", "-i", "--network", "host", "--cap-drop", "ALL", "--cap-add", "NET_ADMIN"]
        head += ["--label", f"{LABEL_OWNER}={owner_label(Identity.of())}"]
        return self.ask(*head, "--entrypoint", command[0], image, *command[1:], stdin=stdin or "")

    def open(self, container: str, command: Sequence[str], options: Sequence[str] = ()) -> list[str]:
        """The command line that runs a program in a container with our standard input and output as its own."""
        return [self.program, "exec", "-i", *options, container, *command]

    def states(self, *names: str) -> list[ContainerState]:
        """Those of the named containers that exist, in any state."""
        if not names:
            return []
        done = subprocess.run(
            [self.program, "container", "inspect", *names], capture_output=True, text=True, timeout=SECONDS, check=False
        )
        try:
            found: list[Json] = json.loads(done.stdout or "[]")
        except ValueError as error:
            raise ClustersRefused(f"{self.program} inspect: {done.stderr.strip()[-300:]}") from error
        return [_state(facts) for facts in found]

    def state(self, name: str) -> ContainerState:
        """One container; ClustersGone when there is none of that name."""
        found = self.states(name)
        if not found:
            raise ClustersGone(f"there is no container {name}")
        return found[0]

    def labelled(self, label: str, kind: str = "container") -> list[str]:
        """Names of all containers, or networks, that carry a label (``key`` or ``key=value``)."""
        words = ["ps", "-a"] if kind == "container" else ["network", "ls"]
        field = "{{.Names}}" if kind == "container" else "{{.Name}}"
        return self.ask(*words, "--filter", f"label={label}", "--format", field).split()

    def labels_of_network(self, name: str) -> dict[str, str]:
        """The labels of a network; ClustersRefused when there is none."""
        (found,) = json.loads(self.ask("network", "inspect", name))
        return dict(found.get("Labels") or found.get("labels") or {})

    def labels_of_image(self, name: str) -> dict[str, str] | None:
        """The labels of an image, None when it is not here."""
        try:
            (found,) = json.loads(self.ask("image", "inspect", name))
        except ClustersRefused:
            return None
        return dict((found.get("Config") or {}).get("Labels") or found.get("Labels") or {})

    def images(self, label: str) -> list[str]:
        """Names of all images that carry a label."""
        said = self.ask("image", "ls", "--filter", f"label={label}", "--format", "{{.Repository}}:{{.Tag}}")
        return [name for name in said.split() if not name.endswith(":<none>")]

    def remove(self, *names: str) -> None:
        """The containers and their anonymous volumes are gone when this returns, whether they were there or not."""
        there = [state.name for state in self.states(*names)]
        if there:
            self.ask("rm", "-f", "-v", *there, timeout=SECONDS * 4)


def _state(facts: Json) -> ContainerState:
    state, settings = facts["State"], facts["NetworkSettings"]
    networks: Json = settings.get("Networks") or {}
    return ContainerState(
        name=str(facts["Name"]).lstrip("/"),
        identity=str(facts["Id"]),
        running=bool(state.get("Running")),
        paused=bool(state.get("Paused")),
        pid=int(state.get("Pid") or 0),
        addresses={name: str(entry.get("IPAddress") or "") for name, entry in networks.items()},
        labels=dict(facts["Config"].get("Labels") or {}),
    )
