"""The records that one cluster owns, in the shapes that Kubernetes gives them.

Shapes: Kubernetes DNS specification 1.1.0 (github.com/kubernetes/dns, docs/specification.md) for headless services;
which name exists and which does not: CoreDNS `plugin/kubernetes` (`parse.go`, `kubernetes.go`, `reverse.go`); SOA and
SRV weights: CoreDNS `plugin/backend_lookup.go`. Not served: ClusterIP services and `<address>.<namespace>.pod` names.
"""

from __future__ import annotations

import dataclasses
import ipaddress
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from dnslib import (
    PTR,
    QTYPE,
    RCODE,
    RR,
    SOA,
    SRV,
    TXT,
    A,
    DNSError,
    DNSLabel,
    DNSRecord,
)

from clusters.errors import UsageError

T = TypeVar("T")

DNS_SCHEMA = "1.1.0"
"""Answer to `dns-version.<suffix>` TXT (CoreDNS `plugin/kubernetes`, DNSSchemaVersion)."""

DNS_SCHEMA_TTL = 28800
"""Its TTL in seconds (same place)."""

SOA_TTL_CAP = 300
"""Highest TTL of the SOA in a negative answer, in seconds (CoreDNS `plugin/backend_lookup.go`, SOA)."""

SOA_TIMES = (7200, 1800, 86400)
"""Refresh, retry and expire of that SOA, in seconds (same place)."""

_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")

_KINDS: dict[str, tuple[type, ...]] = {
    "str": (str,),
    "str | None": (str, type(None)),
    "int": (int,),
    "int | None": (int, type(None)),
    "float": (int, float),
    "bool": (bool,),
    "tuple[str, ...]": (list,),
    "tuple[str, ...] | None": (list, type(None)),
    "dict[str, int]": (dict,),
}


def read(shape: type[T], document: object, where: str) -> T:
    """Return the dataclass ``shape`` filled from a JSON object; UsageError names the first key that does not fit."""
    if not isinstance(document, dict):
        raise UsageError(f"{where}: expected an object, found {type(document).__name__}")
    known = {entry.name: entry for entry in dataclasses.fields(shape)}  # type: ignore[arg-type]
    for key in document:
        if key not in known:
            raise UsageError(f"{where}: unknown key {key!r}; known are {', '.join(known)}")
    values = {key: _checked(value, str(known[key].type), f"{where}.{key}") for key, value in document.items()}
    for name, entry in known.items():
        required = entry.default is dataclasses.MISSING and entry.default_factory is dataclasses.MISSING
        if required and name not in values:
            raise UsageError(f"{where}: {name!r} is missing")
    return shape(**values)


def _checked(value: object, kind: str, where: str) -> object:
    wanted = _KINDS[kind]
    if not isinstance(value, wanted) or (isinstance(value, bool) and bool not in wanted):
        raise UsageError(f"{where}: expected {kind}, found {value!r}")
    if isinstance(value, list):
        if not all(isinstance(item, str) for item in value):
            raise UsageError(f"{where}: expected a list of strings, found {value!r}")
        return tuple(value)
    if isinstance(value, dict) and not all(type(item) is int for item in value.values()):
        raise UsageError(f"{where}: expected whole numbers, found {value!r}")
    return value


def canonical(name: str) -> str:
    """Return the name as every table here keeps it: lower case, no trailing dot, the root as the empty text."""
    return name.lower().rstrip(".")


def checked_name(name: str, where: str) -> str:
    """Return the canonical name; UsageError unless each label is one that a Kubernetes object may have."""
    plain = canonical(name)
    if len(plain) > 253 or not all(_LABEL.fullmatch(label) for label in plain.split(".")):
        raise UsageError(f"{where}: {name!r} is no DNS name (lower case letters, digits, '-', labels up to 63)")
    return plain


def is_label(text: str) -> bool:
    """Return whether ``text`` is one lower-case label that a Kubernetes object may have as its name."""
    return "." not in text and text == canonical(text) and _LABEL.fullmatch(text) is not None


def decode(packet: bytes) -> DNSRecord | None:
    """Return the DNS message in ``packet``, or None when it is none, or one whose names could not be sent back."""
    try:
        message = DNSRecord.parse(packet)
    except (DNSError, RecursionError):  # a chain of compression pointers exhausts the stack
        return None
    names = [question.qname for question in message.questions]
    if any(len(name) > 253 or any(len(label) > 63 for label in name.label) for name in names):
        return None
    return message


def most_specific(name: str, zones: Mapping[str, T]) -> tuple[str, T] | None:
    """Return the longest of ``zones`` that holds the canonical ``name``, as CoreDNS picks its server block."""
    rest = name
    while True:
        if rest in zones:
            return rest, zones[rest]
        if not rest:
            return None
        rest = rest.partition(".")[2]


@dataclass(frozen=True, slots=True)
class Reply:
    """One answer without the question: response code and the records of the three sections."""

    rcode: int
    answer: tuple[RR, ...] = ()
    authority: tuple[RR, ...] = ()
    additional: tuple[RR, ...] = ()
    authoritative: bool = True


@dataclass(frozen=True, slots=True)
class Pod:
    """A pod of a headless service; one that belongs to two services is given twice."""

    hostname: str
    service: str
    namespace: str
    address: str
    ready: bool = True

    def __post_init__(self) -> None:
        for key in ("hostname", "service", "namespace"):
            if not is_label(getattr(self, key)):
                raise UsageError(f"pod {self.hostname}: {key} {getattr(self, key)!r} is not one lower-case label")
        try:
            ipaddress.IPv4Address(self.address)
        except ValueError as error:
            raise UsageError(f"pod {self.hostname}: address: {error}") from error


@dataclass(frozen=True, slots=True)
class Shape:
    """What does not change while the server runs: own zones and how their records look. TTLs in seconds.

    ``ttl`` 5 is the default of CoreDNS `plugin/kubernetes`; kubeadm's Corefile sets 30. ``negative_ttl`` is ``ttl``
    unless given (CoreDNS: MinTTL). ``publish_not_ready`` is the services' publishNotReadyAddresses, which operators
    set for Cassandra because a host must find its seeds before it is ready. ``ports`` are the services' named TCP
    ports; ``namespaces`` exist without pods too. Names below a ``reverse`` zone are answered here: NXDOMAIN for every
    address that is not one of our pods.
    """

    zones: tuple[str, ...]
    namespaces: tuple[str, ...] = ()
    ttl: int = 5
    negative_ttl: int | None = None
    publish_not_ready: bool = True
    ports: dict[str, int] = field(default_factory=lambda: {"cql": 9042, "intra": 7000})
    reverse: tuple[str, ...] = ("in-addr.arpa", "ip6.arpa")

    def __post_init__(self) -> None:
        if not self.zones:
            raise UsageError("own.zones: at least one suffix is needed, such as east.local")
        for key in ("zones", "reverse"):
            names = tuple(checked_name(name, f"own.{key}") for name in getattr(self, key))
            object.__setattr__(self, key, names)
        for namespace in self.namespaces:
            if not is_label(namespace):
                raise UsageError(f"own.namespaces: {namespace!r} is not one lower-case label")
        for key in ("ttl", "negative_ttl"):
            if (getattr(self, key) or 0) < 0:
                raise UsageError(f"own.{key}: seconds cannot be negative: {getattr(self, key)}")
        for name, port in self.ports.items():
            if not is_label(name) or not 0 < port < 65536:
                raise UsageError(f"own.ports: {name!r}: {port} is no named port")

    def soa(self, zone: str, serial: int, ttl: int | None = None) -> RR:
        """Return the SOA that tells a resolver how long to remember a denial: its TTL and its minimum are equal."""
        fallback = self.ttl if self.negative_ttl is None else self.negative_ttl
        kept = min(fallback if ttl is None else ttl, SOA_TTL_CAP)
        tail = f".{zone}" if zone else ""
        data = SOA(f"ns.dns{tail}", f"hostmaster{tail}", (serial, *SOA_TIMES, kept))
        return RR(zone, QTYPE.SOA, ttl=kept, rdata=data)


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One published port of one pod, with the name that an SRV record points at; port 0 means none."""

    target: str
    address: str
    port: int


class Zone:
    """An immutable set of records: the server swaps whole sets, so no query ever sees half a change."""

    def __init__(self, shape: Shape, pods: Iterable[Pod] = (), serial: int = 1) -> None:
        self.shape = shape
        self.serial = serial
        self.pods = tuple(pods)
        self._names: dict[str, list[Endpoint]] = {}
        self._pointers: dict[str, list[str]] = {}
        self._versions = frozenset(f"dns-version.{suffix}" for suffix in shape.zones)
        for apex in (*shape.zones, *shape.reverse):
            self._names[apex] = []
        for suffix in shape.zones:
            self._names[f"svc.{suffix}"] = []
            for namespace in {*shape.namespaces, *(pod.namespace for pod in self.pods)}:
                self._names[f"{namespace}.svc.{suffix}"] = []
        for pod in self.pods:
            if pod.ready or shape.publish_not_ready:
                self._publish(pod)

    def _publish(self, pod: Pod) -> None:
        for suffix in self.shape.zones:
            service = f"{pod.service}.{pod.namespace}.svc.{suffix}"
            target = f"{pod.hostname}.{service}"
            for name, port in (self.shape.ports or {"": 0}).items():
                endpoint = Endpoint(target, pod.address, port)
                owners = (target, service, f"_{name}._tcp.{service}") if port else (target, service)
                for owner in owners:
                    self._names.setdefault(owner, []).append(endpoint)
        first = f"{pod.hostname}.{pod.service}.{pod.namespace}.svc.{self.shape.zones[0]}"
        self._pointers.setdefault(ipaddress.IPv4Address(pod.address).reverse_pointer, []).append(first)

    def answer(self, label: DNSLabel, qtype: int, zone: str) -> Reply:
        """Return the authoritative answer for a name below ``zone``; a denial carries the SOA of that zone."""
        name = canonical(str(label))
        endpoints = self._names.get(name)
        found: tuple[RR, ...] = ()
        extra: tuple[RR, ...] = ()
        if name in self._pointers:
            found = self._pointer_records(label, name) if qtype == QTYPE.PTR else ()
        elif name in self._versions:
            found = (RR(label, QTYPE.TXT, ttl=DNS_SCHEMA_TTL, rdata=TXT(DNS_SCHEMA)),) if qtype == QTYPE.TXT else ()
        elif endpoints is None:
            return Reply(RCODE.NXDOMAIN, authority=(self.shape.soa(zone, self.serial),))
        elif qtype == QTYPE.SOA and name == zone:
            found = (self.shape.soa(zone, self.serial),)
        elif qtype == QTYPE.A:
            found = self._addresses(label, endpoints)
        elif qtype == QTYPE.SRV:
            found, extra = self._services(label, endpoints)
        if not found:
            return Reply(RCODE.NOERROR, authority=(self.shape.soa(zone, self.serial),))
        return Reply(RCODE.NOERROR, found, additional=extra)

    def _record(self, owner: Any, qtype: int, data: Any) -> RR:
        return RR(owner, qtype, ttl=self.shape.ttl, rdata=data)

    def _addresses(self, label: DNSLabel, endpoints: list[Endpoint]) -> tuple[RR, ...]:
        distinct = dict.fromkeys(endpoint.address for endpoint in endpoints)
        return tuple(self._record(label, QTYPE.A, A(address)) for address in distinct)

    def _pointer_records(self, label: DNSLabel, name: str) -> tuple[RR, ...]:
        return tuple(self._record(label, QTYPE.PTR, PTR(target)) for target in dict.fromkeys(self._pointers[name]))

    def _services(self, label: DNSLabel, endpoints: list[Endpoint]) -> tuple[tuple[RR, ...], tuple[RR, ...]]:
        weight = max(1, 100 // max(1, len(endpoints)))
        ports = dict.fromkeys((each.target, each.port) for each in endpoints if each.port)
        hosts = dict.fromkeys((each.target, each.address) for each in endpoints if each.port)
        records = tuple(self._record(label, QTYPE.SRV, SRV(0, weight, port, target)) for target, port in ports)
        return records, tuple(self._record(target, QTYPE.A, A(address)) for target, address in hosts)
