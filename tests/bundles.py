"""Small run folders for tests of the reports. TEST DATA: every name, time, host and outcome in them is made up.

``write_run`` writes one scenario for each word asked for: ``valid`` (a pod comes back under a new address),
``invalid`` (QUORUM writes served inside a cut), ``unknown`` (a fault that never bit), ``vacuous`` (no traffic),
and ``nested`` (valid, with an invalid scenario judged apart inside it).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

from tests.bundle_records import CLUSTERS, HOSTS, WALL, ZONES, Json, at, write_json, write_lines
from tests.bundle_scenarios import (
    IDS,
    SPANS,
    Made,
    made_inner,
    made_invalid,
    made_nested,
    made_unknown,
    made_vacuous,
    made_valid,
)

__all__ = ["IDS", "write_run"]

MAKERS: dict[str, Callable[[], Made]] = {
    "valid": made_valid,
    "invalid": made_invalid,
    "unknown": made_unknown,
    "vacuous": made_vacuous,
    "nested": made_nested,
}
ORDER = ("invalid", "unknown", "vacuous", "valid")


FACTS = {
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
}


def write_scenario(folder: Path, made: Made, *, judged: bool = True) -> None:
    """Write one scenario folder; without its verdict if the run is to look killed."""
    name = made.id.removesuffix(f"-{made.topology}")
    same = {"schema": 1, "scenario": name, "id": made.id, "topology": made.topology, "promise": made.promise}
    write_json(folder / "scenario.json", {**same, **FACTS})
    write_lines(folder / "events.jsonl", made.events)
    write_lines(folder / "observations.jsonl", made.observations)
    for dc in CLUSTERS:
        write_lines(folder / "history" / f"{dc}-probe-0.jsonl", made.operations(dc))
    kept = ("check", "version", "id", "params")
    write_json(folder / "checks.json", [{key: one[key] for key in kept} for one in made.checks])
    if judged:
        parts = dict(zip(("system", "evidence", "cleanup"), made.parts, strict=True))
        told = [{key: value for key, value in one.items() if key != "params"} for one in made.checks]
        word = min(made.parts, key=ORDER.index)
        write_json(folder / "verdict.json", {**same, "verdict": word, **parts, "windows": [], "checks": told})


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
            write_scenario(inside / "nested" / "forced", made_inner())
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
