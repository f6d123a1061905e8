"""Every gate, tripped and passed."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scenarios.checks.linear import CONCURRENT_SHARE
from scenarios.gates import FLOOR, INFO_SHARE_LIMIT, declared, gates
from tests.records import Story


def traffic(story, call="ledger write", start=80.0, count=60, outcome="ok", **fields):
    """An operation each second."""
    for number in range(count):
        at = start + number
        process = fields.get("process", "east-x-0")
        rest = {name: value for name, value in fields.items() if name != "process"}
        story.op(process, call, (at, at + 0.5), outcome, value=number, **rest)
    return story


def healthy(**facts):
    """A fault from 100 to 120, traffic from 80 to 140, final reads in both datacenters at 150."""
    story = traffic(Story(faults=["F1"], **facts).fault("F1", 100, 101, 118, 120))
    for dc in ("east", "west"):
        story.op(f"{dc}-final-0", "ledger read", (150, 151), stage="final", out=[0, 1, 2])
    return story


def rows(story):
    """(gate, subject) -> the row."""
    return {(row["gate"], row["subject"]): row for row in gates(story.record())}


def gate(story, name, subject):
    """(measured, limit, passed, why) of one gate."""
    row = rows(story)[name, subject]
    return row["measured"], row["limit"], row["passed"], row.get("why")


def test_a_healthy_history_passes_every_gate():
    assert {key: (row["measured"], row["limit"], row["passed"]) for key, row in rows(healthy()).items()} == {
        ("indeterminate share", "ledger"): (0, 0.3, True),
        ("ok operations before", "ledger"): (20, 10, True),
        ("ok operations during", "ledger in F1"): (16, FLOOR, True),
        ("ok operations after", "ledger"): (19, FLOOR, True),
        ("final reads after heal", "east"): (1, 1, True),
        ("final reads after heal", "west"): (1, 1, True),
        ("stable elements", "ledger"): (3, 1, True),
    }
    assert all("why" not in row for row in gates(healthy().record()))


# which workloads


def test_workloads_are_those_declared_loaded_and_seen():
    story = traffic(Story(workloads=[{"workload": "cas", "rate": 1.0}, "counter"]), count=1)
    story.event("load", 5, counts={"east": {"batch": {"ok": 1}}, "west": None})
    story.event("mark", 6, counts={"east": {"nothing": {}}})

    assert declared(story.record()) == ["batch", "cas", "counter", "ledger"]


def test_a_scenario_with_a_ring_and_no_traffic_does_not_pass():
    ((key, row),) = rows(Story()).items()

    assert (key, row["passed"], row["measured"], row["limit"]) == (("recorded traffic", "history"), False, 0, 1)
    assert row["why"].startswith("no operation was recorded")


@pytest.mark.parametrize("facts", [{"workloads": []}, {"replication": None}, {"replication": {}}])
def test_a_scenario_that_was_to_have_no_traffic_has_no_gate(facts):
    assert gates(Story(**facts).record()) == ()


def test_a_declared_workload_that_was_never_seen_passes_nothing():
    story = Story(workloads=["ledger", "log"], faults=[])

    assert {key: row["passed"] for key, row in rows(story).items()} == {
        ("indeterminate share", "ledger"): False,
        ("indeterminate share", "log"): False,
        ("ok operations", "ledger"): False,
        ("ok operations", "log"): False,
        ("keys with concurrent operations", "log"): False,
        ("final reads after heal", "east"): False,
        ("final reads after heal", "west"): False,
        ("stable elements", "ledger"): False,
    }


# ok operations around faults


@pytest.mark.parametrize(("count", "passed"), [(FLOOR - 1, False), (FLOOR, True)])
def test_without_a_fault_the_whole_traffic_counts(count, passed):
    story = traffic(Story(), count=count)

    assert gate(story, "ok operations", "ledger") == (count, FLOOR, passed, None)
    assert not [name for name, _ in rows(story) if name.startswith("ok operations ")]


@pytest.mark.parametrize(
    ("name", "subject", "start"),
    [("before", "ledger", 50.0), ("during", "ledger in F1", 101.1), ("after", "ledger", 120.1)],
)
@pytest.mark.parametrize(("count", "passed"), [(FLOOR - 1, False), (FLOOR, True)])
def test_a_floor_before_during_and_after_a_fault(name, subject, start, count, passed):
    story = traffic(Story(faults=["F1"]).fault("F1", 100, 101, 118, 120), start=start, count=count)
    bad = traffic(story, start=start, count=30, outcome="fail", process="east-x-1")

    found = {key: row["measured"] for key, row in rows(bad).items() if key[0].startswith("ok operations")}
    assert gate(story, f"ok operations {name}", subject) == (count, FLOOR, passed, None)
    assert sum(found.values()) == count


@pytest.mark.parametrize(
    ("span", "where"),
    [
        ((98, 99.9), "before"),
        ((98, 100), None),
        ((101, 102), None),
        ((101.1, 102), "during"),
        ((117, 117.9), "during"),
        ((117, 118), None),
        ((119, 121), None),
        ((120, 121), None),
        ((120.1, 121), "after"),
        ((98, None), None),
    ],
)
def test_an_operation_lies_wholly_before_inside_or_after(span, where):
    story = Story(faults=["F1"]).fault("F1", 100, 101, 118, 120)
    story.op("east-x-0", "ledger write", span, value=1)

    found = {name.split()[-1]: row["measured"] for (name, _), row in rows(story).items() if name.startswith("ok oper")}
    assert found == {"before": 0, "during": 0, "after": 0} | ({where: 1} if where else {})


def test_of_two_faults_each_has_its_own_inside():
    story = Story(faults=["F1"]).fault("F1", 100, 101, 118, 120).fault("F2", 130, 131, 148, 150)
    traffic(story, count=100, start=80)

    found = {key: row["measured"] for key, row in rows(story).items() if key[0].startswith("ok operations")}
    assert found == {
        ("ok operations before", "ledger"): 20,
        ("ok operations during", "ledger in F1"): 16,
        ("ok operations during", "ledger in F2"): 16,
        ("ok operations after", "ledger"): 29,
    }


def test_the_warm_up_and_the_final_reads_are_no_traffic():
    story = traffic(Story().phase("warm-up", 10).phase("baseline", 20), start=5, count=30)
    traffic(story, "ledger read", start=40, count=30, stage="final", out=[])

    assert gate(story, "ok operations", "ledger")[0] == 15


def test_a_fault_without_its_moments_passes_nothing():
    story = traffic(Story(faults=["F1", "F2"]).fault("F1", 100, None, 118))

    assert gate(story, "ok operations before", "ledger") == (None, FLOOR, False, "fault F2 was never injected")
    assert gate(story, "ok operations during", "ledger in F1")[2:] == (False, "fault F1 has no recorded 'effective'")
    assert gate(story, "ok operations during", "ledger in F2")[2:] == (False, "fault F2 was never injected")
    assert gate(story, "ok operations after", "ledger")[2:] == (False, "fault F1 has no recorded 'recovered'")


# indeterminate


@pytest.mark.parametrize(("info", "passed"), [(30, True), (31, False)])
def test_too_much_that_is_indeterminate(info, passed):
    story = traffic(traffic(Story(), count=100 - info), outcome="info", count=info)

    assert gate(story, "indeterminate share", "ledger") == (info / 100, INFO_SHARE_LIMIT, passed, None)


# concurrency


def met(first, second, calls=("log append", "log append"), outcomes=("ok", "ok"), **fields):
    """Two operations on one key, by their spans."""
    story = Story()
    for number, (span, call, outcome) in enumerate(zip((first, second), calls, outcomes, strict=True)):
        story.op(f"east-log-{number}", call, span, outcome, value=number, **fields)
    return story


@pytest.mark.parametrize(
    ("first", "second", "share"),
    [((1, 2), (1.5, 3), 1), ((1, 2), (2, 3), 0), ((1, 2), (2.1, 3), 0), ((1, 5), (2, 3), 1), ((1, None), (1.1, 2), 0),
     ((1, None), (1, 2), 0)],
)  # fmt: skip
def test_concurrent_is_what_was_open_at_one_time(first, second, share):
    for spans in ((first, second), (second, first)):
        measured, limit, passed, _ = gate(met(*spans), "keys with concurrent operations", "log")
        assert (measured, limit, passed) == (share, CONCURRENT_SHARE, bool(share))


@pytest.mark.parametrize(
    ("calls", "share"),
    [
        (("log append", "log read"), 1),
        (("log read", "log append"), 1),
        (("log read", "log read"), 0),
    ],
)
def test_one_of_the_two_must_change_something(calls, share):
    assert gate(met((1, 3), (2, 4), calls, out=[]), "keys with concurrent operations", "log")[0] == share


def test_what_failed_or_was_no_traffic_meets_nobody():
    name = "keys with concurrent operations"
    assert gate(met((1, 3), (2, 4), outcomes=("ok", "fail")), name, "log")[0] == 0
    assert gate(met((1, 3), (2, 4), outcomes=("ok", "info")), name, "log")[0] == 1
    assert gate(met((1, 3), (2, 4), stage="final"), name, "log")[1:] == (
        CONCURRENT_SHARE, False, "no log operation was recorded",
    )  # fmt: skip


def test_a_long_update_is_remembered_beyond_shorter_ones():
    story = met((1, 9), (2, 3))
    story.operations[1].key = 2
    for span, key in (((1, 9), 3), ((1.5, 2), 4)):
        story.op("east-log-5", "log append", span, key=key)
    assert gate(story, "keys with concurrent operations", "log")[0] == 0

    story = Story()
    for number, (call, span) in enumerate(
        (("log read", (1, 9)), ("log read", (2, 3)), ("log append", (4, 5)), ("log read", (7, 8)))
    ):
        story.op(f"east-log-{number}", call, span, out=[])
    assert gate(story, "keys with concurrent operations", "log")[0] == 1


@pytest.mark.parametrize("workload", ["log", "cas"])
@pytest.mark.parametrize(("alone", "passed"), [(1, True), (2, True), (3, False)])
def test_most_operations_must_be_on_keys_that_met(workload, alone, passed):
    story = Story()
    for key in range(4):
        for process in (0, 1):
            story.op(f"east-{process}", f"{workload} cas", (key, key + 1), value=[0, 1], key=key)
    for key in range(alone):
        story.op("east-9", f"{workload} cas", (key, key + 1), value=[0, 1], key=100 + key)

    measured, _, found, _ = gate(story, "keys with concurrent operations", workload)
    assert (measured, found) == (8 / (8 + alone), passed)


SPANS = st.tuples(st.sampled_from(["append", "read"]), st.integers(0, 30), st.one_of(st.none(), st.integers(0, 8)))


@given(st.lists(SPANS, min_size=1, max_size=8))
def test_contention_is_that_of_all_pairs(drawn):
    story = Story()
    for number, (f, start, lasts) in enumerate(drawn):
        story.op(f"east-{number}", f"log {f}", (start, None if lasts is None else start + lasts), "info")
    spans = [(f, start, start + (lasts or 0)) for f, start, lasts in drawn]
    pairs = [(a, b) for place, a in enumerate(spans) for b in spans[place + 1 :]]
    met_somewhere = any(a[1] < b[2] and b[1] < a[2] and "append" in (a[0], b[0]) for a, b in pairs)

    assert gate(story, "keys with concurrent operations", "log")[0] == met_somewhere


def test_other_workloads_need_not_meet():
    assert not [key for key in rows(healthy()) if "concurrent" in key[0]]


# final reads


@pytest.mark.parametrize(
    "change",
    [
        {"stage": None},
        {"cl": "NODE_LOCAL"},
        {"outcome": "fail"},
        {"f": "write"},
        {"invoke": 120 * 10**9},
    ],
)
def test_a_datacenter_without_a_final_read_after_the_heal(change):
    story = healthy()
    for name, value in change.items():
        setattr(story.operations[-1], name, value)

    assert gate(story, "final reads after heal", "west") == (0, 1, False, None)
    assert gate(story, "final reads after heal", "east") == (1, 1, True, None)


def test_without_a_fault_every_final_read_is_after_the_heal():
    story = Story()
    story.op("east-final-0", "ledger read", (0, 1), stage="final", out=[])

    assert [gate(story, "final reads after heal", dc)[0] for dc in ("east", "west")] == [1, 0]


def test_final_reads_come_after_the_last_of_all_faults():
    story = healthy()
    story.facts["faults"] = ["F2", "F1"]
    story.fault("F2", 140, 141, 142, 150.5)

    assert gate(story, "final reads after heal", "east") == (0, 1, False, None)


def test_final_reads_that_cannot_be_placed_pass_nothing():
    story = healthy()
    story.events = [event for event in story.events if event.get("state") != "recovered"]
    assert gate(story, "final reads after heal", "east") == (None, 1, False, "fault F1 has no recorded 'recovered'")
    assert gate(story, "final reads after heal", "west")[2] is False

    story = healthy(datacenters=[])
    assert gate(story, "final reads after heal", "ring") == (None, 1, False, "scenario.json names no datacenters")


def test_probes_alone_leave_nothing_to_read():
    assert {name for name, _ in rows(traffic(Story(), "probe write"))} == {"indeterminate share", "ok operations"}


# stable elements


def ledger(*reads, **fields):
    """Values 0 to 9 acknowledged in bucket 1, then the reads."""
    story = traffic(Story(), count=10)
    for at, shown in enumerate(reads):
        story.op("west-final-0", "ledger read", (200 + at, 200.5 + at), out=shown, **fields)
    return story


@pytest.mark.parametrize(
    ("reads", "stable"),
    [(([0, 1, 99],), 2), (([],), 0), (([99],), 0), (([0, 1], [5]), 1), ((None,), 0), (([0, 1], []), 0)],
)
def test_elements_are_stable_if_the_last_read_shows_them(reads, stable):
    assert gate(ledger(*reads), "stable elements", "ledger") == (stable, 1, stable > 0, None)


@pytest.mark.parametrize("fields", [{"cl": "NODE_LOCAL"}, {"outcome": "fail"}])
def test_without_a_read_stability_is_not_known(fields):
    story = ledger([0])
    for name, value in fields.items():
        setattr(story.operations[-1], name, value)

    assert gate(story, "stable elements", "ledger") == (None, 1, False, "no ledger read was ok")


def test_only_acknowledged_elements_of_the_same_bucket_are_stable():
    story = traffic(traffic(Story(), count=1, key=2), count=1, outcome="info")
    story.op("west-final-0", "ledger read", (200, 201), out=[0])

    assert gate(story, "stable elements", "ledger") == (0, 1, False, None)
