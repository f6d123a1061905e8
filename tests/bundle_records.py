"""Records of made-up runs: the lines and files from which ``tests.bundles`` builds run folders. TEST DATA."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

Json = dict[str, Any]

NS = 1_000_000_000
BOOT = "7e57da7a-0000-4000-8000-000000000000"
START = 5_000 * NS
WALL = 1_795_593_600.25
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


def check(verdict: str, kind: str, identity: str, explain: str, **more: Any) -> Json:
    """One judged check; ``params`` goes to checks.json only."""
    told: Json = {
        "measured": None,
        "limit": None,
        "unit": "",
        "formula": "",
        "counts": {},
        "findings": [],
        "params": {},
    }
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
