"""The trail of a finding: each operation or observation that proves it, in words, with its raw lines in the bundle."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from reports.bundle import Json, Operation, mapping, number, objects, strings, text
from reports.clock import Clock
from reports.intervals import MOST_OPERATIONS, Intervals, Told, intervals, told, whole
from reports.limits import clipped, figure
from reports.verdicts import SEEN_IN, Scenario

LONGEST_RAW = 1_500
"""Characters of a raw line that the page shows; the file has the whole."""
BESIDE = 3
"""Observations that are shown for a finding which names only their moment."""
PLACES = {"ledger": "bucket", "batch": "bucket", "counter": "counter", "log": "log"}
"""What a key of a workload is called (docs/formats.md); of any other it is a key."""


@dataclass(frozen=True)
class Raw:
    """A line of the bundle: ``history/east-client-0.jsonl:39`` below the run folder, and its text."""

    seen_in: str
    words: str


@dataclass(frozen=True)
class Step:
    """One operation or observation of a trail; times in seconds of the scenario."""

    at: str
    after: str
    who: str
    what: str
    outcome: str
    seen_in: str = ""
    raw: tuple[Raw, ...] = ()


@dataclass(frozen=True)
class Trail:
    """What proves a finding, the drawing of its operations, and how many of them are left out."""

    steps: tuple[Step, ...] = ()
    figure: Intervals | None = None
    untold: int = 0


@dataclass(frozen=True)
class Sources:
    """What a trail is looked up in: the history by process and number, the observations, the axis, names of pods."""

    known: Mapping[tuple[str, int], Operation]
    observations: Sequence[Json]
    axis: Clock
    pods: Mapping[str, str]

    @classmethod
    def of(
        cls, scenario: Scenario, operations: Sequence[Operation], observations: Sequence[Json], axis: Clock
    ) -> Sources:
        """Index a scenario's history."""
        pods = {text(host.get("host_id")): text(host.get("pod")) for host in objects(scenario.facts.get("hosts"))}
        return cls({(one.process, one.op): one for one in operations}, observations, axis, pods)


def trail(finding: Json, sources: Sources, *, broken: bool) -> Trail:
    """Tell a finding's operations; one without any is told by the observations of its moment."""
    listed = objects(finding.get("operations"))
    acts = [one for one in listed if "process" in one or "op" in one]
    if acts:
        kept = acts if len(acts) <= MOST_OPERATIONS else [*acts[: MOST_OPERATIONS - 1], acts[-1]]
        drawn = [found for one in acts if (found := _told(one, sources)) is not None]
        steps = tuple(_step(one, sources) for one in kept)
        return Trail(steps, intervals(drawn, sources.axis, broken=broken), len(acts) - len(kept))
    seen = _seen(finding, listed, sources)
    return Trail(tuple(_sight(one, sources) for one in seen[:MOST_OPERATIONS]), None, len(seen[MOST_OPERATIONS:]))


def _seen(finding: Json, listed: list[Json], sources: Sources) -> list[Json]:
    """The observations that a finding rests on, as they stand in the file where it can be told which they are."""
    wanted = listed or [{"t": finding.get("at")}]
    moments = {number(one.get("t")) for one in wanted} - {None}
    there = [one for one in sources.observations if number(one.get("t")) in moments]
    if not listed:
        return there[:BESIDE]
    return [next((one for one in there if all(one.get(k) == v for k, v in item.items())), item) for item in listed]


def _operation(one: Json, sources: Sources) -> Operation | None:
    return sources.known.get((text(one.get("process")), whole(one.get("op"))))


def _told(one: Json, sources: Sources) -> Told | None:
    step = _step(one, sources)
    seen = _operation(one, sources)
    found = told(one, seen, sources.axis, step.what, _outcome(one, seen))
    if found is None:
        return None
    coordinator = _coordinator(one, seen, sources)
    ended = step.outcome.removeprefix(f"{found.outcome}: ")
    what = found.what if ended == found.outcome else f"{found.what}: {ended}"
    return Told(found.process, clipped(what, 76), found.outcome, found.start, found.end, coordinator)


def _outcome(one: Json, seen: Operation | None) -> str:
    return text(one.get("outcome")) or text(one.get("type")) or (seen.outcome if seen else "")


def _coordinator(one: Json, seen: Operation | None, sources: Sources) -> str:
    found = text(one.get("coordinator")) or (text(seen.completion.get("coordinator")) if seen else "")
    return sources.pods.get(found, found[:8])


def _step(one: Json, sources: Sources) -> Step:
    """Tell one operation; a finding carries it whole, or names process and op and the history has the rest."""
    seen = _operation(one, sources)
    full = {**seen.invoke, **one} if seen else one
    axis = sources.axis
    start = axis.moment(one.get("invoke", one.get("time", seen.start if seen else None)))
    end = axis.moment(one.get("returned", seen.end if seen else None))
    coordinator = _coordinator(one, seen, sources)
    who = text(full.get("process")) or "?"
    ended = "" if end is None or start is None or end < start else f" to {end:.3f}"
    return Step(
        "" if start is None else f"{start:.3f}{ended}",
        "" if start is None else axis.after(start),
        f"{who} → {coordinator}" if coordinator else who,
        clipped(_what(full), 160),
        _came_back(one, seen),
        seen.seen_in if seen else "",
        _raw(seen) if seen else (),
    )


def _raw(seen: Operation) -> tuple[Raw, ...]:
    invoke = Raw(seen.seen_in, _line(seen.invoke))
    return (invoke, Raw(seen.ended_in, _line(seen.completion))) if seen.ended_in else (invoke,)


def _line(record: Json) -> str:
    bare = {name: value for name, value in record.items() if name != SEEN_IN}
    return clipped(json.dumps(bare, ensure_ascii=False), LONGEST_RAW)


def _what(one: Json) -> str:
    """What was asked: ``write key 0 = 4 at LOCAL_QUORUM``, ``key 0: put 5 if it is 4 at SERIAL``."""
    verb, key, value = text(one.get("f")), text(one.get("key")), one.get("value")
    workload = text(one.get("workload"))
    place = f"{PLACES.get(workload, 'key')} {key}"
    if verb == "cas" and isinstance(value, list) and len(value) == 2:
        words = f"{place}: put {_value(value[1])} if it is {_value(value[0])}"
    elif verb in ("add", "append"):
        words = f"{verb} {_value(value)} to {place}"
    elif workload in ("ledger", "batch") and value is not None:
        words = f"{verb} {_value(value)} in {place}"
    elif workload in ("", "probe") or not key:
        words = " ".join(word for word in (verb, key) if word) + ("" if value is None else f" = {_value(value)}")
    else:
        words = f"{verb} {place}" + ("" if value is None else f" = {_value(value)}")
    level = text(one.get("cl"))
    return f"{words} at {level}" if level else words


def _value(value: object) -> str:
    """A value as it was sent: an identity, so without room between thousands."""
    return "nothing" if value is None else str(value) if isinstance(value, int) else clipped(figure(value), 60)


def _came_back(one: Json, seen: Operation | None) -> str:
    outcome = _outcome(one, seen)
    out = one.get("out", seen.completion.get("out") if seen else None)
    error = one.get("error", seen.completion.get("error") if seen else None)
    if isinstance(out, dict) and "applied" in out:
        now = out.get("value", out.get("head"))
        said = "applied" if out["applied"] else f"not applied, it is {_value(now)}"
    elif out is not None:
        said = clipped(_value(out), 80)
    elif outcome == "ok" and text(one.get("f")) == "read":
        said = "nothing there"
    else:
        said = clipped(", ".join(word for word in strings(error)[:1] if word), 60)
    return f"{outcome}: {said}" if said else outcome or "no answer"


def _sight(one: Json, sources: Sources) -> Step:
    """Tell one observation."""
    kind, at = text(one.get("kind")), sources.axis.moment(one.get("t"))
    tell = {"ring_view": _view, "dns_answer": _dns, "reach": _reach, "outcome": _became, "log_line": _logged}
    who, what, outcome = tell.get(kind, _anything)(one, sources)
    where = text(one.get(SEEN_IN))
    return Step(
        "" if at is None else f"{at:.3f}",
        "" if at is None else sources.axis.after(at),
        who,
        clipped(what, 240),
        clipped(outcome, 160),
        where,
        (Raw(where, _line(one)),) if where else (),
    )


Three = tuple[str, str, str]


def _view(one: Json, sources: Sources) -> Three:
    """A ring view: how many it sees, and who of them is no host of the ring that was formed."""
    asked = sources.pods.get(text(one.get("host")), text(one.get("address")))
    if not one.get("ok"):
        return asked, "is asked for its ring view", f"no answer: {text(one.get('error'))}"
    peers = objects(one.get("peers"))
    words = [f"{len(peers) + 1} hosts, itself among them"]
    strange = [peer for peer in peers if sources.pods and text(peer.get("host_id")) not in sources.pods]
    words += [
        f"{text(peer.get('host_id'))[:8]} at {text(peer.get('address'))} is none of this ring" for peer in strange
    ]
    down = [sources.pods.get(host, host[:8]) for host in strings(one.get("down"))]
    words += [f"down: {', '.join(down)}"] if down else []
    return asked, "is asked for its ring view", "; ".join(words)


def _dns(one: Json, _: Sources) -> Three:
    got = ", ".join(strings(one.get("addresses"))) or "no address"
    expected = text(one.get("expected"))
    wanted = f"expected {expected}" if expected else "expected none"
    return f"a client in {text(one.get('cluster'))}", f"asks for {text(one.get('name'))}", _dns_words(one, got, wanted)


def _dns_words(one: Json, got: str, wanted: str) -> str:
    rcode = text(one.get("rcode"))
    return f"{got if rcode == 'NOERROR' else rcode}; {wanted}"


def _reach(one: Json, sources: Sources) -> Three:
    source, target = mapping(one.get("source")), mapping(one.get("target"))
    answered = text(one.get("answered"))
    who = sources.pods.get(answered, answered[:8])
    outcome = f"answered by {who}" if answered else f"no answer: {text(one.get('error'))}"
    seen = text(one.get("source_seen"))
    asked = f"asks {text(target.get('pod'))} at {text(target.get('address'))}:{text(one.get('port'))}"
    return text(source.get("pod")), asked, f"{outcome}{', source seen ' + seen if seen else ''}"


def _became(one: Json, _: Sources) -> Three:
    seconds = number(one.get("seconds"))
    after = "" if seconds is None else f" after {seconds:.1f} s"
    detail = text(one.get("detail"))
    return text(one.get("by")), text(one.get("subject")), f"{text(one.get('outcome'))}{after}; {detail}".rstrip("; ")


def _logged(one: Json, _: Sources) -> Three:
    return text(one.get("pod")), f"logged {text(one.get('level'))}", text(one.get("text"))


def _anything(one: Json, _: Sources) -> Three:
    bare = {name: value for name, value in one.items() if name not in ("t", "kind", "by", SEEN_IN)}
    return text(one.get("by")), text(one.get("kind")) or "record", figure(bare)
