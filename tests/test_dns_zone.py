"""Record shapes: what exists below an own suffix, what does not, and how long each answer lives."""

import pytest
from dnslib import QTYPE, RCODE, DNSLabel, DNSRecord

from clusters.dns.server import Config
from clusters.dns.zone import Pod, Shape, Zone, decode, most_specific
from clusters.errors import UsageError

SHAPE = Shape(zones=("east.local",), namespaces=("ring", "empty"), ttl=7)
PODS = (
    Pod("east-a-0", "cass", "ring", "10.1.0.3"),
    Pod("east-b-0", "cass", "ring", "10.1.1.3"),
    Pod("east-c-0", "cass", "ring", "10.1.2.3", ready=False),
)


def asked(name, rtype="A", *, shape=SHAPE, pods=PODS):
    zone = "in-addr.arpa" if name.lower().endswith("in-addr.arpa") else "east.local"
    return Zone(shape, pods).answer(DNSLabel(name), getattr(QTYPE, rtype), zone)


def data(reply):
    return [str(record.rdata) for record in reply.answer]


def test_a_pod_has_its_own_name():
    reply = asked("East-A-0.cass.ring.svc.east.local")
    assert (data(reply), reply.answer[0].ttl, reply.authoritative) == (["10.1.0.3"], 7, True)


def test_the_service_names_all_pods():
    assert data(asked("cass.ring.svc.east.local")) == ["10.1.0.3", "10.1.1.3", "10.1.2.3"]


def test_pods_that_are_not_ready_leave_dns_only_when_the_service_says_so():
    strict = Shape(zones=("east.local",), publish_not_ready=False)
    assert data(asked("cass.ring.svc.east.local", shape=strict)) == ["10.1.0.3", "10.1.1.3"]
    assert asked("east-c-0.cass.ring.svc.east.local", shape=strict).rcode == RCODE.NXDOMAIN
    assert asked("3.2.1.10.in-addr.arpa", "PTR", shape=strict).rcode == RCODE.NXDOMAIN
    assert data(asked("east-c-0.cass.ring.svc.east.local")) == ["10.1.2.3"]


@pytest.mark.parametrize(("port", "number"), [("cql", 9042), ("intra", 7000)])
def test_srv_names_every_pod_with_its_address(port, number):
    reply = asked(f"_{port}._tcp.cass.ring.svc.east.local", "SRV")
    names = [f"east-{zone}-0.cass.ring.svc.east.local." for zone in "abc"]
    assert data(reply) == [f"0 33 {number} {name}" for name in names]
    assert [(str(record.rname), str(record.rdata)) for record in reply.additional] == list(
        zip(names, ["10.1.0.3", "10.1.1.3", "10.1.2.3"], strict=True)
    )


def test_an_address_points_back_to_its_pod_in_every_service():
    twice = (*PODS, Pod("east-a-0", "seeds", "ring", "10.1.0.3"))
    assert data(asked("3.0.1.10.in-addr.arpa", "PTR", pods=twice)) == [
        "east-a-0.cass.ring.svc.east.local.",
        "east-a-0.seeds.ring.svc.east.local.",
    ]


def test_the_schema_version_is_told():
    assert data(asked("dns-version.east.local", "TXT")) == ['"1.1.0"']


@pytest.mark.parametrize(
    ("name", "rtype"),
    [
        ("east-a-9.cass.ring.svc.east.local", "A"),
        ("cass.other.svc.east.local", "A"),
        ("cass.empty.svc.east.local", "A"),
        ("east-a-0.cass.ring.svc.west.local.ring.svc.east.local", "A"),
        ("_jmx._tcp.cass.ring.svc.east.local", "SRV"),
        ("ring.east.local", "A"),
        ("9.0.2.10.in-addr.arpa", "PTR"),
    ],
)
def test_what_is_not_there_is_denied_with_the_soa_of_its_zone(name, rtype):
    reply = asked(name, rtype)
    [soa] = reply.authority
    assert (reply.rcode, reply.answer, soa.rtype, soa.ttl, soa.rdata.times[4]) == (
        RCODE.NXDOMAIN,
        (),
        QTYPE.SOA,
        7,
        7,
    )
    assert name.endswith(str(soa.rname).rstrip("."))


@pytest.mark.parametrize(
    ("name", "rtype"),
    [
        ("east.local", "A"),
        ("svc.east.local", "A"),
        ("empty.svc.east.local", "A"),
        ("east-a-0.cass.ring.svc.east.local", "AAAA"),
        ("east-a-0.cass.ring.svc.east.local", "TXT"),
        ("dns-version.east.local", "A"),
        ("3.0.1.10.in-addr.arpa", "A"),
        ("in-addr.arpa", "PTR"),
    ],
)
def test_a_name_without_such_a_record_is_no_data(name, rtype):
    reply = asked(name, rtype)
    assert (reply.rcode, reply.answer, len(reply.authority)) == (RCODE.NOERROR, (), 1)


def test_the_negative_ttl_may_differ_and_is_capped_as_in_coredns():
    short, long = (Shape(zones=("east.local",), ttl=600, negative_ttl=ttl) for ttl in (0, None))
    assert asked("x.east.local", shape=short).authority[0].ttl == 0
    assert asked("x.east.local", shape=long).authority[0].ttl == 300


def test_without_ports_there_are_addresses_and_no_srv():
    bare = Shape(zones=("east.local",), ports={})
    assert data(asked("cass.ring.svc.east.local", shape=bare)) == ["10.1.0.3", "10.1.1.3", "10.1.2.3"]
    assert data(asked("cass.ring.svc.east.local", "SRV", shape=bare)) == []


def test_the_longest_zone_wins_and_only_at_a_label():
    zones = {"cluster.local": 1, "west.svc.cluster.local": 2, "": 0}
    found = [
        most_specific(name, zones)[1]
        for name in ("a.west.svc.cluster.local", "a.northwest.svc.cluster.local", "acluster.local")
    ]
    assert found == [2, 1, 0]
    assert most_specific("acluster.local", {"cluster.local": 1}) is None


@pytest.mark.parametrize(
    ("document", "words"),
    [
        ([], "expected an object, found list"),
        ({"own": {}}, "own: 'zones' is missing"),
        ({"own": {"zones": []}}, "at least one suffix"),
        ({"own": {"zones": ["east..local"]}}, "'east..local' is no DNS name"),
        ({"own": {"zones": ["east.local"], "tll": 5}}, "unknown key 'tll'"),
        ({"own": {"zones": ["east.local"], "ttl": -1}}, "cannot be negative"),
        ({"own": {"zones": ["east.local"], "ttl": True}}, "own.ttl: expected int, found True"),
        ({"own": {"zones": ["east.local"], "ports": {"cql": 70000}}}, "70000 is no named port"),
        ({"own": {"zones": ["east.local"]}, "forward": {"east.local": ["10.0.0.1"]}}, "is an own zone"),
        ({"own": {"zones": ["east.local"]}, "forward": {"west.local": ["dns.west"]}}, "'dns.west' is no address"),
        ({"own": {"zones": ["east.local"]}, "forward": {"west.local": []}}, "no server is named"),
        ({"own": {"zones": ["east.local"]}, "cache": {"success": -1}}, "cache.success: seconds cannot be negative"),
        ({"own": {"zones": ["east.local"]}, "upstream": {"read_seconds": 0}}, "must be above 0"),
        ({"own": {"zones": ["east.local"]}, "upstream": {"policy": "best"}}, "neither random nor sequential"),
        ({"own": {"zones": ["east.local"]}, "pods": [{"hostname": "a"}]}, "pods[0]: 'service' is missing"),
        ({"own": {"zones": ["east.local"]}, "listen": 1}, "unknown key 'listen'"),
    ],
)
def test_a_wrong_configuration_is_refused_with_the_place(document, words):
    with pytest.raises(UsageError) as refusal:
        Config.of(document)
    assert words in str(refusal.value)


@pytest.mark.parametrize("pod", [("a.b", "10.1.0.3"), ("A", "10.1.0.3"), ("a", "10.1.0"), ("a", "fd00::1")])
def test_a_pod_that_dns_cannot_hold_is_refused(pod):
    with pytest.raises(UsageError, match=f"pod {pod[0]}: "):
        Pod(pod[0], "cass", "ring", pod[1])


def test_a_chain_of_pointers_is_no_message():
    start = 12 + 1 + 10  # header, root name, fixed part of the first record, whose data is the chain
    links = 3000
    chain = b"\0\0" + b"".join((0xC000 + start + 2 * place).to_bytes(2, "big") for place in range(links))
    fixed = bytes.fromhex("fff0000100000000")
    first = b"\0" + fixed + len(chain).to_bytes(2, "big") + chain
    second = (0xC000 + start + 2 * links).to_bytes(2, "big") + fixed + b"\0\1x"
    header = bytes.fromhex("123400000000000200000000")
    with pytest.raises(RecursionError):
        DNSRecord.parse(header + first + second)
    assert decode(header + first + second) is None
