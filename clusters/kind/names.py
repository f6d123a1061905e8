"""CoreDNS of live clusters: the file in force, rules about names, and the proof that every server has it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from clusters.dns.rules import Rule
from clusters.errors import ClustersRefused, UsageError
from clusters.kind import corefile
from clusters.kind.api import Api
from clusters.kind.layout import CONTROL_PLANE_ZONE, ZONE_LABEL, ClusterPlace
from clusters.kind.place import Site
from clusters.kind.states import PID_FILE, container_identity
from clusters.waiting import until

NAMESPACE, NAME = "kube-system", "coredns"
CONFIG_PATH = f"/api/v1/namespaces/{NAMESPACE}/configmaps/{NAME}"
DEPLOYMENT_PATH = f"/apis/apps/v1/namespaces/{NAMESPACE}/deployments/{NAME}"
PODS_PATH = f"/api/v1/namespaces/{NAMESPACE}/pods"
RULES_NOTE, VERSION_NOTE = "ringproof.rules", "ringproof.corefile"
FORCE_SECONDS = 60.0
"""For a new file: the kubelet hears of it at once, CoreDNS looks every 2-3 s (reload); twenty times that."""

Json = dict[str, Any]


class Names:
    """The names of one cluster."""

    def __init__(self, site: Site, place: ClusterPlace) -> None:
        self._site = site
        self._place = place

    @property
    def _api(self) -> Api:
        return self._site.api(self._place)

    def installed(self) -> bool:
        """Whether kubeadm has put its server here; what it writes afterwards would replace ours."""
        return bool(self._api.get(DEPLOYMENT_PATH))

    def settle(self) -> None:
        """One server beside the control plane, which no zone fault touches, with a file of ours; and a port for peers.

        It is not waited for: without a pod network no server can start.
        """
        text = corefile.corefile(self._place, self._peers())
        self._write(text, [])
        template = {
            "metadata": {"annotations": {VERSION_NOTE: corefile.version(text)}},
            "spec": {"nodeSelector": {ZONE_LABEL: CONTROL_PLANE_ZONE}},
        }
        self._api.patch(DEPLOYMENT_PATH, {"spec": {"replicas": 1, "template": template}})
        ports = [
            {"name": f"dns-{protocol.lower()}", "protocol": protocol, "port": 53, "nodePort": corefile.PEER_PORT}
            for protocol in ("UDP", "TCP")
        ]
        spec = {"type": "NodePort", "selector": {"k8s-app": "kube-dns"}, "ports": ports}
        metadata = {"name": "ringproof-peers", "namespace": NAMESPACE}
        self._api.create([{"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": spec}])

    def _peers(self) -> dict[str, str]:
        found = {}
        for other in self._site.layout.joined_to(self._place):
            state = self._site.containers.state(other.control_plane)
            found[other.spec.dns.zone] = state.addresses[other.network]
        return found

    def _write(self, text: str, rules: Sequence[Rule]) -> None:
        noted = json.dumps([{key: getattr(rule, key) for key in Rule.__slots__} for rule in rules])
        body = {"metadata": {"annotations": {RULES_NOTE: noted}}, "data": {"Corefile": text}}
        self._api.patch(CONFIG_PATH, body)

    def rules(self) -> list[Json]:
        """The rules in force, oldest first."""
        notes = self._api.get(CONFIG_PATH)["metadata"].get("annotations") or {}
        return list(json.loads(notes.get(RULES_NOTE, "[]")))

    def add(self, rule: Mapping[str, Any]) -> None:
        """See FaultsDns.add_dns_rule."""
        made, standing = corefile.checked(rule), [Rule(**one) for one in self.rules()]
        for one in standing:
            if made.id == one.id or made.match == one.match:
                raise UsageError(f"rule {made.id} for {made.match}: rule {one.id} is in force already; remove it first")
        self._force([*standing, made])

    def delete(self, identity: str) -> None:
        """See FaultsDns.delete_dns_rule."""
        standing = [Rule(**one) for one in self.rules()]
        left = [one for one in standing if one.id != identity]
        if len(left) == len(standing):
            raise UsageError(f"rule {identity} is not in force in {self._place.spec.name}")
        self._force(left)

    def original(self) -> bool:
        """Whether the file that was written is the one without rules, and every server answers from it."""
        text = corefile.corefile(self._place, self._peers())
        written = self._api.get(CONFIG_PATH)["data"]["Corefile"]
        return bool(written == text and not self.rules() and self._told() == {corefile.version(text)})

    def restore(self) -> None:
        """The file without rules is in force when this returns."""
        if not self.original():
            self._force([])

    def _force(self, rules: Sequence[Rule]) -> None:
        text = corefile.corefile(self._place, self._peers(), rules)
        self._write(text, rules)
        for pod in self._servers():
            # a change of the pod makes the kubelet look at its volumes now, not within a minute (syncFrequency)
            note = {"metadata": {"annotations": {VERSION_NOTE: corefile.version(text)}}}
            self._api.patch(f"{PODS_PATH}/{pod['metadata']['name']}", note)
        version = corefile.version(text)
        self._hurry(version)
        self.await_version(version)

    def _hurry(self, version: str) -> None:
        """Once a server's node has the new file, the server is told to read it now (SIGUSR1), not within 2-3 s."""
        pids = [PID_FILE.format(identity=container_identity(pod, NAME)) for pod in self._servers()]
        node = self._place.control_plane

        def told() -> bool:
            for pid in pids:
                file = "/".join(("/proc", f"$(cat {pid})", "root", "etc/coredns/Corefile"))
                self._site.perform(node, ["sh", "-c", f"grep -q {version} {file} && kill -USR1 $(cat {pid})"])
            return True

        what = f"the new file is on {node}"
        until(what, told, timeout=FORCE_SECONDS, every=0.2, tolerate=(ClustersRefused, ConnectionError, TimeoutError))

    def _servers(self) -> list[Json]:
        found = self._api.get(PODS_PATH, labelSelector="k8s-app=kube-dns")["items"]
        return [pod for pod in found if "deletionTimestamp" not in pod["metadata"]]

    def await_settled(self) -> None:
        """The file that was written is the one that answers, to the cluster's client, by the service's address."""
        self.await_version(corefile.version(self._api.get(CONFIG_PATH)["data"]["Corefile"]))

    def await_version(self, wanted: str) -> None:
        """Every server answers from the file with this digest; WaitTimeout shows what is answered instead."""
        self_name = self._place.spec.name
        until(
            f"DNS of {self_name} has its new file", lambda: self._told() == {wanted}, timeout=FORCE_SECONDS, every=0.3
        )

    def _told(self) -> set[str]:
        addresses = [pod["status"].get("podIP") for pod in self._servers()]
        asked = [*filter(None, addresses), str(self._place.dns_service)]
        if len(asked) != len(addresses) + 1 or not addresses:
            return {"a server without an address"}
        return {self._site.ask_txt(self._place, server, corefile.VERSION_NAME) for server in asked}
