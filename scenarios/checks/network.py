"""Reachability by identity: who answered, and which source address arrived there."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal

from scenarios.checks.registry import check, conclude, listed
from scenarios.record import Record
from scenarios.verdict import CheckResult, Finding

Probe = Mapping[str, Any]
Pod = tuple[str, str]
"""(cluster, pod)."""


@check("reachable", ident="identity reachability in {phase}")
def reachable(
    record: Record,
    phase: str,
    ports: Sequence[int],
    pairs: Literal["all", "across"] | Sequence[Sequence[str]] = "all",
    expect: Literal["identity", "open"] = "identity",
) -> CheckResult:
    """Every ordered pair of pods reaches each port, the expected identity answers, and no source is rewritten.

    `pairs` are all ordered pairs of the facts' hosts, those `across` clusters, or [source pod, target pod] lists; every
    probe between other pods is judged too when `pairs` is "all". With `expect="open"`, or where a probe expects no
    identity, the port only has to answer. A pair that was never probed makes the check unknown.
    """
    probes = [item for item in record.seen_in(phase, "reach") if item["port"] in ports and _wanted(item, pairs)]
    findings = [finding for item in probes for finding in _judge(item, by_identity=expect == "identity")]
    asked = {(_pod(item["source"]), _pod(item["target"]), item["port"]) for item in probes}
    missing = [
        f"{source[1]} -> {target[1]} port {port} was never probed"
        for source, target in _expected_pairs(record, pairs)
        for port in ports
        if (source, target, port) not in asked
    ]
    identified = sum(item.get("expected") is not None for item in probes)
    return conclude(
        findings,
        missing,
        identified if expect == "identity" else len(probes),
        (f"{len(asked)} pairs and ports answered as themselves in {phase}", f"nothing was probed in {phase}"),
        measured=len(findings),
        limit=0,
        unit="probes",
        counts={"probes": len(probes), "identified": identified, **Counter(item.anomaly for item in findings)},
    )


@check("unreachable", ident="control: port {port} is found blocked in {phase}")
def unreachable(record: Record, phase: str, port: int, target: str | None = None) -> CheckResult:
    """A control: probes of `port` (to the pod `target`, or to all) find it blocked while every other probe passes.

    An answer on the blocked port (`blocked-port-open`) or a failure elsewhere (`unreachable`, ...) is a finding.
    Vacuous unless both the blocked port and something else were probed in the phase.
    """
    probes = record.seen_in(phase, "reach")
    blocked: list[Probe] = []
    others: list[Probe] = []
    for item in probes:
        meant = item["port"] == port and target in (None, item["target"]["pod"])
        (blocked if meant else others).append(item)
    findings = [_finding("blocked-port-open", item, "answered, though blocked") for item in blocked if item["ok"]]
    findings += [finding for item in others for finding in _judge(item, by_identity=True)]
    found = sum(not item["ok"] for item in blocked)
    return conclude(
        findings,
        (),
        min(len(blocked), len(others)),
        (f"port {port} was found blocked {found} times, {len(others)} other probes passed", "one side was not probed"),
        measured=found,
        limit=len(blocked),
        unit="probes blocked",
        counts={"blocked-port-found": found, "blocked": len(blocked), "others": len(others)},
    )


@check("echoes", ident="echoes of {sizes} bytes in {phase}")
def echoes(record: Record, sizes: Sequence[int], phase: str) -> CheckResult:
    """Between every ordered pair of pods a payload of each size (bytes) comes back, from the expected pod.

    Pairs are those of the facts' hosts, or those that were probed when the facts name none. Unknown when a pair was not
    tried with every size.
    """
    probes = [item for item in record.seen_in(phase, "reach") if item.get("bytes") in sizes]
    findings = [finding for item in probes for finding in _judge(item, by_identity=True, lost="echo-lost")]
    asked = {(_pod(item["source"]), _pod(item["target"]), item["bytes"]) for item in probes}
    pairs = _expected_pairs(record, "all") or sorted({(source, target) for source, target, _ in asked})
    missing = [
        f"{source[1]} -> {target[1]} was never tried with {size} bytes"
        for source, target in pairs
        for size in sizes
        if (source, target, size) not in asked
    ]
    return conclude(
        findings,
        missing,
        len(probes),
        (f"{len(probes)} echoes of up to {max(sizes)} bytes came back", f"no echo was tried in {phase}"),
        measured=len(findings),
        limit=0,
        unit="echoes",
        counts={"echoes": len(probes), "pairs": len(pairs)},
    )


def _pod(end: Mapping[str, Any]) -> Pod:
    return str(end["cluster"]), str(end["pod"])


def _wanted(item: Probe, pairs: str | Sequence[Sequence[str]]) -> bool:
    source, target = item["source"], item["target"]
    if isinstance(pairs, str):
        return pairs == "all" or source["cluster"] != target["cluster"]
    return [source["pod"], target["pod"]] in [list(pair) for pair in pairs]


def _expected_pairs(record: Record, pairs: str | Sequence[Sequence[str]]) -> list[tuple[Pod, Pod]]:
    pods = sorted(_pod(host) for host in record.hosts)
    ordered = [(source, target) for source in pods for target in pods if source != target]
    if not isinstance(pairs, str):
        wanted = [tuple(pair) for pair in pairs]
        return [(source, target) for source, target in ordered if (source[1], target[1]) in wanted]
    return [pair for pair in ordered if pairs == "all" or pair[0][0] != pair[1][0]]


def _judge(item: Probe, *, by_identity: bool, lost: str = "unreachable") -> Iterable[Finding]:
    if not item["ok"]:
        yield _finding(lost, item, f"did not answer: {item.get('error') or 'no reason recorded'}")
        return
    expected, answered = item.get("expected"), item.get("answered")
    if by_identity and expected is not None and answered != expected:
        yield _finding("wrong-identity", item, f"{answered} answered, expected was {expected}")
    seen, sent = item.get("source_seen"), item["source"].get("address")
    if seen is not None and seen != sent:
        yield _finding("source-rewritten", item, f"saw the source as {seen}, sent from {sent}")


def _finding(anomaly: str, item: Probe, what: str) -> Finding:
    source, target = item["source"], item["target"]
    where = listed([target["pod"], target.get("address") or "no address", f"port {item['port']}"])
    size = f" with {item['bytes']} bytes" if item.get("bytes") else ""
    return Finding(anomaly, target["pod"], f"{source['pod']} -> {where}{size}: {what}", item["t"], (dict(item),))
