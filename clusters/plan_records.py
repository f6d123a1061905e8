"""What a plan is made of: frozen records of text and numbers, ready for JSON.

Codes are stable: a code never changes its meaning, a new rule gets a new code.

RP-PLAN-001  node and pod ranges of two joined clusters share addresses
RP-PLAN-002  two ranges of one cluster share addresses
RP-PLAN-003  a service range shares addresses with a range of another cluster that is routed here
RP-PLAN-004  an announced service range shares addresses with another service range
RP-PLAN-005  a DNS forward target lies in the asking cluster's own service range
RP-PLAN-006  a range shares addresses with a route of this machine
RP-PLAN-007  a range reaches into addresses that no network may use
RP-PLAN-010  a node's block of the pod range is too small for its pods
RP-PLAN-011  the pod range has too few blocks for the nodes
RP-PLAN-012  the node range has too few addresses for the nodes
RP-PLAN-013  the nodes of a zone hold too few pods for the ring's hosts
RP-PLAN-014  a service range is smaller or larger than Kubernetes accepts
RP-PLAN-015  a datacenter of a ring over several clusters lies on an isolated one
RP-PLAN-016  a pod range is cut into more blocks than Kubernetes accepts
RP-PLAN-020  two joined clusters answer for the same names
RP-PLAN-021  a cluster forwards its own names away
RP-PLAN-022  a DNS forward target lies in a range that no route leads to
RP-PLAN-030  packets of an overlay are larger than another cluster's network carries
RP-PLAN-100  (allowed) unannounced service ranges share addresses
RP-PLAN-101  (allowed) ranges of isolated clusters share addresses with others
RP-PLAN-102  (allowed) isolated clusters answer for names that others answer for too
RP-PLAN-103  (allowed) a cluster is isolated
RP-PLAN-200  (warning) few spare pod addresses: a released one is soon given to another pod
RP-PLAN-201  (warning) losing one zone costs a datacenter its local quorum
RP-PLAN-202  (warning) several hosts of the ring share one node
RP-PLAN-203  (warning) a range lies in public address space
RP-PLAN-204  (warning) pods of joined clusters send packets of different size
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Party:
    """One side of a conflict: who, what of theirs, and its value (a range, an address, a domain, a number)."""

    owner: str
    what: str
    value: str

    def __str__(self) -> str:
        return f"{self.owner} {self.what} {self.value}"


@dataclass(frozen=True, slots=True)
class Conflict:
    """A reason why the plan is not sound. `intersection` is what both sides claim, where there are two sides."""

    code: str
    first: Party
    second: Party | None
    intersection: str | None
    explain: str
    fix: str

    def __str__(self) -> str:
        second = f" and {self.second}" if self.second else ""
        both = f" both hold {self.intersection}" if self.intersection else ""
        return f"{self.code} {self.first}{second}{both}: {self.explain}; {self.fix}"


@dataclass(frozen=True, slots=True)
class Note:
    """Something worth knowing that does not make the plan unsound, about these parties."""

    code: str
    about: tuple[Party, ...]
    text: str


@dataclass(frozen=True, slots=True)
class ClusterFacts:
    """One cluster as planned: its ranges, the room in them, its MTU (bytes) and its names.

    `nodes_grown` is the node count times the growth factor. `node_room` and `pod_room` count nodes that fit the node
    range and the pod range; `pods_room` counts pods that fit one node's block.
    """

    name: str
    joined: bool
    node_range: str
    pod_range: str
    service_range: str
    services_announced: bool
    routing: str
    mtu: int
    pod_mtu: int
    dns_mode: str
    zone: str
    pod_domain: str
    nodes: int
    nodes_grown: int
    node_room: int
    pod_room: int
    pods_per_node: int
    pods_room: int


@dataclass(frozen=True, slots=True)
class Fixed:
    """Something that cannot be changed once the place exists, its declared values, and why."""

    what: str
    values: tuple[str, ...]
    why: str
