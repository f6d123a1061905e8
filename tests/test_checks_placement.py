"""Placement and identity: what trips each of them, and that nothing passes on nothing."""

from __future__ import annotations

import pytest

from scenarios.checks import lives_once, placed
from tests.records import HOSTS, Story

SINCE = ["phase", "back"]
ZONED = [(host["cluster"], host["pod"], host["rack"]) for host in HOSTS]
BACK = 10.0


def place(story: Story, t: float, pod: str, **changed: object) -> Story:
    cluster, rack = pod.split("-")[:2]
    known = {"cluster": cluster, "pod": pod, "uid": f"u-{pod}", "node": f"n-{rack}", "zone": rack,
             "volume": f"pv-{pod}", "volume_zones": [rack], "ready": "True", "state": "here"}  # fmt: skip
    return story.see("placement", t, **{**known, **changed})


def lived(story: Story, t: float, cluster: str, pods: list[tuple[str, str, str]], **changed: object) -> Story:
    entries = [{"pod": pod, "uid": uid, "node": node} for pod, uid, node in pods]
    return story.see("living", t, cluster=cluster, pods=entries, **{"unasked": [], "look": 1, **changed})


def story(without: str = "") -> Story:
    """Every pod at home when the watch begins and at one look after the zone is back; `without` is left out there."""
    told = Story(provider="kind").phase("back", BACK)
    for cluster in ("east", "west"):
        pods = [pod for home, pod, _ in ZONED if home == cluster]
        for pod in pods:
            place(told, 1, pod)
            if pod != without:
                place(told, BACK + 1, pod, look=1)
        lived(
            told, BACK + 1.1, cluster, [(pod, f"u-{pod}", f"n-{pod.split('-')[1]}") for pod in pods if pod != without]
        )
    return told


def found(result):
    return [(finding.anomaly, finding.who) for finding in result.findings]


def test_pods_in_the_zones_of_their_volumes_are_valid():
    result = story().judge(placed(SINCE))

    assert (result.verdict, result.measured, result.limit) == ("valid", 0, 0)
    assert result.explain == "6 pods are in the zones of their volumes"


def test_what_is_not_modelled_is_said():
    told = story()
    told.facts |= {"not_modelled": ["events", "node conditions"], "provider": "lab"}

    for data in (placed(SINCE), lives_once()):
        assert told.judge(data).explain.endswith("; not modelled by lab: events, node conditions")


def test_a_pod_outside_of_its_volumes_zones_is_found_also_when_it_has_moved_on():
    told = place(story(), BACK + 2, "east-b-0", node="n-c", zone="c")
    place(told, BACK + 3, "east-b-0")
    result = told.judge(placed(SINCE))

    assert (result.verdict, found(result)) == ("invalid", [("outside-volume", "east-b-0")])
    assert result.findings[0].detail == "east-b-0 is on n-c in c, its volume pv-east-b-0 in b"


def test_where_a_pod_was_before_is_not_judged():
    told = place(story(), 2, "east-b-0", node="n-c", zone="c")

    assert told.judge(placed(SINCE)).verdict == "valid"


def test_a_node_of_no_zone_is_outside_too():
    result = place(story(), BACK + 2, "east-b-0", node="control", zone=None).judge(placed(SINCE))

    assert result.findings[0].detail == "east-b-0 is on control in no zone, its volume pv-east-b-0 in b"


@pytest.mark.parametrize("changed", [{"state": "gone"}, {"node": "", "zone": None}])
def test_a_pod_that_did_not_come_back_is_found(changed):
    result = place(story(), BACK + 2, "west-c-0", **changed).judge(placed(SINCE))

    assert (result.verdict, found(result)) == ("invalid", [("not-returned", "west-c-0")])


def test_a_pod_that_nobody_saw_since_leaves_it_open():
    result = story(without="east-b-0").judge(placed(SINCE))

    assert result.verdict == "unknown"
    assert result.explain == "where east-b-0 is was never observed in that time"


def test_a_volume_of_no_known_zone_leaves_it_open():
    result = place(story(), BACK + 2, "east-b-0", volume=None, volume_zones=[]).judge(placed(SINCE))

    assert (result.verdict, result.explain) == (
        "unknown", "the zone of the volume of east-b-0 was never observed in that time",
    )  # fmt: skip


def test_no_placement_at_all_is_vacuous():
    assert Story().phase("back", BACK).judge(placed(SINCE)).verdict == "vacuous"
    assert Story().judge(lives_once()).verdict == "vacuous"


# identity


def test_pods_that_live_once_are_valid():
    result = story().judge(lives_once())

    assert (result.verdict, result.explain) == ("valid", "6 pods lived once in every one of 2 looks")
    assert result.counts["pods"] == 6


def test_a_successor_after_the_end_of_the_first_is_no_second():
    told = place(story(), 3, "east-b-0", state="leaving")
    place(told, 4, "east-b-0", state="gone")
    place(told, 4, "east-b-0", uid="u-2")

    assert told.judge(lives_once()).verdict == "valid"


def test_two_uids_of_one_pod_at_once_are_found_once():
    told = place(story(), 3, "east-b-0", uid="u-2")
    place(told, 4, "east-b-0", uid="u-2", ready="False")
    result = told.judge(lives_once())

    assert (result.verdict, found(result)) == ("invalid", [("lives-twice", "east-b-0")])
    assert result.findings[0].detail == "east-b-0 of east lives as u-2 on n-b and as u-east-b-0 on n-b at once"
    assert len(result.findings[0].operations) == 2


def test_a_pod_that_is_leaving_still_lives():
    told = place(story(), 3, "east-b-0", state="leaving")
    place(told, 4, "east-b-0", uid="u-2")

    assert found(told.judge(lives_once())) == [("lives-twice", "east-b-0")]


def test_two_pods_on_one_volume_are_found():
    told = place(story(), 3, "east-b-1", uid="u-b-1", volume="pv-east-b-0")

    assert found(told.judge(lives_once())) == [("volume-shared", "east-b-1")]


def test_pods_without_a_volume_and_pods_of_the_other_cluster_share_nothing():
    told = place(story(), 3, "east-x-0", volume=None)
    place(told, 3, "east-y-0", volume=None)
    place(told, 3, "west-b-1", uid="w", volume="pv-east-b-0")
    twin = told.observations[0] | {"uid": "t", "cluster": "west", "volume": "pv-t"}
    told.observations.append(twin)

    assert told.judge(lives_once()).verdict == "valid"


def test_a_look_is_not_mixed_with_the_watch():
    """A look may see the successor before the watch has told of the end of the first."""
    told = place(story(), 3, "east-b-0", uid="u-2", look=7)
    place(told, 3.1, "east-b-0", state="gone")
    place(told, 3.1, "east-b-0", uid="u-2")

    assert told.judge(lives_once()).verdict == "valid"


def test_a_process_whose_pod_was_replaced_is_a_stray():
    pods = [("east-b-0", "u-east-b-0", "n-b"), ("east-b-0", "u-old", "n-b")]
    told = lived(place(story(), 20, "east-b-0", look=2), 20.1, "east", pods, look=2)
    result = told.judge(lives_once())

    assert found(result) == [("stray-process", "east-b-0"), ("lives-twice", "east-b-0")]
    assert result.findings[0].detail == "n-b runs east-b-0 as u-old, which its cluster does not know any more"


def test_one_uid_on_two_nodes_lives_twice():
    pods = [("east-b-0", "u-east-b-0", "n-b"), ("east-b-0", "u-east-b-0", "n-c")]
    told = lived(place(story(), 20, "east-b-0", look=2), 20.1, "east", pods, look=2)

    assert found(told.judge(lives_once())) == [("lives-twice", "east-b-0")]


def test_a_node_that_did_not_answer_leaves_it_open():
    told = lived(story(), 20, "east", [], look=2, unasked=["n-b"])

    assert told.judge(lives_once()).explain == "n-b was never asked whose processes run on it"


def test_a_host_without_a_process_leaves_it_open():
    result = story(without="west-a-0").judge(lives_once())

    assert (result.verdict, result.explain) == (
        "unknown", "a process of west-a-0 was never observed in that time",
    )  # fmt: skip
