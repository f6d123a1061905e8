"""Topologies: what a file may say, and that a wrong one is told line by line."""

import json
from pathlib import Path
from textwrap import dedent

import pytest
from pydantic import ValidationError

from clusters.errors import UsageError
from clusters.topology import ClusterSpec, DatacenterSpec, DnsMode, DnsSpec, RingSpec, Routing, Topology

GOOD = dedent("""\
    name: two
    growth: 2
    clusters:
      - name: east
        node_range: 10.100.0.0/24
        pod_range: 10.200.0.0/16
        service_range: 10.101.0.0/16
        dns: {mode: stub-domain, suffix: east.local, namespace: ring}
      - name: west
        node_range: 10.150.0.0/24
        pod_range: 10.250.0.0/16
        service_range: 10.151.0.0/16
        routing: vxlan
        dns:
          mode: shared-suffix
          suffix: cluster.local
          namespace: cass-west
          forwards: [{domain: east.local, to: 10.100.0.9}]
    ring:
      version: 5.0.9
      datacenters:
        - {name: east, cluster: east}
        - name: west
          cluster: west
          replication_factor: 3
    """)


@pytest.fixture
def load(tmp_path: Path):
    def load(text: str) -> Topology:
        path = tmp_path / "place.yaml"
        path.write_text(text, encoding="utf-8")
        return Topology.from_yaml(path)

    return load


@pytest.fixture
def errors(load, tmp_path):
    def errors(text: str) -> list[str]:
        with pytest.raises(UsageError) as caught:
            load(text)
        return [line.removeprefix(f"{tmp_path}/") for line in str(caught.value).splitlines()]

    return errors


def test_a_file_is_what_it_says(load):
    topology = load(GOOD)

    east, west = topology.clusters
    assert (east.nodes, east.pod_mtu, west.pod_mtu, east.routing) == (3, 1500, 1450, Routing.ROUTED)
    assert topology.cluster("west") is west
    assert topology.datacenter("west").cluster == "west"
    assert topology.joined == (east, west)
    assert east.dns.zone == "east.local"
    assert west.dns.zone == "cass-west.svc.cluster.local"
    assert west.dns.pod_name("west-a-0") == "west-a-0.cassandra.cass-west.svc.cluster.local"


def test_the_digest_depends_on_values_alone(load):
    topology = load(GOOD)

    assert load("# a comment\n" + GOOD.replace("growth: 2", "growth: 2.0")).digest == topology.digest
    assert Topology.model_validate_json(topology.model_dump_json()).digest == topology.digest
    assert load(GOOD.replace("growth: 2", "growth: 3")).digest != topology.digest


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        (
            "pod_range: 10.250.0.0/16",
            "pod_range: 10.250.0.1/16",
            "place.yaml:11:16: clusters[1].pod_range: expected the first address of the range: 10.250.0.0/16, "
            "found '10.250.0.1/16'",
        ),
        (
            "node_range: 10.100.0.0/24",
            "node_range: 10.100.0.0",
            "place.yaml:5:17: clusters[0].node_range: expected an IPv4 range with its prefix length, such as "
            "10.200.0.0/16, found '10.100.0.0'",
        ),
        ("node_range: 10.100.0.0/24", "node_range: 10", "place.yaml:5:17: clusters[0].node_range: expected an IPv4"),
        (
            "node_range: 10.100.0.0/24",
            "node_rang: 10.100.0.0/24",
            "place.yaml:5:5: clusters[0].node_rang: unknown key 'node_rang' (did you mean node_range?)",
        ),
        (
            "    service_range: 10.151.0.0/16\n",
            "",
            "place.yaml:9:5: clusters[1]: expected the key 'service_range', which is missing",
        ),
        ("mode: shared-suffix", "mode: shared", "place.yaml:15:13: clusters[1].dns.mode: expected 'stub-domain'"),
        ("suffix: east.local", "suffix: East.local.", "place.yaml:8:38: clusters[0].dns.suffix: expected a domain"),
        ("growth: 2", "growth: .5", "place.yaml:2:9: growth: expected greater than or equal to 1"),
        ("growth: 2", "growth: .nan", "place.yaml:2:9: growth: expected a finite number"),
        ("routing: vxlan", "mtu: '1500'", "place.yaml:13:10: clusters[1].mtu: expected a whole number, found '1500'"),
        (
            "routing: vxlan",
            "zones: [a, no]",
            "place.yaml:13:16: clusters[1].zones[1]: expected text, found false (text such as yes, no, on and off "
            "needs quotes)",
        ),
        ("routing: vxlan", "zones: a", "place.yaml:13:12: clusters[1].zones: expected a list, found 'a'"),
        ("routing: vxlan", "zones: [a, b, a]", "place.yaml:13:12: clusters[1].zones: expected each name once"),
        (
            "{name: east, cluster: east}",
            "{name: east, cluster: eastt}",
            "place.yaml:22:29: ring.datacenters[0].cluster: expected the name of a declared cluster: east",
        ),
        (
            "replication_factor: 3",
            "replication_factor: 4",
            "place.yaml:25:27: ring.datacenters[1].replication_factor: expected at most 3: 3 zones of west x 1",
        ),
        (
            "- name: west\n      cluster",
            "- name: east\n      cluster",
            "place.yaml:23:13: ring.datacenters[1].name: exp",
        ),
        ("version: 5.0.9", "version: 5.1", "place.yaml:20:12: ring.version: expected '5.0.9' or '4.1.10', found '5.1'"),
        ("to: 10.100.0.9", "to: 12", "place.yaml:18:43: clusters[1].dns.forwards[0].to: expected an IPv4 address"),
        ("name: two", "name: [two]", "place.yaml:1:7: name: expected text, found a list of 1"),
        ("name: two\n", "name: two\nname: three\n", "place.yaml:2:1: the key 'name' is given twice"),
        ("name: two\n", "name: two\n  name: x\n", "place.yaml:2:7: malformed YAML: mapping values are not allowed"),
        ("name: two", "name: !!python/object:os.system two", "place.yaml:1:7: malformed YAML: could not determine"),
    ],
)
def test_a_wrong_value_is_told_with_its_place(errors, old, new, expected):
    assert GOOD.count(old) == 1

    (sentence,) = errors(GOOD.replace(old, new))

    assert sentence.startswith(expected)


def test_every_error_is_told_at_once(errors):
    text = GOOD.replace("growth: 2", "growth: many").replace("routing: vxlan", "rooting: vxlan")

    assert [line.split(":")[1] for line in errors(text)] == ["13", "2"]


def test_a_name_taken_twice_and_the_one_that_is_now_unknown(errors):
    assert errors(GOOD.replace("name: west\n    node", "name: east\n    node")) == [
        "place.yaml:9:11: clusters[1].name: expected a name of its own; clusters[0] has it already, found 'east'",
        "place.yaml:24:16: ring.datacenters[1].cluster: expected the name of a declared cluster: east, found 'west'",
    ]


def test_a_place_is_found_behind_a_merge_key(errors):
    text = GOOD.replace("- name: east\n", "- &first\n    name: east\n    mtu: 9\n", 1).replace(
        "  - name: west\n    node", "  - <<: *first\n    name: west\n    node"
    )

    assert [line.split(": expected")[0] for line in errors(text)] == [
        "place.yaml:6:10: clusters[0].mtu",
        "place.yaml:6:10: clusters[1].mtu",
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "place.yaml:1:1: the file is empty; expected a mapping of keys"),
        ("# nothing\n", "place.yaml:1:1: the file is empty; expected a mapping of keys"),
        ("- a\n- b\n", "place.yaml:1:1: expected a mapping of keys, found a list of 2"),
        ("a: 1\n---\nb: 2\n", "place.yaml:2:1: malformed YAML: but found another document"),
        ("a: \0\n", "place.yaml:1:1: malformed YAML:"),
        ("clusters: []\nname: none\n", "place.yaml:1:11: clusters: expected at least one, found a list of 0"),
    ],
)
def test_a_file_that_is_no_topology(errors, text, expected):
    assert errors(text)[0].startswith(expected)


def test_files_that_cannot_be_read(tmp_path):
    (tmp_path / "latin.yaml").write_bytes(b"name: caf\xe9\n")

    with pytest.raises(UsageError, match=r"absent.yaml: cannot be read: No such file"):
        Topology.from_yaml(tmp_path / "absent.yaml")
    with pytest.raises(UsageError, match=r"latin.yaml: cannot be read: byte 9 is not UTF-8"):
        Topology.from_yaml(tmp_path / "latin.yaml")


def test_python_gets_the_same_checks():
    east = cluster("east")

    with pytest.raises(ValidationError, match="expected the name of a declared cluster: east"):
        Topology(name="t", clusters=(east,), ring=ring(DatacenterSpec(name="a", cluster="eest")))
    with pytest.raises(ValidationError, match="expected a name of its own"):
        Topology(name="t", clusters=(east, east))
    with pytest.raises(ValidationError, match="frozen"):
        east.name = "west"


def test_unknown_names_are_answered_with_near_ones():
    topology = Topology(name="t", clusters=(cluster("east"), cluster("west")))

    with pytest.raises(UsageError, match="no cluster is named 'wset'; declared: west"):
        topology.cluster("wset")
    with pytest.raises(UsageError, match="no datacenter is named 'east'; declared: there is none"):
        topology.datacenter("east")


def test_the_schema_knows_every_key_and_no_other():
    schema = Topology.json_schema()

    assert json.loads(json.dumps(schema)) == schema
    assert set(schema["properties"]) == {"name", "clusters", "ring", "growth"}
    assert set(schema["required"]) == {"name", "clusters"}
    assert schema["properties"]["clusters"]["minItems"] == 1
    definitions = schema["$defs"]
    assert all(part["additionalProperties"] is False for part in definitions.values() if part["type"] == "object")
    assert definitions["ClusterSpec"]["properties"]["name"]["pattern"].startswith("^[a-z0-9]")
    assert definitions["Routing"]["enum"] == ["routed", "host-gw", "vxlan", "bgp", "gateway"]


def cluster(name: str) -> ClusterSpec:
    return ClusterSpec(
        name=name,
        node_range="10.100.0.0/24",
        pod_range="10.200.0.0/16",
        service_range="10.101.0.0/16",
        dns=DnsSpec(mode=DnsMode.STUB_DOMAIN, suffix=f"{name}.local", namespace="ring"),
    )


def ring(*datacenters: DatacenterSpec) -> RingSpec:
    return RingSpec(version="5.0.9", datacenters=datacenters)
