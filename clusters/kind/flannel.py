"""The pod network of a cluster that was built from packages: flannel's daemon and the plugins of the CNI project.

Routes between nodes (host-gw) or VXLAN, as the topology declares; no masquerade, so a pod's own address is seen
everywhere. flannel's own CNI plugin is not needed: a loop beside the daemon writes the bridge's configuration.
"""

from __future__ import annotations

import json
from typing import Any

from clusters.kind.layout import ClusterPlace
from clusters.topology import VXLAN_OVERHEAD

NAMESPACE = "kube-system"
NAME = "flannel"
BRIDGE = "cni0"
API_PORT = "6443"
"""kubeadm's default port of an API server."""
VXLAN_LINK = "flannel.1"
VXLAN_ID = 1
BACKEND_ANNOTATION = "flannel.alpha.coreos.com/backend-type"
NETWORK_NAME = "ringproof"
"""Of the CNI configuration: host-local keeps the addresses of its pods below /var/lib/cni/networks/<name>."""

Json = dict[str, Any]

LOOP = """set -eu
( while :; do
    if [ -s /run/flannel/subnet.env ]; then
      . /run/flannel/subnet.env
      subnet=$(echo "$FLANNEL_SUBNET" | sed 's|[.]1/|.0/|')
      sed -e "s|\\"mtu\\": 0|\\"mtu\\": $FLANNEL_MTU|" -e "s|@SUBNET@|$subnet|" \\
        /etc/kube-flannel/conflist > /etc/cni/net.d/.ringproof
      cmp -s /etc/cni/net.d/.ringproof /etc/cni/net.d/10-ringproof.conflist ||
        mv /etc/cni/net.d/.ringproof /etc/cni/net.d/10-ringproof.conflist
    fi
    sleep 1
  done ) &
exec flanneld --iface=eth0
"""


def objects(place: ClusterPlace, image: str, control_plane: str) -> list[Json]:
    """Everything that a cluster needs for its pod network.

    ``control_plane`` is the address of its API server's node: asked there, flannel does not wait for kube-proxy, and no
    packet for the service's address follows the default route meanwhile.
    """
    backend: Json = {"Type": place.backend}
    if place.backend == "vxlan":
        backend["VNI"] = VXLAN_ID
    network = {"Network": str(place.spec.pod_range), "EnableNFTables": False, "Backend": backend}
    data = {"net-conf.json": json.dumps(network), "conflist": json.dumps(conflist(), indent=1)}
    return [
        _meta("v1", "ServiceAccount"),
        {**_meta("rbac.authorization.k8s.io/v1", "ClusterRole"), "rules": _RULES},
        {
            **_meta("rbac.authorization.k8s.io/v1", "ClusterRoleBinding"),
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": NAME},
            "subjects": [{"kind": "ServiceAccount", "name": NAME, "namespace": NAMESPACE}],
        },
        {**_meta("v1", "ConfigMap"), "data": data},
        {**_meta("apps/v1", "DaemonSet"), "spec": _daemon(image, control_plane)},
    ]


def conflist() -> Json:
    """The CNI configuration of a node; MTU (0) and @SUBNET@ are known once flannel holds the node's lease."""
    bridge = {
        "type": "bridge",
        "bridge": BRIDGE,
        "isGateway": True,
        "isDefaultGateway": True,
        "ipMasq": False,
        "hairpinMode": True,
        "mtu": 0,
        "ipam": {"type": "host-local", "ranges": [[{"subnet": "@SUBNET@"}]]},
    }
    portmap = {"type": "portmap", "capabilities": {"portMappings": True}}
    return {"cniVersion": "0.4.0", "name": NETWORK_NAME, "plugins": [bridge, portmap]}


def pod_mtu(place: ClusterPlace, engine_mtu: int) -> int:
    """The largest packet of a pod, in bytes, on an engine network with this one."""
    return engine_mtu - (VXLAN_OVERHEAD if place.backend == "vxlan" else 0)


_RULES: list[Json] = [
    {"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]},
    {"apiGroups": [""], "resources": ["nodes"], "verbs": ["get", "list", "watch"]},
    {"apiGroups": [""], "resources": ["nodes/status"], "verbs": ["patch"]},
]


def _meta(version: str, kind: str) -> Json:
    metadata = {"name": NAME} if kind.startswith("ClusterRole") else {"name": NAME, "namespace": NAMESPACE}
    return {"apiVersion": version, "kind": kind, "metadata": metadata}


def _daemon(image: str, control_plane: str) -> Json:
    names = {"POD_NAME": "metadata.name", "POD_NAMESPACE": "metadata.namespace", "NODE_NAME": "spec.nodeName"}
    environment: list[Json] = [
        {"name": key, "valueFrom": {"fieldRef": {"fieldPath": path}}} for key, path in names.items()
    ]
    known = {"KUBERNETES_SERVICE_HOST": control_plane, "KUBERNETES_SERVICE_PORT": API_PORT}
    environment += [{"name": key, "value": value} for key, value in known.items()]
    mounts = {"run": "/run/flannel", "cni": "/etc/cni/net.d", "configuration": "/etc/kube-flannel"}
    container = {
        "name": NAME,
        "image": image,
        "imagePullPolicy": "Never",
        "command": ["/bin/sh", "-c", LOOP],
        "securityContext": {"privileged": True},
        "env": environment,
        "volumeMounts": [{"name": name, "mountPath": path} for name, path in mounts.items()],
    }
    volumes = [
        {"name": name, "hostPath": {"path": mounts[name], "type": "DirectoryOrCreate"}} for name in ("run", "cni")
    ]
    pod = {
        "serviceAccountName": NAME,
        "hostNetwork": True,
        "priorityClassName": "system-node-critical",
        "tolerations": [{"operator": "Exists"}],
        "containers": [container],
        "volumes": [*volumes, {"name": "configuration", "configMap": {"name": NAME}}],
    }
    labels = {"app": NAME}
    return {"selector": {"matchLabels": labels}, "template": {"metadata": {"labels": labels}, "spec": pod}}
