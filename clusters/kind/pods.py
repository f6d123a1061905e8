"""Pods of kind clusters, and the client container, as the provider seam wants them.

Everything inside is done through the node's container, not through the API server: so it works while the network under
test is cut, and a node that is frozen or dead answers for its pods as a dead machine does.
"""

from __future__ import annotations

import shlex
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any, Protocol, TypeVar

from clusters.asking import LineTalk
from clusters.cluster import PodState
from clusters.errors import ClustersRefused
from clusters.kind.iproute import IpRoute
from clusters.kind.kindconfig import CODE
from clusters.kind.layout import ClusterPlace
from clusters.kind.manifests import CONFIG, HOST_CONTAINER, LOGS, PROBE_CONTAINER, VOLUME
from clusters.kind.place import Site, in_client
from clusters.kind.states import PID_FILE

CLIENT = "client"
PLACES = {"CONFIG": CONFIG, "VOLUME": VOLUME, "LOGS": LOGS}

Json = dict[str, Any]
T = TypeVar("T")


class Home(Protocol):
    """What a pod asks its cluster for."""

    site: Site
    place: ClusterPlace

    def state_of(self, name: str) -> PodState:
        """See Pod.state."""

    def container_of(self, name: str, container: str) -> tuple[str, str]:
        """The node of a pod, and the identity of one of its containers; LookupError, ConnectionError without one.

        It may be one that has ended since: who finds that out calls forget() and asks again.
        """

    def forget(self, name: str) -> None:
        """Containers of this pod have been replaced."""


def fill(text: str, values: Mapping[str, str]) -> str:
    """Replace the placeholders of PodSpec."""
    for key, value in values.items():
        text = text.replace("{{" + key + "}}", value)
    return text


def talk(command: Sequence[str], errors: Path) -> int:
    """Start a program with a socket as its standard input and output; our end's descriptor."""
    ours, theirs = socket.socketpair()
    errors.parent.mkdir(parents=True, exist_ok=True)
    with errors.open("ab") as said:
        process = subprocess.Popen(
            list(command), stdin=theirs.fileno(), stdout=theirs.fileno(), stderr=said, start_new_session=True
        )
    theirs.close()
    threading.Thread(target=process.wait, name="reaper", daemon=True).start()
    return ours.detach()


def signal_main(site: Site, node: str, identity: str, number: signal.Signals) -> None:
    """Signal the first process of a container on a node."""
    words = f"kill -{int(number)} $(cat {PID_FILE.format(identity=identity)})"
    site.perform(node, ["sh", "-c", words])


class Agents:
    """Conversations with probe agents, one per pod of one identity, shared by all threads."""

    def __init__(self) -> None:
        self._talks: dict[str, LineTalk] = {}
        self._lock = threading.Lock()

    def talk(self, key: str, command: Sequence[str], errors: Path) -> LineTalk:
        """The conversation under this key, begun with the command where there is none that goes on."""
        with self._lock:
            known = self._talks.get(key)
            if known is None or known.ended:
                if known is not None:
                    known.close()
                known = self._talks[key] = LineTalk(talk(command, errors))
            return known

    def close(self) -> None:
        """End them all; the agents go on."""
        with self._lock:
            for one in self._talks.values():
                one.close()
            self._talks.clear()


class KindPod:
    """See clusters.cluster.Pod: a Kubernetes pod."""

    def __init__(self, home: Home, name: str, agents: Agents) -> None:
        self._home = home
        self._agents = agents
        self.name = name

    @property
    def python(self) -> str:
        """See Pod."""
        return self._home.site.image.python

    def state(self) -> PodState:
        """See Pod."""
        return self._home.state_of(self.name)

    def _logs(self) -> Path:
        return self._home.site.folder / "hosts" / self.name

    def _fresh(self, act: Callable[[], T]) -> T:
        """What an act says; once more when it failed, because it may have been told to a container that is gone."""
        try:
            return act()
        except (ClustersRefused, ConnectionError):
            self._home.forget(self.name)
            return act()

    def _inside(self, container: str, spaces: str, command: Sequence[str]) -> tuple[str, str, list[str]]:
        """Node, identity of the container, and the command that enters these of its namespaces from the node."""
        node, identity = self._home.container_of(self.name, container)
        pid = PID_FILE.format(identity=identity)
        words = shlex.join(command)
        return node, identity, ["sh", "-c", f"exec nsenter -t $(cat {pid}) {spaces} -- {words}"]

    def _spawned(self, name: str, command: Sequence[str]) -> int:
        state = self.state()
        values = {**PLACES, "POD_IP": state.address, "POD_NAME": self.name, "POD_UID": state.uid}
        filled = [fill(word, values) for word in command]
        node, _, words = self._inside(PROBE_CONTAINER, "-m -u -i -n -p", filled)
        return talk(self._home.site.containers.open(node, words, ["--privileged"]), self._logs() / f"{name}.err")

    def spawn(self, name: str, command: Sequence[str]) -> LineTalk:
        """See Pod."""
        return LineTalk(self._spawned(name, command))

    def connect(self, name: str, command: Sequence[str]) -> socket.socket:
        """See Pod."""
        return socket.socket(fileno=self._spawned(name, command))

    def signal(self, number: signal.Signals) -> None:
        """See Pod."""
        self._home.forget(self.name)  # a main process that was restarted in place is another container
        node, identity = self._home.container_of(self.name, HOST_CONTAINER)
        signal_main(self._home.site, node, identity, number)

    def read(self, path: str) -> str:
        """See Pod."""

        def act() -> str:
            node, _, words = self._inside(PROBE_CONTAINER, "-m", ["cat", fill(path, PLACES)])
            return self._home.site.perform(node, words)

        return self._fresh(act)

    def probe(self, request: Mapping[str, Any], timeout: float) -> Json:
        """See Pod."""
        asked = dict(request)
        if "path" in asked:
            asked["path"] = fill(str(asked["path"]), PLACES)
        join = [self.python, "-S", str(PurePosixPath(CODE, "agent.py")), "join"]

        def act() -> Json:
            node, identity, words = self._inside(PROBE_CONTAINER, "-m -n -p", join)
            command = self._home.site.containers.open(node, words, ["--privileged"])
            return self._agents.talk(identity, command, self._logs() / "probe.err").ask(asked, timeout)

        return self._fresh(act)

    @property
    def net(self) -> IpRoute:
        """See Pod."""
        return IpRoute(f"pod:{self._home.place.spec.name}/{self.name}", self._in_network)

    def _in_network(self, command: Sequence[str]) -> str:
        def act() -> str:
            node, _, words = self._inside(PROBE_CONTAINER, "-n", command)
            return self._home.site.perform(node, words)

        return self._fresh(act)


class ClientPod:
    """See clusters.cluster.Pod: the container in which clients and observers of one cluster run."""

    def __init__(self, home: Home, agents: Agents) -> None:
        self._home = home
        self._agents = agents
        self.name = CLIENT

    @property
    def python(self) -> str:
        """See Pod."""
        return sys.executable

    def state(self) -> PodState:
        """See Pod."""
        return self._home.state_of(CLIENT)

    def _logs(self) -> Path:
        return self._home.site.folder / "hosts" / f"{self._home.place.spec.name}-client"

    def _words(self, command: Sequence[str]) -> list[str]:
        return [self._home.site.containers.program, "exec", *in_client(self._home.place, ["-i"]), *command]

    def spawn(self, name: str, command: Sequence[str]) -> LineTalk:
        """See Pod."""
        return LineTalk(talk(self._words(command), self._logs() / f"{name}.err"))

    def connect(self, name: str, command: Sequence[str]) -> socket.socket:
        """See Pod."""
        return socket.socket(fileno=talk(self._words(command), self._logs() / f"{name}.err"))

    def signal(self, number: signal.Signals) -> None:
        """A client pod has no main process to be signalled."""
        raise ClustersRefused(f"the client of {self._home.place.spec.name} has no main process for {number.name}")

    def read(self, path: str) -> str:
        """See Pod: its files are this machine's."""
        return Path(path).read_text(errors="replace")

    def probe(self, request: Mapping[str, Any], timeout: float) -> Json:
        """See Pod."""
        place = self._home.place
        command = self._words([sys.executable, "-S", str(self._home.site.folder / "code" / "agent.py"), "join"])
        return self._agents.talk(place.client_container, command, self._logs() / "probe.err").ask(request, timeout)

    @property
    def net(self) -> IpRoute:
        """See Pod."""
        return self._home.site.net_of(self._home.place.client_container, f"pod:{self._home.place.spec.name}/{CLIENT}")
