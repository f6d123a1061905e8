"""What doctor tells of engines, of what they need, and of the node image: as clusters.kind.engine finds it."""

from __future__ import annotations

import pytest

from clusters import fitness
from clusters.errors import EnvironmentUnfit
from clusters.fit import engines
from clusters.fit.finding import Asked
from clusters.kind.engine import Engine, Measure
from tests.fit_fakes import STUB, asking, one
from tests.test_kind_pure import IMAGE

ASKED = Asked((STUB,), "kind")
DOCKER = Engine("docker", "/usr/bin/docker", "28.2.2", "")
SILENT = Engine(
    "podman", "/usr/bin/podman", "", "podman is here, but does not answer (x); see that `podman info` works"
)


def have(monkeypatch, *found):
    monkeypatch.delenv("RINGPROOF_ENGINE", raising=False)
    monkeypatch.setattr(engines.engine, "engines", lambda: list(found))


def test_both_engines_are_named_and_the_one_that_is_used(monkeypatch):
    have(monkeypatch, DOCKER, SILENT)
    found = one(engines.found_engines(ASKED))

    assert found.state == "ok"
    assert found.measured == f"docker 28.2.2, {SILENT.problem}; docker is used"
    assert found.needed == "docker 20.10 or podman 4.3"


def test_an_engine_that_cannot_be_used_is_told_with_its_fix_and_none_with_how_to_get_one(monkeypatch):
    have(monkeypatch, SILENT)
    assert "see that `podman info` works" in str(one(engines.found_engines(ASKED)))
    have(monkeypatch)
    found = one(engines.found_engines(ASKED))
    assert (found.state, found.fix) == ("fail", "as root on Debian: make kind-host")


def test_each_need_is_a_finding_and_only_what_blocks_fails(monkeypatch, tmp_path):
    have(monkeypatch, DOCKER)
    places = []

    def measures(place):
        places.append(place)
        yield Measure("memory", "1.0 GB", "6.0 GB", "end other programs", blocks=True, enough=False)
        yield Measure("capabilities", "without CAP_X", "all", "podman does without", blocks=False, enough=False)
        yield Measure("disk", "50.0 GB free", "20.0 GB", "make room", blocks=True, enough=True)

    monkeypatch.setattr(engines.engine, "storage", lambda _engine: tmp_path)
    monkeypatch.setattr(engines.engine, "measures", measures)
    found = list(engines.measures(ASKED))

    assert [(each.id, each.state, each.fix) for each in found] == [
        ("memory", "fail", "end other programs"), ("capabilities", "warn", "podman does without"), ("disk", "ok", ""),
    ]  # fmt: skip
    assert places == [tmp_path]


def test_the_node_image_is_named_or_how_to_make_it(monkeypatch):
    have(monkeypatch, DOCKER)
    monkeypatch.setattr(engines, "kind_program", lambda: "/opt/kind")
    monkeypatch.setattr(engines, "find_image", lambda _containers: IMAGE)
    assert one(engines.node_image(ASKED)).measured == f"{IMAGE.name}, /opt/kind"

    def absent(_containers):
        raise EnvironmentUnfit("no node image is here; make one with: ringproof images ensure")

    monkeypatch.setattr(engines, "find_image", absent)
    assert one(engines.node_image(ASKED)).state == "fail"


@pytest.mark.parametrize("provider", ["lab", "kind", "existing"])
def test_what_an_engine_needs_replaces_what_a_lab_needs_and_is_asked_for_kind_alone(monkeypatch, provider):
    asked = {check.id for check in fitness.CHECKS if list(check.findings(asking(provider)))}
    of_kind = {"container engine", "engine's needs", "node image"}
    of_others = {"memory", "open files", "inotify", "control groups"}

    assert asked & (of_kind | of_others) == (of_kind if provider == "kind" else of_others)
