"""The ring as its hosts see it: members, addresses, racks, schema, liveness, hints; identity over reschedules."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypedDict

from scenarios.checks.registry import check, conclude, listed
from scenarios.checks.settling import Sample, Settled, settle
from scenarios.record import Moment, Record
from scenarios.verdict import CheckResult, Finding

View = Mapping[str, Any]
Wrong = tuple[str, str] | None


class AddressChange(TypedDict, total=False):
    """A host that moved: its host_id, the released address, and the address that it has now."""

    host_id: str
    old: str
    new: str


@check("ring_views", ident="every host sees the ring within the limit after {since}")
def ring_views(
    record: Record,
    since: Moment,
    limit: float,
    formula: str = "",
    hosts: int | None = None,
    address_changes: Sequence[AddressChange] = (),
) -> CheckResult:
    """From `limit` seconds after `since` on, every host's view is the ring as it is.

    That is: exactly `hosts` hosts (by default as many as the facts name), no duplicate host_id or address, datacenter
    and rack as in the facts, no released address, each moved host under its new address. A host that does
    not answer has no view and is wrong. Measured per host: from `since` to the first view after which all are right.
    """
    count = len(record.hosts) if hosts is None else hosts
    places = {host["host_id"]: (host["datacenter"], host["rack"]) for host in record.hosts}

    def wrong(view: View) -> Wrong:
        return _miscounted(view, count) or _misplaced(view, places) or _stale_address(view, address_changes)

    settled = _settle_views(record, since, limit, wrong)
    return _concluded(settled, limit, formula, f"every host sees {count} hosts")


@check("all_alive", ident="no host is called down within the limit after {since}")
def all_alive(record: Record, since: Moment, limit: float, formula: str = "") -> CheckResult:
    """From `limit` seconds after `since` on, every host answers and calls no other host DOWN."""

    def wrong(view: View) -> Wrong:
        down = [record.name_of(host) for host in view.get("down", ())]
        return ("called-down", f"calls {listed(down)} down") if down else None

    return _concluded(_settle_views(record, since, limit, wrong), limit, formula, "no host is called down")


@check("hints_drained", ident="hints are delivered within the limit after {since}")
def hints_drained(record: Record, since: Moment, limit: float, formula: str = "") -> CheckResult:
    """From `limit` seconds after `since` on, no host holds hint files for another."""

    def wrong(view: View) -> Wrong:
        held = {record.name_of(host): files for host, files in view.get("hints", {}).items() if files}
        return ("hints-left", f"holds hints for {listed(held)}") if held else None

    return _concluded(_settle_views(record, since, limit, wrong), limit, formula, "no hint is left")


@check("one_schema", ident="one schema version after {since}")
def one_schema(record: Record, since: Moment, limit: float = 30.0, formula: str = "") -> CheckResult:
    """From `limit` seconds after `since` on, all hosts have one schema version (`schema` observations)."""
    start = record.moment(since)
    samples = [
        Sample(
            "ring",
            item["t"],
            None if len(item["versions"]) == 1 else ("schema-split", f"{len(item['versions'])} schema versions"),
        )
        for item in record.seen("schema")
    ]
    settled = settle(samples, start, limit, ["ring"] if samples else [])
    return _concluded(settled, limit, formula, "one schema version")


@check("same_identity", ident="{pod} keeps its host_id")
def same_identity(record: Record, pod: str, host_id: str, since: Moment) -> CheckResult:
    """The host that answers at `pod`'s address after `since` has `host_id`, and no other address answers with it.

    The address is the last one that a `pod` observation gave for a running pod after `since`; who answers there is
    taken from the ring views asked of it later. Vacuous when the pod was not seen running, or never asked.
    """
    start = record.moment(since)
    running = [
        item
        for item in record.seen("pod")
        if item["pod"] == pod and item["state"] == "running" and item.get("address") and item["t"] >= start
    ]
    if not running:
        return conclude([], (), 0, ("", f"{pod} was not seen running after {' '.join(since)}"))
    address, known_since = running[-1]["address"], _since_address(running)
    views = [item for item in record.seen("ring_view") if item["ok"] and item["t"] >= known_since]
    here = [item for item in views if item["address"] == address]
    findings = [
        Finding("new-identity", pod, f"{pod} at {address} answers as {item['host']}, it was {host_id}", item["t"])
        for item in here
        if item["host"] != host_id
    ]
    findings += [
        Finding("second-identity", pod, f"{item['address']} answers as {host_id} too", item["t"])
        for item in views
        if item["host"] == host_id and item["address"] != address
    ]
    texts = (f"{pod} answers at {address} as {host_id}", f"{pod} was not asked who it is at {address}")
    return conclude(findings, (), len(here), texts, counts={"views": len(here), "seen running": len(running)})


def _settle_views(record: Record, since: Moment, limit: float, wrong: Callable[[View], Wrong]) -> Settled:
    start = record.moment(since)
    views = record.seen("ring_view")
    samples = []
    for view in views:
        silent = None if view["ok"] else ("no-view", f"did not answer ({view.get('error')})")
        samples.append(Sample(record.name_of(view["host"]), view["t"], silent or wrong(view)))
    everyone = sorted({str(host["pod"]) for host in record.hosts}) if views else []
    return settle(samples, start, limit, everyone)


def _concluded(settled: Settled, limit: float, formula: str, promise: str) -> CheckResult:
    return conclude(
        settled.findings,
        settled.doubts,
        len(settled.seconds),
        (f"{promise}, after {settled.slowest or 0:.1f} s in {len(settled.seconds)} views", "nothing was observed"),
        measured=settled.slowest,
        limit=limit,
        unit="s",
        formula=formula or None,
        counts=settled.counts(),
    )


def _members(view: View) -> list[Mapping[str, Any]]:
    """The host that was asked, under its own address, and its peers."""
    return [{**view, "host_id": view["host"]}, *view["peers"]]


def _miscounted(view: View, count: int) -> Wrong:
    members = _members(view)
    for anomaly, field in (("duplicate-host", "host_id"), ("duplicate-address", "address")):
        values = [member[field] for member in members]
        twice = sorted({value for value in values if values.count(value) > 1})
        if twice:
            return anomaly, f"sees {listed(twice)} twice"
    if len(members) != count:
        return "member-count", f"sees {len(members)} hosts instead of {count}"
    return None


def _misplaced(view: View, places: Mapping[str, tuple[str, str]]) -> Wrong:
    if not places:
        return None
    for member in _members(view):
        place = places.get(member["host_id"])
        if place is None:
            return "unknown-host", f"sees the unknown host {member['host_id']} at {member['address']}"
        if place != (member["datacenter"], member["rack"]):
            seen = f"{member['datacenter']}/{member['rack']}"
            return "wrong-rack", f"sees {member['host_id']} in {seen} instead of {'/'.join(place)}"
    return None


def _stale_address(view: View, changes: Iterable[AddressChange]) -> Wrong:
    members = _members(view)
    addresses = {member["address"]: member["host_id"] for member in members}
    now = {member["host_id"]: member["address"] for member in members}
    for change in changes:
        old, new, host = change.get("old"), change.get("new"), change.get("host_id")
        if old in addresses and old != new:
            return "released-address", f"sees {addresses[old]} at the released address {old}"
        if new is not None and host is not None and now.get(host) != new:
            return "old-address", f"sees {host} at {now.get(host)} instead of {new}"
    return None


def _since_address(running: Sequence[Mapping[str, Any]]) -> int:
    """When the pod was first seen with the address that it had last."""
    last = running[-1]["address"]
    first = len(running) - 1
    while first and running[first - 1]["address"] == last:
        first -= 1
    return int(running[first]["t"])
