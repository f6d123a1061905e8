"""The configuration of hosts: tokens, seeds, and keys that Cassandra knows."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from clusters.catalog import named
from clusters.ring.config import LOWEST_TOKEN, RING_SIZE, config_files, declare_hosts, seed_names
from clusters.topology import DatacenterSpec, RingSpec, Topology

SETTINGS = Path(__file__).parent / "data"
ZONES = ("a", "b", "c", "d", "e")


def topology(zones=3, per_zone=1, datacenters=2, **ring):
    plain = named("stub-domains")
    clusters = tuple(cluster.model_copy(update={"zones": ZONES[:zones]}) for cluster in plain.clusters[:datacenters])
    declared = RingSpec(
        version=ring.pop("version", "5.0.9"),
        datacenters=tuple(
            DatacenterSpec(name=cluster.name, cluster=cluster.name, hosts_per_zone=per_zone, replication_factor=1)
            for cluster in clusters
        ),
        **ring,
    )
    return Topology(name="test", clusters=clusters, ring=declared)


def files_of(declared, place=0):
    return config_files(declared, declare_hosts(declared)[place], "rp-1", seeds=seed_names(declared))


def replicas(hosts, place, count):
    """NetworkTopologyStrategy for one datacenter: clockwise from a range's end, a new rack each time."""
    found = []
    for step in range(len(hosts)):
        host = hosts[(place + step) % len(hosts)]
        if host.rack not in {other.rack for other in found}:
            found.append(host)
        if len(found) == count:
            break
    return found


@given(zones=st.integers(1, 5), per_zone=st.integers(1, 4), datacenters=st.integers(1, 2))
def test_every_rack_has_one_replica_of_every_range_and_every_host_as_many_as_the_others(zones, per_zone, datacenters):
    hosts = declare_hosts(topology(zones, per_zone, datacenters))
    tokens = [host.token for host in hosts]

    assert len(set(tokens)) == len(tokens) == zones * per_zone * datacenters
    assert all(LOWEST_TOKEN <= token < LOWEST_TOKEN + RING_SIZE for token in tokens)
    assert len({host.pod for host in hosts}) == len(hosts)
    for name in ("east", "west")[:datacenters]:
        here = sorted((host for host in hosts if host.datacenter == name), key=lambda host: host.token)
        ranges = [replicas(here, place, zones) for place in range(len(here))]
        # neighbours are of different racks, so the replicas of a range are the next hosts, and nobody has more
        assert all(found == [here[(place + step) % len(here)] for step in range(zones)]
                   for place, found in enumerate(ranges))  # fmt: skip
        assert set(Counter(host.pod for found in ranges for host in found).values()) == {zones}
        gaps = [second.token - first.token for first, second in pairwise(here)]
        gaps.append(here[0].token + RING_SIZE - here[-1].token)
        assert max(gaps) - min(gaps) <= len(here)


@given(zones=st.integers(1, 5), per_zone=st.integers(1, 4))
def test_seeds_are_names_of_two_racks_per_datacenter_and_never_all_hosts(zones, per_zone):
    declared = topology(zones, per_zone)
    hosts = {host.name: host for host in declare_hosts(declared)}
    seeds = seed_names(declared)

    assert set(seeds) <= set(hosts)
    assert not any(name[0].isdigit() for name in seeds)
    for name in ("east", "west"):
        here = [hosts[seed] for seed in seeds if hosts[seed].datacenter == name]
        count = zones * per_zone
        assert len({host.rack for host in here}) == len(here) == max(1, min(2, zones, count - 1))
        assert count == 1 or len(here) < count


def test_the_seeds_of_the_named_topologies():
    assert seed_names(named("stub-domains")) == [
        f"{cluster}-{zone}-0.cassandra.ring.svc.{cluster}.local" for cluster in ("east", "west") for zone in "ab"
    ]
    assert seed_names(named("shared-suffix"))[0] == "east-a-0.cassandra.cass-east.svc.cluster.local"


@pytest.mark.parametrize("version", ["5.0.9", "4.1.10"])
@pytest.mark.parametrize("commitlog", ["group", "periodic"])
@pytest.mark.parametrize("timers", ["fast", "default"])
def test_every_key_is_a_field_of_that_versions_config(version, commitlog, timers):
    """The lists are the fields of org.apache.cassandra.config.Config in the locked jars: another key stops a start."""
    known = set((SETTINGS / f"cassandra-{version}-settings.txt").read_text().split())
    declared = topology(version=version, commitlog=commitlog, timers=timers)
    written = yaml.safe_load(files_of(declared)["cassandra.yaml"])

    assert len(known) > 300
    assert set(written) - known == set()


def test_what_is_promised_is_in_the_file():
    declared = topology()
    host = declare_hosts(declared)[4]
    files = files_of(declared, 4)
    written = yaml.safe_load(files["cassandra.yaml"])

    assert (written["commitlog_sync"], written["commitlog_sync_group_window"]) == ("group", "15ms")
    assert written["cluster_name"] == "rp-1"
    assert written["initial_token"] == str(host.token)
    assert written["listen_address"] == written["broadcast_rpc_address"] == "{{POD_IP}}"
    assert written["seed_provider"][0]["parameters"][0]["seeds"].split(",") == seed_names(declared)
    assert files["rackdc.properties"].splitlines()[:2] == [f"dc={host.datacenter}", f"rack={host.rack}"]
    assert all(
        "{{" not in str(written[key]) for key in written if not key.endswith(("address", "directory", "directories"))
    )


def test_periodic_mode_says_its_period():
    declared = topology(commitlog="periodic")
    written = yaml.safe_load(files_of(declared)["cassandra.yaml"])

    assert (written["commitlog_sync"], written["commitlog_sync_period"]) == ("periodic", "1s")
    assert "commitlog_sync_group_window" not in written
