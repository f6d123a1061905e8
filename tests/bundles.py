"""Small run folders for tests of the reports. TEST DATA: every name, time, host and outcome in them is made up.

``write_run`` writes one scenario for each word asked for: ``valid`` (a pod comes back under a new address),
``invalid`` (QUORUM writes served inside a cut), ``unknown`` (a fault that never bit), ``vacuous`` (no traffic),
and ``nested`` (valid, with an invalid scenario judged apart inside it).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

Json = dict[str, Any]

NS = 1_000_000_000
BOOT = "7e57da7a-0000-4000-8000-000000000000"
START = 5_000 * NS
WALL = 1_795_593_600.25
SPANS = {"valid": 60, "invalid": 90, "unknown": 40, "vacuous": 10, "nested": 8}
IDS = {
    "valid": "pod-reschedule-stub-domains",
    "invalid": "partition-both-ways-stub-domains",
    "unknown": "dns-failure-stale-shared-suffix",
    "vacuous": "baseline-shared-suffix",
    "nested": "cidr-overlap",
}
CLUSTERS = {"east": 81, "west": 82}
ZONES = ("a", "b", "c")
LEVELS = ("LOCAL_QUORUM", "QUORUM", "SERIAL")


def host_id(pod: str) -> str:
    """A host id that is plainly made up."""
    return f"{sum(pod.encode()):08x}-0000-4000-8000-{len(pod):012x}"


HOSTS: list[Json] = [
    {
        "pod": f"{cluster}-{zone}-0",
        "host_id": host_id(f"{cluster}-{zone}-0"),
        "datacenter": cluster,
        "rack": zone,
        "cluster": cluster,
        "address": f"10.{net}.{at}.11",
    }
    for cluster, net in CLUSTERS.items()
    for at, zone in enumerate(ZONES, start=1)
]
PODS = [host["pod"] for host in HOSTS]


def at(second: float) -> int:
    """Monotonic ns of a second of the scenario."""
    return START + round(second * NS)


def anchor(process: str) -> Json:
    """The first record of each .jsonl file."""
    return {"type": "anchor", "schema": 1, "boot_id": BOOT, "monotonic": START, "wall": WALL, "process": process}


def write_lines(path: Path, records: Iterable[Json]) -> None:
    """Write an anchored .jsonl file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = [json.dumps(record) for record in [anchor(path.stem), *records]]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def write_json(path: Path, value: object) -> None:
    """Write a JSON file as the judge does: keys sorted."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value, sort_keys=True, indent=1) + "\n", encoding="utf-8")


@dataclass
class Made:
    """The files of one scenario folder before they are written."""

    word: str
    promise: str
    topology: str
    parts: tuple[str, str, str]
    checks: list[Json]
    events: list[Json]
    operations: Callable[[str], Iterator[Json]] = field(default=lambda dc: iter(()))
    observations: list[Json] = field(default_factory=list)

    @property
    def id(self) -> str:
        """The scenario's id."""
        return IDS[self.word]


def check(verdict: str, kind: str, identity: str, explain: str, **more: Any) -> Json:
    """One judged check; ``params`` goes to checks.json only."""
    told = {"measured": None, "limit": None, "unit": "", "formula": "", "counts": {}, "findings": [], "params": {}}
    return {"check": kind, "id": identity, "version": 1, "verdict": verdict, "explain": explain, **told, **more}


def fault(
    identity: str, name: str, inject: float, effective: float | None, recover: float, recovered: float
) -> list[Json]:
    """The life of one fault; without ``effective`` nothing ever saw it bite."""
    events = [{"t": at(inject), "event": "fault", "id": identity, "name": name, "state": "inject"}]
    if effective is not None:
        evidence = "3 of 3 probes behaved as the fault means (test data)"
        events.append(
            {"t": at(effective), "event": "fault", "id": identity, "state": "effective", "evidence": evidence}
        )
    events.append({"t": at(recover), "event": "fault", "id": identity, "state": "recover"})
    told = "6 of 6 probes answered again (test data)"
    return [*events, {"t": at(recovered), "event": "fault", "id": identity, "state": "recovered", "evidence": told}]


def phases(*named: tuple[str, float]) -> list[Json]:
    """Phase events."""
    return [{"t": at(second), "event": "phase", "name": name} for name, second in named]


def ending(second: float) -> list[Json]:
    """The clean-up event."""
    return [{"t": at(second), "event": "cleanup", "ok": True, "detail": "0 entries left in the journal"}]


def probes(dc: str, span: float, outcome: Callable[[float, str, str], str], coordinator: str) -> Iterator[Json]:
    """An open-loop probe: ten writes a second and level; ``outcome(second, dc, level)`` is ok, info or fail."""
    for tick in range(int(span * 10)):
        for place, level in enumerate(LEVELS):
            second = 0.05 + tick / 10
            op, process = tick * len(LEVELS) + place, f"{dc}-probe-0"
            yield {
                "type": "invoke",
                "time": at(second),
                "process": process,
                "op": op,
                "workload": "probe",
                "f": "write",
                "key": place,
                "value": tick,
                "cl": level,
                "dc": dc,
                "due": at(second) - 200_000,
            }
            found = outcome(second, dc, level)
            took = {"ok": 0.002 + (tick * 7 % 13) / 4000, "info": 2.0, "fail": 0.01}[found]
            told = (
                {"coordinator": coordinator, "out": None}
                if found == "ok"
                else {"error": ["Refused", "SIMPLE", level, "test"]}
            )
            yield {"type": found, "time": at(second + took), "process": process, "op": op, **told}


def view(second: float, asker: Json, down: Iterable[str] = (), moved: dict[str, str] | None = None) -> Json:
    """What one host sees of the ring."""
    peers = [
        {
            **{key: host[key] for key in ("host_id", "datacenter", "rack")},
            "schema": "s1",
            "address": (moved or {}).get(host["pod"], host["address"]),
        }
        for host in HOSTS
        if host is not asker
    ]
    return {
        "t": at(second),
        "kind": "ring_view",
        "by": "observer",
        "host": asker["host_id"],
        "address": asker["address"],
        "datacenter": asker["datacenter"],
        "rack": asker["rack"],
        "schema": "s1",
        "ok": True,
        "peers": peers,
        "down": [host_id(pod) for pod in down],
        "hints": {},
    }


def reach(second: float, phase: str, ends: tuple[Json, Json], *, ok: bool, answered: str | None = None) -> Json:
    """One reachability probe between the pods of two hosts."""
    source, target = (
        {**{key: host[key] for key in ("cluster", "pod", "address")}, "uid": f"uid-{host['pod']}"} for host in ends
    )
    return {
        "t": at(second),
        "kind": "reach",
        "by": "probe",
        "source": source,
        "target": target,
        "port": 7000,
        "ok": ok,
        "answered": (answered or target["uid"]) if ok else None,
        "expected": target["uid"],
        "phase": phase,
        "source_seen": source["address"] if ok else None,
        "bytes": 1,
        "seconds": 0.01,
        "error": None if ok else "timed out",
    }


def all_pairs(second: float, phase: str, answers: Callable[[Json, Json], bool] = lambda a, b: True) -> list[Json]:
    """One probe for each ordered pair of pods."""
    return [reach(second, phase, (a, b), ok=answers(a, b)) for a in HOSTS for b in HOSTS if a is not b]


def dns(second: float, cluster: str, pod: str, rcode: str, addresses: list[str], expected: str) -> Json:
    """One DNS answer."""
    owner = pod.split("-", maxsplit=1)[0]
    return {
        "t": at(second),
        "kind": "dns_answer",
        "by": "probe",
        "cluster": cluster,
        "name": f"{pod}.{owner}.local",
        "pod": pod,
        "rcode": rcode,
        "addresses": addresses,
        "expected": expected,
        "seconds": 0.002,
    }


def pod(second: float, host: Json, state: str, address: str, uid: str = "1") -> Json:
    """One observation of a pod."""
    return {
        "t": at(second),
        "kind": "pod",
        "by": "lab",
        "cluster": host["cluster"],
        "pod": host["pod"],
        "uid": f"uid-{uid}",
        "address": address,
        "state": state,
        "restarts": 0,
        "exit_code": None,
        "reason": None,
    }


def made_valid() -> Made:
    """A pod is killed and comes back under a new address; everything stays inside its limits."""
    home, old, new = HOSTS[0], HOSTS[0]["address"], "10.81.1.27"
    observations = [
        view(
            second,
            asker,
            [home["pod"]] if 16 <= second < 29 else [],
            {home["pod"]: new} if second >= 29 + 2 * (asker is HOSTS[4]) else None,
        )
        for second in range(0, 60, 2)
        for asker in HOSTS[1:]
    ]
    for second in range(60):
        for cluster in CLUSTERS:
            late = 33 if cluster == "west" else 25
            expected = old if second < 22 else new
            answers = ("NOERROR", [old if second < late else new])
            observations += [
                dns(second, cluster, home["pod"], *answers, expected),
                dns(second, cluster, PODS[1], "NOERROR", ["10.81.2.11"], "10.81.2.11"),
            ]
    observations += [pod(0, host, "running", host["address"]) for host in HOSTS]
    observations += [pod(15, home, "exited", ""), pod(22, home, "running", new, "2")]
    for name, second in (("baseline", 2.0), ("pod gone", 17.0), ("healed", 50.0)):
        observations += all_pairs(second, name, lambda a, b: name != "pod gone" or home not in (a, b))  # noqa: B023
    events = [
        *phases(("baseline", 0), ("pod gone", 14), ("healed", 45)),
        *fault("F1", "east-a-0 rescheduled", 15, 15.4, 22, 33),
        {"t": at(15), "event": "mark", "name": "killed east-a-0"},
        {
            "t": at(29),
            "event": "waited",
            "for": "every view has the new address",
            "seconds": 7.1,
            "limit": 60,
            "formula": "boot 28 + gossip 15 + slack 17",
            "timer": False,
        },
        {
            "t": at(44),
            "event": "waited",
            "for": "hint dispatch",
            "seconds": 10.2,
            "limit": 20,
            "formula": "dispatch 10 + slack 10",
            "timer": True,
        },
        *ending(59),
    ]
    checks = [
        check(
            "valid",
            "resolution",
            "names follow the pod",
            "every name was right in time",
            measured=11,
            limit=35,
            unit="s",
            formula="ttl 5 + cache 25 + slack 5",
        ),
        check(
            "valid",
            "views",
            "every view has the new address",
            "all views agree",
            measured=9.3,
            limit=60,
            unit="s",
            formula="boot 28 + gossip 15 + slack 17",
        ),
        check(
            "valid",
            "no-lost-writes",
            "no acknowledged write is lost",
            "none is missing",
            measured=0,
            limit=0,
            unit="writes",
            formula="write 2 + read 2 > replication 3",
        ),
        check(
            "valid",
            "served",
            "LOCAL_QUORUM outside F1, east",
            "served",
            measured=99.97,
            limit=99.9,
            unit="%",
            formula="no replica is touched",
            params={"consistency": "LOCAL_QUORUM", "datacenter": "east"},
        ),
    ]

    def outcome(second: float, dc: str, level: str) -> str:
        hurt = dc == "east" and 15 <= second < 15.6
        return "info" if hurt and (level == "SERIAL" or round(second * 10) % 3 == 0) else "ok"

    return Made(
        "valid",
        "A pod that returns under a new address is the same host to every peer, and its name follows it everywhere.",
        "stub-domains",
        ("valid", "valid", "valid"),
        checks,
        events,
        lambda dc: probes(dc, 60, outcome, HOSTS[1]["host_id"]),
        observations,
    )


def made_invalid() -> Made:
    """Both datacenters are cut apart, and two QUORUM writes are acknowledged inside the cut."""

    def crosses(a: Json, b: Json) -> bool:
        return a["cluster"] != b["cluster"]

    observations = (
        all_pairs(3, "baseline") + all_pairs(40, "cut", lambda a, b: not crosses(a, b)) + all_pairs(85, "healed")
    )
    for second in range(0, 90, 3):
        for asker in HOSTS:
            other = "west" if asker["cluster"] == "east" else "east"
            down = [name for name in PODS if name.startswith(other)] if 38 <= second < 66 else []
            observations.append(view(second, asker, down))
    served = [
        {
            "process": "east-probe-0",
            "op": op,
            "f": "write",
            "key": 1,
            "value": op // 3,
            "cl": "QUORUM",
            "dc": "east",
            "invoke": at(0.05 + op // 3 / 10),
            "returned": at(0.06 + op // 3 / 10),
            "outcome": "ok",
            "index": op,
            "workload": "probe",
            "coordinator": HOSTS[1]["host_id"],
        }
        for op in (1336, 1339)
    ]
    finding = {
        "anomaly": "served-in-cut",
        "who": "east-probe-0",
        "at": at(44.56),
        "detail": "write 445 at QUORUM through east-b-0 was acknowledged with only three of six replicas in reach",
        "operations": served,
    }
    checks = [
        check(
            "invalid",
            "refused",
            "refused QUORUM in F1",
            "2 QUORUM operations were acknowledged inside the cut",
            measured=2,
            limit=0,
            unit="operations",
            formula="3 of 6 replicas < quorum 4",
            counts={"ok": 2, "refused": 598},
            findings=[finding],
            params={"consistency": "QUORUM", "window": "F1"},
        ),
        check(
            "valid",
            "refused",
            "refused SERIAL in F1",
            "none was acknowledged",
            measured=0,
            limit=0,
            unit="operations",
            formula="3 of 6 replicas < quorum 4",
            counts={"ok": 0, "refused": 600},
            params={"consistency": "SERIAL", "window": "F1"},
        ),
        check(
            "valid",
            "served",
            "LOCAL_QUORUM in F1, both sides",
            "served",
            measured=100,
            limit=99.9,
            unit="%",
            formula="all 3 local replicas stay",
            params={"consistency": "LOCAL_QUORUM"},
        ),
    ]
    events = [
        *phases(("baseline", 0), ("cut", 20), ("healed", 66)),
        *fault("F1", "east and west cut apart", 20, 20.4, 62, 66.5),
        {
            "t": at(38),
            "event": "waited",
            "for": "conviction",
            "seconds": 17.2,
            "limit": 18.4,
            "formula": "phi 8 / 0.434 x 1 s",
            "timer": True,
        },
        *ending(89),
    ]

    def outcome(second: float, dc: str, level: str) -> str:
        if level == "LOCAL_QUORUM" or not 20.4 <= second < 64:
            return "ok"
        if level == "QUORUM" and dc == "east" and round((second - 0.05) * 10) in (445, 446):
            return "ok"
        return "info" if second < 38 else "fail"

    return Made(
        "invalid",
        "Cut apart, each datacenter serves LOCAL_QUORUM alone, and QUORUM is refused on both sides.",
        "stub-domains",
        ("invalid", "valid", "valid"),
        checks,
        events,
        lambda dc: probes(dc, 90, outcome, HOSTS[1]["host_id"]),
        observations,
    )


def made_unknown() -> Made:
    """Stale DNS answers were declared, and no probe ever saw one."""
    observations = [dns(second, "west", PODS[0], "NOERROR", ["10.81.1.11"], "10.81.1.11") for second in range(40)]
    checks = [
        check(
            "unknown",
            "identity",
            "no client ends at a wrong host",
            "F1 was never seen to bite, so nothing was judged",
            measured=0,
            limit=1,
            unit="stale answers",
            formula="vacuity gate: at least one name",
        )
    ]
    events = [
        *phases(("baseline", 0), ("stale", 10)),
        *fault("F1", "west told old addresses", 10, None, 30, 30.5),
        *ending(39),
    ]
    return Made(
        "unknown",
        "A client that is told an old address ends at the right host or at none.",
        "shared-suffix",
        ("unknown", "unknown", "valid"),
        checks,
        events,
        lambda dc: probes(dc, 40, lambda *_: "ok", HOSTS[1]["host_id"]),
        observations,
    )


def made_vacuous() -> Made:
    """No client ever sent anything."""
    checks = [
        check(
            "vacuous",
            "served",
            "LOCAL_QUORUM in baseline",
            "no operation was sent",
            measured=0,
            limit=1,
            unit="operations",
        )
    ]
    return Made(
        "vacuous",
        "Six hosts know each other, and every pod name resolves in both clusters.",
        "shared-suffix",
        ("vacuous", "valid", "valid"),
        checks,
        [*phases(("baseline", 0)), *ending(9)],
    )


def made_nested(*, inner: bool = False) -> Made:
    """An overlap that was found (valid), or the forced run inside it, where the wrong pod answers (invalid)."""
    observations = all_pairs(2, "forced")
    events = [*phases(("forced", 0)), *ending(7)]
    if not inner:
        checks = [
            check(
                "valid",
                "plan",
                "the plan is refused",
                "both ranges and their intersection were named",
                measured=1,
                limit=1,
                unit="conflicts",
            ),
            check("valid", "nested", "the forced run is found invalid", "its verdict is invalid, as it must be"),
        ]
        return Made(
            "nested", "An overlap never goes unnoticed.", "overlap", ("valid", "valid", "valid"), checks, events
        )
    observations = [
        one for one in observations if one["target"]["pod"] != PODS[3] or one["source"]["cluster"] != "east"
    ]
    observations += [reach(3, "forced", (HOSTS[0], HOSTS[3]), ok=True, answered=f"uid-{PODS[1]}")]
    finding = {
        "anomaly": "wrong-identity",
        "who": PODS[0],
        "detail": f"{PODS[3]} was asked and {PODS[1]} answered",
        "at": at(3),
        "operations": [],
    }
    checks = [
        check(
            "invalid",
            "reachability",
            "who answers is who was asked",
            "1 probe was answered by the wrong pod",
            measured=1,
            limit=0,
            unit="wrong identities",
            formula="identity is never approximate",
            findings=[finding],
        )
    ]
    return Made(
        "nested",
        "The pod that answers is the pod that was asked.",
        "overlap",
        ("invalid", "valid", "valid"),
        checks,
        events,
        observations=observations,
    )


MAKERS: dict[str, Callable[[], Made]] = {
    "valid": made_valid,
    "invalid": made_invalid,
    "unknown": made_unknown,
    "vacuous": made_vacuous,
    "nested": made_nested,
}
ORDER = ("invalid", "unknown", "vacuous", "valid")


def write_scenario(folder: Path, made: Made, *, judged: bool = True) -> None:
    """Write one scenario folder; without its verdict if the run is to look killed."""
    name = made.id.rsplit("-", maxsplit=2)[0]
    same = {"schema": 1, "scenario": name, "id": made.id, "topology": made.topology, "promise": made.promise}
    write_json(
        folder / "scenario.json",
        {
            **same,
            "variant": "test data",
            "provider": "lab",
            "seed": 7,
            "datacenters": list(CLUSTERS),
            "replication": dict.fromkeys(CLUSTERS, 3),
            "keyspace": "rp_test_data",
            "hosts": HOSTS,
            "tokens": {},
            "settings": {"phi_convict_threshold": 8},
            "ran_before_on_ring": [],
            "timers": "fast",
        },
    )
    write_lines(folder / "events.jsonl", made.events)
    write_lines(folder / "observations.jsonl", made.observations)
    for dc in CLUSTERS:
        write_lines(folder / "history" / f"{dc}-probe-0.jsonl", made.operations(dc))
    write_json(
        folder / "checks.json", [{key: one[key] for key in ("check", "version", "id", "params")} for one in made.checks]
    )
    if judged:
        system, evidence, cleanup = made.parts
        told = [{key: value for key, value in one.items() if key != "params"} for one in made.checks]
        verdict = min(made.parts, key=ORDER.index)
        write_json(
            folder / "verdict.json",
            {
                **same,
                "verdict": verdict,
                "system": system,
                "evidence": evidence,
                "cleanup": cleanup,
                "windows": [],
                "checks": told,
            },
        )


def write_run(
    folder: Path, words: Iterable[str] = ("valid", "invalid", "unknown", "vacuous"), *, killed: bool = False
) -> Path:
    """Write a run folder with one scenario for each word. Killed: no end, no run verdict, the last one not judged."""
    listed = [MAKERS[word]() for word in words]
    ended = {} if killed else {"ended": WALL + 240}
    write_json(
        folder / "run.json",
        {
            "schema": 1,
            "run_id": folder.name,
            "seed": 7,
            "profile": "test-data",
            "provider": "lab",
            "argv": ["ringproof", "run"],
            "versions": {"ringproof": "0.0-test", "cassandra": "5.0.9"},
            "host": {"cpus": 2, "kernel": "made up"},
            "started": WALL,
            **ended,
        },
    )
    write_lines(folder / "events.jsonl", [{"t": at(0), "event": "mark", "name": "test data"}])
    for name in sorted({made.topology for made in listed}):
        write_json(folder / "topologies" / name / "topology.json", topology(name))
    for made in listed:
        inside = folder / "scenarios" / made.id
        write_scenario(inside, made, judged=not (killed and made is listed[-1]))
        if made.word == "nested":
            write_scenario(inside / "nested" / "forced", made_nested(inner=True))
    if not killed:
        write_json(folder / "verdict.json", run_verdict(listed))
    return folder


def run_verdict(listed: list[Made]) -> Json:
    """The run's verdict.json."""
    entries = [
        {
            "id": made.id,
            "scenario": made.word,
            "variant": "",
            "topology": made.topology,
            "seconds": SPANS[made.word],
            "verdict": min(made.parts, key=ORDER.index),
            "explain": made.checks[0]["explain"],
        }
        for made in listed
    ]
    merged = [min((made.parts[at] for made in listed), key=ORDER.index, default="vacuous") for at in range(3)]
    whole = {
        "verdict": min(merged, key=ORDER.index),
        **dict(zip(("system", "evidence", "cleanup"), merged, strict=True)),
    }
    return {"schema": 1, "scenarios": entries, **whole}


def topology(name: str) -> Json:
    """A declared topology."""
    mode = "stub-domain" if name != "shared-suffix" else name
    clusters = [
        {
            "name": cluster,
            "node_range": f"172.28.{net}.0/24",
            "pod_range": f"10.{net}.0.0/16",
            "service_range": f"10.1{net}.0.0/16",
            "zones": list(ZONES),
            "routing": "routed",
            "joined": True,
            "dns": {"mode": mode, "suffix": f"{cluster}.local", "namespace": "ring"},
        }
        for cluster, net in CLUSTERS.items()
    ]
    ring = {
        "version": "5.0.9",
        "timers": "fast",
        "datacenters": [{"name": cluster, "cluster": cluster, "replication_factor": 3} for cluster in CLUSTERS],
    }
    return {"name": name, "clusters": clusters, "ring": ring}
