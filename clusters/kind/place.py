"""A set of kind clusters as a process finds it: engine, layout, folder and API servers, from nothing but its name."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import platformdirs
import yaml

from clusters.cache import cache_root
from clusters.errors import ClustersGone, ClustersRefused, EnvironmentUnfit
from clusters.kind.api import Api, node_facts
from clusters.kind.console import Consoles
from clusters.kind.containers import Containers
from clusters.kind.engine import choose
from clusters.kind.flannel import API_PORT
from clusters.kind.iproute import IpRoute
from clusters.kind.layout import LABEL_FOLDER, ClusterPlace, Layout, lay_out
from clusters.kind.nodeimage import NodeImage
from clusters.kind.routing import NodeFacts, batch, client_routes, missing, node_routes, router_routes
from clusters.network import Route
from clusters.topology import Topology

ROOT = Path(__file__).parents[2]
ADMIN = "/etc/kubernetes/admin.conf"
"""On a control plane's node (kubeadm)."""
ACT_SECONDS = 20.0
"""For one command inside a container: 0.01 s, and a second while all of the machine is busy."""
IMAGE_SETTING = "RINGPROOF_NODE_IMAGE"
IMAGE_LABEL, MADE_LABEL = "ringproof.node", "ringproof.made"


def find_image(containers: Containers) -> NodeImage:
    """The node image that RINGPROOF_NODE_IMAGE names, else the newest one that was built here."""
    wanted = os.environ.get(IMAGE_SETTING)
    names = [wanted] if wanted else containers.images(IMAGE_LABEL)
    known = {name: labels for name in names if (labels := containers.labels_of_image(name)) is not None}
    if not known:
        if wanted:
            raise EnvironmentUnfit(f"{wanted} ({IMAGE_SETTING}) is not here; make one with: ringproof images build")
        raise EnvironmentUnfit("no node image is here; make one with: ringproof images ensure")
    newest = max(known, key=lambda name: int(known[name].get(MADE_LABEL, "0")))
    return NodeImage.read(newest, known[newest])


def kubeconfig(tag: str) -> Path:
    """The file with the credentials of a set of clusters: in the user's state folder, since bundles hold no secret."""
    state = Path(os.environ.get("RINGPROOF_STATE") or platformdirs.user_state_dir("ringproof"))
    return state / "kind" / f"{tag}.kubeconfig"


def kind_program() -> str:
    """kind's own command: the one that `ringproof images build` made, else the one on the PATH."""
    built = cache_root() / "images" / "bin" / "kind"
    found = str(built) if built.exists() else shutil.which("kind")
    if found is None:
        raise EnvironmentUnfit("kind is not installed; make it with: ringproof images build")
    return found


@dataclass
class Site:
    """One set of kind clusters."""

    layout: Layout
    containers: Containers
    _folder: Path | None = None
    _image: NodeImage | None = None
    _apis: dict[str, Api] = field(default_factory=dict)
    _consoles: Consoles | None = None

    @classmethod
    def of(cls, topology: Topology, name: str) -> Site:
        """The set of that name, whether it stands or not."""
        return cls(lay_out(topology, name), Containers(choose().program))

    @property
    def image(self) -> NodeImage:
        """What its nodes are made from."""
        if self._image is None:
            self._image = find_image(self.containers)
        return self._image

    @property
    def folder(self) -> Path:
        """Where it writes to, as the labels of its networks say; ClustersGone when there is none."""
        if self._folder is None:
            try:
                labels = self.containers.labels_of_network(self.layout.places[0].network)
            except ClustersRefused as error:
                raise ClustersGone(f"no clusters of the name {self.layout.name} are here: {error}") from error
            self._folder = Path(labels[LABEL_FOLDER])
        return self._folder

    def machine(self, command: list[str], stdin: str | None = None) -> str:
        """See clusters.kind.guard.Machine."""
        return self.containers.on_machine(self.image.name, command, stdin=stdin)

    def api(self, place: ClusterPlace) -> Api:
        """The API server of one cluster."""
        name = place.spec.name
        if name not in self._apis:
            self._apis[name] = Api.read(kubeconfig(self.layout.tag), place.context)
        return self._apis[name]

    def early_api(self, place: ClusterPlace) -> Api:
        """The API server as soon as its node has credentials, before kind has written any; ConnectionError until then.

        It is asked at the node's own address.
        """
        state = self.containers.state(place.control_plane)
        try:
            document = yaml.safe_load(self.containers.exec(place.control_plane, ["cat", ADMIN]))
        except ClustersRefused as error:
            raise ConnectionError(f"{place.control_plane} has no credentials yet") from error
        document["clusters"][0]["cluster"]["server"] = f"https://{state.addresses[place.network]}:{API_PORT}"
        made = Api(document)
        made.get("/version")
        self._apis[place.spec.name] = made
        return made

    def nodes(self, *places: ClusterPlace) -> list[NodeFacts]:
        """The nodes of these clusters, of all without any."""
        found = []
        for place in places or self.layout.places:
            facts = [node_facts(place.spec.name, node) for node in self.api(place).nodes()]
            found += [one for one in facts if one is not None]
        return found

    @property
    def consoles(self) -> Consoles:
        """Open shells in its containers."""
        if self._consoles is None:
            self._consoles = Consoles(lambda name: self.containers.open(name, ["sh"], ["--privileged"]))
        return self._consoles

    def perform(self, container: str, command: Sequence[str], timeout: float = ACT_SECONDS) -> str:
        """What a command printed inside a container; see clusters.kind.console.Console.run."""
        return self.consoles.run(container, command, timeout)

    def down(self, containers: Sequence[str]) -> frozenset[str]:
        """Those of the containers that do not run; the engine is asked only when a shell inside has ended."""
        suspects = self.consoles.ended(containers)
        return frozenset(state.name for state in self.containers.states(*suspects) if not state.running)

    def net_of(self, container: str, space: str | None = None) -> IpRoute:
        """The network of a container; its name stands for it unless a space is given."""
        return IpRoute(space or container, lambda command: self.perform(container, command))

    def ensure_routes(self, nodes: Sequence[NodeFacts] | None = None) -> list[str]:
        """Every route between the clusters stands when this returns; the blocks that the router refused. Idempotent.

        A node that is stopped or frozen is left out: whoever starts it calls this again.
        """
        places, refused = self.wanted_routes(self.nodes() if nodes is None else nodes)
        down = self.down(list(places))

        def one(container: str) -> None:
            lacking = missing(self.net_of(container).routes(), places[container])
            if lacking:
                self.perform(container, ["sh", "-c", f"printf %s {shlex.quote(batch(lacking))} | ip -batch -"])

        with ThreadPoolExecutor(len(places)) as pool:
            list(pool.map(one, [container for container in places if container not in down]))
        return refused

    def wanted_routes(self, nodes: Sequence[NodeFacts]) -> tuple[dict[str, list[Route]], list[str]]:
        """The routes of every container, by its name, and the blocks that the router refuses."""
        wanted, refused = router_routes(self.layout, nodes)
        places = {self.layout.router: wanted}
        for place in self.layout.places:
            own = [node for node in nodes if node.cluster == place.spec.name]
            control = next(node.address for node in own if node.name == place.control_plane)
            places[place.client_container] = client_routes(self.layout, place, own, control)
            places |= {node.name: node_routes(self.layout, place) for node in own}
        return places, refused

    def close(self) -> None:
        """Give connections back."""
        if self._consoles is not None:
            self._consoles.close()
            self._consoles = None
        for api in self._apis.values():
            api.close()
        self._apis.clear()

    def ask_txt(self, place: ClusterPlace, server: str, name: str) -> str:
        """What a DNS server says of a TXT name to the cluster's client, without quotation marks; "" for nothing."""
        words = [sys.executable, "-m", "clusters.dns.client", server, name, "--type", "TXT", "--timeout", "1"]
        answer = json.loads(self.containers.ask("exec", *in_client(place), *words))
        return str(answer["addresses"][0]).strip('"') if answer["addresses"] else ""


def in_client(place: ClusterPlace, options: Sequence[str] = ()) -> list[str]:
    """The words that run a program in a client container with this machine's files, Python and project, as this user.

    The container has a network, processes and a resolver of its own; everything else is the machine's.
    """
    passed = {"PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"}
    passed |= {key: os.environ[key] for key in ("PATH", "HOME", "LANG") if key in os.environ}
    settings = [word for key, value in passed.items() for word in ("-e", f"{key}={value}")]
    return [*options, *settings, place.client_container, "chroot", f"--userspec={os.getuid()}:{os.getgid()}", "/host"]
