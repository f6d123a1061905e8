"""Faults of the convergence checks that the first mutants showed to go unnoticed."""

from __future__ import annotations

import pytest

from scenarios.checks import registers_converged, replicas_converged
from scenarios.checks.converged import _Register
from tests.records import HOSTS, Story, ns
from tests.test_checks_converged import replicas


def test_without_hosts_nothing_has_converged():
    assert replicas(hosts=[]).judge(replicas_converged()).verdict == "vacuous"


def test_a_disagreement_is_told_at_the_first_read():
    story = Story()
    story.op("east-w", "registers write", (1, 2), value=1)
    story.op("east-w", "registers write", (3, 4), "info", value=2)
    for at, (host, out) in enumerate(zip(HOSTS, (1, 2, 1, 1, 1, 1), strict=True), start=30):
        own = {"cl": "NODE_LOCAL", "host": host["host_id"], "stage": "final"}
        story.op("east-r", "registers read", (at, at + 0.5), out=out, **own)
    (finding,) = story.judge(registers_converged(equal=True)).findings

    assert (finding.anomaly, finding.who, finding.at) == ("replica-differs", "east-a-0", ns(30))


def shown(story, key, *values, at=30):
    for host, out in zip(HOSTS, values * 6, strict=False):
        own = {"cl": "NODE_LOCAL", "host": host["host_id"], "stage": "final", "key": key}
        story.op("east-r", "registers read", (at, at + 0.5), out=out, **own)


def test_each_register_agrees_with_itself_and_not_with_another():
    story = Story()
    for key in (1, 2):
        story.op("east-w", "registers write", (1, 2), key=key, value=10 + key)
        shown(story, key, 10 + key)

    assert story.judge(registers_converged(equal=True)).verdict == "valid"


def test_a_register_that_no_replica_was_asked_for_is_unknown():
    story = Story()
    story.op("east-w", "registers write", (1, 2), value=1)
    result = story.judge(registers_converged(equal=True))

    assert (result.verdict, result.explain) == ("unknown", "east-a-0 was not read for bucket 1 (and 5 more)")


def test_of_garbage_is_said_that_nobody_wrote_it_whatever_was_acknowledged():
    story = Story()
    story.op("east-w", "registers write", (1, 2), value=1)
    shown(story, 1, 7)

    details = {finding.detail for finding in story.judge(registers_converged()).findings}
    assert "west-c-0 holds value 7 of key 1, nobody wrote it" in details


def test_a_register_of_number_nought_is_a_register():
    story = Story()
    story.op("east-w", "registers write", (1, 2), value=0)
    shown(story, 1, 0)
    assert story.judge(registers_converged()).verdict == "valid"

    shown(story, 1, None, at=40)
    assert {finding.anomaly for finding in story.judge(registers_converged()).findings} == {"replica-lacks"}


@pytest.mark.parametrize(("factor", "verdict"), [(2, "unknown"), (3, "valid"), (4, "valid")])
@pytest.mark.parametrize("check", [replicas_converged(), registers_converged()], ids=["rows", "registers"])
def test_a_host_proves_something_when_it_holds_everything(factor, verdict, check):
    story = replicas(replication={"east": factor, "west": 3})
    story.op("east-w", "registers write", (1, 2), value=1)
    shown(story, 1, 1)

    assert story.judge(check).verdict == verdict


@pytest.mark.parametrize("cl", ["LOCAL_QUORUM", "ALL", "ONE", "QUORUM", "SERIAL"])
def test_only_what_one_replica_answered_alone_is_its_own(cl):
    story = replicas()
    story.op("east-ledger-9", "ledger read", (40, 41), cl=cl, host="id-west-b", out=[], stage="final")

    assert story.judge(replicas_converged()).verdict == "valid"


@pytest.mark.parametrize("stage", ["warm-up", "finale", "baseline", None])
def test_own_rows_of_another_stage_say_nothing(stage):
    story = replicas()
    own = {"cl": "NODE_LOCAL", "host": "id-west-b"}
    story.op("east-ledger-9", "ledger read", (40, 41), out=[], stage=stage, **own)
    story.op("east-ledger-9", "ledger read", (42, 43), "info", stage="final", **own)

    assert story.judge(replicas_converged()).counts["reads"] == 6
    assert story.judge(replicas_converged()).verdict == "valid"


@pytest.mark.parametrize(
    ("acked", "seconds", "exempt"),
    [(9.9, 1, True), (9, 1, True), (10, 1, True), (8.999999999, 1, False), (10.000000001, 1, False), (10, 0, True)],
)
def test_an_exemption_begins_and_ends_at_its_stamps(acked, seconds, exempt):
    story = Story().fault("F1", 10, 11, 20, 21)
    story.op("east-w", "ledger write", (8, acked), value=1)
    story.op("east-w", "registers write", (8, acked), value=1)
    for host in HOSTS:
        own = {"cl": "NODE_LOCAL", "host": host["host_id"], "stage": "final"}
        story.op("east-r", "ledger read", (30, 31), out=[], **own)
        story.op("east-r", "registers read", (30, 31), out=None, **own)
    given = {"exempt_before": ["F1", "inject"], "exempt_seconds": seconds}

    rows = story.judge(replicas_converged(**given))
    assert (rows.verdict, rows.counts["exempt"]) == (("valid", 1) if exempt else ("invalid", 0))
    assert story.judge(registers_converged(**given)).verdict == ("valid" if exempt else "invalid")


def test_without_an_exemption_nothing_is_exempt():
    story = replicas({"id-west-b": (1, 2)})
    result = story.judge(replicas_converged(exempt_seconds=100))

    assert (result.verdict, result.counts["exempt"], result.measured) == ("invalid", 0, 2)


def test_the_figures_of_the_rows_say_what_was_looked_at():
    result = replicas({"id-west-b": (1, 2), "id-west-c": (1,)}).judge(replicas_converged())

    assert (result.measured, result.limit, result.unit) == (3, 0, "rows that differ")
    assert result.counts == {"acked": 2, "replicas": 6, "exempt": 0, "reads": 6, "findings": 2}
    assert result.findings[0].detail == (
        "west-b-0 lacks 2 acknowledged value(s) of bucket 1: 1 (written by east-ledger-0 at 1.000 s), "
        "2 (written by east-ledger-0 at 8.000 s)"
    )
    valid = replicas().judge(replicas_converged())
    assert (valid.explain, valid.measured) == ("all 6 replicas hold all 2 acknowledged writes", 0)


@pytest.mark.parametrize("count", [1, 5, 6, 7, 12])
def test_any_number_of_rows_on_any_number_of_hosts_converges(count):
    story = Story()
    for value in range(count):
        story.op("east-w", "ledger write", (1, 2), value=value)
    for host in HOSTS:
        own = {"cl": "NODE_LOCAL", "host": host["host_id"], "stage": "final"}
        story.op("east-r", "ledger read", (30, 31), out=list(range(count)), **own)

    assert story.judge(replicas_converged()).verdict == "valid"
    for hosts in (["id-east-a"], ["id-east-a", "id-west-c"]):
        result = story.judge(replicas_converged(hosts=hosts))
        assert (result.verdict, result.counts["replicas"], result.counts["reads"]) == ("valid", len(hosts), len(hosts))


def test_the_figures_of_the_registers_say_what_was_looked_at():
    story = Story()
    for key in (1, 2, 3):
        story.op("east-w", "registers write", (1, 2), "ok" if key < 3 else "info", key=key, value=5)
        shown(story, key, 5 if key == 1 else None)
    result = story.judge(registers_converged())

    assert (result.verdict, result.measured, result.limit, result.unit) == ("invalid", 6, 0, "values that differ")
    assert result.counts == {"registers": 2, "replicas": 6, "reads": 18, "findings": 6}
    assert result.explain == (
        "east-a-0 holds no value of key 2, 5 was acknowledged (written by east-w at 1.000 s) (and 5 more)"
    )
    assert [item["f"] for item in result.findings[0].operations] == ["write", "read"]


def test_the_newest_may_be_a_delete_and_is_told_as_one():
    story = Story()
    story.op("east-w", "registers write", (1, 2), value=1)
    story.op("east-w", "registers delete", (3, 4), value=2)
    shown(story, 1, 1)

    assert story.judge(registers_converged()).findings[0].detail == (
        "east-a-0 holds value 1 of key 1, 2 was acknowledged (deleted by east-w at 3.000 s)"
    )


def test_garbage_is_told_with_the_read_alone_where_nothing_was_acknowledged():
    story = Story()
    story.op("east-w", "registers write", (1, 2), "info", value=1)
    shown(story, 1, 7)
    finding = story.judge(registers_converged()).findings[0]

    assert (finding.anomaly, [item["f"] for item in finding.operations]) == ("garbage", ["read"])


def rows(story, key, *outs, at=30):
    for host, out in zip(HOSTS, outs, strict=True):
        own = {"cl": "NODE_LOCAL", "host": host["host_id"], "stage": "final", "key": key}
        story.op("east-r", "ledger read", (at, at + 1), out=out, **own)


def test_each_bucket_is_equal_in_itself():
    """Bucket 2 was not read, 1 and 4 differ in values of the same number, of which 4 was told already."""
    story = Story()
    for key in (1, 2, 3, 4):
        story.op("east-w", "ledger write", (1, 2), "ok" if key == 4 else "info", key=key, value=7)
    rows(story, 1, [7], [7], [7], [], [7], [7])
    rows(story, 3, *([[7]] * 6))
    rows(story, 4, [7], [7], [7], [7], [], [7])

    told = [(item.anomaly, item.who, item.detail) for item in story.judge(replicas_converged(equal=True)).findings]
    assert told == [
        (
            "replica-lacks",
            "west-b-0",
            "west-b-0 lacks 1 acknowledged value(s) of bucket 4: 7 (written by east-w at 1.000 s)",
        ),
        (
            "replica-differs",
            "west-a-0",
            "west-a-0 lacks 1 value(s) of bucket 1 that another replica has: 7 (written by east-w at 1.000 s)",
        ),
    ]


@pytest.mark.parametrize(
    ("span", "f", "differs"),
    [
        ((29, 30), "write", False),  # ended at the stamp at which the first read began
        ((28, 29.9), "write", True),
        ((29, None), "write", True),  # given up at once
        ((30, None), "write", False),
        ((31, 32), "delete", False),
        ((28, 29.9), "delete", True),
    ],
)
def test_what_was_in_flight_when_the_first_replica_was_read_may_differ(span, f, differs):
    story = Story()
    story.op("east-w", "ledger write", span if f == "write" else (1, 2), "info", value=7)
    if f == "delete":
        story.op("east-w", "ledger delete", span, "info", value=7)
    rows(story, 1, [7], [7], [7], [7], [7], [])
    story.operations[-1].invoke = ns(33)

    assert bool(story.judge(replicas_converged(equal=True)).findings) is differs


def test_garbage_on_one_replica_is_no_difference_that_a_repair_leaves():
    story = replicas()
    story.operations[-1].out = [1, 2, 99]

    assert story.judge(replicas_converged(equal=True)).verdict == "valid"


def test_what_a_replica_keeps_is_proven_by_its_deletes():
    story = Story()
    for value in (1, 2, 3):
        story.op("east-w", "ledger write", (1, 2), value=value)
        story.op("west-w", "ledger delete", (4 - value / 10, 5), value=value)
    rows(story, 1, [], [], [3, 1], [], [], [])
    (finding,) = story.judge(replicas_converged()).findings

    assert [(item["f"], item.get("value")) for item in finding.operations] == [
        ("delete", 1), ("delete", 3), ("read", None),
    ]  # fmt: skip
    assert finding.detail == (
        "east-c-0 keeps 2 value(s) of bucket 1 whose delete was acknowledged: 1 (deleted by west-w at 3.900 s), "
        "3 (deleted by west-w at 3.700 s)"
    )


def test_hosts_that_were_not_read_are_named_with_every_bucket_that_lacks():
    story = replicas()
    for key in (2, 3):
        story.op("east-ledger-0", "ledger write", (1, 2), key=key, value=10 + key)
    story.op("east-ledger-0", "ledger write", (1, 2), key=None, value=20)
    story.op("east-ledger-0", "ledger write", (1, 2), "info", key=4, value=14)
    result = story.judge(replicas_converged(hosts=["id-east-a", "id-east-b"]))

    assert (result.verdict, result.explain) == ("unknown", "east-a-0 was not read for bucket 2, 3 (and 1 more)")


def test_where_all_show_the_same_nothing_is_told_and_no_row_is_a_value_too():
    story = Story()
    story.op("east-w", "registers write", (1, 2), "info", value=1)
    shown(story, 1, 1, None)
    (finding,) = story.judge(registers_converged(equal=True)).findings

    assert finding.detail == (
        "the replicas of key 1 hold different values: east-a-0 1, east-b-0 None, east-c-0 1, west-a-0 None, "
        "west-b-0 1, west-c-0 None"
    )


def test_what_there_is_one_of_for_each_register_is_small():
    assert not hasattr(_Register(), "__dict__")
