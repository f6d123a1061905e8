"""Acts on pods: the undo is on the disk first, and takes away exactly the pod that was created."""

from __future__ import annotations

import pytest

from clusters.cluster import PodSpec
from clusters.errors import CleanupFailed
from clusters.journal import Journal
from clusters.lab.wire import LabError
from clusters.undo import Acts
from tests.lease_fakes import leased_lab

SPEC = PodSpec("east-lone", "c")


@pytest.fixture
def place():
    return leased_lab()


@pytest.fixture
def lab(place):
    return place[1]


@pytest.fixture
def acts(place, tmp_path):
    return Acts(place[0], Journal(tmp_path / "journal.jsonl"))


def names(lab):
    return sorted(name for _, name in lab.pods)


def test_a_pod_is_created_and_its_undo_deletes_that_pod_alone(acts, lab):
    lab.add("east", "east-c-0", "c")
    number = acts.create_pod("east", SPEC)
    during = names(lab)

    assert acts.journal.open() == {number: {"provider": "lab", "act": "pod", "cluster": "east", "pod": "east-lone"}}
    acts.undo(number)

    assert during == ["client", "client", "east-c-0", "east-lone"]
    assert names(lab) == ["client", "client", "east-c-0"]
    assert acts.journal.open() == {}


def test_the_pod_is_created_as_it_was_specified(acts, lab):
    acts.create_pod("west", PodSpec("west-lone", "b", ("sh",), in_service=False, address="10.250.1.77"))
    (given,) = [arguments for do, arguments in lab.calls if do == "create_pod"]

    assert (given["cluster"], given["spec"]["command"], given["spec"]["in_service"]) == ("west", ("sh",), False)
    assert (lab.pods["west", "west-lone"].address, lab.pods["west", "west-lone"].zone) == ("10.250.1.77", "b")


def test_the_undo_of_a_pod_is_written_before_it_is_created(acts, lab):
    written = []

    def refuse(cluster, spec):
        written.append(list(acts.journal.open().values()))
        raise LabError("no room")

    lab.on_create_pod = refuse
    with pytest.raises(LabError, match="no room"):
        acts.create_pod("east", SPEC)

    assert written == [[{"provider": "lab", "act": "pod", "cluster": "east", "pod": "east-lone"}]]
    assert acts.undo_all() == 1  # nothing of that name is there, and that is what the undo wants
    assert "delete_pod" not in [do for do, _ in lab.calls]
    assert acts.journal.open() == {}


def test_a_pod_of_the_same_name_in_another_cluster_is_not_ours(acts, lab):
    lab.add("west", "east-lone", "c")
    number = acts.create_pod("east", SPEC)
    acts.undo(number)

    assert list(lab.pods) == [("east", "client"), ("west", "client"), ("west", "east-lone")]


def test_a_pod_that_cannot_be_deleted_stays_in_the_journal(acts, lab):
    number = acts.create_pod("east", SPEC)
    lab.on_delete_pod = lambda cluster, pod: (_ for _ in ()).throw(LabError("it is stuck"))

    with pytest.raises(CleanupFailed, match=r"east-lone.*it is stuck"):
        acts.undo_all()

    assert set(acts.journal.open()) == {number}


def test_another_process_deletes_what_a_killed_one_created(place, acts, lab):
    acts.create_pod("east", SPEC)

    assert Acts(place[0], Journal(acts.journal.path)).undo_all() == 1
    assert names(lab) == ["client", "client"]
