"""What a cluster made of nodes that fell silent: NotReady and eviction, beside the limits of its live settings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from scenarios.checks.registry import check, conclude, listed
from scenarios.history import SECOND
from scenarios.record import Record
from scenarios.verdict import CheckResult, Finding

Item = Mapping[str, Any]
HERE, READY = "here", "True"
REPORTED_WITHIN = 1.0
"""Seconds by which an eviction may seem early: timers of the cluster run from times that have whole seconds."""


@check("silence_noticed", ident="silent nodes of {zone} are NotReady in time after {fault}")
def silence_noticed(record: Record, fault: str, zone: str, limit: float, formula: str = "") -> CheckResult:
    """A node of `zone` (cluster/zone) that stays silent for `limit` seconds from the fault's act on is NotReady then.

    Measured from inject: the slowest node's NotReady, else how long all were held for Ready, which a shorter outage
    leaves open to them. Vacuous when no condition of a node was recorded; unknown when a node was not seen Ready before
    the fault and looked at after it, or when the watch had gaps in which NotReady may have come and gone.
    """
    outage = Outage.of(record, fault, zone)
    findings: list[Finding] = []
    doubts = [doubt for node in outage.ready if (doubt := outage.unseen(node))]
    for node in outage.ready:
        at = outage.noticed.get(node, outage.undone)
        if outage.seconds(at) > limit:
            word = "was NotReady" if node in outage.noticed else "was still held for Ready"
            detail = f"{node} {word} {outage.seconds(at):.1f} s after it fell silent, limit {limit:g} s"
            if outage.gaps:
                doubts.append(f"{detail}, but nobody looked between: {outage.gaps} gaps in the watch")
            else:
                findings.append(Finding("not-ready-late", node, detail, at))
    return conclude(
        findings,
        doubts,
        len(outage.ready),
        (outage.told(), f"no condition of a node in {zone} was recorded"),
        measured=max(map(outage.seconds, outage.noticed.values()), default=outage.seconds(outage.undone)),
        limit=limit,
        unit="s",
        formula=formula or None,
        counts={**_after("not ready", outage.noticed, outage.begun), **outage.ready_again()},
    )


@check("pods_kept", ident="pods on silent nodes of {zone} are kept for as long as they tolerate it after {fault}")
def pods_kept(
    record: Record, fault: str, zone: str, tolerated: float | None, limit: float | None = None, formula: str = ""
) -> CheckResult:
    """No pod of `zone` is told to go before its node was NotReady for `tolerated` seconds, and each is by `limit`.

    Without `tolerated` none is ever. Measured: the longest time between NotReady and eviction, else for how long the
    nodes were NotReady. Vacuous when no pod was seen in the zone before the fault.
    """
    outage = Outage.of(record, fault, zone)
    judged = [_eviction(outage, pod, tolerated, limit) for pod in outage.pods.values()]
    findings = [finding for _, finding in judged if finding is not None]
    endured = [seconds for seconds, _ in judged]
    longest = max(endured, default=None)
    kept = f"{len(endured)} pods were kept: their nodes were NotReady for {longest or 0:.1f} s"
    return conclude(
        findings,
        (),
        len(endured),
        (f"{kept} of {outage.seconds(outage.undone):.1f} s", f"no pod was seen in {zone} before the fault"),
        measured=longest,
        limit=limit,
        unit="s",
        formula=formula or None,
        counts={"pods": len(endured), **outage.pods_again()},
    )


def _eviction(outage: Outage, pod: Item, tolerated: float | None, limit: float | None) -> tuple[float, Finding | None]:
    """Seconds from NotReady until the pod was told to go, or until the outage was over; and what is wrong with that."""
    leaving = next((item for item in outage.changes(pod) if item["state"] != HERE), None)
    at = outage.undone if leaving is None else int(leaving["t"])
    since = outage.noticed.get(pod["node"])
    seconds = 0.0 if since is None else (at - since) / SECOND
    word = "was" if leaving else "was not"
    detail = f"{pod['pod']} {word} told to go {seconds:.1f} s after {pod['node']} was NotReady"
    if leaving and (tolerated is None or since is None or seconds < tolerated - REPORTED_WITHIN):
        patience = "for ever" if tolerated is None else f"for {tolerated:g} s"
        never = f"{pod['pod']} was told to go before {pod['node']} was NotReady"
        text = f"{detail if since else never}, which it tolerates {patience}"
        return seconds, Finding("evicted-early", pod["pod"], text, at, (dict(leaving),))
    if limit is not None and seconds > limit:
        return seconds, Finding("evicted-late", pod["pod"], f"{detail}, limit {limit:g} s", at)
    return seconds, None


@dataclass(frozen=True)
class Outage:
    """One zone between the act and the undoing of a fault, as its cluster saw it."""

    record: Record
    cluster: str
    zone: str
    begun: int
    undone: int

    @classmethod
    def of(cls, record: Record, fault: str, place: str) -> Outage:
        """The outage of cluster/zone; MomentMissing when the fault was not injected or never undone."""
        cluster, _, zone = place.partition("/")
        return cls(record, cluster, zone, record.moment([fault, "inject"]), record.moment([fault, "recover"]))

    def seconds(self, at: int) -> float:
        """Seconds since the fault's act."""
        return (at - self.begun) / SECOND

    @cached_property
    def ready(self) -> dict[str, list[Item]]:
        """The condition Ready of each node of the zone, by time."""
        found: dict[str, list[Item]] = {}
        for item in self.record.seen("node_condition"):
            if (item["cluster"], item["zone"], item["condition"]) == (self.cluster, self.zone, "Ready"):
                found.setdefault(str(item["node"]), []).append(item)
        return found

    @cached_property
    def noticed(self) -> dict[str, int]:
        """When each node was first seen not Ready while the fault lasted; those that never were are missing."""
        found = {}
        for node, seen in self.ready.items():
            silent = (item["t"] for item in seen if self._during(item) and item["status"] != READY)
            if at := next(silent, 0):
                found[node] = int(at)
        return found

    @cached_property
    def pods(self) -> dict[str, Item]:
        """By UID, where each pod of the zone was when the fault came."""
        last = {item["uid"]: item for item in self._placements() if item["t"] <= self.begun}
        return {uid: item for uid, item in last.items() if item["zone"] == self.zone and item["state"] == HERE}

    def changes(self, pod: Item) -> list[Item]:
        """What was seen of a pod while the fault lasted."""
        return [item for item in self._placements() if item["uid"] == pod["uid"] and self._during(item)]

    @property
    def gaps(self) -> int:
        """How often the watch of the nodes broke while the fault lasted."""
        broken = [item for item in self.record.seen("unseen") if item["cluster"] == self.cluster]
        return sum(self._during(item) for item in broken if item["what"] == "nodes")

    def unseen(self, node: str) -> str | None:
        """Why nothing can be said of a node; None when it was Ready before the fault, and looked at after it."""
        before = [item for item in self.ready[node] if item["t"] <= self.begun]
        if not before or self.ready[node][-1]["t"] < self.undone:
            return f"the condition of {node} was never observed in that time"
        if before[-1]["status"] != READY:
            return f"{node} was not Ready before the fault, so its silence was never observed in that time"
        return None

    def told(self) -> str:
        """What the nodes were held for."""
        if not self.noticed:
            lasted = f"for all of {self.seconds(self.undone):.1f} s"
            return f"{len(self.ready)} nodes held for Ready {lasted}: the outage ended before NotReady was due"
        times = (f"{node} after {self.seconds(at):.1f} s" for node, at in sorted(self.noticed.items()))
        return f"NotReady: {listed(times)}"

    def ready_again(self) -> dict[str, float]:
        """Seconds from the undoing until each node that was NotReady was Ready."""
        found = {}
        for node in self.noticed:
            back = (item["t"] for item in self.ready[node] if item["t"] >= self.undone and item["status"] == READY)
            if at := next(back, 0):
                found[node] = int(at)
        return _after("ready again", found, self.undone)

    def pods_again(self) -> dict[str, float]:
        """Seconds from the undoing until each pod that was not ready since the fault was ready."""
        found: dict[str, int] = {}
        for uid, pod in self.pods.items():
            own = [item for item in self._placements() if item["uid"] == uid and item["t"] >= self.begun]
            lost = next((item["t"] for item in own if item["ready"] != READY), None)
            if lost is not None:
                since = max(lost, self.undone)
                back = next((item["t"] for item in own if item["t"] >= since and item["ready"] == READY), 0)
                found |= {str(pod["pod"]): int(back)} if back else {}
        return _after("ready again", found, self.undone)

    def _placements(self) -> list[Item]:
        return [item for item in self.record.seen("placement") if item["cluster"] == self.cluster]

    def _during(self, item: Item) -> bool:
        return bool(self.begun <= item["t"] <= self.undone)


def _after(what: str, moments: Mapping[str, int], since: int) -> dict[str, float]:
    return {f"seconds {what} {name}": (at - since) / SECOND for name, at in sorted(moments.items())}
