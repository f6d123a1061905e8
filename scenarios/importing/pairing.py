"""Jepsen's history maps to operations: an invocation and its completion are one, checked for what cannot be.

    {:process 0, :type :invoke, :f :read, :value nil, :time 1, :index 0}
    {:process 0, :type :ok, :f :read, :value 3, :time 2, :index 1}

(jepsen.history; the same maps as JSON are what elle-cli reads.)
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from operator import attrgetter
from pathlib import Path
from typing import Any, Final

from clusters.errors import BundleError, UsageError
from scenarios.history import Operation
from scenarios.importing.forms import Bad, Form, Forms
from scenarios.importing.values import INITIAL, KEYED, SHAPES, Shape, Unfit, numbered
from scenarios.scenario import suggest

LEVEL, PLACE = "ALL", "dc"
"""Such a file has neither levels nor datacenters: every read counts as one that must see every write."""
_TYPES: Final = {word: word for word in ("invoke", "ok", "fail", "info")}
_TOLD = 40
"""Characters of a value in a sentence."""


@dataclass(frozen=True, slots=True)
class Imported:
    """The operations of a file by invoke, `initial` and `names` as the numbers that stand for them in there.

    `truncated` is the line that the end of the file cut off, `left_out` counts the nemesis' lines.
    """

    operations: list[Operation]
    initial: Any
    names: Mapping[Any, int]
    truncated: int | None
    left_out: int


def read_jepsen(path: Path, model: str, *, keyed: bool = False, initial: Any = None) -> Imported:
    """The operations of a history in EDN or JSON, as those of `model` (a name of SHAPES).

    With `keyed` every value is a tuple [key value], else all are of key 0. Times are those of `:time`, else of
    `:index`, else of the order of the maps (one tick is told as 1 ms), whichever the first has. Values that are no
    whole numbers are numbered. An invocation without a completion is indeterminate; its process may go on after an
    `:info`, or not.

    BundleError with file and line for what is no such history: lines that cannot be used are counted, and a process
    that overlaps itself or goes back in time is refused with both lines. UsageError for a model that is not known.
    """
    if model not in SHAPES:
        raise UsageError(f"no model is called {model}; {suggest(model, SHAPES)}")
    try:
        first = INITIAL[model](initial)
    except Unfit as why:
        raise UsageError(f"--initial: {_short(initial)} {why}".removesuffix(KEYED)) from None
    bad = Bad(path)
    forms = Forms(path, bad)
    pairing = _Pairing(path, model, keyed, bad)
    for line, form in forms:
        try:
            pairing.take(line, form)
        except Unfit as why:
            bad.note(line, str(why))
    bad.refuse()
    operations = pairing.operations
    if not operations:
        raise BundleError(f"{path}: no operation in it; it must hold maps such as {{:process 0, :type :invoke, ..}}")
    operations.sort(key=attrgetter("invoke"))
    for index, operation in enumerate(operations):
        operation.index = index
    names, first = numbered(operations, first)
    return Imported(operations, first, names.table, forms.truncated, pairing.left_out)


@dataclass(slots=True)
class _Pairing:
    """What was read so far; `open` and `seen` are by process: its open operation, its last line and
    time. The last invocation of those in `skipped` could not be used.
    """

    path: Path
    model: str
    keyed: bool
    bad: Bad
    operations: list[Operation] = field(default_factory=list)
    open: dict[Any, Operation] = field(default_factory=dict)
    seen: dict[Any, tuple[int, int]] = field(default_factory=dict)
    skipped: set[Any] = field(default_factory=set)
    clock: str = ""
    left_out: int = 0
    records: int = 0

    def take(self, line: int, form: Form) -> None:
        """Take one map; Unfit when it cannot be used."""
        process = form.get("process")
        if process is None:
            raise Unfit("the map lacks :process")
        if isinstance(process, str):
            process = process.strip(':"')
            if process == "nemesis":
                self.left_out += 1
                return
        kind = _word(form, "type")
        if kind not in _TYPES:
            raise Unfit(f":type {kind} is none of :invoke, :ok, :fail, :info")
        time = self._time(form)
        before = self.seen.get(process)
        if before is not None and time < before[1]:
            self._refuse(line, f"process {process} goes back in time, from {before[1]} in line {before[0]} to {time}")
        if kind == "invoke":
            self.skipped.add(process)
            self._invoke(process, line, time, form)
            self.skipped.discard(process)
        else:
            self._complete(process, kind, time, form)
        self.seen[process] = line, time

    @property
    def unit(self) -> int:
        """Nanoseconds of one tick: places in the file are told as milliseconds, in which a diagram can be read."""
        return 1 if self.clock == "time" else 1_000_000

    def _time(self, form: Form) -> int:
        self.records += 1
        if not self.clock:
            self.clock = next((name for name in ("time", "index") if form.get(name) is not None), "line")
        if self.clock == "line":
            return self.records
        time = form.get(self.clock)
        if not isinstance(time, (int, float)):
            raise Unfit(f"the map has no number as :{self.clock}, which the first one has")
        return int(time)

    def _invoke(self, process: Any, line: int, time: int, form: Form) -> None:
        f = _word(form, "f")
        shape = self._shape(f)
        if process in self.open:
            begun = self.seen[process][0]
            self._refuse(
                line, f"process {process} invokes {f} while its {self.open[process].f} of line {begun} is open"
            )
        key, value = self._split(form.get("value"))
        operation = Operation(
            index=0,
            process=f"process {process}",
            op=len(self.operations) + 1,
            workload=self.model,
            f=f,
            key=key,
            value=None if f == "read" else _fit(shape, f, value),
            out=None,
            cl=LEVEL,
            serial=None,
            dc=PLACE,
            host=None,
            stage=None,
            due=None,
            invoke=time * self.unit,
        )
        self.open[process] = operation
        self.operations.append(operation)

    def _complete(self, process: Any, kind: str, time: int, form: Form) -> None:
        operation = self.open.pop(process, None)
        if operation is None:
            if process in self.skipped:
                return  # its invocation was bad already
            raise Unfit(f"an :{kind} of a process that has invoked nothing")
        f = operation.f
        told = _word(form, "f") if "f" in form else f
        if told != f:
            raise Unfit(f":{kind} of {told}, but {f} was invoked")
        if kind == "ok" and f == "read":
            key, value = self._split(form.get("value"))
            if key != operation.key:
                raise Unfit(f"the read of key {_short(operation.key)} is answered with key {_short(key)}")
            operation.out = _fit(self._shape(f), f, value)
        elif kind == "ok" and f == "cas":
            operation.out = {"applied": True}
        operation.returned = time * self.unit
        operation.outcome = kind  # type: ignore[assignment]  # one of _TYPES, and not invoke

    def _shape(self, f: str) -> Shape:
        shape = SHAPES[self.model].get(f)
        if shape is None:
            others = [name for name, shapes in SHAPES.items() if f in shapes]
            fit = f"; --model {' or '.join(others)} has it" if others else ""
            raise Unfit(f"the model {self.model} has no :f {f}, only {' and '.join(SHAPES[self.model])}{fit}")
        return shape

    def _split(self, value: Any) -> tuple[Any, Any]:
        if not self.keyed:
            return 0, value
        if not isinstance(value, list) or len(value) != 2 or value[0] is None or isinstance(value[0], (list, dict)):
            raise Unfit(f":value {_short(value)} is no [key value]; without --keyed it is one value")
        return value[0], value[1]

    def _refuse(self, line: int, why: str) -> None:
        self.bad.refuse()
        raise BundleError(f"{self.path}:{line}: {why}; a process does one thing at a time, on one clock")


def _word(form: Form, name: str) -> str:
    word = form.get(name)
    if not isinstance(word, str):
        raise Unfit(f"the map lacks :{name}")
    return word.strip(':"')


def _fit(shape: Shape, f: str, value: Any) -> Any:
    try:
        return shape(value)
    except Unfit as why:
        raise Unfit(f":value {_short(value)} of {f} {why}") from None


def _short(value: Any) -> str:
    text = "nil" if value is None else str(value)
    return text if len(text) <= _TOLD else f"{text[:_TOLD]}.."
