"""Negative controls on made-up bundles: each sabotage of files is found as declared, and nothing else passes for it."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from scenarios.checks import no_host_died, no_lost_writes, refused, served
from scenarios.controls import CONTROLS, LANES, Expected, disappointment, drop_acked, forge_ok, tampered
from scenarios.judge import judge_scenario
from scenarios.record import Record
from scenarios.scenario import scenarios
from scenarios.verdict import CheckResult, Finding, Reasoned, ScenarioVerdict, Verdict
from scenarios.workloads.declared import LOCAL_QUORUM, QUORUM
from tests.records import HOSTS, Story

TAMPERING = [control for control in CONTROLS if control.tamper is not None]
REFUSAL = ["Unavailable", "", QUORUM, "3 of 4"]
CHECKS = [
    *[served(datacenter, LOCAL_QUORUM, minimum=40) for datacenter in ("east", "west")],
    refused(QUORUM, "F1"),
    no_lost_writes(),
    no_host_died(),
]


def honest(folder):
    """What `control-cut` leaves when every promise held: two buckets, 60 probes a lane, a cut of ten seconds."""
    story = Story(faults=["F1"]).phase("baseline", 1)
    for dc in ("east", "west"):
        for second in range(2, 62):
            story.op(f"{dc}-probe-0", "probe write", (second, second + 0.01), cl=LOCAL_QUORUM, value=second)
            inside = 20 <= second < 31
            outcome, error = ("fail", REFUSAL) if inside else ("ok", None)
            story.op(f"{dc}-probe-1", "probe write", (second, second + 0.5), outcome, cl=QUORUM, error=error)
    values = {0: [], 1: []}
    for number in range(20):
        bucket, value = number % 2, 100 + number
        values[bucket].append(value)
        story.op("east-ledger-0", "ledger write", (3 + number, 3.1 + number), key=bucket, value=value)
    story.op("west-ledger-0", "ledger write", (3, 9), "info", key=0, value=999, error=["WriteTimeout", "", "", ""])
    for dc in ("east", "west"):
        for start, cl in ((70, LOCAL_QUORUM), (75, "ALL")):
            for bucket, held in values.items():
                at = start + bucket
                story.op(f"{dc}-final-0", "ledger read", (at, at + 0.5), cl=cl, key=bucket, out=held, stage="final")
    peers = [{"host_id": host["host_id"], "address": host["address"]} for host in HOSTS[1:]]
    story.see("ring_view", 5, host=HOSTS[0]["host_id"], address=HOSTS[0]["address"], ok=True, peers=peers, down=[])
    story.fault("F1", 20, 20.5, 31, 31.5).event("cleanup", 80, ok=True, detail="0 entries left in the journal")
    return story.write(folder, CHECKS)


@pytest.fixture
def twin(tmp_path):
    return honest(tmp_path / "twin")


def test_the_twin_without_sabotage_is_valid(twin):
    verdict = judge_scenario(twin)

    assert verdict.ok, verdict.explain
    assert all(disappointment(verdict, control.expected) is not None for control in CONTROLS)


@pytest.mark.parametrize("control", TAMPERING, ids=lambda control: control.name.replace(" ", "-"))
def test_a_sabotage_of_the_files_is_found_exactly_as_declared(control, twin, tmp_path):
    folder, expected = tampered(twin, control, tmp_path / "copy")
    verdict = judge_scenario(folder)

    assert disappointment(verdict, expected) is None
    assert judge_scenario(twin).ok  # the twin itself was not touched


@pytest.mark.parametrize("control", TAMPERING, ids=lambda control: control.name.replace(" ", "-"))
def test_another_control_does_not_pass_for_it(control, twin, tmp_path):
    folder, expected = tampered(twin, control, tmp_path / "copy")
    verdict = judge_scenario(folder)
    others = [other.expected for other in CONTROLS if other.expected != control.expected]

    assert others
    assert all(disappointment(verdict, other) is not None for other in others)
    assert expected.who is not None


def test_the_recorder_drops_one_value_from_every_final_read_and_nothing_else(twin):
    before = Record.load(twin).operations
    drop_acked(twin)
    after = Record.load(twin).operations

    changed = [(one.f, one.key, set(one.out) - set(other.out)) for one, other in zip(before, after, strict=True)
               if one.as_json() != other.as_json()]  # fmt: skip
    assert changed == [("read", 0, {100})] * 4
    assert [item.value for item in after if item.f == "write" and item.value == 100 and item.outcome == "ok"] == [100]


def test_a_value_that_was_never_acknowledged_is_no_victim(tmp_path):
    story = Story().phase("baseline", 1)
    story.op("east-ledger-0", "ledger write", (2, 3), "info", key=0, value=7)
    story.op("east-ledger-0+1", "ledger write", (4, 5), key=0, value=8)
    story.op("east-final-0", "ledger read", (9, 10), key=0, out=[7, 8], stage="final")
    folder = story.write(tmp_path / "s")
    drop_acked(folder)

    assert [item.out for item in Record.load(folder).operations if item.f == "read"] == [[7]]


def test_the_forged_operation_lies_in_the_middle_of_the_cut(twin):
    who = forge_ok(twin)
    forged = [item for item in Record.load(twin).operations if item.process == who]

    assert [(item.f, item.cl, item.outcome, item.invoke) for item in forged] == [
        ("write", QUORUM, "ok", 25_750_000_000)
    ]


def test_every_control_names_a_scenario_and_a_variant_that_exist():
    for control in CONTROLS:
        assert control.variant in scenarios()[control.scenario].variants
        assert "honest" in scenarios()[control.scenario].variants
        assert control.tamper is None or control.variant == "honest"
    assert len({control.name for control in CONTROLS}) == len(CONTROLS) >= 5
    assert {lane.consistency for lane in LANES} == {LOCAL_QUORUM, QUORUM}


# what is different


GUILTY = Expected(Verdict.INVALID, check="refused", anomaly="served-in-cut", who="forger")
FOUND = Finding("served-in-cut", "forger", "served inside F1")


def checked(name, verdict=Verdict.VALID, *findings):
    return CheckResult(name, f"{name} in F1", 1, verdict, "because", findings=findings)


def verdict_of(*checks, **parts):
    given = {"system": Verdict.INVALID, "evidence": Verdict.VALID, "cleanup": Verdict.VALID, **parts}
    reasons = {name: Reasoned(value, f"why {name}") for name, value in given.items()}
    facts = dict.fromkeys(("scenario", "variant", "id", "topology", "promise"), "x")
    return ScenarioVerdict(facts, **reasons, checks=checks)


REFUSED = checked("refused", Verdict.INVALID, FOUND)
OTHER = replace(FOUND, who="east-probe-1")


def test_exactly_the_declared_finding_disappoints_nobody():
    assert disappointment(verdict_of(REFUSED, checked("served")), GUILTY) is None
    assert disappointment(verdict_of(checked("refused", Verdict.INVALID, OTHER, FOUND)), GUILTY) is None


@pytest.mark.parametrize(("found", "said"), [
    (["two-winners"], None),
    (["two-winners", "stale-read"], None),
    (["stale-read"], "anomalies are ['stale-read'], without two-winners"),
    (["two-winners", "late"], "anomalies are ['late', 'two-winners'], not only two-winners, stale-read"),
])  # fmt: skip
def test_the_first_of_several_anomalies_must_be_found_and_the_others_may(found, said):
    expected = Expected(Verdict.INVALID, check="refused", anomaly=("two-winners", "stale-read"))
    findings = [replace(FOUND, anomaly=anomaly) for anomaly in found]
    assert disappointment(verdict_of(checked("refused", Verdict.INVALID, *findings)), expected) == said


@pytest.mark.parametrize(
    ("verdict", "said"),
    [
        (verdict_of(REFUSED, system=Verdict.VALID), "system is valid instead of invalid: why system"),
        (verdict_of(REFUSED, evidence=Verdict.UNKNOWN), "evidence is unknown instead of valid: why system"),
        (verdict_of(REFUSED, cleanup=Verdict.UNKNOWN), "cleanup is unknown instead of valid: why system"),
        (verdict_of(checked("served")), "invalid checks are [], not only refused"),
        (verdict_of(checked("served", Verdict.INVALID, FOUND)), "invalid checks are ['served'], not only refused"),
        (
            verdict_of(REFUSED, checked("served", Verdict.INVALID, FOUND)),
            "invalid checks are ['refused', 'served'], not only refused",
        ),
        (verdict_of(REFUSED, checked("served", Verdict.UNKNOWN)), "beside it served in F1 is not valid"),
        (verdict_of(REFUSED, checked("served", Verdict.VACUOUS)), "beside it served in F1 is not valid"),
        (
            verdict_of(checked("refused", Verdict.INVALID, FOUND, Finding("late", "forger", "x"))),
            "anomalies are ['late', 'served-in-cut'], not only served-in-cut",
        ),
        (verdict_of(checked("refused", Verdict.INVALID, OTHER)), "nobody found is forger: ['east-probe-1']"),
        (verdict_of(checked("refused", Verdict.INVALID)), "anomalies are [], without served-in-cut"),
    ],
)
def test_what_differs_is_said(verdict, said):
    assert disappointment(verdict, GUILTY) == said


def test_without_a_culprit_declared_anybody_may_be_found():
    assert disappointment(verdict_of(checked("refused", Verdict.INVALID, OTHER)), replace(GUILTY, who=None)) is None


@pytest.mark.parametrize(
    ("checks", "said"),
    [
        ((checked("served"),), None),
        ((checked("served", Verdict.UNKNOWN),), None),
        ((checked("served"), REFUSED), "refused in F1 is invalid"),
    ],
)
def test_a_control_that_must_leave_it_open_may_find_nobody_guilty(checks, said):
    expected = Expected(Verdict.UNKNOWN, Verdict.UNKNOWN)
    verdict = verdict_of(*checks, system=Verdict.UNKNOWN, evidence=Verdict.UNKNOWN)

    assert disappointment(verdict, expected) == said


def test_a_bundle_is_copied_whole_before_it_is_tampered_with(twin, tmp_path):
    (twin / "verdict.json").write_text("{}")
    folder, _ = tampered(twin, TAMPERING[0], tmp_path / "copy")
    names = sorted(path.relative_to(twin) for path in twin.rglob("*"))

    assert sorted(path.relative_to(folder) for path in folder.rglob("*")) == names
    assert json.loads((folder / "checks.json").read_text()) == [check.as_json() for check in CHECKS]
    with pytest.raises(FileExistsError):
        tampered(twin, TAMPERING[0], folder)
