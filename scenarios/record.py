"""What a scenario left behind, as the checks see it: facts, operations, observations, events, moments.

A record is read from files only; nothing in it is alive. Parts are read when first asked for, so that one
unreadable file makes only those checks `unknown` that need it.
"""

from __future__ import annotations

import itertools
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from clusters.errors import BundleError
from scenarios.history import SCHEMA, Boot, Operation, read_history, read_records
from scenarios.verdict import ScenarioVerdict

Moment = Sequence[str]
"""`["F1", "inject"]` (a fault state), `["phase", "healed"]` (start of a phase) or `["mark", "killed east-a-0"]`."""

OBSERVED = ("observations.jsonl", "truth.jsonl")
"""The files of observations: beside the clients, and by the orchestrators of the clusters."""

WARM_UP = "warm-up"
"""The phase in which a ring that has just formed sees its first traffic; service is not judged in it."""
FAULT_STATES = ("inject", "effective", "recover", "recovered")


class MomentMissing(BundleError):
    """A moment that a check refers to was never recorded."""


@dataclass(frozen=True, slots=True)
class Window:
    """The life of one fault: CLOCK_MONOTONIC nanoseconds of its states, None for states that were never reached."""

    id: str
    name: str
    inject: int | None = None
    effective: int | None = None
    recover: int | None = None
    recovered: int | None = None
    evidence: str | None = None
    error: str | None = None

    def at(self, state: str) -> int:
        """The time of `state`; MomentMissing when the fault never reached it."""
        time = getattr(self, state) if state in FAULT_STATES else None
        if not isinstance(time, int):
            raise MomentMissing(f"fault {self.id} has no recorded '{state}'")
        return time

    def as_json(self) -> dict[str, Any]:
        """The window as `docs/formats.md` writes it; `error` only when there was one."""
        told = {name: getattr(self, name) for name in ("id", "name", *FAULT_STATES, "evidence")}
        return told if self.error is None else {**told, "error": self.error}


@dataclass(frozen=True, slots=True)
class Sources:
    """Where the parts of a record come from; each is called once, when first needed. `boot` is that of their files."""

    operations: Callable[[], list[Operation]]
    observations: Callable[[], list[dict[str, Any]]]
    events: Callable[[], list[dict[str, Any]]]
    boot: Boot = field(default_factory=Boot)


class Record:
    """One scenario's closed record; `nested` holds the verdicts of its nested folders, judged beforehand."""

    def __init__(
        self, facts: Mapping[str, Any], sources: Sources, nested: Mapping[str, ScenarioVerdict] | None = None
    ) -> None:
        self.facts = facts
        self.nested = dict(nested or {})
        self._sources = sources

    @classmethod
    def load(cls, folder: Path, nested: Mapping[str, ScenarioVerdict] | None = None) -> Record:
        """The record of a scenario folder; BundleError when its facts cannot be read."""
        boot = Boot()
        sources = Sources(
            operations=lambda: read_history(folder / "history", boot),
            observations=lambda: [one for name in OBSERVED for one in _read_lines(folder / name, boot)],
            events=lambda: _read_lines(folder / "events.jsonl", boot),
            boot=boot,
        )
        return cls(load_facts(folder), sources, nested)

    @cached_property
    def operations(self) -> list[Operation]:
        """All client operations by invoke time."""
        return self._sources.operations()

    @cached_property
    def observations(self) -> list[dict[str, Any]]:
        """All observations by time."""
        return sorted(self._sources.observations(), key=lambda item: int(item["t"]))

    @cached_property
    def events(self) -> list[dict[str, Any]]:
        """All events by time."""
        return sorted(self._sources.events(), key=lambda item: int(item["t"]))

    @property
    def notes(self) -> tuple[str, ...]:
        """What was left out of the files that have been read so far: one sentence for each file, in order of names."""
        return tuple(f"{name}: the last line is torn and was left out" for name in sorted(set(self._sources.boot.torn)))

    @cached_property
    def windows(self) -> dict[str, Window]:
        """Every fault seen in the events, by id; of a state recorded twice the first counts."""
        lives: dict[str, dict[str, Any]] = {}
        for event in self.events:
            if event.get("event") == "fault":
                _live(lives.setdefault(event["id"], {"id": event["id"], "name": event["id"]}), event)
        return {identity: Window(**life) for identity, life in lives.items()}

    @cached_property
    def hosts(self) -> list[dict[str, Any]]:
        """The ring's hosts as the facts declare them: pod, host_id, datacenter, rack, cluster, address."""
        return list(self.facts.get("hosts", ()))

    @cached_property
    def _by_workload(self) -> dict[str, list[Operation]]:
        grouped: dict[str, list[Operation]] = {}
        for operation in self.operations:
            grouped.setdefault(operation.workload, []).append(operation)
        return grouped

    @cached_property
    def _by_kind(self) -> dict[str, list[dict[str, Any]]]:
        grouped: dict[str, list[dict[str, Any]]] = {}
        for observation in self.observations:
            grouped.setdefault(observation["kind"], []).append(observation)
        return grouped

    def of(self, workload: str) -> list[Operation]:
        """The operations of one workload, by invoke time."""
        return self._by_workload.get(workload, [])

    def seen(self, kind: str) -> list[dict[str, Any]]:
        """The observations of one kind, by time."""
        return self._by_kind.get(kind, [])

    def seen_in(self, phase: str, kind: str) -> list[dict[str, Any]]:
        """The observations of one kind in a phase: labelled with it, or unlabelled and taken while it ran."""
        start, end = self.phase(phase)
        return [
            item
            for item in self.seen(kind)
            if (item["phase"] == phase if item.get("phase") else start <= item["t"] < end)
        ]

    def phase(self, name: str) -> tuple[int, float]:
        """Start and end of the first phase called `name`; the end is infinite for the last phase."""
        starts = [(event["t"], event["name"]) for event in self.events if event.get("event") == "phase"]
        for position, (start, found) in enumerate(starts):
            if found == name:
                end = starts[position + 1][0] if position + 1 < len(starts) else float("inf")
                return start, end
        raise MomentMissing(f"no phase '{name}' was recorded")

    @property
    def warm(self) -> int:
        """When the warm-up of a new ring was over: the start of the phase after it; 0 when there was none.

        Never, when the run ended in it: then there is nothing to judge service by.
        """
        phases = [event for event in self.events if event.get("event") == "phase"]
        if phases and phases[-1]["name"] == WARM_UP:
            return sys.maxsize
        for phase, following in itertools.pairwise(phases):
            if phase["name"] == WARM_UP:
                return int(following["t"])
        return 0

    def moment(self, moment: Moment) -> int:
        """The time of a moment in nanoseconds; MomentMissing when it never came."""
        subject, detail = moment
        if subject == "phase":
            return int(self.phase(detail)[0])
        if subject == "mark":
            return self._mark(detail)
        if subject not in self.windows:
            raise MomentMissing(f"fault {subject} was never injected")
        return self.windows[subject].at(detail)

    def _mark(self, name: str) -> int:
        for event in self.events:
            if event.get("event") == "mark" and event.get("name") == name:
                return int(event["t"])
        raise MomentMissing(f"no mark '{name}' was recorded")

    def name_of(self, host_id: str) -> str:
        """The pod that the facts give for a host_id, or the host_id itself."""
        return next((str(host["pod"]) for host in self.hosts if host["host_id"] == host_id), host_id)


def load_json(path: Path, label: str) -> Any:
    """The JSON document at `path`; BundleError with `label` when it is missing or broken."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise BundleError(f"{label}: cannot be read ({error.strerror})") from error
    except (ValueError, RecursionError) as error:
        raise BundleError(f"{label}: not JSON ({error})") from error


def load_facts(folder: Path) -> dict[str, Any]:
    """scenario.json of `folder`; BundleError when it is missing, broken or of an unknown schema."""
    label = f"{folder.name}/scenario.json"
    facts = load_json(folder / "scenario.json", label)
    if not isinstance(facts, dict):
        raise BundleError(f"{label}: not a JSON object")
    if facts.get("schema") != SCHEMA:
        raise BundleError(f"{label}: schema {facts.get('schema')} is not known here, this version reads {SCHEMA}")
    return facts


def _read_lines(path: Path, boot: Boot) -> list[dict[str, Any]]:
    return [record for _, record in read_records(path, boot)] if path.exists() else []


def _live(life: dict[str, Any], event: Mapping[str, Any]) -> None:
    state = event["state"]
    if "name" in event:
        life["name"] = event["name"]
    if state in FAULT_STATES:
        life.setdefault(state, event["t"])
    if state == "effective":
        life.setdefault("evidence", event.get("evidence"))
    if state == "error":
        life["error"] = str(event.get("detail"))
