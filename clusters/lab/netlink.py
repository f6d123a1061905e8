"""NetworkOps of a lab namespace, by netlink."""

from __future__ import annotations

import errno
import ipaddress
import socket
from typing import Any

from pyroute2 import IPRoute, NetlinkError
from pyroute2.netlink.rtnl import rt_type

from clusters.lab.kernel import NETNS, visit_network
from clusters.network import PROTOCOL, Kind, Link, Route, Rule, Transport, Verb

ACTIONS: dict[Verb, int] = {"blackhole": 6, "unreachable": 7, "prohibit": 8}
"""FR_ACT_* of linux/fib_rules.h."""
TCP_UDP: dict[Transport, int] = {"tcp": 6, "udp": 17}
KINDS: dict[int, Kind] = {rt_type["unicast"]: "unicast", rt_type["blackhole"]: "blackhole",
                          rt_type["unreachable"]: "unreachable"}  # fmt: skip


class NetlinkOps:
    """One namespace's links, addresses, routes and rules; one netlink socket per object, which one thread uses."""

    def __init__(self, name: str) -> None:
        self.name = name
        # not IPRoute(netns=...): that forks PID 1 with all its threads for each socket, and takes 7 ms instead of 1
        self._route = visit_network(name, IPRoute)

    def close(self) -> None:
        """Give the socket back."""
        self._route.close()

    def __enter__(self) -> NetlinkOps:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def index(self, device: str) -> int:
        """The interface's number; LookupError when there is none of that name."""
        found = self._route.link_lookup(ifname=device)
        if not found:
            raise LookupError(f"{self.name} has no interface {device}")
        return int(found[0])

    def add_pair(self, device: str, peer_space: str, peer_device: str) -> None:
        """A veth pair between this namespace and another; both ends up."""
        self._route.link(
            "add",
            ifname=device,
            kind="veth",
            peer={"ifname": peer_device, "net_ns_fd": str(NETNS / peer_space)},
        )
        self.set_up(device)

    def set_up(self, device: str) -> None:
        """Bring an interface up."""
        self._route.link("set", index=self.index(device), state="up")

    def add_address(self, address: str, device: str) -> None:
        """Own ``address`` (with prefix length) on ``device``."""
        interface = ipaddress.ip_interface(address)
        self._route.addr(
            "add", index=self.index(device), address=str(interface.ip), prefixlen=interface.network.prefixlen
        )

    def _route_arguments(self, route: Route) -> dict[str, Any]:
        arguments: dict[str, Any] = {"dst": route.destination, "type": route.kind, "proto": PROTOCOL}
        if route.device is not None:
            arguments["oif"] = self.index(route.device)
        if route.via is not None:
            arguments["gateway"] = route.via
        elif route.kind == "unicast":
            arguments["scope"] = "link"
        return arguments

    def add_route(self, route: Route) -> None:
        """See NetworkOps."""
        self._route.route("add", **self._route_arguments(route))

    def delete_route(self, route: Route) -> None:
        """See NetworkOps."""
        self._route.route("del", **self._route_arguments(route))

    def forget_route(self, route: Route) -> None:
        """Delete a route that the kernel may be deleting too, because its interface went with a namespace."""
        try:
            self.delete_route(route)
        except NetlinkError as error:
            if error.code != errno.ESRCH:
                raise
        except LookupError:
            return  # its interface is gone, and the route with it

    def routes(self) -> list[Route]:
        """See NetworkOps."""
        names = {int(link["index"]): str(link.get_attr("IFLA_IFNAME")) for link in self._route.get_links()}
        found = []
        for message in self._route.get_routes(family=socket.AF_INET, table=254):
            kind = KINDS.get(message["type"])
            if kind is None:
                continue
            target = message.get_attr("RTA_DST")
            destination = f"{target}/{message['dst_len']}" if target else "0.0.0.0/0"
            device = names.get(message.get_attr("RTA_OIF") or 0) if kind == "unicast" else None
            found.append(Route(destination, message.get_attr("RTA_GATEWAY"), device, kind))
        return found

    @staticmethod
    def _rule_arguments(rule: Rule) -> dict[str, Any]:
        arguments: dict[str, Any] = {
            "priority": rule.priority,
            "action": ACTIONS[rule.action],
            "protocol": PROTOCOL,
            "family": socket.AF_INET,
        }
        if rule.iif is not None:
            arguments["iifname"] = rule.iif
        for key, text in (("src", rule.source), ("dst", rule.destination)):
            if text is not None:
                network = ipaddress.ip_network(text)
                arguments[key] = str(network.network_address)
                arguments[f"{key}_len"] = network.prefixlen
        if rule.protocol is not None:
            arguments["ip_proto"] = TCP_UDP[rule.protocol]
        if rule.port is not None:
            arguments["dport_range"] = f"{rule.port}:{rule.port}"
        return arguments

    def add_rule(self, rule: Rule) -> None:
        """See NetworkOps."""
        self._route.rule("add", **self._rule_arguments(rule))

    def delete_rule(self, rule: Rule) -> None:
        """See NetworkOps."""
        self._route.rule("del", **self._rule_arguments(rule))

    def rules(self) -> list[Rule]:
        """See NetworkOps."""
        verbs = {number: verb for verb, number in ACTIONS.items()}
        protocols = {number: name for name, number in TCP_UDP.items()}
        found: list[Rule] = []
        for message in self._route.get_rules(family=socket.AF_INET):
            if message.get_attr("FRA_PROTOCOL") != PROTOCOL:
                continue
            source, target = message.get_attr("FRA_SRC"), message.get_attr("FRA_DST")
            ports = message.get_attr("FRA_DPORT_RANGE")
            found.append(
                Rule(
                    priority=int(message.get_attr("FRA_PRIORITY")),
                    action=verbs[message["action"]],
                    iif=message.get_attr("FRA_IIFNAME"),
                    source=f"{source}/{message['src_len']}" if source else None,
                    destination=f"{target}/{message['dst_len']}" if target else None,
                    protocol=protocols.get(message.get_attr("FRA_IP_PROTO") or 0),
                    port=int(str(ports).split(":")[0]) if ports else None,
                )
            )
        return sorted(found, key=lambda rule: rule.priority)

    def links(self) -> list[Link]:
        """See NetworkOps."""
        found = []
        for message in self._route.get_links():
            stats = message.get_attr("IFLA_STATS64")
            found.append(
                Link(
                    str(message.get_attr("IFLA_IFNAME")),
                    message["state"] == "up",
                    int(message.get_attr("IFLA_MTU")),
                    int(stats["rx_packets"]),
                    int(stats["tx_packets"]),
                )
            )
        return found
