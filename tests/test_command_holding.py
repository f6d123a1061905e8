"""Labs that stay up: entries, names, and that exactly the holder is ended, never a process that took its number."""

import io
import signal
import subprocess
import sys
from dataclasses import replace

import pytest
from rich.console import Console

from clusters import holding
from clusters.alive import Identity
from clusters.errors import PlanRefused, UsageError
from clusters.holding import claim, find, forget, renamed, seconds
from clusters.providers import provider
from clusters.waiting import until
from ringproof.command import main
from ringproof.holder import check
from ringproof.listing import render
from ringproof.sweeping import left_alone, sweep
from ringproof.updown import end_holder


@pytest.fixture(autouse=True)
def registry(monkeypatch, tmp_path):
    monkeypatch.setenv("RINGPROOF_STATE", str(tmp_path / "state"))


@pytest.fixture
def process():
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    yield child
    child.kill()
    child.wait()
    child.stdin.close()


def test_identity_tells_processes_apart(process):
    ours, other = Identity.of(), Identity.of(process.pid)

    assert ours.alive
    assert other.alive
    assert not replace(other, start=other.start + 1).alive
    assert not replace(other, boot="another boot").alive
    assert replace(other, space="pid:[1]").alive  # of another namespace: cannot be seen, so nobody may call it dead


def test_a_process_that_only_has_the_number_is_never_signalled(process):
    taken = replace(Identity.of(process.pid), start=1)

    assert not taken.signal(signal.SIGKILL)
    assert process.poll() is None


def test_an_ended_process_is_not_alive(process):
    identity = Identity.of(process.pid)

    assert identity.signal(signal.SIGKILL)
    until("it is a zombie, which is no life", lambda: not identity.alive, timeout=10)
    process.wait()
    assert not identity.alive
    assert not identity.signal(signal.SIGKILL)
    with pytest.raises(ProcessLookupError):
        Identity.of(process.pid)


def test_names_are_free_and_found(tmp_path):
    first = claim("stub-domains", tmp_path, 60.0)
    second = claim("stub-domains", tmp_path, 60.0)

    assert (first.name, second.name) == ("stub-domains", "stub-domains-2")
    assert not first.ready
    assert find("stub-domains-2") == second
    with pytest.raises(UsageError, match="say which: stub-domains, stub-domains-2"):
        find(None)
    with pytest.raises(UsageError, match="no ring called nope is up"):
        find("nope")
    forget(second)
    assert find(None) == first
    ready = renamed(first, "run/stub-domains/0")
    assert ready.ready
    assert find("stub-domains") == ready


def test_a_ring_that_is_not_ready_is_not_lent(tmp_path):
    with pytest.raises(UsageError, match="still coming up"):
        claim("stub-domains", tmp_path, 60.0).lease()


def test_down_ends_the_holder_and_forgets_it(tmp_path, process):
    entry = replace(claim("stub-domains", tmp_path, 60.0), holder=Identity.of(process.pid))
    holding.write(entry)

    assert end_holder(entry)

    assert process.wait(10) == -signal.SIGTERM
    assert list(holding.entries()) == []


def test_sweep_forgets_dead_holders_only(tmp_path):
    alive = claim("stub-domains", tmp_path, 60.0)
    holding.write(replace(alive, name="dead", holder=replace(alive.holder, start=1)))

    told = list(sweep(tmp_path / "runs"))

    assert len(told) == 1
    assert "dead" in told[0]
    assert list(holding.entries()) == [alive]
    assert list(sweep(tmp_path / "runs")) == []


def test_a_ring_is_listed_with_who_made_it_and_for_how_long(tmp_path):
    renamed(claim("kind-vxlan", tmp_path, 3600.0, "kind"), "run/kind-vxlan/0")
    out = io.StringIO()
    render(Console(file=out, width=100))

    (line,) = [line for line in out.getvalue().splitlines() if "60 min" in line]
    assert line.split() == ["kind-vxlan", "kind-vxlan", "kind", "60", "min"]


def test_the_provider_answers_whether_a_ring_can_be_held_here(monkeypatch):
    asked = []
    monkeypatch.setattr(provider("kind"), "require", asked.append, raising=False)

    check("kind-vxlan", "kind")

    assert [topology.name for topology in asked] == ["kind-vxlan"]
    with pytest.raises(PlanRefused):
        check("kind-overlap", "kind")
    with pytest.raises(UsageError, match="no provider is called moon"):
        check("kind-vxlan", "moon")


def test_up_brings_up_the_place_that_stands_for_it_on_that_provider(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    wishes = []
    monkeypatch.setattr("ringproof.holder.check", lambda topology, made_by: None)
    monkeypatch.setattr("ringproof.holder.hold_up", lambda wish, _screen, _said: wishes.append(wish))

    assert main(["up", "stub-domains", "--provider", "kind", "--expires", "30m"]) == 0
    assert main(["up", "stub-domains"]) == 0

    assert [(one.topology, one.provider, one.expires) for one in wishes] == [
        ("kind-host-gw", "kind", 1800.0),
        ("stub-domains", "lab", 7200.0),
    ]


def test_an_entry_of_another_version_is_passed_over(tmp_path):
    (holding.registry() / "odd.json").write_text('{"name": "odd"}')
    (holding.registry() / "torn.json").write_text('{"na')

    assert list(holding.entries()) == []


def test_forgetting_leaves_the_entry_of_another_holder(tmp_path, process):
    entry = claim("stub-domains", tmp_path, 60.0)
    successor = replace(entry, holder=Identity.of(process.pid))
    holding.write(successor)

    forget(entry)

    assert list(holding.entries()) == [successor]


@pytest.mark.parametrize(("text", "expected"), [("90s", 90.0), ("30m", 1800.0), ("1.5h", 5400.0), ("1d", 86400.0)])
def test_durations(text, expected):
    assert seconds(text) == expected


@pytest.mark.parametrize("text", ["2", "h", "-1h", "0s", "2 hours", "8d"])
def test_what_is_no_duration_is_refused(text):
    with pytest.raises(UsageError, match="no duration"):
        seconds(text)


def test_live_labs_are_seen_by_their_sockets():
    import socket

    from clusters.alive import abstract

    lab = provider("lab")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listening:
        listening.bind(abstract("made-up/place/0"))
        listening.listen()
        assert "made-up/place/0" in lab.living()
    assert "made-up/place/0" not in lab.living()


def test_what_is_left_alone_is_counted_by_provider(monkeypatch):
    monkeypatch.setattr(type(provider("lab")), "living", lambda _self: ["one", "two"])
    monkeypatch.setattr(type(provider("kind")), "living", lambda _self: ["three"])
    assert left_alone() == "2 of lab, 1 of kind"
