"""What stops a kind run before it begins: one sentence with the fix, exit 11, and nothing was made."""

from __future__ import annotations

import os
import shutil
import socket
import tempfile
from pathlib import Path

import pytest

from clusters.kind import engine
from images import pull
from ringproof.command import main
from tests.kinds import write_program

READING = ("version", "info", "image", "images")
"""What a refused command may have asked an engine: nothing that makes or starts anything."""
WORKS = """#!/bin/sh
echo "$*" >> "$0.log"
case "$*" in
  version*) echo 28.2.2 ;;
  *DockerRootDir*) echo {storage} ;;
  *GraphRoot*) echo {storage} ;;
  "image ls"*|images*) ;;
  image*) exit 1 ;;
  *) echo "{{}}" ;;
esac
"""


@pytest.fixture
def here(tmp_path, monkeypatch):
    """An empty folder to run in, with an empty PATH, an empty cache and state, and no engine but what a test puts."""
    programs = tmp_path / "bin"
    programs.mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", str(programs))
    monkeypatch.setenv("RINGPROOF_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("RINGPROOF_STATE", str(tmp_path / "state"))
    monkeypatch.delenv("RINGPROOF_ENGINE", raising=False)
    monkeypatch.delenv("RINGPROOF_NODE_IMAGE", raising=False)
    for need in ("INSTANCES", "WATCHES", "OPEN_FILES", "MEMORY", "DISK"):
        monkeypatch.setattr(engine, need, 0)  # whatever this machine has is enough, but for what a test takes away
    return tmp_path


def put(here: Path, name: str, storage: str = "/") -> Path:
    program = here / "bin" / name
    program.write_text(WORKS.format(storage=storage))
    program.chmod(0o755)
    return program


def refused(here: Path, capsys: pytest.CaptureFixture[str], *words: str) -> str:
    """The one sentence of a command that is refused."""
    assert main(words or ("run", "smoke", "--provider", "kind")) == 11
    (sentence,) = [line for line in capsys.readouterr().err.splitlines() if line.startswith("ringproof: ")]
    assert not (here / "runs").exists()
    assert not (here / "state" / "kind").exists()
    for log in (here / "bin").glob("*.log"):
        assert {line.split()[0] for line in log.read_text().splitlines()} <= set(READING)
    return sentence


def test_no_engine(here, capsys):
    said = refused(here, capsys)
    assert "no container engine is here (Docker or podman is not installed)" in said
    assert "make kind-host" in said
    assert "[RP-FIT-031]" in said


def test_an_engine_of_which_nothing_answers(here, capsys, monkeypatch):
    """The real client, sent to a socket that nobody listens at."""
    docker = shutil.which("docker", path=os.defpath + ":/usr/local/bin")
    if docker is None:
        pytest.skip("Docker's client is not installed")
    (here / "bin" / "docker").symlink_to(docker)
    monkeypatch.setenv("DOCKER_HOST", f"unix://{here}/nobody.sock")
    said = refused(here, capsys)
    assert "docker is here, but its daemon does not run" in said
    assert "make kind-host" in said
    assert "[RP-FIT-031]" in said


def test_an_engine_that_this_user_may_not_use(here, capsys, monkeypatch):
    """The real client, and a real socket that its user may not open."""
    docker, setpriv = (shutil.which(name, path=os.defpath + ":/usr/local/bin") for name in ("docker", "setpriv"))
    if docker is None or (os.geteuid() == 0 and setpriv is None):
        pytest.skip("Docker's client is not installed, or root's permissions cannot be given up")
    nobody = [setpriv, "--reuid=65534", "--regid=65534", "--clear-groups", docker]
    write_program(here / "bin" / "docker", [str(word) for word in nobody] if os.geteuid() == 0 else [docker])
    with tempfile.TemporaryDirectory(dir="/tmp") as place, socket.socket(socket.AF_UNIX) as listening:
        Path(place).chmod(0o755)
        listening.bind(f"{place}/docker.sock")
        Path(place, "docker.sock").chmod(0o000)
        listening.listen()
        monkeypatch.setenv("DOCKER_HOST", f"unix://{place}/docker.sock")
        monkeypatch.setenv("HOME", place)
        said = refused(here, capsys)
    assert "docker is here, but this user may not use it (" in said
    assert "join its group: sudo usermod -aG docker $USER" in said
    assert "[RP-FIT-031]" in said


@pytest.mark.parametrize("name", engine.NAMES)
def test_no_space(here, capsys, monkeypatch, name):
    """The engine keeps its files where no byte is free, as the kernel itself says of /proc."""
    monkeypatch.setattr(engine, "DISK", 20_000_000_000)
    put(here, name, "/proc")
    said = refused(here, capsys)
    assert "disk: 0.0 GB free in /proc, needed: 20.0 GB; make room on the file system of /proc" in said
    assert "[RP-FIT-042]" in said


@pytest.mark.parametrize("name", engine.NAMES)
def test_no_registry_and_no_go(here, capsys, monkeypatch, name):
    put(here, name)
    monkeypatch.setattr(pull, "registry_answers", lambda: False)
    for words in (("images", "ensure"), ("images", "build")):
        said = refused(here, capsys, *words)
        assert "no registry and no Go: node images are pulled or built, and neither is possible here" in said
        assert "install Go 1.26 or later" in said
        assert "[RP-FIT-034]" in said
    assert not (here / "cache" / "images").exists()


def test_no_space_for_images(here, capsys):
    put(here, "docker", "/proc")
    for program in ("go", "mmdebstrap"):
        (here / "bin" / program).symlink_to("/bin/true")
    said = refused(here, capsys, "images", "build")
    assert "no space for images: 0.0 GB free in /proc" in said
    assert "make room there, for example with `docker system prune`" in said
    assert "[RP-FIT-033]" in said


def test_no_node_image(here, capsys):
    put(here, "docker")
    (here / "bin" / "kind").symlink_to("/bin/true")
    said = refused(here, capsys)
    assert "no node image is here; make one with: ringproof images ensure" in said
    assert "[RP-FIT-041]" in said


def test_neither_kind(here, capsys):
    put(here, "podman")
    assert "kind is not installed; make it with: ringproof images build" in refused(here, capsys)


def test_doctor_says_the_sentence_of_a_refused_run(here, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "1000")
    said = refused(here, capsys).partition("cannot carry kind clusters: ")[2].partition(" (and ")[0]
    assert said
    assert main(("doctor", "--provider", "kind")) == 11
    assert said in capsys.readouterr().out
