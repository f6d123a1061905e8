"""Name resolution: a pod's name gives the pod's current address, in every cluster that asks."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from scenarios.checks.registry import check, conclude
from scenarios.checks.settling import Sample, settle
from scenarios.record import Moment, Record
from scenarios.verdict import CheckResult, Finding

Answer = Mapping[str, Any]


@check("resolves", ident="names resolve within the limit after {since}")
def resolves(record: Record, since: Moment, limit: float, formula: str = "", names: Sequence[str] = ()) -> CheckResult:
    """From `limit` seconds after `since` on, every answer is the pod's address of that time, in every cluster asked.

    `names` are all that were asked by default. Measured per cluster: from `since` to the first answer after which all
    are right; 0 when none was ever wrong. Answers for a pod that had no address are not judged.
    """
    start = record.moment(since)
    answers = list(_judged(record.seen("dns_answer"), names))
    unasked = sorted(set(names) - {item["name"] for item in answers if item["t"] >= start})
    settled = settle([Sample(_subject(item), item["t"], _wrong(item)) for item in answers], start, limit)
    doubts = settled.doubts + [f"{name} was never asked for after {' '.join(since)}" for name in unasked]
    after = sum(item["t"] >= start for item in answers)
    clusters: dict[str, float] = {}
    for subject, seconds in settled.seconds.items():
        clusters[_cluster(subject)] = max(seconds, clusters.get(_cluster(subject), 0.0))
    return conclude(
        [replace(finding, who=_cluster(finding.who)) for finding in settled.findings],
        doubts if answers else (),
        after,
        (f"resolved after {settled.slowest or 0:.1f} s in {len(clusters)} clusters", "no name was asked for"),
        measured=settled.slowest,
        limit=limit,
        unit="s",
        formula=formula or None,
        counts={**{f"seconds {name}": took for name, took in sorted(clusters.items())}, "answers": after},
    )


@check("resolves_in_phase", ident="every name resolves in {phase}")
def resolves_in_phase(record: Record, phase: str, names: Sequence[str] = ()) -> CheckResult:
    """In a phase every answer is right, and every cluster asked for every pod of the facts' hosts (or for `names`)."""
    answers = list(_judged(record.seen_in(phase, "dns_answer"), names))
    findings = []
    for item in answers:
        if wrong := _wrong(item):
            asker = item["cluster"]
            findings.append(Finding(wrong[0], asker, f"{asker}: {wrong[1]}", item["t"], (dict(item),)))
    clusters = sorted({str(host["cluster"]) for host in record.hosts} | {str(item["cluster"]) for item in answers})
    field, wanted = ("name", sorted(names)) if names else ("pod", sorted({str(host["pod"]) for host in record.hosts}))
    asked = {(item["cluster"], item.get(field)) for item in answers}
    missing = [
        f"{cluster} never asked for {what}" for cluster in clusters for what in wanted if (cluster, what) not in asked
    ]
    return conclude(
        findings,
        missing if answers else (),
        len(answers),
        (f"{len(answers)} answers in {len(clusters)} clusters were right", f"no name was asked for in {phase}"),
        measured=len(findings),
        limit=0,
        unit="wrong answers",
        counts={"answers": len(answers), "clusters": len(clusters)},
    )


def _subject(item: Answer) -> str:
    """Each name in each cluster settles on its own: another name's right answer says nothing about this one."""
    return f"{item['cluster']}: {item['name']}"


def _cluster(subject: str) -> str:
    return subject.partition(":")[0]


def _judged(answers: Iterable[Answer], names: Sequence[str]) -> Iterable[Answer]:
    return (item for item in answers if item.get("expected") is not None and (not names or item["name"] in names))


def _wrong(item: Answer) -> tuple[str, str] | None:
    if item["rcode"] != "NOERROR":
        return "unresolved", f"{item['name']} gave {item['rcode']}"
    if set(item["addresses"]) != {item["expected"]}:
        shown = " ".join(item["addresses"]) or "no address"
        return "wrong-address", f"{item['name']} gave {shown} instead of {item['expected']}"
    return None
