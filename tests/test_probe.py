"""The probe agent: who answers, from which address it was asked, and what it says of hosts, names and files."""

from __future__ import annotations

import json
import os
import socket
import struct
import subprocess
import sys
import threading
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from clusters import probe
from clusters.waiting import until

IDENTITY = {"uid": "u-1", "pod": "east-a-0", "cluster": "east"}
HERE = "127.0.0.1"
PATIENCE = 20.0


def free_port():
    """A port that is free for TCP and UDP alike."""
    for _ in range(50):
        with socket.create_server((HERE, 0)) as tcp, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
            try:
                udp.bind((HERE, tcp.getsockname()[1]))
            except OSError:
                continue
            return tcp.getsockname()[1]
    raise AssertionError("no port is free")


class Agent:
    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        identity = folder / "identity.json"
        identity.write_text(json.dumps(IDENTITY))
        self._process = subprocess.Popen(
            [sys.executable, "-I", "-S", probe.__file__, str(identity), str(self.port)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._answers: dict[int, dict] = {}
        self._arrived = threading.Condition()
        self._next = 0
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self):
        for line in self._process.stdout:
            answer = json.loads(line)
            with self._arrived:
                self._answers[answer["request"]] = answer
                self._arrived.notify_all()

    def ask(self, do, **request):
        with self._arrived:
            self._next += 1
            number = self._next
            self._process.stdin.write(json.dumps({"do": do, "request": number, **request}) + "\n")
            self._process.stdin.flush()
            assert self._arrived.wait_for(lambda: number in self._answers, PATIENCE), f"no answer to {do}"
            return self._answers.pop(number)

    def reach(self, *targets):
        return self.ask("reach", targets=[{"timeout": 2.0, "address": HERE, **target} for target in targets])["results"]

    def end(self):
        self._process.stdin.close()
        code = self._process.wait(10)
        self._reader.join()
        self._process.stdout.close()
        return code


@pytest.fixture(scope="module")
def agent(tmp_path_factory):
    made = Agent(tmp_path_factory.mktemp("agent"))
    made.ask("heard")  # it answers requests once it listens
    yield made
    assert made.end() == 0


@pytest.mark.parametrize("size", [0, 1, 1024, 65536, 1048576])
def test_it_says_who_it_is_whom_it_saw_and_gives_back_what_it_was_sent(agent, size):
    (result,) = agent.reach({"port": agent.port, "kind": "probe", "bytes": size})

    assert result["error"] is None
    assert (result["ok"], result["answered"], result["pod"], result["bytes"]) == (True, "u-1", "east-a-0", size)
    assert result["source_seen"] == result["source"] == HERE


def test_the_echo_is_the_very_bytes(agent):
    payload = os.urandom(100_000)
    with socket.create_connection((HERE, agent.port), 5) as link:
        link.sendall(json.dumps({"bytes": len(payload)}).encode() + b"\n" + payload)
        said = json.loads(probe.read_line(link))
        back = probe.read_exactly(link, len(payload))

    assert (said, back) == ({**IDENTITY, "source": HERE}, payload)


def test_the_source_address_is_that_of_the_caller(agent):
    with socket.create_connection((HERE, agent.port), 5, source_address=("127.0.0.7", 0)) as link:
        link.sendall(b'{"bytes": 0}\n')

        assert json.loads(probe.read_line(link))["source"] == "127.0.0.7"


def serve_once(answer):
    """A server on loopback that gives its one caller these bytes and closes; returns its port."""
    server = socket.create_server((HERE, 0))

    def talk():
        link, _ = server.accept()
        link.recv(1 << 16)
        link.sendall(answer)
        link.close()
        server.close()

    threading.Thread(target=talk, daemon=True).start()
    return server.getsockname()[1]


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (b"", "ConnectionError"),
        (b'{"uid": "u"', "ConnectionError"),
        (b"not json\n", "JSONDecodeError"),
        (b'{"uid": "u", "source": "s", "pod": "p"}\n12345678', "the echo differs"),
        (b'{"uid": "u", "source": "s", "pod": "p"}\n1234', "closed after 4 of 8 bytes"),
        (b'{"pod": "p"}\n' + bytes(range(8)), "KeyError"),
    ],
)
def test_what_answers_wrongly_is_not_reached(agent, answer, said):
    (result,) = agent.reach({"port": serve_once(answer), "kind": "probe", "bytes": 8})

    assert (result["ok"], result["answered"]) == (False, None)
    assert said in result["error"]


def test_nobody_there_is_an_answer_not_an_error(agent):
    refused, tcp = agent.reach({"port": free_port(), "kind": "tcp"}, {"port": agent.port, "kind": "tcp"})

    assert not refused["ok"]
    assert "ConnectionRefusedError" in refused["error"]
    assert (tcp["ok"], tcp["answered"]) == (True, None)


def test_silence_costs_its_timeout(agent):
    with socket.create_server((HERE, 0)) as silent:
        (result,) = agent.reach({"port": silent.getsockname()[1], "kind": "probe", "timeout": 0.3})

    assert not result["ok"]
    assert 0.3 <= result["seconds"] < 2


# CQL


def rows(*texts, flags=1, kind=2, columns=1):
    names = b"".join(struct.pack("!H", len(name)) + name for name in (b"system", b"local", b"[json]"))
    body = struct.pack("!iii", kind, flags, columns) + names + struct.pack("!H", 0x0D) + struct.pack("!i", len(texts))
    return 0x08, body + b"".join(struct.pack("!i", len(text)) + text for text in map(str.encode, texts))


def failure(text):
    return 0x00, struct.pack("!iH", 0x2200, len(text)) + text.encode()


class Cql:
    """A CQL server that speaks the few frames a probe needs, and answers each statement as it is told."""

    def __init__(self, answers, ready=(0x02, b"")):
        self.asked: list[str] = []
        self.levels: list[int] = []
        self._answers, self._ready = answers, ready
        self._server = socket.create_server((HERE, 0))
        self.port = self._server.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                link, _ = self._server.accept()
            except OSError:
                return
            threading.Thread(target=self._talk, args=(link,), daemon=True).start()

    def _talk(self, link):
        with link:
            try:
                while True:
                    version, _, stream, opcode, length = struct.unpack("!BBhBi", probe.read_exactly(link, 9))
                    body = probe.read_exactly(link, length)
                    assert version == 4
                    if opcode == 0x01:
                        answer = self._ready
                        assert b"CQL_VERSION" in body
                    else:
                        (size,) = struct.unpack_from("!i", body)
                        statement, (level, flags) = (
                            body[4 : 4 + size].decode(),
                            struct.unpack_from("!HB", body, 4 + size),
                        )
                        assert (opcode, flags) == (0x07, 0)
                        self.asked.append(statement)
                        self.levels.append(level)
                        answer = self._answers[statement]
                    link.sendall(struct.pack("!BBhBi", 0x84, 0, stream, answer[0], len(answer[1])) + answer[1])
            except ConnectionError:
                return

    def close(self):
        self._server.shutdown(socket.SHUT_RDWR)
        self._server.close()


LOCAL = "SELECT JSON host_id FROM system.local"


@pytest.fixture
def cql():
    made = Cql({LOCAL: rows('{"host_id": "h-1"}'), "SELECT none": rows(), "SELECT bad": failure("no such table"),
                "SELECT two": rows('{"a": 1}', '{"a": "ü"}')})  # fmt: skip
    yield made
    made.close()


def test_a_host_is_asked_who_it_is(agent, cql):
    (result,) = agent.reach({"port": cql.port, "kind": "cql"})

    assert (result["ok"], result["answered"]) == (True, "h-1")
    assert (cql.asked, cql.levels) == ([LOCAL], [probe.ONE])


def test_statements_are_answered_in_order_over_one_connection(agent, cql):
    answer = agent.ask(
        "query", address=HERE, port=cql.port, timeout=2.0, statements=["SELECT two", "SELECT none", LOCAL]
    )

    assert answer["rows"] == [[{"a": 1}, {"a": "ü"}], [], [{"host_id": "h-1"}]]
    assert cql.levels == [probe.ONE] * 3


@pytest.mark.parametrize("consistency", [1, 4, 5])
def test_every_statement_is_asked_at_the_consistency_that_was_named(agent, cql, consistency):
    answer = agent.ask("query", address=HERE, port=cql.port, timeout=2.0, statements=["SELECT none", LOCAL],
                       consistency=consistency)  # fmt: skip

    assert answer["ok"]
    assert cql.levels == [consistency] * 2


def test_an_error_of_the_host_is_told_in_its_words(agent, cql):
    answer = agent.ask("query", address=HERE, port=cql.port, timeout=2.0, statements=[LOCAL, "SELECT bad"])

    assert not answer["ok"]
    assert "CQL error: no such table" in answer["error"]


@pytest.mark.parametrize(
    ("ready", "answer", "said"),
    [
        ((0x03, b"authenticator"), rows('{"host_id": "h"}'), "opcode 3"),
        (failure("bootstrapping"), rows('{"host_id": "h"}'), "opcode 0"),
        ((0x02, b""), rows("[]", kind=1), "something other than rows"),
        ((0x02, b""), rows("[]", columns=2), "something other than rows"),
        ((0x02, b""), rows("[]", flags=0), "something other than rows"),
        ((0x02, b""), rows(), "IndexError"),
        ((0x02, b""), (0x08, b"\0\0"), "error"),
        ((0x02, b""), (0x08, rows('{"host_id": "h"}')[1][:-30]), "error"),
    ],
)
def test_what_is_no_such_answer_is_told_and_not_taken_for_silence(agent, ready, answer, said):
    odd = Cql({LOCAL: answer}, ready)
    try:
        (result,) = agent.reach({"port": odd.port, "kind": "cql"})
        queried = agent.ask("query", timeout=5.0, address=HERE, port=odd.port, statements=[LOCAL])
    finally:
        odd.close()

    assert (result["ok"], result["answered"]) == (False, None)
    assert said in result["error"]
    assert queried["ok"] is (said == "IndexError")  # no rows are an answer to a query, and no identity


# files, names, datagrams


def test_a_log_is_read_on_from_where_it_was_left_without_its_torn_line(agent, tmp_path):
    log = tmp_path / "system.log"
    log.write_bytes(b"INFO one\nERROR two\nERROR thr")
    first = agent.ask("tail", path=str(log), offset=0, pattern="^ERROR")
    with log.open("ab") as out:
        out.write(b"ee\nINFO four\nERROR five \xff\n")
    second = agent.ask("tail", path=str(log), offset=first["offset"], pattern="^ERROR")
    third = agent.ask("tail", path=str(log), offset=second["offset"], pattern="^ERROR")

    assert first["lines"] == ["ERROR two"]
    assert second["lines"] == ["ERROR three", "ERROR five \ufffd"]
    assert (third["lines"], third["offset"]) == ([], log.stat().st_size)


def test_files_are_listed_by_the_end_of_their_names(agent, tmp_path):
    for name in ("b-2-5.hints", "a-1-5.hints", "a-1-5.crc32", "hints", "x.hints.tmp"):
        (tmp_path / name).write_text("")

    assert agent.ask("names_in", path=str(tmp_path), suffix=".hints")["names"] == ["a-1-5.hints", "b-2-5.hints"]
    assert len(agent.ask("names_in", path=str(tmp_path), suffix="")["names"]) == 5


def test_a_folder_that_nobody_made_holds_no_file(agent, tmp_path):
    answer = agent.ask("names_in", path=str(tmp_path / "none"), suffix=".hints")

    assert (answer["ok"], answer["names"]) == (True, [])


@pytest.mark.parametrize(
    ("request_", "said"),
    [
        ({"do": "tail", "path": "/does/not/exist", "offset": 0, "pattern": "x"}, "FileNotFoundError"),
        ({"do": "tail", "path": probe.__file__, "offset": 0, "pattern": "("}, "error: missing )"),
        ({"do": "tail"}, "KeyError"),
        ({"do": "names_in", "suffix": ".hints"}, "KeyError"),
        ({"do": "explode"}, "unknown request explode"),
        ({"do": "reach", "targets": 7}, "TypeError"),
    ],
)
def test_a_request_that_cannot_be_done_is_answered(agent, request_, said):
    answer = agent.ask(**request_)

    assert not answer["ok"]
    assert said in answer["error"]


def test_a_word_that_was_cast_is_heard(agent):
    word = uuid.uuid4().hex
    assert word not in agent.ask("heard")["words"]
    agent.ask("cast", address=HERE, port=agent.port, word=word)

    assert until("heard", lambda: word in agent.ask("heard")["words"], timeout=5, every=0.02)


def test_only_the_last_hundred_words_are_kept(agent):
    for number in range(45):
        agent.ask("cast", address=HERE, port=agent.port, word=f"w{number}")
    words = until("the last", lambda: found if (found := agent.ask("heard")["words"])[-1] == "w44" else None, timeout=5)

    assert len(words) == 100


def test_names_are_resolved_as_the_c_library_does(agent):
    own, none = agent.ask("resolve", names=["localhost", "no-such-name.invalid"])["results"]

    assert (own["rcode"], own["addresses"], own["error"]) == ("NOERROR", [HERE], None)
    assert none["rcode"] in ("NXDOMAIN", "SERVFAIL")
    assert none["addresses"] == []


def test_a_slow_request_holds_up_no_other(agent):
    with socket.create_server((HERE, 0)) as silent:
        slow = {"port": silent.getsockname()[1], "kind": "probe", "timeout": 1.0, "address": HERE}
        ended = {}
        with ThreadPoolExecutor(1) as pool:
            waiting = pool.submit(lambda: ended.update(slow=(agent.reach(slow)[0], time.monotonic())))
            for _ in range(10):
                agent.ask("heard")
            ended["quick"] = time.monotonic()
            waiting.result()

    assert ended["quick"] < ended["slow"][1]
    assert not ended["slow"][0]["ok"]


def test_many_targets_are_probed_at_once(agent):
    with socket.create_server((HERE, 0), backlog=64) as silent:
        started = time.monotonic()
        results = agent.reach(*[{"port": silent.getsockname()[1], "kind": "probe", "timeout": 0.5}] * 20)

    assert len(results) == 20
    assert time.monotonic() - started < 20 * 0.5


def test_it_ends_with_its_standard_input_even_while_it_waits_for_somebody(tmp_path):
    made = Agent(tmp_path)
    made.ask("heard")
    with socket.create_server((HERE, 0)) as silent:
        target = {"port": silent.getsockname()[1], "kind": "probe", "timeout": 60.0, "address": HERE}
        made._process.stdin.write(json.dumps({"do": "reach", "request": 99, "targets": [target]}) + "\n")
        made._process.stdin.flush()
        waiting, _ = silent.accept()

        assert made.end() == 0
        waiting.close()
