"""Kubernetes' truth of one kind cluster: lists and watches of its API server, and the processes that its nodes run."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from kubernetes import watch

from clusters.errors import ClustersGone, ClustersRefused
from clusters.kind.api import Api
from clusters.kind.layout import ClusterPlace
from clusters.kind.manifests import APP
from clusters.kind.picture import EVENTS, NODES, PODS, SLICES, VOLUMES, Picture
from clusters.kind.place import Site
from clusters.kind.timers import read_timers
from clusters.ring.flags import MAIN_CLASS
from clusters.truth import NodeTimers, Note, living, seen

MANAGER = "component=kube-controller-manager"
"""The label that kubeadm gives to its static pod."""
LIVING = (
    f"for one in $(grep -lsaF {MAIN_CLASS} /proc/[0-9]*/cmdline); do "
    "grep -hsazE '^(POD_NAME|POD_UID)=' ${one%cmdline}environ | tr '\\0' ' '; echo; done"
)
"""On a node: one line for each such process, with the identity that the downward API gave to its container."""
TRIES = 2
"""The shell in a node that was started again is a new one, which the first question may be the first to find out."""
PAUSE = 0.5
"""Seconds before a watch that was ended is begun again."""

Json = dict[str, Any]


def paths(place: ClusterPlace) -> dict[str, str]:
    """What is watched, by kind: in an order in which a pod comes after what its placement depends on."""
    inside = f"namespaces/{place.spec.dns.namespace}"
    return {
        NODES: "/api/v1/nodes",
        VOLUMES: "/api/v1/persistentvolumes",
        PODS: f"/api/v1/{inside}/pods",
        SLICES: f"/apis/discovery.k8s.io/v1/{inside}/endpointslices",
        EVENTS: "/api/v1/events",
    }


def identities(said: str) -> list[tuple[str, str]]:
    """Pod and uid of each line that LIVING printed, each pair once; the search's own processes have neither."""
    found: dict[tuple[str, str], None] = {}
    for line in said.splitlines():
        told = dict(word.split("=", 1) for word in line.split() if "=" in word)
        if "POD_NAME" in told and "POD_UID" in told:
            found[told["POD_NAME"], told["POD_UID"]] = None
    return list(found)


class KindTruth:
    """See clusters.truth.Truth."""

    not_modelled: Sequence[str] = ()

    def __init__(self, site: Site, place: ClusterPlace) -> None:
        self._site = site
        self._place = place

    def timers(self) -> NodeTimers:
        """See Truth: read from the controller manager's pod, the kubelets and the hosts' pods as they run."""
        api = self._site.api(self._place)
        manager = api.get("/api/v1/namespaces/kube-system/pods", labelSelector=MANAGER)["items"][0]
        nodes = [node.name for node in self._site.nodes(self._place) if node.zone in self._place.spec.zones]
        kubelets = [api.get(f"/api/v1/nodes/{node}/proxy/configz")["kubeletconfig"] for node in nodes]
        hosts = api.get(paths(self._place)[PODS], labelSelector=f"app={APP}")["items"]
        return read_timers(str(api.get("/version")["gitVersion"]), manager, kubelets, hosts)

    def look(self) -> list[Mapping[str, Any]]:
        """See Truth."""
        api, where = self._site.api(self._place), paths(self._place)
        picture = self.picture()
        records: list[Json] = []
        for kind in (NODES, VOLUMES, PODS):
            records += picture.replace(kind, api.everything(where[kind])[0])
        return [*records, self.living()]

    def picture(self) -> Picture:
        """An empty picture of this cluster."""
        return Picture(self._place.spec.name, self._place.spec.zones)

    def living(self) -> Json:
        """Whose Cassandra runs on which node, asked of every node that is not down, all at once."""
        nodes = [node.name for node in self._site.nodes(self._place)]
        down = self._site.down(nodes)
        asked = [node for node in nodes if node not in down]
        with ThreadPoolExecutor(max(1, len(asked))) as pool:
            answers = list(pool.map(self._living_on, asked))
        pods = [
            {"pod": pod, "uid": uid, "node": node}
            for node, answer in zip(asked, answers, strict=True)
            for pod, uid in answer or []
        ]
        silent = [node for node, answer in zip(asked, answers, strict=True) if answer is None]
        return living(self._place.spec.name, pods, silent)

    def _living_on(self, node: str) -> list[tuple[str, str]] | None:
        for _ in range(TRIES):
            try:
                return identities(self._site.perform(node, ["sh", "-c", LIVING]))
            except (ConnectionError, TimeoutError, ClustersRefused):
                continue
        return None

    def watch(self, note: Note) -> KindWatch:
        """See Truth."""
        return KindWatch(self._place.spec.name, self._site.api(self._place), paths(self._place), self.picture(), note)


class KindWatch:
    """One watch for each kind of entity, all into one picture; what could not be seen is noted as `unseen`."""

    def __init__(self, cluster: str, api: Api, where: Mapping[str, str], picture: Picture, note: Note) -> None:
        self._cluster, self._api, self._picture, self._note = cluster, api, picture, note
        self._over = threading.Event()
        self._lock = threading.Lock()
        self._failures: list[Exception] = []
        self._streams = {kind: watch.Watch() for kind in where}  # type: ignore[no-untyped-call]
        begun = [(kind, path, self._begin(kind, path)) for kind, path in where.items()]
        self._threads = [
            threading.Thread(target=self._watch, args=one, name=f"truth of {cluster}: {one[0]}", daemon=True)
            for one in begun
        ]
        for thread in self._threads:
            thread.start()

    def _begin(self, kind: str, path: str) -> str:
        """Take everything as it is; the version from which on changes count."""
        entities, version = self._api.everything(path)
        with self._lock:
            self._tell(self._picture.replace(kind, entities))
        return version

    def _tell(self, records: Sequence[Json]) -> None:
        for record in records:
            self._note(record)

    def _watch(self, kind: str, path: str, version: str | None) -> None:
        while not self._over.is_set():
            try:
                self._follow(kind, path, version or self._begin(kind, path))
            except (ConnectionError, TimeoutError, ClustersRefused) as error:
                if not self._over.is_set():
                    self._note(seen("unseen", self._cluster, what=kind, error=str(error)))
            except ClustersGone as error:
                self._failures.append(error)
                return
            version = None
            self._over.wait(PAUSE)

    def _follow(self, kind: str, path: str, version: str) -> None:
        for change, entity in self._api.changes(path, version, self._streams[kind]):
            with self._lock:
                if self._over.is_set():
                    return
                act = self._picture.drop if change == "DELETED" else self._picture.put
                self._tell(act(kind, entity))

    def close(self) -> None:
        """See Watching."""
        self._over.set()
        for kind, thread in zip(self._streams, self._threads, strict=True):
            while thread.is_alive():
                self._streams[kind].stop()  # type: ignore[no-untyped-call]
                thread.join(0.1)
        if self._failures:
            raise self._failures[0]
