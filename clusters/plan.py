"""The proof that a declared place is sound, or every reason why it is not. Pure: nothing is created or asked.

What each code means is listed in `clusters.plan_records`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from ipaddress import IPv4Network
from itertools import chain

from clusters import plan_addresses, plan_capacity, plan_names
from clusters.errors import PlanRefused
from clusters.plan_fixed import fixed
from clusters.plan_records import ClusterFacts, Conflict, Fixed, Note, Party
from clusters.ranges import Claim
from clusters.topology import Topology

__all__ = ["ClusterFacts", "Conflict", "Fixed", "Note", "Party", "Plan", "plan"]


@dataclass(frozen=True, slots=True)
class Plan:
    """A topology thought through: `conflicts` holds every conflict, ordered by code and then as declared.

    `allowed` lists what repeats and may, because it is never routed; `warnings` what holds at a price.
    """

    topology: str
    digest: str
    conflicts: tuple[Conflict, ...]
    allowed: tuple[Note, ...]
    warnings: tuple[Note, ...]
    clusters: tuple[ClusterFacts, ...]
    fixed: tuple[Fixed, ...]

    @property
    def sound(self) -> bool:
        """Whether nothing is in conflict."""
        return not self.conflicts

    def refuse(self) -> None:
        """Nothing when the plan is sound; else `PlanRefused`, naming every conflict with both sides and the fix."""
        if self.sound:
            return
        number = f"{len(self.conflicts)} conflict{'s' if len(self.conflicts) > 1 else ''}"
        lines = "\n".join(f"  {conflict}" for conflict in self.conflicts)
        raise PlanRefused(f"the plan of {self.topology} is not sound, {number}:\n{lines}")

    def as_json(self) -> dict[str, object]:
        """The plan as values that `json.dumps` takes; `schema` is the version of this shape."""
        return {"schema": 1, "sound": self.sound, **asdict(self)}


def plan(topology: Topology, host_routes: Sequence[IPv4Network] = ()) -> Plan:
    """The plan of a topology on a machine with these routes (none where the clusters never touch its network).

    Takes O(n log n) in the number of clusters, plus the conflicts found.
    """
    claims = plan_addresses.claims(topology, host_routes)
    known = tuple(plan_capacity.facts(topology, cluster) for cluster in topology.clusters)
    return Plan(
        topology=topology.name,
        digest=topology.digest,
        conflicts=tuple(sorted(_conflicts(topology, claims, known), key=lambda conflict: conflict.code)),
        allowed=tuple(sorted(_allowed(topology, claims), key=lambda note: note.code)),
        warnings=tuple(_warnings(topology, known)),
        clusters=known,
        fixed=tuple(fixed(topology)),
    )


def _conflicts(topology: Topology, claims: Sequence[Claim], known: tuple[ClusterFacts, ...]) -> Iterator[Conflict]:
    return chain(
        plan_addresses.overlaps(claims),
        plan_addresses.reserved(topology),
        plan_capacity.shortages(topology, known),
        plan_names.clashes(topology),
        plan_names.forwards(topology, claims),
        plan_capacity.oversized(topology),
    )


def _allowed(topology: Topology, claims: Sequence[Claim]) -> Iterator[Note]:
    return chain(plan_addresses.never_routed(topology, claims), plan_names.shared_apart(topology))


def _warnings(topology: Topology, known: tuple[ClusterFacts, ...]) -> Iterator[Note]:
    return chain(plan_capacity.tight(topology, known), plan_addresses.public(topology), plan_capacity.mixed(topology))
