"""Linearizability per key as a check: which operations are judged, where the proof holds, and how much was at stake."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, TypedDict, Unpack

from scenarios.checks.levels import NODE_LOCAL, SERIAL_LEVELS, must_see
from scenarios.checks.linear import CONCURRENT_SHARE, Question, concurrent, judge_keys
from scenarios.checks.registry import check, conclude
from scenarios.history import Operation
from scenarios.record import Record
from scenarios.verdict import CheckResult

_Key = int | None


class Rules(TypedDict, total=False):
    """What narrows or loosens the check.

    `keys`: only these. `mixed`: what to do with keys on which no order is promised; "refuse" (the default) makes them
    unknown, "judge" is for negative controls. `concurrency`: the share in place of CONCURRENT_SHARE; 0 switches
    the gate off.
    """

    keys: Sequence[int]
    mixed: Literal["refuse", "judge"]
    concurrency: float


@check("linearizable", ident="{workload} is a linearizable {model} per key")
def linearizable(
    record: Record, workload: str, model: str = "register", initial: int | None = None, **rules: Unpack[Rules]
) -> CheckResult:
    """The operations of every key have one order that respects real time and that the model explains.

    `model` is "register" or "cas-register", `initial` the value before the first write (None: no row). Of a CAS
    register only reads at SERIAL or LOCAL_SERIAL are judged, others may miss a decided value; reads of one replica's
    own rows are never judged. Indeterminate updates may have happened or not, at any time after their invoke.

    A key is unknown when Cassandra promises no order on it: SERIAL and LOCAL_SERIAL together, LOCAL_SERIAL in two
    datacenters, plain writes beside lightweight transactions, levels whose replicas need not overlap; and when the
    search ended at its budget. Each finding carries the few operations that contradict each other.
    """
    keys = _Keys(model, record.facts.get("replication", {}))
    wanted = rules.get("keys")
    for operation in record.of(workload):
        if wanted is None or operation.key in wanted:
            keys.add(operation)
    doubts = [] if rules.get("mixed", "refuse") == "judge" else list(keys.refuse())
    verdicts = judge_keys(keys.groups, Question(model, initial))
    doubts += [f"key {key}: undecided after {item.steps} steps" for key, item in verdicts.items() if item.legal is None]
    findings = [finding for item in verdicts.values() for finding in item.findings]
    stakes = keys.stakes()
    enough = stakes.met >= rules.get("concurrency", CONCURRENT_SHARE) * stakes.told
    return conclude(
        findings,
        doubts,
        stakes.telling if enough else 0,
        stakes.texts(),
        measured=len(findings),
        limit=0,
        unit="contradictions",
        counts={**stakes.counts(), "other reads": keys.others, "steps": sum(item.steps for item in verdicts.values())},
    )


@dataclass(frozen=True, slots=True)
class _Stakes:
    """How much was judged, and how much of it could have gone wrong.

    `contended` keys saw two operations truly at once, of `telling` keys an operation saw the value; these have `told`
    operations, `met` of them on contended keys.
    """

    operations: int
    keys: int
    contended: int
    telling: int
    told: int
    met: int

    def texts(self) -> tuple[str, str]:
        """The sentences for valid and for vacuous."""
        return (
            f"{self.operations} operations on {self.keys} keys have one order each; on {self.contended} keys some ran "
            "at once",
            f"nothing was at stake: of {self.keys} keys {self.contended} saw two operations at once, {self.telling} a "
            f"value; {self.met} of {self.told} operations were on keys with both",
        )

    def counts(self) -> dict[str, float]:
        """The figures by name."""
        return {"operations": self.operations, "keys": self.keys, "concurrent keys": self.contended}


@dataclass(slots=True)
class _Keys:
    """The operations to judge, by key, and how many reads are none of them."""

    model: str
    replication: Mapping[str, int]
    groups: defaultdict[_Key, list[Operation]] = field(default_factory=lambda: defaultdict(list))
    others: int = 0

    def add(self, operation: Operation) -> None:
        """Take the operation in, unless it is a read that may lag behind by right."""
        if operation.f == "read":
            cl = operation.cl
            if cl == NODE_LOCAL or (self.model == "cas-register" and cl not in SERIAL_LEVELS):
                self.others += 1
                return
        self.groups[operation.key].append(operation)

    def refuse(self) -> Iterator[str]:
        """Take out the keys on which no order is promised, each with the reason."""
        for key, operations in list(self.groups.items()):
            reason = _without_promise(operations, self.replication)
            if reason:
                del self.groups[key]
                yield f"key {key}: {reason}"

    def stakes(self) -> _Stakes:
        """What is left to judge."""
        groups = self.groups.values()
        contended = {key for key, group in self.groups.items() if concurrent(group)}
        telling = {key: len(group) for key, group in self.groups.items() if any(map(_tells, group))}
        return _Stakes(
            operations=sum(map(len, groups)),
            keys=len(groups),
            contended=len(contended),
            telling=len(telling),
            told=sum(telling.values()),
            met=sum(size for key, size in telling.items() if key in contended),
        )


def _tells(item: Operation) -> bool:
    """Whether an operation of the traffic saw the value: only keys with such a one count for CONCURRENT_SHARE.

    A key that a fault left with indeterminate operations alone has no order to be in doubt, and one that only the
    warm-up or the final reads touched was never meant to be contended.
    """
    return item.outcome == "ok" and item.stage is None and item.f in ("read", "cas")


def _electorate(item: Operation) -> str | None:
    """SERIAL or LOCAL_SERIAL of an operation that went through Paxos."""
    return item.serial or (item.cl if item.cl in SERIAL_LEVELS else None)


def _without_promise(operations: Sequence[Operation], replication: Mapping[str, Any]) -> str | None:
    """Why the operations of one key need not have an order, or None when they must."""
    places = {(_electorate(item), item.dc) for item in operations}
    levels = sorted({level for level, _ in places if level})
    if not levels:
        return _without_overlap(operations, replication)
    plain = next((item for item in operations if _plain_write(item)), None)
    if plain is not None:
        return f"plain writes ({plain.process} at {plain.cl}) beside {' and '.join(levels)} transactions"
    if len(levels) > 1:
        return "SERIAL and LOCAL_SERIAL have different electorates"
    homes = sorted({dc for level, dc in places if level == "LOCAL_SERIAL"})
    return f"LOCAL_SERIAL in {' and '.join(homes)}, which decide each for itself" if len(homes) > 1 else None


def _plain_write(item: Operation) -> bool:
    return item.f in ("write", "delete") and item.outcome != "fail" and _electorate(item) is None


def _without_overlap(operations: Sequence[Operation], replication: Mapping[str, Any]) -> str | None:
    if not replication:
        return None
    writes = {(item.cl, item.dc) for item in operations if item.f != "read" and item.outcome != "fail"}
    reads = {(item.cl, item.dc) for item in operations if item.f == "read" and item.outcome == "ok"}
    for write in sorted(writes):
        for read in sorted(reads):
            if not must_see(write, read, replication):
                return f"a read at {' in '.join(read)} need not see a write at {' in '.join(write)}"
    return None
