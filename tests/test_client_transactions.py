"""The workloads of lightweight transactions: what they ask, what they learn, which keys are whose, and for how long."""

from __future__ import annotations

import dataclasses

import pytest

from scenarios.workloads import cas, log, plan
from scenarios.workloads.declared import CasRegister, LwtLog
from scenarios.workloads.operation import Levels
from scenarios.workloads.rotation import INFOS_PER_KEY, OPERATIONS_PER_KEY, SECOND, SPARES, Rotation
from tests.client_fakes import PLACE

OTHER = dataclasses.replace(PLACE, datacenter="west", client_number=4)
APPLIED = [{"[applied]": True}]


def next_of(worker, f):
    return next(operation for operation in iter(worker.next, None) if operation.f == f)


# log


def test_an_append_moves_the_head_and_adds_its_row_at_the_serial_level():
    operation = next_of(log.Contest(PLACE, LwtLog(keys=1)), "append")
    assert operation.parameters == (1, 0, 0, 0, 1, operation.value)
    assert (operation.levels.cl, operation.levels.wire, operation.kind) == ("SERIAL", "QUORUM", "lwt")
    assert operation.interpret(APPLIED) == {"applied": True, "version": 1}


def test_a_local_log_commits_locally_and_reads_locally():
    worker = log.Contest(PLACE, LwtLog(keys=1, serial="LOCAL_SERIAL"))
    append, read = next_of(worker, "append"), next_of(worker, "read")
    assert (append.levels.serial, append.levels.wire, append.before.levels) == (
        "LOCAL_SERIAL", "LOCAL_QUORUM", append.levels)  # fmt: skip
    assert read.levels == Levels("LOCAL_SERIAL")


def test_a_partition_is_made_by_transaction_before_the_first_append_and_never_again():
    worker = log.Contest(PLACE, LwtLog(keys=1))
    first = next_of(worker, "append")
    assert first.before.cql == "INSERT INTO rp_test.log (k, head) VALUES (%s, 0) IF NOT EXISTS"
    assert (first.before.f, first.before.kind, first.joined) == ("create", "lwt", False)
    worker.settled(first, "info", None)
    again = next_of(worker, "append")
    assert again.before == first.before
    worker.settled(again, "ok", again.interpret(APPLIED))
    assert next_of(worker, "append").before is None


def test_a_lost_race_teaches_the_head():
    worker = log.Contest(PLACE, LwtLog(keys=1))
    lost = next_of(worker, "append")
    out = lost.interpret([{"[applied]": False, "k": 0, "ver": None, "head": 7}])
    assert out == {"applied": False, "head": 7}
    worker.settled(lost, "ok", out)
    assert next_of(worker, "append").interpret(APPLIED) == {"applied": True, "version": 8}


@pytest.mark.parametrize(("outcome", "out"), [("info", None), ("fail", None), ("ok", {"applied": False, "head": None})])
def test_an_append_that_shows_no_head_leaves_it_as_it_was_known(outcome, out):
    worker = log.Contest(PLACE, LwtLog(keys=1))
    worker.settled(next_of(worker, "append"), outcome, out)
    again = next_of(worker, "append")
    assert (again.parameters[:3], again.before is None) == ((1, 0, 0), False)


def test_a_log_read_teaches_the_head_and_an_empty_one_proves_no_row():
    worker = log.Contest(PLACE, LwtLog(keys=1))
    read = log.read(PLACE, 0, Levels("SERIAL"))
    assert read.interpret([{"ver": None, "id": None}]) == []
    worker.settled(read, "ok", [])
    assert next_of(worker, "append").before is not None
    worker.settled(read, "ok", read.interpret([{"ver": 1, "id": 11}, {"ver": 2, "id": 12}]))
    append = next_of(worker, "append")
    assert (append.parameters[:3], append.before) == ((3, 0, 2), None)


def keys_of(place, declared):
    return set(log.keys(place, declared))


def test_log_partitions_are_shared_unless_they_have_a_home():
    assert keys_of(PLACE, LwtLog()) == keys_of(OTHER, LwtLog()) == {0, 1, 2, 3}
    local = LwtLog(serial="LOCAL_SERIAL")
    assert not keys_of(PLACE, local) & (keys_of(OTHER, local) | keys_of(PLACE, LwtLog()))
    homeless = LwtLog(serial="LOCAL_SERIAL", home=False)
    assert keys_of(PLACE, homeless) == keys_of(OTHER, homeless)
    contest = log.Contest(PLACE, local)
    assert {contest.next().key for _ in range(100)} == keys_of(PLACE, local)


@pytest.mark.parametrize("clients", [1, 2, 3])
def test_the_clients_of_a_datacenter_meet_on_one_key_of_the_log_after_the_other(clients):
    contest = log.Contest(PLACE, LwtLog(clients=clients))
    meetings = [{contest.next().key for _ in range(clients)} for _ in range(50)]
    assert {len(keys) for keys in meetings} == {1}
    assert set.union(*meetings) == {0, 1, 2, 3}


def test_a_head_never_goes_back_when_answers_come_out_of_order():
    contest = log.Contest(PLACE, LwtLog(keys=1, read_share=0.0))
    winner, loser = contest.next(), contest.next()
    contest.settled(winner, "ok", {"applied": True, "version": 8})
    contest.settled(loser, "ok", {"applied": False, "head": 7})
    assert contest.next().parameters[0] == 9


# compare and set


class Hand:
    """A clock that is set by hand, in seconds after the epoch."""

    def __init__(self, seconds=0.0):
        self.seconds = seconds

    def __call__(self):
        return PLACE.epoch_ns + round(self.seconds * SECOND)


def rotation(declared=None, clock=None, place=PLACE, number=0):
    return Rotation(place, declared or CasRegister(), number, clock or Hand())


def worker_of(declared=None, place=PLACE, clock=None):
    declared = declared or CasRegister(read_share=0.0)
    return cas.Contest(place, declared, 0, rotation(declared, clock, place))


def test_a_first_operation_makes_the_row_with_zero_by_transaction_and_expects_it():
    operation = worker_of().next()
    key, (expected, new) = operation.key, operation.value
    assert expected == 0
    assert operation.cql == "UPDATE rp_test.cas SET value = %s WHERE key = %s IF value = %s"
    assert operation.parameters == (new, key, 0)
    assert (operation.f, operation.kind, operation.levels) == ("cas", "lwt", Levels.paxos("SERIAL"))
    assert operation.before.cql == "INSERT INTO rp_test.cas (key, value) VALUES (%s, %s) IF NOT EXISTS"
    assert (operation.before.parameters, operation.before.levels) == ((key, 0), Levels.paxos("SERIAL"))


@pytest.mark.parametrize(
    ("rows", "out"),
    [
        (APPLIED, {"applied": True}),
        ([{"[applied]": False, "value": 41}], {"applied": False, "value": 41}),
        ([{"[applied]": False, "value": None}], {"applied": False, "value": None}),
        ([{"[applied]": False}], {"applied": False, "value": None}),
    ],
    ids=["applied", "lost", "lost to null", "no row"],
)
def test_an_answer_is_a_win_or_a_read_of_the_winner(rows, out):
    assert worker_of().next().interpret(rows) == out


@pytest.mark.parametrize(
    ("f", "out", "expected"),
    [
        ("cas", {"applied": True}, "its own"),
        ("cas", {"applied": False, "value": 41}, 41),
        ("read", 42, 42),
        ("write", None, "its own"),
    ],
)
def test_the_next_attempt_expects_what_the_last_answer_showed(f, out, expected):
    worker = worker_of(CasRegister(read_share=0.3, plain_share=0.3))
    operation = next_of(worker, f)
    worker.settled(operation, "ok", out)
    following = next_of(worker, "cas")
    own = operation.value[1] if isinstance(operation.value, tuple) else operation.value
    assert following.value[0] == (own if expected == "its own" else expected)
    assert following.before is None


@pytest.mark.parametrize(
    ("outcome", "out"), [("info", None), ("fail", None), ("ok", {"applied": False, "value": None})]
)
def test_an_attempt_that_shows_nothing_changes_nothing_and_its_value_is_never_used_again(outcome, out):
    worker = worker_of()
    operation = worker.next()
    worker.settled(operation, outcome, out)
    again = worker.next()
    assert (again.value[0], again.before) == (0, operation.before)
    assert again.value[1] != operation.value[1]


def test_reads_and_sabotage_have_their_share():
    worker = worker_of(CasRegister(read_share=0.3, plain_share=0.2))
    asked = [worker.next() for _ in range(400)]
    counts = {f: sum(each.f == f for each in asked) for f in ("read", "write", "cas")}
    assert 80 < counts["read"] < 160
    assert 50 < counts["write"] < 110
    assert sum(counts.values()) == 400
    assert {each.f for each in (worker_of(CasRegister()).next() for _ in range(100))} <= {"read", "cas"}


def test_a_read_shows_the_value_at_the_serial_level_and_makes_the_row_first():
    read = worker_of(CasRegister("LOCAL_SERIAL", read_share=1.0)).next()
    assert (read.f, read.kind, read.levels) == ("read", "read", Levels("LOCAL_SERIAL"))
    assert (read.interpret([{"value": 0}]), read.interpret([])) == (0, None)
    assert (read.before.f, read.joined) == ("create", False)


@pytest.mark.parametrize(("serial", "cl"), [("SERIAL", "QUORUM"), ("LOCAL_SERIAL", "LOCAL_QUORUM")])
def test_a_plain_write_has_no_condition_and_no_serial_level(serial, cl):
    plain = worker_of(CasRegister(serial, read_share=0.0, plain_share=1.0)).next()
    assert (plain.f, plain.kind, plain.levels) == ("write", "write", Levels(cl))
    assert " IF " not in plain.cql


def active(declared, place, seconds=()):
    clock = Hand()
    slots = [rotation(declared, clock, place, number) for number in range(declared.keys)]
    keys = set()
    for clock.seconds in seconds or (0.0,):
        keys |= {slot.key() for slot in slots}
    return keys


def test_clients_meet_on_the_same_keys_at_the_same_time():
    times = [float(second) for second in range(300)]
    assert active(CasRegister(), PLACE, times) == active(CasRegister(), OTHER, times)
    assert len(active(CasRegister(), PLACE)) == 2
    homeless = CasRegister("LOCAL_SERIAL", home=False)
    assert active(homeless, PLACE, times) == active(homeless, OTHER, times)


def test_a_key_at_the_local_serial_level_has_one_home():
    times = [float(second) for second in range(300)]
    local = CasRegister("LOCAL_SERIAL", clients=4)
    here, there, shared = active(local, PLACE, times), active(local, OTHER, times), active(CasRegister(), PLACE, times)
    assert not here & there
    assert not (here | there) & shared


@pytest.mark.parametrize(("declared", "clients"), [(CasRegister(), 2), (CasRegister("LOCAL_SERIAL", clients=4), 1)])
def test_a_key_is_active_for_about_150_operations(declared, clients):
    clock = Hand()
    slot = rotation(declared, clock)
    seconds = OPERATIONS_PER_KEY / (declared.rate / declared.keys * clients)
    changes, last = [], slot.key()
    for tenth in range(1, 20 * round(10 * seconds)):
        clock.seconds = tenth / 10
        if slot.key() != last:
            changes.append(clock.seconds)
            last = slot.key()
    lengths = [after - before for before, after in zip([0.0, *changes], changes, strict=False)]
    assert len(lengths) >= 17
    assert all(0.9 * seconds - 0.11 <= length <= 1.1 * seconds + 0.11 for length in lengths)
    assert len(set(lengths)) > 5  # not in step


def test_keys_are_never_used_again_and_fit_the_column():
    clock, seen = Hand(), []
    last = dataclasses.replace(PLACE, client_number=63)
    slot = rotation(CasRegister(keys=16, rate=48.0), clock, last, number=15)
    for clock.seconds in range(0, 900, 5):
        if not seen or slot.key() != seen[-1]:
            seen.append(slot.key())
    assert len(seen) > 10
    assert len(set(seen)) == len(seen)
    assert rotation(CasRegister("LOCAL_SERIAL", keys=16), Hand(900.0), last, number=15).key() < 2**31


def lose(slot, count):
    for _ in range(count):
        slot.settled(slot.key(), "info", None)


@pytest.mark.parametrize(("declared", "limit"), [(CasRegister(), 3), (CasRegister("LOCAL_SERIAL"), INFOS_PER_KEY)])
def test_a_key_with_few_open_ends_is_left_for_a_fresh_one(declared, limit):
    slot = rotation(declared)
    first = slot.key()
    lose(slot, limit - 1)
    assert slot.key() == first
    lose(slot, 1)
    assert slot.key() == first + 1
    slot.settled(first, "info", None)  # the end of an operation on a key that was left is no reason to leave another
    lose(slot, limit - 1)
    assert slot.key() == first + 1


def test_fresh_keys_of_a_turn_are_bounded_and_the_next_turn_has_its_own():
    clock = Hand()
    slot = rotation(clock=clock)
    first = slot.key()
    lose(slot, 100)
    assert slot.key() == first + SPARES - 1
    clock.seconds = 1.2 * OPERATIONS_PER_KEY / 6.0
    assert slot.key() == first + SPARES


def test_clients_of_one_key_share_what_they_saw_and_others_do_not():
    here, there = cas.behaviours(dataclasses.replace(PLACE, epoch_ns=2**62), CasRegister(read_share=0.0))
    first, second, other = here.next(), here.next(), there.next()
    assert (first.key, first.value[0]) == (second.key, second.value[0])
    assert other.key != first.key
    here.settled(first, "ok", {"applied": True})
    assert here.next().value[0] == first.value[1]
    assert there.next().value[0] == 0


def test_final_reads_cover_the_keys_that_exist():
    lanes = plan.lanes(dataclasses.replace(PLACE, epoch_ns=2**62), [CasRegister(read_share=0.0), LwtLog()])
    workers = [lane.behaviour for lane in lanes if lane.behaviour.workload == "cas"]
    asked = [worker.next() for worker in workers]
    workers[0].settled(asked[0], "ok", {"applied": True})
    workers[1].settled(asked[1], "info", None)
    reads = plan.final_reads(PLACE, [CasRegister(), LwtLog()], "cas", "SERIAL", lanes)
    assert [(read.key, read.levels, read.before) for read in reads] == [(asked[0].key, Levels("SERIAL"), None)]
