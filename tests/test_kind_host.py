"""`make kind-host`: each change is journaled before it is made, and taken back exactly. Nothing here changes a host."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from clusters.errors import CleanupFailed, EnvironmentUnfit
from clusters.journal import Journal
from clusters.kind.engine import CAPABILITIES
from images.host import changes, prepare

RUNTIME = Path(prepare.__file__).with_name("fit-runtime")


@pytest.fixture
def record(tmp_path):
    return Journal(tmp_path / "journal")


@pytest.fixture
def said():
    return []


def test_a_setting_is_journaled_before_it_is_written_and_restored(tmp_path, record, said):
    setting = tmp_path / "max"
    setting.write_text("128\n")
    changes.set_kernel(setting, "512", record, said.append)
    assert setting.read_text() == "512"
    assert list(record.open().values()) == [{"setting": str(setting), "old": "128"}]
    assert changes.undo(record, said.append) == 1
    assert setting.read_text() == "128"
    assert record.open() == {}
    assert [f"{setting}: 128 -> 512 (until the next boot)", f"{setting}: back to 128"] == said


def test_a_setting_that_is_right_is_no_change(tmp_path, record, said):
    (tmp_path / "max").write_text("512\n")
    changes.set_kernel(tmp_path / "max", "512", record, said.append)
    assert (record.open(), said) == ({}, [])


def test_a_file_of_somebody_else_stays(tmp_path, record, said):
    file = tmp_path / "daemon.json"
    file.write_text("{}")
    with pytest.raises(EnvironmentUnfit, match="stays as it is"):
        changes.write_file(file, "ours", record, said.append)
    assert file.read_text() == "{}"
    assert record.open() == {}


def test_files_and_folders_that_were_added_go(tmp_path, record, said):
    changes.write_file(tmp_path / "ringproof" / "fit", "text", record, said.append, mode=0o755)
    record.write({"folder": str(tmp_path / "made")})
    (tmp_path / "made" / "below").mkdir(parents=True)
    assert os.access(tmp_path / "ringproof" / "fit", os.X_OK)
    assert changes.undo(record, said.append) == 2
    assert [path.name for path in tmp_path.iterdir()] == ["journal"]


def test_an_undo_that_broke_is_continued_where_it_was(tmp_path, record, said, monkeypatch):
    record.write({"file": str(tmp_path / "first")})
    record.write({"packages": ["a"]})
    (tmp_path / "first").write_text("x")
    monkeypatch.setattr(changes.subprocess, "run", lambda *_, **__: subprocess.CompletedProcess([], 0, "ii  a\n"))

    def refuse(_):
        raise EnvironmentUnfit("the mirror is away")

    monkeypatch.setattr(changes, "apt", refuse)
    with pytest.raises(EnvironmentUnfit):
        changes.undo(record, said.append)
    assert (tmp_path / "first").exists()
    monkeypatch.setattr(changes, "apt", lambda _: "")
    assert changes.undo(record, said.append) == 2
    assert not (tmp_path / "first").exists()


def test_only_packages_that_were_new_are_recorded(record, said, monkeypatch, tmp_path):
    plan = "Inst runc (1.1.5 Debian:12)\nInst libc6 [2.36-9] (2.36-10 Debian:12)\nConf runc (1.1.5 Debian:12)\n"
    called = []
    monkeypatch.setattr(changes, "apt", lambda words: called.append(list(words)) or plan)
    monkeypatch.setattr(changes, "POLICY", tmp_path / "policy-rc.d")
    changes.install(["docker.io"], record, said.append)
    assert list(record.open().values()) == [{"packages": ["runc"]}]
    assert called[-1][-1] == "runc"
    assert not (tmp_path / "policy-rc.d").exists()


def test_no_service_starts_while_packages_are_installed(record, said, monkeypatch, tmp_path):
    policy = tmp_path / "policy-rc.d"
    seen = []

    def apt(words):
        seen.append(subprocess.run([policy], check=False).returncode if policy.exists() else None)
        return "Inst runc (1 Debian)\n"

    monkeypatch.setattr(changes, "apt", apt)
    monkeypatch.setattr(changes, "POLICY", policy)
    changes.install(["runc"], record, said.append)
    assert seen == [None, None, 101]


def test_a_daemon_is_ours_only_with_our_pid_file_on_its_command_line(tmp_path):
    file = tmp_path / "pid"
    script = "import signal, sys; print(1, flush=True); signal.pause()"
    with subprocess.Popen(
        ["dockerd", "-c", script, "--pidfile", str(file)], executable=sys.executable, stdout=subprocess.PIPE
    ) as ours:
        try:
            ours.stdout.readline()
            file.write_text(str(ours.pid))
            assert changes.own_daemon(file) == ours.pid
            (tmp_path / "other").write_text(str(ours.pid))
            assert changes.own_daemon(tmp_path / "other") is None
        finally:
            ours.kill()
    assert changes.own_daemon(file) is None


def test_a_daemon_with_containers_is_not_stopped(monkeypatch, record, said):
    record.write({"daemon": "pid"})
    monkeypatch.setattr(changes, "own_daemon", lambda _: 1)
    monkeypatch.setattr(changes, "run", lambda *_, **__: "east-worker\n")
    monkeypatch.setattr(changes.os, "kill", lambda *_: pytest.fail("stopped"))
    with pytest.raises(CleanupFailed, match="containers are running: east-worker"):
        changes.undo(record, said.append)
    assert len(record.open()) == 1


def test_what_cannot_be_taken_back_is_named_and_stays_in_the_journal(record, said, monkeypatch):
    record.write({"link": "docker0"})
    monkeypatch.setattr(changes.subprocess, "run", lambda *_, **__: subprocess.CompletedProcess([], 0))

    def refuse(*_, **__):
        raise changes.CommandFailed("ip link: exit 2: busy")

    monkeypatch.setattr(changes, "run", refuse)
    with pytest.raises(CleanupFailed, match=r"link docker0 cannot be taken back: .*busy") as refused:
        changes.undo(record, said.append)
    assert refused.value.exit_code == 13
    assert len(record.open()) == 1


def test_dockers_rules_go_and_those_of_others_stay(monkeypatch, said):
    listed = {
        "filter": "-P FORWARD DROP\n-N DOCKER\n-N OTHER\n-A FORWARD -j DOCKER\n-A FORWARD -i eth9 -j OTHER\n"
        "-A FORWARD -o docker0 -j ACCEPT\n-A DOCKER -j RETURN\n",
        "nat": "-P POSTROUTING ACCEPT\n-A POSTROUTING -s 10.9.0.0/16 -j MASQUERADE\n",
    }
    done = []

    def run(command, **_):
        if command[-1] == "-S":
            return listed[command[2]]
        done.append(" ".join(command[1:]))
        return ""

    monkeypatch.setattr(changes, "run", run)
    monkeypatch.setattr(changes.shutil, "which", lambda _: "/usr/sbin/iptables")
    changes._restore_filter({"filter": "ACCEPT"}, said.append)
    assert done == [
        "-t filter -D FORWARD -j DOCKER",
        "-t filter -D FORWARD -o docker0 -j ACCEPT",
        "-t filter -F DOCKER",
        "-t filter -X DOCKER",
        "-P FORWARD ACCEPT",
    ]


def test_a_user_without_rights_is_told_so(monkeypatch):
    monkeypatch.setattr(prepare.os, "geteuid", lambda: 1000)
    with pytest.raises(EnvironmentUnfit, match="as root only"):
        prepare.prepare("docker", print)


def bound():
    status = Path("/proc/self/status").read_text()
    mask = int(next(line.split()[1] for line in status.splitlines() if line.startswith("CapBnd")), 16)
    return {f"CAP_{name}" for bit, name in enumerate(CAPABILITIES) if mask >> bit & 1}


@pytest.mark.parametrize("act", ["create", "exec"])
def test_the_runtime_takes_away_what_cannot_be_had_and_nothing_else(tmp_path, act):
    runc = tmp_path / "runc"
    runc.write_text('#!/bin/sh\necho "$@"\n')
    runc.chmod(0o755)
    asked = [*(f"CAP_{name}" for name in CAPABILITIES), "CAP_OF_TOMORROW"]
    process = {"args": ["x"], "capabilities": {"bounding": asked, "effective": asked, "ambient": []}}
    file = tmp_path / "config.json"
    file.write_text(json.dumps({"process": process, "root": 1} if act == "create" else process))
    words = ["--log", "l", "create", "--bundle", str(tmp_path), "id"]
    if act == "exec":
        words = ["exec", "--process", str(file), "id"]
    done = subprocess.run(
        [sys.executable, str(RUNTIME), *words], env={"PATH": f"{tmp_path}:/usr/bin:/bin"}, check=True,
        capture_output=True, text=True,
    )  # fmt: skip
    assert done.stdout.split() == words
    left = json.loads(file.read_text())
    inner = left["process"] if act == "create" else left
    assert set(inner["capabilities"]["bounding"]) == bound() & set(asked)
    assert inner["capabilities"]["ambient"] == []
    assert inner["args"] == ["x"]
