"""What the kind provider tells engine and kind when it makes clusters, and what it takes back when one fails."""

from __future__ import annotations

import json
import threading
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from clusters.catalog import named
from clusters.errors import ClustersGone, ProvisionFailed
from clusters.kind import creating
from clusters.kind.containers import Containers, ContainerState
from clusters.kind.creating import Creation
from clusters.kind.layout import LABEL_NAME, Marks, lay_out, tag
from clusters.kind.place import Site
from clusters.shell import CommandFailed
from tests.test_kind_pure import IMAGE, MARKS


@dataclass
class Engine:
    """An engine that remembers what it was told and says what a test put in."""

    program: str = "/usr/bin/docker"
    is_podman: bool = False
    networks: list[str] = field(default_factory=list)
    running: list[str] = field(default_factory=list)
    told: list[list[str]] = field(default_factory=list)
    removed: list[str] = field(default_factory=list)

    def ask(self, *words: str, timeout: float = 1.0, stdin: str | None = None) -> str:
        self.told.append(list(words))
        if words[0] == "ps":
            return "".join(f"{name} {name.removesuffix('-control-plane')}\n" for name in self.running)
        if words[:2] == ("network", "create"):
            self.networks.append(words[-1])
        if words[:2] == ("network", "rm"):
            self.networks.remove(words[-1])
        return ""

    def on_machine(self, image: str, command: list[str], *, stdin: str | None = None) -> str:
        self.told.append([image, *command])
        return json.dumps({"nftables": []}) if "-j" in command else ""

    def labelled(self, label: str, kind: str = "container") -> list[str]:
        return list(self.networks) if kind == "network" else list(self.running)

    def states(self, *names: str) -> list[ContainerState]:
        return []

    def remove(self, *names: str) -> None:
        self.removed += names

    def state(self, name: str) -> ContainerState:
        raise ClustersGone(f"there is no container {name}")


def creation(folder: Path, engine: Engine) -> Creation:
    site = Site(lay_out(named("kind-host-gw"), MARKS.name), engine)
    site._image = IMAGE
    return Creation(site, Marks(MARKS.name, MARKS.expires, MARKS.owner, folder))


@pytest.fixture
def kind(monkeypatch, tmp_path):
    """kind's command: what it was told, and how it ends."""
    told: list[tuple[list[str], dict[str, str]]] = []
    both = threading.Barrier(2, timeout=30)  # else one of them may have failed before the other is begun

    def run(command, *, timeout, env):
        told.append((command, env))
        both.wait()
        raise CommandFailed("kind create cluster: exit 1: ERROR: failed to join node")

    monkeypatch.setattr(creating, "run", run)
    monkeypatch.setenv("RINGPROOF_STATE", str(tmp_path / "state"))
    monkeypatch.setattr(creating, "kind_program", lambda: "/opt/kind")
    return told


def test_a_cluster_that_does_not_come_up_is_told_kept_and_removed(tmp_path, kind):
    engine = Engine()
    make = creation(tmp_path, engine)
    name = f"{make.layout.places[0].kind_name}-control-plane"
    engine.running = [name]
    with pytest.raises(ProvisionFailed, match=r"clusters of kind-host-gw did not come up: .*failed to join node"):
        make()

    assert (tmp_path / "failed" / f"{name}.log").exists()
    assert name in engine.removed
    assert engine.networks == []
    assert ["logs", "--tail", "200", name] in engine.told


def test_a_name_that_is_taken_is_refused_and_what_has_it_stays(tmp_path, kind):
    engine = Engine(networks=["theirs"], running=["theirs-control-plane"])
    with pytest.raises(ProvisionFailed, match="are up already; take them down first"):
        creation(tmp_path, engine)()

    assert engine.networks == ["theirs"]
    assert engine.removed == []
    assert kind == []


def test_networks_are_the_declared_ranges_without_masquerade_and_carry_the_marks(tmp_path, kind):
    engine = Engine()
    with pytest.raises(ProvisionFailed):
        creation(tmp_path, engine)()
    east, west = (words for words in engine.told if words[:2] == ["network", "create"])

    assert east[east.index("--subnet") + 1] == "172.31.100.0/24"
    assert west[west.index("--ip-range") + 1] == "172.31.150.0/25"
    for words in (east, west):
        assert "com.docker.network.bridge.enable_ip_masquerade=false" in words
        assert f"{LABEL_NAME}={MARKS.name}" in words


def test_kind_gets_one_kubeconfig_of_the_run_and_its_own_network(tmp_path, kind):
    with pytest.raises(ProvisionFailed):
        creation(tmp_path, Engine())()

    assert {env["KIND_EXPERIMENTAL_DOCKER_NETWORK"] for _, env in kind} == {
        place.network for place in lay_out(named("kind-host-gw"), MARKS.name).places
    }
    for command, env in kind:
        assert command[command.index("--kubeconfig") + 1] == str(
            tmp_path / "state" / "kind" / f"{tag(MARKS.name)}.kubeconfig"
        )
        assert env["KIND_EXPERIMENTAL_PROVIDER"] == "docker"
        assert "--retain" in command  # else kind removes what could say why it failed


def test_podman_is_told_what_it_knows(tmp_path, kind):
    """It has no such option as masquerade, and refuses options that it does not know."""
    engine = Engine("/usr/bin/podman", is_podman=True)
    with pytest.raises(ProvisionFailed):
        creation(tmp_path, engine)()

    places = lay_out(named("kind-host-gw"), MARKS.name).places
    made = [words for words in engine.told if words[:2] == ["network", "create"]]
    assert [words[words.index("-o") + 1] for words in made] == [
        f"com.docker.network.bridge.name={place.bridge}" for place in places
    ]
    assert all(words.count("-o") == 1 for words in made)
    assert {env["KIND_EXPERIMENTAL_PODMAN_NETWORK"] for _, env in kind} == {place.network for place in places}
    assert {env["KIND_EXPERIMENTAL_PROVIDER"] for _, env in kind} == {"podman"}
    listed = [words for words in engine.told if words[0] == "ps"]
    assert listed
    assert all('{{index .Labels "io.x-k8s.kind.cluster"}}' in words[-1] for words in listed)


def test_words_that_cannot_be_kept_hinder_no_removal(tmp_path, kind):
    """A full disk, or an engine that ended: then the reason of the failure is still told, and all is removed."""
    engine = Engine()
    make = creation(tmp_path, engine)
    engine.running = [make.layout.places[0].control_plane]
    (tmp_path / "failed").write_text("in the way")
    with pytest.raises(ProvisionFailed, match="failed to join node") as failed:
        make()

    assert engine.running[0] in engine.removed
    assert engine.networks == []
    assert failed.value.__cause__.__notes__[0].startswith("what the nodes said could not be kept: ")


def test_the_first_failure_is_told_and_ends_the_other_cluster(tmp_path, kind, monkeypatch):
    """The other one is on its way for a while yet; nobody waits for it."""
    ended, waiting = threading.Event(), threading.Event()

    def run(command, *, timeout, env):
        if "west" in env["KIND_EXPERIMENTAL_DOCKER_NETWORK"]:
            assert waiting.wait(10)
            raise CommandFailed("kind create cluster: exit 1: ERROR: no space left on device")
        waiting.set()
        assert ended.wait(10)
        raise CommandFailed("kind create cluster: exit -9: ")

    monkeypatch.setattr(creating, "run", run)
    monkeypatch.setattr(creating, "end_programs", lambda name: ended.set())
    with pytest.raises(ProvisionFailed, match="no space left on device"):
        creation(tmp_path, Engine())()


def test_the_guard_stands_before_any_node_and_goes_after_all(tmp_path, kind):
    engine = Engine()
    with pytest.raises(ProvisionFailed):
        creation(tmp_path, engine)()
    first = {words[0]: place for place, words in reversed(list(enumerate(engine.told)))}
    put = next(place for place, words in enumerate(engine.told) if words[1:3] == ["nft", "-f"])

    assert put < first["run"]
    assert engine.told[-1][1:] == ["nft", "-j", "list", "tables"]  # the last question: is the guard still there


def test_the_engine_of_a_site_is_the_one_that_was_chosen():
    assert Containers("podman").open("x", ["sh"], ["--privileged"])[:3] == ["podman", "exec", "-i"]
