"""Convergence per replica: what each host holds alone, on histories small enough to judge by eye."""

from __future__ import annotations

import random

import pytest

from scenarios.checks import registers_converged, replicas_converged
from tests.made import SEEDS, end, found
from tests.records import HOSTS, Story, ns


def replicas(lacking=(), **facts):
    """Values 1 (acked at 2 s) and 2 (acked at 9 s); every host's own rows, without `lacking` = {host_id: values}."""
    story = Story(**facts)
    story.op("east-ledger-0", "ledger write", (1, 2), value=1)
    story.op("east-ledger-0", "ledger write", (8, 9), value=2)
    for host in HOSTS:
        out = [value for value in (1, 2) if value not in dict(lacking).get(host["host_id"], ())]
        story.op(
            "east-ledger-9",
            "ledger read",
            (30, 31),
            cl="NODE_LOCAL",
            host=host["host_id"],
            out=out,
            stage="final",
        )
    return story


def test_six_equal_replicas_have_converged():
    result = replicas().judge(replicas_converged())

    assert (result.verdict, result.counts["replicas"], result.counts["exempt"]) == ("valid", 6, 0)


def test_a_replica_that_lacks_a_row_is_named():
    result = replicas({"id-west-b": (2,)}).judge(replicas_converged())

    assert [(finding.anomaly, finding.who) for finding in result.findings] == [("replica-lacks", "west-b-0")]
    assert result.measured == 1


def test_rows_acknowledged_just_before_a_kill_may_be_exempt_and_are_counted():
    story = replicas({"id-west-b": (2,)}).fault("F1", 10, 11, 20, 21)
    check = replicas_converged(exempt_before=["F1", "inject"], exempt_seconds=10)

    result = story.judge(check)

    assert (result.verdict, result.counts["exempt"]) == ("valid", 2)  # acked at 2 s and 9 s, both after 0 s
    shorter = replicas_converged(exempt_before=["F1", "inject"], exempt_seconds=0.5)
    assert story.judge(shorter).verdict == "invalid"  # 2 was acked 1 s before the kill


def test_an_exemption_whose_moment_never_came_is_unknown():
    result = replicas().judge(replicas_converged(exempt_before=["F1", "inject"], exempt_seconds=10))

    assert (result.verdict, result.explain) == ("unknown", "fault F1 was never injected")


def test_a_replica_that_was_not_read_is_unknown():
    story = replicas()
    story.operations.pop()

    result = story.judge(replicas_converged())

    assert (result.verdict, result.explain) == ("unknown", "west-c-0 was not read for bucket 1")
    assert story.judge(replicas_converged(hosts=["id-east-a"])).verdict == "valid"


def test_with_fewer_replicas_than_hosts_one_host_proves_nothing():
    result = replicas(replication={"east": 2, "west": 3}).judge(replicas_converged())

    assert (result.verdict, "east" in result.explain) == ("unknown", True)


def test_convergence_of_nothing_is_vacuous():
    assert Story().judge(replicas_converged()).verdict == "vacuous"


def own_rows(story, values, workload="ledger", **lacking):
    """A final read of each host's own rows; `lacking` = {rack of the west: other values}."""
    for host in HOSTS:
        out = lacking.get(host["rack"], values) if host["datacenter"] == "west" else values
        story.op(
            "east-final",
            f"{workload} read",
            (30, 31),
            cl="NODE_LOCAL",
            host=host["host_id"],
            out=out,
            stage="final",
        )
    return story


def test_what_differs_is_named_with_its_writer_and_its_time():
    story = Story()
    for value in range(12):
        story.op("east-ledger-0", "ledger write", (value, value + 0.5), value=value)
    (finding,) = own_rows(story, list(range(12)), b=[11]).judge(replicas_converged()).findings

    assert finding.detail.startswith("west-b-0 lacks 11 acknowledged value(s) of bucket 1: 0 (written by east-ledger-0")
    assert "3 (written by east-ledger-0 at 3.000 s)" in finding.detail
    assert finding.detail.endswith("and 1 more")  # ten are named
    assert [item["f"] for item in finding.operations] == ["write"] * 10 + ["read"]
    assert (finding.operations[-1]["out"], finding.at) == ("1 values", ns(30))


def test_a_replica_that_keeps_a_deleted_row_is_named():
    story = Story()
    story.op("east-ledger-0", "ledger write", (1, 2), value=1)
    story.op("east-ledger-0", "ledger write", (1, 2), value=2)
    story.op("east-ledger-0", "ledger delete", (3, 4), value=1)
    result = own_rows(story, [2], b=[1, 2]).judge(replicas_converged())

    assert [(finding.anomaly, finding.who) for finding in result.findings] == [("replica-keeps", "west-b-0")]
    assert "1 (deleted by east-ledger-0 at 3.000 s)" in result.explain
    assert result.measured == 1


@pytest.mark.parametrize(("outcome", "span"), [("info", (3, 4)), ("ok", (29, 30)), ("fail", (3, 4)), ("ok", (2, 4))])
def test_a_delete_in_doubt_lets_a_replica_keep_its_row(outcome, span):
    story = Story()
    story.op("east-ledger-0", "ledger write", (1, 2), value=1)
    story.op("east-ledger-0", "ledger delete", span, outcome, value=1)

    assert own_rows(story, [1]).judge(replicas_converged()).verdict == "valid"


def test_a_delete_just_before_a_kill_may_be_exempt():
    story = Story().fault("F1", 10, 11, 20, 21)
    story.op("east-ledger-0", "ledger write", (1, 2), value=1)
    story.op("east-ledger-0", "ledger delete", (8, 9), value=1)
    own_rows(story, [], b=[1])

    exempt = replicas_converged(exempt_before=["F1", "inject"], exempt_seconds=1)
    assert (story.judge(replicas_converged()).verdict, story.judge(exempt).verdict) == ("invalid", "valid")


def test_an_indeterminate_row_may_differ_until_a_repair():
    story = Story()
    story.op("east-ledger-0", "ledger write", (1, 2), value=1)
    story.op("east-ledger-0", "ledger write", (3, 4), "info", value=2)
    own_rows(story, [1], b=[1, 2])
    assert story.judge(replicas_converged()).verdict == "valid"

    result = story.judge(replicas_converged(equal=True))
    assert {finding.anomaly for finding in result.findings} == {"replica-differs"}
    assert (result.measured, len(result.findings)) == (5, 5)  # every host but west-b-0 lacks it
    assert "east-a-0 lacks 1 value(s) of bucket 1 that another replica has: 2 (written by" in result.explain


def test_equal_replicas_are_equal_whatever_was_indeterminate():
    story = Story()
    story.op("east-ledger-0", "ledger write", (1, 2), value=1)
    story.op("east-ledger-0", "ledger write", (3, 4), "info", value=2)

    assert own_rows(story, [1, 2]).judge(replicas_converged(equal=True)).verdict == "valid"


def test_what_was_acknowledged_and_lacks_is_told_once_with_equal():
    story = Story()
    story.op("east-ledger-0", "ledger write", (1, 2), value=1)
    own_rows(story, [1], b=[])

    (finding,) = story.judge(replicas_converged(equal=True)).findings
    assert finding.anomaly == "replica-lacks"


def test_what_is_in_flight_may_differ_after_a_repair_and_what_was_exempt_may_not():
    story = Story().fault("F1", 10, 11, 20, 21)
    story.op("east-ledger-0", "ledger write", (29, 30), "info", value=2)
    own_rows(story, [], b=[2])
    assert story.judge(replicas_converged(equal=True)).findings == ()

    exempt = {"exempt_before": ["F1", "inject"], "exempt_seconds": 1}
    story = Story().fault("F1", 10, 11, 20, 21)
    story.op("east-ledger-0", "ledger write", (8, 9), value=1)
    own_rows(story, [1], b=[])
    assert story.judge(replicas_converged(**exempt)).verdict == "valid"
    (finding,) = story.judge(replicas_converged(**exempt, equal=True)).findings
    assert (finding.anomaly, finding.who) == ("replica-differs", "west-b-0")


def test_a_value_written_twice_proves_nothing_of_replicas():
    story = replicas()
    story.op("east-ledger-0", "ledger write", (10, 11), value=1)

    assert story.judge(replicas_converged()).explain == "value(s) 1 of bucket 1 were written more than once"


def test_only_final_reads_of_the_wanted_hosts_are_looked_at():
    story = replicas()
    for fields in ({"cl": "NODE_LOCAL", "stage": None}, {"cl": "LOCAL_QUORUM", "stage": "final"}):
        story.op("east-ledger-9", "ledger read", (40, 41), host="id-west-b", out=[], **fields)
    assert story.judge(replicas_converged()).verdict == "valid"

    story.op("east-ledger-9", "ledger read", (50, 51), cl="NODE_LOCAL", host="id-west-b", out=[], stage="final")
    assert story.judge(replicas_converged(hosts=["id-west-a"])).verdict == "valid"
    assert story.judge(replicas_converged(hosts=["id-west-b"])).verdict == "invalid"


def register(*changes):
    """Changes (f, number, outcome) of register 1, one a second."""
    story = Story()
    for at, (f, number, outcome) in enumerate(changes, start=1):
        story.op("east-writer-0", f"registers {f}", (at, at + 0.5), outcome, value=number)
    return story


CHANGES = (("write", 1, "ok"), ("write", 2, "ok"), ("write", 3, "info"), ("write", 4, "fail"))


@pytest.mark.parametrize(
    ("held", "anomaly"),
    [
        (2, None),  # the newest that was acknowledged
        (3, None),  # an indeterminate one that is newer
        (1, "replica-behind"),
        (None, "replica-lacks"),
        (4, "garbage"),  # it certainly failed
        (9, "garbage"),
    ],
)
def test_a_replica_holds_the_newest_acknowledged_value_or_a_newer_one(held, anomaly):
    result = own_rows(register(*CHANGES), 2, "registers", b=held).judge(registers_converged())

    assert [finding.anomaly for finding in result.findings] == ([anomaly] if anomaly else [])
    assert {finding.who for finding in result.findings} <= {"west-b-0"}
    assert result.measured == (1 if anomaly else 0)
    assert (result.counts["registers"], result.counts["replicas"], result.counts["reads"]) == (1, 6, 6)


def test_a_replica_that_is_behind_is_told_with_what_it_should_hold():
    (finding,) = own_rows(register(*CHANGES), 2, "registers", b=1).judge(registers_converged()).findings

    assert finding.detail == (
        "west-b-0 holds value 1 of key 1, 2 was acknowledged (written by east-writer-0 at 2.000 s)"
    )
    assert [item["f"] for item in finding.operations] == ["write", "read"]


@pytest.mark.parametrize(
    ("last", "held", "verdict"),
    [
        (("delete", 3, "ok"), None, "valid"),
        (("delete", 3, "ok"), 2, "invalid"),  # it came back on one replica
        (("delete", 3, "info"), None, "valid"),
        (("delete", 3, "info"), 2, "valid"),
        (("delete", 3, "fail"), None, "invalid"),
        (("delete", 3, "ok"), 3, "invalid"),  # the number of a delete is no value
    ],
)
def test_a_deleted_register_holds_nothing(last, held, verdict):
    story = register(*CHANGES[:2], last)

    assert own_rows(story, held, "registers").judge(registers_converged()).verdict == verdict


def test_a_write_after_the_delete_is_held_again():
    story = register(("write", 1, "ok"), ("delete", 2, "ok"), ("write", 3, "ok"))

    assert own_rows(story, 3, "registers", b=None).judge(registers_converged()).verdict == "invalid"


def test_values_that_may_differ_are_equal_after_a_repair():
    story = own_rows(register(*CHANGES), 2, "registers", b=3)
    assert story.judge(registers_converged()).verdict == "valid"

    (finding,) = story.judge(registers_converged(equal=True)).findings
    assert (finding.anomaly, len(finding.operations)) == ("replica-differs", 6)
    assert "west-b-0 3" in finding.detail
    assert own_rows(register(*CHANGES), 2, "registers").judge(registers_converged(equal=True)).verdict == "valid"


def test_a_register_whose_newest_is_exempt_may_be_older():
    story = own_rows(register(*CHANGES), 2, "registers", b=1).fault("F1", 3, 4, 20, 21)

    check = registers_converged(exempt_before=["F1", "inject"], exempt_seconds=1)
    assert story.judge(check).verdict == "valid"  # 2 was acknowledged at 2.5 s, 1 at 1.5 s
    assert story.judge(registers_converged(exempt_before=["F1", "inject"], exempt_seconds=0.1)).verdict == "invalid"


def test_registers_that_were_not_read_are_unknown_and_none_are_vacuous():
    story = register(*CHANGES)
    assert story.judge(registers_converged()).verdict == "unknown"
    assert Story().judge(registers_converged()).verdict == "vacuous"
    assert register(("write", 1, "info")).judge(registers_converged()).verdict == "vacuous"

    few = Story(replication={"east": 2, "west": 3})
    assert "east" in few.judge(registers_converged()).explain


def any_replica(rng):
    """Few changes of one key, and what each of six hosts holds: mostly the same."""
    changes = [
        (rng.choice(["write", "write", "delete"]), number, rng.choice(["ok", "ok", "info", "fail"]))
        for number in range(1, rng.randrange(2, 6))
    ]
    story = register(*changes)
    values = [None, *(number for _, number, _ in changes), 9]
    common = rng.choice(values)
    return own_rows(story, common, "registers", b=rng.choice([*values, common]))


def obvious_registers(operations):
    """What a replica may hold: the effect of the newest acknowledged change or of a later one that is in doubt."""
    changes = [item for item in operations if item.f != "read" and item.outcome != "fail"]
    newest = max((item.value for item in changes if item.outcome == "ok"), default=None)
    allowed = {None if item.f == "delete" else item.value for item in changes if newest is None or item.value >= newest}
    if newest is None:
        allowed.add(None)
    return {item.op for item in operations if item.f == "read" and item.out not in allowed}


@pytest.mark.parametrize("seeds", SEEDS)
def test_registers_converged_agrees_with_brute_force(seeds):
    for seed in seeds:
        story = any_replica(random.Random(seed))
        wrong = {op for _, op in found(story, registers_converged())}
        assert wrong == obvious_registers(story.operations), seed


def any_rows(rng):
    story = Story()
    for value in range(1, rng.randrange(2, 5)):
        at = rng.randrange(1, 34)
        story.op("east-ledger-0", "ledger write", (at, at + 2), rng.choice(["ok", "ok", "info"]), value=value)
        if rng.random() < 0.4:
            gone = at + rng.randrange(1, 5)
            story.op(
                "east-ledger-0", "ledger delete", (gone, gone + 1), rng.choice(["ok", "info", "fail"]), value=value
            )
    values = [item.value for item in story.operations if item.f == "write"]
    common = [value for value in values if rng.random() < 0.8]
    return own_rows(story, common, b=[value for value in values if rng.random() < 0.6])


def obvious_rows(operations, equal):
    wrong, told = set(), set()
    reads = [item for item in operations if item.f == "read"]
    writes = [item for item in operations if item.f == "write"]
    deletes = [item for item in operations if item.f == "delete" and item.outcome != "fail"]
    for read in reads:
        for write in writes:
            mine = [item for item in deletes if item.value == write.value]
            acked = write.outcome == "ok"
            buried = [item for item in mine if item.outcome == "ok" and acked and write.returned < item.invoke]
            if write.value in read.out and any(item.returned < read.invoke for item in buried):
                wrong.add(("replica-keeps", read.op))
                told.add(write.value)
            taken = any(item.invoke <= end(read) for item in mine)
            if write.value not in read.out and acked and write.returned < read.invoke and not taken:
                wrong.add(("replica-lacks", read.op))
                told.add(write.value)
    over = [
        write for write in writes if all(end(item) < ns(30) for item in (write, *deletes) if item.value == write.value)
    ]
    for read in reads if equal else ():
        for write in over:
            differs = write.value not in read.out and any(write.value in other.out for other in reads)
            if differs and write.value not in told:
                wrong.add(("replica-differs", read.op))
    return wrong


@pytest.mark.parametrize("seeds", SEEDS)
def test_replicas_converged_agrees_with_brute_force(seeds):
    for seed in seeds:
        story = any_rows(random.Random(seed))
        for equal in (False, True):
            assert found(story, replicas_converged(equal=equal)) == obvious_rows(story.operations, equal), seed
