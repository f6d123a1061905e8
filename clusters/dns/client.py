"""A probe: what does this server say to this name, and after how long?

It asks one server directly, without resolv.conf, search list or cache, so that an observation says what that server
said. `python -m clusters.dns.client SERVER NAME` prints one JSON line from inside any pod.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import socket
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass

from dnslib import EDNS0, QTYPE, RCODE, DNSQuestion, DNSRecord

from clusters.dns.forward import UDP_SIZE, belongs
from clusters.dns.zone import decode

Address = tuple[str, int]


@dataclass(frozen=True, slots=True)
class Answer:
    """``rcode`` is the server's word, or TIMEOUT when none came; ``error`` then says why (silence, refused, no route).

    ``addresses`` holds A and AAAA data as text, for other types the data as a zone file writes it. ``ttl`` is the
    lowest among the answers, for a denial that of its SOA, None without either. ``seconds`` covers all attempts.
    """

    rcode: str
    addresses: tuple[str, ...]
    ttl: int | None
    seconds: float
    error: str | None = None


def ask(server: str, name: str, timeout: float, attempts: int = 1, rtype: str = "A", port: int = 53) -> Answer:
    """Return what ``server`` says; never raises on a network error.

    ``timeout`` seconds belong to each attempt; an attempt is UDP, then TCP if the answer came truncated. As in
    resolv.conf, a SERVFAIL is an answer and is not retried here.
    """
    started = time.monotonic()
    query = DNSRecord(q=DNSQuestion(name, getattr(QTYPE, rtype)), ar=[EDNS0(udp_len=UDP_SIZE)])
    error = "no attempt was made"
    for _ in range(attempts):
        end = time.monotonic() + timeout
        try:
            reply = _by_udp((server, port), query, end)
            if reply.header.tc:
                reply = _by_tcp((server, port), query, end)
        except (OSError, EOFError) as failure:
            error = str(failure) or type(failure).__name__
            continue
        return _told(reply, time.monotonic() - started)
    return Answer("TIMEOUT", (), None, time.monotonic() - started, error)


def _told(reply: DNSRecord, seconds: float) -> Answer:
    wanted = [record for record in reply.rr if record.rtype == reply.q.qtype]
    denial = [record for record in reply.auth if record.rtype == QTYPE.SOA]
    ttl = min((record.ttl for record in reply.rr or denial), default=None)
    return Answer(str(RCODE.get(reply.header.rcode)), tuple(str(record.rdata) for record in wanted), ttl, seconds)


def _left(end: float) -> float:
    left = end - time.monotonic()
    if left <= 0:
        raise TimeoutError("no answer in time")
    return left


def _by_udp(server: Address, query: DNSRecord, end: float) -> DNSRecord:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as wire:
        wire.connect(server)  # connected, so that a closed port is reported instead of waited for
        wire.send(bytes(query.pack()))
        while True:
            wire.settimeout(_left(end))
            reply = decode(wire.recv(65535))
            if reply is not None and belongs(reply, query):
                return reply


def _by_tcp(server: Address, query: DNSRecord, end: float) -> DNSRecord:
    packet = bytes(query.pack())
    with socket.create_connection(server, timeout=_left(end)) as wire:
        wire.sendall(len(packet).to_bytes(2, "big") + packet)
        size = int.from_bytes(_exactly(wire, 2, end), "big")
        reply = decode(_exactly(wire, size, end))
    if reply is None or not belongs(reply, query):
        raise ConnectionError("the answer by TCP was none to this question")
    return reply


def _exactly(wire: socket.socket, size: int, end: float) -> bytes:
    data = b""
    while len(data) < size:
        wire.settimeout(_left(end))
        part = wire.recv(size - len(data))
        if not part:
            raise EOFError("the server closed the connection before its answer was complete")
        data += part
    return data


def main(argv: Sequence[str] | None = None) -> int:
    """Print one answer as a JSON line; the exit code is 0 whatever the server said."""
    parser = argparse.ArgumentParser(prog="python -m clusters.dns.client", description="ask one DNS server")
    parser.add_argument("server")
    parser.add_argument("name")
    parser.add_argument("--timeout", type=float, default=2.0, help="seconds for each attempt")
    parser.add_argument("--attempts", type=int, default=1)
    parser.add_argument("--type", dest="rtype", default="A")
    parser.add_argument("--port", type=int, default=53)
    answer = ask(**vars(parser.parse_args(argv)))
    sys.stdout.write(json.dumps(dataclasses.asdict(answer)) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
