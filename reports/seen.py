"""The tracks that show what was seen beside the clients: ring views, DNS answers, pod addresses."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence

from reports.bundle import Json, mapping, objects, strings, text
from reports.clock import Clock
from reports.drawing import Row, Shape, Span, Track, Words, box, boxes, joined, place
from reports.limits import plain
from reports.verdicts import Scenario

MOST_ROWS = 24
NAMELESS = {"", "None"}
"""What a view holds for a host whose identity it has not heard yet; such a row tells no stranger."""
VIEW_HEIGHT, DNS_HEIGHT, POD_HEIGHT = 12, 12, 20
ANSWERS = {"right": (8.0, 3.0), "stale": (3.0, 8.0), "denied": (1.0, 10.0), "refusal": (1.0, 10.0), "none": (1.5, 9.0)}
"""State of a DNS answer: top and height in pixels; worst last."""


def pod_names(scenario: Scenario) -> dict[str, str]:
    """host_id to pod, from the facts."""
    return {text(host.get("host_id")): text(host.get("pod")) for host in objects(scenario.facts.get("hosts"))}


def _rest(quiet: int, what: str, *, others: bool) -> str:
    if not quiet:
        return ""
    return f"{quiet} {'other ' if others else ''}{what if quiet > 1 else what[:-1]}"


def ring_views(scenario: Scenario, observations: Sequence[Json], axis: Clock) -> Track:
    """Draw, for each host, how many others do not see it up, or see it under an address it no longer has."""
    views = [one for one in observations if one.get("kind") == "ring_view"]
    names = pod_names(scenario)
    hosts = sorted({*names, *(text(one.get("host")) for one in views)} - {""}, key=lambda host: names.get(host, host))
    addresses = _addresses(scenario, observations)
    steps = {host: _steps(host, views, addresses.get(host, [])) for host in hosts}
    touched = [host for host in hosts if any(down or stale for _, down, stale in steps[host])]
    rows = tuple(_view_row(names.get(host, host), steps[host], len(hosts) - 1, axis) for host in touched[:MOST_ROWS])
    rows += tuple(_strangers(views, set(hosts), axis)) if names else ()
    quiet = len(hosts) - len(touched)
    silent = sum(not one.get("ok") for one in views)
    note = f"how many of the {max(len(hosts) - 1, 0)} other hosts do not see this host up"
    rest = _rest(quiet, "hosts", others=bool(touched)) if views else "no view was observed"
    key: tuple[tuple[str, str], ...] = (("down", "not up"), ("old", "under an old address"))
    if any(shape.css == "strange" for row in rows for shape in row.shapes):
        key += (("strange", "a host that is none of this ring"),)
    unseen = f"{plain(silent)} views unanswered" if silent else ""
    return Track(
        "Ring views", note, key, "in any view", rows, rest, ("up in every view" if quiet and views else "") or unseen
    )


def _strangers(views: Sequence[Json], hosts: set[str], axis: Clock) -> list[Row]:
    """Draw, for each host that views show and the formed ring does not have, how many views show it; at most six."""
    seen = {text(peer.get("host_id")): text(peer.get("address")) for one in views for peer in objects(one.get("peers"))}
    rows = []
    for stranger in sorted(set(seen) - hosts - NAMELESS)[:6]:
        shown: dict[str, bool] = {}
        spans: list[tuple[float, int]] = []
        for view in views:
            if view.get("ok"):
                shown[text(view.get("host"))] = any(
                    text(peer.get("host_id")) == stranger for peer in objects(view.get("peers"))
                )
            spans.append((axis.at(view["t"]), sum(shown.values())))
        path, total = "", 0.0
        for (start, many), end in zip(spans, [*(at for at, _ in spans[1:]), axis.span], strict=True):
            if many:
                tall = max(2.0, min(1.0, many / len(hosts)) * VIEW_HEIGHT)
                path += box(Span(start, max(start, end), ""), VIEW_HEIGHT - tall, tall)
                total += max(0.0, end - start)
        most = max(many for _, many in spans)
        value = f"{plain(round(total, 1))} s, up to {most}"
        label = f"{stranger[:8]} {seen[stranger]}"
        rows.append(Row(label, VIEW_HEIGHT, (Shape("strange", path),), (), value, "", "base", f"host_id {stranger}"))
    return rows


def _addresses(scenario: Scenario, observations: Sequence[Json]) -> dict[str, list[tuple[int, str]]]:
    hosts = {text(host.get("pod")): text(host.get("host_id")) for host in objects(scenario.facts.get("hosts"))}
    found: dict[str, list[tuple[int, str]]] = defaultdict(list)
    for one in observations:
        host = hosts.get(text(one.get("pod")))
        if one.get("kind") == "pod" and host and one.get("state") == "running" and text(one.get("address")):
            found[host].append((one["t"], text(one.get("address"))))
    return found


def _steps(host: str, views: Sequence[Json], addresses: list[tuple[int, str]]) -> list[tuple[int, int, int]]:
    """(time, how many views lack the host, how many show a former address), at each view taken."""
    down: dict[str, bool] = {}
    stale: dict[str, bool] = {}
    found = []
    for view in views:
        asker = text(view.get("host"))
        if asker == host:
            continue
        if view.get("ok"):
            peers = {text(peer.get("host_id")): text(peer.get("address")) for peer in objects(view.get("peers"))}
            down[asker] = host in strings(view.get("down")) or host not in peers
            stale[asker] = not down[asker] and _former(peers[host], addresses, view["t"])
        else:
            down.pop(asker, None)
            stale.pop(asker, None)
        found.append((view["t"], sum(down.values()), sum(stale.values())))
    return found


def _former(address: str, addresses: list[tuple[int, str]], when: int) -> bool:
    past = [one for since, one in addresses if since <= when]
    return bool(past) and address != past[-1] and address in past


def _view_row(name: str, steps: list[tuple[int, int, int]], others: int, axis: Clock) -> Row:
    shapes, total = [], 0.0
    for css, which in (("down", 1), ("old", 2)):
        path = ""
        for at, step in enumerate(steps):
            if step[which]:
                end = axis.at(steps[at + 1][0]) if at + 1 < len(steps) else axis.span
                tall = max(2.0, step[which] / max(others, 1) * VIEW_HEIGHT)
                path += box(Span(axis.at(step[0]), end, css), VIEW_HEIGHT - tall, tall)
                total += (end - axis.at(step[0])) if which == 1 or not step[1] else 0.0
        if path:
            shapes.append(Shape(css, path))
    most = max((down for _, down, _ in steps), default=0)
    return Row(name, VIEW_HEIGHT, tuple(shapes), (), f"{plain(round(total, 1))} s, up to {most}", "", "base")


def answer(observation: Json) -> str:
    """Return what one DNS answer was: right, stale, denied, refusal or none."""
    rcode, expected = text(observation.get("rcode")), text(observation.get("expected"))
    if rcode == "NOERROR":
        got = strings(observation.get("addresses"))
        return "right" if expected in got or (not expected and not got) else "stale"
    return {"NXDOMAIN": "right" if not expected else "denied", "TIMEOUT": "none"}.get(rcode, "refusal")


def dns_answers(observations: Sequence[Json], axis: Clock, *, condemned: bool = False) -> Track:
    """Draw the answers for each name in each cluster where they were ever not right; the others are one line.

    A refusal outside every fault is red only if a check of names was broken: a cache may keep one for a while.
    """
    groups: dict[tuple[str, str], list[Json]] = defaultdict(list)
    for one in observations:
        if one.get("kind") == "dns_answer":
            groups[text(one.get("cluster")), text(one.get("name")) or text(one.get("pod"))].append(one)
    rows = []
    pods = Counter((cluster, text(answers[0].get("pod"))) for (cluster, _), answers in groups.items())
    for (cluster, name), answers in sorted(groups.items()):
        if any(answer(one) != "right" for one in answers):
            pod = text(answers[0].get("pod"))
            label = pod if pod and pods[cluster, pod] == 1 else name
            rows.append(_dns_row((cluster, label, name), answers, axis, condemned))
    quiet = len(groups) - len(rows)
    key = (
        ("right", "right"),
        ("stale", "stale"),
        ("denied", "NXDOMAIN"),
        ("refusal", "SERVFAIL"),
        ("none", "no answer"),
    )
    rest = _rest(quiet, "names", others=bool(rows)) if groups else "no name was asked"
    rows.sort(key=lambda row: -float(row.value.split()[0].replace("\u00a0", "")))
    return Track(
        "DNS answers",
        "by the cluster that asks",
        key,
        "not right for",
        tuple(rows[:MOST_ROWS]),
        rest,
        "always right" if quiet and groups else "",
    )


def _dns_row(who: tuple[str, str, str], answers: list[Json], axis: Clock, condemned: bool) -> Row:
    """Draw one name; ``who`` is the cluster that asks, the short label and the whole name."""
    cluster, label, name = who
    spans = []
    for at, one in enumerate(answers):
        start = axis.at(one["t"])
        end = axis.at(answers[at + 1]["t"]) if at + 1 < len(answers) else min(start + 1.0, axis.span)
        found = answer(one)
        outside = condemned and found in ("denied", "refusal") and axis.within(start) is None
        spans.append(Span(start, max(end, start), f"{found} amiss" if outside else found))
    merged = joined(spans, 0.0)
    tops = dict(ANSWERS)
    tops |= {f"{found} amiss": ANSWERS[found] for found in ("denied", "refusal")}
    wrong = sum(span.b - span.a for span in merged if span.css != "right")
    crosses = "".join(_cross(span) for span in merged if span.css.startswith("denied"))
    shapes = boxes(merged, tops) + ((Shape("cross", crosses),) if crosses else ())
    value = f"{plain(round(wrong, 1))} s"
    return Row(label, DNS_HEIGHT, shapes, (), value, cluster, full=f"{name}, asked in {cluster}")


def _cross(span: Span) -> str:
    top, height = ANSWERS["denied"]
    return f"M{place(span.a)} {top}L{place(span.b)} {top + height}M{place(span.b)} {top}L{place(span.a)} {top + height}"


def pod_addresses(observations: Sequence[Json], axis: Clock) -> Track:
    """Draw the address history of each pod that was ever gone or got another address; the others are one line."""
    groups: dict[tuple[str, str], list[Json]] = defaultdict(list)
    for one in observations:
        if one.get("kind") == "pod":
            groups[text(one.get("cluster")), text(one.get("pod"))].append(one)
    rows = []
    for (cluster, pod), seen in sorted(groups.items()):
        lives = {(text(one.get("uid")), text(one.get("address")), text(one.get("state"))) for one in seen}
        if len(lives) > 1 or any(one.get("state") != "running" for one in seen):
            rows.append(_pod_row(cluster, pod, seen, axis))
    quiet = len(groups) - len(rows)
    rest = _rest(quiet, "pods", others=bool(rows)) if groups else "no pod was observed"
    key = (("life", "has the address"), ("gone", "gone"))
    kept = "kept theirs" if quiet and groups else ""
    return Track("Pod addresses", "", key, "addresses", tuple(rows[:MOST_ROWS]), rest, kept)


def _pod_row(cluster: str, pod: str, seen: list[Json], axis: Clock) -> Row:
    spans, words, last = [], [], ""
    for at, one in enumerate(seen):
        start = axis.at(one["t"]) if at else 0.0
        end = axis.at(seen[at + 1]["t"]) if at + 1 < len(seen) else axis.span
        alive = one.get("state") == "running"
        address = text(one.get("address"))
        spans.append(Span(start, max(end, start), f"life {address}" if alive else "gone"))
        if alive and address and address != last:
            words.append(Words(start, address, "mono"))
        last = address if alive else last
    merged = joined(spans, 0.0)
    path = "".join(box(span, 3, POD_HEIGHT - 6) for span in merged if span.css != "gone")
    gone = "".join(f"M{place(span.a)} {POD_HEIGHT / 2}H{place(span.b)}" for span in merged if span.css == "gone")
    shapes = tuple(Shape(css, d) for css, d in (("life", path), ("gone", gone)) if d)
    distinct = {text(mapping(one).get("address")) for one in seen if one.get("state") == "running"} - {""}
    return Row(pod, POD_HEIGHT, shapes, tuple(words), str(len(distinct)), cluster)
