"""What is seen beside the clients, and that an observer that fails is told."""

from __future__ import annotations

import json
import threading
from dataclasses import replace

import pytest

from clusters.lab.wire import LabGone
from clusters.ring.host import Host
from clusters.waiting import until
from scenarios import observers
from scenarios.history import JsonLines
from scenarios.observers import Observer, longest_resolution, record_names, record_pods, watch_host, watch_names
from tests.ring_fakes import fake_ring


@pytest.fixture
def ring(tmp_path):
    return fake_ring(tmp_path / "ring")


@pytest.fixture
def out(tmp_path):
    made = JsonLines(tmp_path / "observations.jsonl", "observers")
    yield made
    made.close()


def written(tmp_path):
    return [json.loads(line) for line in (tmp_path / "observations.jsonl").read_text().splitlines()[1:]]


def look(observer):
    """One look, in this thread."""
    observer._look()


def test_a_hosts_view_is_recorded_as_it_gave_it(ring, out, tmp_path):
    host = ring.host("east-b-0")
    host.sees = replace(host.sees, down=("id-west-a-0",))
    look(watch_host(host, out))
    (record,) = written(tmp_path)

    assert (record["kind"], record["host"], record["address"], record["ok"]) == (
        "ring_view", "id-east-b-0", "10.0.0.2", True,
    )  # fmt: skip
    assert (record["datacenter"], record["rack"], record["schema"]) == ("east", "b", "s-1")
    assert len(record["peers"]) == 5
    assert record["down"] == ["id-west-a-0"]


def test_a_host_that_does_not_answer_is_an_observation(ring, out, tmp_path):
    host = ring.host("east-b-0")
    host.sees = TimeoutError("no answer in 6 s")
    look(watch_host(host, out))
    (record,) = written(tmp_path)

    assert (record["ok"], record["host"], record["error"]) == (False, "id-east-b-0", "no answer in 6 s")


def test_between_a_pod_and_its_successor_there_is_none_and_observers_say_so(ring, out, tmp_path):
    """Kubernetes makes the new pod only after the old one is gone; an observer that died in between saw no more."""
    east = ring.clusters.cluster("east")
    east.pods[:] = [pod for pod in east.pods if pod.name != "east-a-0"]
    look(watch_host(Host(ring.host("east-a-0").spec, east, "id-east-a-0"), out))
    look(watch_names(ring.clusters.cluster("west"), ring, out))
    view, *names = written(tmp_path)

    assert (view["ok"], view["host"], view["error"]) == (False, "id-east-a-0", "cluster east has no pod east-a-0")
    assert {name["pod"]: name["expected"] for name in names}["east-a-0"] is None
    assert ring.disagreement() is not None


def test_alarms_of_a_log_are_recorded_once(ring, out, tmp_path):
    host = ring.host("east-b-0")
    host.alarms[:] = ["ERROR 2026-11-25 Boom", "WARN  linearizability violated " + "x" * 900]
    observer = watch_host(host, out)
    look(observer)
    look(observer)
    lines = [record for record in written(tmp_path) if record["kind"] == "log_line"]

    assert [(line["pod"], line["level"]) for line in lines] == [("east-b-0", "ERROR"), ("east-b-0", "WARN")]
    assert len(lines[1]["text"]) == 500


def test_every_name_is_asked_in_a_cluster_with_what_it_should_be(ring, out, tmp_path):
    west = ring.clusters.cluster("west")
    name = ring.host("east-a-0").spec.name
    west.answers[name] = ["10.0.9.9"]
    look(watch_names(west, ring, out))
    seen = {record["pod"]: record for record in written(tmp_path)}

    assert set(seen) == {host.spec.pod for host in ring.hosts}
    assert (seen["east-a-0"]["addresses"], seen["east-a-0"]["expected"]) == (["10.0.9.9"], "10.0.0.1")
    assert all(record["rcode"] == "NOERROR" and record["cluster"] == "west" for record in seen.values())


@pytest.mark.parametrize(("seconds", "rcode"), [(0.01, "SERVFAIL"), (2.5, "TIMEOUT")])
def test_a_failure_that_took_the_resolvers_patience_was_silence(ring, out, tmp_path, seconds, rcode):
    east = ring.clusters.cluster("east")
    host = ring.host("east-a-0")
    answer = {"name": host.spec.name, "rcode": "SERVFAIL", "seconds": seconds, "addresses": []}
    east.heard = lambda _pod, _request: {"ok": True, "results": [answer]}
    record_names(east, ring, out, [host])

    assert written(tmp_path)[0]["rcode"] == rcode


def test_a_resolution_is_waited_for_as_long_as_the_c_library_may_take(ring):
    dns = ring.clusters.cluster("east").spec.dns

    assert longest_resolution(dns) == 4 * 1 * 2 + 2
    assert longest_resolution(dns.model_copy(update={"resolver_timeout": 5})) == 4 * 5 * 2 + 2
    assert longest_resolution(dns.model_copy(update={"resolver_attempts": 1})) == 5 + 2


def test_pods_of_the_ring_are_recorded_and_others_are_not(ring, out, tmp_path):
    east = ring.clusters.cluster("east")
    east.pods.append(replace(east.pods[0], name="client"))
    record_pods(ring, out)

    assert [record["pod"] for record in written(tmp_path)] == [host.spec.pod for host in ring.hosts]


# the thread


def test_an_observer_looks_again_and_again_until_it_is_stopped():
    looks = []
    observer = Observer("eager", 0.0, lambda: looks.append(1))
    observer.start()
    until("three looks", lambda: len(looks) >= 3, timeout=10, every=0.02)
    observer.stop()
    count = len(looks)

    assert not observer._thread.is_alive()
    assert len(looks) == count


@pytest.mark.parametrize("error", [ValueError("a bug"), LabGone("the lab is gone")])
def test_an_observer_that_fails_says_so_when_it_is_stopped(error):
    def fail():
        raise error

    observer = Observer("failing", 0.0, fail)
    observer.start()
    observer._thread.join(10)

    with pytest.raises(type(error), match=str(error)):
        observer.stop()


def test_a_look_that_does_not_end_is_told(monkeypatch):
    monkeypatch.setattr(observers, "LOST_PATIENCE", 0.05)
    release = threading.Event()
    observer = Observer("stuck", 0.0, lambda: release.wait(30))
    observer.start()
    try:
        with pytest.raises(TimeoutError, match="stuck: a look has not ended"):
            observer.stop()
    finally:
        release.set()
        observer._thread.join(10)


def test_an_observer_that_never_began_has_nothing_to_stop():
    observer = Observer("idle", 1.0, lambda: None)

    observer.stop()
    assert observer.failure is None


def test_a_host_is_watched_by_its_own_thread_and_a_gone_lab_ends_the_watch(ring, out):
    host = ring.host("east-a-0")
    host.sees = LabGone("the lab is gone")
    observer = watch_host(host, out)
    observer.start()
    observer._thread.join(10)

    assert not observer._thread.is_alive()
    with pytest.raises(LabGone):
        observer.stop()
