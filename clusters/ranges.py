"""Who claims which addresses, and which claims meet: one sweep over sorted ranges, never pair by pair.

Two IPv4 ranges are disjoint or one holds the other. So, sorted by first address and then largest first, the ranges
that are still open when another begins are exactly the ones that hold it, and they form a stack. Every overlapping
pair is found in O(n log n + pairs).
"""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from ipaddress import IPv4Network, collapse_addresses


@dataclass(frozen=True, slots=True)
class Claim:
    """A range, whose it is, and with whose claims it must not share an address.

    `homes` names the compartments that the claim is in, `sees` those whose claims it can meet. Compartments keep
    ranges that are never routed to each other from being compared at all: 500 equal ones cost nothing.
    `sees` must be mutual: whenever a claim sees a home of another, the other sees a home of the first.
    """

    owner: str
    what: str
    range: IPv4Network
    homes: tuple[str, ...]
    sees: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.owner} {self.what} {self.range}"


def meetings(claims: Iterable[Claim]) -> Iterator[tuple[Claim, Claim]]:
    """Every pair of claims that share an address and see each other, each pair once; the holding range first."""
    open_in: defaultdict[str, list[Claim]] = defaultdict(list)
    for claim in _sorted(claims):
        for home in claim.sees:
            _close(open_in[home], claim)
            for other in open_in[home]:
                yield other, claim
        for home in claim.homes:
            _close(open_in[home], claim)
            open_in[home].append(claim)


def groups(claims: Iterable[Claim]) -> list[list[Claim]]:
    """The claims by outermost range, which comes first in its group: claims of different groups share no address."""
    found: list[list[Claim]] = []
    for claim in _sorted(claims):
        if found and claim.range.subnet_of(found[-1][0].range):
            found[-1].append(claim)
        else:
            found.append([claim])
    return found


class FreeSpace:
    """Private ranges (RFC 1918) that nobody claims; each one is handed out once."""

    _PRIVATE = (IPv4Network("10.0.0.0/8"), IPv4Network("172.16.0.0/12"), IPv4Network("192.168.0.0/16"))

    def __init__(self, taken: Iterable[IPv4Network]) -> None:
        self._taken = list(collapse_addresses(taken))
        self._ends = [int(block.broadcast_address) for block in self._taken]
        self._next: dict[int, int] = {}

    def block(self, prefix: int) -> IPv4Network | None:
        """The first free range of this prefix length, taken from now on; none when there is none."""
        for private in self._PRIVATE:
            if prefix < private.prefixlen:
                continue
            found = self._first(private, prefix)
            if found is not None:
                return found
        return None

    def _first(self, within: IPv4Network, prefix: int) -> IPv4Network | None:
        size = 1 << (32 - prefix)
        start = max(int(within.network_address), self._next.get(prefix, 0))
        while start + size - 1 <= int(within.broadcast_address):
            at = bisect_left(self._ends, start)
            if at == len(self._taken) or int(self._taken[at].network_address) >= start + size:
                self._take(at, IPv4Network((start, prefix)))
                self._next[prefix] = start + size
                return IPv4Network((start, prefix))
            start = (self._ends[at] // size + 1) * size
        return None

    def _take(self, at: int, block: IPv4Network) -> None:
        self._taken.insert(at, block)
        self._ends.insert(at, int(block.broadcast_address))


def _sorted(claims: Iterable[Claim]) -> list[Claim]:
    return sorted(claims, key=lambda claim: (int(claim.range.network_address), claim.range.prefixlen))


def _close(open_claims: list[Claim], claim: Claim) -> None:
    while open_claims and not claim.range.subnet_of(open_claims[-1].range):
        open_claims.pop()
