"""One cluster's API server, by the kubernetes package; answers are plain JSON, because most questions are small."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from ipaddress import IPv4Network
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import urllib3
import yaml
from kubernetes import client, config, utils, watch

from clusters.errors import ClustersGone, ClustersRefused
from clusters.kind.layout import ZONE_LABEL
from clusters.kind.routing import NodeFacts

SECONDS = 15.0
"""For one answer; a control plane that shares two cores with six starting hosts takes up to 3 s."""
WATCH_SECONDS = 60
"""A watch is ended by the server after so long; whoever goes on lists first, so nothing is missed for longer."""
REFUSED, NOT_FOUND = 400, 404
STRATEGIC = "application/strategic-merge-patch+json"

Json = dict[str, Any]


class Api:
    """Asks one API server.

    Errors of every act: ConnectionError when it does not answer, ClustersGone when the kubeconfig is no more,
    ClustersRefused with the server's words.
    """

    def __init__(self, kubeconfig: Json, context: str | None = None) -> None:
        settings = client.Configuration()
        config.load_kube_config_from_dict(  # type: ignore[no-untyped-call]
            kubeconfig, context, settings, persist_config=False
        )
        settings.retries = False
        self._client = client.ApiClient(settings)
        self.context = context or str(kubeconfig["current-context"])

    @classmethod
    def read(cls, kubeconfig: Path, context: str) -> Api:
        """The server of a context in a file; ClustersGone without the file."""
        try:
            return cls(yaml.safe_load(kubeconfig.read_text()), context)
        except OSError as error:
            raise ClustersGone(f"{kubeconfig} is gone, and the clusters with it") from error

    def call(self, method: str, path: str, body: object = None, **query: object) -> Json:
        """One request to a path of the server."""
        header = {"Accept": "application/json"}
        if body is not None:
            header["Content-Type"] = STRATEGIC if method == "PATCH" else "application/json"
        address = f"{self._client.configuration.host}{path}{'?' if query else ''}{urlencode(query)}"
        try:
            answer = self._client.call_api(method, address, header, body, _request_timeout=SECONDS)
            said: bytes = answer.read()  # type: ignore[no-untyped-call]
        except (urllib3.exceptions.HTTPError, client.ApiException, OSError) as error:
            raise ConnectionError(f"{self.context} does not answer: {error}") from error
        if answer.status >= REFUSED:
            words = said.decode(errors="replace")[:300]
            raise ClustersRefused(f"{self.context}: {answer.status} {answer.reason} to {method} {path}: {words}")
        return dict(json.loads(said))

    def get(self, path: str, **query: object) -> Json:
        """What lies at a path."""
        return self.call("GET", path, **query)

    def everything(self, path: str, **query: object) -> tuple[list[Json], str]:
        """Everything of one kind, and the version of which that is true."""
        found = self.get(path, **query)
        return list(found.get("items") or []), str(found["metadata"]["resourceVersion"])

    def changes(self, path: str, version: str, stream: watch.Watch) -> Iterator[tuple[str, Json]]:
        """What happened to entities of one kind since a version: ADDED, MODIFIED or DELETED, and the entity.

        Ends after WATCH_SECONDS, or with ConnectionError when the server ends it; ``stream.stop()`` ends it at once.
        """
        query = urlencode({"watch": "true", "resourceVersion": version, "timeoutSeconds": WATCH_SECONDS})
        address = f"{self._client.configuration.host}{path}?{query}"

        def opened(**_: object) -> Any:
            limits = (SECONDS, WATCH_SECONDS + SECONDS)
            return self._client.call_api("GET", address, {}, None, _request_timeout=limits).response

        try:
            for event in stream.stream(opened, timeout_seconds=WATCH_SECONDS):  # type: ignore[no-untyped-call]
                yield str(event["type"]), dict(event["raw_object"])
        except (urllib3.exceptions.HTTPError, client.ApiException, OSError, AttributeError) as error:
            raise ConnectionError(f"{self.context} ended the watch of {path}: {error}") from error

    def patch(self, path: str, body: Mapping[str, object]) -> Json:
        """Change what lies at a path by a strategic merge."""
        return self.call("PATCH", path, dict(body))

    def delete(self, path: str, grace: int | None = None) -> None:
        """What lies at a path is told to go, within ``grace`` seconds; what is not there is gone already."""
        query = {} if grace is None else {"gracePeriodSeconds": grace}
        try:
            self.call("DELETE", path, **query)
        except ClustersRefused as error:
            if f": {NOT_FOUND} " not in str(error):
                raise

    def delete_all(self, path: str, labels: str = "", grace: int | None = None) -> None:
        """Everything of the kind at a path is told to go: with these labels, within ``grace`` seconds."""
        query = {"labelSelector": labels, "gracePeriodSeconds": grace}
        self.call("DELETE", path, **{key: value for key, value in query.items() if value not in ("", None)})

    def create(self, objects: Sequence[Json]) -> None:
        """The objects exist when this returns; ClustersRefused when one of them did before."""
        for made in objects:
            try:
                utils.create_from_dict(self._client, made)  # type: ignore[no-untyped-call]
            except utils.FailToCreateError as error:
                raise ClustersRefused(f"{self.context}: {made['kind']} {made['metadata']['name']}: {error}") from error
            except (urllib3.exceptions.HTTPError, OSError) as error:
                raise ConnectionError(f"{self.context} does not answer: {error}") from error

    def nodes(self) -> list[Json]:
        """All nodes."""
        return list(self.get("/api/v1/nodes")["items"])

    def pods(self, namespace: str) -> list[Json]:
        """All pods of a namespace."""
        return list(self.get(f"/api/v1/namespaces/{namespace}/pods")["items"])

    def close(self) -> None:
        """Give its connections back."""
        self._client.rest_client.pool_manager.clear()


def node_facts(cluster: str, node: Json) -> NodeFacts | None:
    """Who a node is, None while it has no block of the pod range."""
    block = node["spec"].get("podCIDR")
    address = next((one["address"] for one in node["status"]["addresses"] if one["type"] == "InternalIP"), None)
    if block is None or address is None:
        return None
    name, labels = node["metadata"]["name"], node["metadata"]["labels"]
    return NodeFacts(cluster, name, labels.get(ZONE_LABEL, ""), address, IPv4Network(block))


def condition(entity: Json, kind: str) -> str:
    """The status of a condition of a node or pod: True, False or Unknown; Unknown while there is none."""
    conditions = entity.get("status", {}).get("conditions") or []
    return next((str(one["status"]) for one in conditions if one["type"] == kind), "Unknown")
