"""Servers on loopback, asked over real sockets; their clock is a number that only a test moves."""

import asyncio
import contextlib
import json
import random
import socket
import threading
import time

import pytest
from dnslib import EDNS0, QTYPE, DNSQuestion, DNSRecord

from clusters.dns.client import ask
from clusters.dns.server import Config, Control, Resolver, Server

LOCAL = "127.0.0.1"
PATIENCE = 5.0


class Clock:
    now = 0

    def __call__(self):
        return self.now

    def advance(self, seconds):
        self.now += int(seconds * 1e9)


class Running:
    """A server with a loop and thread of its own, as it has a process of its own in the lab."""

    def __init__(self, document, clock):
        self.resolver = Resolver(Config.of(document | {"host": LOCAL, "port": 0}), clock=clock)
        self.problems = []
        self._control = Control(self.resolver)
        self._ready = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._main()))
        self._thread.start()
        assert self._ready.wait(PATIENCE)

    async def _main(self):
        self._loop = asyncio.get_running_loop()
        self._loop.set_exception_handler(lambda _, context: self.problems.append(context))
        self._end = asyncio.Event()
        server = Server(self.resolver)
        _, self.port = await server.start()
        self._ready.set()
        await self._end.wait()
        await server.close()

    def control(self, do, **request):
        async def answer():
            return self._control.answer(json.dumps({"do": do, **request}).encode())

        return asyncio.run_coroutine_threadsafe(answer(), self._loop).result(PATIENCE)

    def ask(self, name, rtype="A", timeout=PATIENCE):
        return ask(LOCAL, name, timeout, rtype=rtype, port=self.port)

    def actions(self):
        return [each["action"] for each in self.control("log")["log"]]

    def close(self):
        self._loop.call_soon_threadsafe(self._end.set)
        self._thread.join(PATIENCE)
        assert not self._thread.is_alive()
        assert self.problems == []


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def start(clock):
    with contextlib.ExitStack() as stack:

        def begin(document, *, at=clock):
            running = Running(document, at)
            stack.callback(running.close)
            return running

        yield begin


@pytest.fixture
def silent():
    """A port that takes queries and never answers."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as wire:
        wire.bind((LOCAL, 0))
        wire.settimeout(PATIENCE)
        yield wire


def pods(region, count=1, first=3):
    return [
        {
            "hostname": f"{region}-{n}",
            "service": "cass",
            "namespace": "ring",
            "address": f"10.1.{n // 200}.{first + n % 200}",
        }
        for n in range(count)
    ]


def west(**own):
    return {"own": {"zones": ["west.local"], **own}, "pods": pods("west")}


def east(port, **more):
    return {
        "own": {"zones": ["east.local"]},
        "pods": pods("east"),
        "forward": {"west.local": [f"{LOCAL}:{port}"]},
        **more,
    }


WEST = "west-0.cass.ring.svc.west.local"
EAST = "east-0.cass.ring.svc.east.local"


def packet(name, rtype="A", *, number=4711, edns=0):
    query = DNSRecord(q=DNSQuestion(name, getattr(QTYPE, rtype)), ar=[EDNS0(udp_len=edns)] if edns else [])
    query.header.id = number
    return bytes(query.pack())


@contextlib.contextmanager
def udp(port, source=LOCAL):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as wire:
        wire.bind((source, 0))
        wire.connect((LOCAL, port))
        wire.settimeout(PATIENCE)
        yield wire


def exchange(port, query, source=LOCAL):
    with udp(port, source) as wire:
        wire.send(query)
        return wire.recv(65535)


@contextlib.contextmanager
def tcp(port):
    with socket.create_connection((LOCAL, port), timeout=PATIENCE) as wire, wire.makefile("rb") as reader:

        def send(query):
            wire.sendall(len(query).to_bytes(2, "big") + query)

        yield send, lambda: reader.read(int.from_bytes(reader.read(2), "big")), wire


# own zones


def test_own_names_are_answered_with_authority(start):
    server = start(east(9))
    answer = server.ask(EAST)
    assert (answer.rcode, answer.addresses, answer.ttl, answer.error) == ("NOERROR", ("10.1.0.3",), 5, None)
    reply = DNSRecord.parse(exchange(server.port, packet(EAST.upper())))
    assert (reply.header.id, reply.header.aa, reply.header.ra, reply.header.qr) == (4711, 1, 1, 1)
    assert str(reply.q.qname) == EAST.upper() + "."


@pytest.mark.parametrize(
    ("name", "rtype", "ttl"),
    [
        ("east-9.cass.ring.svc.east.local", "A", 5),
        ("9.9.9.10.in-addr.arpa", "PTR", 5),
        ("example.org", "A", None),
    ],
)
def test_what_is_not_there_is_denied_at_once_without_asking_anyone(start, silent, name, rtype, ttl):
    server = start(east(silent.getsockname()[1]))
    answer = server.ask(name, rtype)
    assert (answer.rcode, answer.addresses, answer.ttl) == ("NXDOMAIN", (), ttl)
    silent.setblocking(False)
    with pytest.raises(BlockingIOError):
        silent.recv(512)


def test_srv_and_ptr_over_the_wire(start):
    server = start(east(9))
    assert server.ask("_cql._tcp.cass.ring.svc.east.local", "SRV").addresses == (f"0 100 9042 {EAST}.",)
    assert server.ask("3.0.1.10.in-addr.arpa", "PTR").addresses == (f"{EAST}.",)


def test_records_are_replaced_as_a_whole_or_not_at_all(start):
    server = start(east(9))
    assert server.control("records", pods=pods("east", first=77)) == {"ok": True, "pods": 1, "serial": 2}
    assert server.ask(EAST).addresses == ("10.1.0.77",)
    assert server.ask("3.0.1.10.in-addr.arpa", "PTR").rcode == "NXDOMAIN"
    refused = server.control("records", pods=[*pods("east", first=88), {"hostname": "x"}])
    assert (refused["ok"], "pods[1]: 'service' is missing" in refused["error"]) == (False, True)
    assert server.ask(EAST).addresses == ("10.1.0.77",)
    assert server.control("records", pods=[])["ok"]
    assert server.ask(EAST).rcode == "NXDOMAIN"


def test_a_foreign_namespace_below_a_shared_suffix_is_forwarded(start):
    def document(namespace, **more):
        own = {"zones": ["cluster.local"], "namespaces": [namespace]}
        each = [{"hostname": "a-0", "service": "cass", "namespace": namespace, "address": "10.7.0.3"}]
        return {"own": own, "pods": each, **more}

    there = start(document("ring-west"))
    forward = {"ring-west.svc.cluster.local": [f"{LOCAL}:{there.port}"]}
    here = start(document("ring-east", forward=forward))
    names = [f"a-0.cass.{namespace}.svc.cluster.local" for namespace in ("ring-east", "ring-west", "ring-north")]
    assert [here.ask(name).rcode for name in names] == ["NOERROR", "NOERROR", "NXDOMAIN"]
    assert here.actions() == ["own", "forward", "own"]
    assert [each["name"] for each in there.control("log")["log"]] == [names[1]]


# cache and forwarding


def test_the_remaining_time_is_handed_on_and_then_asked_again(start, clock):
    there = start(west(ttl=20))
    here = start(east(there.port))
    seen = []
    for seconds in (0, 6, 13.5, 0.5):
        clock.advance(seconds)
        seen.append(here.ask(WEST).ttl)
    assert seen == [20, 14, 1, 20]
    assert (here.actions(), there.actions()) == (["forward", "cache", "cache", "forward"], ["own", "own"])


def test_a_changed_address_is_seen_when_the_cached_one_ends(start, clock):
    there = start(west(ttl=5))
    here = start(east(there.port, cache={"success": 5}))
    assert here.ask(WEST).addresses == ("10.1.0.3",)
    there.control("records", pods=pods("west", first=9))
    clock.advance(4)
    assert here.ask(WEST).addresses == ("10.1.0.3",)
    clock.advance(1)
    assert here.ask(WEST).addresses == ("10.1.0.9",)


def test_a_denial_is_remembered_for_the_time_of_its_soa(start, clock):
    there = start(west(ttl=30, negative_ttl=8))
    here = start(east(there.port))
    name = "west-5.cass.ring.svc.west.local"
    first = here.ask(name)
    there.control("records", pods=pods("west", 6))
    clock.advance(7)
    second = here.ask(name)
    clock.advance(1)
    assert [(each.rcode, each.ttl) for each in (first, second)] == [("NXDOMAIN", 8), ("NXDOMAIN", 1)]
    assert here.ask(name).addresses == ("10.1.0.8",)
    assert here.actions() == ["forward", "cache", "forward"]


def test_flush_forgets_what_was_cached(start):
    there = start(west())
    here = start(east(there.port))
    here.ask(WEST)
    there.control("records", pods=pods("west", first=9))
    assert here.control("flush") == {"ok": True, "flushed": 1}
    assert here.ask(WEST).addresses == ("10.1.0.9",)


def test_servfail_of_an_upstream_is_cached_and_our_own_is_not(start, silent):
    quick = {"read_seconds": 0.02, "deadline_seconds": 0.03}
    there = start(west())
    there.control("rule", id="F", match="*.west.local", action="servfail")
    document = east(there.port, upstream=quick)
    document["forward"]["north.local"] = [f"{LOCAL}:{silent.getsockname()[1]}"]
    here = start(document, at=time.monotonic_ns)
    assert [here.ask(WEST).rcode for _ in range(2)] == ["SERVFAIL", "SERVFAIL"]
    assert [here.ask("a.north.local").rcode for _ in range(2)] == ["SERVFAIL", "SERVFAIL"]
    assert here.actions() == ["forward", "cache", "forward", "forward"]


def test_a_closed_port_is_servfail(start):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind((LOCAL, 0))
        port = taken.getsockname()[1]
    here = start(east(port, upstream={"check_every_seconds": 0.02}))
    assert here.ask(WEST).rcode == "SERVFAIL"


def test_waiting_for_a_silent_upstream_holds_up_nobody(start, silent):
    here = start(east(silent.getsockname()[1], upstream={"read_seconds": 60, "deadline_seconds": 60}))
    with udp(here.port) as wire, tcp(here.port) as (send, receive, _):
        for number in range(30):
            wire.send(packet(f"n{number}.west.local"))
        send(packet(WEST, number=1))
        send(packet(EAST, number=2))
        assert DNSRecord.parse(receive()).header.id == 2
        assert here.ask(EAST).rcode == "NOERROR"
        assert here.control("counters")["waiting"] == 31


def test_beyond_the_bound_of_waiting_queries_the_answer_is_refused(start, silent):
    upstream = {"read_seconds": 60, "deadline_seconds": 60, "max_concurrent": 2}
    here = start(east(silent.getsockname()[1], upstream=upstream))
    with udp(here.port) as wire:
        for number in range(3):
            wire.send(packet(f"n{number}.west.local", number=number))
        reply = DNSRecord.parse(wire.recv(512))
    assert (reply.header.id, reply.header.rcode) == (2, 5)


def test_an_answer_to_another_question_is_not_believed(start, silent):
    here = start(east(silent.getsockname()[1], upstream={"read_seconds": 60, "deadline_seconds": 60}))
    with udp(here.port) as wire:
        wire.send(packet(WEST))
        asked, sender = silent.recvfrom(512)
        query = DNSRecord.parse(asked)
        forged = DNSRecord.question("other.west.local").replyZone("other.west.local 60 A 10.6.6.6")
        forged.header.id = query.header.id
        silent.sendto(bytes(forged.pack()), sender)
        silent.sendto(b"noise", sender)
        silent.sendto(bytes(query.replyZone(f"{WEST} 60 A 10.1.0.3").pack()), sender)
        assert str(DNSRecord.parse(wire.recv(512)).a.rdata) == "10.1.0.3"


# UDP, TCP and what is too long


def test_a_long_answer_is_cut_for_udp_and_whole_by_tcp(start):
    server = start(east(9) | {"pods": pods("east", 100)})
    name = "cass.ring.svc.east.local"
    cut = DNSRecord.parse(exchange(server.port, packet(name, edns=4096)))
    assert (cut.header.tc, len(cut.rr), str(cut.q.qname), len(cut.ar)) == (1, 0, name + ".", 1)
    with tcp(server.port) as (send, receive, _):
        send(packet(name))
        whole = DNSRecord.parse(receive())
    assert (whole.header.tc, len(whole.rr)) == (0, 100)
    assert len(server.ask(name).addresses) == 100


def test_the_limit_is_512_bytes_unless_the_client_offers_more(start):
    server = start(east(9) | {"pods": pods("east", 40)})
    name = "cass.ring.svc.east.local"
    sizes = {edns: len(exchange(server.port, packet(name, edns=edns))) for edns in (0, 100, 700, 1232)}
    assert max(sizes[0], sizes[100]) <= 512 < sizes[700] <= sizes[1232]
    assert len(DNSRecord.parse(exchange(server.port, packet(name, edns=1232))).rr) == 40


def test_a_truncated_upstream_answer_is_fetched_by_tcp(start):
    there = start(west() | {"pods": pods("west", 100)})
    here = start(east(there.port))
    assert len(here.ask("cass.ring.svc.west.local").addresses) == 100
    assert there.actions() == ["own", "own"]


def test_a_client_that_closes_its_half_still_gets_its_answer(start):
    there = start(west())
    here = start(east(there.port))
    with tcp(here.port) as (send, receive, wire):
        send(packet(WEST))
        wire.shutdown(socket.SHUT_WR)
        assert str(DNSRecord.parse(receive()).a.rdata) == "10.1.0.3"
        assert receive() == b""


# rules


@pytest.mark.parametrize(
    ("rule", "rcode", "addresses"),
    [
        ({"action": "drop"}, "TIMEOUT", ()),
        ({"action": "servfail"}, "SERVFAIL", ()),
        ({"action": "nxdomain"}, "NXDOMAIN", ()),
        ({"action": "answer", "address": "10.9.9.9", "ttl": 60}, "NOERROR", ("10.9.9.9",)),
    ],
)
@pytest.mark.parametrize("name", [EAST, WEST])
def test_a_rule_acts_at_once_and_its_removal_restores_every_byte(start, rule, rcode, addresses, name):
    there = start(west())
    here = start(east(there.port))
    here.ask(name)
    before = exchange(here.port, packet(name))
    assert here.control("rule", id="F1", match="*.local", **rule) == {"ok": True, "id": "F1"}
    during = here.ask(name, timeout=0.05 if rcode == "TIMEOUT" else PATIENCE)
    assert (during.rcode, during.addresses) == (rcode, addresses)
    assert here.control("log", last=1)["log"][0]["rule"] == "F1"
    assert here.control("unrule", id="F1") == {"ok": True, "id": "F1"}
    assert exchange(here.port, packet(name)) == before
    assert len(there.actions()) <= 1


def test_a_drop_is_silent_by_tcp_too_and_keeps_the_connection(start):
    here = start(east(9))
    here.control("rule", id="F1", match="*.west.local", action="drop")
    with tcp(here.port) as (send, receive, _):
        send(packet(WEST, number=1))
        send(packet(EAST, number=2))
        assert DNSRecord.parse(receive()).header.id == 2


def test_a_rule_may_concern_some_clients_and_types_only(start):
    here = start(east(9))
    here.control("rule", id="F1", match="*", action="nxdomain", clients=["127.0.0.2/32"], types=["A"])

    def rcode(rtype, source):
        return DNSRecord.parse(exchange(here.port, packet(EAST, rtype), source)).header.rcode

    assert [rcode("A", LOCAL), rcode("A", "127.0.0.2"), rcode("SRV", "127.0.0.2")] == [0, 3, 0]
    assert here.control("rules")["rules"][0]["hits"] == 1


def test_a_remote_fault_is_masked_by_the_local_cache_until_it_ends(start, clock):
    there = start(west(ttl=5))
    here = start(east(there.port, cache={"success": 5, "denial": 5}))
    here.ask(WEST)
    there.control("rule", id="F1", match="*.west.local", action="nxdomain")
    assert here.ask(WEST).rcode == "NOERROR"
    clock.advance(5)
    assert here.ask(WEST).rcode == "NXDOMAIN"
    there.control("unrule", id="F1")
    assert here.ask(WEST).rcode == "NXDOMAIN"
    clock.advance(5)
    assert here.ask(WEST).rcode == "NOERROR"


# what is no query


def test_noise_is_counted_and_gets_no_answer(start):
    here = start(east(9))
    query = packet(EAST)
    loop = query[:12] + b"\xc0\x0c" + query[-4:]
    noise = [b"", b"x", query[:11], query[:-3], loop, query[:12] + b"\x7f" + query[13:], b"\xff" * 600]
    with udp(here.port) as wire:
        for each in noise:
            wire.send(each)
        wire.send(query[:2] + b"\x84" + query[3:])  # an answer: replying to it would start a loop
        wire.send(packet(EAST, number=7))
        assert DNSRecord.parse(wire.recv(512)).header.id == 7
    assert here.control("counters")["malformed"] == len(noise) + 1


def test_random_damage_ends_nothing(start):
    here = start(east(9))
    draw = random.Random(7)
    query = packet("cass.ring.svc.east.local", "SRV", edns=1232)
    with udp(here.port) as wire, tcp(here.port) as (send, _, _):
        for number in range(1500):
            damaged = bytearray(query)
            for _ in range(draw.randrange(1, 5)):
                damaged[draw.randrange(len(damaged))] = draw.randrange(256)
            wire.send(damaged)
            send(bytes(damaged))
            if number % 50 == 49:  # so that no socket buffer overflows, which would lose good queries too
                assert here.ask(EAST).rcode == "NOERROR"


# control


def test_counters_and_log_say_what_happened(start, clock):
    there = start(west())
    here = start(east(there.port))
    clock.now = 42
    here.control("rule", id="F1", match="x.*", action="drop")
    for name in (EAST, EAST, WEST, WEST, "east-9.east.local"):
        here.ask(name)
    here.ask("x.west.local", timeout=0.05)
    counted = {
        (each["name"], each["rcode"], each["action"]): each["count"] for each in here.control("counters")["counters"]
    }
    assert counted == {
        (EAST, "NOERROR", "own"): 2,
        (WEST, "NOERROR", "forward"): 1,
        (WEST, "NOERROR", "cache"): 1,
        ("east-9.east.local", "NXDOMAIN", "own"): 1,
        ("x.west.local", None, "drop"): 1,
    }
    last = here.control("log", last=1)["log"]
    assert last == [
        {
            "t": 42,
            "client": LOCAL,
            "name": "x.west.local",
            "type": "A",
            "action": "drop",
            "rcode": None,
            "rule": "F1",
            "seconds": 0.0,
        }
    ]
    assert here.control("log", last=0)["log"] == []


def test_the_log_keeps_the_newest(start):
    here = start(east(9, log_size=3))
    for number in range(5):
        here.ask(f"n{number}.east.local")
    assert [each["name"] for each in here.control("log")["log"]] == [f"n{n}.east.local" for n in (2, 3, 4)]
