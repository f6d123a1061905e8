"""Replica arithmetic: which operations belong to a consistency level, and which read must see which write.

NetworkTopologyStrategy: SERIAL and QUORUM are `sum(RF) // 2 + 1`, LOCAL_* are `RF // 2 + 1` of the coordinator's
datacenter (apache/cassandra `db/ConsistencyLevel.java`).
"""

from __future__ import annotations

from collections.abc import Mapping

from scenarios.history import Operation

SERIAL_LEVELS = frozenset(("SERIAL", "LOCAL_SERIAL"))
NODE_LOCAL = "NODE_LOCAL"
_CONDITIONAL = frozenset(("cas", "append"))
_FEW = {"ANY": 0, "ONE": 1, "LOCAL_ONE": 1, "TWO": 2, "THREE": 3}


def at_level(operation: Operation, consistency: str) -> bool:
    """Whether `operation` was asked at `consistency`; a conditional write belongs to its serial level."""
    conditional = operation.f in _CONDITIONAL and operation.serial is not None
    return (operation.serial if conditional else operation.cl) == consistency


def must_see(write: tuple[str, str], read: tuple[str, str], replication: Mapping[str, int]) -> bool:
    """Whether a read must see an acknowledged write: their replicas overlap in a datacenter, or in total.

    `write` and `read` are (consistency, coordinator's datacenter). Unknown levels overlap with nothing.
    """
    total = sum(replication.values())
    if _total(write, replication) + _total(read, replication) > total:
        return True
    return any(_within(dc, write, replication) + _within(dc, read, replication) > rf for dc, rf in replication.items())


def _total(level: tuple[str, str], replication: Mapping[str, int]) -> int:
    consistency, datacenter = level
    everywhere = {
        "ALL": sum(replication.values()),
        "QUORUM": sum(replication.values()) // 2 + 1,
        "EACH_QUORUM": sum(rf // 2 + 1 for rf in replication.values()),
        "LOCAL_QUORUM": replication.get(datacenter, 0) // 2 + 1,
    }
    return everywhere.get(consistency, _FEW.get(consistency, 0))


def _within(datacenter: str, level: tuple[str, str], replication: Mapping[str, int]) -> int:
    """The replicas of `datacenter` that a success at `level` certainly involved."""
    consistency, home = level
    rf = replication[datacenter]
    if consistency == "EACH_QUORUM" or (consistency == "LOCAL_QUORUM" and home == datacenter):
        return rf // 2 + 1
    if consistency == "LOCAL_QUORUM":
        return 0
    return max(0, _total(level, replication) - (sum(replication.values()) - rf))
