"""A starved machine: what rests on time alone is then unknown, what was lost or served in a cut stays found."""

from __future__ import annotations

import pytest

from scenarios.checks import no_lost_writes, refused, run_check, served
from scenarios.checks.registry import CheckData, conclude
from scenarios.judge import judge_scenario
from scenarios.record import Record, Sources
from scenarios.starvation import FEWEST, LATE_NS, LATE_SHARE, ON_TIME, excused, starved
from scenarios.verdict import CheckResult, Finding, Verdict
from tests.records import Story

LATE = LATE_NS / 1e9


def paced(late, count=1000, **fields):
    """`count` probes 10 ms apart, the first `late` of them sent a millisecond later than is still on time."""
    story = Story()
    for number in range(count):
        due = 1 + number / 100
        sent = due + (LATE + 0.001 if number < late else 0.0)
        story.op(f"east-probe-{number % 20}", "probe write", (sent, sent + 0.002), due=due, **fields)
    return story


@pytest.mark.parametrize(("late", "is_starved"), [(0, False), (10, False), (11, True), (1000, True)])
def test_the_share_of_late_operations_decides(late, is_starved):
    assert LATE_SHARE == 0.01
    assert (starved(paced(late).record()) is not None) is is_starved


def test_it_is_said_how_late_the_clients_were():
    assert starved(paced(250).record()) == (
        "the machine was starved: 25.0% of the operations were sent over 0.1 s late, limit 1%"
    )


def test_a_tenth_of_a_second_late_is_still_on_time():
    story = Story()
    for number in range(200):
        story.op("east-probe-0", "probe write", (number + LATE, number + 0.5), due=number)

    assert starved(story.record()) is None


@pytest.mark.parametrize(("count", "is_starved"), [(FEWEST - 1, False), (FEWEST, True)])
def test_few_operations_say_nothing(count, is_starved):
    assert (starved(paced(count, count).record()) is not None) is is_starved


def test_a_slow_answer_is_no_late_question():
    story = Story()
    for number in range(200):
        story.op("east-probe-0", "probe write", (number, number + 6), due=number)

    assert starved(story.record()) is None


def test_what_was_never_due_or_belongs_to_a_stage_is_not_counted():
    story = paced(300, 300, stage="warm-up")
    for number in range(300):
        story.op("east-ledger-0", "ledger write", (number, number + 1), value=number)

    assert starved(story.record()) is None


def result(check, verdict=Verdict.INVALID):
    return CheckResult(check, f"{check} holds", 1, verdict, "it was 9 s", findings=(Finding("late", "x", "9 s"),))


@pytest.mark.parametrize("check", sorted(ON_TIME))
def test_a_finding_that_may_be_the_machines_becomes_unknown_with_both_reasons(check):
    (changed,) = excused((result(check),), paced(250).record())

    assert changed.verdict is Verdict.UNKNOWN
    assert changed.explain.startswith("the machine was starved: 25.0%")
    assert changed.explain.endswith("; otherwise: it was 9 s")
    assert (changed.check, changed.findings) == (check, result(check).findings)


@pytest.mark.parametrize(
    "check",
    ["no_lost_writes", "monotonic_reads", "read_your_writes", "append_log", "refused", "reachable", "same_identity",
     "no_host_died", "replicas_converged", "nested"],
)  # fmt: skip
def test_what_is_lost_stale_or_served_in_a_cut_stays_found(check):
    assert excused((result(check),), paced(250).record()) == (result(check),)


@pytest.mark.parametrize("verdict", [Verdict.VALID, Verdict.VACUOUS, Verdict.UNKNOWN])
def test_only_a_finding_is_excused(verdict):
    assert excused((result("served", verdict),), paced(250).record()) == (result("served", verdict),)


def test_on_a_machine_that_kept_up_nothing_is_excused():
    results = tuple(result(check) for check in sorted(ON_TIME))

    assert excused(results, paced(0).record()) == results


def test_the_excused_checks_exist():
    empty = Record({}, Sources(list, list, list))
    known = [run_check(CheckData(name, 1, name, {}), empty).explain for name in ON_TIME]

    assert [explain for explain in known if "is not known to this version" in explain] == []


def judged(tmp_path, late, *checks, **fields):
    """The verdict over a history with one unserved write; `fields` of a further write inside the cut."""
    story = paced(late).phase("baseline", 0.5)
    story.facts["faults"] = ["F1"]
    story.op("east-probe-91", "probe write", (5, 7), "fail", error=["Unavailable", "", "LOCAL_QUORUM", "no"], due=5)
    story.op("east-ledger-0", "ledger write", (2, 2.1), value=1)
    for dc in ("east", "west"):
        story.op(f"{dc}-ledger-9", "ledger read", (60, 61), out=[1], stage="final")
    if fields:
        story.op("west-probe-90", "probe write", (23, 24), **fields)
    story.fault("F1", 20, 21, 30, 31).event("cleanup", 70, ok=True, detail="0 entries left in the journal")
    return judge_scenario(story.write(tmp_path / "s", checks))


SERVED = served("east", "LOCAL_QUORUM")


def test_the_judge_finds_an_unserved_operation_where_the_machine_kept_up(tmp_path):
    assert judged(tmp_path, 0, SERVED, no_lost_writes()).verdict is Verdict.INVALID


def test_the_judge_leaves_it_open_where_the_machine_was_starved(tmp_path):
    verdict = judged(tmp_path, 250, SERVED, no_lost_writes())

    assert (verdict.verdict, verdict.system.verdict) == (Verdict.UNKNOWN, Verdict.UNKNOWN)
    assert [check.verdict for check in verdict.checks] == [Verdict.UNKNOWN, Verdict.VALID]
    assert "the machine was starved" in verdict.explain


def test_the_judge_finds_what_was_served_in_a_cut_however_starved_the_machine(tmp_path):
    verdict = judged(tmp_path, 250, SERVED, refused("QUORUM", "F1"), cl="QUORUM")

    assert verdict.verdict is Verdict.INVALID
    assert [check.verdict for check in verdict.checks] == [Verdict.UNKNOWN, Verdict.INVALID]
    assert verdict.explain.startswith("refused QUORUM in F1: west-probe-90")


def test_a_history_that_cannot_be_read_excuses_nothing_and_decides_nothing(tmp_path):
    story = paced(0).phase("baseline", 0.5).event("cleanup", 70, ok=True, detail="")
    folder = story.write(tmp_path / "s", [SERVED])
    (folder / "history" / "east-probe-0.jsonl").write_text("{garbage\n{}\n")

    assert judge_scenario(folder).system.verdict is Verdict.UNKNOWN


def test_a_conclusion_keeps_its_figures_when_it_is_excused():
    told = conclude([Finding("late", "x", "9 s")], (), 1, ("", ""), measured=9.0, limit=5.0, unit="s")
    (changed,) = excused((CheckResult("served", "s", 1, told.verdict, "9 s", 9.0, 5.0, "s"),), paced(250).record())

    assert (changed.measured, changed.limit, changed.unit) == (9.0, 5.0, "s")
