"""One scenario while it happens: phases, load, faults, waits, observers; everything goes to files as it happens."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

from clusters.errors import CleanupFailed, WaitTimeout
from clusters.journal import Journal
from clusters.ring.limits import Limit
from clusters.ring.resetting import JOURNAL
from clusters.ring.ring import Ring
from clusters.truth import NodeTimers
from clusters.undo import Acts
from clusters.waiting import pause
from scenarios import observers, reaching
from scenarios.fault import Fault
from scenarios.history import SECOND, JsonLines
from scenarios.load import Load
from scenarios.observers import Observer
from scenarios.record import WARM_UP
from scenarios.truth import TruthRecord
from scenarios.workloads.declared import Declared, Sabotage

WARM_UP_SECONDS = 6.0
"""Traffic on a ring that has just formed before anything is measured: its six JVMs compile what they run for the first
time, and single requests took up to 2.2 s in the first 2 s (measured); three write time-outs of 2 s."""
HOLD = 4.0
"""Seconds of traffic per phase unless a scenario says otherwise: 40 samples of each LOCAL_QUORUM lane (10 per s), and
8 or more of the rarest lane (2 per s); longer by the ring's `load_share`."""

Tell = Callable[[str, dict[str, Any]], None]

STAMPED = re.compile(r"[A-Z]+ +\d{4}-\d\d-\d\dT")
LAST_LINES, LINE_SHOWN = 4, 200
"""Lines of a dead host's log in its verdict, and characters of each: enough to see what it was at; the log has all."""


class Notebook:
    """The files of one scenario folder while it happens; see docs/formats.md for what each act leaves there."""

    def __init__(self, folder: Path, facts: dict[str, Any], tell: Tell = lambda _what, _facts: None) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.facts = facts
        self.started = time.monotonic_ns()
        self.events = JsonLines(folder / "events.jsonl", "run")
        self.observations = JsonLines(folder / "observations.jsonl", "observers")
        self.tell = tell
        self._states: dict[tuple[str, str], int] = {}
        self.save_facts()

    def save_facts(self) -> None:
        """Write scenario.json as it stands."""
        (self.folder / "scenario.json").write_text(json.dumps(self.facts, indent=1, sort_keys=True))

    def event(self, event: str, **fields: Any) -> None:
        """Record and show one event."""
        record = {"t": time.monotonic_ns(), "event": event, **fields}
        if event == "fault":
            self._states[fields["id"], fields["state"]] = record["t"]
        self.events.append(record)
        self.tell(event, fields)

    def observe(self, kind: str, by: str, **fields: Any) -> None:
        """Record one observation."""
        self.observations.append({"t": time.monotonic_ns(), "kind": kind, "by": by, **fields})

    def phase(self, name: str) -> None:
        """A phase begins."""
        self.event("phase", name=name)

    def mark(self, name: str) -> list[str]:
        """A named moment, as checks refer to it."""
        self.event("mark", name=name)
        return ["mark", name]

    def close(self) -> None:
        """Close the files."""
        self.events.close()
        self.observations.close()


class Run(Notebook):
    """What a scenario function is given: phases, load, faults, waits and observers on one ring."""

    def __init__(
        self, folder: Path, ring: Ring, facts: dict[str, Any], tell: Tell = lambda _what, _facts: None
    ) -> None:
        super().__init__(folder, facts, tell)
        self.ring = ring
        self.acts = Acts(ring.clusters, Journal(ring.folder / JOURNAL))
        self.expected_exits: set[str] = set()
        self._observers: list[Observer] = []
        self._truth: TruthRecord | None = None
        self._workloads: tuple[Declared, ...] = ()
        self._load: Load | None = None

    # time

    def hold(self, phase: str, seconds: float = HOLD, *, sample: bool = True) -> list[str]:
        """A phase of nothing but traffic; its length is the sample that the checks judge. Returns its start moment.

        ``seconds`` are at the declared rates: a ring whose clients offer a share of them gets as many samples in more
        time. Not so with ``sample=False``, where the time itself is what is needed.
        """
        self.phase(phase)
        if sample:
            seconds /= self.ring.topology.formed_ring.load_share
        pause(seconds)
        self.event("waited", **{"for": f"traffic in {phase}", "seconds": seconds, "limit": seconds,
                                "formula": "samples per lane = rate x seconds", "timer": True})  # fmt: skip
        return ["phase", phase]

    def wait_for(self, what: str, wait: Callable[[float], float], limit: Limit, *, timer: bool = False) -> float:
        """Wait for a condition within a derived limit; the limit stands beside what was measured.

        The wait goes on to twice the limit: a late condition is measured as late, not only as missing. A limit that
        was passed is a finding of the `in_time` check.
        """
        self.tell("waiting", {"for": what, "limit": limit.seconds})
        try:
            seconds = wait(limit.seconds * 2)
        except WaitTimeout as error:
            self.event("waited", **{"for": what, "seconds": limit.seconds * 2, "limit": limit.seconds,
                                    "formula": limit.formula, "timer": timer, "missed": str(error)})  # fmt: skip
            raise
        self.event("waited", **{"for": what, "seconds": round(seconds, 3), "limit": round(limit.seconds, 3),
                                "formula": limit.formula, "timer": timer})  # fmt: skip
        return seconds

    # load

    @contextmanager
    def load(
        self, *workloads: Declared, read_repair: str = "BLOCKING", sabotage: Mapping[str, Sabotage] | None = None
    ) -> Iterator[Load]:
        """Traffic from every datacenter while the block runs; it is drained when the block ends.

        `sabotage`, by datacenter, is for negative controls alone: what that datacenter's client does wrong.
        """
        share = self.ring.topology.formed_ring.load_share
        self._workloads = workloads = tuple(workload.at_share(share) for workload in workloads)
        self.facts["workloads"] = [workload.as_spec() for workload in workloads]
        self.save_facts()
        load = Load(self.ring, self.folder, self.facts["keyspace"], self.facts["seed"])
        self._load = load
        load.open(workloads, read_repair, sabotage)
        self.watch()
        load.start()
        if not self.ring.ran:
            self.hold(WARM_UP, WARM_UP_SECONDS)
        yield load
        counts = load.stop()
        self.event("load", counts={name: count.get("workloads") for name, count in counts.items()})

    def final_reads(self) -> None:
        """After everything healed: what each datacenter and each replica holds now."""
        assert self._load is not None
        self.phase("final reads")
        self._load.final_reads(self._workloads)

    # observers

    def watch(self) -> None:
        """Start the observers: every host's view, every name from every cluster, what the orchestrator says."""
        if self._observers:
            return
        for host in self.ring.hosts:
            self._observers.append(observers.watch_host(host, self.observations))
        for cluster in self.ring.clusters.clusters:
            self._observers.append(observers.watch_names(cluster, self.ring, self.observations))
        observers.record_pods(self.ring, self.observations)
        self._truth = TruthRecord(self.ring, self.folder)
        self.facts["not_modelled"] = self._truth.not_modelled
        self.save_facts()
        self._truth.start()
        for observer in self._observers:
            observer.start()

    def look(self) -> None:
        """Record where every pod and its volume are now, and whose processes run; nothing before the observers."""
        if self._truth is not None:
            self._truth.look()

    def node_timers(self, cluster: str) -> NodeTimers | None:
        """The live settings of a cluster for silent nodes; None where node conditions are not modelled."""
        return None if self._truth is None else self._truth.timers[cluster]

    def reach(self, phase: str, ports: Sequence[int] = reaching.PORTS, sizes: Sequence[int] = ()) -> None:
        """Probe every ordered pair of hosts once on each port, and echo each payload size."""
        self.phase(phase)
        reaching.sweep(self.ring, self.observations, phase, ports, sizes)

    def observe_schema(self) -> None:
        """Record how many schema versions all hosts hold together."""
        views = [view for view in self.ring.views() if not isinstance(view, Exception)]
        self.observe("schema", "ring", versions=sorted({view.schema for view in views}), hosts=len(views))

    # faults

    @contextmanager
    def fault(self, fault: Fault[Run]) -> Iterator[str]:
        """The fault is in effect while the block runs; proof of effect and of recovery are recorded."""
        identity = f"F{len(self.facts['faults']) + 1}"
        self.facts["faults"].append(identity)
        self.save_facts()
        fault.precheck(self)
        self.event("fault", id=identity, name=fault.name, state="inject")
        try:
            self._bring_about(fault, identity)
            yield identity
        except Exception:
            self._take_back(fault, identity)
            raise
        except BaseException:  # interrupted: nobody will look, so nobody waits for the proof
            self.event("fault", id=identity, state="recover")
            fault.recover(self)
            raise
        self._take_back(fault, identity)

    def _bring_about(self, fault: Fault[Run], identity: str) -> None:
        try:
            fault.inject(self)
            self.event("fault", id=identity, state="effective", evidence=fault.await_effect(self))
        except Exception as error:
            self.event("fault", id=identity, state="error", detail=str(error))
            raise

    def seconds_between(self, identity: str, first: str = "inject", last: str = "recovered") -> float:
        """Seconds between two states of a fault that has been through both."""
        return (self._states[identity, last] - self._states[identity, first]) / SECOND

    def _take_back(self, fault: Fault[Run], identity: str) -> None:
        self.event("fault", id=identity, state="recover")
        fault.recover(self)
        self.event("fault", id=identity, state="recovered", evidence=fault.await_recovery(self))

    # the end

    def close(self) -> None:
        """Stop clients and observers, undo what is open, and say whether anything was left."""
        problems: list[str] = []
        if self._load is not None:
            self._load.close()
        for observer in self._observers:
            observer.leave()
        for observer in self._observers:
            try:
                observer.stop()
            except Exception as error:  # noqa: BLE001  told in the clean-up event and judged there
                problems.append(f"observer failed: {error}")
        if self._truth is not None:
            problems += self._truth.close()
        if self.ring.clusters.alive:
            left = len(self.acts.journal.open())
            try:
                self.acts.undo_all()
            except CleanupFailed as error:
                problems.append(str(error))
            self._tell_deaths()
            detail = "; ".join([f"{left} entries left in the journal", *problems])
            self.event("cleanup", ok=not left and not problems, detail=detail)
        else:
            detail = "; ".join(["the clusters ended, and all that was added with them", *problems])
            self.event("cleanup", ok=True, detail=detail)
        super().close()

    def _tell_deaths(self) -> None:
        for change in observers.copy_pod_changes(self.ring, self.started, self.observations):
            if change["state"] == "waiting" and change["pod"] not in self.expected_exits:
                self.observe("log_line", self.ring.clusters.provider, pod=change["pod"], level="DEATH", reason="died",
                             text=f"{change['reason']}: {self._last_words(change['pod'], change['t'])}")  # fmt: skip

    def _last_words(self, pod: str, died: int) -> str:
        """The last lines that the host logged before it died; it may have started again and logged more since."""
        log = self.ring.folder / "hosts" / pod / "system.log"
        wall = time.time() - (time.monotonic_ns() - died) / SECOND
        stamp = datetime.fromtimestamp(wall).strftime("%Y-%m-%dT%H:%M:%S,%f")  # noqa: DTZ006  a log has local time
        lines = log.read_text(errors="replace").splitlines() if log.exists() else []
        before = [line for line in lines if STAMPED.match(line) and line.split()[1] <= stamp]
        return " | ".join(line[:LINE_SHOWN] for line in before[-LAST_LINES:]) or "it logged nothing before"
