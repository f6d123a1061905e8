"""What this machine has is measured, and compared with what a topology takes."""

import re
import resource
from types import SimpleNamespace

import pytest

from clusters.catalog import catalog, named
from clusters.fit import machine, places, sizes
from clusters.fit.finding import Asked
from tests.fit_fakes import STUB, asking, kernel_files, one  # noqa: F401  a fixture


@pytest.fixture
def alone(monkeypatch):
    """A processor and memory as large as the machine's: no control group limits them."""
    monkeypatch.setattr(machine.psutil, "virtual_memory", lambda: SimpleNamespace(available=64 * 10**9))
    monkeypatch.setattr(machine.os, "sched_getaffinity", lambda _pid: set(range(8)))


def crowded(hosts_per_zone=1, heap_mb=192):
    """stub-domains with another size."""
    facts = STUB.model_dump()
    for datacenter in facts["ring"]["datacenters"]:
        datacenter["hosts_per_zone"] = hosts_per_zone
    facts["ring"]["heap_mb"] = heap_mb
    return type(STUB).model_validate(facts)


def test_needs_grow_with_hosts_and_heap():
    six, twelve, wide = sizes.need(STUB), sizes.need(crowded(2)), sizes.need(crowded(heap_mb=1024))

    assert (six.hosts, six.processors, six.threads) == (6, 2, 920)
    assert six.memory_gb == pytest.approx(3.3, abs=0.02)
    assert "6 hosts x 0.45 (heap 192 MiB + 0.25)" in six.memory_told
    assert twelve.memory_gb - 0.6 == pytest.approx(2 * (six.memory_gb - 0.6))
    assert wide.memory_gb - six.memory_gb == pytest.approx(6 * 832 * 1.048576e-3)
    assert (twelve.processors, twelve.networks - six.networks) == (4, 6)
    assert sizes.largest([STUB, crowded(2), named("overlap")]).hosts == 12
    assert sizes.need(named("overlap")).hosts == 0


@pytest.mark.parametrize(("free", "state"), [(2.0, "fail"), (3.5, "warn"), (4.5, "ok")])
def test_memory_warns_at_four_fifths_and_fails_below_the_need(monkeypatch, switches, free, state):
    monkeypatch.setattr(machine.psutil, "virtual_memory", lambda: SimpleNamespace(available=int(free * 1e9)))

    found = one(machine.memory(asking()))
    assert (found.state, found.measured) == (state, f"{free} GB available")
    assert bool(found.fix) is (state != "ok")


def test_a_smaller_topology_is_offered_where_it_fits(monkeypatch, switches):
    monkeypatch.setattr(machine.psutil, "virtual_memory", lambda: SimpleNamespace(available=5 * 10**9))
    found = one(machine.memory(Asked((crowded(3),))))

    assert found.state == "fail"
    offered = re.search(r"--topology (\S+);", found.fix.replace(",", ";"))
    assert offered is not None
    assert sizes.need(catalog()[offered[1]]).memory_gb < 5


@pytest.mark.parametrize(
    ("line", "folder", "most", "used"),
    [
        ("0::/box/inner", "/sys/fs/cgroup/box", "memory.max", "memory.current"),
        ("0::/seen/only/outside", "/sys/fs/cgroup", "memory.max", "memory.current"),
        ("4:memory:/box", "/sys/fs/cgroup/memory/box", "memory.limit_in_bytes", "memory.usage_in_bytes"),
    ],
)
def test_memory_is_what_the_control_group_leaves(alone, switches, line, folder, most, used):
    switches["/proc/self/cgroup"] = f"9:name=systemd:/\n{line}\n"
    switches[f"{folder}/{most}"], switches[f"{folder}/{used}"] = str(3 * 10**9), str(2 * 10**9)
    switches[f"{folder}/memory.stat"] = "anon 5\ninactive_file 500000000\n"

    found = one(machine.memory(asking()))
    assert (found.state, found.measured) == ("fail", "1.5 GB available in this control group")
    assert "docker run --memory 4g" in found.fix
    switches[f"{folder}/{most}"] = "max"
    assert one(machine.memory(asking())).state == "ok"


@pytest.mark.parametrize(
    "texts",
    [
        {"/proc/self/cgroup": "0::/", "/sys/fs/cgroup/cpu.max": "150000 100000"},
        {
            "/proc/self/cgroup": "1:cpu,cpuacct:/b",
            "/sys/fs/cgroup/cpu/b/cpu.cfs_quota_us": "150000",
            "/sys/fs/cgroup/cpu/b/cpu.cfs_period_us": "100000",
            "/sys/fs/cgroup/cpu/cpu.cfs_quota_us": "-1",
            "/sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000",
        },
    ],
)
def test_processors_are_what_the_quota_grants(alone, switches, texts):
    assert one(machine.processors(asking())).measured == "8"
    switches.update(texts)

    found = one(machine.processors(asking()))
    assert (found.state, found.measured) == ("warn", "1.5")
    assert "24 s = 6 hosts x 6 CPU s / 1.5" in found.fix


def test_python_must_be_new_enough(monkeypatch):
    assert one(machine.python(asking())).state == "ok"
    monkeypatch.setattr(machine.sys, "version_info", (3, 10, 9))
    assert one(machine.python(asking())).state == "fail"


def test_few_threads_files_and_mappings_are_warnings_with_the_command(monkeypatch, switches):
    monkeypatch.setattr(machine.os, "geteuid", lambda: 1000)
    monkeypatch.setattr(machine.resource, "getrlimit", lambda _what: (500, 500))
    switches["/proc/sys/vm/max_map_count"] = "1000"

    found = [one(ask(asking())) for ask in (machine.threads, machine.files, machine.mappings)]
    assert [finding.state for finding in found] == ["warn"] * 3
    assert [finding.fix.split()[0] for finding in found] == ["ulimit", "sudo", "sudo"]

    monkeypatch.setattr(machine.resource, "getrlimit", lambda _what: (resource.RLIM_INFINITY,) * 2)
    switches["/proc/sys/vm/max_map_count"] = "65530"
    assert {one(ask(asking())).state for ask in (machine.threads, machine.files, machine.mappings)} == {"ok"}
    switches["/proc/self/cgroup"] = "0::/box"
    switches["/sys/fs/cgroup/box/pids.max"] = "300"
    assert one(machine.threads(asking())).measured == "300"


def test_inotify_and_control_groups_matter_beside_a_lab_alone(switches):
    switches["/proc/sys/fs/inotify/max_user_instances"] = "128"
    switches["/proc/sys/fs/inotify/max_user_watches"] = "524288"

    assert {one(ask(asking())).state for ask in (machine.inotify, machine.control_groups)} == {"skipped"}
    found = one(machine.inotify(asking("kind")))
    assert (found.state, found.fix) == ("warn", "sudo sysctl fs.inotify.max_user_instances=512")
    assert one(machine.control_groups(asking("kind"))).state == "warn"
    switches["/sys/fs/cgroup/cgroup.controllers"] = "cpu memory pids"
    assert one(machine.control_groups(asking("kind"))).state == "ok"


def test_a_clock_that_is_slow_warns_and_one_that_goes_back_fails(monkeypatch, switches):
    switches[f"{machine.CLOCKS}/current_clocksource"] = "hpet"
    switches[f"{machine.CLOCKS}/available_clocksource"] = "tsc hpet acpi_pm"
    found = one(machine.clock(asking()))
    assert (found.state, found.fix.startswith("echo tsc | sudo tee")) == ("warn", True)

    switches[f"{machine.CLOCKS}/current_clocksource"] = "tsc"
    assert one(machine.clock(asking())).state == "ok"
    times = iter([*range(machine.CLOCK_READINGS - 1), 5])
    monkeypatch.setattr(machine.time, "monotonic_ns", lambda: next(times))
    assert one(machine.clock(asking())).state == "fail"


def test_routes_that_meet_a_range_disturb_all_but_a_lab(switches):
    head = "Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\n"
    default = "eth0\t00000000\t010200C0\t0003\t0\t0\t0\t00000000\n"
    near, tunnel = "eth0\t000200C0\t0\t1\t0\t0\t0\t00FFFFFF\n", "tun0\t0000C80A\t0\t1\t0\t0\t0\t00FCFFFF\n"
    switches[places.ROUTES] = head + default + near

    assert [str(route) for route in places.host_routes()] == ["192.0.2.0/24"]
    assert one(places.routes(asking("existing"))).state == "ok"
    switches[places.ROUTES] += tunnel
    found = one(places.routes(asking("existing")))
    assert found.state == "warn"
    assert "10.200.0.0/22 meets east pods 10.200.0.0/16" in found.measured
    assert one(places.routes(asking())).state == "ok"
    assert "10.200.0.0/22 meets" in one(places.routes(asking())).measured


def test_an_unsound_plan_fails_with_the_words_of_plan():
    found = one(places.plans(Asked((named("overlap"),))))

    assert found.state == "fail"
    assert "RP-PLAN-001" in found.measured
    assert found.fix == "ringproof plan overlap"
    assert one(places.plans(asking())).state == "ok"


def test_ipv6_is_told_and_changes_nothing(switches):
    assert one(machine.ipv6(asking())).measured == "not built in"
    switches["/proc/sys/net/ipv6/conf/all/disable_ipv6"] = "1"
    assert (one(machine.ipv6(asking())).state, one(machine.ipv6(asking())).measured) == ("skipped", "disabled")
