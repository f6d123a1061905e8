"""What is under way in a run: kept from its events as they come, drawn and told by every view."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from reports import told

Facts = dict[str, Any]
Clock = Callable[[], float]
"""Seconds of any origin that never run backwards."""
Usual = Callable[[str], float | None]
"""Seconds that a scenario, by its id, took in earlier runs; None when there was none."""
WORTH_SHOWING = 1.0
"""Seconds after which a wait inside a step is shown: most are over sooner, and would only flicker."""
HEALED = ("recovered", "error")


def unknown(_identity: str) -> None:
    """No earlier run is known."""


def duration(seconds: float) -> str:
    """Seconds as a person says them: ``75 s``, ``12 min``."""
    return f"{seconds:.0f} s" if seconds < 100 else f"{seconds / 60:.0f} min"


@dataclass
class Row:
    """A line of a scenario's story; a phase has its time beside it. ``tone`` is empty, ``fault`` or ``bad``."""

    words: str
    tone: str = ""
    began: float | None = None
    ended: float | None = None

    def told(self, now: float) -> str:
        """The words with the seconds so far, or in all."""
        if self.began is None:
            return self.words
        until = now if self.ended is None else self.ended
        return f"{self.words}, {until - self.began:.0f} s"


@dataclass
class Fault:
    """A fault window that is open."""

    id: str
    name: str
    since: float
    state: str = "injected"

    def told(self, now: float) -> str:
        """Who it is, for how long it is open, and what it is at."""
        return f"fault {self.id} {self.name}: open for {now - self.since:.0f} s, {self.state}"


@dataclass(frozen=True)
class Wait:
    """A wait that goes on, with the last thing seen."""

    what: str
    began: float
    limit: float
    seen: str = ""

    def told(self, now: float) -> str:
        """What for, how long, and how long at most."""
        return f"{self.what}, {now - self.began:.0f} s of {self.limit:.0f} s"


@dataclass
class Conducted:
    """A scenario that is under way or has ended."""

    id: str
    title: str
    began: float
    usual: float | None = None
    rows: list[Row] = field(default_factory=list)
    faults: dict[str, Fault] = field(default_factory=dict)
    phase: Row | None = None
    verdict: str | None = None
    seconds: float = 0.0

    def told(self, now: float) -> str:
        """Its name with its seconds, beside those of earlier runs."""
        if self.verdict is not None:
            return f"{self.title}, {self.seconds:.0f} s"
        usually = "" if self.usual is None else f", usually {duration(self.usual)}"
        return f"{self.title}, {now - self.began:.0f} s{usually}"

    def end_phase(self, now: float) -> None:
        """The phase has ended; its time stands."""
        if self.phase is not None:
            self.phase.ended, self.phase = now, None


@dataclass
class Place:
    """A topology with what was done on it."""

    name: str
    step: str = ""
    scenarios: list[Conducted] = field(default_factory=list)


class UnderWay:
    """Takes in events; says which scenario, phase, faults and wait are under way, and how much is left."""

    def __init__(self, clock: Clock = time.monotonic, usual: Usual = unknown) -> None:
        self.clock = clock
        self.started = clock()
        self.items: list[str] = []
        self.places: list[Place] = []
        self._usual = usual
        self._declared: Wait | None = None
        self._inner: Wait | None = None
        self._judging = ""

    @property
    def seconds(self) -> float:
        """Since it began."""
        return self.clock() - self.started

    @property
    def scenario(self) -> Conducted | None:
        """The one that is under way."""
        last = self.places[-1].scenarios[-1:] if self.places else []
        return last[0] if last and last[0].verdict is None else None

    @property
    def wait(self) -> Wait | None:
        """The current wait: the one that a scenario declared, else what a step waits for once that lasts."""
        inner = self._inner
        if self._declared is not None:
            return Wait(self._declared.what, self._declared.began, self._declared.limit, inner.seen if inner else "")
        return inner if inner is not None and self.clock() - inner.began >= WORTH_SHOWING else None

    @property
    def judging(self) -> str:
        """How far the judgement of the scenario has come; empty before it."""
        return self._judging

    def ended(self) -> Iterator[Conducted]:
        """All scenarios that have ended."""
        return (one for place in self.places for one in place.scenarios if one.verdict is not None)

    def remaining(self) -> str:
        """Time left as earlier runs took it: ``about 3 min left``; ``at least`` when not all are known; else empty."""
        known = {one: self._usual(one) for one in self.items}
        for one in self.ended():
            known.pop(one.id, None)
        current = self.scenario
        spent = {current.id: self.clock() - current.began} if current else {}
        left = [max(0.0, usual - spent.get(one, 0.0)) for one, usual in known.items() if usual is not None]
        if not left:
            return ""
        return f"{'about' if len(left) == len(known) else 'at least'} {duration(sum(left))} left"

    def doing(self) -> str:
        """Where the run is, in one line: scenario and phase, or the step of a topology; open faults; the wait."""
        now, current = self.clock(), self.scenario
        parts = [self._where(current, now)]
        if current is not None:
            parts += [fault.told(now) for fault in current.faults.values()]
        if self._judging:
            parts.append(self._judging)
        if (wait := self.wait) is not None:
            parts += [f"waiting: {wait.told(now)}", *([f"last seen: {wait.seen}"] if wait.seen else [])]
        return "; ".join(parts)

    def _where(self, current: Conducted | None, now: float) -> str:
        if current is not None:
            return f"{current.told(now)}{f', {current.phase.told(now)}' if current.phase is not None else ''}"
        if not self.places:
            return "starting"
        place = self.places[-1]
        return f"{place.name}: {place.step}" if place.step else place.name

    # taking in

    def take(self, event: str, facts: Facts) -> None:
        """Take in one event; what it does not know becomes a row of the scenario's story, as told.line tells it."""
        act = {
            "run": self._run, "topology": self._topology, "step": self._step, "fetch": self._fetch,
            "scenario": self._scenario, "phase": self._phase, "fault": self._fault, "waiting": self._waiting,
            "waited": self._waited, "look": self._look, "judging": self._judged,
        }.get(event)  # fmt: skip
        if act is None:
            self._note(event, facts)
        else:
            act(facts)

    def _run(self, facts: Facts) -> None:
        self.items = list(facts["items"])

    def _place(self, name: str) -> Place:
        if not self.places or self.places[-1].name != name:
            self.places.append(Place(name))
        return self.places[-1]

    def _topology(self, facts: Facts) -> None:
        quiet = facts["state"] in ("asked", "closed", "given back")
        step = "" if quiet else told.line("topology", facts) or ""
        self._place(facts["name"]).step = step.removeprefix(f"{facts['name']}: ")

    def _step(self, facts: Facts) -> None:
        self._place(facts["topology"]).step = facts["text"]

    def _fetch(self, facts: Facts) -> None:
        if self.places:
            self.places[-1].step = told.megabytes(facts)

    def _scenario(self, facts: Facts) -> None:
        now, current = self.clock(), self.scenario
        self._declared, self._judging = None, ""
        if facts["state"] == "begin":
            identity = str(facts.get("id", ""))
            began = Conducted(identity, told.name(facts), now, self._usual(identity))
            self._place(facts["topology"]).scenarios.append(began)
        elif current is not None:
            current.end_phase(now)
            current.verdict, current.seconds = facts["verdict"], facts["seconds"]

    def _phase(self, facts: Facts) -> None:
        if (current := self.scenario) is not None:
            now = self.clock()
            current.end_phase(now)
            current.phase = Row(f"phase {facts['name']}", began=now)
            current.rows.append(current.phase)

    def _fault(self, facts: Facts) -> None:
        if (current := self.scenario) is None:
            return
        now, identity, state = self.clock(), facts["id"], facts["state"]
        if state in HEALED:
            fault = current.faults.pop(identity, Fault(identity, "", now))
            healed = f"fault {identity} {fault.name}: {now - fault.since:.0f} s, healed"
            current.rows.append(Row(told.fault(facts) if state == "error" else healed, "fault"))
        elif state == "inject":
            current.faults[identity] = Fault(identity, facts["name"], now)
        elif identity in current.faults:
            current.faults[identity].state = "in effect" if state == "effective" else "being healed"

    def _waiting(self, facts: Facts) -> None:
        self._declared = Wait(facts["for"], self.clock(), facts["limit"])

    def _waited(self, facts: Facts) -> None:
        self._declared = None
        self._note("waited", facts)

    def _look(self, facts: Facts) -> None:
        began = self.clock() - facts["seconds"]
        self._inner = None if facts["over"] else Wait(facts["for"], began, facts["limit"], facts["seen"])

    def _judged(self, facts: Facts) -> None:
        self._judging = f"judging: {facts['count']} {facts['what']}"

    def _note(self, event: str, facts: Facts) -> None:
        words = told.line(event, facts)
        if words is not None and (current := self.scenario) is not None:
            bad = event in ("error", "warning", "cleanup") or "missed" in facts
            current.rows.append(Row(words, "bad" if bad else ""))
