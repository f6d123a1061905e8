"""The check `linearizable`: what it judges, what it refuses to judge, and when it says that nothing was at stake."""

from __future__ import annotations

import pytest

from scenarios.checks import linearizable
from scenarios.checks.linear import judging
from scenarios.checks.linear.search import Budget
from tests.records import Story


class Told(Story):
    """Operations of a CAS register at SERIAL."""

    def cas(self, process, span, expected, new, outcome="ok", **fields):
        out = {"applied": True} if outcome == "ok" else None
        known = {"cl": "SERIAL", "serial": "SERIAL", "out": out, **fields}
        return self.op(process, "cas cas", span, outcome, value=[expected, new], **known)

    def read(self, process, span, out, **fields):
        return self.op(process, "cas read", span, out=out, **{"cl": "SERIAL", **fields})


def contended(key=1, story=None, **fields):
    """Two compare-and-sets at once and a read of the result."""
    story = story or Told()
    story.cas("east-a", (1, 4), 0, 1, key=key, **fields)
    story.cas("east-b", (2, 5), 1, 2, key=key, **fields)
    story.read("east-c", (6, 7), 2, key=key, **({"cl": fields["cl"]} if "cl" in fields else {}))
    return story


def judge(story, **params):
    return story.judge(linearizable("cas", "cas-register", 0, **params))


def test_one_order_is_valid():
    result = judge(contended())

    assert (result.verdict, result.measured, result.limit, result.unit) == ("valid", 0, 0, "contradictions")
    assert result.explain == "3 operations on 1 keys have one order each; on 1 keys some ran at once"
    expected = {"operations": 3, "keys": 1, "concurrent keys": 1, "other reads": 0, "findings": 0}
    assert {name: result.counts[name] for name in expected} == expected
    assert result.counts["steps"] >= 3


def test_its_name_says_what_it_promises():
    assert linearizable("cas", "cas-register", 0).id == "cas is a linearizable cas-register per key"
    assert linearizable("registers").id == "registers is a linearizable register per key"
    assert linearizable("cas", keys=[1], mixed="judge", concurrency=0).params == {
        "workload": "cas",
        "model": "register",
        "initial": None,
        "keys": [1],
        "mixed": "judge",
        "concurrency": 0,
    }


def test_two_winners_are_found():
    story = contended()
    story.cas("west-x", (8, 9), 0, 7)
    result = judge(story)

    assert (result.verdict, result.measured) == ("invalid", 2)
    assert {finding.anomaly for finding in result.findings} == {"stale-read", "two-winners"}
    assert {finding.who for finding in result.findings} == {"west-x"}


def test_the_first_value_is_a_parameter():
    assert contended().judge(linearizable("cas", "cas-register", 5)).verdict == "invalid"


def test_registers_are_judged_at_the_levels_that_overlap():
    story = Story()
    story.op("east-w", "registers write", (1, 4), value=1)
    story.op("east-r", "registers read", (2, 3), out=None)
    story.op("east-r", "registers read", (5, 6), out=1)
    assert story.judge(linearizable("registers")).verdict == "valid"

    story.op("east-r", "registers read", (7, 8), out=None)
    (finding,) = story.judge(linearizable("registers")).findings
    assert (finding.anomaly, len(finding.operations)) == ("stale-read", 2)


@pytest.mark.parametrize(("reader", "cl"), [("west-r", "LOCAL_QUORUM"), ("east-r", "ONE")])
def test_levels_that_need_not_overlap_promise_no_order(reader, cl):
    story = Story()
    story.op("east-w", "registers write", (1, 4), value=1)
    story.op(reader, "registers read", (5, 6), out=None, cl=cl)
    result = story.judge(linearizable("registers"))

    assert result.verdict == "unknown"
    dc = reader.partition("-")[0]
    assert result.explain == f"key 1: a read at {cl} in {dc} need not see a write at LOCAL_QUORUM in east"
    assert story.judge(linearizable("registers", mixed="judge", concurrency=0)).verdict == "invalid"


def test_what_certainly_failed_needs_no_overlap():
    story = Story()
    story.op("east-w", "registers write", (1, 4), value=1)
    story.op("east-r", "registers read", (2, 6), out=1)
    story.op("west-w", "registers write", (2, 6), "fail", value=2)
    story.op("west-r", "registers read", (2, 6), "fail")

    assert story.judge(linearizable("registers")).verdict == "valid"


def test_without_a_known_replication_levels_are_not_compared():
    story = Story(replication={})
    story.op("east-w", "registers write", (1, 4), value=1)
    story.op("west-r", "registers read", (2, 6), out=None, cl="ONE")

    assert story.judge(linearizable("registers")).verdict == "valid"


def test_reads_that_may_lag_behind_are_counted_and_not_judged():
    story = contended()
    story.read("east-c", (8, 9), 0, cl="QUORUM")
    story.read("east-c", (8, 9), 0, cl="NODE_LOCAL")
    result = judge(story)

    assert (result.verdict, result.counts["other reads"], result.counts["operations"]) == ("valid", 2, 3)


def test_of_a_register_only_single_replicas_are_left_out():
    story = Story()
    story.op("east-w", "registers write", (1, 4), value=1)
    story.op("east-r", "registers read", (2, 3), out=1)
    story.op("east-r", "registers read", (5, 6), out=None, cl="NODE_LOCAL")

    assert story.judge(linearizable("registers")).counts["other reads"] == 1
    assert story.judge(linearizable("registers")).verdict == "valid"


def test_keys_are_judged_apart_and_may_be_chosen():
    story = contended(key=1)
    contended(key=2, story=story)
    story.read("east-c", (8, 9), 0, key=2)

    assert judge(story).verdict == "invalid"
    assert judge(story).counts["keys"] == 2
    assert judge(story, keys=[1]).verdict == "valid"
    assert judge(story, keys=[1]).counts["keys"] == 1


def local(dc, span, expected, new, story, **fields):
    return story.cas(f"{dc}-x", span, expected, new, cl="LOCAL_SERIAL", serial="LOCAL_SERIAL", **fields)


def test_a_local_serial_key_with_one_home_is_judged():
    assert judge(contended(cl="LOCAL_SERIAL", serial="LOCAL_SERIAL")).verdict == "valid"


def test_local_serial_in_two_datacenters_promises_no_order():
    story = Told()
    local("east", (1, 4), 0, 1, story)
    local("west", (2, 5), 0, 2, story)
    result = judge(story)

    assert result.verdict == "unknown"
    assert result.explain == "key 1: LOCAL_SERIAL in east and west, which decide each for itself"
    assert result.counts["keys"] == 0
    (finding,) = judge(story, mixed="judge").findings
    assert (finding.anomaly, finding.operations[0]["dc"], finding.operations[1]["dc"]) == (
        "two-winners",
        "east",
        "west",
    )


def test_serial_in_two_datacenters_is_one_electorate():
    story = contended()
    story.read("west-c", (8, 9), 2)

    assert judge(story).verdict == "valid"


def test_serial_beside_local_serial_promises_no_order():
    story = contended()
    story.read("east-c", (8, 9), 2, cl="LOCAL_SERIAL")

    assert judge(story).explain == "key 1: SERIAL and LOCAL_SERIAL have different electorates"
    assert judge(story, mixed="judge").verdict == "valid"


@pytest.mark.parametrize("f", ["write", "delete"])
def test_a_plain_write_beside_transactions_promises_no_order(f):
    story = contended()
    story.op("west-p", f"cas {f}", (8, 9), value=9, cl="QUORUM")

    assert judge(story).explain == "key 1: plain writes (west-p at QUORUM) beside SERIAL transactions"
    assert judge(story, mixed="judge").verdict == "valid"


def test_a_plain_write_that_certainly_failed_spoils_nothing():
    story = contended()
    story.op("west-p", "cas write", (8, 9), "fail", value=9, cl="QUORUM")
    assert judge(story).verdict == "valid"

    story.op("west-p", "cas write", (8, 9), "info", value=9, cl="QUORUM")
    assert judge(story).verdict == "unknown"


def test_a_write_through_paxos_is_no_plain_write():
    story = contended()
    story.op("west-p", "cas write", (8, 9), value=9, cl="QUORUM", serial="SERIAL")

    assert judge(story).verdict == "valid"


def test_one_refused_key_does_not_hide_what_another_shows():
    story = contended(key=1)
    story.op("west-p", "cas write", (8, 9), value=9, cl="QUORUM", key=1)
    contended(key=2, story=story)
    assert judge(story).verdict == "unknown"

    story.read("east-c", (8, 9), 0, key=2)
    assert judge(story).verdict == "invalid"


@pytest.mark.parametrize(("keys", "verdict"), [(5, "valid"), (6, "vacuous")])
def test_most_operations_must_be_on_keys_that_saw_two_at_once(keys, verdict):
    """One key of five, of three operations each, without concurrency leaves 80 %; two of six leave less."""
    story = Told()
    calm = 1 if keys == 5 else 2
    for key in range(keys):
        if key < calm:
            story.cas("east-a", (1, 2), 0, 1, key=key)
            story.read("east-c", (3, 4), 1, key=key)
            story.read("east-c", (5, 6), 1, key=key)
        else:
            contended(key, story)

    assert judge(story).verdict == verdict
    assert judge(story, concurrency=0).verdict == "valid"
    assert judge(story, concurrency=1).verdict == "vacuous"


@pytest.mark.parametrize(("calm", "verdict"), [(2, "valid"), (3, "vacuous")])
def test_a_key_that_was_retired_at_once_weighs_what_it_saw(calm, verdict):
    """Three keys with nine operations in contention, and one without: 9 of 11 are enough, 9 of 12 are not."""
    story = Told()
    for key in (1, 2, 3):
        contended(key, story)
    story.cas("east-a", (1, 2), 0, 1, key=4)
    for number in range(calm - 1):
        story.read("east-c", (3 + 2 * number, 4 + 2 * number), 1, key=4)

    result = judge(story)
    assert result.verdict == verdict
    assert result.counts["concurrent keys"] == 3


def test_contention_on_a_key_that_showed_nothing_does_not_count():
    story = Told()
    story.cas("east-a", (1, 4), 0, 1, "info")
    story.cas("east-b", (2, 5), 1, 2, "info")
    story.cas("east-a", (6, 7), 0, 1, key=2)

    assert judge(story).verdict == "vacuous"


@pytest.mark.parametrize("stage", ["warm-up", "final"])
def test_keys_that_the_traffic_never_touched_were_not_meant_to_be_contended(stage):
    story = contended()
    for key in (2, 3):
        story.read("east-d", (10 + key, 10.5 + key), 0, key=key, stage=stage)

    assert judge(story, concurrency=1).verdict == "valid"


def test_it_says_why_nothing_was_at_stake():
    story = Told()
    story.cas("east-a", (1, 2), 0, 1)
    story.read("east-c", (3, 4), 1)

    result = judge(story)
    assert (result.verdict, result.explain) == (
        "vacuous",
        "nothing was at stake: of 1 keys 0 saw two operations at once, 1 a value; 0 of 2 operations were on keys with "
        "both",
    )


def test_without_operations_or_without_an_answer_it_is_vacuous():
    assert judge(Told(), concurrency=0).verdict == "vacuous"

    story = Told()
    story.cas("east-a", (1, 4), 0, 1, "info")
    story.op("east-b", "cas write", (2, 3), value=3, serial="SERIAL")
    story.op("east-c", "cas read", (2, 3), "fail", cl="SERIAL")
    assert judge(story, concurrency=0).verdict == "vacuous"


def test_a_key_that_cannot_be_decided_is_named(monkeypatch):
    monkeypatch.setattr(judging.Question.__init__, "__defaults__", ("register", None, Budget(steps=1)))
    story = contended(key=4)
    result = judge(story)

    assert (result.verdict, result.explain) == ("unknown", "key 4: undecided after 1 steps")


def test_a_foreign_operation_is_named():
    story = Told()
    story.op("east-a", "cas append", (1, 2), value=3, cl="SERIAL")

    result = judge(story)
    assert result.verdict == "unknown"
    assert "the model 'cas-register' has no 'append'" in result.explain


def test_a_key_with_indeterminate_operations_alone_does_not_count():
    story = contended(key=1)
    for key in (2, 3, 4):
        story.cas("east-a", (100 + key, 100.5 + key), 0, 9, "info", key=key)

    assert judge(story).verdict == "valid"
