"""The DNS server of one lab cluster: `python -m clusters.dns.server --config FILE`.

It is authoritative for its own zones, forwards and caches others, and says NXDOMAIN at once to the rest, as a
Corefile with `template ANY ANY . { rcode NXDOMAIN }` in place of a resolver that is not there. The most specific
zone decides, so `<namespace>.svc.<suffix>` may be forwarded below an own `<suffix>`. One thread, asyncio: a query
that waits for an upstream is a task and holds up no other one.

The configuration is one JSON object; only `own.zones` is needed::

    {"host": "10.200.255.2", "port": 53, "log_size": 2000, "pods": [],
     "own": {"zones": ["east.local"], "namespaces": ["ring"], "ttl": 5, ...}   zone.Shape
     "cache": {"success": 5, "denial": 5, ...}                                 cache.Limits
     "forward": {"west.local": ["10.201.255.2:53"]},
     "upstream": {"read_seconds": 2, ...}}                                     forward.Timing

The first line on standard output is `{"ok": true, "host": ..., "port": ...}`. Then each line on standard input is a
request and gets one line::

    {"do": "records", "pods": [{"hostname", "service", "namespace", "address", "ready"}, ...]}   replaces all pods
    {"do": "rule", "id": "F1", "match": "*.west.local", "action": "drop", ...}                   rules.Rule
    {"do": "unrule", "id": "F1"}    {"do": "rules"}    {"do": "counters"}    {"do": "flush"}
    {"do": "log", "last": 100}      the newest queries, oldest first; `t` is CLOCK_MONOTONIC at arrival

Every answer has `"ok": true`, or `"ok": false` and an `"error"`; a `"request"` number comes back in its answer. The
server ends when standard input ends.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import resource
import signal
import sys
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO, cast

from dnslib import CLASS, EDNS0, OPCODE, QTYPE, RCODE, DNSRecord

from clusters.dns.cache import Cache, Limits
from clusters.dns.forward import UDP_SIZE, Address, Exchange, Forward, Timing, address, exchange
from clusters.dns.rules import Rule, Rules, act
from clusters.dns.zone import Pod, Reply, Shape, Zone, canonical, checked_name, decode, most_specific, read
from clusters.errors import ProvisionFailed, RingproofError, UsageError

TCP_IDLE = 10.0
"""Seconds after which a silent TCP connection is closed (CoreDNS `plugin/timeouts`, idle)."""

COUNTED = 10_000
"""Different (name, code, action) that are counted apart; later ones count under the name `*`."""

BIND_TRIES = 20
"""With port 0 the system picks a TCP port; how often another is picked when the same UDP port is taken."""


@dataclass(frozen=True)
class Config:
    """All that a server starts with; see the module's text for the JSON form."""

    own: Shape
    host: str = "127.0.0.1"
    port: int = 53
    forward: Mapping[str, tuple[Address, ...]] = field(default_factory=dict)
    cache: Limits = field(default_factory=Limits)
    upstream: Timing = field(default_factory=Timing)
    pods: tuple[Pod, ...] = ()
    log_size: int = 2000

    @classmethod
    def of(cls, document: object) -> Config:
        """Return the configuration in a JSON document; UsageError names what does not fit."""
        if not isinstance(document, dict):
            raise UsageError(f"configuration: expected an object, found {type(document).__name__}")
        _only(document, *(each.name for each in fields(cls)))
        own = read(Shape, document.get("own"), "own")
        ends = read(_Ends, {each.name: document[each.name] for each in fields(_Ends) if each.name in document}, "top")
        return cls(
            own=own,
            host=ends.host,
            port=ends.port,
            forward=_forwards(document.get("forward", {}), (*own.zones, *own.reverse)),
            cache=read(Limits, document.get("cache", {}), "cache"),
            upstream=read(Timing, document.get("upstream", {}), "upstream"),
            pods=pods_of(document.get("pods", [])),
            log_size=ends.log_size,
        )


@dataclass(frozen=True)
class _Ends:
    host: str = "127.0.0.1"
    port: int = 53
    log_size: int = 2000


def _forwards(document: object, own: tuple[str, ...]) -> dict[str, tuple[Address, ...]]:
    if not isinstance(document, dict) or not all(isinstance(each, list) for each in document.values()):
        raise UsageError('forward: expected {"<zone>": ["<address>:<port>", ...]}')
    zones = {}
    for name, servers in document.items():
        zone = "" if name == "." else checked_name(name, "forward")
        if zone in own or not servers:
            raise UsageError(f"forward.{name}: {'is an own zone' if zone in own else 'no server is named'}")
        zones[zone] = tuple(address(str(server), f"forward.{name}") for server in servers)
    return zones


def pods_of(document: object) -> tuple[Pod, ...]:
    """Return the pods of a JSON list; UsageError names the first that does not fit."""
    if not isinstance(document, list):
        raise UsageError(f"pods: expected a list, found {type(document).__name__}")
    return tuple(read(Pod, each, f"pods[{place}]") for place, each in enumerate(document))


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a query: ``action`` is own, cache, forward, outside, refuse or that of ``rule``; no reply is
    silence."""

    action: str
    reply: Reply | None
    rule: str | None = None


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks, how an answer gets back there, and when the query came (monotonic nanoseconds)."""

    address: str
    send: Callable[[bytes], object]
    since: int
    stream: bool


class Resolver:
    """Rules, zones, cache and upstreams in the order in which they are asked, and the record of every query."""

    def __init__(self, config: Config, ask: Exchange = exchange, clock: Callable[[], int] = time.monotonic_ns) -> None:
        self.config = config
        self.clock = clock
        self.rules = Rules()
        self.cache = Cache(config.cache, clock)
        self.zone = Zone(config.own, config.pods)
        self.malformed = 0
        self.waiting = 0
        self.log: deque[dict[str, object]] = deque(maxlen=config.log_size)
        self.counts: Counter[tuple[str, str | None, str]] = Counter()
        own: dict[str, Forward | None] = dict.fromkeys((*config.own.reverse, *config.own.zones))
        self._routes = own | {
            zone: Forward(servers, config.upstream, ask, lambda: clock() / 1e9)
            for zone, servers in config.forward.items()
        }

    def replace(self, pods: Sequence[Pod]) -> None:
        """Serve exactly these pods from the next query on."""
        self.zone = Zone(self.config.own, pods, self.zone.serial + 1)

    def at_once(self, query: DNSRecord, client: str) -> Outcome | Forward:
        """Return the outcome, or the upstreams that have to be asked first."""
        if query.header.opcode != OPCODE.QUERY:
            return Outcome("refuse", Reply(RCODE.NOTIMP, authoritative=False))
        if len(query.questions) != 1:
            return Outcome("refuse", Reply(RCODE.FORMERR, authoritative=False))
        label, qtype = query.q.qname, query.q.qtype
        if query.q.qclass != CLASS.IN:
            return Outcome("refuse", Reply(RCODE.REFUSED, authoritative=False))
        name = canonical(str(label))
        route = most_specific(name, self._routes)
        apex = route[0] if route else ""
        rule = self.rules.find(name, qtype, client)
        if rule is not None:
            return Outcome(rule.action, act(rule, label, qtype, self.zone, apex), rule.id)
        if route is None:
            return Outcome("outside", Reply(RCODE.NXDOMAIN))
        if route[1] is None:
            return Outcome("own", self.zone.answer(label, qtype, apex))
        kept = self.cache.get(name, qtype)
        if kept is not None:
            return Outcome("cache", kept)
        if self.waiting >= self.config.upstream.max_concurrent:
            return Outcome("refuse", Reply(RCODE.REFUSED, authoritative=False))
        return route[1]

    async def forwarded(self, query: DNSRecord, upstreams: Forward) -> Outcome:
        """Return what the upstreams say; their SERVFAIL is cached, the one said for want of an answer is not."""
        self.waiting += 1
        try:
            reply = await upstreams.ask(query.q.qname, query.q.qtype)
        finally:
            self.waiting -= 1
        if reply is None:
            return Outcome("forward", Reply(RCODE.SERVFAIL, authoritative=False))
        return Outcome("forward", self.cache.put(canonical(str(query.q.qname)), query.q.qtype, reply))

    def note(self, query: DNSRecord, caller: Caller, outcome: Outcome) -> None:
        """Count the query and write it to the log."""
        name = canonical(str(query.q.qname))
        rcode = None if outcome.reply is None else str(RCODE.get(outcome.reply.rcode))
        key = (name, rcode, outcome.action)
        self.counts[key if key in self.counts or len(self.counts) < COUNTED else ("*", rcode, outcome.action)] += 1
        self.log.append(
            {
                "t": caller.since,
                "client": caller.address,
                "name": name,
                "type": str(QTYPE.get(query.q.qtype)),
                "action": outcome.action,
                "rcode": rcode,
                "rule": outcome.rule,
                "seconds": round((self.clock() - caller.since) / 1e9, 6),
            }
        )

    def close(self) -> None:
        """End all health checks."""
        for forward in self._routes.values():
            if forward is not None:
                forward.close()


def encode(query: DNSRecord, reply: Reply, *, stream: bool) -> bytes:
    """Return the packet that answers ``query``; by UDP one that is too long is cut to the question with TC set.

    The limit is 512 bytes, or what the client offers by EDNS up to UDP_SIZE (RFC 1035 4.2.1, RFC 6891 6.2.5).
    """
    offer = next((record for record in query.ar if record.rtype == QTYPE.OPT), None)
    message = query.reply(ra=1, aa=int(reply.authoritative))
    message.header.tc = message.header.ad = 0
    message.header.rcode = reply.rcode
    opt = [] if offer is None else [EDNS0(udp_len=UDP_SIZE)]
    message.rr, message.auth, message.ar = list(reply.answer), list(reply.authority), [*reply.additional, *opt]
    packet = bytes(message.pack())
    if stream or len(packet) <= (512 if offer is None else min(max(512, offer.rclass), UDP_SIZE)):
        return packet
    message.header.tc = 1
    message.rr, message.auth, message.ar = [], [], opt
    return bytes(message.pack())


class Server:
    """The sockets: UDP and TCP on one address, every query passed to the resolver."""

    def __init__(self, resolver: Resolver) -> None:
        self.resolver = resolver
        self._tasks: set[asyncio.Task[None]] = set()
        self._tcp: asyncio.Server | None = None
        self._udp: asyncio.DatagramTransport | None = None

    async def start(self) -> Address:
        """Listen, and return host and port; ProvisionFailed when the address cannot be taken."""
        config = self.resolver.config
        loop = asyncio.get_running_loop()
        for left in reversed(range(BIND_TRIES if config.port == 0 else 1)):
            tcp = None
            try:
                tcp = await asyncio.start_server(self._stream, config.host, config.port)
                port = int(tcp.sockets[0].getsockname()[1])
                self._udp, _ = await loop.create_datagram_endpoint(
                    lambda: _Datagrams(self), local_addr=(config.host, port)
                )
            except OSError as error:
                if tcp is not None:
                    tcp.close()
                if not left:
                    message = f"DNS server: cannot listen on {config.host}:{config.port}: {error.strerror or error}"
                    raise ProvisionFailed(message) from error
            else:
                self._tcp = tcp
                return config.host, port
        raise AssertionError("unreachable: the last try returns or raises")

    def receive(self, packet: bytes, caller: Caller) -> asyncio.Task[None] | None:
        """Answer now, or return the task that will; what is no DNS query is counted and gets no answer."""
        query = decode(packet)
        if query is None or query.header.qr:
            self.resolver.malformed += 1
            return None
        found = self.resolver.at_once(query, caller.address)
        if isinstance(found, Outcome):
            self._finish(query, caller, found)
            return None
        task = asyncio.get_running_loop().create_task(self._later(query, caller, found))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _later(self, query: DNSRecord, caller: Caller, upstreams: Forward) -> None:
        self._finish(query, caller, await self.resolver.forwarded(query, upstreams))

    def _finish(self, query: DNSRecord, caller: Caller, outcome: Outcome) -> None:
        if outcome.reply is not None:
            caller.send(encode(query, outcome.reply, stream=caller.stream))
        self.resolver.note(query, caller, outcome)

    async def _stream(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        def send(packet: bytes) -> None:
            if not writer.is_closing():
                writer.write(len(packet).to_bytes(2, "big") + packet)

        client = writer.get_extra_info("peername")[0]
        pending: set[asyncio.Task[None]] = set()
        try:
            while True:
                async with asyncio.timeout(TCP_IDLE):
                    size = int.from_bytes(await reader.readexactly(2), "big")
                    packet = await reader.readexactly(size)
                task = self.receive(packet, Caller(client, send, self.resolver.clock(), stream=True))
                if task is not None:
                    pending.add(task)
                    task.add_done_callback(pending.discard)
        except (OSError, EOFError):
            await asyncio.gather(*pending, return_exceptions=True)  # a client may close its half after asking
        finally:
            writer.close()

    async def close(self) -> None:
        """Stop listening and forget the queries that still wait."""
        if self._udp is not None:
            self._udp.close()
        if self._tcp is not None:
            self._tcp.close()
        self.resolver.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


class _Datagrams(asyncio.DatagramProtocol):
    def __init__(self, server: Server) -> None:
        self._server = server

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.DatagramTransport", transport)  # its class does not inherit the interface

    def datagram_received(self, data: bytes, addr: tuple[str | Any, int]) -> None:
        send = partial(self._transport.sendto, addr=addr)
        self._server.receive(data, Caller(addr[0], send, self._server.resolver.clock(), stream=False))


class Control:
    """The requests on standard input; whatever a line holds, the answer is an object with `ok`."""

    def __init__(self, resolver: Resolver) -> None:
        self._resolver = resolver
        self._acts: dict[str, Callable[[dict[str, Any]], dict[str, object]]] = {
            "records": self._records,
            "rule": self._rule,
            "unrule": self._unrule,
            "rules": self._rules,
            "counters": self._counters,
            "flush": self._flush,
            "log": self._log,
        }

    def answer(self, line: bytes) -> dict[str, object]:
        """Carry out one request; a refused one has changed nothing."""
        try:
            request = json.loads(line)
        except (ValueError, RecursionError) as error:
            return {"ok": False, "error": f"no JSON: {error}"}
        if not isinstance(request, dict):
            return {"ok": False, "error": f"expected an object, found {type(request).__name__}"}
        echo = {"request": request.pop("request")} if "request" in request else {}
        word = request.pop("do", None)
        try:
            if not isinstance(word, str) or word not in self._acts:
                raise UsageError(f'expected {{"do": ...}} with one of {", ".join(self._acts)}')
            return {"ok": True} | self._acts[word](request) | echo
        except RingproofError as error:
            return {"ok": False, "error": str(error)} | echo

    def _records(self, request: dict[str, Any]) -> dict[str, object]:
        _only(request, "pods")
        pods = pods_of(request.get("pods"))
        self._resolver.replace(pods)
        return {"pods": len(pods), "serial": self._resolver.zone.serial}

    def _rule(self, request: dict[str, Any]) -> dict[str, object]:
        rule = read(Rule, request, "rule")
        self._resolver.rules.add(rule)
        return {"id": rule.id}

    def _unrule(self, request: dict[str, Any]) -> dict[str, object]:
        _only(request, "id")
        self._resolver.rules.remove(str(request.get("id")))
        return {"id": request["id"]}

    def _rules(self, request: dict[str, Any]) -> dict[str, object]:
        _only(request)
        return {"rules": self._resolver.rules.listed()}

    def _counters(self, request: dict[str, Any]) -> dict[str, object]:
        _only(request)
        counted = [
            {"name": name, "rcode": rcode, "action": action, "count": count}
            for (name, rcode, action), count in self._resolver.counts.items()
        ]
        return {"counters": counted, "malformed": self._resolver.malformed, "waiting": self._resolver.waiting}

    def _flush(self, request: dict[str, Any]) -> dict[str, object]:
        _only(request)
        return {"flushed": self._resolver.cache.flush()}

    def _log(self, request: dict[str, Any]) -> dict[str, object]:
        _only(request, "last")
        last = request.get("last", self._resolver.config.log_size)
        if type(last) is not int or last < 0:
            raise UsageError(f"log.last: expected a number of queries, found {last!r}")
        return {"log": list(self._resolver.log)[-last:] if last else []}


def _only(request: dict[str, Any], *known: str) -> None:
    unknown = set(request) - set(known)
    if unknown:
        raise UsageError(f"unknown key {min(unknown)!r}; known: {', '.join(known) or 'none'}")


def converse(lines: BinaryIO, out: BinaryIO, handle: Callable[[bytes], dict[str, object]]) -> None:
    """Answer each line of ``lines`` on ``out`` until it ends; OSError when the other side is gone."""
    for line in lines:
        if not line.strip():
            continue
        out.write(json.dumps(handle(line)).encode() + b"\n")
        out.flush()


async def serve(config: Config, lines: BinaryIO, out: BinaryIO) -> None:
    """Run one server until ``lines`` ends.

    The conversation has a thread of its own, as a reader that takes its time over a long answer must not hold up
    queries; every request is carried out on the loop's thread, between two queries.
    """
    resolver = Resolver(config)
    server = Server(resolver)
    control = Control(resolver)
    loop = asyncio.get_running_loop()
    ended = asyncio.Event()

    async def on_loop(line: bytes) -> dict[str, object]:
        return control.answer(line)

    def talk() -> None:
        try:
            converse(lines, out, lambda line: asyncio.run_coroutine_threadsafe(on_loop(line), loop).result())
        except OSError:
            pass  # a controller that died is an end of input too
        finally:
            loop.call_soon_threadsafe(ended.set)

    host, port = await server.start()
    out.write(json.dumps({"ok": True, "host": host, "port": port}).encode() + b"\n")
    out.flush()
    threading.Thread(target=talk, name="control", daemon=True).start()
    await ended.wait()
    await server.close()


def main(argv: Sequence[str] | None = None) -> int:
    """Run the server; the return value is the exit code, and a refusal is said on both output channels."""
    parser = argparse.ArgumentParser(prog="python -m clusters.dns.server", description="DNS server of a lab cluster")
    parser.add_argument("--config", required=True, type=Path, help="JSON file")
    parser.add_argument("--host", help="address to listen on, instead of the file's")
    parser.add_argument("--port", type=int, help="port to listen on, instead of the file's; 0 picks a free one")
    options = parser.parse_args(argv)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # its life is its standard input; a Ctrl-C is for the command
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))  # each query that waits upstream holds a socket
    try:
        asyncio.run(serve(_loaded(options), sys.stdin.buffer, sys.stdout.buffer))
    except RingproofError as error:
        sys.stdout.write(json.dumps({"ok": False, "error": str(error)}) + "\n")
        sys.stderr.write(f"{error}\n")
        return error.exit_code
    return 0


def _loaded(options: argparse.Namespace) -> Config:
    try:
        document = json.loads(options.config.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UsageError(f"{options.config}: cannot be read as JSON: {error}") from error
    if isinstance(document, dict):
        given = {"host": options.host, "port": options.port}
        document |= {key: value for key, value in given.items() if value is not None}
    return Config.of(document)


if __name__ == "__main__":
    sys.exit(main())
