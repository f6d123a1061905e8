"""Doctor makes every check, goes on after a failure, and says the sentence of a refused run."""

import json
import re
import time
from pathlib import Path

import pytest
from rich.console import Console

from clusters import fitness
from clusters.errors import EnvironmentUnfit, UsageError
from clusters.fit import kernel
from clusters.fit.finding import Check, Finding
from clusters.lab.acts import ACTS
from ringproof import command, doctor
from scenarios.runs import RunBook
from tests.fit_fakes import STUB, asking, kernel_files, one, refused  # noqa: F401  a fixture

ROOT = Path(__file__).parents[1]


def broken(_asked):
    raise OSError("the file is upside down")


def fine(_asked):
    yield Finding("fine", "ok", "1", "1")


def test_a_check_that_raises_fails_with_its_sentence_and_stops_none(monkeypatch):
    monkeypatch.setattr(fitness, "CHECKS", (Check("bent", broken, "disk"), Check("fine", fine, "disk")))

    first, second = fitness.examine(asking())
    assert (first.id, first.state, first.measured) == ("bent", "fail", "the file is upside down")
    assert (second.id, second.state, second.page) == ("fine", "ok", "docs/doctor.md#disk")


def test_what_a_refused_run_says_is_a_sentence_of_doctor(monkeypatch, capsys):
    monkeypatch.setattr(fitness, "CHECKS", (Check("fine", fine, "disk"), Check("bent", broken, "disk")) * 2)
    found = fitness.examine(asking())
    with pytest.raises(EnvironmentUnfit) as raised:
        fitness.require(STUB)
    doctor.render(asking(), found, Console(width=80))

    sentence = str(found[1])
    assert str(raised.value) == f"this machine cannot carry a lab: {sentence} (and 1 more: ringproof doctor)"
    assert f"FAIL {sentence} [RP-FIT-099]\n" in capsys.readouterr().out


def test_only_a_failure_makes_a_machine_unfit(capsys):
    good, warned = Finding("a", "ok", "1", "1"), Finding("b", "warn", "0", "1", "do b")
    failed, skipped = Finding("c", "fail", "0", "1", "do c"), Finding("d", "skipped", "0", "none")

    assert doctor.exit_code([good, warned, skipped]) == 0
    assert doctor.exit_code([good, failed]) == 11
    assert doctor.as_json(asking(), [good, failed])["fit"] is False
    doctor.render(asking(), [good, warned, skipped], Console(width=80))
    assert "a lab can run here, for stub-domains: 6 hosts and 3.3 GB at most; 1 warning" in capsys.readouterr().out
    doctor.render(asking(), [good, warned, failed, skipped], Console(width=80))
    told = capsys.readouterr().out
    assert "warn b: 0, needed: 1; do b [RP-FIT-099]\n" in told
    assert "FAIL c: 0, needed: 1; do c [RP-FIT-099]\n" in told
    assert "no lab can run here: 1 check failed" in told
    assert max(map(len, told.splitlines())) <= 80
    assert "\x1b" not in told


def test_the_table_fits_eighty_columns(monkeypatch, capsys, tmp_path):
    monkeypatch.setenv("RINGPROOF_STATE", str(tmp_path))
    monkeypatch.setattr(kernel, "performed", lambda: [{"act": act, "ok": True, "said": ""} for act in ACTS])
    found = [finding for finding in doctor.findings(asking(runs=tmp_path)) if finding.state in ("ok", "skipped")]

    doctor.render(asking(), found, Console(width=80, no_color=True))
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines[:-1])) <= 80
    assert sum(line.startswith(("ok ", "skip ")) for line in lines) == len(found)


def test_all_findings_are_made_and_each_has_an_id_of_its_own_and_a_page(monkeypatch, tmp_path, switches):
    monkeypatch.setenv("RINGPROOF_STATE", str(tmp_path))
    monkeypatch.setenv("RINGPROOF_ENGINE", "none-of-them")
    refused(monkeypatch, 2, "PermissionError: mount /proc")
    page = (ROOT / "docs" / "doctor.md").read_text()
    sections = {title.lower().replace(" ", "-") for title in re.findall(r"^## (.+)$", page, re.MULTILINE)}

    for provider in ("lab", "kind", "existing"):
        asked = asking(provider, runs=tmp_path)
        found = doctor.findings(asked)
        ids = [finding.id for finding in found]
        assert len(set(ids)) == len(ids)
        assert {finding.page.partition("#")[0] for finding in found} == {"docs/doctor.md"}
        assert {finding.page.partition("#")[2] for finding in found} <= sections
        told = json.loads(json.dumps(doctor.as_json(asked, found)))
        assert [check["id"] for check in told["checks"]] == ids
        assert (told["provider"], told["fit"]) == (provider, False)


def test_checks_of_the_lab_are_skipped_for_other_providers(monkeypatch, tmp_path):
    monkeypatch.setenv("RINGPROOF_STATE", str(tmp_path))
    monkeypatch.setenv("RINGPROOF_ENGINE", "none-of-them")
    monkeypatch.setattr(kernel, "performed", lambda: pytest.fail("no namespace is made for kind"))

    found = {finding.id: finding for finding in doctor.findings(asking("kind", runs=tmp_path))}
    assert {found[name].state for name in ("kernel acts", "programs", "Java", "jars")} == {"skipped"}
    assert (found["provider"].state, found["memory"].state != "skipped") == ("ok", True)
    assert found["container engine"].state == "fail"
    assert found["memory"].needed == "6.0 GB"  # of two real clusters, not of a lab


def test_killed_runs_are_leftovers(monkeypatch, tmp_path):
    monkeypatch.setenv("RINGPROOF_STATE", str(tmp_path / "state"))
    assert one(doctor.leftovers(asking(runs=tmp_path))).state == "ok"
    book = RunBook.open(tmp_path / "dead", {"seed": 1})
    book.note(process={**book.facts()["process"], "start": -1})

    found = one(doctor.leftovers(asking(runs=tmp_path)))
    assert (found.state, found.fix) == ("warn", "ringproof sweep")
    assert "dead" in found.measured


def test_what_is_asked_are_the_places_of_a_profile_or_those_named():
    assert {one.name for one in doctor.asked("change").topologies} == {"stub-domains", "shared-suffix"}
    assert [one.name for one in doctor.asked("smoke").topologies] == ["stub-domains"]
    assert [one.name for one in doctor.asked("smoke", ["shared-suffix"]).topologies] == ["shared-suffix"]
    with pytest.raises(UsageError, match="no topology is named"):
        doctor.asked("change", ["nowhere"])
    with pytest.raises(UsageError, match="no profile"):
        doctor.asked("weekly")


@pytest.mark.lab
def test_this_machine_is_examined_in_seconds_and_both_forms_agree(monkeypatch, tmp_path, capsys):
    monkeypatch.setenv("RINGPROOF_STATE", str(tmp_path))
    started = time.monotonic()
    code = command.main(["doctor", "--topology", "stub-domains", "--json"])
    seconds = time.monotonic() - started
    told = json.loads(capsys.readouterr().out)

    assert told["schema"] == 2
    assert told["topologies"] == ["stub-domains"]
    assert code == (0 if told["fit"] else 11)
    assert {"ok", "skipped"} <= {check["state"] for check in told["checks"]}
    assert all(check["fix"] for check in told["checks"] if check["state"] == "warn")
    assert seconds < 30, "far above the 1 s of a quiet machine, so that a busy one does not fail"
    assert command.main(["doctor", "--provider", "existing"]) == 11
    assert "existing makes no clusters in this version" in " ".join(capsys.readouterr().out.split())
