"""Open shells, and what they say of a network: against real shells in network namespaces of this machine."""

from __future__ import annotations

import os
import shutil
import subprocess
import threading

import pytest

from clusters.errors import ClustersRefused
from clusters.kind.console import Console, Consoles
from clusters.kind.iproute import IpRoute
from clusters.network import Route, Rule
from tests.rules import RULES

SECONDS = 10.0


@pytest.fixture
def console():
    made = Console("here", ["sh"])
    yield made
    made.close()


def test_a_command_says_what_it_printed_and_nothing_of_its_complaints(console):
    assert console.run(["sh", "-c", "echo one; echo two >&2; printf 'no newline'"], SECONDS) == "one\nno newline"
    assert console.run(["true"], SECONDS) == ""


def test_words_arrive_as_they_are(console):
    words = ["a b", "$HOME", "'quoted'", "*", "x;y", ""]

    assert console.run(["printf", "%s|", *words], SECONDS) == "".join(f"{word}|" for word in words)


def test_a_failure_carries_its_own_words_and_the_shell_goes_on(console):
    with pytest.raises(ClustersRefused, match=r"here: sh -c .*: exit 3: oh no"):
        console.run(["sh", "-c", "echo oh no >&2; exit 3"], SECONDS)
    assert console.run(["echo", "still here"], SECONDS) == "still here\n"


def test_much_output_arrives_whole(console):
    assert len(console.run(["sh", "-c", "yes | head -c 500000"], SECONDS)) == 500000


def test_a_shell_that_ended_is_a_lost_connection(console):
    with pytest.raises(ConnectionError, match="here has ended"):
        console.run(["sh", "-c", "kill -9 $PPID"], SECONDS)
    assert not console.alive


def test_silence_is_a_timeout_and_closes_the_shell(console):
    with pytest.raises(TimeoutError, match="here does not answer"):
        console.run(["sleep", "30"], 0.2)
    assert not console.alive


def test_threads_take_turns(console):
    heard: dict[int, str] = {}

    def ask(number: int) -> None:
        heard[number] = console.run(["echo", str(number)], SECONDS)

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert heard == {number: f"{number}\n" for number in range(20)}


def test_consoles_know_who_ended_and_open_again():
    started: list[str] = []

    def command(name: str) -> list[str]:
        started.append(name)
        return ["sh"]

    consoles = Consoles(command)
    try:
        assert consoles.ended(["a", "b"]) == []
        with pytest.raises(ConnectionError):
            consoles.run("a", ["sh", "-c", "kill -9 $PPID"], SECONDS)
        assert consoles.ended(["a", "b"]) == ["a"]
        assert consoles.run("a", ["echo", "again"], SECONDS) == "again\n"
        assert consoles.ended(["a", "b"]) == []
        assert started == ["a", "b", "a"]
    finally:
        consoles.close()


NAMESPACE = ["unshare", "--net", *([] if os.geteuid() == 0 else ["--map-root-user"])]


def namespaces_work() -> bool:
    if shutil.which("ip") is None or shutil.which("unshare") is None:
        return False
    return subprocess.run([*NAMESPACE, "ip", "link"], capture_output=True, check=False).returncode == 0


@pytest.fixture
def net():
    if not namespaces_work():
        pytest.skip("this machine makes no network namespaces")
    made = Console("there", [*NAMESPACE, "sh"])
    made.run(["sh", "-c", "ip link add eth0 type veth peer name far; ip addr add 192.0.2.1/24 dev eth0"], SECONDS)
    made.run(["sh", "-c", "ip link set eth0 up; ip link set far up; ip link set lo up"], SECONDS)
    yield IpRoute("there", lambda command: made.run(command, SECONDS))
    made.close()


def test_rules_are_listed_as_added_and_deleted_one_by_one(net):
    for rule in reversed(RULES):
        net.add_rule(rule)
    assert net.rules() == RULES
    with pytest.raises(ClustersRefused):
        net.add_rule(RULES[3])
    for rule in RULES:
        net.delete_rule(rule)
        assert rule not in net.rules()


def test_a_missing_rule_is_an_error_and_takes_no_other(net):
    net.add_rule(RULES[2])
    for missing in (RULES[0], Rule(12, "prohibit"), Rule(12, "prohibit", destination="10.9.8.6/32")):
        with pytest.raises(ClustersRefused):
            net.delete_rule(missing)
    assert net.rules() == [RULES[2]]


@pytest.mark.parametrize(
    "route",
    [
        Route("203.0.113.0/24", kind="blackhole"),
        Route("203.0.113.7/32", kind="unreachable"),
        Route("203.0.113.0/24", via="192.0.2.9", device="eth0"),
        Route("203.0.113.9/32", device="eth0"),
        Route("0.0.0.0/0", via="192.0.2.9", device="eth0"),
    ],
)
def test_a_route_is_listed_as_it_was_added(net, route):
    before = net.routes()
    net.add_route(route)
    assert [found for found in net.routes() if found not in before] == [route]
    with pytest.raises(ClustersRefused):
        net.add_route(route)
    net.delete_route(route)
    assert net.routes() == before
    with pytest.raises(ClustersRefused):
        net.delete_route(route)


def test_links_are_counted(net):
    links = {link.name: link for link in net.links()}

    assert {"lo", "eth0", "far"} <= set(links)
    assert links["eth0"].up
    assert links["eth0"].mtu == 1500
