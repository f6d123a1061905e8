"""What podman is asked and told where it differs from Docker: the commands that are executed, against a script."""

from __future__ import annotations

import json
import shutil

import pytest

from clusters.fit import engines
from clusters.fit.finding import Asked
from clusters.kind import engine
from clusters.kind.containers import Containers
from clusters.kind.removing import all_nodes

INSPECTED = {
    "Name": "rp-01234567-router",  # Docker writes a slash before it
    "Id": "abc",
    "State": {"Running": True, "Paused": False, "Pid": 7},
    "NetworkSettings": {"Networks": {"n": {"IPAddress": "172.31.100.254"}}},
    "Config": {"Labels": {"ringproof.name": "r"}},
}


@pytest.fixture
def podman(tmp_path, monkeypatch):
    """A podman that takes down what it is told, and says for each first word what the test put in."""
    monkeypatch.delenv("RINGPROOF_ENGINE", raising=False)
    program = tmp_path / "podman"
    program.write_text(
        '#!/bin/sh\nprintf "%s\\n" "$*" >> "$0.log"\nfile="$(dirname "$0")/$1.says"\n[ ! -e "$file" ] || cat "$file"\n'
    )
    program.chmod(0o755)
    which = shutil.which
    monkeypatch.setattr(engine.shutil, "which", lambda name: which(name, path=str(tmp_path)))

    def says(**words):
        for word, text in words.items():
            (tmp_path / f"{word}.says").write_text(text)
        return str(program)

    says.told = lambda: (tmp_path / "podman.log").read_text().splitlines()
    return says


def test_podman_has_no_server_and_its_storage_has_another_name(podman, tmp_path):
    podman(version="4.3.1\n", info=f"{tmp_path}\n")
    (found,) = engine.engines()

    assert (found.name, found.version, found.usable) == ("podman", "4.3.1", True)
    assert engine.storage(found) == tmp_path
    assert podman.told() == [
        "version --format {{.Client.Version}}", "info --format {{json .}}", "info --format {{.Store.GraphRoot}}",
    ]  # fmt: skip


def test_an_old_podman_is_refused_with_the_version_that_is_needed(podman):
    podman(version="4.2.0\n", info="{}")
    assert engine.look("podman").problem == "podman 4.2.0 is too old, kind needs 4.3"


def test_podman_without_permission_is_told_as_such(podman, tmp_path):
    podman()
    (tmp_path / "podman").write_text("#!/bin/sh\necho 'Error: mkdir /run/libpod: permission denied' >&2\nexit 125\n")
    problem = engine.look("podman").problem
    assert problem.startswith("podman is here, but this user may not use it (Error: mkdir /run/libpod")
    assert problem.endswith("; call this as root")


def test_doctor_warns_that_no_run_was_made_with_it(podman):
    podman(version="4.3.1\n", info="{}")
    (found,) = engines.found_engines(Asked((), "kind"))
    assert (found.state, found.measured) == ("warn", "docker is not installed, podman 4.3.1; podman is used")


def test_what_podman_says_of_containers_networks_and_images_is_read(podman):
    containers = Containers(podman(
        container=json.dumps([INSPECTED]),
        network=json.dumps([{"name": "n", "labels": {"ringproof.name": "r"}}]),
        image=json.dumps([{"Labels": {"ringproof.node": "built"}}]),
        ps="rp-01234567-east-worker rp-01234567-east\nmine-worker mine\n",
    ))  # fmt: skip
    (state,) = containers.states("rp-01234567-router")

    assert (state.name, state.running, state.addresses) == ("rp-01234567-router", True, {"n": "172.31.100.254"})
    assert containers.labels_of_network("n") == {"ringproof.name": "r"}
    assert containers.labels_of_image("i") == {"ringproof.node": "built"}
    assert all_nodes(containers) == ["rp-01234567-east-worker"]
    assert podman.told()[-1].endswith('--format {{.Names}} {{index .Labels "io.x-k8s.kind.cluster"}}')


def test_an_act_on_the_machine_is_the_same_command_with_a_mark_of_its_owner(podman):
    containers = Containers(podman(run="done\n"))
    assert containers.on_machine("node:1", ["nft", "-f", "-"], stdin="table") == "done\n"
    (told,) = podman.told()
    head, _, rest = told.partition(" --label ringproof.owner=")
    assert head == "run --rm -i --network host --cap-drop ALL --cap-add NET_ADMIN"
    owner, _, tail = rest.partition("}")
    assert set(json.loads(f"{owner}}}")) == {"pid", "start", "boot", "space"}
    assert tail == " --entrypoint nft node:1 -f -"
