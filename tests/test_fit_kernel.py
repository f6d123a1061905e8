"""Every act is performed, a refusal names the switch that causes it, and what nothing needs refuses nothing."""

import json
import subprocess

import pytest

from clusters import fitness
from clusters.errors import EnvironmentUnfit
from clusters.fit import kernel, sizes
from clusters.lab.acts import ABILITIES, ACTS
from ringproof import doctor
from tests.fit_fakes import STUB, asking, kernel_files, one, refused  # noqa: F401  a fixture


@pytest.mark.lab
def test_every_act_is_performed_here_and_leaves_nothing():
    before = subprocess.run(["ip", "-o", "link"], capture_output=True, text=True, check=False).stdout

    found = list(kernel.acts(asking()))

    assert [finding.id for finding in found] == [*ACTS, *ABILITIES]
    assert {finding.state for finding in found[: len(ACTS)]} == {"ok"}, [str(finding) for finding in found]
    assert {finding.state for finding in found[len(ACTS) :]} <= {"ok", "skipped"}
    assert "not tried" not in [finding.measured for finding in found]
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

    first, *rest = kernel.acts(asking())

    assert first.state == "fail"
    assert cause in first.fix
    assert command in first.fix
    assert {finding.measured for finding in rest[: len(ACTS) - 1]} == {"not tried"}
    assert {finding.state for finding in rest[len(ACTS) - 1 :]} == {"skipped"}
    assert {finding.measured for finding in rest[len(ACTS) - 1 :]} == {"not tried"}
    with pytest.raises(EnvironmentUnfit, match=ACTS[0]) as raised:
        fitness.require(STUB)
    assert raised.value.exit_code == 11
    assert command in str(raised.value)


def test_an_allowed_switch_is_no_cause(switches):
    switches["/proc/sys/user/max_user_namespaces"] = "96365"
    switches["/proc/sys/kernel/apparmor_restrict_unprivileged_userns"] = "0"
    switches["/proc/self/status"] = "Seccomp:\t0\n"

    assert list(kernel.causes()) == []
    assert "not built in" in kernel.remedy(ACTS[0])
    assert "apt install" in kernel.remedy(ACTS[-1])


@pytest.mark.parametrize("count", range(len(ACTS)))
def test_a_process_that_dies_without_a_word_is_a_refusal_of_its_next_act(monkeypatch, count):
    said = "".join(json.dumps({"act": act, "ok": True, "said": ""}) + "\n" for act in ACTS[:count])
    monkeypatch.setattr(kernel.subprocess, "run", lambda *_a, **_n: subprocess.CompletedProcess([], -9, said, "out"))

    states = [finding.state for finding in kernel.acts(asking())][: len(ACTS)]
    assert states == ["ok"] * count + ["fail"] * (len(ACTS) - count)


def test_a_refused_ability_refuses_no_lab(monkeypatch):
    told = [{"act": act, "ok": act != "netem", "said": "no such module"} for act in (*ACTS, *ABILITIES)]
    monkeypatch.setattr(kernel, "performed", lambda: told)

    found = {finding.id: finding for finding in kernel.acts(asking())}
    assert (found["netem"].state, found["netem"].measured) == ("skipped", "refused (no such module)")
    assert doctor.exit_code(list(found.values())) == 0


def test_namespace_limits_are_compared_with_what_the_topology_takes(switches):
    need = sizes.need(STUB)
    for kind in ("user", "pid", "ipc", "mnt", "uts", "net"):
        switches[f"/proc/sys/user/max_{kind}_namespaces"] = str(need.networks + 1)
    assert one(kernel.namespaces(asking())).state == "ok"

    switches["/proc/sys/user/max_net_namespaces"] = str(need.networks)
    found = one(kernel.namespaces(asking()))
    assert (found.state, found.fix) == ("fail", "sudo sysctl user.max_net_namespaces=15000")


def test_a_missing_program_fails_with_its_package(monkeypatch):
    monkeypatch.setattr(kernel.shutil, "which", lambda _name: None)

    found = {finding.id: finding for finding in kernel.programs(asking())}
    assert {finding.state for finding in found.values()} == {"fail"}
    assert "apt install hostname" in found["hostname"].fix
