"""Nothing of the clusters leaves this machine: one nft table per set of clusters, and routes under every range.

The table drops, and counts, whatever comes from a cluster's bridge and would leave by any other interface, and whatever
goes out with an address of the clusters by an interface that is not theirs. It matches in the forward hook before any
masquerading, so a translated packet does not escape it. The routes keep the machine's own packets to those ranges from
following its default route while no cluster answers for them.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, collapse_addresses, summarize_address_range
from typing import Any, Protocol

from clusters.kind.layout import PREFIX, Layout, Marks
from clusters.network import PROTOCOL

METRIC = 4000
"""Below every route that anybody uses: it counts only where nothing better is known."""
FORWARD_PRIORITY, LEAVING_PRIORITY = -200, 300
"""Before the engine's own filter (0) and translation (-100), and after its masquerading (100)."""
COUNTERS = ("left_bridge", "left_to", "left_from")
MOST_COMMENT = 127
"""nft's limit is 128 characters with its end (NFTNL_UDATA_COMMENT_MAXLEN)."""

Json = dict[str, Any]


class Machine(Protocol):
    """Performs a command in the network of the machine itself."""

    def __call__(self, command: list[str], stdin: str | None = None) -> str:
        """What it printed; ClustersRefused with its words when it failed."""


def table_name(tag: str) -> str:
    """The table of one set of clusters; family inet."""
    return f"{PREFIX}_{tag}"


@dataclass(frozen=True, slots=True)
class Guard:
    """The guard of one set of clusters."""

    layout: Layout
    machine: Machine

    @property
    def table(self) -> str:
        """Its name."""
        return table_name(self.layout.tag)

    def ruleset(self, marks: Marks) -> str:
        """The whole table as `nft -f` takes it; put in force at once, and anew when it stands already."""
        bridges = ", ".join(f'"{place.bridge}"' for place in self.layout.places)
        ranges = ", ".join(str(network) for network in collapse_addresses(self.layout.ranges))
        counters = "\n".join(f"  counter {name} {{ }}" for name in COUNTERS)
        return f"""table inet {self.table}
delete table inet {self.table}
table inet {self.table} {{
  comment "{comment(marks)}"
  set ranges {{ type ipv4_addr; flags interval; elements = {{ {ranges} }}; }}
{counters}
  chain passing {{
    type filter hook forward priority {FORWARD_PRIORITY}; policy accept;
    iifname {{ {bridges} }} oifname != {{ {bridges} }} counter name left_bridge drop
  }}
  chain leaving {{
    type filter hook postrouting priority {LEAVING_PRIORITY}; policy accept;
    oifname {{ {bridges}, "lo" }} accept
    ip daddr @ranges counter name left_to drop
    ip saddr @ranges counter name left_from drop
  }}
}}
"""

    def put(self, marks: Marks) -> None:
        """The guard stands when this returns; twice is once."""
        self.machine(["nft", "-f", "-"], self.ruleset(marks))
        self.machine(["ip", "-batch", "-"], self.routes())

    def routes(self) -> str:
        """One line of `ip -batch` per range of pods and services; node ranges are the bridges' own."""
        found = dict.fromkeys(
            network for place in self.layout.places for network in (place.spec.pod_range, place.spec.service_range)
        )
        return "".join(f"route replace unreachable {one} metric {METRIC} proto {PROTOCOL}\n" for one in found)

    def take_away(self) -> None:
        """See take_away()."""
        take_away(self.machine, self.layout.tag)

    def dropped(self) -> dict[str, int]:
        """Packets that each counter of the table has dropped since it was put."""
        said: Json = json.loads(self.machine(["nft", "-j", "list", "counters", "table", "inet", self.table]))
        counters = [entry["counter"] for entry in said["nftables"] if "counter" in entry]
        return {counter["name"]: int(counter["packets"]) for counter in counters}


def comment(marks: Marks) -> str:
    """Whose the table is, for who finds it with `nft list tables`."""
    return f"ringproof {marks.name} until {marks.expires:.0f}"[:MOST_COMMENT]


def take_away(machine: Machine, tag: str) -> None:
    """Table and routes of one set of clusters are gone when this returns, whichever were there. Twice is once.

    A route that the guard of another set needs as well stays.
    """
    name = table_name(tag)
    guarded = {table: ranges_of(machine, table) for table in tables(machine)}
    if name not in guarded:
        return  # the table is put first and taken last
    others = [one for table, found in guarded.items() if table != name for one in found]
    listed: list[Json] = json.loads(machine(["ip", "-j", "route", "show", "type", "unreachable"]) or "[]")
    ours = [
        network
        for route in listed
        if route.get("metric") == METRIC and str(route.get("protocol")) == str(PROTOCOL)
        for network in [IPv4Network(route["dst"])]
        if _inside(network, guarded[name]) and not _inside(network, others)
    ]
    if ours:
        machine(["ip", "-batch", "-"], "".join(f"route del unreachable {one} metric {METRIC}\n" for one in ours))
    machine(["nft", "delete", "table", "inet", name])


def _inside(network: IPv4Network, ranges: Sequence[IPv4Network]) -> bool:
    return any(network.subnet_of(one) for one in ranges)


def ranges_of(machine: Machine, table: str) -> list[IPv4Network]:
    """The ranges that a guard table keeps in."""
    said: Json = json.loads(machine(["nft", "-j", "list", "set", "inet", table, "ranges"]))
    (found,) = [entry["set"] for entry in said["nftables"] if "set" in entry]
    return [network for element in found.get("elem", []) for network in _networks(element)]


def _networks(element: Any) -> list[IPv4Network]:
    if isinstance(element, str):
        return [IPv4Network(element)]
    if "prefix" in element:
        return [IPv4Network(f"{element['prefix']['addr']}/{element['prefix']['len']}")]
    first, last = (IPv4Address(address) for address in element["range"])
    return list(summarize_address_range(first, last))


def tables(machine: Machine) -> Mapping[str, str]:
    """Every guard table on this machine: its name to its comment."""
    said: Json = json.loads(machine(["nft", "-j", "list", "tables"]))
    found = [entry["table"] for entry in said["nftables"] if "table" in entry]
    ours = [entry for entry in found if entry["family"] == "inet" and entry["name"].startswith(f"{PREFIX}_")]
    return {entry["name"]: str(entry.get("comment", "")) for entry in ours}
