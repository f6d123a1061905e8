"""Five made-up scenarios, one for each word and one with a nested verdict. TEST DATA, see ``tests.bundles``."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from tests.bundle_records import (
    HOSTS,
    PODS,
    Json,
    all_pairs,
    at,
    check,
    dns,
    ending,
    fault,
    phases,
    pod,
    probes,
    reach,
    view,
)

SPANS = {"valid": 60, "invalid": 90, "unknown": 40, "vacuous": 10, "nested": 8}
IDS = {
    "valid": "pod-reschedule-stub-domains",
    "invalid": "partition-both-ways-stub-domains",
    "unknown": "dns-failure-stale-shared-suffix",
    "vacuous": "baseline-shared-suffix",
    "nested": "cidr-overlap",
}


@dataclass
class Made:
    """The files of one scenario folder before they are written."""

    word: str
    promise: str
    topology: str
    parts: tuple[str, str, str]
    checks: list[Json]
    events: list[Json]
    operations: Callable[[str], Iterator[Json]] = field(default=lambda dc: iter(()))
    observations: list[Json] = field(default_factory=list)

    @property
    def id(self) -> str:
        """The scenario's id."""
        return IDS[self.word]


HOME, OLD, NEW = HOSTS[0], "10.81.1.11", "10.81.1.27"


def waited(second: float, what: str, seconds: float, limit: float, formula: str, *, timer: bool) -> Json:
    """One wait of a run."""
    told: Json = {"t": at(second), "event": "waited", "for": what, "seconds": seconds, "limit": limit}
    return {**told, "formula": formula, "timer": timer}


def observations_of_a_new_address() -> list[Json]:
    """East-a-0 is gone from 16 to 29 s, and comes back under NEW; west hears of it last."""
    found: list[Json] = []
    for second in range(60):
        for cluster, late in (("east", 25), ("west", 33)):
            answers = ("NOERROR", [OLD if second < late else NEW])
            found.append(dns(second, cluster, HOME["pod"], *answers, OLD if second < 22 else NEW))
            found.append(dns(second, cluster, PODS[1], "NOERROR", ["10.81.2.11"], "10.81.2.11"))
        for asker in HOSTS[1:] if second % 2 == 0 else ():
            down = [HOME["pod"]] if 16 <= second < 29 else []
            knows = second >= (31 if asker is HOSTS[4] else 29)
            found.append(view(second, asker, down, {HOME["pod"]: NEW} if knows else None))
    found += [pod(0, host, "running", host["address"]) for host in HOSTS]
    found += [pod(15, HOME, "exited", ""), pod(22, HOME, "running", NEW, "2")]
    found += all_pairs(2, "baseline") + all_pairs(50, "healed")
    return found + all_pairs(17, "pod gone", lambda a, b: HOME not in (a, b))


def checks_of_a_new_address() -> list[Json]:
    """Four checks inside their limits."""
    names = {"measured": 11, "limit": 35, "unit": "s", "formula": "ttl 5 + cache 25 + slack 5"}
    views = {"measured": 9.3, "limit": 60, "unit": "s", "formula": "boot 28 + gossip 15 + slack 17"}
    lost = {"measured": 0, "limit": 0, "unit": "writes", "formula": "write 2 + read 2 > replication 3"}
    share = {"measured": 99.97, "limit": 99.9, "unit": "%", "formula": "no replica is touched"}
    params = {"consistency": "LOCAL_QUORUM", "datacenter": "east"}
    return [
        check("valid", "resolution", "names follow the pod", "every name was right in time", **names),
        check("valid", "views", "every view has the new address", "all views agree", **views),
        check("valid", "no-lost-writes", "no acknowledged write is lost", "none is missing", **lost),
        check("valid", "served", "LOCAL_QUORUM outside F1, east", "served", **share, params=params),
    ]


def made_valid() -> Made:
    """A pod is killed and comes back under a new address; everything stays inside its limits."""
    events = [
        *phases(("baseline", 0), ("pod gone", 14), ("healed", 45)),
        *fault("F1", "east-a-0 rescheduled", 15, 15.4, 22, 33),
        {"t": at(15), "event": "mark", "name": "killed east-a-0"},
        waited(29, "every view has the new address", 7.1, 60, "boot 28 + gossip 15 + slack 17", timer=False),
        waited(44, "hint dispatch", 10.2, 20, "dispatch 10 + slack 10", timer=True),
        *ending(59),
    ]

    def outcome(second: float, dc: str, level: str) -> str:
        hurt = dc == "east" and 15 <= second < 15.6
        return "info" if hurt and (level == "SERIAL" or round(second * 10) % 3 == 0) else "ok"

    promise = (
        "A pod that returns under a new address is the same host to every peer, and its name follows it everywhere."
    )
    return Made(
        "valid",
        promise,
        "stub-domains",
        ("valid", "valid", "valid"),
        checks_of_a_new_address(),
        events,
        lambda dc: probes(dc, 60, outcome, HOSTS[1]["host_id"]),
        observations_of_a_new_address(),
    )


def same_side(a: Json, b: Json) -> bool:
    """Whether two hosts are in one cluster."""
    return bool(a["cluster"] == b["cluster"])


def observations_of_a_cut() -> list[Json]:
    """Nothing crosses in the phase ``cut``; each side calls the other down from 38 to 66 s."""
    found = all_pairs(3, "baseline") + all_pairs(40, "cut", same_side) + all_pairs(85, "healed")
    for second in range(0, 90, 3):
        for asker in HOSTS:
            other = [host["pod"] for host in HOSTS if not same_side(host, asker)]
            found.append(view(second, asker, other if 38 <= second < 66 else []))
    return found


def served_in_the_cut() -> Json:
    """The finding: ticks 445 and 446 of the QUORUM probe in east were acknowledged."""
    told = {"process": "east-probe-0", "workload": "probe", "f": "write", "key": 1, "cl": "QUORUM", "dc": "east"}
    served = [
        {**told, "index": op, "op": op, "value": op // 3, "outcome": "ok", "coordinator": HOSTS[1]["host_id"],
         "invoke": at(0.05 + op // 3 / 10), "returned": at(0.06 + op // 3 / 10)}
        for op in (1336, 1339)
    ]  # fmt: skip
    detail = "write 445 at QUORUM through east-b-0 was acknowledged with only three of six replicas in reach"
    who = "east-probe-0"
    return {"anomaly": "served-in-cut", "who": who, "at": at(44.56), "detail": detail, "operations": served}


def checks_of_a_cut() -> list[Json]:
    """QUORUM was served where it must be refused; SERIAL and LOCAL_QUORUM did what they must."""
    none = {"limit": 0, "unit": "operations", "formula": "3 of 6 replicas < quorum 4"}
    broken = {"measured": 2, "counts": {"ok": 2, "refused": 598}, "findings": [served_in_the_cut()]}
    kept = {"measured": 0, "counts": {"ok": 0, "refused": 600}}
    share = {"measured": 100, "limit": 99.9, "unit": "%", "formula": "all 3 local replicas stay"}
    quorum, serial = ({"consistency": level, "window": "F1"} for level in ("QUORUM", "SERIAL"))
    said = "2 QUORUM operations were acknowledged inside the cut"
    return [
        check("invalid", "refused", "refused QUORUM in F1", said, **none, **broken, params=quorum),
        check("valid", "refused", "refused SERIAL in F1", "none was acknowledged", **none, **kept, params=serial),
        check("valid", "served", "LOCAL_QUORUM in F1", "served", **share, params={"consistency": "LOCAL_QUORUM"}),
    ]


def made_invalid() -> Made:
    """Both datacenters are cut apart, and two QUORUM writes are acknowledged inside the cut."""
    events = [
        *phases(("baseline", 0), ("cut", 20), ("healed", 66)),
        *fault("F1", "east and west cut apart", 20, 20.4, 62, 66.5),
        waited(38, "conviction", 17.2, 18.4, "phi 8 / 0.434 x 1 s", timer=True),
        *ending(89),
    ]

    def outcome(second: float, dc: str, level: str) -> str:
        if level == "LOCAL_QUORUM" or not 20.4 <= second < 64:
            return "ok"
        if level == "QUORUM" and dc == "east" and round((second - 0.05) * 10) in (445, 446):
            return "ok"
        return "info" if second < 38 else "fail"

    return Made(
        "invalid",
        "Cut apart, each datacenter serves LOCAL_QUORUM alone, and QUORUM is refused on both sides.",
        "stub-domains",
        ("invalid", "valid", "valid"),
        checks_of_a_cut(),
        events,
        lambda dc: probes(dc, 90, outcome, HOSTS[1]["host_id"]),
        observations_of_a_cut(),
    )


def made_unknown() -> Made:
    """Stale DNS answers were declared, and no probe ever saw one."""
    observations = [dns(second, "west", PODS[0], "NOERROR", ["10.81.1.11"], "10.81.1.11") for second in range(40)]
    checks = [
        check(
            "unknown",
            "identity",
            "no client ends at a wrong host",
            "F1 was never seen to bite, so nothing was judged",
            measured=0,
            limit=1,
            unit="stale answers",
            formula="vacuity gate: at least one name",
        )
    ]
    events = [
        *phases(("baseline", 0), ("stale", 10)),
        *fault("F1", "west told old addresses", 10, None, 30, 30.5),
        *ending(39),
    ]
    return Made(
        "unknown",
        "A client that is told an old address ends at the right host or at none.",
        "shared-suffix",
        ("unknown", "unknown", "valid"),
        checks,
        events,
        lambda dc: probes(dc, 40, lambda *_: "ok", HOSTS[1]["host_id"]),
        observations,
    )


def made_vacuous() -> Made:
    """No client ever sent anything."""
    checks = [
        check(
            "vacuous",
            "served",
            "LOCAL_QUORUM in baseline",
            "no operation was sent",
            measured=0,
            limit=1,
            unit="operations",
        )
    ]
    return Made(
        "vacuous",
        "Six hosts know each other, and every pod name resolves in both clusters.",
        "shared-suffix",
        ("vacuous", "valid", "valid"),
        checks,
        [*phases(("baseline", 0)), *ending(9)],
    )


def made_nested() -> Made:
    """An overlap that was found: valid."""
    checks = [
        check("valid", "plan", "the plan is refused", "both ranges were named", measured=1, limit=1, unit="conflicts"),
        check("valid", "nested", "the forced run is found invalid", "its verdict is invalid, as it must be"),
    ]
    parts, events = ("valid", "valid", "valid"), [*phases(("forced", 0)), *ending(7)]
    return Made("nested", "An overlap never goes unnoticed.", "overlap", parts, checks, events)


def made_inner() -> Made:
    """The forced run inside of it: the wrong pod answers, so it is invalid."""
    observations = [one for one in all_pairs(2, "forced") if one["target"]["pod"] != PODS[3]]
    observations += [reach(3, "forced", (HOSTS[0], HOSTS[3]), ok=True, answered=f"uid-{PODS[1]}")]
    finding = {"anomaly": "wrong-identity", "who": PODS[0], "at": at(3), "operations": []}
    finding["detail"] = f"{PODS[3]} was asked and {PODS[1]} answered"
    figures = {"measured": 1, "limit": 0, "unit": "wrong identities", "formula": "identity is never approximate"}
    said = "1 probe was answered by the wrong pod"
    checks = [check("invalid", "reachability", "who answers is who was asked", said, **figures, findings=[finding])]
    promise, parts = "The pod that answers is the pod that was asked.", ("invalid", "valid", "valid")
    events = [*phases(("forced", 0)), *ending(7)]
    return Made("nested", promise, "overlap", parts, checks, events, observations=observations)
