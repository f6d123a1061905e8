"""What keeps kind clusters from being as they were before their first pod: sentences, each of something that was seen.

Pure, from the answers of API servers, networks and nodes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from clusters.kind.api import condition
from clusters.kind.containers import ContainerState
from clusters.kind.routing import missing
from clusters.network import Route, Rule

TAINTED = "node.kubernetes.io/"
"""What Kubernetes itself marks an unready or unreachable node with; a host would not be scheduled there."""

Json = dict[str, Any]


def container_dirt(names: Iterable[str], states: Sequence[ContainerState]) -> Iterator[str]:
    """Containers of the set that are gone, stopped or frozen."""
    known = {state.name: state for state in states}
    for name in names:
        state = known.get(name)
        if state is None:
            yield f"container {name} is gone"
        elif state.paused or not state.running:
            yield f"container {name} is {'frozen' if state.paused else 'stopped'}"


def node_dirt(cluster: str, wanted: int, nodes: Sequence[Json]) -> Iterator[str]:
    """Nodes that are missing, not ready, or closed to new pods."""
    if len(nodes) != wanted:
        yield f"cluster {cluster} has {len(nodes)} nodes instead of {wanted}"
    for node in nodes:
        name, spec = node["metadata"]["name"], node["spec"]
        ready = condition(node, "Ready")
        if ready != "True":
            yield f"node {name} is not ready ({ready})"
        taints = [taint["key"] for taint in spec.get("taints") or [] if taint["key"].startswith(TAINTED)]
        if taints or spec.get("unschedulable"):
            yield f"node {name} takes no pods: {', '.join(taints) or 'cordoned'}"


def object_dirt(cluster: str, found: Mapping[str, Sequence[Json]]) -> Iterator[str]:
    """Objects that a ring or a fault left, by kind."""
    for kind, items in found.items():
        if items:
            yield f"{kind} of {cluster}: {', '.join(sorted(item['metadata']['name'] for item in items))}"


def network_dirt(
    space: str, rules: Sequence[Rule], standing: Sequence[Route], wanted: Sequence[Route]
) -> Iterator[str]:
    """Rules of ours in a network, and routes between the clusters that it lacks."""
    if rules:
        yield f"{space} has {len(rules)} rules of ours, such as {rules[0]}"
    lacking = missing(standing, wanted)
    if lacking:
        yield f"{space} lacks {len(lacking)} routes, such as {lacking[0].destination}"


def router_dirt(standing: Sequence[Route], wanted: Sequence[Route]) -> Iterator[str]:
    """Routes of the router that are nobody's; those of its own networks have neither a next hop nor a kind."""
    strange = [route for route in missing(wanted, standing) if route.via is not None or route.kind != "unicast"]
    own = [route for route in strange if route.destination != "0.0.0.0/0"]  # the engine's, towards its own bridge
    if own:
        yield f"the router has {len(own)} routes more, such as {own[0].destination} by {own[0].via or own[0].kind}"
