"""A run and its scenarios as the bundle tells them, with the verdicts that may be shown.

The word that is shown is the word in verdict.json. Only where that file contradicts itself, or contradicts the
file beside it, the shown word is the worst of all of them and at least ``unknown``, and a trouble says why: an
altered file never makes a verdict better.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from reports.bundle import Json, Lines, Operation, Reader, mapping, number, objects, reader, text
from scenarios import verdict as judgement
from scenarios.record import OBSERVED
from scenarios.verdict import Verdict

WORST_FIRST = ("invalid", "unknown", "vacuous", "valid")
"""Merge order of verdicts: design, contract 1; :func:`scenarios.verdict.merge` decides."""

NOT_JUDGED = "not judged"
SHOWN_ORDER = ("invalid", "unknown", NOT_JUDGED, "vacuous", "valid")
PARTS = ("system", "evidence", "cleanup")
SEEN_IN = "seen in"
"""The key under which a record that was read carries its file and line; no field of the format has a space."""


def merge(words: Iterable[str]) -> str:
    """Return the worst word; anything that is no verdict counts as unknown, and nothing at all is vacuous."""
    return judgement.merge(Verdict(word if word in WORST_FIRST else "unknown") for word in words).value


@dataclass
class Scenario:
    """One scenario folder: facts, events, checks, and the verdict over them."""

    reader: Reader
    folder: Path
    id: str
    facts: Json
    document: Json
    declared: list[Json]
    events: Lines
    nested: list[Scenario] = field(default_factory=list)
    seconds: float | None = None
    listed: str | None = None
    """The word that the run's verdict.json gives it."""

    @property
    def checks(self) -> list[Json]:
        """The judged checks of verdict.json."""
        return objects(self.document.get("checks"))

    @property
    def parts(self) -> dict[str, str]:
        """The three verdicts by name; a part that was not judged says so."""
        return {part: _word(self.document.get(part)) for part in PARTS}

    @property
    def verdict(self) -> str:
        """The word to show; see the module."""
        return merge([self._own(), "unknown"]) if self.document and self._doubted() else self._own()

    def _doubted(self) -> bool:
        unread = not self.facts or bool(self._judged() and not self.declared)
        return unread or bool(self._contradictions()) or self.reader.altered(self.folder)

    def _own(self) -> str:
        if not self.document:
            return NOT_JUDGED
        said = [_word(self.document.get("verdict")), *self.parts.values(), *self._judged()]
        return merge([*said, self.listed] if self.listed else said)

    def _judged(self) -> list[str]:
        return [_word(check.get("verdict")) for check in self.checks]

    def _contradictions(self) -> list[str]:
        claimed = _word(self.document.get("verdict"))
        missing = [part for part, word in self.parts.items() if word == NOT_JUDGED]
        found = []
        if claimed == NOT_JUDGED or missing:
            found.append(f"gives no verdict for {', '.join(missing) or 'the whole'}")
        elif claimed != merge(self.parts.values()):
            found.append(f"says {claimed}, its three parts say {merge(self.parts.values())}")
        if self._judged() and WORST_FIRST.index(merge(self._judged())) < WORST_FIRST.index(merge([claimed])):
            found.append(f"says {claimed}, one of its checks says {merge(self._judged())}")
        judged = {text(check.get("id")) for check in self.checks}
        lost = [text(check.get("id")) for check in self.declared if text(check.get("id")) not in judged]
        if lost and (judged or claimed in ("valid", "vacuous")):
            found.append(f"has no verdict for {len(lost)} declared checks, the first is {lost[0]!r}")
        if self.listed and self.listed != claimed:
            found.append(f"says {claimed}, the verdict of the run lists it as {self.listed}")
        return found

    def examine(self) -> None:
        """Remember every contradiction of the verdict as a trouble of its file."""
        for what in self._contradictions() if self.document else []:
            self.reader.complain(self.folder / "verdict.json", f"altered: {what}; judge again")
        for inner in self.nested:
            inner.examine()

    @property
    def promise(self) -> str:
        """The promise in one paragraph."""
        return text(self.document.get("promise")) or text(self.facts.get("promise")) or "(its promise is not recorded)"

    @property
    def topology(self) -> str:
        """The topology's name."""
        return text(self.document.get("topology")) or text(self.facts.get("topology")) or "?"

    @property
    def name(self) -> str:
        """Scenario and variant as a run tells them, ``zone-loss (frozen)``: the id without the topology."""
        scenario, variant = text(self.facts.get("scenario")), text(self.facts.get("variant"))
        if not scenario:
            return self.id.removesuffix(f"-{self.topology}") or self.id
        return f"{scenario} ({variant})" if variant else scenario

    @property
    def place(self) -> str:
        """The topology's name; a scenario that makes a place of its own has no other."""
        return "its own" if self.topology == self.name else self.topology

    @property
    def explanation(self) -> str:
        """The one sentence of the first check that is not valid; empty if there is none."""
        worst = worst_check(self.checks)
        return text(worst.get("explain")) if worst and worst.get("verdict") != "valid" else ""

    def not_valid(self) -> list[Json]:
        """The checks that are not valid, worst first."""
        listed = [check for check in self.checks if check.get("verdict") != "valid"]
        return sorted(listed, key=lambda check: WORST_FIRST.index(merge([_word(check.get("verdict"))])))

    def operations(self) -> list[Operation]:
        """Read the history: each invoke with its completion, by time. Without a completion it is ``info``."""
        found: list[Operation] = []
        for path in sorted((self.folder / "history").glob("*.jsonl")):
            lines = self.reader.lines(path)
            if not self.foreign(path, lines):
                found += _paired(self.reader, path, lines)
        return sorted(found, key=lambda operation: operation.start)

    def observations(self) -> list[Json]:
        """Read the observations that carry a time, by time; each says under SEEN_IN where it stands."""
        kept: list[Json] = []
        for path in (self.folder / name for name in OBSERVED):
            lines = self.reader.lines(path, required=False)
            records = () if self.foreign(path, lines) else lines.records
            name = self.reader.name(path)
            kept += [{**one, SEEN_IN: f"{name}:{at}"} for at, one in records if number(one.get("t")) is not None]
        return sorted(kept, key=lambda one: float(one["t"]))

    def foreign(self, path: Path, lines: Lines) -> bool:
        """Whether a file was written in another boot than the events, so that its times mean nothing here."""
        if lines.boot == self.events.boot or lines.boot is None or self.events.boot is None:
            return False
        self.reader.complain(path, "altered: written in another boot than events.jsonl, so its times were left out")
        return True


@dataclass
class Run:
    """A run folder: its facts, its scenarios, its verdict."""

    reader: Reader
    facts: Json
    document: Json
    scenarios: list[Scenario]
    topologies: dict[str, Json]
    """By name: the topology, plan and ring documents under ``topology``, ``plan`` and ``ring``."""
    controls: list[Scenario] = field(default_factory=list)
    """Negative controls: judged one by one, never part of the run's verdict."""

    @property
    def id(self) -> str:
        """The run id."""
        return text(self.facts.get("run_id")) or text(self.facts.get("id")) or self.reader.root.name

    @property
    def verdict(self) -> str:
        """The word to show: the run's own, never better than its scenarios; ``not judged`` without verdict.json."""
        if not self.document:
            return NOT_JUDGED
        claimed, merged = _word(self.document.get("verdict")), merge(one.verdict for one in self.scenarios)
        return claimed if claimed == merged else merge([claimed, merged, "unknown"])

    @property
    def parts(self) -> dict[str, str]:
        """The three verdicts, merged over the scenarios that are there."""
        return {part: self._part(part) for part in PARTS}

    def _part(self, part: str) -> str:
        words = [one.parts[part] for one in self.scenarios]
        judged = [word for word in words if word != NOT_JUDGED]
        told = self.document.get(part)
        if told is not None:
            return merge([*words, _word(told)])
        merged = merge(judged)
        return NOT_JUDGED if (len(judged) < len(words) and merged in ("valid", "vacuous")) or not judged else merged

    def counts(self) -> dict[str, int]:
        """How many scenarios have which word, worst first."""
        return {word: sum(one.verdict == word for one in self.scenarios) for word in SHOWN_ORDER}

    def worst_first(self) -> list[Scenario]:
        """The scenarios by verdict, worst first, then as they ran."""
        return sorted(self.scenarios, key=lambda one: SHOWN_ORDER.index(one.verdict))


def worst_check(checks: list[Json]) -> Json | None:
    """Return the first of the worst checks, or None if there are none."""
    return min(checks, key=lambda check: WORST_FIRST.index(merge([_word(check.get("verdict"))])), default=None)


def read_run(folder: Path) -> Run:
    """Read a run folder, killed runs included. BundleError only if there is no such folder."""
    found = reader(folder)
    found.compare()
    root = found.root
    document = found.document(root / "verdict.json", required=False)
    if not document and not (root / "verdict.json").exists():
        found.complain(root / "verdict.json", "missing: the run was stopped before its verdict")
    rows = objects(document.get("scenarios"))
    listed = {text(row.get("folder")) or text(row.get("id")): row for row in rows}
    there = {path.name: path for path in found.folders(root / "scenarios")}
    walls = _walls(found)
    order = [name for name in listed if name] + [name for name in there if name not in listed]
    scenarios = []
    for name in order:
        folder_of = there.get(name)
        scenarios.append(_scenario(found, folder_of, listed.get(name)) if folder_of else _lost(found, name))
        scenarios[-1].seconds = walls.get(scenarios[-1].id, scenarios[-1].seconds)
    controls = [_scenario(found, path) for path in found.folders(root / "controls")]
    run = Run(found, found.document(root / "run.json"), document, scenarios, _topologies(found), controls)
    for scenario in scenarios:
        scenario.examine()
    claimed, merged = _word(document.get("verdict")), merge(one.verdict for one in scenarios)
    if document and claimed != merged:
        found.complain(root / "verdict.json", f"altered: says {claimed}, its scenarios say {merged}; judge again")
    return run


def _scenario(found: Reader, folder: Path, entry: Json | None = None) -> Scenario:
    document = found.document(folder / "verdict.json")
    scenario = Scenario(
        found,
        folder,
        folder.name,
        found.document(folder / "scenario.json"),
        document,
        found.array(folder / "checks.json", required=bool(document)),
        found.lines(folder / "events.jsonl"),
        [_scenario(found, inner) for inner in found.folders(folder / "nested")],
    )
    told = number(mapping(entry).get("seconds")) or number(document.get("seconds"))
    scenario.seconds = _extent(scenario.events) if told is None else told
    if entry is not None and document:
        scenario.listed = _word(entry.get("verdict"))
    return scenario


def _walls(found: Reader) -> dict[str, float]:
    """Seconds that the run itself measured for each scenario, from its begin to its end: more than its events span."""
    told: dict[str, float] = {}
    for path in sorted(found.root.glob("events*.jsonl")):
        for _, event in found.lines(path, required=False).records:
            seconds = number(event.get("seconds"))
            if event.get("event") == "scenario" and event.get("state") == "end" and seconds is not None:
                told[text(event.get("id"))] = seconds
    return told


def _lost(found: Reader, name: str) -> Scenario:
    folder = found.root / "scenarios" / name.replace("/", "_").replace("..", "_")
    found.complain(folder, "missing: the run's verdict names this scenario, its folder is gone")
    return Scenario(found, folder, name, {}, {}, [], Lines())


def _topologies(found: Reader) -> dict[str, Json]:
    kinds = ("topology", "plan", "ring")
    return {
        folder.name: {kind: found.document(folder / f"{kind}.json", required=False) for kind in kinds}
        for folder in found.folders(found.root / "topologies")
    }


def _extent(events: Lines) -> float | None:
    times = [when for _, event in events.records if (when := number(event.get("t"))) is not None]
    return round((max(times) - min(times)) / 1e9, 3) if times else None


def _word(value: object) -> str:
    return value if isinstance(value, str) and value in WORST_FIRST else NOT_JUDGED


def _paired(found: Reader, path: Path, lines: Lines) -> list[Operation]:
    invokes: dict[tuple[str, int], tuple[int, Json]] = {}
    ends: dict[tuple[str, int], tuple[int, Json]] = {}
    strays = 0
    for at, record in lines.records:
        when, op = number(record.get("time")), number(record.get("op"))
        key = (text(record.get("process")), -1 if op is None else int(op))
        if when is None or op is None:
            strays += 1
        elif record.get("type") == "invoke" and key not in invokes:
            invokes[key] = (at, record)
        elif record.get("type") in ("ok", "fail", "info") and key in invokes and key not in ends:
            ends[key] = (at, record)
        else:
            strays += 1
    if strays:
        found.complain(path, f"altered: {strays} records are neither an invoke nor its completion")
    name = found.name(path)
    return [_operation(name, key, begun, ends.get(key)) for key, begun in invokes.items()]


def _operation(name: str, key: tuple[str, int], begun: tuple[int, Json], ended: tuple[int, Json] | None) -> Operation:
    at, invoke = begun
    line, end = ended or (0, None)
    return Operation(
        key[0],
        key[1],
        invoke,
        int(invoke["time"]),
        None if end is None else int(end["time"]),
        "info" if end is None else str(end["type"]),
        end or {},
        f"{name}:{at}",
        f"{name}:{line}" if line else "",
    )
