"""Two clusters with one pod range: refused before anything exists, and found out when it is forced."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from clusters.catalog import named
from clusters.cluster import ClusterSet, PodSpec
from clusters.errors import PlanRefused
from clusters.plan import plan
from clusters.probe import PORT as PROBE_PORT
from clusters.topology import Topology
from scenarios.checks import Expected, completed, nested, outcomes, reachable
from scenarios.conduct import write_checks
from scenarios.reaching import sweep_pods
from scenarios.run import Notebook
from scenarios.scenario import Checks, scenario

PHASE = "forced"
NESTED = "forced"
SUBJECT = "plan of two clusters with one pod range"


@scenario("overlap", needs_ring=False)
def overlap(book: Notebook, start: Callable[[Topology], ClusterSet]) -> Checks:
    """An address range used twice never goes unnoticed: the plan refuses it, and if forced, identity probes find it.

    The planner names both ranges and what they share before anything is created. Built all the same, pods of both
    clusters own the same addresses, and a connection to the other cluster's pod is answered by the local twin: TCP says
    yes, identity says no. That forced run is a bundle of its own and must be judged invalid.
    """
    topology = named(book.facts["topology"])
    book.phase("plan")
    shared = sorted({conflict.intersection for conflict in plan(topology).conflicts if conflict.intersection})
    try:
        plan(topology).refuse()
        outcome, detail = "accepted", "the plan was accepted"
    except PlanRefused as refusal:
        outcome, detail = "refused", str(refusal)
    first, second = topology.clusters
    for network in (first.pod_range, second.pod_range, *shared):
        if str(network) not in detail:
            outcome, detail = "refused without the reason", f"{network} is not named in: {detail}"
    book.observe("outcome", "planner", subject=SUBJECT, outcome=outcome, detail=detail)

    book.phase("build by force")
    force(book, start(topology))
    return [
        outcomes([Expected(subject=SUBJECT, outcome="refused")]),
        nested(NESTED, "invalid", "wrong-identity"),
    ]


def force(book: Notebook, clusters: ClusterSet) -> None:
    """Build the refused place, let every pod ask who the others are, and leave that as a bundle of its own."""
    pods: list[str] = []
    for cluster in clusters.clusters:
        for zone in cluster.spec.zones:
            pods.append(cluster.create_pod(PodSpec(f"{cluster.name}-twin-{zone}", zone)).name)
    states = [state for cluster in clusters.clusters for state in cluster.states() if state.name in pods]
    facts: dict[str, Any] = {
        **book.facts,
        "id": f"{book.facts['id']}-{NESTED}",
        "topology": clusters.topology.name,
        "promise": "Every pod reaches every other pod as itself.",
        "hosts": [
            {"pod": state.name, "host_id": state.uid, "datacenter": state.cluster, "rack": state.zone,
             "cluster": state.cluster, "address": state.address}
            for state in states
        ],
        "faults": [],
    }  # fmt: skip
    inner = Notebook(book.folder / "nested" / NESTED, facts, book.tell)
    inner.phase(PHASE)
    addresses = [state.address for state in states]
    inner.event("mark", name=f"{len(addresses) - len(set(addresses))} addresses are owned twice")
    sweep_pods(clusters, pods, inner.observations, PHASE, ((PROBE_PORT,), ()), {})
    inner.event("cleanup", ok=True, detail="the clusters end with the scenario around it")
    inner.close()
    write_checks(inner.folder, [reachable(PHASE, (PROBE_PORT,)), completed()])
    (inner.folder / "topology.json").write_text(json.dumps(clusters.topology.model_dump(mode="json"), indent=1))
