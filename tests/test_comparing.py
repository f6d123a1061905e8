"""Lab and kind judge one scenario alike: recorded verdict files of both, and what a comparison must notice."""

from __future__ import annotations

import copy
import json
from pathlib import Path

import pytest

from clusters.errors import UsageError
from ringproof.command import main
from scenarios.comparing import ABILITIES, MAY_DIFFER, differences, read_verdict

RECORDED = Path(__file__).parent / "data" / "compared"
SCENARIOS = sorted(path.name.removesuffix(".lab.json") for path in RECORDED.glob("*.lab.json"))


def pair(scenario):
    return tuple(read_verdict(RECORDED / f"{scenario}.{provider}.json") for provider in ("lab", "kind"))


def test_there_are_recorded_pairs():
    assert SCENARIOS


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_lab_and_kind_judge_a_scenario_alike(scenario):
    lab, kind = pair(scenario)

    assert [str(difference) for difference in differences(lab, kind)] == []
    assert lab["windows"] != kind["windows"] or not lab["windows"], "these are two runs"
    assert lab["seconds"] != kind["seconds"]


def changes():
    """Every field of a verdict file and of its entries, by path."""
    verdict = pair(SCENARIOS[0])[0]
    yield from ((name,) for name in verdict if name not in {"checks", "gates", "windows", "scenario", "variant"})
    for part in ("checks", "gates", "windows"):
        if verdict[part]:
            yield from ((part, 0, field) for field in verdict[part][0])


@pytest.mark.parametrize("path", list(changes()) if SCENARIOS else [], ids=lambda path: ".".join(map(str, path)))
def test_a_changed_field_is_a_difference_unless_it_is_listed(path):
    lab = pair(SCENARIOS[0])[0]
    changed = copy.deepcopy(lab)
    holder = changed
    for step in path[:-1]:
        holder = holder[step]
    holder[path[-1]] = "something else"
    listed = ".".join(str(step) for step in path if not isinstance(step, int)) in MAY_DIFFER

    found = list(differences(lab, changed))

    assert found == [] if listed else len(found) == 1


@pytest.mark.parametrize("part", ["checks", "gates"])
def test_a_check_or_gate_too_few_is_a_difference(part):
    lab = pair(SCENARIOS[0])[0]
    changed = copy.deepcopy(lab)
    changed[part].pop()

    assert f"{part}.length" in {difference.field for difference in differences(lab, changed)}


@pytest.mark.parametrize("check", ABILITIES)
def test_a_check_that_one_provider_alone_can_make_is_none(check):
    lab = pair(SCENARIOS[0])[0]
    more = copy.deepcopy(lab)
    more["checks"].insert(1, {**lab["checks"][0], "check": check})

    assert list(differences(lab, more)) == []


def test_the_command_says_what_differs(tmp_path, capsys):
    recorded = RECORDED / f"{SCENARIOS[0]}.lab.json"
    changed = read_verdict(recorded)
    changed["checks"][0]["limit"] = 12345
    (tmp_path / "verdict.json").write_text(json.dumps(changed))

    assert main(["compare", str(recorded), str(RECORDED / f"{SCENARIOS[0]}.kind.json")]) == 0
    assert "judged alike" in capsys.readouterr().out
    assert main(["compare", str(recorded), str(tmp_path)]) == 1
    assert "12345" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "not there"),
        ("{", "not a readable verdict"),
        ("{}", "not a verdict of a scenario"),
        ('{"scenario": "baseline", "checks": []}', "not a verdict of a scenario"),
    ],
)
def test_what_is_no_verdict_is_refused(tmp_path, content, said):
    if content is not None:
        (tmp_path / "verdict.json").write_text(content)

    with pytest.raises(UsageError, match=said):
        read_verdict(tmp_path)


def test_verdicts_of_two_scenarios_are_not_compared():
    lab = pair(SCENARIOS[0])[0]

    with pytest.raises(UsageError, match="different scenarios"):
        list(differences(lab, {**lab, "scenario": "another"}))
