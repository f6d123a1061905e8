"""The talk between a lab and those who lease it: connections, torn frames, late answers."""

from __future__ import annotations

import json
import os
import socket
import threading
import uuid
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import pytest

from clusters.alive import abstract
from clusters.asking import LineTalk
from clusters.lab import wire
from clusters.lab.wire import IDLE_LINKS, LabError, LabGone, Lease
from clusters.waiting import until


class Server:
    """Answers every request with what `answer` makes of it; counts the connections that were ever opened."""

    def __init__(self, answer=lambda message: {"ok": True, "answer": message}):
        self.name = f"test/{uuid.uuid4().hex[:12]}"
        self.links: list[socket.socket] = []
        self._answer = answer
        self._listening = socket.socket(socket.AF_UNIX)
        self._listening.bind(abstract(self.name))
        self._listening.listen(64)
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                link, _ = self._listening.accept()
            except OSError:
                return
            self.links.append(link)
            threading.Thread(target=self._converse, args=(link,), daemon=True).start()

    def _converse(self, link):
        try:
            while (frame := wire.receive(link)) is not None:
                answer = self._answer(frame[0])
                if answer is None:
                    break
                wire.send(link, answer)
        except OSError:
            pass
        link.close()

    def close(self):
        self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        for link in self.links:
            with suppress(OSError):
                link.shutdown(socket.SHUT_RDWR)  # its thread sees the end and closes it


@pytest.fixture
def server():
    made = Server()
    yield made
    made.close()


@pytest.fixture
def lease(server):
    made = Lease(server.name)
    yield made
    made.close()


def test_threads_that_come_and_go_share_one_connection(server, lease):
    for number in range(50):
        with ThreadPoolExecutor(1) as pool:
            assert pool.submit(lease.call, "x", number=number).result() == {"do": "x", "number": number}

    assert len(server.links) == 1


def test_calls_at_once_get_their_own_answers_and_few_connections_stay(server, lease):
    with ThreadPoolExecutor(32) as pool:
        answers = list(pool.map(lambda number: lease.call("x", number=number)["number"], range(500)))

    assert answers == list(range(500))
    assert len([link for link in server.links if link.fileno() >= 0]) <= 32
    assert 1 <= lease.idle <= IDLE_LINKS


def test_a_call_that_was_interrupted_leaves_no_answer_for_the_next(server, lease, monkeypatch):
    real = wire.receive

    def interrupted(link):
        if threading.current_thread() is threading.main_thread():
            raise KeyboardInterrupt
        return real(link)  # the server's own

    monkeypatch.setattr(wire, "receive", interrupted)
    with pytest.raises(KeyboardInterrupt):
        lease.call("first")
    monkeypatch.setattr(wire, "receive", real)

    assert lease.call("second") == {"do": "second"}


def test_a_lab_that_was_never_up_is_named():
    with pytest.raises(LabGone, match="the lab test/none does not answer"):
        Lease("test/none").call("states")


def test_a_lab_that_ends_while_it_is_asked_is_gone_and_waiting_does_not_go_on():
    server = Server(lambda _message: None)
    lease = Lease(server.name)
    try:
        with pytest.raises(LabGone, match="ended while it was asked to states"):
            until("an answer", lambda: lease.call("states"), timeout=60)
    finally:
        server.close()


@pytest.mark.parametrize(
    ("kind", "expected"),
    [("timeout", TimeoutError), ("connection", ConnectionError), ("", LabError), ("new", LabError)],
)
def test_errors_that_mean_not_now_keep_their_type(kind, expected):
    server = Server(lambda _message: {"ok": False, "kind": kind, "error": "said so"})
    lease = Lease(server.name)
    try:
        with pytest.raises(expected, match="said so"):
            lease.call("x")
        assert lease.idle == 1
    finally:
        lease.close()
        server.close()


def test_a_closed_lease_keeps_no_connection(server):
    lease = Lease(server.name)
    lease.call("x")
    lease.close()

    assert lease.idle == 0


@pytest.mark.parametrize("length", [1, 3, 4, 6])
def test_a_frame_that_breaks_off_is_the_end_and_its_descriptors_are_closed(length):
    ours, theirs = socket.socketpair()
    kept, given = os.pipe()
    frame = len(b"123").to_bytes(4, "big") + b"123"
    socket.send_fds(theirs, [frame[:length]], [given])
    os.close(given)
    theirs.close()

    assert wire.receive(ours) is None
    assert os.read(kept, 1) == b""  # nobody holds the other end any more
    os.close(kept)
    ours.close()


def test_descriptors_and_large_frames_arrive():
    ours, theirs = socket.socketpair()
    kept, given = os.pipe()
    message = {"text": "x" * (1 << 21)}
    with ThreadPoolExecutor(1) as pool:
        sending = pool.submit(wire.send, theirs, message, [given])
        received, (copy,) = wire.receive(ours)
        sending.result()

    assert received == message
    assert not os.get_inheritable(copy)
    os.write(copy, b"!")
    assert os.read(kept, 1) == b"!"
    for descriptor in (kept, given, copy):
        os.close(descriptor)
    ours.close()
    theirs.close()


# lines


@pytest.fixture
def talk():
    ours, theirs = socket.socketpair()
    made = LineTalk(ours.detach())
    yield made, theirs
    made.close()
    theirs.close()


def answer(theirs, *messages):
    for message in messages:
        theirs.sendall(message if isinstance(message, bytes) else json.dumps(message).encode() + b"\n")


def test_answers_find_their_questions_in_any_order_and_events_are_kept(talk):
    made, theirs = talk
    with ThreadPoolExecutor(2) as pool:
        first, second = (pool.submit(made.ask, {"do": word}, 10) for word in ("one", "two"))
        lines = theirs.makefile("r")
        asked = {(request := json.loads(lines.readline()))["do"]: request["request"] for _ in range(2)}
        answer(theirs, {"event": "ready"}, {"request": asked["two"], "said": 2}, {"request": asked["one"], "said": 1})

        assert (first.result()["said"], second.result()["said"]) == (1, 2)
    assert made.events == [{"event": "ready"}]


def test_an_answer_that_comes_too_late_is_dropped_and_not_taken_for_another(talk):
    made, theirs = talk
    with pytest.raises(TimeoutError, match=r"no answer to slow in 0.05 s"):
        made.ask({"do": "slow"}, 0.05)
    answer(theirs, {"request": 1, "said": "late"})
    with ThreadPoolExecutor(1) as pool:
        asking = pool.submit(made.ask, {"do": "next"}, 10)
        lines = theirs.makefile("r")
        numbers = [json.loads(lines.readline())["request"] for _ in range(2)]
        answer(theirs, {"request": numbers[1], "said": "right"})

        assert asking.result()["said"] == "right"
    assert made.events == []


@pytest.mark.parametrize("noise", [b"not json\n", b"[1]\n", b"7\n", b"\xff\xfe\n"])
def test_noise_is_an_event_and_the_talk_goes_on(talk, noise):
    made, theirs = talk
    answer(theirs, noise, {"event": "ready"})
    until("two events", lambda: len(made.events) == 2, timeout=5, every=0.01)

    assert [event["event"] for event in made.events] == ["unreadable", "ready"]


def test_the_end_of_the_process_ends_every_question(talk):
    made, theirs = talk
    with ThreadPoolExecutor(1) as pool:
        asking = pool.submit(made.ask, {"do": "x"}, 60)
        theirs.makefile("r").readline()
        theirs.shutdown(socket.SHUT_RDWR)
        with pytest.raises(ConnectionError, match="the process ended before it answered x"):
            asking.result()
    assert made.ended
    with pytest.raises(ConnectionError, match="the process has ended"):
        made.ask({"do": "x"}, 60)


def test_a_process_that_reads_nothing_costs_its_timeout_and_no_more(talk):
    """A frozen process: its buffer fills, and then nothing can be sent."""
    made, _theirs = talk
    big = {"do": "x", "text": "x" * 20_000}
    said = set()
    for _ in range(30):
        with pytest.raises(TimeoutError) as late:
            made.ask(big, 0.01)
        said.add(str(late.value))

    assert "the process does not read what it is asked" in said


def test_after_close_nothing_is_asked(talk):
    made, _theirs = talk
    made.close()

    with pytest.raises(ConnectionError):
        made.ask({"do": "x"}, 1)
