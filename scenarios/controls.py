"""Negative controls: sabotaged runs that must be found, each with exactly the finding that it must produce.

A control passes when its expected check is invalid with the expected anomaly and culprit while every other check is
valid (or, where the sabotage leaves nothing to judge, when exactly the expected part of the verdict is unknown or
vacuous), and the same run without the sabotage, its twin, is valid.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from clusters.cluster import CutsNetwork
from clusters.ring.ring import Ring
from scenarios.checks import monotonic_reads, no_host_died, no_lost_writes, refused, served
from scenarios.faults.isolation import ZoneIsolation
from scenarios.faults.partition import Partition
from scenarios.run import Run
from scenarios.scenario import Checks, Tier, scenario
from scenarios.settling import EXPECTED_ERRORS, agree_again, answer_again, deliver_hints
from scenarios.verdict import ScenarioVerdict, Verdict
from scenarios.workloads.declared import LOCAL_QUORUM, ONE, QUORUM, Ledger, Probe, ProbeLane, Registers

LANES = (ProbeLane("write", LOCAL_QUORUM, 20.0), ProbeLane("write", QUORUM, 5.0))
CUT_SECONDS = 6.0
"""A QUORUM write that is refused by time-out returns after 2 s: several whole ones fit in."""


class NotInjected(Partition):
    """A partition that is declared and never made: its effect cannot be proven, and nothing may be concluded."""

    def inject(self, run: Run) -> None:
        """Nothing is done: that is the sabotage."""


@scenario(
    "control-cut",
    variants={
        "honest": {"injected": True, "traffic": True},
        "not-injected": {"injected": False, "traffic": True},
        "no-traffic": {"injected": True, "traffic": False},
    },
    requires=[CutsNetwork],
    tier=Tier.SELFTEST,
)
def control_cut(run: Run, ring: Ring, *, injected: bool, traffic: bool) -> Checks:
    """A short partition: QUORUM is refused in it, LOCAL_QUORUM goes on, nothing acknowledged is lost."""
    home, away = ring.datacenters
    east, west = home.cluster, away.cluster
    cut = Partition(east, west) if injected else NotInjected(east, west)
    workloads = (Ledger(), Probe(LANES)) if traffic else (Ledger(),)

    with run.load(*workloads):
        run.hold("baseline")
        with run.fault(cut) as fault:
            run.hold("cut", CUT_SECONDS)
        agree_again(run, ring.limits.reconnect)
        answer_again(run)
    deliver_hints(run)
    run.final_reads()

    return [
        *[served(datacenter.name, LOCAL_QUORUM, minimum=40) for datacenter in ring.datacenters],
        refused(QUORUM, fault),
        no_lost_writes(),
        no_host_died(allowed=EXPECTED_ERRORS),
    ]


@scenario(
    "control-stale",
    variants={"honest": {"consistency": LOCAL_QUORUM}, "one-one": {"consistency": ONE}},
    requires=[CutsNetwork],
    tier=Tier.SELFTEST,
)
def control_stale(run: Run, ring: Ring, *, consistency: str) -> Checks:
    """Reads never go back while one host is cut from the others and clients still ask it, without read repair.

    At LOCAL_QUORUM the isolated host can answer nobody. At ONE it answers from its own rows, which hints cannot reach
    during the cut: its readers go back in time.
    """
    home = ring.datacenters[0]
    with run.load(Registers(consistency, rate=20.0, keys=4, readers=2), read_repair="NONE"):
        run.hold("baseline")
        with run.fault(ZoneIsolation(home, home.zones[0])):
            run.hold("isolated", CUT_SECONDS)
        agree_again(run, ring.limits.reconnect)
    return [monotonic_reads(overlapping=False), no_host_died(allowed=EXPECTED_ERRORS)]


@dataclass(frozen=True, slots=True)
class Expected:
    """What a control must end with: the verdicts of its parts and, if a check must fail, its one kind of finding.

    Several `anomaly` names: the first must be found, the others may be.
    """

    system: Verdict
    evidence: Verdict = Verdict.VALID
    check: str | None = None
    anomaly: str | tuple[str, ...] | None = None
    who: str | None = None


@dataclass(frozen=True, slots=True)
class Control:
    """One sabotage: a variant of a control scenario, or a change to the recorded files of its honest twin."""

    name: str
    scenario: str
    variant: str
    expected: Expected
    tamper: Callable[[Path], str] | None = None


def drop_acked(folder: Path) -> str:
    """Take one acknowledged ledger value out of every recorded final read, as a recorder that lost it would."""
    victim: list[tuple[int, int]] = []
    segments = sorted((folder / "history").glob("*.jsonl"))
    for path in segments:
        victim = victim or _first_acked(path)
    bucket, value = victim[0]
    for path in segments:
        lines = [json.loads(line) for line in path.read_text().splitlines()]
        reads = {
            (line["process"], line["op"])
            for line in lines
            if line.get("f") == "read" and line.get("workload") == "ledger" and line.get("key") == bucket
        }
        for line in lines:
            if line["type"] == "ok" and (line["process"], line["op"]) in reads and value in (line.get("out") or ()):
                line["out"].remove(value)
        path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return "east"


def _first_acked(path: Path) -> list[tuple[int, int]]:
    pending: dict[tuple[str, int], dict[str, Any]] = {}
    for line in map(json.loads, path.read_text().splitlines()):
        if line["type"] == "invoke" and line["workload"] == "ledger" and line["f"] == "write":
            pending[line["process"], line["op"]] = line
        elif line["type"] == "ok" and (line.get("process"), line.get("op")) in pending:
            invoke = pending[line["process"], line["op"]]
            return [(invoke["key"], invoke["value"])]
    return []


def forge_ok(folder: Path) -> str:
    """Write one QUORUM write into the history that was served in the middle of the cut."""
    events = [json.loads(line) for line in (folder / "events.jsonl").read_text().splitlines()]
    times = {event["state"]: event["t"] for event in events if event.get("event") == "fault"}
    middle = (times["effective"] + times["recover"]) // 2
    path = sorted((folder / "history").glob("*.jsonl"))[0]
    call = {"workload": "probe", "f": "write", "key": 1, "value": 1, "cl": QUORUM, "dc": "east"}
    with path.open("a") as out:
        for record in (
            {"type": "invoke", "time": middle, "process": "forger", "op": 1, **call},
            {"type": "ok", "time": middle + 1000, "process": "forger", "op": 1, "out": None},
        ):
            out.write(json.dumps(record) + "\n")
    return "forger"


CONTROLS = (
    Control("a fault that is declared and not injected", "control-cut", "not-injected",
            Expected(Verdict.UNKNOWN, Verdict.UNKNOWN)),
    Control("a workload without traffic", "control-cut", "no-traffic", Expected(Verdict.VACUOUS)),
    Control("an acknowledged write taken out by the recorder", "control-cut", "honest",
            Expected(Verdict.INVALID, check="no_lost_writes", anomaly="lost"), drop_acked),
    Control("an operation forged as served inside the cut", "control-cut", "honest",
            Expected(Verdict.INVALID, check="refused", anomaly="served-in-cut", who="forger"), forge_ok),
    Control("reads at ONE with repair off under a cut", "control-stale", "one-one",
            Expected(Verdict.INVALID, check="monotonic_reads", anomaly="stale-read")),
)  # fmt: skip


def tampered(twin: Path, control: Control, folder: Path) -> tuple[Path, Expected]:
    """A copy of the twin's bundle with the sabotage in its files, and what it must be found to be."""
    assert control.tamper is not None
    shutil.copytree(twin, folder)
    who = control.tamper(folder)
    return folder, replace(control.expected, who=control.expected.who or who)


def disappointment(verdict: ScenarioVerdict, expected: Expected) -> str | None:
    """None when the control was found out exactly as declared, else what is different."""
    parts = verdict.as_json()
    for part, wanted in (("system", expected.system), ("evidence", expected.evidence), ("cleanup", Verdict.VALID)):
        if parts[part] != wanted.value:
            return f"{part} is {parts[part]} instead of {wanted.value}: {parts['explain']}"
    guilty = [check for check in parts["checks"] if check["verdict"] == Verdict.INVALID.value]
    if expected.check is None:
        return f"{guilty[0]['id']} is invalid" if guilty else None
    if [check["check"] for check in guilty] != [expected.check]:
        return f"invalid checks are {[check['check'] for check in guilty]}, not only {expected.check}"
    spoiled = [check["id"] for check in parts["checks"] if check["verdict"] not in ("valid", "invalid")]
    if spoiled:
        return f"beside it {spoiled[0]} is not valid"
    findings = guilty[0]["findings"]
    anomalies = (expected.anomaly,) if isinstance(expected.anomaly, str) else expected.anomaly or ()
    found = {finding["anomaly"] for finding in findings}
    if not found <= set(anomalies):
        return f"anomalies are {sorted(found)}, not only {', '.join(anomalies)}"
    if anomalies and anomalies[0] not in found:
        return f"anomalies are {sorted(found)}, without {anomalies[0]}"
    if expected.who is not None and expected.who not in {finding["who"] for finding in findings}:
        return f"nobody found is {expected.who}: {sorted({finding['who'] for finding in findings})}"
    return None
