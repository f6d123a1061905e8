"""Faults on a lab without a kernel: exactly these acts, an effect that others saw, and nothing left behind."""

from __future__ import annotations

import json
from types import SimpleNamespace

import pytest

from clusters.errors import FaultIneffective, WaitTimeout
from clusters.lab.fabric import ROUTER, gateway_space
from clusters.network import CUT_PRIORITY, Rule
from clusters.ring.config import CQL_PORT, STORAGE_PORT
from clusters.waiting import until
from scenarios.controls import NotInjected
from scenarios.faults import partition, seen
from scenarios.faults.isolation import ZoneIsolation
from scenarios.faults.names import STALE_ADDRESS, NamesFail, fails_as
from scenarios.faults.partition import Partition, hears
from scenarios.faults.pod import PodReschedule
from scenarios.faults.ports import PortBlocked
from scenarios.faults.zone import ZoneLoss
from scenarios.reaching import answers
from scenarios.zone_loss import kept_by


@pytest.fixture(autouse=True)
def looked_at_once(monkeypatch):
    """Nothing changes while these tests look, so one look is as good as ten seconds of them."""

    def once(what, probe, *, timeout, every=0.1):
        return until(what, probe, timeout=0.0, every=0.0)

    for module in (partition, seen):
        monkeypatch.setattr(module, "until", once)


def evidence(run):
    lines = [json.loads(line) for line in (run.folder / "events.jsonl").read_text().splitlines()[1:]]
    return {line["state"]: line.get("evidence") for line in lines if line["event"] == "fault"}


def journal(run):
    return list(reversed(run.acts.journal.open().values()))


def clusters_of(ring):
    return [datacenter.cluster for datacenter in ring.datacenters]


def without_acting(fault, monkeypatch):
    """The fault as it is, but for its act."""
    monkeypatch.setattr(fault, "inject", lambda _run: None)
    return fault


# partition


def test_a_partition_adds_one_rule_per_direction_and_range_of_the_receiver(ring, lab, run):
    east, west = clusters_of(ring)
    with run.fault(Partition(east, west)):
        standing = lab.standing()
        undo = journal(run)

    assert standing == [
        (ROUTER, Rule(CUT_PRIORITY, iif="c0", destination="10.250.0.0/16")),
        (ROUTER, Rule(CUT_PRIORITY, iif="c0", destination="10.150.0.0/24")),
        (ROUTER, Rule(CUT_PRIORITY, iif="c1", destination="10.200.0.0/16")),
        (ROUTER, Rule(CUT_PRIORITY, iif="c1", destination="10.100.0.0/24")),
    ]
    assert [entry["rule"] for entry in undo] == [rule.as_json() for _, rule in standing]
    assert lab.standing() == []
    assert evidence(run) == {
        "inject": None,
        "effective": "datagrams from east to west and back were not heard, no host was reached across, "
        "each side reached its own",
        "recover": None,
        "recovered": "datagrams in both directions were heard",
    }


def test_a_one_way_partition_adds_rules_in_one_direction_only(ring, lab, run):
    east, west = clusters_of(ring)
    with run.fault(Partition(west, east, one_way=True)):
        standing = lab.standing()
        assert (hears(west, east), hears(east, west)) == (False, True)

    assert standing == [
        (ROUTER, Rule(CUT_PRIORITY, iif="c1", destination="10.200.0.0/16")),
        (ROUTER, Rule(CUT_PRIORITY, iif="c1", destination="10.100.0.0/24")),
    ]
    assert lab.standing() == []
    assert evidence(run)["effective"].startswith("datagrams from west to east were not heard, no host")


def test_a_partition_is_named_by_its_direction(ring):
    east, west = clusters_of(ring)

    assert (Partition(east, west).name, Partition(west, east, one_way=True).name) == (
        "partition east | west",
        "partition west -> east",
    )


def test_a_partition_that_was_not_made_did_not_bite(ring, run):
    with pytest.raises(FaultIneffective, match="west still hears east"), run.fault(NotInjected(*clusters_of(ring))):
        pass


@pytest.mark.parametrize(
    ("one_way", "cut", "said"),
    [
        (False, ("c0",), "east still hears west"),
        (True, ("c0", "c1"), "east does not hear west"),
        (True, ("c1",), "west still hears east"),
    ],
)
def test_a_partition_of_another_direction_than_declared_is_no_effect(ring, run, one_way, cut, said, monkeypatch):
    east, west = clusters_of(ring)
    fault = without_acting(Partition(east, west, one_way), monkeypatch)
    for link, destination in (("c0", "10.250.0.0/16"), ("c1", "10.200.0.0/16")):
        if link in cut:
            ring.clusters.router.add_rule(Rule(CUT_PRIORITY, iif=link, destination=destination))

    with pytest.raises(FaultIneffective, match=said):
        fault.await_effect(run)


@pytest.mark.parametrize(
    ("hole", "said"),
    [
        ("10.250.0.0/24", "the cut leaks: client east reached west-a-0"),  # zone a's hosts are still reached
        ("10.250.1.0/24", "the cut leaks: client east reached west-b-0"),
    ],
)
def test_a_partition_with_a_hole_leaks(ring, lab, run, hole, said, monkeypatch):
    """Every node's pods but those of one are cut off, in both directions: datagrams of the clients do not tell."""
    east, west = clusters_of(ring)
    for node in west.layout.nodes:
        if str(node.pods) != hole:
            lab.rules[ROUTER].append(Rule(CUT_PRIORITY, iif="c0", destination=str(node.pods)))
            lab.rules[gateway_space("west")].append(Rule(CUT_PRIORITY, iif=f"n{west.layout.nodes.index(node)}",
                                                         destination="10.200.0.0/16"))  # fmt: skip

    with pytest.raises(FaultIneffective, match=said):
        without_acting(Partition(east, west), monkeypatch).await_effect(run)


def test_a_partition_that_takes_a_side_from_itself_is_more_than_a_partition(ring, lab, run):
    east, west = clusters_of(ring)
    with run.fault(Partition(east, west)):
        lab.on_zone("west", "b", "kill")
        with pytest.raises(FaultIneffective, match="client west missed west-b-0"):
            Partition(east, west).await_effect(run)
        lab.on_zone("west", "b", "start")


def test_clusters_that_do_not_reach_each_other_cannot_be_cut_apart(ring, run):
    east, west = clusters_of(ring)
    ring.clusters.router.add_rule(Rule(CUT_PRIORITY, iif="c1", destination="10.200.0.0/16"))

    with pytest.raises(FaultIneffective, match="east did not hear west before the cut"):
        Partition(east, west).precheck(run)


def test_a_partition_that_does_not_heal_is_said(ring, run):
    east, west = clusters_of(ring)
    ring.clusters.router.add_rule(Rule(CUT_PRIORITY, iif="c0", destination="10.250.0.0/16"))

    with pytest.raises(WaitTimeout, match="west does not hear east"):
        Partition(east, west).await_recovery(run)


# zone loss


@pytest.mark.parametrize(
    ("how", "undo", "died"), [("frozen", "thaw", set()), ("killed", "start", {"west-b-0"})], ids=["frozen", "killed"]
)
def test_a_zone_that_stops_is_one_act_and_its_hosts_answer_again_afterwards(ring, lab, run, how, undo, died):
    west = ring.datacenters[1]
    with run.fault(ZoneLoss(west, "b", how)):
        assert journal(run) == [{"provider": "lab", "act": "zone", "cluster": "west", "zone": "b", "undo": undo}]
        assert lab.standing() == []
        assert run.expected_exits == died

    assert journal(run) == []
    assert evidence(run)["effective"] == "west-b-0 did not answer CQL to 2 clients outside the fault"
    assert evidence(run)["recovered"] == "west-b-0 answered CQL as themselves to 2 clients"


def test_a_zone_whose_pods_come_back_elsewhere_has_moved():
    host = SimpleNamespace(address="10.0.0.1")
    fault = ZoneLoss(SimpleNamespace(in_zone=lambda _zone: (host,)), "b", "killed")
    fault.precheck(SimpleNamespace())
    assert not fault.moved

    host.address = "10.0.0.2"
    assert fault.moved


@pytest.mark.parametrize(
    ("moved", "unsynced", "exempt"),
    [(False, 0.0, (None, 0.0)), (False, 1.5, (["F1", "effective"], 1.5)), (True, 0.0, (["F1", "recovered"], 27.0)),
     (True, 1.5, (["F1", "recovered"], 59.5))],
)  # fmt: skip
def test_rows_are_exempt_of_the_kill_and_of_a_return_to_another_address(moved, unsynced, exempt):
    lasted = {"recover": 27.0, "effective": 58.0}
    run = SimpleNamespace(seconds_between=lambda fault, first: lasted[first])
    (check,) = (
        one for one in kept_by(run, SimpleNamespace(moved=moved), "F1", unsynced) if one.name == "replicas_converged"
    )

    assert (check.params.get("exempt_before"), check.params.get("exempt_seconds", 0.0)) == exempt


def test_a_zone_that_is_cut_runs_and_its_gateway_drops_what_is_of_and_for_it(ring, lab, run):
    east = ring.datacenters[0]
    with run.fault(ZoneLoss(east, "c", "cut")):
        standing = lab.standing()
        assert not answers(ring.host("east-c-0").pod, ring.host("east-a-0").address, CQL_PORT)["ok"]
        assert answers(ring.host("east-a-0").pod, ring.host("west-c-0").address, CQL_PORT)["ok"]

    gateway = gateway_space("east")
    assert standing == [
        (gateway, Rule(CUT_PRIORITY, iif="n2")),
        (gateway, Rule(CUT_PRIORITY + 1, destination="10.200.2.0/24")),
        (gateway, Rule(CUT_PRIORITY + 1, destination="10.100.0.12/32")),
    ]
    assert (lab.standing(), run.expected_exits) == ([], set())


@pytest.mark.parametrize("how", ["frozen", "killed", "cut"])
def test_a_zone_that_still_answers_was_not_lost(ring, run, how, monkeypatch):
    fault = without_acting(ZoneLoss(ring.datacenters[0], "a", how), monkeypatch)

    with pytest.raises(FaultIneffective, match=r"did not bite.*east-a-0 still answered"), run.fault(fault):
        pass


def test_a_zone_that_one_cluster_still_reaches_was_not_lost(ring, lab, run, monkeypatch):
    lab.rules[gateway_space("east")].append(Rule(CUT_PRIORITY, iif="uplink", destination="10.200.0.0/24"))

    with pytest.raises(FaultIneffective, match="east-a-0 still answered"):
        without_acting(ZoneLoss(ring.datacenters[0], "a", "cut"), monkeypatch).await_effect(run)


def test_a_zone_that_does_not_come_back_is_waited_for_and_named(ring, lab, run):
    lab.on_zone("east", "a", "kill")

    with pytest.raises(WaitTimeout, match="east-a-0: timed out"):
        ZoneLoss(ring.datacenters[0], "a", "killed").await_recovery(run)


@pytest.mark.parametrize(("kind", "how"), [(ZoneLoss, ("cut",)), (ZoneIsolation, ())], ids=["lost", "isolated"])
def test_a_zone_without_a_host_cannot_be_taken(ring, run, kind, how):
    fault = kind(ring.datacenters[0], "z", *how)
    with pytest.raises(LookupError, match="no host lives in zone z of east"), run.fault(fault):
        pass

    assert evidence(run) == {}


# isolation


def test_the_rules_of_an_isolation_are_exactly_those_between_its_node_and_every_other_one_but_infra(ring):
    uplink, other, inside = "uplink", ("n0", "n2"), "n1"

    assert [rule for _, rule in ring.datacenters[0].cluster.isolation("b")] == [
        Rule(CUT_PRIORITY, iif=uplink, destination="10.200.1.0/24"),
        Rule(CUT_PRIORITY, iif=other[0], destination="10.200.1.0/24"),
        Rule(CUT_PRIORITY, iif=inside, destination="10.200.0.0/24"),
        Rule(CUT_PRIORITY, iif=other[1], destination="10.200.1.0/24"),
        Rule(CUT_PRIORITY, iif=inside, destination="10.200.2.0/24"),
    ]


def test_an_isolated_zone_is_reached_by_its_clients_and_by_no_host(ring, lab, run):
    home = ring.datacenters[0]
    inside = ring.host("east-b-0")
    with run.fault(ZoneIsolation(home, "b")):
        assert {space for space, _ in lab.standing()} == {gateway_space("east")}
        reached = {
            host.spec.who: (answers(host.pod, inside.address, CQL_PORT)["ok"],
                            answers(inside.pod, host.address, CQL_PORT)["ok"])
            for host in ring.hosts if host is not inside
        }  # fmt: skip
        assert answers(home.cluster.pod("client"), inside.address, CQL_PORT)["answered"] == "id-east-b-0"

    assert set(reached) == {"east-a-0", "east-c-0", "west-a-0", "west-b-0", "west-c-0"}
    assert set(reached.values()) == {(False, False)}
    assert lab.standing() == []
    assert evidence(run)["effective"] == "east-a-0 did not reach east-b-0, the client did"
    assert evidence(run)["recovered"] == "east-b-0 answered CQL as themselves to 2 clients"


def test_a_zone_that_another_host_reaches_is_not_isolated(ring, run, monkeypatch):
    with pytest.raises(FaultIneffective, match="east-a-0 still reaches east-b-0"):
        without_acting(ZoneIsolation(ring.datacenters[0], "b"), monkeypatch).await_effect(run)


def test_a_zone_that_its_clients_do_not_reach_is_lost_and_not_isolated(ring, run):
    home = ring.datacenters[0]
    with (
        run.fault(ZoneLoss(home, "b", "frozen")),
        pytest.raises(FaultIneffective, match="the client does not reach east-b-0, so this is no isolation but a loss"),
    ):
        ZoneIsolation(home, "b").await_effect(run)


# one port


def test_a_port_is_blocked_in_every_other_hosts_own_namespace(ring, lab, run):
    target = ring.host("west-a-0")
    with run.fault(PortBlocked(target, STORAGE_PORT)):
        standing = lab.standing()
        asker = ring.host("east-a-0").pod
        assert not answers(asker, target.address, STORAGE_PORT)["ok"]
        assert answers(asker, target.address, CQL_PORT)["ok"]
        assert answers(target.pod, ring.host("east-a-0").address, STORAGE_PORT)["ok"]

    rule = Rule(CUT_PRIORITY, "prohibit", destination=f"{target.address}/32", protocol="tcp", port=STORAGE_PORT)
    others = [host.spec for host in ring.hosts if host is not target]
    assert standing == [(f"pod:{spec.cluster}/{spec.pod}", rule) for spec in others]
    assert len(others) == 5
    assert lab.standing() == []
    assert evidence(run)["effective"] == "east-a-0 was refused: timed out"
    assert evidence(run)["recovered"] == f"east-a-0 reaches port {STORAGE_PORT} of west-a-0"


def test_a_port_that_is_still_reached_was_not_blocked(ring, run, monkeypatch):
    fault = without_acting(PortBlocked(ring.host("east-a-0"), CQL_PORT), monkeypatch)

    with pytest.raises(FaultIneffective, match="east-b-0 still reaches port 9042 of east-a-0"), run.fault(fault):
        pass


def test_a_port_that_stays_blocked_is_said(ring, lab, run):
    target = ring.host("west-a-0")
    lab.on_zone("west", "a", "freeze")

    with pytest.raises(FaultIneffective, match="east-a-0 does not reach port 7000: timed out"):
        PortBlocked(target, STORAGE_PORT).await_recovery(run)


# pods


def test_a_rescheduled_pod_is_another_one_at_another_address(ring, lab, run):
    host = ring.host("east-b-0")
    old = host.pod.state()
    with run.fault(PodReschedule(host)) as _:
        new = host.pod.state()

    assert new.uid != old.uid
    assert new.address != old.address
    assert new.zone == old.zone
    assert run.expected_exits == {"east-b-0"}
    assert evidence(run)["effective"] == (f"UID {old.uid[:8]} at {old.address} became {new.uid[:8]} at {new.address}")
    assert evidence(run)["recovered"] == "east-b-0 answered CQL as themselves to 2 clients"
    assert ("reschedule", {"cluster": "east", "pod": "east-b-0", "address": None}) in lab.calls


def test_a_pod_may_be_given_exactly_one_address(ring, run):
    host = ring.host("east-b-0")
    with run.fault(PodReschedule(host, "10.200.1.99")):
        assert host.address == "10.200.1.99"


def test_a_pod_that_came_back_where_it_was_has_not_moved(ring, run):
    host = ring.host("east-b-0")
    address = host.address

    with pytest.raises(FaultIneffective, match=f"east-b-0 still is uid-.* at {address}"), run.fault(
        PodReschedule(host, address)
    ):  # fmt: skip
        pass


def test_somebody_who_answers_at_the_old_address_is_found(ring, lab, run):
    host = ring.host("east-b-0")
    fault = PodReschedule(host)
    fault.precheck(run)
    fault.inject(run)
    lab.add("east", "east-x-0", "b", fault.old.address)

    with pytest.raises(FaultIneffective, match=f"{fault.old.address} still answers as id-east-x-0"):
        fault.await_effect(run)


# names


def foreign(ring):
    return [ring.host("west-a-0"), ring.host("west-b-0")]


@pytest.mark.parametrize(
    ("mode", "action", "seconds"),
    [("dropped", "drop", "2.0"), ("servfail", "servfail", "0.0"), ("nxdomain", "nxdomain", "0.0"),
     ("stale", "answer", "0.0")],
)  # fmt: skip
def test_names_fail_by_one_rule_each_in_the_asking_cluster_alone(ring, lab, run, mode, action, seconds):
    east = ring.datacenters[0].cluster
    with run.fault(NamesFail(east, foreign(ring), mode)):
        rules = [dict(rule) for rule in lab.dns["east"].values()]
        assert lab.dns["west"] == {}

    address = {"address": STALE_ADDRESS} if mode == "stale" else {}
    assert rules == [
        {"id": f"F1-{number}", "match": host.spec.name, "action": action, **address}
        for number, host in enumerate(foreign(ring))
    ]
    assert lab.dns["east"] == {}
    assert evidence(run)["effective"] == f"2 names heard as {mode} after up to {seconds} s, 4 others resolved"
    assert evidence(run)["recovered"] == "2 names resolve again"


def test_two_faults_of_names_have_rules_of_their_own(ring, lab, run):
    east = ring.datacenters[0].cluster
    with run.fault(NamesFail(east, foreign(ring), "nxdomain")), run.fault(
        NamesFail(ring.datacenters[1].cluster, foreign(ring)[:1], "servfail")
    ):  # fmt: skip
        assert [*lab.dns["east"], *lab.dns["west"]] == ["F1-0", "F1-1", "F2-0"]

    assert [*lab.dns["east"], *lab.dns["west"]] == []


@pytest.mark.parametrize("mode", ["dropped", "servfail", "nxdomain", "stale"])
def test_names_that_resolve_all_the_same_did_not_fail(ring, run, mode, monkeypatch):
    fault = without_acting(NamesFail(ring.datacenters[0].cluster, foreign(ring), mode), monkeypatch)

    with pytest.raises(FaultIneffective, match="east hears NOERROR"), run.fault(fault):
        pass


def test_a_name_too_many_that_fails_is_found(ring, lab, run):
    lab.dns["east"]["other"] = {"id": "other", "match": ring.host("east-c-0").spec.name, "action": "nxdomain"}

    with pytest.raises(FaultIneffective, match=r"east hears NXDOMAIN \[\] for east-c-0"), run.fault(
        NamesFail(ring.datacenters[0].cluster, foreign(ring), "nxdomain")
    ):  # fmt: skip
        pass


def test_a_name_that_stays_wrong_is_found(ring, lab, run):
    fault = NamesFail(ring.datacenters[0].cluster, foreign(ring), "stale")
    lab.dns["east"]["x"] = {"match": foreign(ring)[1].spec.name, "action": "answer", "address": STALE_ADDRESS}

    with pytest.raises(FaultIneffective, match=f"west-b-0.* still resolves to .'{STALE_ADDRESS}'."):
        fault.await_recovery(run)


def test_names_of_nobody_cannot_fail(ring, run):
    with pytest.raises(LookupError, match="no host's name was chosen"), run.fault(
        NamesFail(ring.datacenters[0].cluster, [], "dropped")
    ):  # fmt: skip
        pass


SILENCE, REFUSAL = ("SERVFAIL", [], 2.0), ("SERVFAIL", [], 0.01)
DENIAL, STALE, RIGHT = ("NXDOMAIN", [], 0.01), ("NOERROR", [STALE_ADDRESS], 0.01), ("NOERROR", ["10.0.0.1"], 0.01)


@pytest.mark.parametrize(
    ("mode", "meant"), [("dropped", SILENCE), ("servfail", REFUSAL), ("nxdomain", DENIAL), ("stale", STALE)]
)
def test_each_mode_is_told_from_every_other(mode, meant):
    heard = [dict(zip(("rcode", "addresses", "seconds"), answer, strict=True))
             for answer in (SILENCE, REFUSAL, DENIAL, STALE, RIGHT)]  # fmt: skip

    assert [fails_as(mode, answer, 1.0) for answer in heard] == [
        answer is meant for answer in (SILENCE, REFUSAL, DENIAL, STALE, RIGHT)
    ]
