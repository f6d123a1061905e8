"""The probe agent, one file of standard library only: `python probe.py IDENTITY.json [PORT]`.

As a server it says who it is, which source address it saw, and echoes what it was sent, so that "reachable" always
means "the right one answered". As an agent it reads one JSON request per line on standard input and answers each with
one JSON line that carries the number in the request's `request`; requests run side by side. It ends when its
standard input closes.
"""

from __future__ import annotations

import json
import re
import socket
import struct
import sys
import threading
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TextIO

PORT = 7070
AT_ONCE = 32
CQL_STARTUP, CQL_QUERY, CQL_RESULT, CQL_ERROR, CQL_READY = 0x01, 0x07, 0x08, 0x00, 0x02
"""Opcodes of the CQL binary protocol v4 (Cassandra doc/native_protocol_v4.spec, section 2.4)."""
ONE = 1
"""Consistency code of ONE (the same document, section 3)."""

Json = dict[str, Any]


def read_exactly(link: socket.socket, count: int) -> bytes:
    """Exactly ``count`` bytes; ConnectionError when the other side closes before."""
    parts = bytearray()
    while len(parts) < count:
        part = link.recv(min(count - len(parts), 1 << 16))
        if not part:
            raise ConnectionError(f"closed after {len(parts)} of {count} bytes")
        parts += part
    return bytes(parts)


def read_line(link: socket.socket) -> bytes:
    """Up to and including the next newline, at most 64 KiB."""
    line = bytearray()
    while not line.endswith(b"\n"):
        part = link.recv(1)
        if not part or len(line) > 1 << 16:
            raise ConnectionError("closed before the end of a line")
        line += part
    return bytes(line)


def answer_one(link: socket.socket, peer: str, identity: Json) -> None:
    """Serve one caller: identity, the source address seen, and its bytes back."""
    with link:
        link.settimeout(10)
        try:
            request = json.loads(read_line(link))
            payload = read_exactly(link, int(request.get("bytes", 0)))
            link.sendall(json.dumps({**identity, "source": peer}).encode() + b"\n" + payload)
        except (OSError, ValueError):
            return  # the caller sees the closed connection and reports it


def serve(identity: Json, port: int) -> None:
    """Listen on all addresses of this pod and answer callers until the process ends."""
    listening = socket.create_server(("0.0.0.0", port), backlog=128)  # noqa: S104  a pod's own namespace

    def accept() -> None:
        while True:
            link, address = listening.accept()
            threading.Thread(target=answer_one, args=(link, address[0], identity), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()


HEARD: list[str] = []
"""Words that came by UDP; a datagram needs no way back, so it tells one direction of a path from the other."""


def listen(port: int) -> None:
    """Remember the last hundred words that arrive by UDP."""
    ear = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    ear.bind(("0.0.0.0", port))  # noqa: S104  a pod's own namespace

    def hear() -> None:
        while True:
            HEARD.append(ear.recv(256).decode(errors="replace"))
            del HEARD[:-100]

    threading.Thread(target=hear, daemon=True).start()


def cast(request: Json) -> Json:
    """Send one word by UDP, three times; whether it arrived is for the other side to say."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as mouth:
        for _ in range(3):
            mouth.sendto(request["word"].encode(), (request["address"], request.get("port", PORT)))
    return {}


def ask_probe(link: socket.socket, target: Json) -> Json:
    """Who answers at a probe port, which source it saw, and whether the payload came back unchanged."""
    payload = bytes(index % 251 for index in range(min(251, target["bytes"]))) * (target["bytes"] // 251 + 1)
    payload = payload[: target["bytes"]]
    link.sendall(json.dumps({"bytes": len(payload)}).encode() + b"\n" + payload)
    answer: Json = json.loads(read_line(link))
    if read_exactly(link, len(payload)) != payload:
        raise ConnectionError("the echo differs from what was sent")
    return {"answered": answer["uid"], "source_seen": answer["source"], "pod": answer["pod"]}


def cql_frame(opcode: int, body: bytes) -> bytes:
    """One request frame of protocol v4."""
    return struct.pack("!BBhBi", 4, 0, 0, opcode, len(body)) + body


def cql_answer(link: socket.socket) -> tuple[int, bytes]:
    """One response frame: opcode and body."""
    _version, _flags, _stream, opcode, length = struct.unpack("!BBhBi", read_exactly(link, 9))
    return opcode, read_exactly(link, length)


def cql_open(link: socket.socket) -> None:
    """Start a session on a fresh connection."""
    text = b"".join(struct.pack("!H", len(part)) + part for part in (b"CQL_VERSION", b"3.0.0"))
    link.sendall(cql_frame(CQL_STARTUP, struct.pack("!H", 1) + text))
    opcode, _body = cql_answer(link)
    if opcode != CQL_READY:
        raise ConnectionError(f"CQL start-up answered with opcode {opcode}")


def cql_rows(link: socket.socket, statement: str, consistency: int = ONE) -> list[Json]:
    """The rows of a `SELECT JSON ...`, whose only column is text."""
    text = statement.encode()
    link.sendall(cql_frame(CQL_QUERY, struct.pack("!i", len(text)) + text + struct.pack("!HB", consistency, 0)))
    opcode, body = cql_answer(link)
    if opcode == CQL_ERROR:
        length = struct.unpack_from("!H", body, 4)[0]
        raise ConnectionError(f"CQL error: {body[6 : 6 + length].decode()}")
    kind, flags, columns = struct.unpack_from("!iii", body, 0)
    if opcode != CQL_RESULT or kind != 2 or columns != 1 or not flags & 1:  # 2: rows
        raise ConnectionError("CQL answered something other than rows of one JSON column")
    place = 12
    for _name in ("keyspace", "table", "column"):
        place += 2 + struct.unpack_from("!H", body, place)[0]
    place += 2  # type option of the column
    count = struct.unpack_from("!i", body, place)[0]
    place += 4
    rows: list[Json] = []
    for _row in range(count):
        length = struct.unpack_from("!i", body, place)[0]
        rows.append(json.loads(body[place + 4 : place + 4 + length]))
        place += 4 + length
    return rows


def reach(target: Json) -> Json:
    """One reachability question; never raises, an error is part of the answer."""
    started = time.monotonic()
    result: Json = {"address": target["address"], "port": target["port"], "ok": False, "answered": None}
    result.update({"source_seen": None, "bytes": target.get("bytes", 0), "error": None})
    try:
        with socket.create_connection((target["address"], target["port"]), target["timeout"]) as link:
            link.settimeout(target["timeout"])
            result["source"] = link.getsockname()[0]
            if target["kind"] == "probe":
                result.update(ask_probe(link, {"bytes": target.get("bytes", 0)}))
            elif target["kind"] == "cql":
                cql_open(link)
                result["answered"] = cql_rows(link, "SELECT JSON host_id FROM system.local")[0]["host_id"]
            result["ok"] = True
    except (OSError, ValueError, LookupError, struct.error) as error:
        result["error"] = f"{type(error).__name__}: {error}"
    result["seconds"] = round(time.monotonic() - started, 4)
    return result


def resolve(name: str) -> Json:
    """What this pod's C library says of a name, as any program in the pod would hear it."""
    started = time.monotonic()
    result: Json = {"name": name, "rcode": "NOERROR", "addresses": [], "error": None}
    try:
        found = socket.getaddrinfo(name, None, socket.AF_INET, socket.SOCK_STREAM)
        result["addresses"] = sorted({str(entry[4][0]) for entry in found})
    except socket.gaierror as error:
        result["rcode"] = "NXDOMAIN" if error.errno in (socket.EAI_NONAME, socket.EAI_NODATA) else "SERVFAIL"
        result["error"] = str(error)
    result["seconds"] = round(time.monotonic() - started, 4)
    return result


def query(request: Json) -> Json:
    """Several `SELECT JSON` statements over one connection."""
    with socket.create_connection((request["address"], request.get("port", 9042)), request["timeout"]) as link:
        link.settimeout(request["timeout"])
        cql_open(link)
        level = request.get("consistency", ONE)
        return {"rows": [cql_rows(link, statement, level) for statement in request["statements"]]}


def tail(request: Json) -> Json:
    """Lines of a growing file from ``offset`` on that match ``pattern``; the next offset excludes a torn line."""
    pattern = re.compile(request["pattern"])
    with Path(request["path"]).open("rb") as log:
        log.seek(request["offset"])
        text = log.read()
    whole = text[: text.rfind(b"\n") + 1]
    lines = whole.decode(errors="replace").splitlines()
    return {"offset": request["offset"] + len(whole), "lines": [line for line in lines if pattern.search(line)]}


def names_in(request: Json) -> Json:
    """Names of the files in a folder that end with ``suffix``; none when there is no such folder."""
    folder = Path(request["path"])
    return {"names": sorted(path.name for path in folder.glob("*" + request["suffix"]))}


def perform(request: Json, pool: ThreadPoolExecutor) -> Json:
    """The answer to one request of the agent's standard input."""
    do = request["do"]
    if do == "reach":
        return {"results": list(pool.map(reach, request["targets"]))}
    if do == "resolve":
        return {"results": list(pool.map(resolve, request["names"]))}
    if do == "query":
        return query(request)
    if do == "tail":
        return tail(request)
    if do == "names_in":
        return names_in(request)
    if do == "cast":
        return cast(request)
    if do == "heard":
        return {"words": list(HEARD)}
    raise ValueError(f"unknown request {do}")


def converse(lines: Iterable[str], answers: TextIO) -> None:
    """Answer every request of ``lines`` on ``answers``, side by side, until they end."""
    lock = threading.Lock()
    inner, outer = ThreadPoolExecutor(AT_ONCE), ThreadPoolExecutor(AT_ONCE)

    def work(request: Json) -> None:
        answer: Json = {"request": request.get("request"), "ok": True}
        try:
            answer.update(perform(request, inner))
        except Exception as error:  # noqa: BLE001  whatever it is, the caller must hear it and not wait for silence
            answer.update({"ok": False, "error": f"{type(error).__name__}: {error}"})
        with lock:
            answers.write(json.dumps(answer) + "\n")
            answers.flush()

    for line in lines:
        outer.submit(work, json.loads(line))


def main() -> int:
    """Serve and answer until standard input closes."""
    identity: Json = json.loads(Path(sys.argv[1]).read_text())
    port = int(sys.argv[2]) if len(sys.argv) > 2 else PORT
    serve(identity, port)
    listen(port)
    converse(sys.stdin, sys.stdout)
    return 0


if __name__ == "__main__":
    code = main()
    sys.stdout.flush()
    import os

    os._exit(code)  # threads that still wait for an answer must not hold the process
