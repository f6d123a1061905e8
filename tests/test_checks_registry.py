"""Checks as data: builders, ids, and a judgement that can never pass by breaking."""

from __future__ import annotations

import inspect
import json

import pytest

import scenarios.checks
from scenarios.checks import CheckData, check, no_lost_writes, refused, run_check, served
from scenarios.checks.registry import FINDINGS_KEPT, conclude
from scenarios.verdict import Finding, Verdict, canonical, merge
from tests.records import Story


@check("raises", ident="a check with a defect")
def raises(record):
    """Judge nothing, badly."""
    raise ZeroDivisionError("by nought")


@check("many", ident="many findings")
def many(record, count):
    """Find `count` things."""
    return conclude([Finding("thing", "somebody", f"thing {n}") for n in range(count)], (), 1, ("", ""))


def test_a_check_that_raises_is_unknown_and_named():
    result = Story().judge(raises())

    assert (result.verdict, result.check, result.id) == ("unknown", "raises", "a check with a defect")
    assert "ZeroDivisionError: by nought" in result.explain


@pytest.mark.parametrize(
    "data",
    [
        CheckData("no such check", 1, "x", {}),
        CheckData("no_lost_writes", 99, "from the future", {}),
        CheckData("no_lost_writes", 1, "wrong parameters", {"colour": "red"}),
    ],
)
def test_a_check_that_is_not_known_here_is_unknown(data):
    result = run_check(data, Story().record())

    assert (result.verdict, result.id) == ("unknown", data.id)


def test_a_builder_gives_data_with_every_parameter_said():
    data = refused("QUORUM", "F1", kinds=("read", "write"))

    assert data.as_json() == {
        "check": "refused",
        "version": 1,
        "id": "refused QUORUM in F1 (kinds read write)",
        "params": {
            "consistency": "QUORUM",
            "window": "F1",
            "workload": "probe",
            "datacenter": None,
            "kinds": ["read", "write"],
        },
    }
    assert CheckData.from_json(json.loads(json.dumps(data.as_json()))) == data
    assert data.named("cut holds").id == "cut holds"


def test_extra_selections_travel_as_plain_parameters():
    data = served("east", "LOCAL_QUORUM", minimum=5, workload="ledger")

    assert data.params == {
        "datacenter": "east",
        "consistency": "LOCAL_QUORUM",
        "excused": [],
        "minimum": 5,
        "workload": "ledger",
    }
    assert data.id == "LOCAL_QUORUM is served in east (workload ledger)"


@pytest.mark.parametrize("args", [{"stage": object()}, {"colour": "red"}, {"stage": {1, 2}}])
def test_parameters_that_are_no_json_are_refused_when_built(args):
    with pytest.raises(TypeError):
        no_lost_writes(**args)


def test_every_exported_builder_is_documented_and_hides_the_record():
    names = [name for name in scenarios.checks.__all__ if name[0].islower()]
    builders = [getattr(scenarios.checks, name) for name in names if name not in ("check", "excuse", "run_check")]

    assert len(builders) >= 20
    for builder in builders:
        assert builder.__doc__
        assert "record" not in inspect.signature(builder).parameters


def test_findings_are_cut_but_counted():
    result = Story().judge(many(FINDINGS_KEPT + 5))

    assert (len(result.findings), result.counts["findings"]) == (FINDINGS_KEPT, FINDINGS_KEPT + 5)
    assert result.explain == f"thing 0 (and {FINDINGS_KEPT + 4} more)"


@pytest.mark.parametrize(
    ("verdicts", "merged"),
    [
        ((), "vacuous"),
        (("valid", "valid"), "valid"),
        (("valid", "vacuous"), "vacuous"),
        (("vacuous", "unknown", "valid"), "unknown"),
        (("unknown", "invalid", "vacuous"), "invalid"),
    ],
)
def test_the_worst_verdict_wins(verdicts, merged):
    assert merge(map(Verdict, verdicts)) == merged


def test_canonical_bytes_round_sort_and_drop_what_json_cannot_say():
    told = canonical({"b": 1 / 3, "a": float("inf"), "c": (Verdict.VALID, 0.1 + 0.2), "d": {2: "é"}})

    assert json.loads(told) == {"a": None, "b": 0.333, "c": ["valid", 0.3], "d": {"2": "é"}}
    assert told.index(b'"a"') < told.index(b'"b"')
    assert told.endswith(b"}\n")
