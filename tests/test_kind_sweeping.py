"""A sweep takes what the dead left, whatever step they died at, and nothing of the living or of others."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from clusters.alive import Identity
from clusters.errors import CleanupFailed, ClustersRefused
from clusters.kind import sweeping
from clusters.kind.containers import ContainerState
from clusters.kind.kindconfig import HOSTS
from clusters.kind.layout import LABEL_NAME, LABEL_OWNER, Marks, owner_label, tag
from clusters.kind.place import kubeconfig
from clusters.kind.removing import KIND_LABEL, remove
from clusters.kind.sweeping import sweep_engine
from tests.test_kind_pure import IMAGE

NOW = 1_800_000_000.0
GONE = replace(Identity.of(), boot="another boot")


def marks(name: str, owner: Identity = GONE, expires: float = NOW + 600) -> dict[str, str]:
    return Marks(name, expires, owner, Path("/runs/r")).labels()


@dataclass
class Engine:
    """Containers and networks with their labels, and the tables of the machine; ``late`` appears after a removal."""

    program: str = "/usr/bin/docker"
    is_podman: bool = False
    containers: dict[str, dict[str, str]] = field(default_factory=dict)
    mounted: set[str] = field(default_factory=set)
    networks: dict[str, dict[str, str]] = field(default_factory=dict)
    tables: list[str] = field(default_factory=list)
    late: dict[str, dict[str, str]] = field(default_factory=dict)
    stuck: set[str] = field(default_factory=set)

    def node(self, cluster: str, role: str = "worker", *, late: bool = False, mounted: bool = True) -> str:
        """A node's container as kind makes it: with a label of kind's, and none of ours."""
        name = f"{cluster}-{role}"
        (self.late if late else self.containers)[name] = {KIND_LABEL: cluster}
        if mounted:
            self.mounted.add(name)
        return name

    def ask(self, *words: str, timeout: float = 1.0, stdin: str | None = None) -> str:
        if words[:2] == ("network", "rm"):
            if words[2] in self.stuck:
                raise ClustersRefused(f"{words[2]} has active endpoints")
            del self.networks[words[2]]
            return ""
        assert words[0] == "ps"
        found = {name: labels for name, labels in self.containers.items() if KIND_LABEL in labels}
        if f"volume={HOSTS}" in words:
            found = {name: labels for name, labels in found.items() if name in self.mounted}
        return "".join(f"{name} {labels[KIND_LABEL]}\n" for name, labels in found.items())

    def on_machine(self, image: str, command: list[str], *, stdin: str | None = None) -> str:
        if "tables" in command:
            entries = [{"table": {"family": "inet", "name": name}} for name in self.tables]
            return json.dumps({"nftables": entries})
        if "set" in command:
            return json.dumps({"nftables": [{"set": {"elem": ["192.0.2.0/24"]}}]})
        if "delete" in command:
            self.tables.remove(command[-1])
        return "[]"

    def labelled(self, label: str, kind: str = "container") -> list[str]:
        key, _, value = label.partition("=")
        known = self.networks if kind == "network" else self.containers
        return [name for name, labels in known.items() if key in labels and value in ("", labels[key])]

    def states(self, *names: str) -> list[ContainerState]:
        return [
            ContainerState(name, name, running=True, paused=False, pid=1, addresses={}, labels=self.containers[name])
            for name in names
        ]

    def labels_of_network(self, name: str) -> dict[str, str]:
        return self.networks[name]

    def remove(self, *names: str) -> None:
        for name in names:
            del self.containers[name]
        self.containers |= self.late
        self.late = {}


@pytest.fixture
def engine(monkeypatch, tmp_path):
    monkeypatch.setattr(sweeping, "find_image", lambda _containers: IMAGE)
    monkeypatch.setenv("RINGPROOF_STATE", str(tmp_path))
    return Engine()


def told(engine: Engine) -> list[str]:
    return list(sweep_engine(engine, NOW))


def test_all_of_a_dead_set_goes_its_credentials_too(engine):
    name = "r1/kind-host-gw/0"
    network = f"rp-{tag(name)}-east"
    engine.networks[network] = marks(name)
    engine.containers[f"rp-{tag(name)}-router"] = marks(name)
    engine.node(network)
    engine.tables = [f"rp_{tag(name)}", "theirs"]
    left = [kubeconfig(tag(name)), kubeconfig(tag(name)).with_name(f"{tag(name)}.kubeconfig.lock")]
    left[0].parent.mkdir(parents=True)
    for path in left:
        path.write_text("")

    assert told(engine) == [f"removed kind clusters {name}: its process {GONE.pid} is gone"]
    assert (engine.containers, engine.networks, engine.tables) == ({}, {}, ["theirs"])
    assert not any(path.exists() for path in left)


def test_the_living_and_all_others_stay(engine):
    mine = "r2/kind-host-gw/0"
    network = f"rp-{tag(mine)}-east"
    engine.networks = {network: marks(mine, Identity.of()), "theirs": {}, "theirs-too": {"ringproof.names": "x"}}
    engine.node(network)
    engine.node("rp-mine")  # another's kind cluster that is called a little like ours
    engine.node("rp-0123abcd-east", mounted=False)  # and one that is called exactly like ours
    engine.containers |= {"theirs": {}, "helper": {LABEL_OWNER: owner_label(Identity.of())}}
    engine.tables = [f"rp_{tag(mine)}"]
    before = (dict(engine.containers), dict(engine.networks), list(engine.tables))

    assert told(engine) == []
    assert (engine.containers, engine.networks, engine.tables) == before


def test_a_set_of_the_living_whose_time_is_over_goes(engine):
    engine.networks["rp-x"] = marks("r3/x/0", Identity.of(), NOW)
    assert told(engine) == ["removed kind clusters r3/x/0: its time is over"]


def test_a_node_that_the_engine_completed_after_the_removal_goes_at_the_next_look(engine):
    name = "r4/kind-host-gw/0"
    network = f"rp-{tag(name)}-east"
    engine.networks[network] = marks(name)
    late = engine.node(network, "worker2", late=True)

    assert len(told(engine)) == 2
    assert late not in engine.containers
    assert told(engine) == []


def test_what_has_no_network_any_more_is_found_by_its_name(engine):
    engine.node("rp-0123abcd-east")
    engine.tables = ["rp_89abcdef"]
    engine.containers["helper"] = {LABEL_OWNER: owner_label(GONE)}

    assert sorted(told(engine)) == [
        "removed container helper: the process that it worked for is gone",
        "removed nodes of rp-0123abcd: their clusters are gone",
        "removed the guard rp_89abcdef: its clusters are gone",
    ]
    assert (engine.containers, engine.tables) == ({}, [])


def test_a_set_that_comes_up_during_the_sweep_keeps_its_guard_and_its_nodes(engine, monkeypatch):
    """Its network is there before its table and its nodes are, so those are looked at first."""
    name = "r5/kind-host-gw/0"
    seen = sweeping.tags_of_guards

    def guards(machine):
        found = seen(machine)
        engine.networks[f"rp-{tag(name)}-east"] = marks(name, Identity.of())
        engine.tables.append(f"rp_{tag(name)}")
        engine.node(f"rp-{tag(name)}-east")
        return found

    monkeypatch.setattr(sweeping, "tags_of_guards", guards)
    assert told(engine) == []
    assert engine.tables == [f"rp_{tag(name)}"]
    assert len(engine.containers) == 1


def test_what_cannot_be_removed_is_named_and_the_rest_is_removed(engine):
    name = "r6/kind-host-gw/0"
    engine.networks["rp-busy"] = marks(name)
    engine.containers["rp-router"] = marks(name)
    engine.tables = [f"rp_{tag(name)}"]
    engine.stuck = {"rp-busy"}

    with pytest.raises(CleanupFailed, match=r"r6/kind-host-gw/0 could not be removed: rp-busy has active endpoints"):
        remove(engine, lambda command, stdin=None: engine.on_machine("", command, stdin=stdin), name)
    assert (engine.containers, engine.tables) == ({}, [])


def test_what_cannot_be_removed_hinders_no_other_and_is_told_last(engine):
    engine.networks = {"rp-busy": marks("r7/x/0"), "rp-free": marks("r8/x/0")}
    engine.stuck = {"rp-busy"}
    engine.tables = ["rp_89abcdef"]
    with pytest.raises(CleanupFailed, match="r7/x/0 could not be removed"):
        told(engine)
    assert list(engine.networks) == ["rp-busy"]
    assert engine.tables == []


def test_labels_of_a_set_are_not_those_of_a_helper():
    assert LABEL_NAME in marks("x")
    assert Marks.read({LABEL_OWNER: owner_label(GONE)}) is None
