"""NetworkOps of a node, router or pod by `ip -j`, run wherever a caller can run commands."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from ipaddress import IPv4Network
from typing import Any, cast, get_args

from clusters.errors import ClustersRefused
from clusters.network import PROTOCOL, Kind, Link, Route, Rule, Transport, Verb

Run = Callable[[Sequence[str]], str]
VERBS: tuple[str, ...] = get_args(Verb)
KINDS: tuple[str, ...] = get_args(Kind)

Json = dict[str, Any]


class IpRoute:
    """One network namespace. ``perform`` runs a command in it and returns its output, or raises ClustersRefused."""

    def __init__(self, space: str, perform: Run) -> None:
        self._space = space
        self._perform = perform

    @property
    def space(self) -> str:
        """See NetworkOps."""
        return self._space

    def _list(self, *words: str) -> list[Json]:
        return list(json.loads(self._perform(["ip", "-4", "-j", "-d", *words]) or "[]"))

    def rules(self) -> list[Rule]:
        """See NetworkOps."""
        found = [entry for entry in self._list("rule", "show") if entry.get("protocol") == str(PROTOCOL)]
        return sorted((read_rule(entry) for entry in found), key=lambda rule: rule.priority)

    def add_rule(self, rule: Rule) -> None:
        """See NetworkOps."""
        self._perform(["ip", "-4", "rule", "add", *rule_words(rule)])

    def delete_rule(self, rule: Rule) -> None:
        """See NetworkOps."""
        # `ip rule del` takes the first rule that fits what is named, so one with fewer selectors could take another
        if rule not in self.rules():
            raise ClustersRefused(f"{rule} does not stand in {self._space}")
        self._perform(["ip", "-4", "rule", "del", *rule_words(rule)])

    def routes(self) -> list[Route]:
        """See NetworkOps."""
        return list(_routes(self._list("route", "show", "table", "main")))

    def add_route(self, route: Route) -> None:
        """See NetworkOps."""
        self._perform(["ip", "-4", "route", "add", *route_words(route)])

    def delete_route(self, route: Route) -> None:
        """See NetworkOps."""
        self._perform(["ip", "-4", "route", "del", *route_words(route)])

    def links(self) -> list[Link]:
        """See NetworkOps."""
        return [
            Link(
                str(entry["ifname"]),
                "UP" in entry["flags"],
                int(entry["mtu"]),
                int(entry["stats64"]["rx"]["packets"]),
                int(entry["stats64"]["tx"]["packets"]),
            )
            for entry in json.loads(self._perform(["ip", "-j", "-s", "link", "show"]))
        ]


def rule_words(rule: Rule) -> list[str]:
    """The rule as `ip rule` takes it (ip-rule(8))."""
    words = ["pref", str(rule.priority)]
    for key, value in (("from", rule.source), ("to", rule.destination), ("iif", rule.iif)):
        words += [key, value] if value is not None else []
    words += ["ipproto", rule.protocol] if rule.protocol is not None else []
    words += ["dport", str(rule.port)] if rule.port is not None else []
    return [*words, "protocol", str(PROTOCOL), rule.action]


def read_rule(entry: Json) -> Rule:
    """The rule in an entry of `ip -j rule`."""
    return Rule(
        priority=int(entry["priority"]),
        action=cast("Verb", entry["action"]),
        iif=entry.get("iif"),
        source=_range(entry.get("src"), entry.get("srclen")),
        destination=_range(entry.get("dst"), entry.get("dstlen")),
        protocol=cast("Transport | None", entry.get("ipproto")),
        port=int(entry["dport"]) if "dport" in entry else None,
    )


def _range(address: str | None, length: int | None) -> str | None:
    if address is None or address in ("all", "0.0.0.0"):  # noqa: S104  how iproute2 writes "every source"
        return None
    return f"{address}/{32 if length is None else length}"


def route_words(route: Route) -> list[str]:
    """The route as `ip route` takes it (ip-route(8))."""
    words: list[str] = [] if route.kind == "unicast" else [route.kind]
    words.append(route.destination)
    words += ["via", route.via] if route.via is not None else []
    words += ["dev", route.device] if route.device is not None else []
    return [*words, "proto", str(PROTOCOL)]


def _routes(entries: list[Json]) -> Iterator[Route]:
    for entry in entries:
        kind = entry.get("type", "unicast")
        if kind not in KINDS:
            continue
        target = str(entry["dst"])
        destination = "0.0.0.0/0" if target == "default" else str(IPv4Network(target))
        device = entry.get("dev") if kind == "unicast" else None
        yield Route(destination, entry.get("gateway"), device, cast("Kind", kind))
