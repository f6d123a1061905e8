"""The declared place: clusters, address ranges, routing, DNS and the ring that lives on them. Pure values.

A topology is written in YAML (keys are the attribute names below) or built in Python. Whether its addresses are
sound is the planner's question (`clusters.plan`); what is refused here cannot even be planned.
"""

from __future__ import annotations

import difflib
import hashlib
import json
import os
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from enum import StrEnum
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, Self, TypeVar

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema, model_validator
from pydantic_core import InitErrorDetails, PydanticCustomError, ValidationError

from clusters import marked_yaml
from clusters.errors import UsageError
from clusters.topology_errors import sentences

VXLAN_OVERHEAD = 50
"""Bytes that VXLAN takes from each packet: IPv4 20, UDP 8, VXLAN 8, inner Ethernet 14 (RFC 7348, section 5)."""

# RFC 1123, section 2.1 and RFC 1035, section 2.3.4.
_LABEL = r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?"
_DOMAIN = rf"{_LABEL}(\.{_LABEL})*"


def _label(text: str) -> str:
    if not re.fullmatch(_LABEL, text):
        raise ValueError("expected a DNS label: lower-case letters, digits and '-', at most 63 characters")
    return text


def _domain(text: str) -> str:
    if len(text) > 253 or not re.fullmatch(_DOMAIN, text):
        raise ValueError("expected a domain in lower case without a final dot, such as east.local")
    return text


def _range(text: object) -> object:
    if isinstance(text, IPv4Network):
        return text
    if not isinstance(text, str) or "/" not in text:
        raise ValueError("expected an IPv4 range with its prefix length, such as 10.200.0.0/16")
    try:
        network = IPv4Network(text, strict=False)
    except ValueError as error:
        raise ValueError(f"expected an IPv4 range such as 10.200.0.0/16 ({error})") from error
    if IPv4Address(text.split("/")[0]) != network.network_address:
        raise ValueError(f"expected the first address of the range: {network}")
    return network


def _address(text: object) -> object:
    if isinstance(text, int):
        raise ValueError("expected an IPv4 address such as 10.101.0.10")
    return text


def _distinct(names: tuple[str, ...]) -> tuple[str, ...]:
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        raise ValueError(f"expected each name once; repeated: {', '.join(twice)}")
    return names


def _some(items: tuple[object, ...]) -> tuple[object, ...]:
    if not items:
        raise ValueError("expected at least one")
    return items


# Not `min_length`: pydantic counts only the items that are right, so one wrong item would be told as two errors.
_AT_LEAST_ONE = (AfterValidator(_some), Field(json_schema_extra={"minItems": 1}))
Label = Annotated[str, AfterValidator(_label), WithJsonSchema({"type": "string", "pattern": f"^{_LABEL}$"})]
Domain = Annotated[str, AfterValidator(_domain), WithJsonSchema({"type": "string", "pattern": f"^{_DOMAIN}$"})]
Range = Annotated[IPv4Network, BeforeValidator(_range)]
Address = Annotated[IPv4Address, BeforeValidator(_address)]
Zones = Annotated[tuple[Label, ...], *_AT_LEAST_ONE, AfterValidator(_distinct)]
Count = Annotated[int, Field(strict=True, ge=1)]
Seconds = Annotated[int, Field(strict=True, ge=0)]


class Routing(StrEnum):
    """How a pod's packets travel between nodes and to the joined clusters."""

    ROUTED = "routed"
    HOST_GW = "host-gw"
    VXLAN = "vxlan"
    BGP = "bgp"
    GATEWAY = "gateway"


class DnsMode(StrEnum):
    """How the other clusters find this cluster's names.

    `stub-domain`: an own suffix, forwarded as a whole. `shared-suffix`: one suffix for all, the namespace tells the
    cluster. `managed`: records are published in a zone outside the clusters, one suffix per cluster.
    """

    STUB_DOMAIN = "stub-domain"
    SHARED_SUFFIX = "shared-suffix"
    MANAGED = "managed"


class _Declared(BaseModel):
    model_config: ClassVar[ConfigDict] = ConfigDict(frozen=True, extra="forbid")


class DnsForward(_Declared):
    """A domain whose questions this cluster's DNS server hands on to one address."""

    domain: Domain
    to: Address


class DnsSpec(_Declared):
    """The names of one cluster, and how long answers live. Times are seconds.

    Resolver timeout and attempts are those of resolv.conf(5); its own defaults are 5 and 2.
    """

    mode: DnsMode
    suffix: Domain
    namespace: Label
    service: Label = "cassandra"
    ttl: Seconds = 5
    cache: Seconds = 5
    negative_cache: Seconds = 5
    resolver_timeout: Count = 1
    resolver_attempts: Count = 2
    forwards: tuple[DnsForward, ...] = ()

    @property
    def domain(self) -> str:
        """The domain in which every pod of the ring has its name (Kubernetes DNS specification 1.1, headless)."""
        return f"{self.service}.{self.namespace}.svc.{self.suffix}"

    @property
    def zone(self) -> str:
        """The domain that the other clusters must forward to this one."""
        return f"{self.namespace}.svc.{self.suffix}" if self.mode is DnsMode.SHARED_SUFFIX else self.suffix

    def pod_name(self, hostname: str) -> str:
        """The full name of the pod with this hostname, without a final dot."""
        return f"{hostname}.{self.domain}"


class ClusterSpec(_Declared):
    """One Kubernetes cluster. Each node gets a block of `node_prefix` from the pod range.

    Defaults are Kubernetes' own: a /24 per node (kube-controller-manager `--node-cidr-mask-size`) and 110 pods per
    node (kubelet `maxPods`). `mtu` is that of the nodes' network, in bytes; a `joined` cluster exchanges routes with
    every other joined one, an isolated cluster with none.
    """

    name: Label
    node_range: Range
    pod_range: Range
    service_range: Range
    zones: Zones = ("a", "b", "c")
    nodes_per_zone: Count = 1
    node_prefix: Annotated[int, Field(strict=True, ge=8, le=30)] = 24
    pods_per_node: Count = 110
    routing: Routing = Routing.ROUTED
    # RFC 791: every host must accept 576 bytes; an IPv4 packet never exceeds 65535.
    mtu: Annotated[int, Field(strict=True, ge=576, le=65535)] = 1500
    joined: Annotated[bool, Field(strict=True)] = True
    announce_services: Annotated[bool, Field(strict=True)] = False
    dns: DnsSpec

    @property
    def nodes(self) -> int:
        """The number of nodes over all zones."""
        return len(self.zones) * self.nodes_per_zone

    @property
    def announced(self) -> bool:
        """Whether other clusters get a route to the service range."""
        return self.joined and self.announce_services

    @property
    def pod_mtu(self) -> int:
        """The largest packet, in bytes, that a pod may send: what the overlay leaves of the nodes' MTU."""
        return self.mtu - (VXLAN_OVERHEAD if self.routing is Routing.VXLAN else 0)


class DatacenterSpec(_Declared):
    """One Cassandra datacenter on one cluster; its racks are the cluster's zones."""

    name: Label
    cluster: Label
    hosts_per_zone: Count = 1
    replication_factor: Count = 3


class RingSpec(_Declared):
    """One Cassandra ring. `timers` and `commitlog` name profiles of the ring's configuration; heap per host in MB.

    `load_share` is the share of the scenarios' declared rates that the clients offer: below 1 where the same processors
    carry more than the ring, so that what is measured is the ring and not the machine.
    """

    version: Literal["5.0.9", "4.1.10"]
    datacenters: Annotated[tuple[DatacenterSpec, ...], *_AT_LEAST_ONE]
    timers: Literal["fast", "default"] = "fast"
    commitlog: Literal["group", "periodic"] = "group"
    heap_mb: Count = 192
    load_share: Annotated[float, Field(strict=True, ge=0.1, le=1, allow_inf_nan=False)] = 1.0


class Topology(_Declared):
    """Everything that is declared about one place.

    `growth` is the factor by which each cluster's node count is planned to grow. Built in Python, a wrong value raises
    pydantic's `ValidationError`; from a file, `UsageError` with line and column of each error.
    """

    name: Label
    clusters: Annotated[tuple[ClusterSpec, ...], *_AT_LEAST_ONE]
    ring: RingSpec | None = None
    growth: Annotated[float, Field(strict=True, ge=1, le=1000, allow_inf_nan=False)] = 1.0

    @classmethod
    def from_yaml(cls, path: str | os.PathLike[str]) -> Self:
        """The topology that a file declares.

        Errors: `UsageError`, one line per error: file, line, column, where in the topology, what was expected.
        """
        source = marked_yaml.read(Path(path))
        try:
            return cls.model_validate(source.value)
        except ValidationError as error:
            raise UsageError("\n".join(sentences(source, error, cls))) from error

    @classmethod
    def json_schema(cls) -> dict[str, Any]:
        """The JSON Schema (2020-12) of a topology file, for editors."""
        return cls.model_json_schema()

    @property
    def joined(self) -> tuple[ClusterSpec, ...]:
        """The clusters that exchange routes, in declared order."""
        return tuple(cluster for cluster in self.clusters if cluster.joined)

    @property
    def formed_ring(self) -> RingSpec:
        """What is declared of the ring, for those who stand on one."""
        assert self.ring is not None
        return self.ring

    @property
    def digest(self) -> str:
        """SHA-256 (hexadecimal) of the canonical JSON: equal exactly when every declared value is equal."""
        canonical = json.dumps(self.model_dump(mode="json"), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(canonical.encode()).hexdigest()

    def cluster(self, name: str) -> ClusterSpec:
        """The cluster of this name; an unknown name is a `UsageError` with the nearest ones."""
        return _named("cluster", name, self.clusters)

    def datacenter(self, name: str) -> DatacenterSpec:
        """The datacenter of this name; an unknown name is a `UsageError` with the nearest ones."""
        return _named("datacenter", name, self.ring.datacenters if self.ring else ())

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        errors = [*_twice(("clusters",), [cluster.name for cluster in self.clusters]), *self._datacenter_errors()]
        if errors:
            raise ValidationError.from_exception_data("Topology", errors)
        return self

    def _datacenter_errors(self) -> Iterator[InitErrorDetails]:
        if self.ring is None:
            return
        path = ("ring", "datacenters")
        yield from _twice(path, [datacenter.name for datacenter in self.ring.datacenters])
        zones = {cluster.name: len(cluster.zones) for cluster in self.clusters}
        for index, datacenter in enumerate(self.ring.datacenters):
            if datacenter.cluster not in zones:
                expected = f"expected the name of a declared cluster: {nearest(datacenter.cluster, zones)}"
                yield _wrong((*path, index, "cluster"), datacenter.cluster, expected)
                continue
            hosts = zones[datacenter.cluster] * datacenter.hosts_per_zone
            if datacenter.replication_factor > hosts:
                expected = (
                    f"expected at most {hosts}: {zones[datacenter.cluster]} zones of {datacenter.cluster} x "
                    f"{datacenter.hosts_per_zone} hosts per zone"
                )
                yield _wrong((*path, index, "replication_factor"), datacenter.replication_factor, expected)


_Named = TypeVar("_Named", ClusterSpec, DatacenterSpec)


def nearest(name: str, known: Iterable[str]) -> str:
    """The known names most like this one, most alike first, or some of them all when none is like it."""
    names = list(known)
    close = difflib.get_close_matches(name, names, n=3, cutoff=0.5)
    return " or ".join(close) if close else ", ".join(names[:8]) or "there is none"


def _named(kind: str, name: str, known: tuple[_Named, ...]) -> _Named:
    for item in known:
        if item.name == name:
            return item
    raise UsageError(f"no {kind} is named {name!r}; declared: {nearest(name, (item.name for item in known))}")


def _twice(path: tuple[str, ...], names: list[str]) -> Iterator[InitErrorDetails]:
    first: dict[str, int] = {}
    for index, name in enumerate(names):
        if name in first:
            earlier = f"{'.'.join(path)}[{first[name]}]"
            yield _wrong((*path, index, "name"), name, f"expected a name of its own; {earlier} has it already")
        first.setdefault(name, index)


def _wrong(path: tuple[str | int, ...], value: object, expected: str) -> InitErrorDetails:
    reason = PydanticCustomError("declared", "{expected}", {"expected": expected})
    return InitErrorDetails(type=reason, loc=path, input=value)
