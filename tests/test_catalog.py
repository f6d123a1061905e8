"""The named topologies: their declared values, and what planning says of them."""

from ipaddress import IPv4Network
from pathlib import Path

import pytest

from clusters import catalog as module
from clusters.catalog import catalog, named
from clusters.errors import UsageError
from clusters.plan import plan
from clusters.topology import DnsMode

EXAMPLES = Path(__file__).parent.parent / "docs" / "examples"


def test_these_are_the_named_topologies():
    lab = {"stub-domains", "shared-suffix", "overlap"}

    assert set(catalog()) == lab | {"kind-host-gw", "kind-vxlan", "kind-overlap", "kind-kindnet", "kind-shared-node"}


def test_a_topology_is_named_like_its_file():
    files = (Path(module.__file__).parent / "topologies").glob("*.yaml")

    assert sorted(file.stem for file in files) == sorted(catalog())


def test_a_caller_cannot_change_the_catalog():
    catalog().clear()

    assert named("overlap").name == "overlap"


@pytest.mark.parametrize("name", ["stub-domains", "shared-suffix"])
def test_the_ring_topologies_are_sound_and_hold_six_hosts(name):
    topology = named(name)

    assert plan(topology).sound
    assert not plan(topology).warnings
    assert [datacenter.name for datacenter in topology.ring.datacenters] == ["east", "west"]
    assert sum(len(topology.cluster(dc.cluster).zones) * dc.hosts_per_zone for dc in topology.ring.datacenters) == 6


def test_the_two_differ_in_ranges_and_names():
    stub, shared = named("stub-domains"), named("shared-suffix")

    ranges = [{c.pod_range for c in topology.clusters} for topology in (stub, shared)]
    assert not ranges[0] & ranges[1]
    assert [c.dns.zone for c in stub.clusters] == ["east.local", "west.local"]
    assert [c.dns.zone for c in shared.clusters] == ["cass-east.svc.cluster.local", "cass-west.svc.cluster.local"]
    assert {c.dns.mode for c in shared.clusters} == {DnsMode.SHARED_SUFFIX}
    assert [note.code for note in plan(shared).allowed] == ["RP-PLAN-100"]


def test_overlap_is_refused_for_its_pod_ranges_alone():
    (conflict,) = plan(named("overlap")).conflicts

    assert (conflict.code, conflict.first.owner, conflict.second.owner) == ("RP-PLAN-001", "east", "west")
    assert IPv4Network(conflict.intersection) == IPv4Network("10.200.0.0/16")
    assert named("overlap").ring is None


def test_a_path_is_a_name():
    assert named(str(EXAMPLES / "vxlan.yaml")).name == "example-vxlan"


def test_an_unknown_name_is_answered_with_near_ones():
    with pytest.raises(
        UsageError, match="no topology is named 'stub-domain': stub-domains, or the path of a YAML file"
    ):
        named("stub-domain")
    with pytest.raises(UsageError, match=r"nowhere\.yaml: cannot be read"):
        named("nowhere.yaml")
