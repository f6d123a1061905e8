"""The order and number of tries, without a network: the exchange is a script and the clock a number."""

import asyncio

import pytest
from dnslib import QTYPE, RCODE, DNSError, DNSLabel

from clusters.dns.forward import Forward, Timing, address
from clusters.dns.zone import Reply
from clusters.errors import UsageError

NAME = DNSLabel("a.west.local")
A, B = ("10.0.0.1", 53), ("10.0.0.2", 53)
GOOD = Reply(RCODE.NOERROR)
SEQUENTIAL = Timing(policy="sequential")


class Script:
    """Upstreams by address: a reply, or the error that a try ends in; a silent one takes its whole time."""

    def __init__(self, **answers):
        self.answers = {("10.0.0.1" if key == "a" else "10.0.0.2", 53): value for key, value in answers.items()}
        self.now = 0.0
        self.asked = []
        self.checks = asyncio.Event()

    def clock(self):
        return self.now

    async def __call__(self, server, label, qtype, seconds):
        if qtype == QTYPE.NS:
            await self.checks.wait()  # health checks stay open unless a test lets them through
        else:
            self.asked.append(server)
        answer = self.answers[server]
        if isinstance(answer, Exception):
            if isinstance(answer, TimeoutError) and qtype != QTYPE.NS:
                self.now += seconds
            raise answer
        return answer


def run(script, timing, *, servers=(A, B), down=()):
    async def one():
        forward = Forward(servers, timing, script, script.clock)
        for upstream in forward.upstreams:
            upstream.fails = timing.max_fails + 1 if upstream.server in down else 0
        try:
            return await forward.ask(NAME, QTYPE.A)
        finally:
            forward.close()

    return asyncio.run(one())


def test_a_live_upstream_is_asked_once():
    script = Script(a=GOOD)
    assert run(script, SEQUENTIAL, servers=(A,)) is GOOD
    assert script.asked == [A]


def test_one_silent_upstream_costs_three_tries_of_two_seconds():
    script = Script(a=TimeoutError())
    assert run(script, SEQUENTIAL, servers=(A,)) is None
    assert (script.asked, script.now) == ([A, A, A], 6.0)


def test_two_silent_upstreams_share_the_same_time():
    script = Script(a=TimeoutError(), b=TimeoutError())
    assert run(script, SEQUENTIAL) is None
    assert (script.asked, script.now) == ([A, B, A], 6.0)


def test_the_next_upstream_is_asked_when_the_first_is_silent():
    script = Script(a=TimeoutError(), b=GOOD)
    assert run(script, SEQUENTIAL) is GOOD
    assert (script.asked, script.now) == ([A, B], 2.0)


def test_an_upstream_known_to_be_down_is_passed_over():
    script = Script(a=TimeoutError(), b=GOOD)
    assert run(script, SEQUENTIAL, down=(A,)) is GOOD
    assert (script.asked, script.now) == ([B], 0.0)


def test_a_silent_upstream_is_tried_for_the_whole_time_while_only_the_other_is_down():
    script = Script(a=GOOD, b=TimeoutError())
    assert run(script, SEQUENTIAL, down=(A,)) is None
    assert (script.asked, script.now) == ([B, B, B], 6.0)


def test_two_failed_checks_are_not_down_yet():
    [upstream] = Forward((A,), SEQUENTIAL, Script()).upstreams
    seen = []
    for upstream.fails in (2, 3):
        seen.append(upstream.down)
    assert seen == [False, True]


def test_with_all_down_one_is_tried_once_all_the_same():
    script = Script(a=TimeoutError(), b=TimeoutError())
    assert run(script, SEQUENTIAL, down=(A, B)) is None
    assert (len(script.asked), script.now) == (1, 2.0)


def test_a_spray_that_is_answered_is_an_answer():
    script = Script(a=GOOD, b=GOOD)
    assert run(script, SEQUENTIAL, down=(A, B)) is GOOD


def test_servfail_of_an_upstream_is_its_answer():
    refused = Reply(RCODE.SERVFAIL)
    script = Script(a=refused, b=GOOD)
    assert run(script, SEQUENTIAL) is refused


def test_without_max_fails_an_upstream_never_is_down():
    script = Script(a=TimeoutError())
    assert run(script, Timing(max_fails=0), servers=(A,), down=(A,)) is None
    assert script.asked == [A, A, A]


def test_random_order_follows_the_seed():
    def orders(seed):
        async def many():
            script = Script(a=GOOD, b=GOOD)
            forward = Forward((A, B), Timing(seed=seed), script, script.clock)
            for _ in range(12):
                await forward.ask(NAME, QTYPE.A)
            return script.asked

        return asyncio.run(many())

    assert orders(1) == orders(1)
    assert set(orders(1)) == {A, B}


def test_a_closed_port_is_tried_once_per_health_check_until_it_is_down():
    async def one():
        script = Script(a=ConnectionRefusedError())
        script.checks.set()
        forward = Forward((A,), Timing(check_every_seconds=0.001), script, script.clock)
        reply = await forward.ask(NAME, QTYPE.A)
        forward.close()
        return reply, len(script.asked)

    reply, tries = asyncio.run(one())
    assert reply is None
    assert 2 <= tries <= 5  # first try, one after each failed check, and the spray


@pytest.mark.parametrize("sign_of_life", [GOOD, DNSError("garbage")])
def test_health_checks_end_with_the_first_sign_of_life(sign_of_life):
    async def one():
        script = Script(a=TimeoutError())
        script.checks.set()
        forward = Forward((A,), Timing(check_every_seconds=0.001), script, script.clock)
        [upstream] = forward.upstreams
        seen = asyncio.Event()
        upstream._heard = seen.set
        upstream.suspect()
        while not upstream.down:
            await seen.wait()
            seen.clear()
        script.answers[A] = sign_of_life
        while upstream.down:
            await seen.wait()
            seen.clear()
        return upstream.fails, upstream._timer

    assert asyncio.run(one()) == (0, None)


@pytest.mark.parametrize("text", ["", "west", "10.0.0.1:x", "10.0.0.1:0", "10.0.0.1:70000", "fd00::1"])
def test_only_an_address_is_an_upstream(text):
    with pytest.raises(UsageError, match=r"^forward\.w: "):
        address(text, "forward.w")


def test_the_port_may_be_left_out():
    assert (address("10.0.0.1", "f"), address("10.0.0.1:5353", "f")) == (("10.0.0.1", 53), ("10.0.0.1", 5353))
