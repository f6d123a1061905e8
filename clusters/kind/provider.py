"""kind as a provider: real Kubernetes clusters in containers, joined by a router container."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from clusters.alive import Identity
from clusters.cluster import PodState, ResetsInPlace
from clusters.errors import ClustersGone, ClustersRefused
from clusters.fitness import require
from clusters.kind.cluster import KindCluster
from clusters.kind.containers import Containers
from clusters.kind.creating import Creation
from clusters.kind.engine import choose
from clusters.kind.iproute import IpRoute
from clusters.kind.layout import Marks
from clusters.kind.place import Site, find_image
from clusters.kind.removing import nodes_of, remove_site
from clusters.kind.resetting import Reset, keep_evidence
from clusters.kind.sweeping import living, sweep
from clusters.providers import KIND, Progress, Provider, Tell
from clusters.ring.artifacts import ensure_cassandra
from clusters.topology import RingSpec, Topology

EXPIRES = 8 * 86400.0
"""Seconds after which `ringproof sweep` removes clusters though their process lives: longer than any are held
(clusters.holding.MOST)."""
LOOK_EVERY = 0.5
"""Seconds between two looks at all pods."""
ROUTER = "router"
UNITS = {"B": 1, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30, "kB": 10**3, "MB": 10**6, "GB": 10**9}


class Kind(ResetsInPlace):
    """See clusters.cluster.ClusterSet; can be reset in place."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self.name = site.layout.name
        self._clusters = {place.spec.name: KindCluster(site, place) for place in site.layout.places}

    @property
    def provider(self) -> str:
        """See ClusterSet."""
        return KIND

    @property
    def topology(self) -> Topology:
        """See ClusterSet."""
        return self._site.layout.topology

    @property
    def clusters(self) -> list[KindCluster]:
        """See ClusterSet."""
        return list(self._clusters.values())

    @property
    def alive(self) -> bool:
        """See ClusterSet: the control planes run."""
        planes = [place.control_plane for place in self._site.layout.places]
        return [state.running for state in self._site.containers.states(*planes)] == [True] * len(planes)

    @property
    def router(self) -> IpRoute:
        """See ClusterSet."""
        return self._site.net_of(self._site.layout.router, ROUTER)

    def cluster(self, name: str) -> KindCluster:
        """See ClusterSet."""
        return self._clusters[name]

    def networks(self) -> list[IpRoute]:
        """See ClusterSet."""
        return [self.router, *(node.net for cluster in self.clusters for node in cluster.nodes())]

    def network(self, space: str) -> IpRoute:
        """See ClusterSet."""
        if space == ROUTER:
            return self.router
        if space.startswith("pod:"):
            cluster, _, pod = space.removeprefix("pod:").partition("/")
            return self.cluster(cluster).pod(pod).net
        return self._site.net_of(space)

    def memory(self) -> int:
        """See ClusterSet: as the engine counts it, which is without the page cache."""
        names = nodes_of(self._site.containers, self._site.layout.tag)
        said = self._site.containers.ask("stats", "--no-stream", "--format", "{{.MemUsage}}", *names)
        return sum(bytes_of(line.partition("/")[0].strip()) for line in said.splitlines() if line)

    def reset(self) -> list[str]:
        """See ResetsInPlace."""
        return Reset(self._site, self.clusters)()

    def keep_evidence(self, folder: Path) -> None:
        """See ResetsInPlace."""
        keep_evidence(self._site, folder)

    def close(self) -> None:
        """See ClusterSet."""
        for cluster in self.clusters:
            cluster.agents.close()
        self._site.close()


def bytes_of(text: str) -> int:
    """A size as the engines write it, such as 512.3MiB, in bytes."""
    number = text.rstrip("KMGTikB")
    return int(float(number) * UNITS[text[len(number) :]])


def changes(before: PodState | None, now: PodState) -> list[PodState]:
    """What is to be written of a pod at this look, nothing when it is as before.

    A main process that ended and was started again between two looks has died all the same.
    """
    if before == now:
        return []
    unseen = before is not None and before.uid == now.uid and now.restarts > before.restarts
    if unseen and before is not None and (before.state, now.state) == ("running", "running"):
        return [replace(now, state="waiting", reason=f"exit {now.exit_code}, restarted between two looks"), now]
    return [now]


class Watch:
    """Writes every change of a pod's state, seen every LOOK_EVERY seconds, to pods.jsonl until it is closed."""

    def __init__(self, clusters: Kind, path: Path) -> None:
        self._clusters = clusters
        self._path = path
        self._over = threading.Event()
        self._known: dict[tuple[str, str], PodState] = {}
        self._threads = [threading.Thread(target=self._look, args=(one,), daemon=True) for one in clusters.clusters]
        self._lock = threading.Lock()
        for thread in self._threads:
            thread.start()

    def _look(self, cluster: KindCluster) -> None:
        while not self._over.wait(LOOK_EVERY):
            try:
                self._note(cluster.states())
            except (ConnectionError, TimeoutError, ClustersRefused, ClustersGone):
                continue  # seen at the next look, or the clusters are being taken down

    def _note(self, states: Sequence[PodState]) -> None:
        with self._lock, self._path.open("a") as log:
            for state in states:
                key = (state.cluster, state.name)
                for change in changes(self._known.get(key), state):
                    record = {"t": time.monotonic_ns(), "kind": "pod", "by": KIND}
                    facts = {name: getattr(change, name) for name in PodState.__slots__}
                    log.write(json.dumps({**record, **facts}) + "\n")
                self._known[key] = state

    def close(self) -> None:
        """No more is written when this returns."""
        self._over.set()
        for thread in self._threads:
            thread.join()
        self._clusters.close()


class KindHandle:
    """See clusters.providers.Lifeline: the clusters carry the identity of this process, by which a sweep knows."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._watch: Watch | None = Watch(Kind(site), site.folder / "pods.jsonl")

    def close(self) -> None:
        """See Lifeline."""
        if self._watch is not None:
            self._watch.close()
            self._watch = None
            remove_site(self._site)


class KindProvider:
    """See clusters.providers.Provider."""

    @property
    def name(self) -> str:
        """See Provider."""
        return KIND

    def require(self, *topologies: Topology) -> None:
        """See Provider."""
        require(*topologies, made_by=KIND)

    def prepare(self, ring: RingSpec, progress: Progress, tell: Tell) -> None:
        """See Provider: the image has everything; the jars' names are read from the verified ones in the cache."""
        ensure_cassandra(ring.version, progress)
        image = find_image(Containers(choose().program))
        tell("java", {"home": str(image.java.parent.parent), "build": image.name, "source": "node image"})

    def start(self, topology: Topology, name: str, folder: Path) -> KindHandle:
        """See Provider."""
        site = Site.of(topology, name)
        marks = Marks(name, time.time() + EXPIRES, Identity.of(), folder.resolve())
        Creation(site, marks)()
        try:
            return KindHandle(site)
        except BaseException:
            remove_site(site)
            raise

    def sweep(self) -> Iterator[str]:
        """See Provider."""
        yield from sweep()

    def living(self) -> list[str]:
        """See Provider."""
        return living()

    def attach(self, topology: Topology, name: str) -> Kind:
        """See Provider."""
        return Kind(Site.of(topology, name))


PROVIDER: Provider = KindProvider()
