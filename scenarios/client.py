"""The workload client: `python -m scenarios.client SPEC.json`, one process per datacenter.

It reads one JSON command per line on stdin and prints one JSON event per line on stdout; it leaves when stdin
closes, on `quit`, and on SIGTERM or SIGINT, with its history closed. What it says elsewhere goes to stderr. What
`triples` answers also stands beside its history after `stop`, after `final` and in the end.

    {"do": "schema", "replication": {"east": 3, "west": 3}}  ->  {"event": "schema", ...}
    {"do": "warm", "times": 3, "deadline": 30}  ->  {"event": "warm", "cold": []}
    {"do": "start"}     ->  {"event": "started"}, later perhaps {"event": "ended", "reason": "lifetime"}
    {"do": "counts"}    ->  {"event": "counts", "workloads": {...}, "lanes": {...}}
    {"do": "stop"}      ->  {"event": "stopped", "drained": true, "workloads": {...}, "lanes": {...}}
    {"do": "final", "reads": [...], "deadline": 60}  ->  {"event": "final", "asked": 24, "unanswered": []}
    {"do": "triples"}   ->  {"event": "triples", "triples": [...]}
    {"do": "quit"}      ->  {"event": "bye"}

A command that cannot be done is answered by {"event": "error", "do": ..., "message": ...}. A command's `request`
number comes back in its answer.
"""

from __future__ import annotations

import json
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, TextIO

from cassandra import DriverException
from cassandra.cluster import NoHostAvailable
from cassandra.protocol import ErrorMessage
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from clusters.errors import RingproofError, UsageError
from scenarios.history import Segment
from scenarios.session import REQUEST_TIMEOUT, Session, SharedTimestamps, profile
from scenarios.workloads import plan, tables
from scenarios.workloads.declared import Declared, Sabotage
from scenarios.workloads.finals import LANE, FinalRead, ask_finally
from scenarios.workloads.lanes import Pacer
from scenarios.workloads.operation import Place
from scenarios.workloads.recorder import Process, Recorder
from scenarios.workloads.warming import warm_up

DRAIN_TIMEOUT = REQUEST_TIMEOUT + 4.0  # seconds in which the driver ends every request, with room for a busy machine
FINAL_DEADLINE = 60.0  # seconds for one `final` command unless it says otherwise
WARM_DEADLINE = 30.0  # seconds for one `warm` command unless it says otherwise
REFUSALS = (RingproofError, DriverException, NoHostAvailable, ErrorMessage, OSError, ValidationError)

Event = dict[str, Any]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class ClockAnchor(_Strict):
    """One moment on both clocks, shared by all clients of a machine so that their write timestamps agree."""

    wall_us: int
    monotonic_ns: int

    @classmethod
    def now(cls) -> ClockAnchor:
        """This machine's clocks at this moment."""
        return cls(wall_us=time.time_ns() // 1000, monotonic_ns=time.monotonic_ns())


class Spec(_Strict):
    """What the client is told at its start. ``contact_points`` are addresses; ``history`` is a folder.

    ``sabotage`` is for negative controls only.
    """

    datacenter: str
    contact_points: list[str] = Field(min_length=1)
    port: int = 9042
    keyspace: str
    history: Path
    seed: int
    client_number: int = Field(ge=0, lt=SharedTimestamps.CLIENTS)
    workloads: list[Annotated[Declared, Field(discriminator="workload")]] = []
    timestamps: ClockAnchor = Field(default_factory=ClockAnchor.now)
    sabotage: Sabotage = Sabotage()
    max_seconds: float = Field(default=900.0, gt=0)
    connect_timeout: float = Field(default=60.0, gt=0)

    @property
    def place(self) -> Place:
        """Who this client is."""
        keyspace = tables.checked_keyspace(self.keyspace)
        return Place(self.datacenter, keyspace, self.client_number, self.seed, self.timestamps.monotonic_ns)

    def clock(self) -> SharedTimestamps:
        """The generator of write timestamps."""
        return SharedTimestamps(self.timestamps.wall_us, self.timestamps.monotonic_ns, self.client_number)


class FinalRequest(_Strict):
    """One entry of a `final` command; ``hosts`` (host_id to address) pins one read of each key to each host."""

    workload: str
    cl: str
    hosts: dict[str, str] = {}


def load(path: Path) -> Spec:
    """Read the spec; UsageError says what is wrong with it."""
    try:
        return Spec.model_validate_json(path.read_bytes())
    except OSError as error:
        raise UsageError(f"{path}: cannot be read ({error.strerror})") from error
    except ValidationError as error:
        raise UsageError(f"{path}: {_first(error)}") from error


def _first(error: ValidationError) -> str:
    details = error.errors(include_url=False)[0]
    return f"{'.'.join(str(part) for part in details['loc'])}: {details['msg']}"


class Client:
    """The workloads of one datacenter and the commands that drive them."""

    def __init__(
        self,
        spec: Spec,
        session: Session,
        recorder: Recorder,
        emit: Callable[[Event], None],
        clock: SharedTimestamps | None = None,
    ) -> None:
        self.spec = spec
        self._clock = clock or spec.clock()
        self._step_us = spec.sabotage.clock_offset_us
        self._place = spec.place
        self._session = session
        self._recorder = recorder
        self._emit = emit
        self._final = Process(f"{spec.datacenter}-final-0")
        lanes = plan.lanes(self._place, spec.workloads)
        self._pacer = Pacer(lanes, session, recorder, self._place.random_seed("pacer"))
        self._commands: dict[str, Callable[[Event], Event]] = {
            "schema": self._schema,
            "warm": self._warm,
            "start": self._start,
            "stop": self._stop,
            "final": self._finals,
            "counts": lambda command: self._counts("counts"),
            "triples": lambda command: {"event": "triples", "triples": recorder.seen()},
        }

    def ready(self) -> Event:
        """The first event: whom this client sees."""
        hosts = [[str(host.host_id), host.endpoint.address, host.datacenter] for host in self._session.hosts()]
        return {"event": "ready", "datacenter": self.spec.datacenter, "hosts": sorted(hosts)}

    def obey(self, lines: Iterable[str]) -> None:
        """Carry out one command per line until `quit` or the end of the lines."""
        for line in lines:
            if not line.strip():
                continue
            try:
                command = json.loads(line)
                do = command["do"]
            except (ValueError, LookupError, TypeError) as error:
                self._emit({"event": "error", "do": None, "message": f"not a command: {line.strip()!r} ({error})"})
                continue
            if do == "quit":
                self._emit({"event": "bye"})
                return
            echo = {"request": command.pop("request")} if "request" in command else {}
            self._emit({**self._answer(do, command), **echo})

    def _answer(self, do: str, command: Event) -> Event:
        act = self._commands.get(do)
        if act is None:
            known = ", ".join([*self._commands, "quit"])
            return {"event": "error", "do": do, "message": f"unknown command {do!r}; known: {known}"}
        try:
            return act(command)
        except REFUSALS as error:
            words = _first(error) if isinstance(error, ValidationError) else str(error)
            return {"event": "error", "do": do, "message": f"{type(error).__name__}: {words}"}

    def _schema(self, command: Event) -> Event:
        replication, read_repair = command.get("replication") or {}, command.get("read_repair", "BLOCKING")
        declared = {workload.workload for workload in self.spec.workloads}
        self._session.define(tables.statements(self._place.keyspace, replication, declared, read_repair))
        made = sorted(name for workload in declared for name in tables.TABLES[workload])
        return {"event": "schema", "keyspace": self._place.keyspace, "tables": made}

    def _warm(self, command: Event) -> Event:
        end = time.monotonic() + float(command.get("deadline", WARM_DEADLINE))
        lanes, times = self._pacer.lanes, int(command.get("times", 1))
        return {
            "event": "warm",
            "cold": warm_up(lanes, self._session, self._recorder, times, lambda: end - time.monotonic()),
        }

    def _start(self, command: Event) -> Event:
        self._pacer.start(self.spec.max_seconds, lambda reason: self._emit({"event": "ended", "reason": reason}))
        if self._step_us:
            self._clock.step(self._step_us)
            self._step_us = 0
        return {"event": "started", "lanes": [lane.behaviour.name for lane in self._pacer.lanes]}

    def _stop(self, command: Event) -> Event:
        drained = self._pacer.stop(DRAIN_TIMEOUT)
        self._recorder.save()
        return {**self._counts("stopped"), "drained": drained}

    def _counts(self, event: str) -> Event:
        return {"event": event, "running": self._pacer.running, "open": self._pacer.open, **self._recorder.summary()}

    def _finals(self, command: Event) -> Event:
        end = time.monotonic() + float(command.get("deadline", FINAL_DEADLINE))
        asked, unanswered = 0, list[str]()
        for entry in command.get("reads", []):
            request = FinalRequest.model_validate(entry)
            for host, driver, failure in self._askers(request):
                lanes = self._pacer.lanes
                reads = plan.final_reads(self._place, self.spec.workloads, request.workload, request.cl, lanes)
                asked += len(reads)
                if driver is None:
                    unanswered.append(f"{request.workload} at {request.cl} of {host}: {failure}")
                    continue
                questions = [FinalRead(request.workload, operation, host) for operation in reads]
                unanswered += ask_finally(
                    questions, driver, self._recorder, self._final, lambda: end - time.monotonic()
                )
        self._recorder.save()
        return {"event": "final", "asked": asked, "unanswered": unanswered}

    def _askers(self, request: FinalRequest) -> Iterator[tuple[str | None, Session | None, str]]:
        if not request.hosts:
            yield None, self._session, ""
        for host_id, address in request.hosts.items():
            try:
                pinned = Session.pinned(host_id, address, self.spec.port, request.cl, lane=LANE)
            except REFUSALS as error:
                yield host_id, None, str(error)
                continue
            try:
                yield host_id, pinned, ""
            finally:
                pinned.close()

    def leave(self) -> None:
        """Stop without waiting for what is open: it ends as `info` when the connections close."""
        self._pacer.stop(timeout=0.0)


class Emitter:
    """Prints events, whole lines, from any thread."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._lock = threading.Lock()

    def __call__(self, event: Event) -> None:
        """Print one event; a reader that is gone is no error here, the end of stdin will say so."""
        with self._lock:
            try:
                self._stream.write(json.dumps(event, sort_keys=True) + "\n")
                self._stream.flush()
            except BrokenPipeError:
                return


@contextmanager
def _connected(spec: Spec, emit: Callable[[Event], None]) -> Iterator[Client]:
    name = f"{spec.datacenter}-client-{spec.client_number}"
    path = spec.history / f"{name}.jsonl"
    if path.exists():
        raise UsageError(f"{path} exists: a client never continues another's history, give a new folder or number")
    # One profile for each lane: with a shared turn, lanes of equal rates would each meet the same coordinator always.
    names = [LANE, *(lane.behaviour.name for lane in plan.lanes(spec.place, spec.workloads))]
    profiles = {name: profile(spec.datacenter, "LOCAL_QUORUM", retry=spec.sabotage.retry) for name in names}
    clock = spec.clock()
    session = Session.connect(spec.contact_points, spec.port, profiles, clock, spec.connect_timeout)
    with Segment(path, name) as segment:
        recorder = Recorder(segment, spec.datacenter)
        client = Client(spec, session, recorder, emit, clock)
        try:
            yield client
        finally:
            client.leave()
            session.close()
            recorder.save()


def main(arguments: list[str], lines: Iterable[str], emit: Callable[[Event], None]) -> int:
    """Run the client; returns the exit code: 0, or that of the error in clusters/errors.py."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _terminate)
    try:
        if len(arguments) != 1:
            raise UsageError("usage: python -m scenarios.client SPEC.json")
        with _connected(load(Path(arguments[0])), emit) as client:
            emit(client.ready())
            client.obey(lines)
    except RingproofError as error:
        emit({"event": "error", "do": None, "message": str(error)})
        return error.exit_code
    return 0


def _terminate(number: int, frame: object) -> None:
    signal.signal(number, signal.SIG_IGN)  # the way out is short and must not be interrupted
    raise SystemExit(0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], sys.stdin, Emitter(sys.stdout)))
