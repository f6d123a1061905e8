"""Kind clusters without a ring again, in place: healed and emptied, and what came of it seen from the clusters."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

from clusters.errors import ClustersGone, ClustersRefused, WaitTimeout
from clusters.kind import manifests
from clusters.kind.api import Api
from clusters.kind.clean import container_dirt, network_dirt, node_dirt, object_dirt, router_dirt
from clusters.kind.cluster import GRACE_SECONDS, KindCluster
from clusters.kind.layout import LABEL_NAME, ClusterPlace
from clusters.kind.names import Names
from clusters.kind.place import Site
from clusters.kind.removing import keep_words
from clusters.network import Route
from clusters.waiting import until

RESET_SECONDS = 90.0
"""For all of it to be seen: 36 s with a ring, a frozen and a killed zone and a lie about a name, where new clusters
took 86 s (measured on two cores that were busy); two and a half times that."""
VOLUMES = "/var/local-path-provisioner"
"""On a node: where local-path keeps volumes (images/node/default-storage.yaml)."""
LEFT_ON_A_NODE = ["sh", "-c", f"pgrep -f '[C]assandraDaemon' | wc -l; ls -A {VOLUMES} 2>/dev/null | wc -l"]
"""How many hosts run there, whatever the API server believes, and how many volumes are there."""
TELLING = (
    ("pods", "/api/v1/pods"),
    ("nodes", "/api/v1/nodes"),
    ("events", "/api/v1/events"),
    ("volumes", "/api/v1/persistentvolumes"),
    ("claims", "/api/v1/persistentvolumeclaims"),
    ("sets", "/apis/apps/v1/statefulsets"),
)
"""What is kept of unclean clusters, and no other kind: none of these holds a secret."""
TROUBLE = (ClustersRefused, ClustersGone, OSError)

Json = dict[str, Any]
T = TypeVar("T")


class Reset:
    """One reset of a set of clusters; see clusters.cluster.ResetsInPlace."""

    def __init__(self, site: Site, clusters: Sequence[KindCluster]) -> None:
        self._site = site
        self._clusters = clusters

    def __call__(self) -> list[str]:
        """What is not clean although everything was tried for RESET_SECONDS."""
        self._start_all()
        self._everywhere(self._empty)
        self._site.ensure_routes()
        self._take_rules()
        self._everywhere(lambda cluster: Names(self._site, cluster.place).restore())
        last: list[str] = []

        def clean() -> bool:
            last[:] = self.dirt()
            return not last

        try:
            what = f"clusters {self._site.layout.name} are as they were started"
            until(what, clean, timeout=RESET_SECONDS, every=0.5, tolerate=(ConnectionError, TimeoutError))
        except WaitTimeout as error:
            return last or [str(error)]
        for cluster in self._clusters:
            cluster.forget_pods()
        return []

    def _everywhere(self, act: Callable[[KindCluster], T]) -> list[T]:
        with ThreadPoolExecutor(len(self._clusters)) as pool:
            return list(pool.map(act, self._clusters))

    def _containers(self) -> list[str]:
        layout = self._site.layout
        nodes = [node.name for cluster in self._clusters for node in cluster.facts()]
        return [layout.router, *(place.client_container for place in layout.places), *nodes]

    def _start_all(self) -> None:
        states = self._site.containers.states(*self._containers())
        frozen = [state.name for state in states if state.paused]
        stopped = [state.name for state in states if not state.running]
        for verb, names in (("unpause", frozen), ("start", stopped)):
            if names:
                self._site.containers.ask(verb, *names, timeout=60)

    def _empty(self, cluster: KindCluster) -> None:
        """What would bring pods back goes first. Pods are waited for, so that no host lives on unseen."""
        api, place = self._site.api(cluster.place), cluster.place
        for version, kind in manifests.RACK_KINDS:
            api.delete_all(_path(place, kind, version), f"{LABEL_NAME}={place.tag}")
        api.delete_all(_path(place, "pods"), grace=GRACE_SECONDS)
        api.delete_all(_path(place, "persistentvolumeclaims"))

    def _take_rules(self) -> None:
        def taken(container: str) -> None:
            net = self._site.net_of(container)
            for rule in net.rules():
                net.delete_rule(rule)

        with ThreadPoolExecutor(4) as pool:
            list(pool.map(taken, self._containers()))

    # what is not clean

    def dirt(self) -> list[str]:
        """See clusters.kind.clean."""
        names = self._containers()
        found = [*container_dirt(names, self._site.containers.states(*names))]
        if found:
            return found  # whatever else is asked would not be answered
        wanted, _ = self._site.wanted_routes(self._site.nodes())
        found += [sentence for told in self._everywhere(self._of_cluster) for sentence in told]
        with ThreadPoolExecutor(4) as pool:
            spaces = list(pool.map(lambda name: self._of_network(name, wanted.get(name, [])), names))
        found += [sentence for told in spaces for sentence in told]
        return found or [sentence for told in self._everywhere(self._of_names) for sentence in told]

    def _of_cluster(self, cluster: KindCluster) -> list[str]:
        api, place = self._site.api(cluster.place), cluster.place
        found = [*node_dirt(cluster.name, place.spec.nodes + 1, api.nodes())]
        found += object_dirt(cluster.name, _objects(api, place))
        for node in cluster.facts():
            hosts, volumes = self._site.perform(node.name, LEFT_ON_A_NODE).split()
            if (hosts, volumes) != ("0", "0"):
                found.append(f"on node {node.name} {hosts} hosts run and {volumes} volumes are left")
        return found

    def _of_names(self, cluster: KindCluster) -> list[str]:
        if Names(self._site, cluster.place).original():
            return []
        return [f"DNS of {cluster.name} does not answer from its first file"]

    def _of_network(self, container: str, wanted: Sequence[Route]) -> list[str]:
        net = self._site.net_of(container)
        standing = net.routes()
        found = [*network_dirt(container, net.rules(), standing, wanted)]
        return [*found, *router_dirt(standing, wanted)] if container == self._site.layout.router else found


def _path(place: ClusterPlace, kind: str, version: str = "/api/v1") -> str:
    return f"{version}/namespaces/{place.spec.dns.namespace}/{kind}"


def _objects(api: Api, place: ClusterPlace) -> dict[str, list[Json]]:
    """All that a ring is made of, as far as it is there."""
    label = f"{LABEL_NAME}={place.tag}"
    found = {
        kind: list(api.get(_path(place, kind, version), labelSelector=label)["items"])
        for version, kind in manifests.RACK_KINDS
    }
    found |= {kind: list(api.get(_path(place, kind))["items"]) for kind in ("pods", "persistentvolumeclaims")}
    return {**found, "persistentvolumes": list(api.get("/api/v1/persistentvolumes")["items"])}


def keep_evidence(site: Site, folder: Path) -> None:
    """See ResetsInPlace: the last words of each container, and per cluster the objects that tell its state."""
    keep_words(site, folder)
    for place in site.layout.places:
        told = dict(_told(site, place))
        (folder / f"objects-{place.spec.name}.json").write_text(json.dumps(told, indent=1, sort_keys=True))


def _told(site: Site, place: ClusterPlace) -> Iterator[tuple[str, object]]:
    for what, path in TELLING:
        try:
            yield what, site.api(place).get(path)["items"]
        except TROUBLE as error:
            yield what, f"not to be had: {error}"
