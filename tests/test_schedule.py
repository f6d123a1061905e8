"""Each topology is set up once, whatever the number of workers; the canary for a private hook of xdist."""

import re

import pytest

from clusters.catalog import catalog
from fixtures.plugin import topology_ids
from fixtures.schedule import topology_of

pytest_plugins = ["pytester"]

SUITE = """
import os
import pytest

@pytest.fixture(scope="session")
def topology(request):
    with open("setups", "a") as file:
        file.write(f"{request.param} {os.environ['PYTEST_XDIST_WORKER']}\\n")
    return request.param

def pytest_generate_tests(metafunc):
    if "topology" in metafunc.fixturenames:
        metafunc.parametrize("topology", ["routed", "routed-overlay", "nat"], indirect=True, scope="session")

@pytest.mark.parametrize("variant", ["frozen", "killed", "cut"])
def test_zone(topology, variant, request):
    with open("seeds", "a") as file:
        file.write(f"{request.config.option.seed}\\n")

def test_dns(topology):
    pass
"""
ASKED = ("--topology=routed", "--topology=routed-overlay", "--topology=nat.yaml")


@pytest.mark.parametrize(
    ("nodeid", "expected"),
    [
        ("suites/a.py::test_zone[stub-domains-frozen]", "stub-domains"),
        ("suites/a.py::test_zone[stub-domains]", "stub-domains"),
        ("suites/a.py::test_zone[stub-frozen]", "stub"),
        ("suites/a.py::test_zone[stubborn]", None),
        ("suites/a.py::test_zone[frozen-stub]", None),
        ("suites/a.py::test_zone", None),
    ],
)
def test_topology_of(nodeid, expected):
    assert topology_of(nodeid, ["stub", "stub-domains"]) == expected


def test_every_topology_of_the_catalog_is_known(request):
    assert set(catalog()) == set(topology_ids(request.config)) != set()


def lines(pytester, name):
    return (pytester.path / name).read_text().splitlines()


def test_each_topology_is_set_up_once(pytester):
    pytester.makepyfile(SUITE)

    result = pytester.runpytest_subprocess("-n2", *ASKED)

    result.assert_outcomes(passed=12)
    setups = [line.split() for line in lines(pytester, "setups")]
    assert sorted(topology for topology, _ in setups) == ["nat", "routed", "routed-overlay"]
    assert {worker for _, worker in setups} == {"gw0", "gw1"}


def test_topologies_without_room_for_both_go_to_one_worker_and_that_is_said(pytester):
    pytester.makeconftest("from fixtures import schedule; schedule.free = lambda: schedule.Room(4.0, 8.0)")
    pytester.makepyfile(SUITE.replace('"routed", "routed-overlay", "nat"', '"stub-domains", "shared-suffix"'))

    result = pytester.runpytest_subprocess("-n2")

    result.assert_outcomes(passed=8)
    setups = [line.split() for line in lines(pytester, "setups")]
    assert [topology for topology, _ in setups] == ["stub-domains", "shared-suffix"]
    assert len({worker for _, worker in setups}) == 1
    result.stdout.fnmatch_lines(["*ringproof: one topology at a time instead of 2: 4.0 GB and 8 processors are free*"])


def test_without_our_scheduler_topologies_are_set_up_again(pytester):
    pytester.makepyfile(SUITE)

    pytester.runpytest_subprocess("-n2", "--dist=worksteal", *ASKED).assert_outcomes(passed=12)

    assert len(lines(pytester, "setups")) > 3


def test_one_seed_for_all_workers_and_it_is_printed(pytester):
    pytester.makepyfile(SUITE)

    result = pytester.runpytest_subprocess("-n2", *ASKED)

    printed = re.search(r"seed: (\d+)", result.stdout.str())
    assert printed is not None
    assert set(lines(pytester, "seeds")) == {printed[1]}


def test_a_given_seed_is_kept(pytester):
    pytester.makepyfile("def test_seed(request): assert request.config.option.seed == 7")

    pytester.runpytest_subprocess("--seed=7").assert_outcomes(passed=1)


def test_the_plugin_works_without_xdist(pytester):
    pytester.makepyfile("def test_nothing(): pass")

    pytester.runpytest_subprocess("-p", "no:xdist").assert_outcomes(passed=1)


def test_an_unknown_provider_is_refused(pytester):
    result = pytester.runpytest_subprocess("--provider=cloud")

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*--provider*cloud*"])
