"""The service table: which levels must be served for a key and which cannot be, from the token map alone.

Replicas are placed as NetworkTopologyStrategy places them (apache/cassandra `locator/NetworkTopologyStrategy.java`,
`calculateNaturalReplicas`), for the Murmur3 token of an `int` partition key (`utils/MurmurHash.java`, `hash3_x64_128`,
`dht/Murmur3Partitioner.java`). What a level needs is that of `db/ConsistencyLevel.java`.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from clusters.errors import BundleError
from scenarios.checks.levels import at_level
from scenarios.history import Operation

LEVELS = ("ONE", "LOCAL_ONE", "LOCAL_QUORUM", "LOCAL_SERIAL", "QUORUM", "SERIAL", "EACH_QUORUM", "ALL")
"""The levels that the table knows."""

_MASK = (1 << 64) - 1
_C1 = 0x87C37B91114253D5
_C2 = 0x4CF5AD432745937F


def serving_level(operation: Operation) -> str:
    """The level that decides who may serve `operation`: the serial level of a conditional write, else its own."""
    serial = operation.serial
    return operation.cl if serial is None or not at_level(operation, serial) else serial


def token_of(key: int) -> int:
    """The Murmur3 token of an `int` partition key, -2^63 + 1 to 2^63 - 1; BundleError for a key beyond 32 bits."""
    try:
        data = key.to_bytes(4, "big", signed=True)
    except OverflowError as error:
        raise BundleError(f"key {key} is no CQL int, its token cannot be reckoned; use keys of 32 bits") from error
    tail = 0
    for place, byte in enumerate(data):
        signed = byte - 256 if byte > 127 else byte  # Java's bytes are signed, and so is Cassandra's variant
        tail ^= (signed << (8 * place)) & _MASK
    tail = (tail * _C1) & _MASK
    tail = ((tail << 31 | tail >> 33) * _C2) & _MASK
    first = tail ^ 4
    first, second = (first + 4) & _MASK, (first + 8) & _MASK
    return as_token((_mixed(first) + _mixed(second)) & _MASK)


def as_token(unsigned: int) -> int:
    """64 bits as a signed token; the least of them is no token and stands for the greatest, as in Cassandra."""
    signed = unsigned - (1 << 64) if unsigned >> 63 else unsigned
    return signed if signed != -(1 << 63) else (1 << 63) - 1


def replicas_of(facts: Mapping[str, Any], key: int) -> tuple[str, ...]:
    """The host_ids that hold `key`, in ring order; BundleError when the facts do not tell tokens, racks and RF."""
    hosts = {str(host["host_id"]): host for host in facts.get("hosts", ())}
    replication = {str(name): int(rf) for name, rf in (facts.get("replication") or {}).items()}
    owners = sorted((int(token), name) for name, tokens in (facts.get("tokens") or {}).items() for token in tokens)
    strange = sorted({name for _, name in owners} ^ set(hosts))
    if not owners or not replication or strange:
        lack = f"tokens and hosts differ in {', '.join(strange)}" if strange else "tokens, hosts or replication missing"
        raise BundleError(f"scenario.json: {lack}; the replicas of a key cannot be reckoned")
    start = bisect_left(owners, (token_of(key), ""))
    walk = [name for _, name in owners[start:] + owners[:start]]
    places = {name: (str(host["datacenter"]), str(host["rack"])) for name, host in hosts.items()}
    return tuple(_natural(walk, places, replication))


def expected_service(
    facts: Mapping[str, Any], key: int, away: Collection[str] = (), cut: Sequence[Collection[str]] = ()
) -> dict[tuple[str, str], bool]:
    """Whether each level must be served (True) or cannot be (False) for `key`, by (coordinator's datacenter, level).

    `away` are the host_ids that answer nobody, `cut` the pairs of datacenters that cannot hear each other. A
    datacenter without any live host has no coordinator and serves nothing. BundleError for names that are not there.
    """
    places = {str(host["host_id"]): str(host["datacenter"]) for host in facts.get("hosts", ())}
    replicas = replicas_of(facts, key)
    replication = {str(name): int(rf) for name, rf in facts["replication"].items()}
    unknown = sorted({*away} - {*places}) + sorted({name for pair in cut for name in pair} - {*places.values()})
    if unknown:
        raise BundleError(f"scenario.json: no host or datacenter {', '.join(unknown)} in the ring; see its `hosts`")
    table: dict[tuple[str, str], bool] = {}
    for home in dict.fromkeys(places.values()):
        heard = {home} | {name for name in places.values() if not any({home, name} <= {*pair} for pair in cut)}
        live = [places[name] for name in replicas if name not in away and places[name] in heard]
        coordinated = any(place == home and name not in away for name, place in places.items())
        for level in LEVELS:
            table[home, level] = coordinated and _enough(level, home, live, replication)
    return table


def _mixed(value: int) -> int:
    """MurmurHash3's `fmix`."""
    value = ((value ^ (value >> 33)) * 0xFF51AFD7ED558CCD) & _MASK
    value = ((value ^ (value >> 33)) * 0xC4CEB9FE1A85EC53) & _MASK
    return value ^ (value >> 33)


def _natural(
    walk: Sequence[str], places: Mapping[str, tuple[str, str]], replication: Mapping[str, int]
) -> Iterator[str]:
    """The replicas met on a walk around the ring: new racks first, repeated racks only as often as RF exceeds racks."""
    racks = {name: len({place for place in places.values() if place[0] == name}) for name in replication}
    nodes = {name: sum(place[0] == name for place in places.values()) for name in replication}
    left = {name: min(rf, nodes[name]) for name, rf in replication.items()}
    repeats = {name: rf - racks[name] for name, rf in replication.items()}
    chosen: set[str] = set()
    seen: set[tuple[str, str]] = set()
    for host in walk:
        place = places[host]
        name = place[0]
        if not left.get(name) or host in chosen:
            continue
        if place in seen:
            if repeats[name] <= 0:
                continue
            repeats[name] -= 1
        seen.add(place)
        chosen.add(host)
        left[name] -= 1
        yield host


def _enough(level: str, home: str, live: Sequence[str], replication: Mapping[str, int]) -> bool:
    """Whether the live replicas, given by their datacenters, suffice for `level` asked in `home`."""
    total = sum(replication.values())
    match level:
        case "ONE":
            return len(live) >= 1
        case "LOCAL_ONE":
            return live.count(home) >= 1
        case "LOCAL_QUORUM" | "LOCAL_SERIAL":
            return live.count(home) >= replication.get(home, 0) // 2 + 1
        case "QUORUM" | "SERIAL":
            return len(live) >= total // 2 + 1
        case "EACH_QUORUM":
            return all(live.count(name) >= rf // 2 + 1 for name, rf in replication.items())
        case _:
            return len(live) >= total
