"""What the kind provider would do, before it does anything: layout, configuration, names, guard, routes, objects."""

from __future__ import annotations

import json
import os
import subprocess
import time
from dataclasses import replace
from ipaddress import IPv4Network
from pathlib import Path, PurePosixPath

import pytest
import yaml

from clusters.alive import Identity
from clusters.catalog import named
from clusters.dns.rules import Rule as DnsRule
from clusters.errors import EnvironmentUnfit, UsageError
from clusters.kind import corefile, flannel, kindconfig, manifests, routing
from clusters.kind.guard import Guard, Machine, take_away
from clusters.kind.layout import Layout, Marks, lay_out, tag
from clusters.kind.nodeimage import NodeImage
from clusters.kind.routing import NodeFacts
from clusters.network import Route
from clusters.ring.config import HostStart, declare_hosts, seed_names
from clusters.topology import Topology

IMAGE = NodeImage(
    "ringproof/node:1", "ringproof/flannel:1", "ringproof/cassandra:5.0.9", PurePosixPath("/usr/bin/java"), 17,
    PurePosixPath("/opt/cassandra/lib"), "python3", "3.5.16-0", "v1.12.1",
)  # fmt: skip
MARKS = Marks("r1/kind-host-gw/0", 1800000000.0, Identity(1, 2, "boot", "pid:[1]"), Path("/runs/r1"))


def laid(name: str = "kind-host-gw") -> Layout:
    return lay_out(named(name), MARKS.name)


def starts(topology: Topology, cluster: str) -> list[HostStart]:
    seeds = tuple(seed_names(topology))
    return [HostStart(topology, host, "rp-1", seeds) for host in declare_hosts(topology) if host.cluster == cluster]


def changed(name: str, **values: object) -> Topology:
    topology = named(name)
    first = topology.clusters[0].model_copy(update=values)
    return topology.model_copy(update={"clusters": (first, *topology.clusters[1:])})


# layout


def test_names_carry_the_set_and_fit_an_interface():
    layout = laid()

    assert len({tag("a"), tag("b"), layout.tag}) == 3
    for place in layout.places:
        assert layout.tag in place.kind_name
        assert layout.tag in place.bridge
        assert len(place.bridge) <= 15


def test_router_and_client_lie_outside_of_what_nodes_get():
    for place in laid().places:
        assert place.router in place.spec.node_range
        assert len({place.router, place.client, place.gateway}) == 3
        assert place.router not in place.node_pool
        assert place.client not in place.node_pool
        assert place.dns_service in place.spec.service_range


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"routing": "bgp"}, "does not build routing bgp; choose one of routed, host-gw, vxlan"),
        ({"node_range": IPv4Network("172.31.1.0/28")}, "too small for kind; widen it to /27"),
        ({"zones": ("a", "infra")}, "the zone infra is the control plane's"),
    ],
)
def test_what_kind_cannot_build_is_refused_in_one_sentence(values, words):
    with pytest.raises(UsageError, match=words):
        lay_out(changed("kind-host-gw", **values), "x")


def test_marks_come_back_from_labels_and_foreign_labels_are_nobody():
    assert Marks.read(MARKS.labels()) == MARKS
    assert Marks.read({"ringproof.name": "x"}) is None
    assert Marks.read({**MARKS.labels(), "ringproof.owner": "{}"}) is None


# kind's configuration


def test_a_cluster_is_one_control_plane_and_a_worker_per_zone():
    place = laid().places[1]
    config = kindconfig.cluster_config(place, IMAGE, Path("/runs/r1"), "fast")

    roles = [node["role"] for node in config["nodes"]]
    zones = [node["labels"]["topology.kubernetes.io/zone"] for node in config["nodes"]]
    assert roles == ["control-plane", "worker", "worker", "worker"]
    assert zones == ["infra", "a", "b", "c"]
    assert config["networking"]["podSubnet"] == "10.250.0.0/16"
    assert config["networking"]["serviceSubnet"] == "10.251.0.0/16"
    assert config["networking"]["disableDefaultCNI"] is True


def test_patches_have_no_version_that_kind_could_miss_and_declare_the_domain():
    config = kindconfig.cluster_config(laid().places[1], IMAGE, Path("/runs/r1"), "fast")
    cluster, kubelet = (yaml.safe_load(patch) for patch in config["kubeadmConfigPatches"])

    assert "apiVersion" not in cluster
    assert "apiVersion" not in kubelet
    assert cluster["networking"] == {"dnsDomain": "west.local"}
    assert cluster["etcd"] == {"local": {"imageTag": "3.5.16-0"}}
    assert kubelet["crashLoopBackOff"] == {"maxContainerRestartPeriod": "8s"}


def test_the_default_timers_leave_the_kubelet_alone():
    config = kindconfig.cluster_config(laid().places[0], IMAGE, Path("/runs/r1"), "default")

    assert "crashLoopBackOff" not in config["kubeadmConfigPatches"][1]


def test_the_programs_of_pods_are_files():
    assert [path.name for path in kindconfig.programs() if path.is_file()] == ["start.sh", "agent.py", "probe.py"]


def test_an_image_that_does_not_say_what_is_in_it_is_refused():
    with pytest.raises(EnvironmentUnfit, match="kindest/node:v1 does not say what is in it"):
        NodeImage.read("kindest/node:v1", {})


LABELS = {
    "ringproof.node": "built",
    "ringproof.image.flannel": "localhost/flannel:baked",
    "ringproof.image.cassandra": "localhost/cassandra:5.0.9",
    "ringproof.java": "/opt/java/bin/java",
    "ringproof.java.major": "17",
    "ringproof.jars": "/opt/cassandra/lib",
    "ringproof.etcd": "3.5.16-0",
    "ringproof.coredns": "v1.12.1",
}


def test_an_image_from_packages_brings_flannel_and_the_tags_that_kubeadm_must_be_told():
    image = NodeImage.read("n", LABELS)

    assert (image.stock, image.flannel, image.etcd_tag, image.coredns_tag, image.java_major) == (
        False, "localhost/flannel:baked", "3.5.16-0", "v1.12.1", 17,
    )  # fmt: skip


def test_a_pulled_image_has_kinds_own_network_and_tags():
    labels = {key: value for key, value in LABELS.items() if key.split(".")[-1] not in ("flannel", "etcd", "coredns")}
    image = NodeImage.read("n", {**labels, "ringproof.node": "pulled"})
    config = kindconfig.cluster_config(laid("kind-kindnet").places[0], image, Path("/runs/r1"), "fast")

    assert image.stock
    assert config["networking"]["disableDefaultCNI"] is False
    assert not {"etcd", "dns"} & set(yaml.safe_load(config["kubeadmConfigPatches"][0]))


# the pod network


@pytest.mark.parametrize(("cluster", "backend", "mtu"), [("east", "host-gw", 1500), ("west", "vxlan", 1450)])
def test_the_backend_is_the_declared_one(cluster, backend, mtu):
    place = laid("kind-vxlan").place(cluster)
    (settings,) = [
        made for made in flannel.objects(place, IMAGE.flannel, "172.31.160.2") if made["kind"] == "ConfigMap"
    ]
    network = yaml.safe_load(settings["data"]["net-conf.json"])

    assert network["Backend"]["Type"] == backend
    assert network["Network"] == str(place.spec.pod_range)
    assert flannel.pod_mtu(place, 1500) == mtu == place.spec.pod_mtu


def test_pods_are_not_masqueraded():
    bridge, _ = flannel.conflist()["plugins"]

    assert bridge["ipMasq"] is False


# names


def test_stub_domains_answer_for_themselves_and_forward_the_other_suffix():
    place = laid().places[0]
    text = corefile.corefile(place, {"west.local": "172.31.150.2"})

    assert text.startswith("east.local:53 in-addr.arpa:53 {")
    assert "west.local:53 {" in text
    assert "forward . 172.31.150.2:30053" in text
    assert "/etc/resolv.conf" not in text


def test_a_shared_suffix_is_told_apart_by_the_namespace():
    layout = laid("kind-vxlan")
    zones = {other.spec.dns.zone: "172.31.160.2" for other in layout.joined_to(layout.places[0])}
    text = corefile.corefile(layout.places[0], zones)

    assert "cluster.local:53 in-addr.arpa:53 {" in text
    assert "cass-west.svc.cluster.local:53 {" in text


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        (DnsRule("1", "a.east.local.", "drop"), "erratic"),
        (DnsRule("1", "a.east.local", "servfail"), "rcode SERVFAIL"),
        (DnsRule("1", "a.east.local", "nxdomain"), "rcode NXDOMAIN"),
        (DnsRule("1", "a.east.local", "answer", "192.0.2.1"), "5 IN A 192.0.2.1"),
    ],
)
def test_a_rule_is_a_block_of_its_own_and_its_end_restores_the_file_exactly(rule, words):
    place, peers = laid().places[0], {"west.local": "172.31.150.2"}
    before = corefile.corefile(place, peers)
    lying = corefile.corefile(place, peers, [rule])

    block = lying.partition("}\neast.local:53")[0]
    assert lying.startswith("a.east.local:53 {")
    assert words in block
    assert corefile.version(lying) != corefile.version(before)
    assert corefile.corefile(place, peers, []) == before


def test_the_version_is_that_of_the_whole_file():
    place = laid().places[0]
    texts = [corefile.corefile(place, {"west.local": address}) for address in ("172.31.150.2", "172.31.150.3")]

    assert len({corefile.version(text) for text in texts}) == 2
    assert all(len(corefile.version(text)) == corefile.DIGEST_LENGTH for text in texts)


def test_a_rule_that_corefiles_cannot_express_is_refused():
    with pytest.raises(UsageError, match="CoreDNS is told whole names"):
        corefile.checked({"id": "1", "match": "*.east.local", "action": "drop"})


# the guard


def test_the_guard_names_every_bridge_and_every_range_once():
    layout = laid("kind-vxlan")
    text = Guard(layout, lambda _command, _stdin=None: "").ruleset(MARKS)

    for place in layout.places:
        assert f'"{place.bridge}"' in text
        assert str(place.spec.pod_range) in text or "10.16.0.0/15" in text
        assert str(place.spec.node_range) in text
    assert text.count("10.96.0.0/16") == 1
    assert "r1/kind-host-gw/0" in text


def spoken(ranges: dict[str, list[object]], routes: list[dict]) -> tuple[list[tuple[list[str], str | None]], Machine]:
    """A machine with these guard tables and unreachable routes, and what it was told."""
    told: list[tuple[list[str], str | None]] = []

    def machine(command: list[str], stdin: str | None = None) -> str:
        told.append((command, stdin))
        if command[:4] == ["nft", "-j", "list", "tables"]:
            return json.dumps({"nftables": [{"table": {"family": "inet", "name": name}} for name in ranges]})
        if command[:4] == ["nft", "-j", "list", "set"]:
            return json.dumps({"nftables": [{"metainfo": {}}, {"set": {"elem": ranges[command[5]]}}]})
        return json.dumps(routes) if command[:2] == ["ip", "-j"] else ""

    return told, machine


def prefix(address: str, length: int) -> dict:
    return {"prefix": {"addr": address, "len": length}}


def test_the_guard_takes_away_its_own_routes_and_no_others():
    ours = {"metric": 4000, "protocol": "82"}
    routes = [
        {"dst": "10.200.0.0/16", **ours},
        {"dst": "10.201.0.0/16", **ours},
        {"dst": "10.9.0.0/16", **ours},
        {"dst": "10.200.7.0/24", "metric": 4000, "protocol": "boot"},
        {"dst": "10.200.8.0/24", "protocol": "82"},
    ]
    tables = {
        "rp_one": [prefix("10.200.0.0", 15), "172.31.100.1"],
        "rp_two": [{"range": ["10.201.0.0", "10.201.255.255"]}],
    }
    told, machine = spoken(tables, routes)
    take_away(machine, "one")

    assert told[-2] == (["ip", "-batch", "-"], "route del unreachable 10.200.0.0/16 metric 4000\n")
    assert told[-1] == (["nft", "delete", "table", "inet", "rp_one"], None)


def test_a_guard_that_is_gone_is_not_taken_away_again():
    told, machine = spoken({"rp_two": ["10.0.0.1"]}, [])
    take_away(machine, "one")

    assert not [command for command, _ in told if "delete" in command or "-batch" in command]


# routes


def nodes_of(layout: Layout) -> list[NodeFacts]:
    found = []
    for place in layout.places:
        blocks = place.spec.pod_range.subnets(new_prefix=24)
        for number, zone in enumerate(("infra", *place.spec.zones)):
            address = str(place.spec.node_range[2 + number])
            found.append(NodeFacts(place.spec.name, f"{place.kind_name}-{zone}", zone, address, next(blocks)))
    return found


def test_the_router_knows_every_node_and_no_way_out():
    layout = laid()
    routes, refused = routing.router_routes(layout, nodes_of(layout))

    assert not refused
    assert {route.destination for route in routes if route.kind == "unreachable"} == set(routing.PRIVATE)
    assert Route("10.250.1.0/24", "172.31.150.3") in routes
    assert len([route for route in routes if route.via]) == 8


def test_a_range_with_two_owners_stays_with_the_first():
    layout = laid("kind-overlap")
    routes, refused = routing.router_routes(layout, nodes_of(layout))

    assert len(refused) == 4
    assert all("west" in refusal for refusal in refused)
    assert Route("10.200.1.0/24", "172.31.120.3") in routes


def test_nodes_and_clients_reach_the_other_cluster_by_the_router():
    layout = laid()
    east = layout.places[0]

    routes = routing.node_routes(layout, east)
    assert routes == [Route("172.31.150.0/24", "172.31.100.254"), Route("10.250.0.0/16", "172.31.100.254")]
    client = routing.client_routes(layout, east, nodes_of(layout), "172.31.100.2")
    assert Route("10.200.3.0/24", "172.31.100.5") in client
    assert Route("10.201.0.0/16", "172.31.100.2") in client
    assert client[-2:] == routes


def test_a_node_never_routes_its_own_pods_away():
    layout = laid("kind-overlap")

    assert routing.node_routes(layout, layout.places[0]) == [Route("172.31.170.0/24", "172.31.120.254")]


def test_only_what_does_not_stand_is_added():
    wanted = [Route("10.0.0.0/8", "10.1.1.1"), Route("10.9.0.0/16", kind="unreachable")]

    assert routing.missing([Route("10.0.0.0/8", "10.1.1.1", "eth0")], wanted) == wanted[1:]
    assert routing.missing([Route("10.0.0.0/8", "10.1.1.2", "eth0"), wanted[1]], wanted) == wanted[:1]


def test_kindnet_is_cured_once_per_range_and_tests_first():
    layout = laid("kind-kindnet")
    commands = routing.kindnet_cure(layout, layout.places[0])

    assert [command[:2] for command in commands] == [["/bin/sh", "-c"]] * 2
    for command, network in zip(commands, ("10.240.0.0/16", "172.31.180.0/24"), strict=True):
        test, _, act = command[2].partition(" 2>/dev/null || ")
        assert test == f"iptables -t nat -C KIND-MASQ-AGENT -d {network} -j RETURN"
        assert act == f"iptables -t nat -I KIND-MASQ-AGENT 1 -d {network} -j RETURN"


# the ring's objects

COMMANDS = {"first": ["java", "-Dfirst", "-Da=b c"], "every": ["java", "{{POD_IP}}"]}


def test_every_pod_has_the_topologys_resolver_options():
    place = laid().places[0]
    pods = [manifests.bare_pod(place, "twin", None, IMAGE)["spec"]]
    pods += [one["spec"]["template"]["spec"] for one in of_kind(ring_objects(), "StatefulSet")]

    assert len(pods) == 4
    for pod in pods:
        assert pod["dnsConfig"] == {"options": [{"name": "timeout", "value": "1"}, {"name": "attempts", "value": "2"}]}


def ring_objects(name: str = "kind-host-gw", cluster: str = "east") -> list[dict]:
    layout = laid(name)
    place = layout.place(cluster)
    made = manifests.ring_objects(place, starts(named(name), cluster), IMAGE, COMMANDS)
    return [*manifests.common_objects(place, MARKS), *made]


def of_kind(objects: list[dict], kind: str) -> list[dict]:
    return [made for made in objects if made["kind"] == kind]


def test_pods_get_the_names_of_the_plan():
    sets = of_kind(ring_objects(), "StatefulSet")
    pods = [f"{made['metadata']['name']}-{number}" for made in sets for number in range(made["spec"]["replicas"])]

    assert pods == [start.host.pod for start in starts(named("kind-host-gw"), "east")]


def test_a_rack_is_pinned_to_its_zone_and_has_a_budget_of_its_own():
    objects = ring_objects()
    for made in of_kind(objects, "StatefulSet"):
        spec = made["spec"]["template"]["spec"]
        (term,) = spec["affinity"]["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"][
            "nodeSelectorTerms"
        ]
        assert term["matchExpressions"][0]["values"] == [made["metadata"]["name"].rpartition("-")[2]]
    budgets = of_kind(objects, "PodDisruptionBudget")
    assert [made["spec"]["selector"]["matchLabels"]["ringproof.rack"] for made in budgets] == ["a", "b", "c"]


def test_a_host_without_a_number_is_a_pod_of_its_own_and_no_part_of_a_rack():
    start = starts(named("kind-host-gw"), "east")[0]
    lone = replace(start, host=replace(start.host, pod="east-a-lone"))
    made = manifests.ring_objects(laid().places[0], [lone], IMAGE, COMMANDS)

    assert [(one["kind"], one["metadata"]["name"]) for one in made] == [
        ("ConfigMap", "east-a-lone"),
        ("Pod", "east-a-lone"),
    ]
    spec = made[1]["spec"]
    assert (spec["hostname"], spec["subdomain"]) == ("east-a-lone", "cassandra")
    assert {volume["name"] for volume in spec["volumes"]} == {"logs", "code", "spec", "volume"}
    assert made[1]["metadata"]["labels"]["app"] == "cassandra"


def test_the_service_publishes_hosts_that_are_not_ready():
    (service,) = of_kind(ring_objects(), "Service")

    assert service["spec"]["clusterIP"] == "None"
    assert service["spec"]["publishNotReadyAddresses"] is True
    assert (service["metadata"]["name"], service["metadata"]["namespace"]) == ("cassandra", "ring")


def test_the_files_are_those_of_the_labs_generator():
    files = of_kind(ring_objects(), "ConfigMap")[0]
    start = starts(named("kind-host-gw"), "east")[0]

    for name, text in start.files.items():
        assert files["data"][f"east-a-0.{name}"] == text
    assert files["data"]["east-a-0.first.args"] == "java\n-Dfirst\n-Da=b c\n"


def test_everything_carries_the_set_it_belongs_to():
    layout = laid()
    made = [*ring_objects()]
    made.append(manifests.bare_pod(layout.places[0], "twin", None, IMAGE))

    assert {one["metadata"]["labels"]["ringproof.name"] for one in made} == {layout.tag}


def run_start(folder: Path, pod: str = "east-a-0") -> str:
    program = next(path for path in kindconfig.programs() if path.name == "start.sh")
    places = {name: str(folder / name.lower()) for name in ("SPEC", "CONFIG", "VOLUME", "LOGS")}
    environment = {"PATH": os.environ["PATH"], "POD_NAME": pod, "POD_UID": "u-1", "POD_IP": "10.200.1.4", **places}
    subprocess.run(["/bin/sh", str(program)], env=environment, check=True, timeout=20)
    return (folder / "logs" / "main.out").read_text()


def test_a_host_starts_first_once_and_as_users_do_ever_after(tmp_path):
    spec = tmp_path / "spec"
    spec.mkdir()
    (spec / "east-a-0.first.args").write_text("echo\nfirst  with  spaces\n{{POD_IP}}\n")
    (spec / "east-a-0.every.args").write_text("echo\nevery $HOME *\n{{POD_NAME}} {{POD_UID}}")
    (spec / "east-a-0.cassandra.yaml").write_text("listen_address: '{{POD_IP}}'\ndata: {{VOLUME}}/data\n")
    (spec / "east-a-01.cassandra.yaml").write_text("not mine")

    assert run_start(tmp_path) == "first  with  spaces 10.200.1.4\n"
    assert run_start(tmp_path).splitlines()[1] == "every $HOME * east-a-0 u-1"
    told = [line.split(" ", 2) for line in (tmp_path / "logs" / "command.jsonl").read_text().splitlines()]
    assert [words[1] for words in told] == ["u-1", "u-1"]
    assert 0 <= int(told[1][0]) - int(told[0][0]) < 20e9
    assert abs(time.monotonic_ns() - int(told[1][0])) < 20e9
    written = (tmp_path / "config" / "cassandra.yaml").read_text()
    assert written == f"listen_address: '10.200.1.4'\ndata: {tmp_path}/volume/data\n"
    assert sorted(path.name for path in (tmp_path / "config").iterdir()) == [
        "cassandra.yaml",
        "every.args",
        "first.args",
    ]
