"""What became of a start: joined, alone, given up, or not yet known; and what address reuse makes of it."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from clusters.errors import WaitTimeout
from clusters.lab.wire import LabGone
from clusters.ring.host import ALARM as ALARMING
from clusters.ring.limits import Limit
from scenarios import address_reuse, starts
from scenarios.address_reuse import CANCELLED, held_back, observed, release
from scenarios.starts import FRESH, StartWatch, restart, returns
from tests.ring_fakes import agree

ALARM = f"ERROR [main] CassandraDaemon - java.lang.RuntimeException: A node with address /10.200.1.31 {CANCELLED}."
LIMIT = Limit("start", 30.0, "10 + 20 s")


@pytest.fixture
def host(ring):
    return ring.host("east-b-0")


def observations(run, name="observations.jsonl"):
    return [json.loads(line) for line in (run.folder / name).read_text().splitlines()[1:]]


def sees_down(host, *down):
    host.sees = replace(host.sees, down=down)


def everybody(host):
    return tuple(peer["host_id"] for peer in host.sees.peers)


# the watch


@pytest.mark.parametrize("before", [None, FRESH, 0])
def test_a_start_after_which_everybody_is_seen_up_has_joined(ring, lab, host, before):
    lab.change("east", "east-b-0", restarts=0 if before is None else before + 1)
    watch = StartWatch(ring, host, before)

    assert watch() is True
    assert (watch.outcome, watch.detail) == ("joined", "sees 6 hosts")


def test_before_the_kill_is_seen_the_old_process_proves_nothing(ring, lab, host):
    lab.change("east", "east-b-0", restarts=3)
    watch = StartWatch(ring, host, 3)
    first = watch()
    lab.change("east", "east-b-0", restarts=4)

    assert (first, watch.last, watch.outcome) == (None, "the kill is not seen yet (running)", "")
    assert (watch(), watch.outcome) == (True, "joined")


@pytest.mark.parametrize(("before", "restarts"), [(FRESH, 1), (0, 2), (3, 5), (3, 9)])
def test_a_further_restart_means_that_the_start_was_given_up(ring, lab, host, before, restarts):
    lab.logs["east-b-0"] = ["INFO  [main] fine", ALARM]
    lab.change("east", "east-b-0", restarts=restarts, state="waiting", reason="exit 3, restart in 2 s")
    watch = StartWatch(ring, host, before)

    assert watch() is True
    assert (watch.outcome, watch.detail) == ("exited", f"exit 3, restart in 2 s: {ALARM}")


def test_without_a_count_a_restart_is_no_end(ring, lab, host):
    lab.change("east", "east-b-0", restarts=7, state="waiting", reason="exit 3")
    host.sees = ConnectionError("refused")
    watch = StartWatch(ring, host, None)

    assert (watch(), watch.last) == (None, "waiting exit 3: refused")


@pytest.mark.parametrize("error", [ConnectionError("refused"), TimeoutError("no answer"), OSError("lost")])
def test_a_host_that_does_not_serve_yet_is_waited_for(ring, host, error):
    host.sees = error
    watch = StartWatch(ring, host, None)

    assert watch() is None
    assert watch.last.endswith(str(error))


def test_a_lab_that_is_gone_is_no_start_that_takes_long(ring, host):
    host.sees = LabGone("the lab is gone")

    with pytest.raises(LabGone):
        StartWatch(ring, host, None)()


def test_a_host_that_serves_and_holds_nobody_for_up_is_a_split_ring(ring, lab, host):
    lab.logs["east-b-0"] = ["WARN  [main] own seed list"]
    host.read_log()
    sees_down(host, *everybody(host))
    watch = StartWatch(ring, host, None)

    assert watch() is True
    assert (watch.outcome, watch.detail) == (
        "split-ring",
        "serves and holds nobody else for up: WARN  [main] own seed list",
    )


def test_a_host_that_knows_nobody_is_a_split_ring(ring, host):
    host.sees = replace(host.sees, peers=())
    watch = StartWatch(ring, host, None)

    assert (watch(), watch.outcome) == (True, "split-ring")


@pytest.mark.parametrize(
    "view",
    [
        lambda sees: replace(sees, down=("id-west-a-0",)),
        lambda sees: replace(sees, peers=sees.peers[:-1]),
        lambda sees: replace(sees, peers=({**sees.peers[0], "address": "10.200.0.99"}, *sees.peers[1:])),
    ],
    ids=["one down", "one missing", "one elsewhere"],
)
def test_a_host_that_sees_others_but_not_all_is_on_its_way(ring, host, view):
    host.sees = view(host.sees)
    watch = StartWatch(ring, host, None)

    assert (watch(), watch.outcome) == (None, "")
    assert watch.last.startswith("serves, but sees ")


def test_the_last_words_are_cut_to_the_last_two_alarms(ring, lab, host):
    lab.logs["east-b-0"] = [f"ERROR {number} {'x' * 200}" for number in range(4)]
    lab.change("east", "east-b-0", restarts=2)
    watch = StartWatch(ring, host, 0)
    watch()

    assert len(watch.detail) <= 302
    assert watch.detail.endswith("ERROR 3 " + "x" * 200)
    assert "ERROR 1" not in watch.detail


# restarts


def test_a_restart_kills_once_waits_for_the_policy_and_records_what_became_of_it(run, ring, lab, host):
    lab.logs["east-b-0"] = ["ERROR of long ago"]
    expected = restart(run, host, "joined", LIMIT, "while names fail")
    (seen,) = observations(run)

    assert lab.signals == [("east-b-0", "SIGKILL")]
    assert run.expected_exits == {"east-b-0"}
    assert expected == {"subject": "east-b-0 started while names fail", "outcome": "joined", "limit": 30.0,
                        "formula": "10 + 20 s"}  # fmt: skip
    assert (seen["kind"], seen["subject"], seen["outcome"]) == ("outcome", expected["subject"], "joined")
    assert host.alarms == []  # what it said before the kill is no word on this start
    waited = observations(run, "events.jsonl")[-1]
    assert (waited["for"], waited["limit"], waited["formula"]) == (expected["subject"], 30.0, "10 + 20 s")


def test_a_start_that_is_given_up_is_recorded_and_not_waited_for(run, lab, host):
    lab.on_signal = lambda cluster, pod, number: lab.change(cluster, pod, restarts=2, state="waiting", reason="exit 3")
    expected = restart(run, host, "exited", LIMIT, "without seeds")

    assert expected["outcome"] == "exited"
    assert [seen["outcome"] for seen in observations(run)] == ["exited"]


def test_a_host_that_comes_back_by_itself_may_take_a_restart_and_the_back_off(run, ring, lab, host):
    expected = returns(run, host)
    (seen,) = observations(run)

    assert lab.signals == []
    assert (expected["subject"], expected["outcome"]) == ("east-b-0 recovered by itself", "joined")
    assert expected["limit"] == ring.limits.policy_restart.seconds > ring.limits.restart.seconds + ring.limits.back_off
    assert (seen["subject"], seen["outcome"]) == (expected["subject"], "joined")


def test_a_host_that_never_comes_back_is_late_with_what_was_last_seen(run, host, monkeypatch):
    host.sees = ConnectionError("refused")
    real = starts.until
    monkeypatch.setattr(starts, "until", lambda what, probe, timeout: real(what, probe, timeout=0.0))

    with pytest.raises(WaitTimeout, match=r"east-b-0 recovered by itself.*last: running : refused"):
        returns(run, host)

    assert observations(run) == []
    assert "refused" in observations(run, "events.jsonl")[-1]["missed"]


# an address comes back


def test_a_start_that_gossip_cancels_is_refused(run, lab, host):
    lab.logs["east-b-0"] = [ALARM]
    lab.change("east", "east-b-0", restarts=1, state="waiting", reason="exit 3")
    seconds = observed(run, host, "inside the quarantine", FRESH)(10.0)
    (seen,) = observations(run)

    assert (seen["subject"], seen["outcome"]) == ("inside the quarantine", "refused")
    assert CANCELLED in seen["detail"]
    assert 0.0 <= seen["seconds"] <= round(seconds, 2) + 0.01


def test_a_start_that_ended_for_another_reason_was_not_refused(run, lab, host):
    lab.logs["east-b-0"] = ["ERROR [main] Exception encountered during startup"]
    lab.change("east", "east-b-0", restarts=1, state="waiting", reason="exit 3")
    observed(run, host, "inside the quarantine", FRESH)(10.0)

    assert [seen["outcome"] for seen in observations(run)] == ["exited"]


def test_a_host_that_joined_with_such_a_line_in_its_log_was_accepted(run, lab, host):
    lab.logs["east-b-0"] = [ALARM]
    host.read_log()
    observed(run, host, "after it", None)(10.0)

    assert [seen["outcome"] for seen in observations(run)] == ["joined"]


def test_a_start_whose_end_is_not_seen_in_time_records_nothing(run, host, monkeypatch):
    host.sees = ConnectionError("refused")
    real = address_reuse.until
    monkeypatch.setattr(address_reuse, "until", lambda what, probe, timeout: real(what, probe, timeout=0.0))

    with pytest.raises(WaitTimeout, match="after it"):
        observed(run, host, "after it", None)(10.0)

    assert observations(run) == []


def test_a_host_is_held_back_until_it_is_released(lab, host):
    with held_back(host):
        assert lab.signals == [("east-b-0", "SIGSTOP")]
        release(host)
        assert lab.signals[1:] == [("east-b-0", "SIGCONT")]


def test_a_host_that_was_held_back_goes_on_whatever_happens(lab, host):
    with pytest.raises(KeyboardInterrupt), held_back(host):
        raise KeyboardInterrupt

    assert lab.signals == [("east-b-0", "SIGSTOP"), ("east-b-0", "SIGCONT")]


def test_a_new_address_is_joined_once_the_host_sees_itself_there(ring, lab, host):
    """The view of before names the old address: that is no member at its present place."""
    lab.add("east", "east-b-0", "b", "10.200.1.99")
    watch = StartWatch(ring, host, None)
    first = watch()
    agree(ring)

    assert first is None
    assert (watch(), watch.outcome) == (True, "joined")


def test_the_settings_that_a_start_lists_are_no_alarm():
    """A start that was read late hid the refusal of the one before it behind this line."""
    settings = "INFO  Config.java:1371 - Node configuration:[paxos_on_linearizability_violations=log; windows_timer=0]"
    assert not ALARMING.search(settings)
    assert ALARMING.search("WARN  Paxos.java:1 - linearizability violation of key 1")
