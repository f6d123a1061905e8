"""The first questions of a session: answered several times in a row on every lane before anything is measured."""

from __future__ import annotations

import itertools
import json
from collections import Counter, deque

import pytest

from scenarios.client import Client, Spec
from scenarios.history import read_history
from scenarios.load import Client as Told
from scenarios.load import ClientFailed, Load
from scenarios.workloads import plan, warming
from scenarios.workloads.declared import Ledger, Probe, ProbeLane, Sabotage
from scenarios.workloads.lanes import Lane
from scenarios.workloads.recorder import Process
from scenarios.workloads.warming import warm_up
from tests.client_fakes import OK, PLACE, TIMED_OUT, FakeSession, lines, recorder, write
from tests.ring_fakes import fake_ring


class Questions:
    workload = "probe"

    def __init__(self, name="probe write ONE"):
        self.name = name
        self.values = itertools.count(1)
        self.learnt = []

    def next(self):
        return write(value=next(self.values))

    def settled(self, operation, outcome, out):
        self.learnt.append((operation.value, outcome))


class Picky(FakeSession):
    """Times out on some lanes, always."""

    def __init__(self, *lanes):
        super().__init__()
        self.lanes = lanes

    def submit(self, lane, operation, done):
        self.sent.append((lane, operation))
        done(TIMED_OUT if lane in self.lanes else OK)


@pytest.fixture(autouse=True)
def without_pauses(monkeypatch):
    monkeypatch.setattr(warming, "PAUSE", 0.0)


@pytest.fixture
def book(tmp_path):
    return recorder(tmp_path)


def lane_of(questions, in_flight=1):
    numbers = itertools.count()
    return Lane(questions, 10.0, lambda: Process(f"east-probe-{next(numbers)}"), in_flight)


def warmed(lanes, session, book, times=3, seconds=5.0):
    return warm_up(lanes, session, book, times, lambda: seconds)


@pytest.mark.parametrize("times", [1, 3])
def test_every_lane_is_answered_as_often_as_told(book, times):
    lanes = [lane_of(Questions(f"lane {number}")) for number in range(20)]
    session = FakeSession()

    assert warmed(lanes, session, book, times) == []
    assert Counter(lane for lane, _ in session.sent) == {f"lane {number}": times for number in range(20)}
    assert [lane.open for lane in lanes] == [0] * 20


def test_answers_count_in_a_row_only(book):
    """Coordinators take turns: after one has failed, all of them are met again."""
    session = FakeSession(replies=deque([OK, OK, TIMED_OUT, OK, TIMED_OUT, OK, OK, OK]))
    questions = Questions()

    assert warmed([lane_of(questions)], session, book) == []
    assert [outcome for _, outcome in questions.learnt] == ["ok", "ok", "info", "ok", "info", "ok", "ok", "ok"]


def test_lanes_without_their_answers_are_named_and_hold_up_no_other(book):
    lanes = [lane_of(Questions(name)) for name in ("one", "two", "three")]
    session = Picky("one", "three")

    assert warmed(lanes, session, book, seconds=0.0) == ["one", "three"]
    assert Counter(lane for lane, _ in session.sent) == {"one": 1, "two": 3, "three": 1}


def test_a_lane_whose_places_are_all_taken_is_cold_and_asks_nothing(book):
    lane = lane_of(Questions())
    lane.take()
    session = FakeSession()

    assert warmed([lane], session, book, seconds=0.0) == ["probe write ONE"]
    assert (session.sent, lane.open) == ([], 1)


def test_every_attempt_is_recorded_as_warm_up_and_never_as_due(book, tmp_path):
    session = FakeSession(replies=deque([TIMED_OUT]))
    warmed([lane_of(Questions())], session, book, times=2)

    assert [record["type"] for record in lines(tmp_path)] == ["invoke", "info", "invoke", "ok", "invoke", "ok"]
    operations = read_history(tmp_path)
    assert [(item.stage, item.due) for item in operations] == [("warm-up", None)] * 3
    assert [item.process for item in operations] == ["east-probe-0", "east-probe-0+1", "east-probe-0+1"]
    assert book.summary()["workloads"] == {"warm-up": {"info": 1, "ok": 2}}


def test_what_was_learnt_in_the_warm_up_is_not_forgotten(book):
    lanes = plan.lanes(PLACE, [Ledger(), Probe((ProbeLane("write", "ONE", 2.0),))])
    warmed(lanes, FakeSession(), book, times=1)
    after = [lane.behaviour.next().value for lane in lanes]

    assert len(set(after)) == len(after)
    assert after[-1] == 2  # the first value was asked in the warm-up


# the command


@pytest.fixture
def spec(tmp_path):
    return {
        "datacenter": "east",
        "contact_points": ["10.0.0.1"],
        "keyspace": "rp_test",
        "history": str(tmp_path),
        "seed": 7,
        "client_number": 3,
        "workloads": [Ledger(clients=2).as_spec(), Probe((ProbeLane("write", "ONE", 2.0),)).as_spec()],
    }


def obeyed(spec, session, book, command):
    events = []
    client = Client(Spec.model_validate(spec), session, book, events.append)
    client.obey([json.dumps(command)])
    client.leave()
    return events


def test_a_client_warms_every_lane_that_it_will_send_on(spec, book, tmp_path):
    session = FakeSession()
    events = obeyed(spec, session, book, {"do": "warm", "times": 3, "request": 5})

    assert events == [{"event": "warm", "cold": [], "request": 5}]
    assert sorted(Counter(lane for lane, _ in session.sent).values()) == [3, 3, 3]
    assert {record["stage"] for record in lines(tmp_path) if record["type"] == "invoke"} == {"warm-up"}


def test_a_client_names_its_cold_lanes(spec, book):
    session = Picky("probe write ONE")

    assert obeyed(spec, session, book, {"do": "warm", "times": 2, "deadline": 0}) == [
        {"event": "warm", "cold": ["probe write ONE"]}
    ]


# the load


class Talk:
    """Says what it is told to, and remembers what it was asked."""

    def __init__(self, cold=()):
        self.ended, self.events = False, [{"event": "ready"}]
        self.cold, self.asked = list(cold), []

    def ask(self, request, timeout):
        self.asked.append(dict(request))
        return {"event": request["do"], "cold": self.cold}


def opened(tmp_path, monkeypatch, **talks):
    monkeypatch.setattr(Load, "_spawn", lambda _load, _number, datacenter, _workloads, _moment: Told(
        datacenter, talks[datacenter.name], tmp_path / "log"))  # fmt: skip
    load = Load(fake_ring(tmp_path / "ring"), tmp_path, "rp_test", 7)
    load.open([Ledger()], "NONE")
    return load


def test_a_load_is_open_once_every_coordinator_has_answered_on_every_lane(tmp_path, monkeypatch):
    talks = {"east": Talk(), "west": Talk()}
    opened(tmp_path, monkeypatch, **talks)

    assert [request["do"] for request in talks["east"].asked] == ["schema", "warm"]
    assert [request["do"] for request in talks["west"].asked] == ["warm"]
    assert talks["east"].asked[0] == {"do": "schema", "replication": {"east": 3, "west": 3}, "read_repair": "NONE"}
    assert {request["times"] for talk in talks.values() for request in talk.asked if request["do"] == "warm"} == {3}


def test_a_ring_that_does_not_answer_names_its_cold_lanes_and_where(tmp_path, monkeypatch):
    with pytest.raises(ClientFailed, match=r"did not answer ledger writer 0, probe read ONE in west within 30 s"):
        opened(tmp_path, monkeypatch, east=Talk(), west=Talk(["ledger writer 0", "probe read ONE"]))


def test_only_the_datacenter_that_is_sabotaged_is_told_so(tmp_path, monkeypatch):
    talk = Talk()
    ring = fake_ring(tmp_path / "ring")
    for cluster in {datacenter.cluster.name for datacenter in ring.datacenters}:
        monkeypatch.setattr(type(ring.clusters.cluster(cluster).pod("client")), "spawn", lambda *_: talk, raising=False)
    load = Load(ring, tmp_path, "rp_test", 7)
    load.open([Ledger()], sabotage={"west": Sabotage(clock_offset_us=-5_000_000)})

    told = {name: json.loads((tmp_path / f"client-{name}.json").read_text()) for name in ("east", "west")}
    assert "sabotage" not in told["east"]
    assert told["west"]["sabotage"] == {"clock_offset_us": -5_000_000, "retry": "fallthrough"}
    assert Spec.model_validate(told["west"]).sabotage.clock_offset_us == -5_000_000
