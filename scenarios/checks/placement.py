"""Where pods are and how often each lives, as the orchestrator and the nodes' own processes tell (`truth.jsonl`)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from scenarios.checks.registry import check, conclude, listed
from scenarios.record import Moment, Record
from scenarios.verdict import CheckResult, Finding

Placement = Mapping[str, Any]
Pod = tuple[str, str]
"""Cluster and name."""
GONE = "gone"


@check("placed", ident="pods are where their volumes are after {since}")
def placed(record: Record, since: Moment) -> CheckResult:
    """After `since` no pod of a host is outside of the zones that its volume can be in, and each has a node in the end.

    Vacuous when no placement was recorded at all; unknown when a host's pod, or the zone of its volume, was not seen.
    """
    start = record.moment(since)
    seen = record.seen("placement")
    findings: list[Finding] = []
    doubts: list[str] = []
    known = 0
    for cluster, pod in _hosts(record):
        own = [item for item in seen if (item["cluster"], item["pod"]) == (cluster, pod) and item["t"] >= start]
        findings += _outside(own)
        if not own:
            doubts.append(f"where {pod} is was never observed in that time")
        elif own[-1]["state"] == GONE or not own[-1]["node"]:
            detail = f"{pod} has no node after {' '.join(since)}"
            findings.append(Finding("not-returned", pod, detail, own[-1]["t"], (dict(own[-1]),)))
        elif not own[-1]["volume_zones"]:
            doubts.append(f"the zone of the volume of {pod} was never observed in that time")
        else:
            known += 1
    return conclude(
        findings,
        doubts if seen else (),
        known,
        (f"{known} pods are in the zones of their volumes{_untold(record)}", "no placement was recorded"),
        measured=len(findings),
        limit=0,
        unit="pods",
        counts={"pods": known},
    )


@check("lives_once", ident="no identity lives twice")
def lives_once(record: Record) -> CheckResult:
    """At no time has a pod two UIDs, a volume two pods, or a pod's identity two main processes.

    UIDs and volumes as the orchestrator told every change of them; processes as the nodes listed them at each look:
    one whose UID the orchestrator no longer knows lives beside its successor. Vacuous when nobody looked at processes;
    unknown when a node did not answer, or a host's process was never seen.
    """
    looks = record.seen("living")
    findings = [*_overlaps(record.seen("placement")), *_processes(looks, record.seen("placement"))]
    hosts = list(_hosts(record))
    lived = {(look["cluster"], one["pod"]) for look in looks for one in look["pods"]}
    doubts = [f"{node} was never asked whose processes run on it" for look in looks for node in look["unasked"]]
    doubts += [f"a process of {pod} was never observed in that time" for cluster, pod in hosts
               if (cluster, pod) not in lived]  # fmt: skip
    alive = len(lived & set(hosts))
    return conclude(
        findings,
        doubts if looks else (),
        alive,
        (f"{alive} pods lived once in every one of {len(looks)} looks{_untold(record)}", "nobody looked at processes"),
        measured=len(findings),
        limit=0,
        unit="identities",
        counts={"pods": alive, "looks": len(looks), "placements": len(record.seen("placement"))},
    )


def _hosts(record: Record) -> Iterable[Pod]:
    return ((str(host["cluster"]), str(host["pod"])) for host in record.hosts)


def _untold(record: Record) -> str:
    lacks = record.facts.get("not_modelled") or []
    return f"; not modelled by {record.facts.get('provider')}: {listed(lacks)}" if lacks else ""


def _outside(own: Sequence[Placement]) -> list[Finding]:
    """One finding for each node outside of the volume's zones."""
    found: dict[tuple[str, str], Finding] = {}
    for item in own:
        wrong = item["node"] and item["volume_zones"] and item["zone"] not in item["volume_zones"]
        if wrong and item["state"] != GONE:
            place = f"on {item['node']} in {item['zone'] or 'no zone'}"
            detail = f"{item['pod']} is {place}, its volume {item['volume']} in {listed(item['volume_zones'])}"
            one = Finding("outside-volume", item["pod"], detail, item["t"], (dict(item),))
            found.setdefault((item["uid"], item["node"]), one)
    return list(found.values())


def _overlaps(seen: Sequence[Placement]) -> Iterable[Finding]:
    """Two UIDs of one pod, or two pods of one volume, at once; of looks each by itself, of the watch all together."""
    alive: dict[Any, dict[str, Placement]] = defaultdict(dict)
    told: set[tuple[str, str, str]] = set()
    for item in seen:
        there = alive[item["cluster"], item.get("look")]
        if item["state"] == GONE:
            there.pop(item["uid"], None)
            continue
        there[item["uid"]] = item
        for other in there.values():
            anomaly = _twice(item, other)
            first, second = sorted((item["uid"], other["uid"]))
            if anomaly and (anomaly, first, second) not in told:
                told.add((anomaly, first, second))
                yield Finding(anomaly, item["pod"], _both(anomaly, other, item), item["t"], (dict(other), dict(item)))


def _twice(item: Placement, other: Placement) -> str | None:
    if item["uid"] == other["uid"]:
        return None
    if item["pod"] == other["pod"]:
        return "lives-twice"
    return "volume-shared" if item["volume"] is not None and item["volume"] == other["volume"] else None


def _both(anomaly: str, first: Placement, second: Placement) -> str:
    if anomaly == "volume-shared":
        return f"{first['pod']} and {second['pod']} of {second['cluster']} have the volume {second['volume']} at once"
    return (
        f"{second['pod']} of {second['cluster']} lives as {second['uid']} on {second['node']} "
        f"and as {first['uid']} on {first['node']} at once"
    )


def _processes(looks: Sequence[Mapping[str, Any]], seen: Sequence[Placement]) -> Iterable[Finding]:
    for look in looks:
        there = [item for item in seen if (item["cluster"], item.get("look")) == (look["cluster"], look.get("look"))]
        uids = {(item["pod"], item["uid"]) for item in there if item["state"] != GONE}
        homes: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
        for one in look["pods"]:
            homes[one["pod"]].append(one)
            if (one["pod"], one["uid"]) not in uids:
                detail = f"{one['node']} runs {one['pod']} as {one['uid']}, which its cluster does not know any more"
                yield Finding("stray-process", one["pod"], detail, look["t"], (dict(look),))
        for pod, found in homes.items():
            if len(found) > 1:
                places = listed(f"{one['uid']} on {one['node']}" for one in found)
                yield Finding("lives-twice", pod, f"{pod} runs as {places} at once", look["t"], (dict(look),))
