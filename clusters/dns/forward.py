"""Asking other DNS servers as CoreDNS `forward` does, so that a silent upstream costs a client the same time.

Facts (CoreDNS `plugin/forward/forward.go`; `plugin/pkg/proxy/proxy.go`, `health.go`; `plugin/pkg/up/up.go`):

* a try waits 2 s for the answer; tries go on, upstream after upstream, as long as one can *start* within 5 s. So one
  silent upstream that is not yet known to be down costs 3 tries = 6 s before SERVFAIL is said, not 5 s;
* the first error starts health checks of that upstream (`. NS`, 1 s, again after 0.5 s until one is answered); with
  more than ``max_fails`` = 2 failed in a row it is down. A silent one is down 4 s after its first error;
* with all upstreams down one is picked at random ("the health check must be broken") and tried once: SERVFAIL after
  2 s. An upstream that answers health checks and drops one zone only never is down: each query costs the 6 s;
* `prefer_udp`: UDP first, the same question by TCP when the answer came truncated.

One thing differs: when every upstream fails at once (a closed port), CoreDNS repeats in a tight loop until the
health checks have failed (about 1 s); here the next round starts with the next result of a health check.
"""

from __future__ import annotations

import asyncio
import ipaddress
import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from dnslib import (
    EDNS0,
    QTYPE,
    DNSError,
    DNSLabel,
    DNSQuestion,
    DNSRecord,
)

from clusters.dns.zone import Reply, decode
from clusters.errors import UsageError

UDP_SIZE = 1232
"""Largest UDP answer that is asked for and given, in bytes (CoreDNS `plugin/bufsize`, DNS flag day 2020)."""

Address = tuple[str, int]
Exchange = Callable[[Address, DNSLabel, int, float], Awaitable[Reply]]


@dataclass(frozen=True, slots=True)
class Timing:
    """Seconds and counts of `forward`; the defaults are those of CoreDNS, ``max_concurrent`` that of kubeadm's
    Corefile (beyond it: REFUSED). ``seed`` makes the order of the policy `random` repeatable; the other policy is
    `sequential`."""

    read_seconds: float = 2.0
    deadline_seconds: float = 5.0
    max_fails: int = 2
    check_every_seconds: float = 0.5
    check_read_seconds: float = 1.0
    max_concurrent: int = 1000
    policy: str = "random"
    seed: int = 0

    def __post_init__(self) -> None:
        for key in ("read_seconds", "deadline_seconds", "check_every_seconds", "check_read_seconds"):
            if getattr(self, key) <= 0:
                raise UsageError(f"upstream.{key}: must be above 0 seconds: {getattr(self, key)}")
        if self.max_fails < 0 or self.max_concurrent < 1:
            raise UsageError("upstream: max_fails cannot be negative, max_concurrent must be at least 1")
        if self.policy not in ("random", "sequential"):
            raise UsageError(f"upstream.policy: {self.policy!r} is neither random nor sequential")


def address(text: str, where: str) -> Address:
    """Return host and port of ``10.0.0.1`` or ``10.0.0.1:53``; UsageError for anything else."""
    host, _, port = text.partition(":")
    try:
        ipaddress.IPv4Address(host)
        number = int(port or 53)
    except ValueError as error:
        raise UsageError(f"{where}: {text!r} is no address such as 10.0.0.1 or 10.0.0.1:53 ({error})") from error
    if not 0 < number < 65536:
        raise UsageError(f"{where}: {text!r}: {number} is no port")
    return host, number


async def exchange(server: Address, label: DNSLabel, qtype: int, seconds: float) -> Reply:
    """Return the answer of one server, by UDP and, if that comes truncated, by TCP; each may take ``seconds``.

    TimeoutError, OSError, EOFError or DNSError when there is none. A UDP answer to another question is ignored.
    """
    query = DNSRecord(q=DNSQuestion(label, qtype), ar=[EDNS0(udp_len=UDP_SIZE)])
    answer = await _by_udp(server, query, seconds)
    if answer.header.tc:
        answer = await _by_tcp(server, query, seconds)
    extra = tuple(each for each in answer.ar if each.rtype != QTYPE.OPT)
    return Reply(answer.header.rcode, tuple(answer.rr), tuple(answer.auth), extra, bool(answer.header.aa))


def belongs(answer: DNSRecord, query: DNSRecord) -> bool:
    """Return whether ``answer`` is the response to ``query``: same id, same question."""
    if not answer.header.qr or answer.header.id != query.header.id or len(answer.questions) != 1:
        return False
    return bool(answer.q.qname == query.q.qname and answer.q.qtype == query.q.qtype)


class _Datagram(asyncio.DatagramProtocol):
    def __init__(self, query: DNSRecord, answer: asyncio.Future[DNSRecord]) -> None:
        self._query = query
        self._answer = answer

    def datagram_received(self, data: bytes, addr: tuple[str | object, int]) -> None:
        answer = decode(data)
        if answer is not None and belongs(answer, self._query) and not self._answer.done():
            self._answer.set_result(answer)

    def error_received(self, exc: Exception) -> None:
        if not self._answer.done():
            self._answer.set_exception(exc)


async def _by_udp(server: Address, query: DNSRecord, seconds: float) -> DNSRecord:
    loop = asyncio.get_running_loop()
    answer: asyncio.Future[DNSRecord] = loop.create_future()
    transport, _ = await loop.create_datagram_endpoint(lambda: _Datagram(query, answer), remote_addr=server)
    try:
        transport.sendto(bytes(query.pack()))
        async with asyncio.timeout(seconds):
            return await answer
    finally:
        transport.close()


async def _by_tcp(server: Address, query: DNSRecord, seconds: float) -> DNSRecord:
    async with asyncio.timeout(seconds):
        reader, writer = await asyncio.open_connection(*server)
        try:
            packet = bytes(query.pack())
            writer.write(len(packet).to_bytes(2, "big") + packet)
            size = int.from_bytes(await reader.readexactly(2), "big")
            answer = decode(await reader.readexactly(size))
        finally:
            writer.close()
    if answer is None or not belongs(answer, query):
        raise DNSError(f"{server[0]}:{server[1]} answered another question by TCP")
    return answer


class Upstream:
    """One server that is asked, and what its health checks say; it is believed to be up until they fail."""

    def __init__(self, server: Address, timing: Timing, ask: Exchange, heard: Callable[[], None]) -> None:
        self.server = server
        self.fails = 0
        self._timing = timing
        self._ask = ask
        self._heard = heard
        self._timer: asyncio.TimerHandle | None = None
        self._task: asyncio.Task[None] | None = None

    @property
    def down(self) -> bool:
        """More checks in a row have failed than ``max_fails``; never with ``max_fails`` 0."""
        return bool(self._timing.max_fails) and self.fails > self._timing.max_fails

    def suspect(self) -> None:
        """Begin health checks, unless they run already or are switched off."""
        if self._timing.max_fails and self._task is None and self._timer is None:
            self._start()

    def _start(self) -> None:
        self._timer = None
        self._task = asyncio.get_running_loop().create_task(self._check())

    async def _check(self) -> None:
        healthy = True
        try:
            await self._ask(self.server, DNSLabel("."), QTYPE.NS, self._timing.check_read_seconds)
        except DNSError:
            pass  # something came back, which is all that a check asks for (CoreDNS health.go, send)
        except (OSError, EOFError):
            healthy = False
        self.fails = 0 if healthy else self.fails + 1
        self._task = None
        if not healthy:
            self._timer = asyncio.get_running_loop().call_later(self._timing.check_every_seconds, self._start)
        self._heard()

    def close(self) -> None:
        """End the health checks."""
        if self._timer is not None:
            self._timer.cancel()
        if self._task is not None:
            self._task.cancel()


class Forward:
    """The upstreams of one zone, shared by every query that is forwarded there."""

    def __init__(
        self,
        servers: tuple[Address, ...],
        timing: Timing,
        ask: Exchange = exchange,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        if not servers:
            raise UsageError("forward: a zone needs at least one server to ask")
        self.upstreams = tuple(Upstream(server, timing, ask, self._heard) for server in servers)
        self._timing = timing
        self._exchange = ask
        self._clock = clock
        self._random = random.Random(timing.seed)
        self._news = asyncio.Event()

    async def ask(self, label: DNSLabel, qtype: int) -> Reply | None:
        """Return the first answer that an upstream gives, of whatever code; None when SERVFAIL is to be said."""
        end = self._clock() + self._timing.deadline_seconds
        waiting = list(self.upstreams)
        if self._timing.policy == "random":
            self._random.shuffle(waiting)
        order = tuple(waiting)
        place = fails = 0
        round_started = self._clock()
        while (now := self._clock()) < end:
            if place == len(order):
                if now - round_started < self._timing.check_every_seconds:
                    await self._next_check(end - now)
                place = fails = 0
                round_started = self._clock()
            upstream = order[place]
            place += 1
            if upstream.down:
                fails += 1
                if fails < len(order):
                    continue
                upstream = self._random.choice(self.upstreams)
            try:
                return await self._exchange(upstream.server, label, qtype, self._timing.read_seconds)
            except (OSError, EOFError, DNSError):
                upstream.suspect()
            if fails == len(order):
                break
        return None

    def _heard(self) -> None:
        news, self._news = self._news, asyncio.Event()
        news.set()

    async def _next_check(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._news.wait()
        except TimeoutError:
            return

    def close(self) -> None:
        """End all health checks."""
        for upstream in self.upstreams:
            upstream.close()
