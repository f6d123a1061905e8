"""The probe, where nobody answers."""

import socket

import pytest

from clusters.dns.client import ask

LOCAL = "127.0.0.1"
NAME = "east-0.cass.ring.svc.east.local"


@pytest.fixture
def silent():
    """A port that takes queries and never answers."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as wire:
        wire.bind((LOCAL, 0))
        wire.settimeout(5.0)
        yield wire


def test_a_silent_server_is_a_timeout_after_all_attempts(silent):
    answer = ask(LOCAL, NAME, 0.02, attempts=3, port=silent.getsockname()[1])
    assert (answer.rcode, answer.addresses, answer.ttl) == ("TIMEOUT", (), None)
    assert answer.seconds >= 0.06
    assert len({silent.recv(512) for _ in range(3)}) == 1
    silent.setblocking(False)
    with pytest.raises(BlockingIOError):
        silent.recv(512)


def test_a_closed_port_is_a_timeout_that_says_why():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind((LOCAL, 0))
        port = taken.getsockname()[1]
    answer = ask(LOCAL, NAME, 5.0, port=port)
    assert answer.rcode == "TIMEOUT"
    assert "refused" in answer.error
    assert answer.seconds < 5.0


def test_a_name_that_no_packet_can_hold_is_a_caller_error():
    with pytest.raises(ValueError, match="label"):
        ask(LOCAL, "x" * 64 + ".local", 1.0)
