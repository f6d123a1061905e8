"""The configuration of one Cassandra host: files, tokens, seeds. One generator for every provider.

Keys and defaults: conf/cassandra.yaml and src/java/org/apache/cassandra/config/Config.java of 4.1 and 5.0.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import yaml

from clusters.topology import RingSpec, Topology

STORAGE_PORT = 7000
CQL_PORT = 9042
RING_SIZE = 2**64
LOWEST_TOKEN = -(2**63)
DATACENTER_SHIFT = 1000
"""Tokens of the n-th datacenter are shifted by n times this, so that no token repeats."""
GROUP_WINDOW_MS = 15
SYNC_PERIOD_S = 1
SEED_RACKS = 2
"""Seeds are the pods of two racks per datacenter: enough to lose a zone, never all hosts."""

SMALL_HOST: dict[str, Any] = {
    "commitlog_segment_size": "8MiB",
    "commitlog_total_space": "64MiB",
    "concurrent_compactors": 1,
    "memtable_flush_writers": 1,
    "memtable_heap_space": "32MiB",
    "memtable_offheap_space": "32MiB",
    "memtable_allocation_type": "heap_buffers",
    "file_cache_size": "32MiB",
    "networking_cache_size": "16MiB",
    "key_cache_size": "4MiB",
    "counter_cache_size": "1MiB",
    "prepared_statements_cache_size": "1MiB",
    "index_summary_capacity": "4MiB",
    "disk_access_mode": "standard",
    "internode_application_send_queue_reserve_endpoint_capacity": "16MiB",
    "internode_application_send_queue_reserve_global_capacity": "64MiB",
    "auto_snapshot": False,
}
"""Sizes for six hosts on two cores; none of them changes what is promised.

Concurrency stays at Cassandra's own defaults: with `commitlog_sync: group` each write waits for the next sync, so four
write threads would allow 4 / 15 ms = 266 writes a second, and hints of five hosts for one would time out (measured).
"""

LOGBACK = """<configuration>
  <appender name="FILE" class="ch.qos.logback.core.FileAppender">
    <file>{{LOGS}}/system.log</file>
    <encoder><pattern>%-5level %date{"yyyy-MM-dd'T'HH:mm:ss,SSS"} %F:%L - %msg%n</pattern></encoder>
  </appender>
  <root level="INFO"><appender-ref ref="FILE"/></root>
</configuration>
"""


@dataclass(frozen=True, slots=True)
class HostSpec:
    """One host of the ring, before it is started."""

    pod: str
    cluster: str
    datacenter: str
    rack: str
    token: int
    name: str

    @property
    def who(self) -> str:
        """How reports call it: the pod's name, which is unique over all clusters."""
        return self.pod


@dataclass(frozen=True, slots=True)
class HostStart:
    """All that a provider must know to start one host, and nothing of how it does so."""

    topology: Topology
    host: HostSpec
    cluster_name: str
    seeds: tuple[str, ...]

    @property
    def ring(self) -> RingSpec:
        """What is declared for every host of the ring."""
        return self.topology.formed_ring

    @property
    def files(self) -> dict[str, str]:
        """Configuration files by name; placeholders of PodSpec stand for what is known at the start only."""
        return config_files(self.topology, self.host, self.cluster_name, self.seeds)


def declare_hosts(topology: Topology) -> list[HostSpec]:
    """The hosts of the ring, rack by rack, with tokens that give each rack one replica of every range.

    Neighbours on the ring are of different racks (r1, r2, r3, r1, ...), evenly spread over the token range, as
    k8ssandra-operator's ComputeInitialTokens does for few tokens.
    """
    hosts: list[HostSpec] = []
    for place, datacenter in enumerate(topology.formed_ring.datacenters):
        cluster = topology.cluster(datacenter.cluster)
        count = len(cluster.zones) * datacenter.hosts_per_zone
        for slot in range(count):
            zone = cluster.zones[slot % len(cluster.zones)]
            pod = f"{datacenter.name}-{zone}-{slot // len(cluster.zones)}"
            token = LOWEST_TOKEN + slot * (RING_SIZE // count) + place * DATACENTER_SHIFT
            hosts.append(HostSpec(pod, cluster.name, datacenter.name, zone, token, cluster.dns.pod_name(pod)))
    return hosts


def seed_names(topology: Topology) -> list[str]:
    """Per-pod names of the first host of two racks per datacenter, of one where two were all hosts.

    One name each, because 4.1 takes one address per name. A datacenter of a single host is its own seed.
    """
    names: list[str] = []
    hosts = declare_hosts(topology)
    for datacenter in topology.ring.datacenters if topology.ring else ():
        here = [host for host in hosts if host.datacenter == datacenter.name]
        racks: dict[str, str] = {}
        for host in here:
            racks.setdefault(host.rack, host.name)
        names.extend(list(racks.values())[: max(1, min(SEED_RACKS, len(here) - 1))])
    return names


def commitlog(ring: RingSpec) -> dict[str, Any]:
    """How writes become durable before or after they are acknowledged.

    `group` syncs before the acknowledgement, at most every 15 ms. `periodic` acknowledges first and syncs every
    second (default 10 s): a row acknowledged less than that before a SIGKILL may be missing on that replica, with no
    hint for it.
    """
    if ring.commitlog == "group":
        return {"commitlog_sync": "group", "commitlog_sync_group_window": f"{GROUP_WINDOW_MS}ms"}
    return {"commitlog_sync": "periodic", "commitlog_sync_period": f"{SYNC_PERIOD_S}s"}


def cassandra_yaml(topology: Topology, host: HostSpec, cluster_name: str, seeds: Sequence[str]) -> dict[str, Any]:
    """cassandra.yaml of one host; addresses are placeholders that the pod's start fills in.

    `cluster_name` must be unique per run: it is the only guard between two rings that meet on one network.
    """
    ring = topology.formed_ring
    settings: dict[str, Any] = {
        "cluster_name": cluster_name,
        "num_tokens": 1,
        "initial_token": str(host.token),
        "auto_bootstrap": False,
        "partitioner": "org.apache.cassandra.dht.Murmur3Partitioner",
        "endpoint_snitch": "GossipingPropertyFileSnitch",
        "listen_address": "{{POD_IP}}",
        "rpc_address": "0.0.0.0",  # noqa: S104  the pod's own namespace
        "broadcast_rpc_address": "{{POD_IP}}",
        "storage_port": STORAGE_PORT,
        "native_transport_port": CQL_PORT,
        "start_native_transport": True,
        "seed_provider": [
            {
                "class_name": "org.apache.cassandra.locator.SimpleSeedProvider",
                "parameters": [{"seeds": ",".join(seeds)}],
            }
        ],
        "data_file_directories": ["{{VOLUME}}/data"],
        **{
            key: "{{VOLUME}}/" + key.removesuffix("_directory")
            for key in ("commitlog_directory", "saved_caches_directory", "hints_directory", "cdc_raw_directory")
        },
        "paxos_on_linearizability_violations": "log",
        **commitlog(ring),
        **SMALL_HOST,
    }
    if ring.timers == "fast":
        settings |= {"hints_flush_period": "1s"}
    return settings


def config_files(topology: Topology, host: HostSpec, cluster_name: str, seeds: Sequence[str]) -> dict[str, str]:
    """The files of one host's configuration folder, by name."""
    text = yaml.safe_dump(cassandra_yaml(topology, host, cluster_name, seeds), sort_keys=False)
    return {
        "cassandra.yaml": text,
        "rackdc.properties": f"dc={host.datacenter}\nrack={host.rack}\nprefer_local=false\n",
        "logback.xml": LOGBACK,
    }
