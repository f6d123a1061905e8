"""What kind is told: one configuration per cluster, from what the topology declares of it. Pure values.

Format: kind.x-k8s.io/v1alpha4 (kind pkg/apis/config/v1alpha4/types.go). Patches carry no apiVersion, because kind drops
one whose version is not kubeadm's without a word; `clusters.kind.asserting` looks at what came of it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from clusters.kind.layout import CONTROL_PLANE_ZONE, REGION_LABEL, ZONE_LABEL, ClusterPlace
from clusters.kind.nodeimage import NodeImage
from clusters.ring.limits import MOST_BACK_OFF

HOSTS = "/ringproof/hosts"
"""In every node: the folder `hosts` that the clusters write to."""
CODE = "/ringproof/code"
"""In every node: the probe agent's program, read-only."""

Json = dict[str, Any]


def cluster_config(place: ClusterPlace, image: NodeImage, folder: Path, timers: str) -> Json:
    """The configuration of one cluster: one control plane in no zone of a ring, and a worker per zone and number.

    ``folder`` receives what pods say in `hosts/` and holds the programs() in `code/`; ``timers`` is the ring's profile,
    of which the kubelet's back-off is a part.
    """
    spec = place.spec
    mounts: list[Json] = [
        {"hostPath": str(folder / "hosts"), "containerPath": HOSTS},
        {"hostPath": str(folder / "code"), "containerPath": CODE, "readOnly": True},
    ]
    zones = [zone for _ in range(spec.nodes_per_zone) for zone in spec.zones]
    nodes = [_node("control-plane", place, CONTROL_PLANE_ZONE, mounts)]
    nodes += [_node("worker", place, zone, mounts) for zone in zones]
    return {
        "kind": "Cluster",
        "apiVersion": "kind.x-k8s.io/v1alpha4",
        "name": place.kind_name,
        "networking": {
            "podSubnet": str(spec.pod_range),
            "serviceSubnet": str(spec.service_range),
            "disableDefaultCNI": not image.stock,
            "kubeProxyMode": "iptables",
            "dnsSearch": [],  # else the machine's own search list is tried for every name that a pod asks for
        },
        "kubeadmConfigPatches": [text(patch) for patch in patches(place, image, timers)],
        "nodes": nodes,
    }


def patches(place: ClusterPlace, image: NodeImage, timers: str) -> list[Json]:
    """What kubeadm and the kubelet are told beyond kind's own."""
    cluster: Json = {"kind": "ClusterConfiguration", "networking": {"dnsDomain": place.spec.dns.suffix}}
    # one of each, so nobody to elect: their leases alone are a write every second, to etcd and through the API server
    alone = {"leader-elect": "false"}
    cluster["controllerManager"] = {"extraArgs": {"node-cidr-mask-size": str(place.spec.node_prefix), **alone}}
    cluster["scheduler"] = {"extraArgs": alone}
    if image.etcd_tag:
        # Debian's etcd is older than the one kubeadm expects, and a tag of its series gets the flags that it knows
        cluster["etcd"] = {"local": {"imageTag": image.etcd_tag}}
    if image.coredns_tag:
        cluster["dns"] = {"imageTag": image.coredns_tag}
    kubelet: Json = {"kind": "KubeletConfiguration", "maxPods": place.spec.pods_per_node}
    if timers == "fast":
        # KEP-4603; the first pause is cut to the same value
        kubelet["featureGates"] = {"KubeletCrashLoopBackOffMax": True}
        kubelet["crashLoopBackOff"] = {"maxContainerRestartPeriod": f"{MOST_BACK_OFF['fast']:.0f}s"}
    return [cluster, kubelet]


def text(value: Json) -> str:
    """As YAML, keys in their order."""
    return yaml.safe_dump(value, sort_keys=False)


def programs() -> list[Path]:
    """The programs that run in pods, to be copied into the folder `code` before a cluster is made."""
    here = Path(__file__).parent
    return [here / "inside" / "start.sh", here / "inside" / "agent.py", here.parent / "probe.py"]


def _node(role: str, place: ClusterPlace, zone: str, mounts: list[Json]) -> Json:
    labels = {REGION_LABEL: place.spec.name, ZONE_LABEL: zone}
    return {"role": role, "labels": labels, "extraMounts": mounts}
