"""What is kept, for how long, and with which remaining time it is handed on; time is a number here."""

import pytest
from dnslib import PTR, QTYPE, RCODE, RR, SOA, A

from clusters.dns.cache import CAPACITY, Cache, Limits
from clusters.dns.zone import Reply

NAME = "east-a-0.cass.ring.svc.east.local"


class Clock:
    now = 0

    def __call__(self):
        return self.now

    def advance(self, seconds):
        self.now += int(seconds * 1e9)


def found(ttl, *more):
    records = tuple(RR(NAME, QTYPE.A, ttl=each, rdata=A("10.1.0.3")) for each in (ttl, *more))
    return Reply(RCODE.NOERROR, records)


def denied(rcode, ttl):
    return Reply(rcode, authority=(RR("east.local", QTYPE.SOA, ttl=ttl, rdata=SOA("a.b", "c.d", (1, 2, 3, 4, ttl))),))


@pytest.mark.parametrize(
    ("limits", "reply", "seconds"),
    [
        (Limits(), found(20), 20),
        (Limits(), found(300), 30),
        (Limits(), found(2), 5),
        (Limits(success_floor=0), found(2), 2),
        (Limits(success_floor=0), found(0), 0),
        (Limits(success=2), found(1), 2),
        (Limits(success=0), found(20), 0),
        (Limits(), found(25, 12), 12),
        (Limits(), denied(RCODE.NXDOMAIN, 12), 12),
        (Limits(), denied(RCODE.NOERROR, 2), 5),
        (Limits(denial=8), denied(RCODE.NXDOMAIN, 300), 8),
        (Limits(denial_floor=0), denied(RCODE.NXDOMAIN, 0), 0),
        (Limits(), Reply(RCODE.NXDOMAIN), 5),
        (Limits(), Reply(RCODE.SERVFAIL), 5),
        (Limits(failure=0), Reply(RCODE.SERVFAIL), 0),
        (Limits(), Reply(RCODE.REFUSED), 0),
    ],
)
def test_how_long_an_answer_is_kept(limits, reply, seconds):
    assert limits.keep(reply) == seconds


def test_the_remaining_time_is_handed_on_until_nothing_remains():
    clock = Clock()
    cache = Cache(Limits(), clock)
    first = cache.put(NAME, QTYPE.A, found(2, 300))
    assert {record.ttl for record in first.answer} == {5}
    seen = []
    for step in (0, 0.9, 0.1, 3, 0.999, 0.001):
        clock.advance(step)
        kept = cache.get(NAME, QTYPE.A)
        seen.append(kept and kept.answer[0].ttl)
    assert seen == [5, 5, 4, 1, 1, None]
    assert len(cache) == 0


def test_what_is_cached_has_authority_as_coredns_gives_it():
    cache = Cache(Limits(), Clock())
    plain = Reply(RCODE.NOERROR, found(5).answer, authoritative=False)
    assert cache.put(NAME, QTYPE.A, plain).authoritative is False
    assert cache.get(NAME, QTYPE.A).authoritative is True


def test_types_are_kept_apart():
    cache = Cache(Limits(), Clock())
    cache.put(NAME, QTYPE.A, found(5))
    assert cache.get(NAME, QTYPE.AAAA) is None
    assert cache.get(NAME, QTYPE.A).answer


def test_a_denial_ends_and_a_later_answer_takes_its_place():
    clock = Clock()
    cache = Cache(Limits(), clock)
    cache.put(NAME, QTYPE.A, denied(RCODE.NXDOMAIN, 5))
    assert cache.get(NAME, QTYPE.A).rcode == RCODE.NXDOMAIN
    clock.advance(5)
    assert cache.get(NAME, QTYPE.A) is None
    cache.put(NAME, QTYPE.A, found(5))
    assert cache.get(NAME, QTYPE.A).rcode == RCODE.NOERROR


def test_the_oldest_leaves_when_it_is_full():
    cache = Cache(Limits(), Clock())
    for number in range(CAPACITY + 1):
        cache.put(f"n{number}", QTYPE.A, found(5))
    assert len(cache) == CAPACITY
    assert cache.get("n0", QTYPE.A) is None
    assert cache.get("n1", QTYPE.A) is not None


def test_flush_says_how_much_it_forgot():
    cache = Cache(Limits(), Clock())
    cache.put("1.0.0.10.in-addr.arpa", QTYPE.PTR, Reply(0, (RR("x", QTYPE.PTR, ttl=9, rdata=PTR("a.b")),)))
    assert (cache.flush(), cache.flush(), len(cache)) == (1, 0, 0)
