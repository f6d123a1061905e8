"""The judge: three verdicts, the files it writes, and the same bytes everywhere."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tarfile
import time
from pathlib import Path

import pytest

from clusters.errors import BundleError
from scenarios.checks import append_log, monotonic_reads, nested, no_host_died, no_lost_writes, refused, served
from scenarios.judge import judge_any, judge_run, judge_scenario
from scenarios.verdict import Verdict
from tests.records import HOSTS, Story, write_lines

CHECKS = [no_lost_writes(), refused("QUORUM", "F1"), served("east", "LOCAL_QUORUM")]


def healthy(**facts):
    """A scenario with one proven fault, in which every promise held."""
    story = Story(**{"faults": ["F1"], **facts}).phase("baseline", 1)
    story.op("east-ledger-0", "ledger write", (2, 2.1), value=1)
    story.op("east-probe-0", "probe read", (3, 3.1))
    story.op("east-probe-1", "probe write", (13, 13.5), "info", cl="QUORUM", error=["WriteTimeout", "", "", ""])
    for dc in ("east", "west"):
        story.op(f"{dc}-ledger-9", "ledger read", (40, 41), out=[1], stage="final")
    story.fault("F1", 10, 11, 20, 21)
    return story.event("cleanup", 50, ok=True, detail="0 entries left in the journal")


def test_a_healthy_scenario_is_valid_in_all_three_parts(tmp_path):
    verdict = judge_scenario(healthy().write(tmp_path / "s", CHECKS))

    assert (verdict.verdict, verdict.ok) == (Verdict.VALID, True)
    told = json.loads((tmp_path / "s" / "verdict.json").read_text())
    assert [told[part] for part in ("verdict", "system", "evidence", "cleanup")] == ["valid"] * 4
    assert (told["id"], told["scenario"], told["variant"]) == ("zone-loss-frozen", "zone-loss", "frozen")
    assert told["windows"] == [
        {
            "id": "F1",
            "name": "fault F1",
            "inject": 10_000_000_000,
            "effective": 11_000_000_000,
            "recover": 20_000_000_000,
            "recovered": 21_000_000_000,
            "evidence": "3 of 3 probes unanswered",
        }
    ]
    assert [item["check"] for item in told["checks"]] == ["no_lost_writes", "refused", "served"]
    assert told["seconds"] == 49
    assert list((tmp_path / "s").glob(".verdict*")) == []


def test_judging_twice_gives_the_same_bytes(tmp_path):
    folder = healthy().write(tmp_path / "s", CHECKS)
    judge_scenario(folder)
    first = (folder / "verdict.json").read_bytes()
    judge_scenario(folder)

    assert (folder / "verdict.json").read_bytes() == first


@pytest.mark.parametrize(
    ("times", "evidence", "reason"),
    [
        ((), "seen", "F1 was declared but never injected"),
        ((10, None, 20, 21), "seen", "F1 did not bite"),
        ((10, 11, 20, 21), None, "F1 did not bite"),  # a claim without an observation
        ((10, 11), "seen", "F1 has no recorded 'recover'"),
        ((10, 11, 20), "seen", "F1 has no recorded 'recovered'"),
        ((10, 11, 9, 21), "seen", "F1 has its states out of order"),
    ],
)
def test_a_fault_without_a_whole_proven_life_is_unknown(tmp_path, times, evidence, reason):
    story = healthy()
    story.events = [event for event in story.events if event["event"] != "fault"]
    story.fault("F1", *times, evidence=evidence)

    verdict = judge_scenario(story.write(tmp_path / "s", [no_lost_writes()]))

    assert (verdict.system.verdict, verdict.evidence.verdict, verdict.verdict) == ("valid", "unknown", "unknown")
    assert reason in verdict.evidence.explain
    assert verdict.explain == verdict.evidence.explain


def test_a_fault_that_ended_in_error_is_unknown(tmp_path):
    story = healthy().event("fault", 22, id="F1", state="error", detail="route was not there")

    verdict = judge_scenario(story.write(tmp_path / "s", CHECKS))

    assert (verdict.evidence.verdict, "route was not there" in verdict.evidence.explain) == ("unknown", True)


def test_a_fault_that_nobody_declared_must_be_proven_too(tmp_path):
    verdict = judge_scenario(healthy(faults=[]).fault("F2", 30).write(tmp_path / "s", CHECKS))

    assert verdict.evidence.verdict is Verdict.UNKNOWN


def test_without_any_fault_the_evidence_is_valid(tmp_path):
    story = healthy(faults=[])
    story.events = [event for event in story.events if event["event"] != "fault"]

    assert judge_scenario(story.write(tmp_path / "s", [no_lost_writes()])).verdict is Verdict.VALID


@pytest.mark.parametrize(("ok", "verdict"), [(True, "valid"), (False, "invalid"), (None, "unknown")])
def test_the_clean_up_is_a_verdict_of_its_own(tmp_path, ok, verdict):
    story = healthy()
    story.events = [event for event in story.events if event["event"] != "cleanup"]
    if ok is not None:
        story.event("cleanup", 50, ok=ok, detail="2 routes left")

    judged = judge_scenario(story.write(tmp_path / "s", CHECKS))

    assert (judged.cleanup.verdict, judged.system.verdict, judged.verdict) == (verdict, "valid", verdict)


def test_an_invalid_check_decides_and_is_quoted(tmp_path):
    story = healthy()
    story.op("west-probe-0", "probe write", (13, 14), cl="QUORUM")

    verdict = judge_scenario(story.write(tmp_path / "s", CHECKS))

    assert (verdict.verdict, verdict.evidence.verdict) == ("invalid", "valid")
    assert verdict.explain.startswith("refused QUORUM in F1: west-probe-0")


def test_a_host_that_died_is_told_before_what_nobody_got_from_it(tmp_path):
    story = healthy()
    story.op("west-probe-0", "probe write", (13, 14), cl="QUORUM")
    story.see("log_line", 13, by="lab", pod="east-b-0", level="DEATH", reason="died", text="exit 137: last words")

    verdict = judge_scenario(story.write(tmp_path / "s", [*CHECKS, no_host_died()]))

    assert verdict.checks[0].check == "no_host_died"
    assert verdict.explain.startswith("no host died by itself: east-b-0 died by itself; its last lines: exit 137: last")


@pytest.mark.parametrize(("checks", "verdict"), [([], "vacuous"), ([monotonic_reads()], "vacuous")])
def test_nothing_judged_is_vacuous(tmp_path, checks, verdict):
    assert judge_scenario(healthy().write(tmp_path / "s", checks)).verdict == verdict


def test_a_scenario_that_stopped_before_its_checks_is_unknown(tmp_path):
    folder = healthy().write(tmp_path / "s", CHECKS)
    (folder / "checks.json").unlink()

    verdict = judge_scenario(folder)

    assert (verdict.system.verdict, "checks.json" in verdict.system.explain) == ("unknown", True)


@pytest.mark.parametrize("broken", ["history/east-probe-0.jsonl", "events.jsonl"])
def test_an_unreadable_file_makes_what_rests_on_it_unknown(tmp_path, broken):
    folder = healthy().write(tmp_path / "s", CHECKS)
    text = (folder / broken).read_text().splitlines(keepends=True)
    (folder / broken).write_text("".join([text[0], "{garbage\n", *text[1:]]))

    verdict = judge_scenario(folder)

    assert verdict.verdict is Verdict.UNKNOWN
    assert f"{broken}:2" in verdict.explain
    assert str(tmp_path) not in (folder / "verdict.json").read_text()


def test_files_of_two_boots_are_not_judged_together(tmp_path):
    folder = healthy().write(tmp_path / "s", CHECKS)
    write_lines(folder / "events.jsonl", healthy().events, boot="another")

    assert judge_scenario(folder).verdict is Verdict.UNKNOWN


def test_a_torn_history_is_judged(tmp_path):
    folder = healthy().write(tmp_path / "s", CHECKS)
    with (folder / "history" / "east-probe-0.jsonl").open("a") as segment:
        segment.write('{"type": "inv')

    assert judge_scenario(folder).verdict is Verdict.VALID


def test_many_indeterminate_operations_are_shown_as_a_gate_and_change_no_verdict(tmp_path):
    verdict = judge_scenario(healthy().write(tmp_path / "s", CHECKS))

    shares = [item for item in verdict.gates if item["gate"] == "indeterminate share"]
    gates = {item["subject"]: (item["measured"], item["passed"]) for item in shares}
    assert gates == {"ledger": (0, True), "probe": (0.5, False)}
    assert verdict.verdict is Verdict.VALID


def forced():
    """A nested run on overlapping ranges, in which the wrong pod answered."""
    story = healthy()
    story.op("west-probe-0", "probe write", (13, 14), cl="QUORUM")
    return story


def test_a_nested_folder_is_judged_itself_and_never_merged(tmp_path):
    folder = healthy().write(tmp_path / "s", [nested("forced", "invalid", "served-in-cut"), no_lost_writes()])
    inner = forced().write(folder / "nested" / "forced", CHECKS)
    (inner / "verdict.json").write_text('{"verdict": "valid"}')  # a forged verdict is not believed

    verdict = judge_scenario(folder)

    assert (verdict.verdict, verdict.nested["forced"].verdict) == ("valid", "invalid")
    assert json.loads((inner / "verdict.json").read_text())["verdict"] == "invalid"


@pytest.mark.parametrize(
    ("check", "verdict", "anomaly"),
    [
        (nested("forced", "valid"), "invalid", "nested-verdict"),
        (nested("forced", "invalid", "wrong-identity"), "invalid", "nested-unnoticed"),
        (nested("missing", "invalid"), "vacuous", None),
    ],
)
def test_a_nested_folder_that_is_not_as_expected(tmp_path, check, verdict, anomaly):
    folder = healthy().write(tmp_path / "s", [check])
    forced().write(folder / "nested" / "forced", CHECKS)

    judged = judge_scenario(folder)

    assert judged.system.verdict == verdict
    assert [finding.anomaly for finding in judged.checks[0].findings] == ([anomaly] if anomaly else [])


def run_folder(tmp_path):
    healthy(id="good").write(tmp_path / "run" / "scenarios" / "good", CHECKS)
    forced().write(tmp_path / "run" / "scenarios" / "bad", CHECKS)
    return tmp_path / "run"


def test_a_run_merges_its_scenarios(tmp_path):
    verdict = judge_run(run_folder(tmp_path))

    assert verdict.verdict is Verdict.INVALID
    told = json.loads((tmp_path / "run" / "verdict.json").read_text())
    assert [(row["folder"], row["verdict"]) for row in told["scenarios"]] == [("bad", "invalid"), ("good", "valid")]
    assert (told["verdict"], told["evidence"], told["scenarios"][1]["id"]) == ("invalid", "valid", "good")


def test_a_scenario_of_a_run_that_cannot_be_read_is_unknown_and_hides_no_other(tmp_path):
    folder = run_folder(tmp_path)
    shutil.rmtree(folder / "scenarios" / "bad")
    broken = folder / "scenarios" / "broken"
    broken.mkdir()
    (broken / "verdict.json").write_text('{"verdict": "valid"}')

    verdict = judge_run(folder)

    assert verdict.verdict is Verdict.UNKNOWN
    assert {row["folder"]: row["verdict"] for row in verdict.rows} == {"broken": "unknown", "good": "valid"}
    assert json.loads((broken / "verdict.json").read_text())["verdict"] == "unknown"


def test_a_run_without_scenarios_is_vacuous(tmp_path):
    (tmp_path / "scenarios").mkdir()

    assert judge_any(tmp_path).verdict is Verdict.VACUOUS


def test_any_bundle_is_recognised(tmp_path):
    folder = run_folder(tmp_path)
    with tarfile.open(tmp_path / "bundle.tar.gz", "w:gz") as archive:
        archive.add(folder, "some-run")

    assert judge_any(tmp_path / "bundle.tar.gz").verdict is Verdict.INVALID
    assert judge_any(folder).verdict is Verdict.INVALID
    assert judge_any(folder / "scenarios" / "good").verdict is Verdict.VALID


@pytest.mark.parametrize(
    ("name", "kind"), [("../out", tarfile.REGTYPE), ("/out", tarfile.REGTYPE), ("link", tarfile.SYMTYPE)]
)
def test_an_archive_that_reaches_outside_is_refused(tmp_path, name, kind):
    member = tarfile.TarInfo(name)
    member.type, member.linkname = kind, "/etc/passwd"
    with tarfile.open(tmp_path / "bundle.tar.gz", "w:gz") as archive:
        archive.addfile(member)

    with pytest.raises(BundleError, match=f"'{name}' is no plain file"):
        judge_any(tmp_path / "bundle.tar.gz")


def test_what_is_no_bundle_is_said(tmp_path):
    (tmp_path / "no.tar.gz").write_text("no archive")
    for path in (tmp_path, tmp_path / "nowhere", tmp_path / "no.tar.gz"):
        with pytest.raises(BundleError, match=path.name):
            judge_any(path)


@pytest.mark.parametrize("facts", ["", "[]", '{"schema": 2}'])
def test_facts_that_cannot_be_read_are_an_error(tmp_path, facts):
    (tmp_path / "scenario.json").write_text(facts)

    with pytest.raises(BundleError, match=r"scenario\.json"):
        judge_scenario(tmp_path)


BLOCKED = """
import sys
from importlib.abc import MetaPathFinder
from pathlib import Path

class Blocker(MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {"pyroute2", "cassandra", "kubernetes", "tenacity", "pydantic"}:
            raise ImportError(name + " is not installed here")

sys.meta_path.insert(0, Blocker())
import reports
import scenarios.history
from scenarios.judge import judge_any
print(judge_any(Path(sys.argv[1])).verdict.value)
"""


def test_a_moved_bundle_judged_without_the_live_libraries_gives_the_same_bytes(tmp_path):
    folder = run_folder(tmp_path)
    broken = healthy(hosts=HOSTS[:2]).write(folder / "scenarios" / "unreadable", CHECKS)
    (broken / "history" / "east-probe-0.jsonl").write_text("{garbage\n")
    judge_run(folder)
    moved = tmp_path / "elsewhere" / "copy"
    shutil.copytree(folder, moved, ignore=shutil.ignore_patterns("verdict.json"))

    said = subprocess.run(
        [sys.executable, "-c", BLOCKED, str(moved)],
        cwd=Path(__file__).parent.parent,
        check=True,
        capture_output=True,
        text=True,
        timeout=60,
    )

    assert said.stdout == "invalid\n"
    files = sorted(path.relative_to(folder) for path in folder.rglob("verdict.json"))
    assert len(files) == 4
    for name in files:
        assert (moved / name).read_bytes() == (folder / name).read_bytes()


def large(count):
    """About `count` operations of a healthy run, half of them in the log and the ledger."""
    story = healthy(datacenters=["east"])
    story.operations = [item for item in story.operations if item.stage != "final"]
    heads, t = dict.fromkeys(range(100), 0), 50.0
    for number in range(count // 4):
        t += 0.01
        key = number % 100
        heads[key] += 1
        out = {"applied": True, "version": heads[key]}
        story.op(
            "east-log-0", "log append", (t, t + 0.005), key=key, value=number, cl="SERIAL", serial="SERIAL", out=out
        )
        turn = number % 3  # each takes longer than it is to the next, and a process does one operation at a time
        story.op(f"east-ledger-{turn}", "ledger write", (t, t + 0.02), key=number % 20, value=number + 10)
        story.op(f"east-probe-{turn}", "probe read", (t, t + 0.02))
        story.op(f"west-probe-{turn}", "probe write", (t, t + 0.02))
    for key in heads:
        ids = range(key, count // 4, 100)
        out = [[version, value] for version, value in enumerate(ids, start=1)]
        story.op(f"east-log-{key}", "log read", (t + 1, t + 2), key=key, cl="SERIAL", out=out)
    for key in range(20):
        out = [1] * (key == 1) + list(range(key + 10, count // 4 + 10, 20))
        story.op(f"east-ledger-{key}", "ledger read", (t + 1, t + 2), key=key, out=out, stage="final")
    return story


def test_a_large_history_is_judged_quickly(tmp_path):
    folder = large(20_000).write(tmp_path / "s", [*CHECKS, append_log()])
    start = time.process_time()

    verdict = judge_scenario(folder)

    assert verdict.verdict is Verdict.VALID
    assert time.process_time() - start < 4  # 0.3 s when measured; the bound only catches a quadratic checker
