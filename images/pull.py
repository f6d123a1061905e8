"""Images from a registry, by digest, brought into the same form as built ones.

The published node image gets the official Cassandra image baked into its containerd and our labels, so that nothing
is loaded into nodes later and the provider reads the same facts of either kind. It carries kindnet, not flannel.
"""

from __future__ import annotations

import tempfile
import urllib.error
import urllib.request
from http import HTTPStatus
from pathlib import Path
from typing import Final

from clusters.errors import EnvironmentUnfit
from clusters.kind.engine import Engine, choose
from clusters.ring.artifacts import cache_root
from clusters.shell import CommandFailed, run
from images import containers, lock, store
from images.build import REPOSITORY

ANSWER_SECONDS: Final = 5.0
"""A registry that says nothing for so long is taken for absent; an answer takes well below a second."""
SAVE_SECONDS: Final = 600.0


def registry_answers(address: str | None = None) -> bool:
    """Whether the registry of the lock answers from here; one request, through the usual proxy variables."""
    request = urllib.request.Request(address or lock.read().pull.registry, method="GET")
    try:
        with urllib.request.build_opener().open(request, timeout=ANSWER_SECONDS):
            return True
    except urllib.error.HTTPError as error:
        return error.code == HTTPStatus.UNAUTHORIZED  # the registry protocol's answer to one who has not logged in
    except (OSError, ValueError):
        return False


def name(kubernetes: str | None = None) -> str:
    """Return the name of the pulled node image: of what is in it, by digest."""
    locked = lock.read()
    node = _node(locked, kubernetes)
    whole = store.key(node.image, locked.pull.cassandra.model_dump_json(), str(sorted(labels(locked, node).items())))
    return f"{REPOSITORY}:v{node.version}-pulled-{whole}"


def pull(kubernetes: str | None = None) -> str:
    """Return the name of a node image made of pulled ones, which the engine then holds."""
    engine = choose()
    locked = lock.read()
    node = _node(locked, kubernetes)
    image = name(kubernetes)
    if containers.labels(engine, image) is None:
        containers.demand_room(engine)
        containers.pull(engine, node.image)
        containers.pull(engine, locked.pull.cassandra.image)
        _bake(engine, node, image)
    return image


def labels(locked: lock.Lock, node: lock.PulledNode) -> dict[str, str]:
    """Return what the node image says of itself; kubeadm's own tags of etcd and CoreDNS fit, so it names none."""
    cassandra = locked.pull.cassandra
    return {
        "ringproof.node": "pulled",
        "ringproof.kubernetes": node.version,
        "ringproof.image.cassandra": inside(cassandra),
        "ringproof.cassandra": cassandra.version,
        "ringproof.java": cassandra.java,
        "ringproof.java.major": str(cassandra.java_major),
        "ringproof.jars": cassandra.jars,
    }


def inside(cassandra: lock.PulledCassandra) -> str:
    """Return the name under which nodes know the Cassandra image: a tag, because a saved archive has no digest."""
    return cassandra.image.partition("@")[0]


def _node(locked: lock.Lock, kubernetes: str | None) -> lock.PulledNode:
    minor = locked.minor(kubernetes)
    if minor not in locked.pull.node:
        raise EnvironmentUnfit(f"Kubernetes {minor} is not published as a node image; call: ringproof images build")
    return locked.pull.node[minor]


def _bake(engine: Engine, node: lock.PulledNode, image: str) -> None:
    locked = lock.read()
    cassandra = locked.pull.cassandra
    with tempfile.TemporaryDirectory(dir=cache_root(), prefix="pulled-") as work:
        archive = Path(work, "cassandra.tar")
        try:
            run([engine.program, "tag", cassandra.image, inside(cassandra)], timeout=30)
            run([engine.program, "save", "--output", str(archive), inside(cassandra)], timeout=SAVE_SECONDS)
        except CommandFailed as error:
            raise EnvironmentUnfit(f"{cassandra.image} cannot be saved: {error}; see that {work} has room") from error
        containers.bake(engine, node.image, archive, image, labels(locked, node))
