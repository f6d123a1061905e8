"""Names in a lab: only the pod's own server is asked, and it knows every pod of both clusters."""

from __future__ import annotations

import os
import socket
import stat
import subprocess
import sys
import threading
from contextlib import suppress
from pathlib import Path

import pytest

from clusters.topology import Topology
from tests.labs import Hand, add_pods, lab_up, small

pytestmark = pytest.mark.lab

DECOYS = ("nscd/socket", "systemd/resolve/io.systemd.Resolve", "dbus/system_bus_socket")
LOOK_UP = """
import socket
for name in names:
    try:
        socket.getaddrinfo(name, None)
    except OSError:
        pass
    try:
        socket.gethostbyaddr('10.200.0.2')
    except OSError:
        pass
answer = open('/etc/resolv.conf').read(), open('/etc/hosts').read(), socket.gethostname()
"""
SOCKETS = """
import os, stat
answer = [os.path.join(folder, name)
          for top in ('/run', '/var/run') for folder, _, names in os.walk(top) for name in names
          if stat.S_ISSOCK(os.lstat(os.path.join(folder, name)).st_mode)]
"""


def patient(topology: Topology) -> Topology:
    """The same with a resolver timeout and a number of attempts that nobody has by accident."""
    clusters = tuple(
        cluster.model_copy(
            update={"dns": cluster.dns.model_copy(update={"resolver_timeout": 3, "resolver_attempts": 4})}
        )
        for cluster in topology.clusters
    )
    return topology.model_copy(update={"clusters": clusters})


@pytest.fixture(scope="module", params=["stub-domains", "shared-suffix"])
def started(request, tmp_path_factory):
    with lab_up(patient(small(request.param)), tmp_path_factory.mktemp("lab")) as (lab, handle):
        add_pods(lab)
        yield lab, handle


@pytest.fixture(scope="module")
def lab(started):
    return started[0]


def supervisor(handle) -> int:
    keeper = handle.keeper.pid
    return int(Path(f"/proc/{keeper}/task/{keeper}/children").read_text().split()[0])


def run_of(pid: int) -> Path:
    """The /run of that process, seen from here."""
    return Path(f"/proc/{pid}", "root", "run")


class Decoy:
    """A listener in the supervisor's /run: what a pod would find there if it had no empty one of its own."""

    def __init__(self, pid: int, path: str) -> None:
        place = run_of(pid) / path
        place.parent.mkdir(parents=True, exist_ok=True)
        self.called = 0
        self._listening = socket.socket(socket.AF_UNIX)
        with suppress(FileNotFoundError):
            place.unlink()
        self._listening.bind(str(place))
        self._listening.listen()
        self._arrived = threading.Event()
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()

    def _accept(self) -> None:
        while True:
            try:
                link, _ = self._listening.accept()
            except OSError:
                return
            link.close()
            self.called += 1
            self._arrived.set()

    def was_called(self, patience: float) -> bool:
        return self._arrived.wait(patience)

    def close(self) -> None:
        self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        self._thread.join()


def test_no_socket_of_the_machines_resolver_nscd_or_bus_is_ever_asked(started):
    lab, handle = started
    pid = supervisor(handle)
    decoys = {path: Decoy(pid, path) for path in DECOYS}
    hand = Hand(lab.cluster("east").pod("east-a-0"))
    try:
        name = lab.cluster("west").spec.dns.pod_name("west-a-0")
        hand.run(LOOK_UP, names=[name, "west-a-0", "nowhere.example", "localhost"])
        lab.cluster("east").pod("east-a-0").probe({"do": "resolve", "names": [name]}, 20)

        assert [path for path, decoy in decoys.items() if decoy.called] == []
        assert hand.run(SOCKETS) == []

        # the control: from a process without a /run of its own they can be reached
        for path, decoy in decoys.items():
            outside = f"import socket; socket.socket(socket.AF_UNIX).connect('/run/{path}')"
            enter = ["nsenter", "--target", str(pid), "--user", "--mount", "--preserve-credentials"]
            subprocess.run([*enter, sys.executable, "-I", "-S", "-c", outside], check=True, timeout=30)
            assert decoy.was_called(10), path
    finally:
        hand.close()
        for decoy in decoys.values():
            decoy.close()


def test_the_machines_own_run_is_not_the_labs(started):
    _lab, handle = started
    inside, outside = run_of(supervisor(handle)), Path("/run")

    assert not os.path.samestat(inside.stat(), outside.stat())
    assert stat.S_ISDIR(inside.stat().st_mode)


def test_a_pods_files_say_its_server_the_stated_timeout_and_attempts_and_its_own_name(lab):
    for cluster in lab.clusters:
        state = cluster.pod(f"{cluster.name}-b-0").state()
        hand = Hand(cluster.pod(state.name))
        resolv, hosts, name = hand.run(LOOK_UP, names=[])
        hand.close()

        assert resolv.splitlines()[0] == f"nameserver {cluster.layout.dns}"
        assert "timeout:3 attempts:4" in resolv
        assert f"{cluster.spec.dns.namespace}.svc.{cluster.spec.dns.suffix}" in resolv
        assert f"{state.address} {state.name}" in hosts
        assert name == state.name


def test_every_pods_name_is_its_address_in_both_clusters(lab):
    pods = [state for cluster in lab.clusters for state in cluster.states() if state.name.endswith("-0")]
    names = {lab.cluster(state.cluster).spec.dns.pod_name(state.name): state.address for state in pods}
    assert len(names) == 6
    for cluster in lab.clusters:
        heard = cluster.pod("client").probe({"do": "resolve", "names": list(names)}, 30)["results"]

        assert {answer["name"]: answer["addresses"] for answer in heard} == {
            name: [address] for name, address in names.items()
        }


def test_an_address_has_the_pods_name_in_its_own_cluster(lab):
    for cluster in lab.clusters:
        hand = Hand(cluster.pod("client"))
        for state in cluster.states():
            if state.name.endswith("-0"):
                found = hand.run("import socket\nanswer = socket.gethostbyaddr(of)[0]", of=state.address)
                assert found == cluster.spec.dns.pod_name(state.name)
        hand.close()


def test_pods_outside_the_service_have_no_name_and_a_foreign_name_does_not_exist(lab):
    for cluster in lab.clusters:
        names = [cluster.spec.dns.pod_name("client"), cluster.spec.dns.pod_name("dns"), "ringproof.example"]
        heard = cluster.pod("client").probe({"do": "resolve", "names": names}, 30)["results"]

        assert [answer["rcode"] for answer in heard] == ["NXDOMAIN"] * 3


def test_the_name_follows_the_pod_to_its_new_address(lab):
    west = lab.cluster("west")
    name = west.spec.dns.pod_name("west-c-0")
    old = west.pod("west-c-0").state()
    new = west.reschedule("west-c-0")
    (answer,) = west.pod("client").probe({"do": "resolve", "names": [name]}, 30)["results"]

    assert new.address != old.address
    assert answer["addresses"] == [new.address]
