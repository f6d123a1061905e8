"""What came of a cluster's declaration, asked of the cluster itself: kind drops a patch that does not fit silently."""

from __future__ import annotations

from collections import Counter
from typing import Any

import yaml

from clusters.errors import ProvisionFailed
from clusters.kind.flannel import BACKEND_ANNOTATION
from clusters.kind.layout import CONTROL_PLANE_ZONE, ClusterPlace
from clusters.kind.place import Site
from clusters.kind.routing import NodeFacts

KUBEADM_PATH = "/api/v1/namespaces/kube-system/configmaps/kubeadm-config"

Json = dict[str, Any]


def assert_as_declared(site: Site, place: ClusterPlace) -> None:
    """ProvisionFailed with everything in which the live cluster differs from its declaration."""
    api = site.api(place)
    settings = yaml.safe_load(api.get(KUBEADM_PATH)["data"]["ClusterConfiguration"])
    found = differences(place, settings, site.nodes(place), None if site.image.stock else backends(api.nodes()))
    if found:
        raise ProvisionFailed(f"cluster {place.spec.name} is not as declared: {'; '.join(found)}")


def backends(nodes: list[Json]) -> set[str]:
    """The pod networks that the nodes themselves say they use."""
    return {str((node["metadata"].get("annotations") or {}).get(BACKEND_ANNOTATION)) for node in nodes}


def differences(place: ClusterPlace, settings: Json, nodes: list[NodeFacts], used: set[str] | None) -> list[str]:
    """Sentences on what differs; ``settings`` is kubeadm's ClusterConfiguration, ``used`` the backends in use."""
    spec, network = place.spec, settings["networking"]
    wanted: dict[str, tuple[object, object]] = {
        "dnsDomain": (spec.dns.suffix, network.get("dnsDomain")),
        "pod range": (str(spec.pod_range), network.get("podSubnet")),
        "service range": (str(spec.service_range), network.get("serviceSubnet")),
        "zones": (
            Counter({CONTROL_PLANE_ZONE: 1, **dict.fromkeys(spec.zones, spec.nodes_per_zone)}),
            Counter(node.zone for node in nodes),
        ),
    }
    if used is not None:
        wanted["pod network"] = ({place.backend}, used)
    found = [f"{what} is {is_} and was declared {was}" for what, (was, is_) in wanted.items() if was != is_]
    outside = [node.name for node in nodes if not node.pods.subnet_of(spec.pod_range)]
    return found + [f"pods of {name} are outside of {spec.pod_range}" for name in outside]
