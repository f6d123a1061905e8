"""Engines (here: scripts): found, permitted, old or silent, each with its fix; and what a machine withholds."""

import resource
import shutil

import pytest

from clusters.errors import EnvironmentUnfit
from clusters.kind import engine


@pytest.fixture
def programs(tmp_path, monkeypatch):
    """A PATH of our own: put(name, script) installs an engine on it."""
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.delenv("RINGPROOF_ENGINE", raising=False)
    which = shutil.which
    monkeypatch.setattr(engine.shutil, "which", lambda name: which(name, path=str(tmp_path)))

    def put(name, script):
        (tmp_path / name).write_text(f"#!/bin/sh\n{script}\n")
        (tmp_path / name).chmod(0o755)

    return put


def test_without_an_engine_the_sentence_says_how_to_get_one(programs):
    assert engine.engines() == []
    with pytest.raises(
        EnvironmentUnfit, match=r"no container engine is here \(Docker or podman.*make kind-host"
    ) as said:
        engine.choose()
    assert said.value.exit_code == 11


def test_an_engine_that_answers_is_usable(programs):
    programs("docker", 'case $1 in version) echo 28.2.2;; info) echo "{}";; esac')
    found = engine.choose()
    assert (found.name, found.version, found.usable, found.told) == ("docker", "28.2.2", True, "docker 28.2.2")


@pytest.mark.parametrize(
    ("complaint", "fix"),
    [
        ("permission denied while trying to connect to the Docker daemon socket", "usermod -aG docker"),
        ("Cannot connect to the Docker daemon. Is the docker daemon running?", "make kind-host"),
        ("something odd", "see that `docker info` works"),
    ],
)
def test_an_engine_that_refuses_is_named_with_its_words_and_the_fix(programs, complaint, fix):
    programs("docker", f"echo '{complaint}' >&2; exit 1")
    with pytest.raises(EnvironmentUnfit, match="no container engine can be used") as said:
        engine.choose()
    assert fix in str(said.value)
    assert complaint in str(said.value)


def test_an_engine_whose_daemon_is_gone_is_passed_over_for_one_that_works(programs):
    programs("docker", "exit 1")
    programs("podman", 'case $1 in version) echo 4.3.1;; info) echo "{}";; esac')
    assert engine.choose().name == "podman"
    assert [found.usable for found in engine.engines()] == [False, True]


def test_the_setting_chooses_among_engines(programs, monkeypatch):
    programs("docker", "echo 28.2.2")
    programs("podman", "echo 5.0.0")
    monkeypatch.setenv("RINGPROOF_ENGINE", "podman")
    assert engine.choose().name == "podman"
    monkeypatch.setenv("RINGPROOF_ENGINE", "nerdctl")
    with pytest.raises(EnvironmentUnfit, match="RINGPROOF_ENGINE=nerdctl is not installed"):
        engine.choose()


@pytest.mark.parametrize(("version", "usable"), [("19.03.5", False), ("20.10.24+dfsg1", True), ("27.0", True)])
def test_an_old_engine_is_refused(programs, version, usable):
    programs("docker", f"echo {version}")
    assert engine.look("docker").usable is usable


def test_an_engine_that_never_answers_is_silent(programs, monkeypatch):
    monkeypatch.setattr(engine, "ASK_SECONDS", 0.2)
    programs("docker", "exec sleep 20")
    assert "no answer in" in engine.look("docker").problem


def machine(monkeypatch, **files):
    """The kernel's files as a machine of another kind has them."""
    known = {"/proc/self/status": "CapBnd:\t000001ffffffffff\n", "/proc/sys/kernel/cap_last_cap": "40"}
    known |= {"/proc/self/mounts": "cgroup2 /sys/fs/cgroup cgroup2 rw 0 0\n"}
    known |= {f"/proc/sys/fs/inotify/{name}": "1000000" for name in ("max_user_instances", "max_user_watches")}
    known |= {f"/proc/{name.replace('__', '/')}": text for name, text in files.items()}
    monkeypatch.setattr(engine, "_read", lambda path: known[path])
    monkeypatch.setattr(engine.resource, "getrlimit", lambda _: (1024, resource.RLIM_INFINITY))
    monkeypatch.setattr(engine, "MEMORY", 0)
    monkeypatch.setattr(engine, "DISK", 0)


def test_a_machine_with_everything_lacks_nothing(monkeypatch):
    machine(monkeypatch)
    assert engine.lacks() == []
    assert engine.bounding_set_lacks() == ()


@pytest.mark.parametrize(
    ("files", "what", "found", "blocks"),
    [
        ({"sys__fs__inotify__max_user_instances": "128"}, "fs.inotify.max_user_instances", "128", True),
        ({"self__status": "CapBnd:\t000001fffeffffff\n"}, "capabilities", "without CAP_SYS_RESOURCE", False),
        ({"self__mounts": "cgroup /sys/fs/cgroup/cpu cgroup rw 0 0\n"}, "control groups", "v1", False),
        ({"self__mounts": "a b cgroup x\nb c cgroup2 x\n"}, "control groups", "hybrid", False),
        ({"self__mounts": "proc /proc proc rw 0 0\n"}, "control groups", "none mounted", True),
    ],
)
def test_what_is_lacking_is_named_with_what_was_found(monkeypatch, files, what, found, blocks):
    machine(monkeypatch, **files)
    (lack,) = engine.lacks()
    assert (lack.what, lack.found, lack.blocks) == (what, found, blocks)
    assert lack.remedy


def test_a_capability_that_this_kernel_does_not_know_is_not_missed(monkeypatch):
    machine(monkeypatch, self__status="CapBnd:\t0000003fffffffff\n", sys__kernel__cap_last_cap="37")
    assert engine.bounding_set_lacks() == ()


def test_memory_disk_and_open_files_are_measured(monkeypatch, tmp_path):
    machine(monkeypatch)
    monkeypatch.setattr(engine, "MEMORY", 10**18)
    monkeypatch.setattr(engine, "DISK", 10**18)
    monkeypatch.setattr(engine.resource, "getrlimit", lambda _: (1024, 4096))
    assert [lack.what for lack in engine.lacks(tmp_path)] == ["open files", "memory", "disk"]
    assert str(tmp_path) in engine.lacks(tmp_path)[-1].found


def test_names_of_capabilities_are_those_of_the_kernel_header():
    assert len(engine.CAPABILITIES) == 41
    assert [engine.CAPABILITIES[bit] for bit in (0, 12, 21, 24, 40)] == [
        "CHOWN", "NET_ADMIN", "SYS_ADMIN", "SYS_RESOURCE", "CHECKPOINT_RESTORE",
    ]  # fmt: skip


def test_storage_is_a_folder_that_exists(programs, tmp_path):
    programs("docker", f"echo {tmp_path}/not/yet")
    docker = engine.Engine("docker", f"{tmp_path}/docker", "28", "")
    assert engine.storage(docker) == tmp_path
