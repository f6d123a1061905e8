"""Which topologies stand side by side on machines of given sizes, and the wait for memory before clusters are made."""

import threading

import pytest

from clusters import room
from clusters.catalog import named
from clusters.errors import WaitTimeout
from clusters.fit.sizes import standing_gb
from clusters.room import Room, making, taken
from clusters.turns import machine_turn
from fixtures.lanes import lay, told

HOST_GW, VXLAN, OVERLAP = "kind-host-gw", "kind-vxlan", "kind-overlap"
CHANGE = {OVERLAP: 1, HOST_GW: 3, VXLAN: 2}


def kind(*names):
    return {name: taken(named(name), "kind") for name in names}


def test_real_clusters_take_more_than_the_lab():
    assert standing_gb(named("stub-domains"), "lab") == pytest.approx(3.3, abs=0.02)
    assert standing_gb(named(HOST_GW), "kind") == pytest.approx(3.3 + 1.8, abs=0.02)
    assert standing_gb(named(OVERLAP), "kind") == pytest.approx(0.6 + 1.8)
    assert taken(named(HOST_GW), "kind").processors == 2


@pytest.mark.parametrize(
    ("memory", "processors", "workers", "lanes"),
    [
        (24.0, 2.0, 2, 1),  # memory for both, processors for one
        (24.0, 4.0, 2, 2),
        (24.0, 4.0, 1, 1),
        (10.3, 4.0, 2, 2),  # 2 x 5.1
        (10.0, 4.0, 2, 1),
        (24.0, 8.0, 4, 2),  # no more lanes than topologies
        (3.0, 1.0, 2, 1),  # not even one: that is for require to say
    ],
)
def test_as_many_topologies_stand_at_once_as_have_room(memory, processors, workers, lanes):
    laid = lay(kind(HOST_GW, VXLAN), CHANGE, workers, Room(memory, processors))

    assert set(laid) == {HOST_GW, VXLAN}
    assert len(set(laid.values())) == lanes


def test_lanes_have_about_as_many_tests():
    assert lay(kind(*CHANGE), CHANGE, 2, Room(24.0, 4.0)) == {HOST_GW: 0, VXLAN: 1, OVERLAP: 1}


def test_a_small_topology_stands_beside_a_large_one_where_two_large_ones_would_not():
    free = Room(8.0, 4.0)

    assert len(set(lay(kind(HOST_GW, VXLAN), CHANGE, 2, free).values())) == 1
    assert len(set(lay(kind(HOST_GW, OVERLAP), CHANGE, 2, free).values())) == 2


def test_the_same_machine_carries_two_labs_and_only_one_set_of_kind_clusters():
    free, tests = Room(8.0, 4.0), {"stub-domains": 3, "shared-suffix": 2}
    labs = {name: taken(named(name), "lab") for name in tests}

    assert len(set(lay(labs, tests, 2, free).values())) == 2
    assert len(set(lay(kind(HOST_GW, VXLAN), CHANGE, 2, free).values())) == 1


def test_without_topologies_there_is_nothing_to_lay():
    assert lay({}, {}, 2, Room(24.0, 4.0)) == {}


def test_who_asked_for_more_workers_than_have_room_is_told():
    free = Room(8.0, 4.0)

    assert told({HOST_GW: 0, VXLAN: 0}, 2, free) == (
        "one topology at a time instead of 2: 8.0 GB and 4 processors are free")  # fmt: skip
    assert told({HOST_GW: 0, VXLAN: 1}, 4, free) is None
    assert told({HOST_GW: 0, VXLAN: 0}, 1, free) is None
    assert told({}, 2, free) is None


# the wait before clusters are made


@pytest.fixture(autouse=True)
def alone(monkeypatch, tmp_path):
    monkeypatch.setattr("clusters.turns.NAMES", f"test-room-{tmp_path.name}")


def test_clusters_are_made_once_their_memory_is_free(monkeypatch):
    readings = iter([2.0, 2.0, 2.0, 9.0])
    monkeypatch.setattr(room, "available_gb", lambda: (next(readings), False))
    said = []

    with making(named(HOST_GW), "kind", said.append):
        pass

    assert said == [f"{HOST_GW} takes 5.1 GB of memory, 2.0 GB are free; waiting for more"]
    assert list(readings) == []


def test_who_has_room_does_not_wait(monkeypatch):
    monkeypatch.setattr(room, "available_gb", lambda: (9.0, False))
    said = []

    with making(named(HOST_GW), "kind", said.append):
        pass

    assert said == []


def test_memory_that_never_comes_is_said(monkeypatch):
    monkeypatch.setattr(room, "available_gb", lambda: (2.0, False))
    monkeypatch.setattr(room, "TURN_SECONDS", 0.1)

    with pytest.raises(WaitTimeout, match=r"5\.1 GB of free memory"), making(named(HOST_GW), "kind", print):
        pytest.fail("there is no room")


def test_one_makes_clusters_at_a_time_while_others_measure(monkeypatch):
    monkeypatch.setattr(room, "available_gb", lambda: (9.0, False))
    waiting, order = threading.Event(), []

    def second():
        with making(named(VXLAN), "kind", lambda _text: waiting.set()):
            order.append("second")

    with making(named(HOST_GW), "kind", print):
        thread = threading.Thread(target=second)
        thread.start()
        assert waiting.wait(10)
        with machine_turn(print):
            order.append("first")
    thread.join()

    assert order == ["first", "second"]
