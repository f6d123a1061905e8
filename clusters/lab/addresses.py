"""Pod addresses of one node: never an old one while fresh ones are left, unless someone pins it."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network

from clusters.errors import ProvisionFailed

FIRST_HOST = 2
"""Offset 0 is the network, 1 the node's end of the pod links."""


class AddressPool:
    """Hands out addresses of one subnet in order; a released one comes back only after all others, oldest first."""

    def __init__(self, subnet: str) -> None:
        self.subnet = IPv4Network(subnet)
        self._next = FIRST_HOST
        self._used: set[str] = set()
        self._released: list[str] = []

    def take(self, pinned: str | None = None) -> str:
        """A free address, or exactly ``pinned``; ProvisionFailed when it is in use or foreign."""
        address = self._pin(pinned) if pinned is not None else self._fresh()
        self._used.add(address)
        return address

    def _pin(self, address: str) -> str:
        if address in self._used:
            raise ProvisionFailed(f"address {address} is in use by a live pod")
        if not self.holds(address):
            raise ProvisionFailed(f"address {address} is not one of a pod in the node's pod range {self.subnet}")
        if address in self._released:
            self._released.remove(address)
        return address

    def _fresh(self) -> str:
        while self._next < self.subnet.num_addresses - 1:
            address = str(self.subnet[self._next])
            self._next += 1
            if address not in self._used and address not in self._released:
                return address
        if not self._released:
            raise ProvisionFailed(f"no address is free in the node's pod range {self.subnet}")
        return self._released.pop(0)

    def holds(self, address: str) -> bool:
        """Whether the address is one that a pod in this subnet may have."""
        place = int(IPv4Address(address)) - int(self.subnet.network_address)
        return FIRST_HOST <= place < self.subnet.num_addresses - 1

    def give_back(self, address: str) -> None:
        """The pod that held it is gone; an address that nobody held is left alone."""
        if address in self._used:
            self._used.remove(address)
            self._released.append(address)
