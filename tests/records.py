"""Hand-written records for the tests of the checks: times in seconds, written as a story, read as a Record."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

from scenarios.checks import CheckData, run_check
from scenarios.history import SECOND, Operation
from scenarios.record import Record, Sources
from scenarios.verdict import CheckResult

BOOT = "11111111-2222-3333-4444-555555555555"
HOSTS = [
    {
        "pod": f"{dc}-{rack}-0",
        "host_id": f"id-{dc}-{rack}",
        "datacenter": dc,
        "rack": rack,
        "cluster": dc,
        "address": f"10.{net}.{place}.1",
    }
    for net, dc in ((1, "east"), (2, "west"))
    for place, rack in enumerate("abc")
]
FACTS: dict[str, Any] = {
    "schema": 1,
    "scenario": "zone-loss",
    "variant": "frozen",
    "id": "zone-loss-frozen",
    "topology": "stub-domains",
    "promise": "Both datacenters keep taking writes.",
    "datacenters": ["east", "west"],
    "replication": {"east": 3, "west": 3},
    "hosts": HOSTS,
    "faults": [],
}


def ns(seconds: float) -> int:
    """Seconds as nanoseconds."""
    return round(seconds * SECOND)


class Story:
    """What happened, told in any order; `record()` is the record in memory, `write()` the folder on disk."""

    def __init__(self, **facts: Any) -> None:
        self.facts = {**FACTS, **facts}
        self.operations: list[Operation] = []
        self.observations: list[dict[str, Any]] = []
        self.events: list[dict[str, Any]] = []

    def op(
        self, process: str, call: str, span: tuple[float, float | None], outcome: str = "ok", **fields: Any
    ) -> Operation:
        """One operation: `call` is "workload f", `span` its invoke and return; the datacenter is the name's prefix."""
        workload, f = call.split()
        known = {"cl": "LOCAL_QUORUM", "dc": process.partition("-")[0], "key": 1, **fields}
        optional = {name: known.get(name) for name in ("value", "out", "serial", "host", "stage", "error", "due")}
        if optional["due"] is not None:
            optional["due"] = ns(optional["due"])
        operation = Operation(
            index=0,
            process=process,
            op=len(self.operations) + 1,
            workload=workload,
            f=f,
            key=known["key"],
            cl=known["cl"],
            dc=known["dc"],
            invoke=ns(span[0]),
            returned=None if span[1] is None else ns(span[1]),
            outcome=outcome,  # type: ignore[arg-type]
            **optional,
        )
        self.operations.append(operation)
        return operation

    def see(self, kind: str, t: float, **fields: Any) -> Story:
        """One observation."""
        self.observations.append({"t": ns(t), "kind": kind, "by": "test", **fields})
        return self

    def event(self, event: str, t: float, **fields: Any) -> Story:
        """One event."""
        self.events.append({"t": ns(t), "event": event, **fields})
        return self

    def phase(self, name: str, t: float) -> Story:
        """A phase begins."""
        return self.event("phase", t, name=name)

    def fault(self, identity: str, *times: float | None, evidence: str | None = "3 of 3 probes unanswered") -> Story:
        """The four states of a fault at `times`; None leaves a state out."""
        for state, t in zip(("inject", "effective", "recover", "recovered"), times, strict=False):
            if t is not None:
                proof = {"evidence": evidence} if state == "effective" else {}
                self.event("fault", t, id=identity, name=f"fault {identity}", state=state, **proof)
        return self

    def record(self, **nested: Any) -> Record:
        """The record, without a file."""
        ordered = sorted(_as_read(self.operations), key=lambda item: (item.invoke, item.process, item.op))
        return Record(self.facts, Sources(lambda: ordered, lambda: self.observations, lambda: self.events), nested)

    def judge(self, data: CheckData, **nested: Any) -> CheckResult:
        """The result of one check, its parameters once through JSON as in checks.json."""
        return run_check(CheckData.from_json(json.loads(json.dumps(data.as_json()))), self.record(**nested))

    def write(self, folder: Path, checks: Sequence[CheckData] = ()) -> Path:
        """The scenario folder on disk, one segment per process."""
        (folder / "history").mkdir(parents=True)
        (folder / "scenario.json").write_text(json.dumps(self.facts))
        (folder / "checks.json").write_text(json.dumps([item.as_json() for item in checks]))
        write_lines(folder / "observations.jsonl", self.observations)
        write_lines(folder / "events.jsonl", self.events)
        for process in {operation.process for operation in self.operations}:
            lines = [line for item in self.operations if item.process == process for line in _lines(item)]
            write_lines(folder / "history" / f"{process}.jsonl", lines)
        return folder


def _as_read(operations: Sequence[Operation]) -> list[Operation]:
    """Operations whose words and numbers are objects of their own, as those of a file are: equal is not the same."""
    names = [item.name for item in fields(Operation)]
    told = json.dumps([[getattr(item, name) for name in names] for item in operations])
    return [Operation(*values) for values in json.loads(told)]


def anchored(boot: str = BOOT) -> dict[str, Any]:
    """An anchor record."""
    return {"type": "anchor", "schema": 1, "boot_id": boot, "monotonic": 0, "wall": 0.0, "process": "test"}


def write_lines(path: Path, records: Sequence[Mapping[str, Any]], boot: str = BOOT) -> None:
    """A JSON-lines file with its anchor."""
    path.write_text("".join(json.dumps(record) + "\n" for record in (anchored(boot), *records)))


def _lines(item: Operation) -> list[dict[str, Any]]:
    told = {name: value for name, value in item.as_json().items() if name not in ("index", "invoke", "returned")}
    result = {name: told.pop(name) for name in ("outcome", "out", "error", "coordinator") if name in told}
    same = {"process": item.process, "op": item.op}
    lines = [{"type": "invoke", "time": item.invoke, **told}]
    if item.returned is not None:
        outcome = result.pop("outcome")
        lines.append({"type": outcome, "time": item.returned, **same, **result})
    return lines
