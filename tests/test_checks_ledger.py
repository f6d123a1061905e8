"""No lost writes and replica convergence, on histories small enough to judge by eye."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scenarios.checks import no_lost_writes, replicas_converged
from tests.records import HOSTS, Story


def ledger(final=(1, 2, 3), **facts):
    """Acknowledged writes (1, 2), an indeterminate one (3), a failed one (4); a final read in each datacenter."""
    story = Story(**facts)
    story.op("east-ledger-0", "ledger write", (1, 2), value=1)
    story.op("west-ledger-0", "ledger write", (1, 2), value=2)
    story.op("east-ledger-0", "ledger write", (3, 5), "info", value=3, error=["WriteTimeout", "SIMPLE", "", ""])
    story.op("west-ledger-0", "ledger write", (3, 4), "fail", value=4)
    for dc in ("east", "west"):
        story.op(f"{dc}-ledger-9", "ledger read", (20, 21), out=list(final), stage="final")
    return story


@pytest.mark.parametrize("final", [(1, 2), (1, 2, 3)])  # an indeterminate write may be there or not
def test_what_was_acknowledged_is_there(final):
    result = ledger(final).judge(no_lost_writes())

    assert (result.verdict, result.measured, result.limit) == ("valid", 0, 0)
    assert result.counts["acked"] == 2


@pytest.mark.parametrize(
    ("final", "anomaly", "value"),
    [
        ((1, 3), "lost", 2),  # 2 was acknowledged in the west
        ((1, 2, 4), "failed-visible", 4),  # the driver said that 4 certainly did not happen
        ((1, 2, 99), "garbage", 99),  # nobody wrote 99
    ],
)
def test_every_difference_has_its_name(final, anomaly, value):
    result = ledger(final).judge(no_lost_writes())

    assert result.verdict == "invalid"
    assert {(finding.anomaly, finding.who) for finding in result.findings} == {(anomaly, "east"), (anomaly, "west")}
    assert str(value) in result.findings[0].detail


def test_one_datacenter_that_lost_a_write_is_named():
    story = ledger()
    story.op("west-ledger-9", "ledger read", (30, 31), out=[2], stage="final")

    (finding,) = story.judge(no_lost_writes()).findings

    assert (finding.anomaly, finding.who) == ("lost", "west")
    assert "east-ledger-0" in finding.detail  # the writer of the lost value
    assert [item["f"] for item in finding.operations] == ["write", "read"]


def test_a_write_acknowledged_only_after_the_read_began_may_be_missing():
    story = ledger()
    story.op("east-ledger-1", "ledger write", (20, 20.5), value=5)

    assert story.judge(no_lost_writes()).verdict == "valid"


def test_a_failed_value_is_found_in_any_read_not_only_the_final_ones():
    story = ledger()
    story.op("east-ledger-5", "ledger read", (10, 11), out=[1, 4])  # it vanished again before the end

    assert [finding.anomaly for finding in story.judge(no_lost_writes()).findings] == ["failed-visible"]


def test_a_value_from_the_future_is_found():
    story = ledger((1, 2, 3, 7))
    story.op("east-ledger-1", "ledger write", (18, 19), value=7)
    story.op("east-ledger-5", "ledger read", (10, 11), out=[7])  # 7 was sent at 18

    (finding,) = story.judge(no_lost_writes()).findings

    assert (finding.anomaly, finding.at) == ("future", 10_000_000_000)


def test_a_value_in_the_wrong_bucket_is_garbage_there():
    story = ledger()
    story.op("east-ledger-5", "ledger read", (10, 11), key=2, out=[1])

    assert [finding.anomaly for finding in story.judge(no_lost_writes()).findings] == ["garbage"]


def test_a_bucket_without_a_final_read_is_unknown_not_valid():
    story = ledger()
    story.op("east-ledger-0", "ledger write", (6, 7), key=2, value=8)

    result = story.judge(no_lost_writes())

    assert result.verdict == "unknown"
    assert "bucket 2 has no final read in east" in result.explain


def test_a_datacenter_without_final_reads_is_unknown():
    story = ledger()
    story.operations = [item for item in story.operations if item.dc == "east" or item.f == "write"]

    result = story.judge(no_lost_writes())

    assert (result.verdict, "west" in result.explain) == ("unknown", True)


def test_a_final_read_that_failed_is_no_final_read():
    story = ledger()
    for item in story.operations:
        if item.f == "read":
            item.outcome, item.out = "fail", None

    assert story.judge(no_lost_writes()).verdict == "unknown"


@pytest.mark.parametrize("outcome", ["info", "fail"])
def test_without_acknowledged_writes_it_is_vacuous(outcome):
    story = Story()
    story.op("east-ledger-0", "ledger write", (1, 2), outcome, value=1)
    story.op("east-ledger-0", "ledger read", (5, 6), out=[], stage="final")

    assert story.judge(no_lost_writes()).verdict == "vacuous"


def test_an_empty_history_is_vacuous():
    assert Story().judge(no_lost_writes()).verdict == "vacuous"


@given(
    acked=st.sets(st.integers(0, 99), min_size=1),
    info=st.sets(st.integers(100, 199)),
    shown=st.randoms(use_true_random=False),
)
def test_any_subset_of_the_indeterminate_is_valid_and_any_missing_ack_is_not(acked, info, shown):
    story = Story(datacenters=["east"])
    for value in sorted(acked | info):
        story.op("east-ledger-0", "ledger write", (1, 2), "ok" if value in acked else "info", value=value)
    final = sorted(acked | {value for value in info if shown.random() < 0.5})
    read = story.op("east-ledger-0", "ledger read", (5, 6), out=final, stage="final")
    assert story.judge(no_lost_writes()).verdict == "valid"

    victim = shown.choice(sorted(acked))
    read.out = [value for value in final if value != victim]
    result = story.judge(no_lost_writes())
    assert ([finding.anomaly for finding in result.findings], result.measured) == (["lost"], 1)


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
