"""The client as a program: its spec, its commands, its final reads, its driver profile."""

from __future__ import annotations

import io
import itertools
import json
import subprocess
import sys
from collections import deque
from pathlib import Path

import pytest
from cassandra import ConsistencyLevel, Unavailable
from cassandra.policies import DCAwareRoundRobinPolicy, FallthroughRetryPolicy, RetryPolicy

from clusters.errors import EnvironmentUnfit, UsageError
from scenarios import client as program
from scenarios import session as driver
from scenarios.client import Client, Emitter, Spec, load
from scenarios.history import read_history
from scenarios.workloads import log
from scenarios.workloads.declared import CasRegister, Counter, Ledger, LwtLog, Probe, Sabotage
from scenarios.workloads.finals import FinalRead, ask_finally
from scenarios.workloads.operation import Reply
from scenarios.workloads.recorder import Occasion, Process
from tests.client_fakes import PLACE, TIMED_OUT, FakeSession, lines, recorder, write

ROOT = Path(__file__).parents[1]
DOWN = Reply(error=Unavailable("down", consistency=ConsistencyLevel.ALL), attempted=("10.0.0.1",))


def told(folder, **other):
    spec = {
        "datacenter": "east",
        "contact_points": ["10.0.0.1"],
        "keyspace": "rp_test",
        "history": str(folder),
        "seed": 7,
        "client_number": 3,
        "workloads": [Ledger(buckets=2).as_spec(), LwtLog(keys=2).as_spec(), Probe().as_spec()],
    }
    return {**spec, **other}


@pytest.fixture
def client(tmp_path):
    session, events = FakeSession(), []
    made = Client(Spec.model_validate(told(tmp_path)), session, recorder(tmp_path), events.append)
    yield made, session, events
    made.leave()


def obey(client, *commands):
    made, _, events = client
    made.obey([command if isinstance(command, str) else json.dumps(command) for command in commands])
    return events


def test_a_spec_is_read_with_its_workloads(tmp_path):
    path = tmp_path / "spec.json"
    path.write_text(json.dumps(told(tmp_path)))
    assert load(path).workloads[0] == Ledger(buckets=2)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"client_number": 64}, "client_number"),
        ({"contact_points": []}, "contact_points"),
        ({"sabotage": {"retry": "always"}}, "sabotage.retry"),
        ({"workloads": [{"workload": "cas", "serial": "QUORUM"}]}, "serial"),
        ({"colour": "red"}, "colour"),
        ({"workloads": [{"workload": "bank"}]}, "workloads.0"),
    ],
)
def test_a_wrong_spec_is_refused_by_the_name_of_what_is_wrong(tmp_path, change, words):
    path = tmp_path / "spec.json"
    path.write_text(json.dumps(told(tmp_path, **change)))
    with pytest.raises(UsageError, match=words):
        load(path)


def test_a_missing_spec_is_one_sentence_and_exit_code_4(tmp_path):
    argv = [sys.executable, "-m", "scenarios.client", str(tmp_path / "none.json")]
    done = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 4
    assert "none.json: cannot be read" in json.loads(done.stdout)["message"]


def test_an_existing_segment_is_never_continued(tmp_path):
    path = tmp_path / "spec.json"
    path.write_text(json.dumps(told(tmp_path)))
    (tmp_path / "east-client-3.jsonl").write_text("")
    argv = [sys.executable, "-m", "scenarios.client", str(path)]
    done = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 4
    assert "never continues another's history" in json.loads(done.stdout)["message"]


def test_commands_that_make_no_sense_are_answered(client):
    events = obey(client, "not json", '["list"]', {"do": "dance"}, "", {"do": "counts"})
    assert [event["event"] for event in events] == ["error", "error", "error", "counts"]
    assert "known: schema, warm, start, stop, final, counts, triples, quit" in events[2]["message"]


def test_quit_ends_the_conversation(client):
    events = obey(client, {"do": "quit"}, {"do": "counts"})
    assert events == [{"event": "bye"}]


def test_a_start_and_a_stop(client):
    _, session, _ = client
    events = obey(client, {"do": "start"}, {"do": "start"}, {"do": "stop"})
    assert [event["event"] for event in events] == ["started", "error", "stopped"]
    assert "stop first" in events[1]["message"]
    assert events[2]["drained"]
    assert not events[2]["running"]
    assert sum(sum(counts.values()) for counts in events[2]["workloads"].values()) >= len(session.sent)


def test_the_schema_holds_what_is_declared_and_asks_for_no_rows(client):
    _, session, _ = client
    events = obey(client, {"do": "schema", "replication": {"east": 3}, "read_repair": "NONE"})
    assert events == [{"event": "schema", "keyspace": "rp_test", "tables": ["ledger", "log", "probe"]}]
    assert len(session.defined) == 4
    assert session.sent == []


def test_a_schema_without_replication_is_refused(client):
    events = obey(client, {"do": "schema"})
    assert events[0]["message"].startswith("UsageError: replication {}")


def test_final_reads_are_recorded_as_such(client, tmp_path):
    reads = [{"workload": "ledger", "cl": "ALL"}, {"workload": "log", "cl": "SERIAL"}]
    events = obey(client, {"do": "final", "reads": reads})
    assert events == [{"event": "final", "asked": 4, "unanswered": []}]
    invoked = [record for record in lines(tmp_path) if record["type"] == "invoke"]
    assert {(record["workload"], record["cl"], record["stage"]) for record in invoked} == {
        ("ledger", "ALL", "final"),
        ("log", "SERIAL", "final"),
    }
    assert {record["process"] for record in invoked} == {"east-final-0"}


def test_a_final_read_of_an_unknown_workload_is_refused(client):
    events = obey(client, {"do": "final", "reads": [{"workload": "probe", "cl": "ALL"}, {"cl": "ALL"}]})
    assert "this client has: ledger, log" in events[0]["message"]


def test_a_final_read_is_asked_again_and_every_attempt_is_recorded(tmp_path):
    session, book = FakeSession(replies=deque([DOWN])), recorder(tmp_path)
    left = ask_finally([FinalRead("ledger", write(), "host-9")], session, book, Process("east-final-0"), lambda: 5.0)
    assert left == []
    assert [record["type"] for record in lines(tmp_path)] == ["invoke", "fail", "invoke", "ok"]
    assert [operation.host for operation in read_history(tmp_path)] == ["host-9", "host-9"]


def test_a_final_read_without_answer_is_named_after_its_deadline(tmp_path):
    session, book = FakeSession(replies=deque([DOWN] * 9)), recorder(tmp_path)
    reads = [FinalRead("ledger", write(key=1), "host-9"), FinalRead("ledger", write(key=2))]
    left = ask_finally(reads, session, book, Process("east-final-0"), lambda: 0.0)
    assert left == ["ledger key 1 at LOCAL_QUORUM of host-9", "ledger key 2 at LOCAL_QUORUM"]
    assert len(session.sent) == 2


def test_an_answer_that_cannot_be_read_proves_nothing(tmp_path):
    book, process = recorder(tmp_path), Process("east-log-0")
    append = log.Contest(PLACE, LwtLog(keys=1, read_share=0.0)).next()
    op = book.invoke(process, "log", append, Occasion(due=1))
    assert book.settle(process, op, append, Reply(rows=())) == ("info", None)
    assert process.name == "east-log-0+1"


def test_what_is_recorded_can_be_read_back(client, tmp_path):
    obey(client, {"do": "start"}, {"do": "stop"}, {"do": "final", "reads": [{"workload": "ledger", "cl": "ALL"}]})
    operations = read_history(tmp_path)
    assert {operation.dc for operation in operations} == {"east"}
    assert [operation.stage for operation in operations if operation.workload == "ledger"][-2:] == ["final"] * 2


def test_events_are_whole_lines_and_a_gone_reader_is_no_error():
    class Gone(io.StringIO):
        def write(self, text):
            raise BrokenPipeError

    stream = io.StringIO()
    Emitter(stream)({"event": "ready", "a": 1})
    assert stream.getvalue() == '{"a": 1, "event": "ready"}\n'
    Emitter(Gone())({"event": "ready"})


def test_timestamps_grow_and_never_tie_between_clients():
    clock = itertools.chain([0, 0, 5_000, 1_000_000], itertools.repeat(1_000_000)).__next__
    one = driver.SharedTimestamps(1_700_000_000_000_000, 0, client_number=1, clock=clock)
    stamps = [one() for _ in range(8)]
    assert stamps == sorted(set(stamps))
    assert {stamp % 64 for stamp in stamps} == {1}
    assert abs(stamps[-1] - (1_700_000_000_000_000 + 1000)) < 64 * 8


def test_two_clients_of_one_anchor_agree_on_the_time():
    one, two = (driver.SharedTimestamps(10**15, 0, number, clock=lambda: 10**9) for number in (1, 2))
    assert two() - one() == 1


def test_the_profile_sends_nothing_twice():
    profile = driver.profile("east", "LOCAL_QUORUM", "SERIAL")
    assert isinstance(profile.retry_policy, FallthroughRetryPolicy)
    assert isinstance(profile.load_balancing_policy, DCAwareRoundRobinPolicy)
    assert profile.request_timeout == 6.0
    assert profile.speculative_execution_policy.new_plan("ks", None).next_execution(None) < 0
    assert profile.serial_consistency_level == ConsistencyLevel.SERIAL


def test_another_reactor_than_libev_is_refused(monkeypatch):
    driver.assert_libev()
    monkeypatch.setattr(driver, "DefaultConnection", type("AsyncioConnection", (), {}))
    with pytest.raises(EnvironmentUnfit, match="AsyncioConnection instead of libev"):
        driver.assert_libev()


def test_the_cluster_is_configured_for_bad_days():
    cluster = driver.cluster_of(["127.0.0.1"], 9042, {"x": driver.profile("east", "ONE")})
    try:
        assert cluster.protocol_version == 5
        assert cluster.reconnection_policy.delay == 1.0
        assert (cluster.idle_heartbeat_interval, cluster.idle_heartbeat_timeout) == (2, 2)
    finally:
        cluster.shutdown()


def test_a_client_that_was_told_no_moment_takes_its_own_once(tmp_path):
    spec = Spec.model_validate(told(tmp_path))
    assert spec.place == spec.place
    assert spec.place.epoch_ns == spec.timestamps.monotonic_ns > 0
    given = Spec.model_validate(told(tmp_path, timestamps={"wall_us": 10**15, "monotonic_ns": 5}))
    assert (given.place.epoch_ns, given.clock().wall_us) == (5, 10**15)


# sabotage


def test_the_retry_that_is_sabotage_has_to_be_asked_for():
    assert type(driver.profile("east", "ONE", retry="default").retry_policy) is RetryPolicy
    assert type(driver.profile("east", "ONE").retry_policy) is FallthroughRetryPolicy


def test_a_clock_that_was_stepped_back_gives_older_timestamps_and_goes_on_growing():
    clock = driver.SharedTimestamps(10**15, 0, 1, clock=lambda: 0)
    before = clock()
    clock.step(-5_000_000)
    after = [clock() for _ in range(3)]
    assert before - 5_000_000 <= after[0] < before - 4_999_000
    assert after == sorted(set(after))
    assert {stamp % 64 for stamp in after} == {1}


@pytest.mark.parametrize("offset", [0, -5_000_000])
def test_a_clock_is_stepped_once_when_the_traffic_starts(tmp_path, offset):
    clock = driver.SharedTimestamps(10**15, 0, 3)
    sabotage, workloads = Sabotage(clock_offset_us=offset).as_spec(), [Ledger().as_spec()]
    spec = Spec.model_validate(told(tmp_path, sabotage=sabotage, workloads=workloads))
    client = Client(spec, FakeSession(), recorder(tmp_path), [].append, clock)
    commands = [{"do": "warm"}, {"do": "start"}, {"do": "stop"}, {"do": "start"}, {"do": "stop"}]
    walls = []
    for command in commands:
        client.obey([json.dumps(command)])
        walls.append(clock.wall_us)
    assert walls == [10**15, *[10**15 + offset] * 4]


# the program as a whole


@pytest.fixture
def connected(monkeypatch):
    session, seen = FakeSession(), {}

    def connect(contact_points, port, profiles, timestamps, timeout):
        seen.update(profiles=profiles, timestamps=timestamps)
        return session

    monkeypatch.setattr(program.Session, "connect", connect)
    monkeypatch.setattr(program.signal, "signal", lambda number, handler: None)
    return session, seen


def run(folder, commands, **spec):
    events = []
    path = folder / "spec.json"
    path.write_text(json.dumps(told(folder / "history", **spec)))
    code = program.main([str(path)], [json.dumps(command) for command in commands], events.append)
    return code, events


@pytest.mark.parametrize("do", ["stop", "final"])
def test_the_kinds_of_errors_are_in_a_file_once_a_command_is_answered(client, tmp_path, do):
    obey(client, {"do": do})
    written = json.loads((tmp_path / "east-client-3.outcomes.json").read_text())
    assert written == {"schema": 1, "datacenter": "east", "triples": []}


def test_a_client_leaves_every_kind_of_error_beside_its_history(tmp_path, connected):
    session, _ = connected
    session.replies.extend([TIMED_OUT, DOWN])
    reads = [{"workload": "ledger", "cl": "ALL"}]
    code, events = run(tmp_path, [{"do": "final", "reads": reads, "deadline": 0}, {"do": "triples"}])

    written = json.loads((tmp_path / "history" / "east-client-3.outcomes.json").read_text())
    assert (code, session.closed) == (0, True)
    assert written == {"schema": 1, "datacenter": "east", "triples": events[-1]["triples"]}
    assert written["triples"] == [
        {"kind": "read", "triple": ["Unavailable", "", "ALL"], "outcome": "fail", "count": 1},
        {"kind": "read", "triple": ["WriteTimeout", "SIMPLE", "LOCAL_QUORUM"], "outcome": "fail", "count": 1},
    ]
    assert len(read_history(tmp_path / "history")) == 2


@pytest.mark.parametrize("retry", ["fallthrough", "default"])
def test_every_lane_has_its_own_turn_of_coordinators_and_the_told_retry(tmp_path, connected, retry):
    _, seen = connected
    run(tmp_path, [], workloads=[CasRegister().as_spec(), Counter().as_spec()], sabotage={"retry": retry})
    policies = {name: profile.retry_policy for name, profile in seen["profiles"].items()}
    assert set(policies) == {"final", *(f"cas contest {n}" for n in range(2)), "counter adder 0", "counter adder 1",
                             "counter reader"}  # fmt: skip
    assert {type(policy) for policy in policies.values()} == {
        RetryPolicy if retry == "default" else FallthroughRetryPolicy
    }
    balancing = [profile.load_balancing_policy for profile in seen["profiles"].values()]
    assert len({id(policy) for policy in balancing}) == len(balancing)


class Obliging(FakeSession):
    """Applies every transaction, and answers every read with nothing."""

    def submit(self, lane, operation, done):
        self.sent.append((lane, operation))
        done(Reply(rows=({"[applied]": True},) if operation.kind == "lwt" else ()))


def test_the_history_shows_transactions_as_they_are_declared_and_no_creation(tmp_path, monkeypatch, connected):
    session = Obliging()
    monkeypatch.setattr(program.Session, "connect", lambda *_: session)
    workloads = [CasRegister(read_share=0.0).as_spec(), Counter().as_spec()]
    assert run(tmp_path, [{"do": "warm", "times": 3}], workloads=workloads)[0] == 0

    operations = read_history(tmp_path / "history")
    assert {operation.f for _, operation in session.sent} == {"create", "cas", "add", "read"}
    assert {(each.workload, each.f) for each in operations} == {("cas", "cas"), ("counter", "add"), ("counter", "read")}
    attempts = [each for each in operations if each.f == "cas"]
    assert len(attempts) == 6
    assert {(each.outcome, each.serial, each.cl) for each in attempts} == {("ok", "SERIAL", "SERIAL")}
    assert all(each.out == {"applied": True} and len(each.value) == 2 for each in attempts)
