"""`ringproof judge` of a file and of a bundle: what is printed, what is drawn, which code it ends with."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys

import pytest

from ringproof import judging
from ringproof.command import main
from ringproof.judging import judge_folders
from scenarios.checks import no_lost_writes
from scenarios.judge import judge_run
from tests.campaigns import leave
from tests.records import Story

VALID = """\
{:process 0, :type :invoke, :f :write, :value 1, :time 1000000, :index 0}
{:process 0, :type :ok, :f :write, :value 1, :time 2000000, :index 1}
{:process 1, :type :invoke, :f :read, :value nil, :time 3000000, :index 2}
{:process 1, :type :ok, :f :read, :value 1, :time 4000000, :index 3}
"""
STALE = VALID.replace(":f :read, :value 1", ":f :read, :value nil")


@pytest.fixture(autouse=True)
def apart(monkeypatch, tmp_path):
    """Runs are this test's own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("RINGPROOF_STATE", str(tmp_path / "state"))


@pytest.fixture
def written(tmp_path):
    def write(text, name="history.edn"):
        (tmp_path / name).write_text(text)
        return name

    return write


@pytest.mark.parametrize(
    ("text", "code", "said"),
    [
        (VALID, 0, "valid: register is a linearizable register per key"),
        (STALE, 1, "stale-read"),
        (VALID.split("\n", 2)[0] + "\n", 10, "vacuous"),
    ],
)
def test_a_history_is_judged_with_the_codes_of_a_bundle(written, capsys, text, code, said):
    assert main(["judge", written(text), "--model", "register"]) == code
    assert said in capsys.readouterr().out


def test_the_text_ends_with_the_drawing(written, capsys):
    assert main(["judge", written(STALE), "--model", "register"]) == 1

    *_, write, read, _ticks, first, second = capsys.readouterr().out.splitlines()
    assert write.startswith("process 0  |-1 write 1 ok")
    assert read.startswith("process 1  ")
    assert (first, second) == ("  1 write 1, ok, 0 to +1.0 ms", "  2 read -> null, ok, +2.0 ms to +3.0 ms")


def test_json_is_the_whole_result(written, capsys):
    assert (
        main(["judge", written(STALE.replace("write, :value 1", "write, :value :a")), "--model", "register", "--json"])
        == 1
    )

    result = json.loads(capsys.readouterr().out)
    assert (result["check"], result["verdict"], result["truncated"]) == ("linearizable", "invalid", None)
    assert result["names"] == {":a": 0}
    assert len(result["findings"][0]["operations"]) == 2


def test_the_first_value_keys_and_what_was_cut_off_are_heeded(written, capsys):
    keyed = VALID.replace(":value nil", ":value [7 nil]").replace(":value 1", ":value [7 1]")
    assert main(["judge", written(keyed), "--model", "cas-register", "--keyed", "--seconds", "5"]) == 0
    only_read = VALID.split("\n", 2)[2]
    assert main(["judge", written(only_read), "--model", "register", "--initial", "1"]) == 0
    assert main(["judge", written(only_read), "--model", "register", "--initial", "2"]) == 1
    capsys.readouterr()
    assert main(["judge", written(VALID + "{:process 2, :ty"), "--model", "register"]) == 0
    assert "history.edn:5: the file ends within this line" in capsys.readouterr().out


def test_names_are_explained_beside_a_finding(written, capsys):
    assert main(["judge", written(STALE.replace("write, :value 1", "write, :value :a")), "--model", "register"]) == 1
    assert "values by number: 0 is :a" in capsys.readouterr().out


def test_what_cannot_be_judged_is_one_sentence(written, tmp_path, capsys):
    bundle = tmp_path / "runs" / "r"
    (bundle / "scenarios").mkdir(parents=True)
    for arguments, said in [
        ([written(VALID), "--model", "regster"], "no model is called regster; did you mean register"),
        ([written(VALID)], "history.edn is one history: say of what, with --model register, cas-register,"),
        ([str(bundle), "--model", "register"], "is a bundle, its checks are in it: judge it without --model"),
        ([str(bundle), "--keyed"], "is a bundle"),
        (["nowhere.edn", "--model", "set"], "nowhere.edn: cannot be read (No such file or directory)"),
        ([written(VALID.replace(":ok", ":done"), "odd.edn"), "--model", "register"], ":2: :type done is none of"),
        ([written(VALID), "--model", "counter", "--initial", ":a"], "--initial: :a is no whole number"),
    ]:
        assert main(["judge", *arguments]) == 4
        stderr = capsys.readouterr().err
        assert stderr.startswith("ringproof: ")
        assert said in stderr
        assert stderr.count("\n") == 1


def test_the_command_as_a_process(written):
    command = [sys.executable, "-m", "ringproof.command", "judge", written(STALE), "--model", "register"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=os.environ | {"PYTHONPATH": ROOT})

    assert (done.returncode, done.stderr) == (1, "")
    assert done.stdout.startswith("invalid: register is a linearizable register per key\n")


ROOT = os.path.dirname(os.path.dirname(os.path.abspath(judging.__file__)))  # noqa: PTH100, PTH120  as PYTHONPATH has it


def lossy(folder):
    """A scenario folder in which an acknowledged write is lost."""
    story = Story(id=folder.name)
    story.op("east-w", "ledger write", (1, 2), value=5)
    for dc in ("east", "west"):
        story.op(f"{dc}-r", "ledger read", (3, 4), out=[], stage="final")
    story.phase("only", 0).event("cleanup", 9, ok=True, detail="")
    return story.write(folder, [no_lost_writes()])


def test_a_broken_check_of_a_bundle_is_drawn_in_text_only(tmp_path, capsys):
    run = tmp_path / "runs" / "r"
    lossy(run / "scenarios" / "a-t")

    for bundle in (run / "scenarios" / "a-t", run):
        assert main(["judge", str(bundle)]) == 1
        text = capsys.readouterr().out
        assert "a-t, no acknowledged ledger write is lost: lost: the LOCAL_QUORUM read of bucket 1 in east" in text
        assert "east-w  |-1 write 5 ok" in text
        assert main(["judge", str(bundle), "--json"]) == 1
        assert json.loads(capsys.readouterr().out)["verdict"] == "invalid"


def make_run(folder):
    for number, outcome in enumerate(("valid", "invalid", "unknown", "valid")):
        facts = {"id": f"s{number}", "scenario": "s", "variant": "", "topology": "t", "promise": "p", "faults": []}
        leave(folder / "scenarios" / f"s{number}", facts, outcome)
    lossy(folder / "scenarios" / "s4")
    (folder / "scenarios" / "unreadable").mkdir()
    return folder


def verdicts(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("verdict.json"))}


@pytest.mark.parametrize("pool_bytes", [0, sys.maxsize])
def test_the_bytes_are_those_of_the_plain_judge_on_one_core_or_all(tmp_path, pool_bytes):
    plain = make_run(tmp_path / "plain")
    other = tmp_path / "other"
    shutil.copytree(plain, other)
    told = judge_run(plain)

    found = judge_folders(other, pool_bytes)

    assert verdicts(other) == verdicts(plain)
    assert len(verdicts(other)) == 7
    assert found.as_json() == told.as_json()


@pytest.mark.parametrize(("pool_bytes", "processes"), [(0, 2), (10_000_000, 0)])
def test_other_processes_are_only_started_for_much_history(tmp_path, monkeypatch, pool_bytes, processes):
    started = []
    real = judging.ProcessPoolExecutor
    monkeypatch.setattr(judging, "ProcessPoolExecutor", lambda jobs, *rest: started.append(jobs) or real(jobs, *rest))
    monkeypatch.setattr(judging.os, "sched_getaffinity", lambda _: {0, 1})
    judge_folders(make_run(tmp_path / "run"), pool_bytes)

    assert started == ([processes] if processes else [])
