"""What a person reads first, in sentences: the headline, one paragraph for each promise that broke, its trail."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from reports.bundle import Json, Operation, mapping, number, objects, text
from reports.clock import Clock
from reports.limits import clipped, kept, limit, measured, plain
from reports.seen import pod_names
from reports.spoken import repeats, spoken
from reports.trail import Sources, Trail, trail
from reports.verdicts import NOT_JUDGED, Run, Scenario
from scenarios import codes
from scenarios.codes.pages import sections

HEADLINES = {
    "valid": "It held.",
    "invalid": "It did not hold.",
    "unknown": "It could not be judged.",
    "vacuous": "Nothing was put to the test.",
    NOT_JUDGED: "It was not judged.",
}
COUNTS = ["no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"]
FATES = {
    "invalid": ("was broken", "were broken"),
    "unknown": ("could not be judged", "could not be judged"),
    NOT_JUDGED: ("was not judged", "were not judged"),
    "vacuous": ("put nothing to the test", "put nothing to the test"),
    "valid": ("held", "held"),
}
LONGEST_ASIDE = 40
"""Characters of what a check's name holds in brackets, as a title shows them."""
LONGEST_LIMIT = 240
"""Characters of a limit with its formula in a paragraph; the table of checks has more of it, the bundle all."""


@dataclass(frozen=True)
class Piece:
    """A piece of a paragraph; ``kind`` is empty, ``time`` or ``name``."""

    words: str
    kind: str = ""


@dataclass(frozen=True)
class Further:
    """One more finding of a check: when (seconds), the short form of where it stands among the faults, and what."""

    at: str
    after: str
    who: str
    what: str


@dataclass(frozen=True)
class Breach:
    """Why one check of a scenario is not valid."""

    word: str
    check: str
    pieces: tuple[Piece, ...]
    trail: Trail = field(default_factory=Trail)
    code: str = ""
    """What `ringproof explain` explains."""
    further: tuple[Further, ...] = ()
    """The check's other findings."""

    @property
    def title(self) -> str:
        """The check without a long list of what it was asked about, or the word where no check stands behind it."""
        name, _, more = self.check.partition(" (")
        return (name if len(more) > LONGEST_ASIDE else self.check) or self.word

    @property
    def meaning(self) -> str:
        """What the code means in a few words; empty where it has no page."""
        known = sections().get(self.code)
        return known.title if known else ""

    @property
    def plain(self) -> str:
        """The paragraph without marks."""
        return "".join(piece.words for piece in self.pieces)


def counted(number_of: int) -> str:
    """Write a count in words up to twelve."""
    return COUNTS[number_of] if number_of < len(COUNTS) else plain(number_of)


def headline(run: Run) -> str:
    """Whether it held, in one sentence; a run that was stopped says so only of what nothing is known of."""
    if run.verdict == NOT_JUDGED and any(one.verdict == "invalid" for one in run.scenarios):
        return "It did not hold, as far as it was judged."
    if run.controls and not run.scenarios:
        return "No promise was tried, only the controls."
    return HEADLINES[run.verdict]


def lede(run: Run) -> str:
    """One sentence: how many promises met which fate."""
    counts = {word: count for word, count in run.counts().items() if count}
    total = len(run.scenarios)
    if not total and run.controls:
        words = Counter(one.verdict for one in run.controls)
        told = ", ".join(f"{words[word]} {word}" for word in HEADLINES if words[word])
        many = len(run.controls) > 1
        noun = f"control{'s are' if many else ' is'} below, {'each ' if many else ''}judged for itself"
        return f"{counted(len(run.controls)).capitalize()} {noun}: {told}."
    if not total:
        return "No scenario left anything in this folder."
    if run.verdict == NOT_JUDGED:
        scenarios = f"{counted(total)} scenario{'s' if total > 1 else ''}"
        return f"The run was stopped before its verdict: of {scenarios} {_fates(counts)}."
    if list(counts) == ["valid"]:
        return "The one promise held." if total == 1 else f"All {counted(total)} promises held."
    sentence = _fates(counts, of=total)
    return sentence[0].upper() + sentence[1:] + "."


def _fates(counts: dict[str, int], of: int | None = None) -> str:
    parts = []
    for at, (word, count) in enumerate(counts.items()):
        noun = f" promise{'s' if count > 1 else ''} of {counted(of)}" if of and at == 0 and of > 1 else ""
        noun = " promise" if of == 1 else noun
        parts.append(f"{counted(count)}{noun} {FATES[word][count > 1]}")
    return ", ".join(parts)


def part_note(run: Run, part: str) -> str:
    """One line beside each of the three verdicts."""
    if part == "system":
        return ", ".join(f"{count} {word}" for word, count in run.counts().items() if count) or "no scenario"
    events = [event for one in run.scenarios for _, event in one.events.records]
    if part == "evidence":
        return _evidence_note(run)
    done = [event for event in events if event.get("event") == "cleanup"]
    left = [event for event in done if not event.get("ok")]
    if left:
        return clipped(text(left[0].get("detail")) or "something was left", 120)
    missing = sum(not any(event.get("event") == "cleanup" for _, event in one.events.records) for one in run.scenarios)
    return (
        f"{len(done)} of {len(run.scenarios)} scenarios left nothing behind" if missing else "nothing was left behind"
    )


def _evidence_note(run: Run) -> str:
    bit, lost = 0, []
    for one in run.scenarios:
        lives: dict[str, set[str]] = {}
        for _, event in one.events.records:
            if event.get("event") == "fault":
                lives.setdefault(text(event.get("id")), set()).add(text(event.get("state")))
        bit += sum("effective" in states for states in lives.values())
        lost += [f"{key} of {one.id}" for key, states in lives.items() if "effective" not in states]
    if not bit and not lost:
        return "no fault was injected"
    total = bit + len(lost)
    words = (
        f"{bit} of {total} faults were seen to bite"
        if total > 1
        else f"the one fault was{' not' * (not bit)} seen to bite"
    )
    return clipped(f"{words}; not {', '.join(lost)}", 160) if lost else words


def breaches(
    scenario: Scenario, operations: Sequence[Operation], observations: Sequence[Json], axis: Clock
) -> list[Breach]:
    """One paragraph for each check that is not valid, worst first; at least one for a scenario that is not valid."""
    if scenario.verdict == NOT_JUDGED:
        return [_stopped(scenario, axis)]
    sources = Sources.of(scenario, operations, observations, axis)
    found = [_breach(check, sources) for check in scenario.not_valid()]
    words = {breach.word for breach in found}
    for part, word in scenario.parts.items():
        if word != "valid" and word not in words:
            found.append(_part_breach(scenario, part, word, axis))
    if not found and scenario.verdict != "valid":
        found.append(
            Breach(
                scenario.verdict,
                "",
                (Piece("Its files contradict each other; see what is wrong with the bundle."),),
                code=codes.of_trouble("altered"),
            )
        )
    return found


def _stopped(scenario: Scenario, axis: Clock) -> Breach:
    records = scenario.events.records
    if not records:
        return Breach(
            NOT_JUDGED,
            "",
            (Piece("Not judged: no verdict.json and no event in its folder."),),
            code=codes.of_run(NOT_JUDGED),
        )
    when, event = number(records[-1][1].get("t")), records[-1][1]
    told = " ".join(word for word in (text(event.get(key)) for key in ("event", "id", "name", "state", "for")) if word)
    at = "" if when is None else f" at {axis.at(when):.1f} s"
    words = f"Not judged: the folder has no verdict that can be read. Its last event is “{clipped(told, 120)}”{at}."
    return Breach(NOT_JUDGED, "", (Piece(words),), code=codes.of_run(NOT_JUDGED))


def _breach(check: Json, sources: Sources) -> Breach:
    findings = objects(check.get("findings"))
    said = spoken(text(check.get("explain")) or f"{text(check.get('id'))}: no reason is recorded")
    pieces = [Piece(_sentence(said))]
    word = _word(check)
    shown = Trail()
    if findings:
        pieces += _where(findings[0], sources.axis, said)
        shown = trail(findings[0], sources, broken=word == "invalid")
    if check.get("measured") is not None and not kept(check):
        bound = clipped(limit(check), LONGEST_LIMIT)
        pieces.append(Piece(f" Measured {measured(check)}{', ' + bound if bound else ''}" + "."))
    if len(findings) > 1 and "more)" not in said[-8:]:
        pieces.append(
            Piece(f" {counted(len(findings) - 1).capitalize()} more such finding{'s' if len(findings) > 2 else ''}.")
        )
    code = codes.of_check(check) or ""
    further = tuple(_further(one, sources.axis) for one in findings[1:])
    return Breach(word, text(check.get("id")), tuple(pieces), shown, code, further)


def _further(finding: Json, axis: Clock) -> Further:
    at = axis.moment(finding.get("at"))
    what = clipped(spoken(text(finding.get("detail"))) or text(finding.get("anomaly")).replace("-", " "), 300)
    when = ("", "") if at is None else (f"{at:.3f}", axis.after(at))
    return Further(*when, text(finding.get("who")), what)


def _word(check: Json) -> str:
    word = text(check.get("verdict"))
    return word if word in HEADLINES else "unknown"


def _sentence(words: str) -> str:
    words = clipped(words.strip(), 600)
    if words.split(" ", 1)[0].isalpha():  # a name, like east-probe-9, keeps its letters
        words = words[:1].upper() + words[1:]
    return words if words.endswith((".", "!", "?", "…", ".”")) else f"{words}."


def _where(finding: Json, axis: Clock, said: str) -> list[Piece]:
    """Where the first finding stands: when, in which window or phase, who; and what, unless ``said`` has told it."""
    at, who, detail = axis.moment(finding.get("at")), text(finding.get("who")), spoken(text(finding.get("detail")))
    anomaly = text(finding.get("anomaly")).replace("-", " ")
    pieces = _when(at, axis) if at is not None else []
    if repeats(detail, said):
        return [*pieces, Piece(".")] if pieces else []
    if who:
        pieces += [Piece(", ") if pieces else Piece(" It is "), Piece(who, "name")]
    told = clipped(": ".join(word for word in (anomaly, detail) if word), 600)
    lead = ":" if pieces else ""
    return [
        *pieces,
        Piece(f"{lead} {told}{'' if told.endswith(('.', '.”')) else '.'}" if told else "." if pieces else ""),
    ]


def _when(at: float, axis: Clock) -> list[Piece]:
    relation, window = axis.relation(at), axis.within(at)
    named = f" ({window.name})" if window and window.name != window.id else ""
    pieces = [Piece(" First at second "), Piece(f"{at:.3f}", "time"), Piece(" of the scenario")]
    return [*pieces, Piece(f", {relation}{named}")] if relation else pieces


def _part_breach(scenario: Scenario, part: str, word: str, axis: Clock) -> Breach:
    why = told = text(mapping(scenario.document.get("why")).get(part))
    if part == "evidence":
        told = _not_bitten(axis) or told
    if part == "cleanup":
        left = [
            event for _, event in scenario.events.records if event.get("event") == "cleanup" and not event.get("ok")
        ]
        told = told or (f"Clean-up left something: {text(left[0].get('detail'))}" if left else "")
    names = {"system": "system under test", "evidence": "fault evidence", "cleanup": "clean-up"}
    return Breach(
        word,
        names[part],
        (Piece(_sentence(told or f"The verdict over the {names[part]} is {word}")),),
        code=codes.of_part(part, why),
    )


def _not_bitten(axis: Clock) -> str:
    lost = [window for window in axis.windows if not window.bit]
    if not lost:
        return ""
    window = lost[0]
    return (
        f"{window.id} ({window.name}) was injected at {window.inject:.1f} s and nothing independent saw it bite, "
        f"so nothing under it was judged{': ' + window.error if window.error else ''}"
    )


def pods_hit(scenario: Scenario) -> set[str]:
    """The pods that the findings of invalid checks name, by name or as coordinator."""
    names = pod_names(scenario)
    told, found = "", set()
    for check in scenario.checks:
        if check.get("verdict") != "invalid":
            continue
        for finding in objects(check.get("findings")):
            told += f" {text(finding.get('who'))} {text(finding.get('detail'))}"
            found |= {
                names[one]
                for item in objects(finding.get("operations"))
                if (one := text(item.get("coordinator"))) in names
            }
    words = set(re.findall(r"[A-Za-z0-9][A-Za-z0-9.-]*", told))
    return (found | {pod for pod in names.values() if pod in words}) - {""}
