"""Who answers whom: one matrix of pods for each phase, from the reachability probes.

Silence inside a fault window is what the fault means, so it is grey. A wrong identity is always red, whatever broke.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from reports.bundle import Json, mapping, objects, text
from reports.clock import Clock
from reports.limits import clipped, plain
from reports.verdicts import SEEN_IN, Scenario

MOST_NAMES = 24
MOST_WRONG = 20


@dataclass(frozen=True)
class Cell:
    """What a row's pod got from a column's pod: its state, the mark for it, the source address that arrived."""

    css: str
    mark: str
    source: str = ""
    note: str = ""
    seen_in: str = ""
    """File and line of the probe that the note tells of."""


@dataclass(frozen=True)
class Matrix:
    """One phase. ``names`` are the pods of rows and columns; ``picture`` has one unit for each cell."""

    phase: str
    names: tuple[str, ...]
    cells: tuple[tuple[Cell, ...], ...]
    picture: tuple[tuple[str, str], ...]
    size: int
    summary: str
    wrong: tuple[tuple[str, str], ...]
    """A sentence for each wrong identity, and file and line of the first probe that shows it."""
    quiet: bool
    left_out: int


@dataclass(frozen=True)
class _Sight:
    """What one cell needs to know: the pods behind identities, the axis, whether a check found reachability broken."""

    pods: dict[str, tuple[str, str]]
    twice: Counter[str]
    axis: Clock
    condemned: bool

    def called(self, name: tuple[str, str]) -> str:
        """The pod's name; with its cluster if another cluster has a pod of that name."""
        return name[1] if self.twice[name[1]] < 2 else "/".join(name)

    def cell(self, row: tuple[str, str], column: tuple[str, str], probes: list[Json]) -> Cell:
        if not probes:
            return Cell("self", "") if row == column else Cell("none", "", "", "not probed")
        wrong = [one for one in probes if _wrong(one)]
        if wrong:
            who = text(wrong[0].get("answered"))
            named = self.called(self.pods[who]) if who in self.pods else who[:8]
            note = f"answered by {named}, not by {self.called(column)}, in {len(wrong)} of {len(probes)} probes"
            first = wrong[0]
            return Cell("wrong", f"{named} !", _tail(first), self._asked(first, note), text(first.get(SEEN_IN)))
        silent = [one for one in probes if not one.get("ok")]
        if not silent:
            return Cell(
                "ok",
                "✓",
                _tail(next((one for one in probes if text(one.get("source_seen"))), probes[-1])),
                self._asked(probes[-1], f"{len(probes)} of {len(probes)} right"),
            )
        meant = not self.condemned or all(self.axis.within(self.axis.at(one["t"])) for one in silent)
        note = self._asked(silent[0], f"{len(silent)} of {len(probes)} unanswered, {text(silent[0].get('error'))}")
        mark = "×" if len(silent) == len(probes) else "½"
        return Cell("exp" if meant else "miss", mark, "", note, text(silent[0].get(SEEN_IN)))

    def _asked(self, one: Json, note: str) -> str:
        target = mapping(one.get("target"))
        seen = text(one.get("source_seen"))
        asked = f"asked {text(target.get('address'))}:{text(one.get('port'))}"
        return clipped(f"{note}; {asked}{', source seen ' + seen if seen else ''}", 240)


def _wrong(one: Json) -> bool:
    answered, expected = text(one.get("answered")), text(one.get("expected"))
    return bool(answered and expected) and answered != expected


def _tail(one: Json) -> str:
    seen = text(one.get("source_seen"))
    return "." + ".".join(seen.split(".")[-2:]) if seen.count(".") == 3 else clipped(seen, 12)


def matrices(scenario: Scenario, observations: Sequence[Json], axis: Clock) -> list[Matrix]:
    """Return the matrix of each phase in which probes were sent, in order."""
    hosts = objects(scenario.facts.get("hosts"))
    pods = {text(host.get("host_id")): _name(host) for host in hosts}
    phases: dict[str, dict[tuple[tuple[str, str], tuple[str, str]], list[Json]]] = defaultdict(
        lambda: defaultdict(list)
    )
    names = {_name(host) for host in hosts}
    for one in observations:
        if one.get("kind") != "reach":
            continue
        source, target = mapping(one.get("source")), mapping(one.get("target"))
        for end in (source, target):
            pods.setdefault(text(end.get("uid")), _name(end))
            names.add(_name(end))
        phases[_phase(one, axis)][_name(source), _name(target)].append(one)
    broken = (check for check in scenario.checks if check.get("verdict") == "invalid")
    condemned = any("reach" in text(check.get("check")) for check in broken)
    sight = _Sight(pods, Counter(pod for _, pod in names), axis, condemned)
    return [_matrix(phase, sorted(names), pairs, sight) for phase, pairs in list(phases.items())[:12]]


def _name(end: Json) -> tuple[str, str]:
    return text(end.get("cluster")), text(end.get("pod"))


def _phase(one: Json, axis: Clock) -> str:
    told = text(one.get("phase"))
    if told:
        return told
    at = axis.at(one["t"])
    return next((phase.name for phase in axis.phases if phase.start <= at <= phase.end), "unnamed phase")


def _matrix(
    phase: str,
    names: list[tuple[str, str]],
    pairs: dict[tuple[tuple[str, str], tuple[str, str]], list[Json]],
    sight: _Sight,
) -> Matrix:
    cells = {(row, column): sight.cell(row, column, pairs.get((row, column), [])) for row in names for column in names}
    states = [cell.css for cell in cells.values()]
    shown = names if len(names) <= MOST_NAMES else _involved(names, cells)
    wrong = tuple(
        (f"{sight.called(row)} → {sight.called(column)} was {cell.note}", cell.seen_in)
        for (row, column), cell in cells.items()
        if cell.css == "wrong"
    )
    return Matrix(
        phase,
        tuple(sight.called(name) for name in shown),
        tuple(tuple(cells[row, column] for column in shown) for row in shown),
        _picture(names, cells),
        len(names),
        _summary(states),
        wrong[:MOST_WRONG],
        not {"wrong", "exp", "miss"} & set(states),
        len(names) - len(shown),
    )


def _involved(
    names: list[tuple[str, str]], cells: dict[tuple[tuple[str, str], tuple[str, str]], Cell]
) -> list[tuple[str, str]]:
    touched = {name for pair, cell in cells.items() if cell.css == "wrong" for name in pair}
    touched |= {column for (_, column), cell in cells.items() if cell.css in ("miss", "exp")}
    ranked = sorted(names, key=lambda name: name not in touched)[:MOST_NAMES]
    return [name for name in names if name in ranked]


def _picture(
    names: list[tuple[str, str]], cells: dict[tuple[tuple[str, str], tuple[str, str]], Cell]
) -> tuple[tuple[str, str], ...]:
    paths: dict[str, str] = defaultdict(str)
    for y, row in enumerate(names):
        for x, column in enumerate(names):
            paths[cells[row, column].css] += f"M{x + 0.08:g} {y + 0.08:g}h.84v.84h-.84z"
    return tuple((css, paths[css]) for css in ("ok", "exp", "miss", "wrong") if css in paths)


def _summary(states: list[str]) -> str:
    probed = [state for state in states if state not in ("self", "none")]
    words = [f"{plain(probed.count('ok'))} of {plain(len(probed))} right"]
    if "wrong" in probed:
        words.insert(0, f"{probed.count('wrong')} wrong identit{'y' if probed.count('wrong') == 1 else 'ies'}")
    silent = probed.count("exp") + probed.count("miss")
    if silent:
        words.append(f"{plain(silent)} silent")
    if states.count("none"):
        words.append(f"{plain(states.count('none'))} not probed")
    return ", ".join(words)
