"""The demo: a recorded run is judged from its files alone, small, and without anything that names its machine."""

import io
import json
import re
import shutil
import tarfile
from pathlib import Path

import pytest
from rich.console import Console

from clusters import fitness
from clusters.errors import EnvironmentUnfit
from clusters.fit.finding import Check
from ringproof import demo as module
from ringproof.command import main
from ringproof.demo import RECORDED, demo, someone_looks, unpack

RUN = "20261125T113323Z-zxwb"
FOLDER_OF_A_MACHINE = re.compile(rb"(?<![\w.:/<>*)])/(?:[\w.-]+/)+[\w.-]+|[A-Z]:\\\\|[\w.-]+@[\w-]+\.[a-z]{2,}")


@pytest.fixture(autouse=True)
def apart(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def out():
    return Console(width=100, file=io.StringIO())


def test_the_demo_judges_both_as_recorded_and_names_its_report(capsys):
    assert main(["demo"]) == 0

    folder = Path("runs/demo") / RUN
    told = json.loads((folder / "verdict.json").read_text())
    verdicts = {row["id"]: row["verdict"] for row in told["scenarios"]}
    assert verdicts == {"reschedule-stub-domains": "valid", "reschedule-shared-suffix": "invalid"}
    assert "It did not hold." in (folder / "report.html").read_text()
    text = capsys.readouterr().out
    assert "judged from its files and drawn in" in text
    assert str((folder / "report.html").resolve()) in text.replace("\n", "")


def test_nothing_is_judged_beforehand_and_what_was_left_out_is_said():
    with tarfile.open(RECORDED) as archive:
        names = archive.getnames()
        facts = json.load(archive.extractfile(f"{RUN}/recorded.json"))

    assert [name for name in names if name.endswith(("verdict.json", ".html", ".xml"))] == []
    assert sum("/history/" in name and name.endswith(".jsonl") for name in names) == 4
    assert facts["left_out"]


def test_the_recording_is_below_a_megabyte_and_names_no_machine_and_nobody():
    assert RECORDED.stat().st_size < 1_000_000
    with tarfile.open(RECORDED) as archive:
        for member in archive.getmembers():
            assert (member.uid, member.gid, member.uname, member.gname) == (0, 0, "", ""), member.name
            assert FOLDER_OF_A_MACHINE.findall(archive.extractfile(member).read()) == [], member.name
        told = json.load(archive.extractfile(f"{RUN}/run.json"))
    assert set(told["host"]) == {"machine", "cores", "memory_gb", "privileged", "ci"}


@pytest.mark.parametrize(
    "text", [b'"/' + b'home/ann/x"', b"from /" + b"root/.cache/y", b"ann@example.org", b"at /Users/ann/z"]
)
def test_the_scan_finds_folders_and_people(text):
    assert FOLDER_OF_A_MACHINE.search(text)


def test_a_second_demo_starts_from_the_recording_again(out):
    run = demo(out)
    (run / "scenarios" / "reschedule-stub-domains" / "checks.json").write_text("[]")
    (run / "scenarios" / "stray").mkdir()

    assert demo(out) == run
    assert not (run / "scenarios" / "stray").exists()


def test_a_verdict_that_is_not_the_recorded_one_is_no_success(out, monkeypatch):
    monkeypatch.setattr(module, "told", lambda run: {"run": RUN, "verdicts": {"reschedule-stub-domains": "invalid"}})
    with pytest.raises(EnvironmentUnfit, match=r"stub-domains is valid, was invalid.*install ringproof again"):
        demo(out)


def test_a_torn_recording_is_named(tmp_path):
    torn = tmp_path / "torn.tar.gz"
    shutil.copy(RECORDED, torn)
    torn.write_bytes(torn.read_bytes()[:50_000])
    with pytest.raises(EnvironmentUnfit, match=r"cannot be unpacked.*install ringproof again"):
        unpack(tmp_path / "to", torn)


def test_a_browser_is_opened_for_a_person_only(out, monkeypatch):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    monkeypatch.setenv("DISPLAY", ":0")
    assert someone_looks(Console(file=Terminal()))
    assert not someone_looks(out)
    monkeypatch.setattr(module.sys, "platform", "linux")
    monkeypatch.delenv("DISPLAY")
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    assert not someone_looks(Console(file=Terminal()))


def test_a_refused_run_points_to_the_demo_and_so_does_the_doctor(monkeypatch, capsys):
    def broken(_asked):
        raise OSError("no namespaces")

    monkeypatch.setattr(fitness, "CHECKS", (Check("bent", broken, "disk"),))

    assert main(["run", "smoke"]) == 11
    assert capsys.readouterr().err.endswith(f"\n{fitness.DEMO}\n")
    assert main(["doctor"]) == 11
    assert capsys.readouterr().out.endswith(f"\n{fitness.DEMO}\n")
