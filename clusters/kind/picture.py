"""One cluster as its API server tells it: what each change of a node, pod, volume, endpoint or event means.

Pure: entities are the API's JSON as it came. Only the fields named in docs/formats.md are taken from them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from clusters.kind.api import condition
from clusters.kind.layout import ZONE_LABEL
from clusters.truth import GONE, HERE, LEAVING, Placement, seen

Json = dict[str, Any]

NODES, PODS, VOLUMES, SLICES, EVENTS = "nodes", "pods", "persistentvolumes", "endpointslices", "events"
LONGEST = 500
"""Characters of an event's message that are kept."""
SERVICE_LABEL = "kubernetes.io/service-name"
"""Of an EndpointSlice (discovery.k8s.io/v1 LabelServiceName)."""


class Picture:
    """What was last heard of every entity of one cluster; records are told when something of theirs has changed."""

    def __init__(self, cluster: str, zones: Sequence[str]) -> None:
        self._cluster = cluster
        self._zones = frozenset(zones)
        self._held: dict[str, dict[str, Json]] = {kind: {} for kind in (NODES, PODS, VOLUMES, SLICES, EVENTS)}
        self._told: dict[tuple[str, ...], object] = {}
        self._begun: set[str] = set()

    def replace(self, kind: str, entities: Iterable[Json]) -> list[Json]:
        """These are all that there are. Events that were there before the first list are old and not told."""
        now = {_identity(one): one for one in entities}
        gone = [one for uid, one in self._held[kind].items() if uid not in now]
        records = [record for one in gone for record in self.drop(kind, one)]
        if kind == EVENTS and kind not in self._begun:
            for one in now.values():
                self._changed((EVENTS, _identity(one)), one.get("count"))
        self._begun.add(kind)
        self._held[kind] = now
        return records + self._tell(kind, list(now.values()))

    def put(self, kind: str, entity: Json) -> list[Json]:
        """One entity is as it is here now."""
        self._held[kind][_identity(entity)] = entity
        return self._tell(kind, [entity])

    def drop(self, kind: str, entity: Json) -> list[Json]:
        """One entity is no more."""
        self._held[kind].pop(_identity(entity), None)
        if kind == PODS and (PODS, _identity(entity)) in self._told:
            self._told.pop((PODS, _identity(entity)))
            return [{**self._placement(entity).record(), "state": GONE}]
        return []

    def placements(self) -> list[Placement]:
        """Every pod as it is."""
        return [self._placement(pod) for pod in self._held[PODS].values()]

    def zone_of(self, node: str) -> str | None:
        """The zone of a node; None when it is in none of the cluster's zones, or not known."""
        found = next((one for one in self._held[NODES].values() if one["metadata"]["name"] == node), None)
        zone = None if found is None else (found["metadata"].get("labels") or {}).get(ZONE_LABEL)
        return str(zone) if zone in self._zones else None

    def _tell(self, kind: str, entities: Sequence[Json]) -> list[Json]:
        if kind == EVENTS:
            return [record for one in entities for record in self._event(one)]
        if kind == SLICES:
            return [record for one in entities for record in self._slice(one)]
        records: list[Json] = []
        if kind == NODES:
            records += [record for one in entities for record in self._conditions(one)]
        elif kind == VOLUMES:
            records += [record for one in entities for record in self._volume(one)]
        pods = entities if kind == PODS else list(self._held[PODS].values())  # they depend on nodes and volumes
        return records + [record for pod in pods for record in self._placed(pod)]

    def _changed(self, key: tuple[str, ...], value: object) -> bool:
        changed = key not in self._told or self._told[key] != value
        self._told[key] = value
        return changed

    def _placed(self, pod: Json) -> list[Json]:
        placement = self._placement(pod)
        return [placement.record()] if self._changed((PODS, placement.uid), placement) else []

    def _placement(self, pod: Json) -> Placement:
        node = str(pod["spec"].get("nodeName") or "")
        volume = self._volume_of(pod)
        return Placement(
            cluster=self._cluster,
            pod=pod["metadata"]["name"],
            uid=pod["metadata"]["uid"],
            node=node,
            zone=self.zone_of(node),
            volume=None if volume is None else volume["metadata"]["name"],
            volume_zones=() if volume is None else self._zones_of(volume),
            ready=condition(pod, "Ready"),
            ready_since=_since(pod, "Ready"),
            state=LEAVING if pod["metadata"].get("deletionTimestamp") else HERE,
        )

    def _volume_of(self, pod: Json) -> Json | None:
        claims = {
            one["persistentVolumeClaim"]["claimName"]
            for one in pod["spec"].get("volumes") or []
            if "persistentVolumeClaim" in one
        }
        for volume in self._held[VOLUMES].values():
            claim = volume["spec"].get("claimRef") or {}
            if claim.get("name") in claims and claim.get("namespace") == pod["metadata"].get("namespace"):
                return volume
        return None

    def _zones_of(self, volume: Json) -> tuple[str, ...]:
        fitting = [node for node in self._held[NODES].values() if admits(_affinity(volume), node)]
        zones = {self.zone_of(node["metadata"]["name"]) for node in fitting}
        return tuple(sorted(zone for zone in zones if zone is not None))

    def _conditions(self, node: Json) -> Iterable[Json]:
        name = node["metadata"]["name"]
        taints = [f"{one['key']}:{one['effect']}" for one in node["spec"].get("taints") or []]
        for one in node["status"].get("conditions") or []:
            if self._changed((NODES, name, one["type"]), (one["status"], one.get("reason"), taints)):
                yield seen(
                    "node_condition", self._cluster, node=name, zone=self.zone_of(name), condition=one["type"],
                    status=one["status"], reason=one.get("reason"), since=one.get("lastTransitionTime"),
                    heartbeat=one.get("lastHeartbeatTime"), taints=taints,
                )  # fmt: skip

    def _volume(self, volume: Json) -> Iterable[Json]:
        claim = volume["spec"].get("claimRef") or {}
        facts = {"volume": volume["metadata"]["name"], "claim": claim.get("name"), "affinity": _affinity(volume),
                 "zones": list(self._zones_of(volume)), "phase": volume["status"].get("phase")}  # fmt: skip
        if self._changed((VOLUMES, facts["volume"]), facts):
            yield seen("volume", self._cluster, **facts)

    def _slice(self, one: Json) -> Iterable[Json]:
        service = (one["metadata"].get("labels") or {}).get(SERVICE_LABEL)
        members = [
            {"pod": (item.get("targetRef") or {}).get("name"), "addresses": item["addresses"],
             **{name: (item.get("conditions") or {}).get(name) for name in ("ready", "serving", "terminating")}}
            for item in one.get("endpoints") or []
        ]  # fmt: skip
        facts = {"service": service, "slice": one["metadata"]["name"], "endpoints": members}
        if self._changed((SLICES, facts["slice"]), facts):
            yield seen("endpoints", self._cluster, **facts)

    def _event(self, event: Json) -> Iterable[Json]:
        if self._changed((EVENTS, _identity(event)), event.get("count")):
            about = event.get("involvedObject") or {}
            yield seen(
                "kube_event", self._cluster, about=f"{about.get('kind')}/{about.get('name')}",
                reason=event.get("reason"), type=event.get("type"), count=event.get("count"),
                text=str(event.get("message") or "")[:LONGEST],
                reported=event.get("lastTimestamp") or event.get("eventTime"),
            )  # fmt: skip


def admits(terms: Sequence[Json] | None, node: Json) -> bool:
    """Whether a volume's required node affinity lets it be on a node: one of its terms does; without any, every one."""
    return terms is None or any(_fits(term, node) for term in terms)


def _fits(term: Json, node: Json) -> bool:
    """See k8s.io/component-helpers nodeaffinity: all expressions and fields hold; a term without any fits no node."""
    expressions, fields = term.get("matchExpressions") or [], term.get("matchFields") or []
    labels = node["metadata"].get("labels") or {}
    names = {"metadata.name": node["metadata"]["name"]}
    wanted = [*((labels, one) for one in expressions), *((names, one) for one in fields)]
    return bool(wanted) and all(_holds(values, one) for values, one in wanted)


def _holds(values: Mapping[str, str], one: Json) -> bool:
    there, listed = values.get(one["key"]), one.get("values") or []
    match one["operator"]:
        case "In":
            return there in listed
        case "NotIn":
            return there not in listed
        case "Exists":
            return there is not None
        case "DoesNotExist":
            return there is None
        case "Gt":
            return there is not None and int(there) > int(listed[0])
        case "Lt":
            return there is not None and int(there) < int(listed[0])
    return False


def _affinity(volume: Json) -> list[Json] | None:
    required = (volume["spec"].get("nodeAffinity") or {}).get("required")
    return None if required is None else list(required["nodeSelectorTerms"])


def _since(entity: Json, kind: str) -> str | None:
    conditions = entity["status"].get("conditions") or []
    return next((one.get("lastTransitionTime") for one in conditions if one["type"] == kind), None)


def _identity(entity: Json) -> str:
    return str(entity["metadata"]["uid"])
