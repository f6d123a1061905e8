"""Abilities of the kernel that no lab needs today and other providers or faults do: each tried, none stops another."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pyroute2 import IPRoute
from pyroute2.nftables.main import NFTables

from clusters.lab.kernel import visit_network

NFPROTO_INET = 1
"""linux/netfilter.h."""


def abilities(space: str, device: str) -> dict[str, Callable[[], object]]:
    """What to try by name, in a network namespace with that device; all of it ends with the namespace."""

    def link(kind: str, **facts: Any) -> None:
        with visit_network(space, IPRoute) as net:
            net.link("add", ifname=f"try-{kind}", kind=kind, **facts)

    def table() -> None:
        with visit_network(space, NFTables) as filters:
            filters.table("add", nfgen_family=NFPROTO_INET, name="tried")

    def delay() -> None:
        with visit_network(space, IPRoute) as net:
            net.tc("add", "netem", net.link_lookup(ifname=device)[0], delay=1000)

    return {
        "bridge": lambda: link("bridge"),
        "vxlan": lambda: link("vxlan", vxlan_id=1, vxlan_port=4789),
        "tun": lambda: link("tuntap", mode="tun"),
        "nftables": table,
        "netem": delay,
    }
