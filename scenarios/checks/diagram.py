"""The text diagram of a counterexample: who did what, when, and under which fault. Printable ASCII, 80 columns.

    F1               .....#####################################......
    east-log-0         |--1 append 7 ok--|
    west-log-1 (info)        |--2 append 8 info..................>
    time             ^ 0     ^ +12.0 ms    ^ +40.1 ms

Columns keep the order of all times: of two different instants the later one is further right, always, so what
overlaps in the drawing was concurrent and what does not was not. Lengths are not to scale, the times tell them.
"""

from __future__ import annotations

import itertools
import json
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

MOST_OPERATIONS = 12
"""Drawn at most: more of them no longer show who contradicts whom."""
MOST_WINDOWS = 3
NARROWEST = 72
"""Below this width some instants of 12 operations and 3 faults would share a column; the text is then wider."""
_WIDEST_LABEL = 26
_OPEN = 4
"""Columns at the right edge for what has no end: `...>`."""

Operation = Mapping[str, Any]
Window = Mapping[str, Any]


def diagram(operations: Sequence[Operation], windows: Sequence[Window] = (), width: int = 78) -> str:
    """A drawing of `operations` (as in a finding) under fault `windows` (as in a verdict), lines of `width` at most.

    One lane per process; an operation is `|--1 write 5 ok--|` and one that may still take effect ends in `...>`; a
    proven fault is `###`, its coming and going `...`. A legend gives times, levels, coordinators and errors. All
    characters are ASCII; for HTML the caller escapes them. Records without times are listed, not drawn. Of more than
    12 operations the first 11 and the last are drawn, and the text says so.
    """
    width = max(width, NARROWEST)
    drawn = [item for item in operations if isinstance(item.get("invoke"), int)]
    listed = [item for item in operations if not isinstance(item.get("invoke"), int)]
    shown = drawn if len(drawn) <= MOST_OPERATIONS else [*drawn[: MOST_OPERATIONS - 1], drawn[-1]]
    lines: list[str] = []
    if shown:
        lines += _Drawing(sorted(shown, key=lambda item: int(item["invoke"])), _nearest(shown, windows), width).lines()
    if len(shown) < len(drawn):
        lines.append(f"({len(drawn) - len(shown)} more operations are not drawn)")
    for item in listed[:MOST_OPERATIONS]:
        told = " ".join(f"{name}={_short(value, 60)}" for name, value in item.items() if value is not None)
        lines += textwrap.wrap(f"- {told}", width, subsequent_indent="  ", break_on_hyphens=False)
    if len(listed) > MOST_OPERATIONS:
        lines.append(f"({len(listed) - MOST_OPERATIONS} more records are not shown)")
    return "\n".join(_ascii(line).rstrip() for line in lines)


@dataclass(frozen=True, slots=True)
class _Axis:
    """Columns of instants: strictly increasing with time; what room is left is shared half evenly, half by length."""

    columns: Mapping[int, int]

    @classmethod
    def over(cls, times: Iterable[int], room: int) -> _Axis:
        """Place `times`, no more than `room`, on columns 0 to `room` - 1."""
        points = sorted(set(times))
        gaps = [later - earlier for earlier, later in itertools.pairwise(points)]
        spare = room - 1 - len(gaps)
        total = sum(gaps)
        columns, share = {points[0]: 0}, 0.0
        for number, (point, gap) in enumerate(zip(points[1:], gaps, strict=True), start=1):
            share += (gap / total + 1 / len(gaps)) / 2
            columns[point] = number + round(spare * share)
        return cls(columns)

    def at(self, time: int) -> int:
        """The column of one of the placed instants."""
        return self.columns[time]


class _Drawing:
    """One drawing: labels on the left, lanes on a common axis, the legend below."""

    def __init__(self, operations: Sequence[Operation], windows: Sequence[Window], width: int) -> None:
        self.operations = operations
        self.windows = windows
        self.width = width
        self.start = int(operations[0]["invoke"])
        self.lanes = _lanes(operations)
        names = [_label(lane) for lane in self.lanes] + [str(window["id"]) for window in windows]
        self.margin = min(max(len(name) for name in ["time", *names]), _WIDEST_LABEL) + 2
        self.room = width - self.margin
        ends = [item["returned"] for item in operations if item.get("returned") is not None]
        times = [int(item["invoke"]) for item in operations] + [int(end) for end in ends]
        inside = [time for window in windows for time in _states(window) if min(times) < time < max(times)]
        self.last = max(times)
        self.axis = _Axis.over([*times, *inside], self.room - _OPEN)

    def lines(self) -> list[str]:
        """All lines of the drawing and its legend."""
        rows = [self._row(str(window["id"]), self._shade(window)) for window in self.windows]
        numbers = {id(item): number for number, item in enumerate(self.operations, start=1)}
        for lane in self.lanes:
            for number, row in enumerate(self._interval_rows(lane, numbers)):
                rows.append(self._row(_label(lane) if number == 0 else "", row))
        rows.append(self._row("time", self._ticks()))
        for window in self.windows:
            rows += self._wrapped(str(window["id"]), self._window_words(window))
        for item in self.operations:
            rows += self._wrapped(str(numbers[id(item)]), self._words(item))
        return rows

    def _row(self, label: str, cells: str) -> str:
        cut = label if len(label) <= _WIDEST_LABEL else label[: _WIDEST_LABEL - 2] + ".."
        return f"{cut:<{self.margin}}{cells}"

    def _wrapped(self, label: str, text: str) -> list[str]:
        return textwrap.wrap(f"{label:>3} {text}", self.width, subsequent_indent="    ", break_on_hyphens=False)

    def _interval_rows(self, lane: Sequence[Operation], numbers: Mapping[int, int]) -> list[str]:
        """The lane's operations; one that begins before the row's last has ended goes to a further row."""
        rows: list[list[str]] = []
        ends: list[int] = []
        for position, item in enumerate(lane):
            first, _ = self._span(item)
            place = next((number for number, end in enumerate(ends) if end < first), len(rows))
            if place == len(rows):
                rows.append([" "] * self.room)
                ends.append(-1)
            following = [self._span(other)[0] for other in lane[position + 1 :]]
            ends[place] = self._draw(rows[place], item, numbers[id(item)], min(following, default=self.room))
        return ["".join(row) for row in rows]

    def _span(self, item: Operation) -> tuple[int, int]:
        """First and last column of an operation; one that may still take effect reaches the edge."""
        first = self.axis.at(int(item["invoke"]))
        if item.get("returned") is None or item.get("outcome") == "info":
            return first, self.room - 1
        return first, self.axis.at(int(item["returned"]))

    def _draw(self, row: list[str], item: Operation, number: int, free_until: int) -> int:
        """Draw one interval with its words in it, or behind it where there is room; return its last column."""
        first, last = self._span(item)
        open_ended = last == self.room - 1
        known = self.axis.at(int(item["returned"])) if item.get("returned") is not None else first
        body = ["|"] + ["-" if column <= known else "." for column in range(first + 1, last + 1)]
        body[-1] = ">" if open_ended else "|"
        row[first : last + 1] = body
        outcome = item.get("outcome", "")
        told = f"{number} {_what(item)}"
        without = told if outcome == "ok" else f"{number} {item.get('f', '?')} {outcome}".rstrip()
        for words in (f"{told} {outcome}".rstrip(), without, f"{number} {item.get('f', '?')}", str(number)):
            if len(words) <= last - first - 3:
                row[first + 2 : first + 2 + len(words)] = words
                return last
            if last + 2 + len(words) < free_until:
                row[last + 2 : last + 2 + len(words)] = words
                return last + 1 + len(words)
        return last

    def _shade(self, window: Window) -> str:
        inject, effective, recover, recovered = (window.get(name) for name in _STATES)
        begin = self.start if inject is None else inject
        if begin > self.last:
            return f"(begins {_span(begin - self.last)} after the last)"
        if recovered is not None and recovered < self.start:
            return f"(over {_span(self.start - recovered)} before the first)"
        cells = [" "] * self.room
        self._fill(cells, begin, recovered, ".")
        if effective is not None:
            self._fill(cells, effective, recover if recover is not None else recovered, "#")
        return "".join(cells)

    def _fill(self, cells: list[str], begin: int, end: int | None, mark: str) -> None:
        if begin > self.last or (end is not None and end < self.start):
            return
        first = self.axis.at(max(begin, self.start))
        last = self.room - 1 if end is None or end > self.last else self.axis.at(end)
        cells[first : last + 1] = mark * (last + 1 - first)

    def _ticks(self) -> str:
        """`^ +12.0 ms` under as many instants as there is room for, from the left; the last one always."""
        cells = [" "] * self.room
        *others, (last, at) = self.axis.columns.items()
        words = _relative(last - self.start)
        place = at if at + len(words) + 2 <= self.room else at - len(words) - 1
        ticks = [(column, f"^ {_relative(time - self.start)}") for time, column in others]
        free = 0
        for column, told in ticks:
            if column >= free and column + len(told) < place:
                cells[column : column + len(told)] = told
                free = column + len(told) + 1
        if place >= free:
            cells[place : place + len(words) + 2] = f"^ {words}" if place == at else f"{words} ^"
        return "".join(cells)

    def _window_words(self, window: Window) -> str:
        told = [
            f"{name} {_relative(window[name] - self.start)}" for name in _STATES if isinstance(window.get(name), int)
        ]
        return f"{window.get('name') or 'fault'}: {', '.join(told) or 'never began'}"

    def _words(self, item: Operation) -> str:
        outcome = "no answer" if item.get("returned") is None else str(item.get("outcome", ""))
        end = f" to {_relative(item['returned'] - self.start)}" if item.get("returned") is not None else ""
        parts = [
            f"{item.get('workload', '')} {_what(item, 40)}".strip(),
            f"key {item['key']}" if item.get("key") is not None else "",
            outcome,
            _level(item),
            f"{_relative(item['invoke'] - self.start)}{end}",
            f"coordinator {_host(item['coordinator'])}" if item.get("coordinator") else "",
            f"asked of {_host(item['host'])}" if item.get("host") else "",
            str(item["stage"]) if item.get("stage") else "",
            "error " + " ".join(str(word) for word in item["error"] if word) if item.get("error") else "",
        ]
        return ", ".join(part for part in parts if part)


_STATES = ("inject", "effective", "recover", "recovered")


def _states(window: Window) -> list[int]:
    return [window[name] for name in _STATES if isinstance(window.get(name), int)]


def _nearest(operations: Sequence[Operation], windows: Sequence[Window]) -> list[Window]:
    """The windows nearest to the operations in time, in the order given; those never begun are left out."""
    first = min(int(item["invoke"]) for item in operations)
    last = max(int(item.get("returned") or item["invoke"]) for item in operations)

    def distance(window: Window) -> int:
        states = _states(window)
        ended = window.get("recovered")
        return max(states[0] - last, first - ended if ended is not None else 0, 0)

    begun = [window for window in windows if _states(window)]
    kept = sorted(range(len(begun)), key=lambda number: distance(begun[number]))[:MOST_WINDOWS]
    return [begun[number] for number in sorted(kept)]


def _lanes(operations: Sequence[Operation]) -> list[list[Operation]]:
    """The operations of each process, processes by their first operation."""
    lanes: dict[str, list[Operation]] = {}
    for item in operations:
        lanes.setdefault(str(item.get("process", "?")), []).append(item)
    return list(lanes.values())


def _label(lane: Sequence[Operation]) -> str:
    """The process, its datacenter where the name does not tell it, and its coordinator if it is always the same."""
    process, dc = str(lane[0].get("process", "?")), str(lane[0].get("dc", ""))
    hosts = {str(item["coordinator"]) for item in lane if item.get("coordinator")}
    place = "" if not dc or process.startswith(f"{dc}-") else f" ({dc})"
    return f"{process}{place}" + (f" @{_host(hosts.pop())}" if len(hosts) == 1 else "")


def _host(identity: object) -> str:
    """A host_id by its first group, which is as good as unique in a ring; other names whole."""
    text = str(identity)
    return text[:8] if len(text) == 36 and text.count("-") == 4 else text


def _level(item: Operation) -> str:
    cl, serial = str(item.get("cl", "")), item.get("serial")
    return f"{cl} (serial {serial})" if serial and serial != cl else cl


def _what(item: Operation, most: int = 12) -> str:
    """`write 5`, `read -> 5`, `cas 1->2 lost: 3`, `append 7 as 3`."""
    f, value, out = str(item.get("f", "?")), item.get("value"), item.get("out")
    told = f
    if f == "cas" and isinstance(value, (list, tuple)) and len(value) == 2:
        told = f"cas {_short(value[0], most)}->{_short(value[1], most)}"
    elif value is not None:
        told = f"{f} {_short(value, most)}"
    if isinstance(out, Mapping) and out.get("applied") is False:
        return f"{told} lost: {_short(out.get('head', out.get('value')), most)}"
    if isinstance(out, Mapping) and "version" in out:
        return f"{told} as {_short(out['version'], most)}"
    if f == "read" and item.get("outcome") == "ok":
        return f"{told} -> {_short(out, most)}"
    return told


def _short(value: object, most: int) -> str:
    """A value as JSON; of what is too long the end, because that is where histories differ."""
    text = value if isinstance(value, str) else json.dumps(value, separators=(",", ":"), default=str)
    return text if len(text) <= most else f"..{text[-(most - 2) :]}"


def _relative(nanoseconds: int) -> str:
    if nanoseconds == 0:
        return "0"
    return ("+" if nanoseconds > 0 else "-") + _span(abs(nanoseconds))


def _span(nanoseconds: int) -> str:
    milliseconds = nanoseconds / 1_000_000
    if milliseconds < 1:
        return f"{milliseconds:.3f} ms"
    return f"{milliseconds:.1f} ms" if milliseconds < 1000 else f"{milliseconds / 1000:.2f} s"


def _ascii(text: str) -> str:
    return "".join(letter if " " <= letter <= "~" else "?" for letter in text)
