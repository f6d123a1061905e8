"""What cannot be done: control requests, queries and addresses, each refused in its own words."""

import asyncio
import socket

import pytest
from dnslib import DNSQuestion, DNSRecord

from clusters.dns.server import Config, Control, Resolver, Server
from clusters.errors import ProvisionFailed

LOCAL = "127.0.0.1"
NAME = "east-0.cass.ring.svc.east.local"


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (b"{", "no JSON"),
        (b"\xff", "no JSON"),
        (b"[" * 100_000, "no JSON"),
        (b"[]", "expected an object"),
        (b"{}", 'expected {"do"'),
        (b'{"do": ["rule"]}', 'expected {"do"'),
        (b'{"do": "stop"}', 'expected {"do"'),
        (b'{"do": "records"}', "pods: expected a list"),
        (b'{"do": "records", "pod": []}', "unknown key 'pod'"),
        (b'{"do": "rule"}', "rule: 'id' is missing"),
        (b'{"do": "rule", "id": 7, "match": "*", "action": "drop"}', "rule.id: expected str, found 7"),
        (b'{"do": "unrule", "id": "F9"}', "rule F9 is not in force"),
        (b'{"do": "log", "last": -1}', "log.last"),
        (b'{"do": "flush", "zone": "x"}', "unknown key 'zone'"),
    ],
    ids=lambda value: value[:24].decode(errors="replace") if isinstance(value, bytes) else "",
)
def test_a_wrong_request_is_answered(line, words):
    control = Control(Resolver(Config.of({"own": {"zones": ["east.local"]}})))
    answer = control.answer(line)
    assert answer["ok"] is False
    assert words in answer["error"]


def test_the_request_number_comes_back_with_answer_and_error():
    control = Control(Resolver(Config.of({"own": {"zones": ["east.local"]}})))
    assert control.answer(b'{"do": "rules", "request": 3}') == {"ok": True, "rules": [], "request": 3}
    assert control.answer(b'{"do": "nothing", "request": 4}')["request"] == 4


def refused(query):
    outcome = Resolver(Config.of({"own": {"zones": ["east.local"]}})).at_once(query, LOCAL)
    return outcome.action, outcome.reply.rcode


@pytest.mark.parametrize(
    ("offset", "value", "rcode"),
    [(2, 0x28, 4), (-1, 3, 5)],
    ids=["an update is not implemented", "class CH is refused"],
)
def test_a_query_that_is_not_served_is_refused(offset, value, rcode):
    query = bytearray(DNSRecord.question(NAME).pack())
    query[offset] = value
    assert refused(DNSRecord.parse(bytes(query))) == ("refuse", rcode)


@pytest.mark.parametrize("questions", [[], [DNSQuestion(NAME), DNSQuestion("east.local")]], ids=["none", "two"])
def test_one_query_is_one_question(questions):
    assert refused(DNSRecord(questions=questions)) == ("refuse", 1)


def test_a_taken_address_is_named():
    async def second(port):
        server = Server(Resolver(Config.of({"own": {"zones": ["a.local"]}, "host": LOCAL, "port": port})))
        await server.start()

    with socket.create_server((LOCAL, 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ProvisionFailed, match=f"cannot listen on {LOCAL}:{port}"):
            asyncio.run(second(port))
