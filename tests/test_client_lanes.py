"""The open loop: what is due is sent or counted, invoked before it is sent, by one sequential process each."""

from __future__ import annotations

import itertools

import pytest

from clusters.errors import UsageError
from clusters.waiting import until
from scenarios.workloads.lanes import Lane, Pacer
from scenarios.workloads.recorder import Process
from tests.client_fakes import OK, TIMED_OUT, FakeSession, lines, recorder, write


class Questions:
    workload, name = "probe", "questions"

    def __init__(self, limit=None):
        self.values = itertools.count(1)
        self.limit = limit
        self.learnt = []

    def next(self):
        value = next(self.values)
        if self.limit is not None and value > self.limit:
            raise RuntimeError("out of questions")
        return write(value=value)

    def settled(self, operation, outcome, out):
        self.learnt.append((operation.value, outcome))


def lane_of(questions, rate, **options):
    numbers = itertools.count()
    return Lane(questions, rate, lambda: Process(f"east-probe-{next(numbers)}"), **options)


@pytest.fixture
def run(tmp_path):
    pacers = []

    def start(session, lane, max_seconds=10, ended=lambda reason: None):
        book = recorder(tmp_path)
        pacer = Pacer([lane], session, book, "7")
        pacers.append(pacer)
        pacer.start(max_seconds, ended)
        return pacer, book

    yield start
    for pacer in pacers:
        pacer.stop(0)


def counted(book, what):
    return book.counts.get(("probe", "questions"), {}).get(what, 0)


def test_the_invocation_is_in_the_file_before_the_request_is_sent(tmp_path, run):
    seen = []

    class Looking(FakeSession):
        def submit(self, lane, operation, done):
            seen.append(lines(tmp_path)[-1])
            super().submit(lane, operation, done)

    session = Looking()
    pacer, _ = run(session, lane_of(Questions(), 200))
    until("five operations", lambda: len(session.sent) >= 5, timeout=5, every=0.01)
    pacer.stop(1)
    assert [record["type"] for record in seen] == ["invoke"] * len(seen)
    assert [record["value"] for record in seen] == [operation.value for _, operation in session.sent]


def test_due_times_do_not_depend_on_answers(tmp_path, run):
    session = FakeSession(silent=True)
    pacer, _ = run(session, lane_of(Questions(), 100, in_flight=1000), max_seconds=0.5)
    until("the end of its life", lambda: not pacer.running, timeout=5, every=0.01)
    due = [record["due"] for record in lines(tmp_path)]
    assert 45 <= len(due) <= 50
    assert {after - before for before, after in itertools.pairwise(due)} == {10_000_000}


def test_what_finds_no_free_place_is_counted_and_not_sent(run):
    session = FakeSession(silent=True)
    pacer, book = run(session, lane_of(Questions(), 200, in_flight=2))
    until("overflow", lambda: counted(book, "overflow") >= 3, timeout=5, every=0.01)
    assert len(session.sent) == pacer.open == 2
    assert not pacer.stop(0)
    for done in session.waiting:
        done(OK)
    assert pacer.stop(1)
    assert counted(book, "ok") == 2


def test_a_process_has_one_operation_at_a_time(tmp_path, run):
    session = FakeSession(silent=True)
    pacer, _ = run(session, lane_of(Questions(), 200, in_flight=3))
    until("three open", lambda: pacer.open == 3, timeout=5, every=0.01)
    assert {record["process"] for record in lines(tmp_path)} == {"east-probe-0", "east-probe-1", "east-probe-2"}


def test_after_info_the_worker_goes_on_under_a_new_name(tmp_path, run):
    session = FakeSession()
    session.replies.extend([OK, TIMED_OUT, OK])
    pacer, _ = run(session, lane_of(Questions(), 200))
    until("four operations", lambda: len(session.sent) >= 4, timeout=5, every=0.01)
    pacer.stop(1)
    told = [(record["type"], record["process"]) for record in lines(tmp_path)]
    assert told[:6] == [
        ("invoke", "east-probe-0"),
        ("ok", "east-probe-0"),
        ("invoke", "east-probe-0"),
        ("info", "east-probe-0"),
        ("invoke", "east-probe-0+1"),
        ("ok", "east-probe-0+1"),
    ]


def test_a_thinking_lane_asks_nothing_before_the_answer(run):
    session = FakeSession(silent=True)
    pacer, book = run(session, lane_of(Questions(), 200, thinks=True), max_seconds=0.1)
    until("the end of its life", lambda: not pacer.running, timeout=5, every=0.01)
    assert (len(session.sent), counted(book, "overflow")) == (1, 0)


def test_a_thinking_lane_asks_again_after_the_answer(run):
    session = FakeSession(silent=True)
    pacer, _ = run(session, lane_of(Questions(), 200, thinks=True))
    until("first question", lambda: bool(session.waiting), timeout=5, every=0.01)
    session.waiting.pop()(OK)
    until("second question", lambda: len(session.sent) == 2, timeout=5, every=0.01)
    assert pacer.open == 1


def meeting():
    lane = lane_of(Questions(), 200, in_flight=3, thinks=True)
    lane.together = 3
    return lane


def test_operations_that_meet_are_open_at_once_and_the_rest_begins_after_the_last(run):
    session = FakeSession(silent=True)
    pacer, _ = run(session, meeting())
    until("the first three", lambda: len(session.waiting) == 3, timeout=5, every=0.01)
    session.waiting.pop(0)(OK)
    session.waiting.pop(0)(OK)
    assert (pacer.open, len(session.sent)) == (1, 3)
    session.waiting.pop(0)(OK)
    until("the second three", lambda: len(session.waiting) == 3, timeout=5, every=0.01)
    assert (pacer.open, len(session.sent)) == (3, 6)


def test_answers_that_come_at_once_do_not_multiply_who_meets(run):
    session = FakeSession()
    pacer, book = run(session, meeting())
    until("ten meetings", lambda: len(session.sent) >= 30, timeout=5, every=0.01)
    pacer.stop(1)
    assert len(session.sent) % 3 == 0
    assert counted(book, "overflow") == 0


def test_the_load_ends_by_itself_and_says_so(run):
    reasons = []
    pacer, _ = run(FakeSession(), lane_of(Questions(), 100), max_seconds=0.1, ended=reasons.append)
    until("its end", lambda: bool(reasons), timeout=5, every=0.01)
    assert reasons == ["lifetime"]
    assert not pacer.running


def test_a_load_that_was_stopped_does_not_claim_to_have_ended(run):
    reasons = []
    pacer, _ = run(FakeSession(), lane_of(Questions(), 100), ended=reasons.append)
    pacer.stop(1)
    assert reasons == []


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_load_that_breaks_says_so(run):
    reasons = []
    run(FakeSession(), lane_of(Questions(limit=2), 100), ended=reasons.append)
    until("its end", lambda: bool(reasons), timeout=5, every=0.01)
    assert reasons == ["RuntimeError('out of questions')"]


def test_starting_twice_is_refused(run):
    pacer, _ = run(FakeSession(), lane_of(Questions(), 10))
    with pytest.raises(UsageError, match="stop first"):
        pacer.start(1, lambda reason: None)


def test_a_behaviour_learns_every_end(run):
    questions = Questions()
    session = FakeSession()
    session.replies.extend([OK, TIMED_OUT])
    pacer, book = run(session, lane_of(questions, 200))
    until("two ends", lambda: len(questions.learnt) >= 2, timeout=5, every=0.01)
    pacer.stop(1)
    assert questions.learnt[:2] == [(1, "ok"), (2, "info")]
    assert book.summary()["workloads"]["probe"]["info"] == 1
    assert book.seen() == [
        {"kind": "write", "triple": ["WriteTimeout", "SIMPLE", "LOCAL_QUORUM"], "outcome": "info", "count": 1}
    ]
