"""Real clusters on bad days: killed at any step, interrupted, broken on purpose, the engine restarted under them.

Whatever happens, `ringproof sweep` leaves nothing of ours, and what stands beside it does not notice. Needs a container
engine and a node image: `make test-kind-bad-days`.
"""

from __future__ import annotations

import os
import random
import shutil
import signal
import time
import uuid

import pytest

from clusters.catalog import named
from clusters.errors import ProvisionFailed
from clusters.kind import creating
from clusters.kind.containers import Containers
from clusters.kind.engine import choose
from clusters.kind.kindconfig import cluster_config, text
from clusters.kind.place import find_image
from clusters.kind.provider import PROVIDER
from clusters.kind.removing import all_nodes
from clusters.kind.sweeping import sets
from clusters.kind.working import programs
from clusters.waiting import pause, until
from tests.kinds import Machine, Others, own_engine, told

pytestmark = pytest.mark.kind

SEED = int(os.environ.get("RINGPROOF_TEST_SEED", "20261126"))
RUN = ("run", "smoke", "--provider", "kind", "--seed", "1", "--no-trend")
START_SECONDS = 300.0
"""Until any of the moments; formation is asked for after 60 s on two quiet cores."""


@pytest.fixture(scope="module")
def machine():
    containers = Containers(choose().program)
    return Machine(containers, find_image(containers).name)


@pytest.fixture(scope="module")
def others(machine, tmp_path_factory):
    beside = Others(machine, tmp_path_factory.mktemp("theirs"))
    beside.up()
    try:
        yield beside
    finally:
        beside.down()


@pytest.fixture
def undisturbed(machine, others):
    """Nothing but what was there before is there afterwards, and what stands beside is as it was."""
    before, beside = machine.left(), others.state()
    yield
    assert machine.left() - before == set()
    assert others.state() == beside


def own_sets(machine, folder):
    return [marks for marks in sets(machine.containers).values() if marks.folder.is_relative_to(folder)]


def kind_runs(machine, folder):
    return any(list(programs(marks.name)) for marks in own_sets(machine, folder))


def nodes_run(machine, folder):
    nodes = all_nodes(machine.containers)
    return own_sets(machine, folder) and any(state.running for state in machine.containers.states(*nodes))


MOMENTS = {
    "networks are made": (own_sets, 1.0),
    "nodes are made": (kind_runs, 6.0),
    "nodes start": (nodes_run, 20.0),
    "hosts start": (lambda _machine, folder: told(folder, "hosts started"), 15.0),
}
"""What is waited for, and within how many seconds after it the kill comes."""


@pytest.mark.parametrize("moment", MOMENTS)
def test_a_killed_run_is_swept_and_nothing_else_is(machine, undisturbed, tmp_path, moment):
    there, within = MOMENTS[moment]
    run = machine.start(tmp_path, *RUN)
    try:
        until(moment, lambda: there(machine, tmp_path) or ended(run, tmp_path), timeout=START_SECONDS, every=0.2)
        later = random.Random(f"{SEED} {moment}").uniform(0, within)
        pause(later)  # the moment of the kill is what is drawn
    finally:
        run.kill()
        run.wait()
    (marks,) = own_sets(machine, tmp_path)

    said = machine.sweep(tmp_path)
    assert f"removed kind clusters {marks.name}: its process {run.pid} is gone" in said, f"{later:.1f} s after: {said}"
    assert machine.sweep(tmp_path).startswith("swept: 0;")


def ended(run, folder):
    if run.poll() is not None:
        pytest.fail(f"the run ended by itself with {run.returncode}: {(folder / 'said.txt').read_text()[-2000:]}")


def test_an_interrupted_run_takes_everything_back_itself(machine, undisturbed, tmp_path):
    run = machine.start(tmp_path, *RUN)
    try:
        until("nodes", lambda: nodes_run(machine, tmp_path) or ended(run, tmp_path), timeout=START_SECONDS, every=0.2)
        begun = time.monotonic()
        run.send_signal(signal.SIGINT)  # to this process alone: kind has to be ended by it
        assert run.wait(120) == 2
    finally:
        run.kill()
        run.wait()
    assert own_sets(machine, tmp_path) == []
    assert time.monotonic() - begun < 60, "it does not wait for clusters that nobody wants any more"
    assert machine.sweep(tmp_path).startswith("swept: 0;")


def test_clusters_whose_kubelet_cannot_start_are_told_about_and_removed(machine, undisturbed, tmp_path, monkeypatch):
    """kubeadm waits four minutes for the kubelet, so the deadline of the creation comes first."""

    def broken(place, *others):
        declared = cluster_config(place, *others)
        patch = {"kind": "InitConfiguration", "nodeRegistration": {"kubeletExtraArgs": {"no-such-flag": "1"}}}
        declared["kubeadmConfigPatches"].append(text(patch))
        return declared

    monkeypatch.setattr(creating, "cluster_config", broken)
    monkeypatch.setattr(creating, "CREATE_SECONDS", 75.0)
    monkeypatch.setenv("RINGPROOF_STATE", str(tmp_path / "state"))
    name = f"test-{uuid.uuid4().hex[:8]}/kind-host-gw/0"
    with pytest.raises(ProvisionFailed, match=r"clusters of kind-host-gw did not come up: .*not ended after 75 s"):
        PROVIDER.start(named("kind-host-gw"), name, tmp_path)

    logs = {path.name: path.read_text() for path in (tmp_path / "failed").iterdir()}
    planes = {key: words for key, words in logs.items() if key.endswith("-control-plane.log")}
    assert len(planes) == 2
    assert len(logs) == 2 * 5 + 1  # four nodes and a client of each cluster, and the router
    for words in planes.values():
        kubelet = words.partition("--- kubelet\n")[2].partition("--- containerd\n")[0]
        assert "unknown flag: --no-such-flag" in kubelet
    assert own_sets(machine, tmp_path) == []


@pytest.mark.skipif(os.geteuid() != 0 or shutil.which("dockerd") is None, reason="an engine of its own needs root")
def test_an_engine_that_is_restarted_in_the_middle_of_a_run_ends_it_and_leaves_nothing(tmp_path):
    place = tmp_path / "run"
    place.mkdir()
    with own_engine() as (engine, machine):
        others = Others(machine, tmp_path)
        others.up()
        before = machine.left()
        run = machine.start(place, *RUN)
        try:
            until("hosts", lambda: told(place, "hosts started") or ended(run, place), timeout=START_SECONDS, every=0.5)
            engine.stop()
            engine.start()
            code = run.wait(600)
        finally:
            run.kill()
            run.wait()
        words = (place / "said.txt").read_text()
        assert code in (12, 13), words
        assert "Traceback" not in words

        machine.sweep(place)
        assert machine.left() - before == set()
        assert machine.sweep(place).startswith("swept: 0;")
        others.down()
