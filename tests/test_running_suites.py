"""Suites under pytest: what is collected, what an outcome becomes, and with which code a session ends."""

import json
import re

import pytest

pytest_plugins = ["pytester"]

CONFTEST = """
import pytest
from tests.campaigns import made_up as _made_up, MadeUpStanding
from fixtures import conducting

conducting.require = lambda: None

@pytest.fixture(autouse=True)
def outcomes(_made_up):
    _made_up.update({"zone-loss": "invalid", "partition": "unknown", "dns-failure": "vacuous"})

made_up = pytest.fixture(scope="session")(lambda: None)
"""
SUITE = """
import pytest
from scenarios.{module} import {module}

@pytest.mark.scenario("{name}")
def test_{module}(conduct, topology, variant):
    assert conduct({module}, variant).ok
"""
HOLDING = """

def hold(standing, source, expires, said):
    from pathlib import Path
    Path("held").write_text(standing.topology.name)

conducting.holding.keep = hold
"""
MODULES = {
    "baseline": "baseline",
    "reschedule": "reschedule",
    "zone_loss": "zone-loss",
    "partition": "partition",
    "dns_failure": "dns-failure",
    "overlap": "overlap",
}


@pytest.fixture
def suites(pytester, monkeypatch, request):
    monkeypatch.setenv("PYTHONPATH", str(request.config.rootpath))
    monkeypatch.setenv("RINGPROOF_CACHE", str(pytester.path / "cache"))
    pytester.makeconftest(CONFTEST)
    for module, name in MODULES.items():
        pytester.makepyfile(**{f"test_{module}": SUITE.format(module=module, name=name)})
    return pytester


def collected(pytester, *arguments):
    lines = pytester.runpytest_subprocess("--collect-only", "-q", *arguments).outlines
    return [line.partition("::")[2] for line in lines if "::" in line]


def test_change_is_collected_in_the_order_of_the_profile(suites):
    assert collected(suites) == [
        "test_overlap[overlap]",
        "test_baseline[stub-domains]",
        "test_zone_loss[stub-domains-frozen]",
        "test_reschedule[stub-domains]",
        "test_partition[shared-suffix-both-ways]",
        "test_dns_failure[shared-suffix-servfail]",
    ]


def test_smoke_is_the_smoke_profile_by_mark_and_by_name(suites):
    expected = ["test_baseline[stub-domains]", "test_reschedule[stub-domains]"]

    assert collected(suites, "-m", "smoke") == expected
    assert collected(suites, "--profile", "smoke") == expected


def test_topology_takes_every_scenario_of_the_profile_there(suites):
    found = collected(suites, "--topology", "shared-suffix")

    assert "test_zone_loss[shared-suffix-frozen]" in found
    assert not any("stub-domains" in test for test in found)


def test_an_unknown_profile_is_a_usage_error_with_the_nearest_name(suites):
    result = suites.runpytest_subprocess("--profile", "nightli")

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*did you mean nightly?*"])


@pytest.mark.parametrize(
    ("chosen", "code"),
    [
        ("baseline or reschedule or overlap", 0),
        ("baseline or partition", 10),
        ("partition or dns", 10),
        ("zone_loss or partition", 1),
    ],
)
def test_a_session_ends_with_the_code_of_its_worst_outcome(suites, chosen, code):
    assert suites.runpytest_subprocess("-k", chosen, "--seed=7").ret == code


def test_an_outcome_is_one_paragraph_and_the_bundle_is_whole(suites):
    result = suites.runpytest_subprocess("-k", "baseline or zone_loss or partition", "--bundle=left", "-rA")

    result.assert_outcomes(passed=1, failed=2)
    assert "AssertionError: zone-loss-frozen-stub-domains is invalid: Agreement after 9.0 s" in result.stdout.str()
    assert "Inconclusive: partition-both-ways-shared-suffix is unknown" in result.stdout.str()
    folder = suites.path / "left"
    facts = json.loads((folder / "run.json").read_text())
    assert facts["exit_code"] == 1
    assert facts["ended"]
    rows = json.loads((folder / "verdict.json").read_text())["scenarios"]
    assert [row["verdict"] for row in rows] == ["valid", "unknown", "invalid"]
    assert (folder / "report.html").exists()
    assert (folder / "junit.xml").exists()


def test_workers_write_into_one_bundle(suites):
    result = suites.runpytest_subprocess("-n2", "-k", "baseline or reschedule or overlap", "--bundle=left")

    result.assert_outcomes(passed=3)
    assert result.ret == 0
    names = {path.name for path in (suites.path / "left").iterdir()}
    assert {"run.json", "verdict.json", "report.html"} <= names
    # which of the two depends on how much room the machine has for two topologies at once
    assert names & {"events-gw0.jsonl", "events-gw1.jsonl"}
    assert len(json.loads((suites.path / "left" / "verdict.json").read_text())["scenarios"]) == 3


def test_a_session_that_conducts_nothing_leaves_nothing(suites):
    suites.makepyfile(test_plain="def test_plain(): pass")

    suites.runpytest_subprocess("test_plain.py").assert_outcomes(passed=1)

    assert not (suites.path / "runs").exists()


def test_on_kind_the_same_tests_run_on_the_places_that_stand_there_for_the_profiles(suites):
    assert collected(suites, "--provider", "kind", "-m", "smoke") == [
        "test_baseline[kind-host-gw]", "test_reschedule[kind-host-gw]"]  # fmt: skip
    assert "test_partition[kind-vxlan-both-ways]" in collected(suites, "--provider", "kind")


@pytest.mark.parametrize(
    ("chosen", "held"), [("baseline", []), ("baseline or zone_loss or partition", ["stub-domains"])]
)
def test_keep_failed_stops_at_the_first_failure_and_holds_its_ring(suites, chosen, held):
    with (suites.path / "conftest.py").open("a") as out:
        out.write(HOLDING)

    suites.runpytest_subprocess("--keep-failed", "-k", chosen, "--bundle=left")

    path = suites.path / "held"
    assert (path.read_text().split() if path.exists() else []) == held
    names = {path.name for path in (suites.path / "left" / "scenarios").iterdir()}
    assert not any(name.startswith("partition") for name in names)


@pytest.mark.parametrize("option", ["--keep", "--keep-failed"])
def test_keep_and_workers_do_not_go_together(suites, option):
    result = suites.runpytest_subprocess(option, "-n2")

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*run without -n*"])


def test_allure_and_github_say_what_the_bundle_says(suites, monkeypatch):
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(suites.path / "summary.md"))
    suites.makepyfile(test_harness="def test_harness(): raise OSError('no such lab')")

    result = suites.runpytest_subprocess("--bundle=left", "--alluredir=told")

    rows = json.loads((suites.path / "left" / "verdict.json").read_text())["scenarios"]
    stored = {row["id"]: row["verdict"] for row in rows}
    assert sorted(set(stored.values())) == ["invalid", "unknown", "vacuous", "valid"]
    told = [json.loads(file.read_text()) for file in (suites.path / "told").glob("*-result.json")]
    conducted = [one for one in told if any(label["name"] == "verdict" for label in one["labels"])]
    assert {bundle_of(one): labelled(one, "verdict") for one in conducted} == stored
    statuses = {"valid": "passed", "invalid": "failed", "unknown": "broken", "vacuous": "broken"}
    assert all(one["status"] == statuses[labelled(one, "verdict")] for one in conducted)
    assert len({one["historyId"] for one in told}) == len(told) == len(stored) + 1
    categories = json.loads((suites.path / "told" / "categories.json").read_text())
    for one in told:
        wanted = labelled(one, "verdict") or "broken"
        assert sorted_into(categories, one) == ([] if wanted == "valid" else [wanted])
    amiss = [word for word in stored.values() if word != "valid"]
    assert len([line for line in result.errlines if line.startswith("::error file=left/scenarios/")]) == len(amiss)
    assert (suites.path / "summary.md").read_text().startswith("## ✗ invalid")


def labelled(told, name):
    return next((label["value"] for label in told["labels"] if label["name"] == name), None)


def bundle_of(told):
    return next(link["url"] for link in told["links"] if link["name"] == "bundle").rpartition("/")[2]


def sorted_into(categories, told):
    message = told.get("statusDetails", {}).get("message", "")
    return [
        category["name"].partition(":")[0]
        for category in categories
        if told["status"] in category["matchedStatuses"] and re.fullmatch(category["messageRegex"], message)
    ]


@pytest.mark.parametrize(("option", "runs"), [((), 1), (("--no-trend",), 0)])
def test_a_session_adds_what_it_found_to_the_history_unless_told_not_to(suites, option, runs):
    suites.runpytest_subprocess("--bundle", "left", "-k", "baseline", *option)

    history = suites.path / "cache" / "trend.jsonl"
    lines = history.read_text().splitlines() if history.exists() else []
    assert [json.loads(line)["id"] for line in lines] == ["baseline-stub-domains"] * runs
    assert (suites.path / "left" / "trend.json").exists() is bool(runs)
