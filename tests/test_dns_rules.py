"""Which queries a rule covers, and what it does to them."""

import pytest
from dnslib import QTYPE, RCODE, DNSLabel

from clusters.dns.rules import Rule, Rules, act
from clusters.dns.zone import Shape, Zone
from clusters.errors import UsageError

ZONE = Zone(Shape(zones=("east.local",), ttl=7), serial=3)


def covered(rule, name, rtype="A", client="10.200.1.2"):
    rules = Rules()
    rules.add(rule)
    return rules.find(name, getattr(QTYPE, rtype), client) is rule


@pytest.mark.parametrize(
    ("match", "name", "expected"),
    [
        ("*.west.local", "a.b.west.local", True),
        ("*.West.Local.", "a.west.local", True),
        ("*.west.local", "west.local", False),
        ("*.west.local", "a.northwest.local", False),
        ("west-?-0.*", "west-a-0.cass.ring.svc.west.local", True),
        ("west-[ab]-0.*", "west-c-0.cass.ring.svc.west.local", False),
        ("*", "", True),
    ],
)
def test_the_glob_covers_whole_names_without_regard_to_case(match, name, expected):
    assert covered(Rule("F1", match, "drop"), name) is expected


def test_types_and_clients_limit_a_rule():
    rule = Rule("F1", "*", "drop", types=("A", "AAAA"), clients=("10.200.1.0/24", "fd00::/64"))
    assert covered(rule, "x", "AAAA", "10.200.1.255")
    assert not covered(rule, "x", "SRV", "10.200.1.255")
    assert not covered(rule, "x", "A", "10.200.2.1")
    assert covered(rule, "x", "A", "fd00::7")


def test_an_answer_leaves_other_types_alone():
    rule = Rule("F1", "*", "answer", "10.9.9.9")
    assert [covered(rule, "x", rtype) for rtype in ("A", "AAAA", "SRV", "PTR")] == [True, True, False, False]


def test_the_first_rule_decides_and_counts():
    rules = Rules()
    rules.add(Rule("F1", "a.*", "servfail"))
    rules.add(Rule("F2", "*", "drop"))
    found = [rules.find(name, QTYPE.A, "10.0.0.1").id for name in ("a.x", "b.x", "b.y")]
    assert found == ["F1", "F2", "F2"]
    assert [(each["id"], each["hits"]) for each in rules.listed()] == [("F1", 1), ("F2", 2)]


@pytest.mark.parametrize(
    ("rule", "rtype", "rcode", "address", "negative"),
    [
        (Rule("F", "*", "servfail"), "A", RCODE.SERVFAIL, None, None),
        (Rule("F", "*", "nxdomain"), "A", RCODE.NXDOMAIN, None, 7),
        (Rule("F", "*", "nxdomain", ttl=0), "A", RCODE.NXDOMAIN, None, 0),
        (Rule("F", "*", "answer", "10.9.9.9"), "A", RCODE.NOERROR, ("10.9.9.9", 7), None),
        (Rule("F", "*", "answer", "10.9.9.9", 60), "A", RCODE.NOERROR, ("10.9.9.9", 60), None),
        (Rule("F", "*", "answer", "10.9.9.9"), "AAAA", RCODE.NOERROR, None, 7),
    ],
)
def test_what_a_rule_says(rule, rtype, rcode, address, negative):
    reply = act(rule, DNSLabel("x.east.local"), getattr(QTYPE, rtype), ZONE, "east.local")
    assert reply.rcode == rcode
    assert [(str(each.rdata), each.ttl) for each in reply.answer] == ([address] if address else [])
    assert [each.ttl for each in reply.authority] == ([] if negative is None else [negative])


def test_a_drop_says_nothing():
    assert act(Rule("F", "*", "drop"), DNSLabel("x"), QTYPE.A, ZONE, "") is None


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: Rule("F", "*", "delay"), "'delay' is none of drop"),
        (lambda: Rule("F", "*", "answer"), "an address goes with the action answer"),
        (lambda: Rule("F", "*", "drop", "10.9.9.9"), "and with no other"),
        (lambda: Rule("F", "*", "answer", "10.9.9"), "rule F: address"),
        (lambda: Rule("F", "*", "answer", "10.9.9.9", -1), "ttl cannot be negative"),
        (lambda: Rule("F", "*", "answer", "10.9.9.9", types=("SRV",)), "covers A and AAAA only"),
        (lambda: Rules().add(Rule("F", "*", "drop", types=("B",))), "'B' is no record type"),
        (lambda: Rules().add(Rule("F", "*", "drop", clients=("10.0.0.1/8",))), "host bits set"),
        (lambda: Rules().remove("F"), "rule F is not in force"),
    ],
)
def test_a_wrong_rule_is_refused(make, words):
    with pytest.raises(UsageError) as refusal:
        make()
    assert words in str(refusal.value)


def test_an_id_is_taken_once_and_free_again_after_removal():
    rules = Rules()
    rules.add(Rule("F1", "*", "drop"))
    with pytest.raises(UsageError, match="in force already"):
        rules.add(Rule("F1", "*", "servfail"))
    assert rules.find("x", QTYPE.A, "10.0.0.1").action == "drop"
    rules.remove("F1")
    assert rules.find("x", QTYPE.A, "10.0.0.1") is None
    rules.add(Rule("F1", "*", "servfail"))
