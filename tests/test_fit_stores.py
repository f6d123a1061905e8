"""Folders have room, what is missing can be fetched, and nobody is asked for what is there."""

import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from clusters.errors import ArtifactMissing, EnvironmentUnfit
from clusters.fit import answering, stores
from tests.fit_fakes import asking, one


def test_full_and_forbidden_folders_fail(monkeypatch, tmp_path):
    monkeypatch.setenv("RINGPROOF_CACHE", str(tmp_path / "cache"))
    asked = asking(runs=tmp_path / "not" / "yet")
    assert {one(ask(asked)).state for ask in (stores.cache, stores.runs, stores.scratch)} == {"ok"}
    assert not asked.runs.exists()

    monkeypatch.setattr(stores.shutil, "disk_usage", lambda _folder: SimpleNamespace(free=10**7))
    found = [one(ask(asked)) for ask in (stores.cache, stores.runs, stores.scratch)]
    assert {finding.state for finding in found} == {"fail"}
    assert "export RINGPROOF_CACHE=" in found[0].fix

    def full(**_named):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(stores.tempfile, "TemporaryFile", full)
    assert "cannot be written: Permission denied" in one(stores.runs(asked)).measured


@pytest.fixture
def bare(monkeypatch):
    """Neither Java nor jars are here."""

    def missing(*_args, **_named):
        raise ArtifactMissing("not here")

    monkeypatch.setattr(stores, "find_java", missing)
    monkeypatch.setattr(stores, "ensure_cassandra", missing)


def test_missing_artifacts_are_a_warning_with_the_command(bare):
    found = [one(stores.java(asking())), one(stores.jars(asking()))]

    assert {finding.state for finding in found} == {"warn"}
    assert {" ".join(finding.fix.split()[:3]) for finding in found} == {"ringproof fetch 5.0.9"}


def test_a_java_that_was_named_and_does_not_fit_fails(monkeypatch):
    def wrong(*_args, **_named):
        raise EnvironmentUnfit("RINGPROOF_JAVA=/j is Java 8")

    monkeypatch.setattr(stores, "find_java", wrong)
    assert one(stores.java(asking())).state == "fail"


def test_registries_are_asked_only_when_something_must_be_fetched(monkeypatch):
    monkeypatch.setattr(stores, "find_java", lambda *_a, **_n: SimpleNamespace(major=17, source="PATH"))
    monkeypatch.setattr(stores, "ensure_cassandra", lambda *_a, **_n: Path())
    asked = []
    monkeypatch.setattr(stores, "answer", lambda address: asked.append(address) or "silence")

    assert {one(ask(asking())).state for ask in (stores.repository, stores.index)} == {"skipped"}
    assert asked == []
    assert {one(ask(asking(online=True))).state for ask in (stores.repository, stores.index)} == {"warn"}
    assert len(asked) == 2


def test_an_unreached_registry_fails_when_something_must_be_fetched_and_hides_passwords(monkeypatch, bare):
    monkeypatch.setenv("RINGPROOF_MAVEN_MIRROR", "http://me:secret@127.0.0.1:9/maven")
    monkeypatch.setenv("PIP_INDEX_URL", "http://me:secret@127.0.0.1:9/simple")
    monkeypatch.setattr(answering.urllib.request, "getproxies", lambda: {"https": "http://u:secret@proxy:1"})
    monkeypatch.setattr(stores, "answer", lambda _address: "Connection refused")

    for ask in (stores.repository, stores.index):
        found = one(ask(asking()))
        assert found.state == "fail"
        assert "http://127.0.0.1:9/" in found.measured
        assert "https_proxy" in found.measured
        assert "secret" not in str(found)


def test_an_answer_is_an_answer_and_silence_ends_in_time(monkeypatch, tmp_path):
    assert answering.answer(tmp_path.as_uri()) == ""
    assert answering.answer((tmp_path / "gone").as_uri()) == "no such folder"
    monkeypatch.setattr(answering, "ONLINE_SECONDS", 0.2)
    with answering.urllib.request.socket.create_server(("127.0.0.1", 0)) as silent:
        started = time.monotonic()
        said = answering.answer(f"http://127.0.0.1:{silent.getsockname()[1]}")
    assert said
    assert time.monotonic() - started < 5


def test_an_index_that_pip_is_told_not_to_ask_is_skipped(monkeypatch, bare):
    monkeypatch.setattr(stores.importlib.util, "find_spec", lambda _name: object())
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    assert one(stores.index(asking())).state == "skipped"
    monkeypatch.setattr(stores.importlib.util, "find_spec", lambda _name: None)
    monkeypatch.setenv("UV_DEFAULT_INDEX", "http://127.0.0.1:9/uv/")
    assert stores._index() == "http://127.0.0.1:9/uv"
