"""Whoever dies, and however: nothing of a lab is left. And nobody else gets in while it lives."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import uuid
from pathlib import Path

import pytest

from clusters.errors import ProvisionFailed
from clusters.lab import wire
from clusters.lab.provider import Lab, start_keeper
from clusters.lab.wire import LabGone, Lease
from clusters.waiting import until
from tests.labs import add_pods, lab_up, small

pytestmark = pytest.mark.lab

ROOT = Path(__file__).parents[1]
OWNER = Path(__file__).parent / "data" / "owner.py"
MARK = "RINGPROOF_LAB_TEST"
GONE_SECONDS = 20.0
"""A lab of pods that do nothing is gone after 0.1 s on an idle machine."""


class Owned:
    """A lab that a process of its own holds; every process of it carries a mark in its environment."""

    def __init__(self, folder: Path) -> None:
        self.mark = uuid.uuid4().hex
        self.name = f"test/{self.mark[:12]}"
        self.folder = folder
        self.owner = subprocess.Popen(
            [sys.executable, str(OWNER), self.name, str(folder)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, MARK: self.mark, "PYTHONPATH": str(ROOT)},
            cwd=ROOT,
        )
        self.keeper = int(self.owner.stdout.readline())

    @property
    def supervisor(self) -> int:
        return int(Path(f"/proc/{self.keeper}/task/{self.keeper}/children").read_text().split()[0])

    def processes(self) -> list[int]:
        """Every live process with the mark, the owner left out."""
        wanted = f"{MARK}={self.mark}".encode()
        found = []
        for environ in Path("/proc").glob("[0-9]*/environ"):
            try:
                if wanted in environ.read_bytes().split(b"\0"):
                    found.append(int(environ.parent.name))
            except OSError:
                continue  # it ended while we looked, or is not ours to look at
        return sorted(pid for pid in found if pid != self.owner.pid)

    def rest(self) -> str | None:
        """What is left of the lab, or None."""
        processes = self.processes()
        if processes:
            return f"processes {processes}"
        if f"@ringproof/{self.name}" in Path("/proc/net/unix").read_text():
            return "its socket"
        if str(self.folder) in Path("/proc/mounts").read_text():
            return "a mount"
        left = list((self.folder / "scratch").iterdir())
        return f"files {left}" if left else None

    def await_end(self) -> None:
        until("nothing is left of the lab", lambda: self.rest() is None or None, timeout=GONE_SECONDS, every=0.05)

    def close(self) -> None:
        if self.owner.poll() is None:
            self.owner.kill()
        self.owner.stdin.close()
        self.owner.stdout.close()
        self.owner.wait(GONE_SECONDS)


@pytest.fixture
def owned(tmp_path):
    made = Owned(tmp_path)
    yield made
    made.close()
    made.await_end()


def end(owned, who):
    if who == "lifeline":
        owned.owner.stdin.close()
    elif who.startswith("owner"):
        os.kill(owned.owner.pid, signal.Signals[who.split()[1]])
    else:
        number = signal.Signals[who.split()[1]]
        os.kill(owned.keeper if who.startswith("keeper") else owned.supervisor, number)


@pytest.mark.parametrize(
    "who",
    [
        "lifeline",
        "owner SIGKILL",
        "owner SIGTERM",
        "keeper SIGKILL",
        "keeper SIGTERM",
        "keeper SIGINT",
        "keeper SIGHUP",
        "supervisor SIGKILL",
    ],
)
def test_whoever_ends_nothing_is_left(owned, who):
    least = 2 + 2 * (1 + 1 + 3 * 2)  # DNS, client's probe, three pods with main process and probe
    # a pod is there once its process exists; in the moment of its exec that has no environment, so no mark
    until("every process of the lab has its mark", lambda: len(owned.processes()) >= least, timeout=GONE_SECONDS)
    running = owned.processes()
    assert {owned.keeper, owned.supervisor} < set(running)
    assert len(running) >= least
    assert f"@ringproof/{owned.name}" in Path("/proc/net/unix").read_text()

    end(owned, who)

    owned.await_end()
    with pytest.raises(LabGone):
        Lab(small(), owned.name).memory()


def test_a_frozen_zone_does_not_keep_a_lab_from_ending(owned):
    lab = Lab(small(), owned.name)
    lab.cluster("east").freeze("a")
    lab.close()
    end(owned, "keeper SIGKILL")

    owned.await_end()


def test_many_requests_under_way_do_not_keep_a_lab_from_ending(owned):
    lab = Lab(small(), owned.name)
    slow = {"do": "reach", "targets": [{"address": "10.200.99.9", "port": 1, "kind": "tcp", "timeout": 60.0}]}
    asked = [Lease(owned.name) for _ in range(4)]
    for lease in asked:
        link = lease._borrow()
        wire.send(link, {"do": "probe", "cluster": "east", "pod": "client", "request": slow, "timeout": 60.0})
        lease._give_back(link)
    end(owned, "lifeline")

    owned.await_end()
    for lease in asked:
        lease.close()
    lab.close()


def test_the_name_of_a_lab_that_is_up_cannot_be_taken_and_is_free_after_it(tmp_path):
    with lab_up(small(), tmp_path / "one") as (lab, _handle):
        with pytest.raises(ProvisionFailed, match="a lab of that name may be up"):
            start_keeper(lab.name, tmp_path / "two")
        assert lab.cluster("east").states()
    handle = start_keeper(lab.name, tmp_path / "two")
    handle.close()

    assert handle.keeper.returncode == 0


def test_a_lab_that_cannot_start_says_why_and_leaves_nothing(tmp_path):
    (tmp_path / "scratch").write_text("a file where the folder belongs")
    name = f"test/{uuid.uuid4().hex[:12]}"
    with pytest.raises(ProvisionFailed, match=r"(?s)the lab did not start.*scratch") as failure:
        start_keeper(name, tmp_path)

    assert "FileExistsError" in str(failure.value) or "NotADirectory" in str(failure.value)
    assert name not in Path("/proc/net/unix").read_text()


LEASE = """
import os, sys
from clusters.lab.wire import LabGone, Lease
lease = Lease(sys.argv[1])
os.setgroups([]); os.setresgid(12345, 12345, 12345); os.setresuid(12345, 12345, 12345)
try:
    lease.call("memory")
except LabGone as error:
    print(error)
else:
    print("answered")
"""


@pytest.mark.skipif(os.getuid() != 0, reason="only root can become another user")
def test_another_user_cannot_lease_a_lab(tmp_path):
    with lab_up(small(), tmp_path) as (lab, _handle):
        command = [sys.executable, "-c", LEASE, lab.name]
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        said = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=True).stdout

        assert "is gone" in said or "ended while it was asked" in said
        assert "answered" not in said
        assert lab.memory() > 0


def test_states_survive_a_caller_that_goes_away_in_the_middle(tmp_path):
    with lab_up(small(), tmp_path) as (lab, _handle):
        add_pods(lab)
        for cut in (2, 4, 20):
            lease = Lease(lab.name)
            link = lease._borrow()
            body = b'{"do": "states", "cluster": "east"}'
            link.sendall((len(body).to_bytes(wire.HEAD, "big") + body)[:cut])
            link.close()
        lease = Lease(lab.name)
        link = lease._borrow()
        command = ["/bin/sh", "-c", "exec tail -f /dev/null"]
        wire.send(link, {"do": "spawn", "cluster": "east", "pod": "client", "name": "orphan", "command": command})
        link.close()

        assert len(lab.cluster("east").states()) == 5
