"""The command line: names, exit codes, one sentence per refusal and never a trace for an expected one."""

import json
import os
import subprocess
import sys

import pytest

from clusters.errors import ProvisionFailed
from ringproof import command
from ringproof.command import main
from tests.campaigns import leave


@pytest.fixture(autouse=True)
def apart(monkeypatch, tmp_path):
    """Runs and the registry of labs are this test's own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("RINGPROOF_STATE", str(tmp_path / "state"))


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["run", "chnge"], "no profile is called chnge; did you mean change?"),
        (["run", "--scenario", "zone-los"], "no scenario is called zone-los; did you mean zone-loss"),
        (["run", "--topology", "stub-domain"], "stub-domains"),
        (["run", "--topology", "overlap"], "10.200.0.0/16"),
        (["run", "--provider", "cloud"], "no provider is called cloud; known: lab"),
        (["run", "--seed", "seven"], "--seed"),
        (["run", "--on", "it"], "no ring is up"),
        (["up", "overlap"], "10.200.0.0/16"),
        (["up", "stub-domains", "--expires", "soon"], "no duration"),
        (["down"], "no ring is up"),
        (["shell", "east-a-0"], "no ring is up"),
        (["plan", "overlp"], "overlap"),
        (["plan"], "say which"),
        (["judge", "nowhere"], "no scenario folder"),
        (["fetch", "5.0.1"], "5.0.9"),
        (["report", "path"], "there is no run"),
        (["lst"], "lst"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_what_does_not_exist_is_one_sentence_and_exit_4(arguments, said, capsys):
    assert main(arguments) == 4

    stderr = capsys.readouterr().err
    assert stderr.startswith("ringproof: ")
    assert said in stderr
    assert "Traceback" not in stderr


def test_malformed_yaml_is_refused_by_line(tmp_path, capsys):
    (tmp_path / "odd.yaml").write_text("name: odd\nclusters:\n  - name: east\n    node_range: 10.0.0.0/33\n")

    assert main(["plan", "odd.yaml"]) == 4
    assert "odd.yaml:4:" in capsys.readouterr().err.replace(", line ", ":")


def test_list_names_scenarios_topologies_and_profiles(capsys):
    assert main(["list"]) == 0

    told = capsys.readouterr().out
    assert [name for name in ("zone-loss", "frozen", "stub-domains", "nightly") if name not in told] == []


def test_plan_is_drawn_or_json_and_ends_with_4_when_not_sound(capsys):
    assert main(["plan", "stub-domains"]) == 0
    assert "sound" in capsys.readouterr().out
    assert main(["plan", "overlap", "--json"]) == 4
    assert json.loads(capsys.readouterr().out)["sound"] is False
    assert main(["plan", "--schema"]) == 0
    assert "properties" in json.loads(capsys.readouterr().out)


def run_folder(tmp_path, outcome):
    facts = {"id": "a-t", "scenario": "a", "variant": "", "topology": "t", "promise": "It holds.", "faults": []}
    leave(tmp_path / "runs" / "r" / "scenarios" / "a-t", facts, outcome)
    return tmp_path / "runs" / "r"


@pytest.mark.parametrize(("outcome", "code"), [("valid", 0), ("invalid", 1), ("unknown", 10), ("unclean", 13)])
def test_a_bundle_is_judged_again_with_the_same_codes(tmp_path, capsysbinary, outcome, code):
    folder = run_folder(tmp_path, outcome)

    assert main(["judge", str(folder)]) == code
    assert main(["judge", str(folder / "scenarios" / "a-t")]) == code
    capsysbinary.readouterr()
    assert main(["judge", str(folder), "--json"]) == code
    assert capsysbinary.readouterr().out == (folder / "verdict.json").read_bytes()


def test_the_report_of_the_newest_run_is_written_and_its_path_printed(tmp_path, capsys):
    folder = run_folder(tmp_path, "valid")
    (folder / "run.json").write_text("{}")

    assert main(["report", "path"]) == 0
    assert capsys.readouterr().out.strip() == str(folder / "report.html")
    assert (folder / "report.html").stat().st_size > 1000


def test_sweep_says_what_it_did_and_leaves_the_rest_alone(capsys):
    assert main(["sweep"]) == 0
    assert "swept: 0;" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("error", "code", "traced"),
    [
        (ProvisionFailed("the ring did not form"), 12, False),
        (KeyboardInterrupt(), 2, False),
        (ZeroDivisionError(), 3, True),
    ],
)
def test_only_a_defect_of_the_suite_shows_a_trace(monkeypatch, capsys, error, code, traced):
    def fails(**_named):
        raise error

    monkeypatch.setattr(command, "app", fails)

    assert main([]) == code
    assert ("Traceback" in capsys.readouterr().err) is traced


def test_help_loads_nothing_heavy():
    heavy = ("cassandra", "pydantic", "pyroute2", "jinja2", "psutil")
    program = f"""
import sys
from ringproof.command import main
main(["--help"])
print([name for name in {heavy} if name in sys.modules])
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, env=os.environ)

    assert done.stdout.splitlines()[-1] == "[]"
