"""Programs that a dead process left at work on clusters: found by what they were started with, no other is touched."""

from __future__ import annotations

import json
import os
import subprocess
import threading
from dataclasses import asdict, replace

import pytest

from clusters.alive import Identity
from clusters.kind import working
from clusters.kind.layout import LABEL_NAME, LABEL_OWNER, owner_label, tag
from clusters.kind.working import end_programs, names, owner_is_gone, programs

NAME = "r1/kind-host-gw/0"
NETWORK = f"rp-{tag(NAME)}-east"
GONE = replace(Identity.of(), start=1)


@pytest.fixture
def start(tmp_path):
    """Starts programs that are called as an engine or kind is and end when they are fed a line; or with the test."""
    for word in ("run", "create", "exec", "network"):
        (tmp_path / word).write_text("read line\n")  # what the shell takes the first word for
    started = []

    def begin(*words, network=None):
        environment = {**os.environ, **({"KIND_EXPERIMENTAL_DOCKER_NETWORK": network} if network else {})}
        started.append(
            subprocess.Popen(
                words, executable="/bin/sh", cwd=tmp_path, env=environment, stdin=subprocess.PIPE, text=True
            )
        )
        return started[-1]

    yield begin
    for one in started:
        one.kill()
        one.wait()
        one.stdin.close()


def feed(process):
    process.stdin.write("\n")
    process.stdin.flush()


def test_a_command_line_tells_whose_it_is():
    gone, alive = (f"{LABEL_OWNER}={owner_label(one)}" for one in (GONE, Identity.of()))

    assert names(["docker", "run", "--label", f"{LABEL_NAME}={NAME}"], NAME)
    assert not names(["docker", "run", "--label", f"{LABEL_NAME}={NAME}2"], NAME)
    assert not names(["docker", "ps", "--filter", f"label={LABEL_NAME}={NAME}"], NAME)
    assert names(["docker", "run", "--rm", "--label", gone], NAME)
    assert not names(["docker", "run", "--rm", "--label", alive], NAME)
    assert not names(["docker", "run", "--label", gone, "--label", f"{LABEL_NAME}=another"], NAME)


def test_an_owner_that_cannot_be_read_is_not_gone():
    assert owner_is_gone(owner_label(GONE))
    assert not owner_is_gone(owner_label(Identity.of()))
    for label in ("", "{}", "[1]", json.dumps({**asdict(GONE), "more": 1})):
        assert not owner_is_gone(label)


def test_kind_and_what_it_started_are_found_by_the_network_and_all_else_is_left(start):
    ours = [
        start("kind", "create", "cluster", network=NETWORK),
        start("docker", "exec", "rp-node", "kubeadm", network=NETWORK),
        start("/usr/bin/docker", "run", "--label", f"{LABEL_NAME}={NAME}"),
        start("podman", "run", "--rm", "--label", f"{LABEL_OWNER}={owner_label(GONE)}"),
    ]
    theirs = [
        start("kind", "create", "cluster"),
        start("kind", "create", "cluster", network=f"rp-{tag('another')}-east"),
        start("docker", "run", "--label", f"{LABEL_NAME}=another"),
        start("nerdctl", "run", "--label", f"{LABEL_NAME}={NAME}"),
        start("docker", "run", "--rm", "--label", f"{LABEL_OWNER}={owner_label(Identity.of())}"),
    ]
    found = {process.pid for process in programs(NAME)}

    assert found & {one.pid for one in ours + theirs} == {one.pid for one in ours}
    late = threading.Timer(0.5, lambda: [feed(one) for one in ours[2:]])
    late.start()
    assert end_programs(NAME) == len(ours)
    late.join()
    assert [one.wait(5) for one in ours] == [-9, -9, 0, 0]
    assert [one.poll() for one in theirs] == [None] * len(theirs)
    assert end_programs(NAME) == 0


def test_a_creation_is_let_end_and_killed_only_when_it_does_not(start, monkeypatch):
    creating = start("docker", "run", "-d", network=NETWORK)
    late = threading.Timer(0.5, feed, [creating])
    late.start()
    end_programs(NAME)
    late.join()
    assert creating.wait(5) == 0

    stuck = start("docker", "run", "-d", network=NETWORK)
    monkeypatch.setattr(working, "CREATING_SECONDS", 0.3)
    end_programs(NAME)
    assert stuck.wait(5) == -9
