"""Doctor performs what it promises, goes on after a failure, and names the switch that refuses."""

import json
import subprocess

import pytest
from rich.console import Console

from clusters import fitness
from clusters.errors import ArtifactMissing, EnvironmentUnfit
from clusters.fitness import Finding
from clusters.lab.acts import ACTS
from ringproof import doctor
from scenarios.runs import RunBook


@pytest.fixture
def switches(monkeypatch):
    """Files of /proc and /sys as this test wants them; all others read as missing."""
    texts = {}
    monkeypatch.setattr(fitness, "_read", lambda path: texts.get(path, "").strip())
    return texts


def refused(monkeypatch, number, said):
    """The throw-away process is refused its act of that number."""
    told = [{"act": act, "ok": True, "errno": 0, "said": ""} for act in ACTS[:number]]
    told.append({"act": ACTS[number], "ok": False, "errno": 1, "said": said})
    monkeypatch.setattr(fitness, "_perform", lambda: told)


@pytest.mark.lab
def test_every_act_is_performed_here_and_leaves_nothing():
    before = subprocess.run(["ip", "-o", "link"], capture_output=True, text=True, check=False).stdout

    found = fitness.kernel_acts()

    assert [finding.id for finding in found] == list(ACTS)
    assert {finding.state for finding in found} == {"ok"}, [str(finding) for finding in found]
    assert subprocess.run(["ip", "-o", "link"], capture_output=True, text=True, check=False).stdout == before


@pytest.mark.parametrize(
    ("path", "text", "cause", "command"),
    [
        ("/proc/sys/user/max_user_namespaces", "0", "user.max_user_namespaces is 0", "sudo sysctl user.max_user_nam"),
        ("/proc/sys/user/max_net_namespaces", "0", "user.max_net_namespaces is 0", "sudo sysctl user.max_net_name"),
        ("/proc/sys/kernel/unprivileged_userns_clone", "0", "unprivileged_userns_clone is 0", "userns_clone=1"),
        ("/proc/sys/kernel/apparmor_restrict_unprivileged_userns", "1", "AppArmor", "unprivileged_userns=0"),
        ("/proc/self/status", "Name: x\nSeccomp:\t2\n", "seccomp filter", "--security-opt seccomp=unconfined"),
    ],
)
def test_a_refusal_names_its_cause_and_the_command_that_helps(monkeypatch, switches, path, text, cause, command):
    refused(monkeypatch, 0, "PermissionError: unshare")
    switches[path] = text

    first, *rest = fitness.kernel_acts()

    assert first.state == "fail"
    assert cause in first.fix
    assert command in first.fix
    assert {finding.measured for finding in rest} == {"not tried"}
    with pytest.raises(EnvironmentUnfit, match=ACTS[0]) as raised:
        fitness.require()
    assert raised.value.exit_code == 11
    assert command in str(raised.value)


def test_an_allowed_switch_is_no_cause(switches):
    switches["/proc/sys/user/max_user_namespaces"] = "96365"
    switches["/proc/sys/kernel/apparmor_restrict_unprivileged_userns"] = "0"
    switches["/proc/self/status"] = "Seccomp:\t0\n"

    assert list(fitness.causes()) == []
    assert "not built in" in fitness.remedy(ACTS[0])
    assert "apt install" in fitness.remedy(ACTS[-1])


def test_a_process_that_dies_without_a_word_is_a_refusal(monkeypatch):
    def died(*_args, **_named):
        return subprocess.CompletedProcess([], -9, '{"act": "user namespace", "ok": true, "said": ""}\n', "")

    monkeypatch.setattr(fitness.subprocess, "run", died)

    states = [finding.state for finding in fitness.kernel_acts()]
    assert states[:2] == ["ok", "fail"]


def test_memory_is_what_the_control_group_leaves(monkeypatch, switches):
    switches["/proc/self/cgroup"] = "0::/box\n"
    switches["/sys/fs/cgroup/box/memory.max"] = str(2 * 10**9)
    switches["/sys/fs/cgroup/box/memory.current"] = str(10**9)

    assert fitness.available_gb() == pytest.approx(1.0)
    assert fitness.memory().state == "fail"
    assert "6 hosts x 0.45" in fitness.memory().needed
    switches["/sys/fs/cgroup/box/memory.max"] = "max"
    assert fitness.available_gb() > 1.0


def test_missing_artifacts_are_a_warning_with_the_command(monkeypatch):
    def missing(*_args, **_named):
        raise ArtifactMissing("not here")

    monkeypatch.setattr("clusters.ring.java.find_java", missing)
    monkeypatch.setattr("clusters.ring.artifacts.ensure_cassandra", missing)

    assert {fitness.java().state, fitness.jars().state} == {"warn"}
    assert "ringproof fetch" in fitness.jars().fix


def test_a_missing_program_fails_with_its_package(monkeypatch):
    monkeypatch.setattr(fitness.shutil, "which", lambda _name: None)

    found = fitness.programs()
    assert {finding.state for finding in found} == {"fail"}
    assert "apt install hostname" in next(finding.fix for finding in found if finding.id == "hostname")
    assert fitness.nft().state == "warn"


def test_only_a_failure_makes_a_machine_unfit(capsys):
    fine, warned = Finding("a", "ok", "1", "1"), Finding("b", "warn", "0", "1", "do b")
    failed = Finding("c", "fail", "0", "1", "do c")

    assert doctor.exit_code([fine, warned]) == 0
    assert doctor.exit_code([fine, failed]) == 11
    assert doctor.as_json([fine, failed])["fit"] is False
    doctor.render([fine, warned, failed], Console(width=80))
    told = capsys.readouterr().out
    assert "b: do b" in told
    assert "c: do c" in told
    assert "no lab can run here: 1 checks failed" in told


def test_all_findings_are_made_and_json_has_the_same_ids(monkeypatch, tmp_path, switches):
    monkeypatch.setenv("RINGPROOF_STATE", str(tmp_path))
    refused(monkeypatch, 2, "PermissionError: mount /proc")

    found = doctor.findings(runs=tmp_path)

    ids = [finding.id for finding in found]
    assert ids[: len(ACTS)] == list(ACTS)
    assert {"nsenter", "memory", "processors", "cache", "Java", "jars", "nft", "leftovers"} <= set(ids)
    assert len(set(ids)) == len(ids)
    assert [check["id"] for check in json.loads(json.dumps(doctor.as_json(found)))["checks"]] == ids


def test_killed_runs_are_leftovers(monkeypatch, tmp_path):
    monkeypatch.setenv("RINGPROOF_STATE", str(tmp_path / "state"))
    assert doctor.leftovers(tmp_path).state == "ok"
    book = RunBook.open(tmp_path / "dead", {"seed": 1})
    book.note(process={**book.facts()["process"], "start": -1})

    found = doctor.leftovers(tmp_path)
    assert (found.state, found.fix) == ("warn", "ringproof sweep")
    assert "dead" in found.measured
