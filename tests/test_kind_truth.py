"""Kubernetes' truth from recorded API objects: placements, conditions, volumes, endpoints, events."""

from __future__ import annotations

import copy
import json
import threading
from typing import Any

import pytest
import urllib3
from kubernetes import watch

from clusters.catalog import named
from clusters.errors import ClustersGone, ClustersRefused
from clusters.kind import truth as module
from clusters.kind.api import Api
from clusters.kind.layout import lay_out
from clusters.kind.picture import EVENTS, NODES, PODS, SLICES, VOLUMES, Picture, admits
from clusters.kind.truth import KindTruth, KindWatch, identities, paths
from clusters.truth import NodeTimers
from clusters.waiting import until
from tests.test_kind_timers import HOST, KUBELET, manager

PLACE = lay_out(named("kind-vxlan"), "x").place("east")
Json = dict[str, Any]


def node(name: str, zone: str, ready: str = "True", **changed: Any) -> Json:
    since = "2026-11-26T01:00:00Z"
    conditions = [
        {"type": "MemoryPressure", "status": "False", "reason": "KubeletHasSufficientMemory",
         "lastTransitionTime": since, "lastHeartbeatTime": since},
        {"type": "Ready", "status": ready, "reason": "KubeletReady" if ready == "True" else "NodeStatusUnknown",
         "lastTransitionTime": since, "lastHeartbeatTime": since},
    ]  # fmt: skip
    labels = {"topology.kubernetes.io/zone": zone, "kubernetes.io/hostname": name}
    return {"metadata": {"name": name, "uid": f"node-{name}", "labels": labels, "resourceVersion": "5"},
            "spec": changed.get("spec", {}), "status": {"conditions": conditions}}  # fmt: skip


def volume(name: str, claim: str, on: str) -> Json:
    """As the local-path provisioner makes it: bound to the host name of one node."""
    term = {"matchExpressions": [{"key": "kubernetes.io/hostname", "operator": "In", "values": [on]}]}
    return {
        "metadata": {"name": name, "uid": f"volume-{name}"},
        "spec": {"claimRef": {"namespace": "cassandra", "name": claim},
                 "nodeAffinity": {"required": {"nodeSelectorTerms": [term]}}},
        "status": {"phase": "Bound"},
    }  # fmt: skip


def pod(name: str = "east-b-0", uid: str = "u-1", on: str | None = "n-b", ready: str = "True") -> Json:
    claim = {"persistentVolumeClaim": {"claimName": f"volume-{name}"}}
    spec: Json = {"volumes": [{"name": "logs", "hostPath": {}}, {"name": "volume", **claim}]}
    if on:
        spec["nodeName"] = on
    conditions = [{"type": "Ready", "status": ready, "lastTransitionTime": "2026-11-26T01:00:05Z"}]
    metadata = {"name": name, "namespace": "cassandra", "uid": uid, "resourceVersion": "6"}
    return {"metadata": metadata, "spec": spec, "status": {"phase": "Running", "conditions": conditions}}


NODE_LIST = [node("n-b", "b"), node("n-c", "c"), node("n-control", "infra")]
VOLUME_LIST = [volume("pv-b", "volume-east-b-0", "n-b")]


def picture(pods: list[Json] | None = None) -> Picture:
    made = Picture("east", ("a", "b", "c"))
    made.replace(NODES, NODE_LIST)
    made.replace(VOLUMES, VOLUME_LIST)
    made.replace(PODS, [pod()] if pods is None else pods)
    return made


def only(records: list[Json], kind: str) -> list[Json]:
    assert all(record["t"] > 0 and record["cluster"] == "east" for record in records)
    return [record for record in records if record["kind"] == kind]


def test_a_pod_is_told_with_its_nodes_zone_and_its_volumes():
    made = Picture("east", ("a", "b", "c"))
    made.replace(NODES, NODE_LIST)
    (told,) = only(made.replace(VOLUMES, VOLUME_LIST), "volume")
    (placed,) = made.replace(PODS, [pod()])

    assert (told["volume"], told["claim"], told["zones"], told["phase"]) == ("pv-b", "volume-east-b-0", ["b"], "Bound")
    assert told["affinity"] == VOLUME_LIST[0]["spec"]["nodeAffinity"]["required"]["nodeSelectorTerms"]
    assert {key: value for key, value in placed.items() if key != "t"} == {
        "kind": "placement", "cluster": "east", "pod": "east-b-0", "uid": "u-1", "node": "n-b", "zone": "b",
        "volume": "pv-b", "volume_zones": ["b"], "ready": "True", "ready_since": "2026-11-26T01:00:05Z",
        "state": "here",
    }  # fmt: skip


def test_only_what_changed_is_told():
    made = picture()

    assert made.put(PODS, pod()) == []
    assert made.replace(NODES, NODE_LIST) == []
    (unready,) = made.put(PODS, pod(ready="False"))
    assert unready["ready"] == "False"


def test_the_condition_of_a_pod_counts_and_not_its_containers():
    lost = pod(ready="False")
    lost["status"]["containerStatuses"] = [{"name": "host", "ready": True}]

    assert picture([lost]).placements()[0].ready == "False"


def test_a_pod_that_leaves_goes_and_is_replaced():
    made = picture()
    leaving = pod()
    leaving["metadata"]["deletionTimestamp"] = "2026-11-26T01:01:00Z"
    states = [record["state"] for record in (*made.put(PODS, leaving), *made.drop(PODS, leaving))]
    (new,) = made.put(PODS, pod(uid="u-2", on=None))

    assert states == ["leaving", "gone"]
    assert (new["uid"], new["node"], new["zone"]) == ("u-2", "", None)
    assert [one.uid for one in made.placements()] == ["u-2"]
    assert made.drop(PODS, leaving) == []


def test_what_a_list_does_not_have_any_more_is_gone():
    told = picture().replace(PODS, [pod(uid="u-2")])

    assert [(record["uid"], record["state"]) for record in told] == [("u-1", "gone"), ("u-2", "here")]


def test_a_pod_in_another_zone_than_its_volume_is_told_as_it_is():
    (told,) = picture().put(PODS, pod(on="n-c"))

    assert (told["zone"], told["volume_zones"]) == ("c", ["b"])


def test_a_volume_that_is_bound_later_changes_the_placement():
    made = Picture("east", ("a", "b", "c"))
    made.replace(NODES, NODE_LIST)
    made.replace(VOLUMES, [])
    (early,) = made.replace(PODS, [pod()])
    late = only(made.put(VOLUMES, VOLUME_LIST[0]), "placement")

    assert (early["volume"], early["volume_zones"]) == (None, [])
    assert [(one["volume"], one["volume_zones"]) for one in late] == [("pv-b", ["b"])]


def test_a_claim_of_that_name_in_another_namespace_is_not_the_pods():
    foreign = copy.deepcopy(VOLUME_LIST[0])
    foreign["spec"]["claimRef"]["namespace"] = "other"
    made = picture()
    made.replace(VOLUMES, [foreign])

    assert made.placements()[0].volume is None


def test_the_control_planes_zone_is_none_of_the_rings():
    assert picture([pod(on="n-control")]).placements()[0].zone is None


def test_a_change_of_a_condition_and_of_taints_is_told_once():
    made = picture()
    taint = [{"key": "node.kubernetes.io/unreachable", "effect": "NoExecute"}]
    (silent,) = made.put(NODES, node("n-b", "b", "Unknown"))
    tainted = made.put(NODES, node("n-b", "b", "Unknown", spec={"taints": taint}))

    assert (silent["condition"], silent["status"], silent["reason"]) == ("Ready", "Unknown", "NodeStatusUnknown")
    assert (silent["node"], silent["zone"], silent["since"]) == ("n-b", "b", "2026-11-26T01:00:00Z")
    assert {record["condition"] for record in tainted} == {"Ready", "MemoryPressure"}
    assert tainted[0]["taints"] == ["node.kubernetes.io/unreachable:NoExecute"]
    assert made.put(NODES, node("n-b", "b", "Unknown", spec={"taints": taint})) == []


def endpoint_slice(ready: bool) -> Json:
    item = {"addresses": ["10.16.1.4"], "conditions": {"ready": ready, "serving": ready, "terminating": False},
            "targetRef": {"kind": "Pod", "name": "east-b-0"}}  # fmt: skip
    labels = {"kubernetes.io/service-name": "ring"}
    return {"metadata": {"name": "ring-x1", "uid": "s-1", "labels": labels}, "endpoints": [item]}


def test_endpoints_are_told_by_service():
    made = picture()
    (told,) = made.replace(SLICES, [endpoint_slice(True)])
    (later,) = made.put(SLICES, endpoint_slice(False))

    assert (told["kind"], told["service"], told["slice"]) == ("endpoints", "ring", "ring-x1")
    assert told["endpoints"] == [
        {"pod": "east-b-0", "addresses": ["10.16.1.4"], "ready": True, "serving": True, "terminating": False}
    ]
    assert later["endpoints"][0]["ready"] is False
    assert only(made.put(SLICES, {"metadata": {"name": "e", "uid": "s-2"}, "endpoints": None}), "endpoints")


def event(uid: str, count: int | None, reason: str = "NodeNotReady") -> Json:
    about = {"kind": "Node", "name": "n-b"}
    return {"metadata": {"name": uid, "uid": uid}, "involvedObject": about, "reason": reason, "type": "Normal",
            "count": count, "message": "m" * 900, "lastTimestamp": "2026-11-26T01:02:00Z"}  # fmt: skip


def test_old_events_are_not_told_and_new_ones_and_repeated_ones_are():
    made = picture()

    assert made.replace(EVENTS, [event("e-1", 1)]) == []
    (again,) = made.replace(EVENTS, [event("e-1", 2)])
    (new,) = made.put(EVENTS, event("e-2", None))
    assert (again["about"], again["reason"], again["count"]) == ("Node/n-b", "NodeNotReady", 2)
    assert (len(new["text"]), new["reported"]) == (500, "2026-11-26T01:02:00Z")
    assert made.drop(EVENTS, event("e-2", None)) == []


@pytest.mark.parametrize(
    ("term", "fits"),
    [
        ({"matchExpressions": [{"key": "zone", "operator": "In", "values": ["b", "c"]}]}, True),
        ({"matchExpressions": [{"key": "zone", "operator": "In", "values": ["c"]}]}, False),
        ({"matchExpressions": [{"key": "zone", "operator": "NotIn", "values": ["c"]}]}, True),
        ({"matchExpressions": [{"key": "zone", "operator": "Exists"}]}, True),
        ({"matchExpressions": [{"key": "gpu", "operator": "DoesNotExist"}]}, True),
        ({"matchExpressions": [{"key": "size", "operator": "Gt", "values": ["3"]}]}, True),
        ({"matchExpressions": [{"key": "size", "operator": "Lt", "values": ["3"]}]}, False),
        ({"matchExpressions": [{"key": "zone", "operator": "Odd", "values": ["b"]}]}, False),
        ({"matchFields": [{"key": "metadata.name", "operator": "In", "values": ["n-b"]}]}, True),
        ({"matchExpressions": [{"key": "zone", "operator": "Exists"}, {"key": "gpu", "operator": "Exists"}]}, False),
        ({}, False),
    ],
)
def test_a_volumes_affinity_is_read_as_the_scheduler_reads_it(term, fits):
    there = {"metadata": {"name": "n-b", "labels": {"zone": "b", "size": "4"}}}

    assert admits([term], there) is fits
    assert admits([{}, term], there) is fits
    assert admits(None, there)
    assert not admits([], there)


# the API


class Answers:
    """An API server that answers by path, and whose nodes can be asked for their processes."""

    def __init__(self) -> None:
        self.kinds = {NODES: NODE_LIST, VOLUMES: VOLUME_LIST, PODS: [pod()], SLICES: [endpoint_slice(True)], EVENTS: []}
        self.streams: dict[str, list[Any]] = {}
        self.lists: list[str] = []

    def everything(self, path: str, **_: object) -> tuple[list[Json], str]:
        kind = path.rpartition("/")[2]
        self.lists.append(kind)
        if isinstance(self.kinds[kind], Exception):
            raise self.kinds[kind]
        return self.kinds[kind], "7"

    def changes(self, path: str, version: str, stream: watch.Watch):
        assert version == "7"
        for change in self.streams.pop(path.rpartition("/")[2], []):
            if isinstance(change, Exception):
                raise change
            yield change

    def get(self, path: str, **query: object) -> Json:
        if path == "/version":
            return {"gitVersion": "v1.34.4"}
        if path.endswith("/configz"):
            return {"kubeletconfig": KUBELET}
        return {"items": [manager()] if "kube-system" in path else [HOST]}


class Nodes:
    """The part of a site that a truth asks."""

    def __init__(self, answers: Answers) -> None:
        self.answers = answers
        self.said: dict[str, str | Exception] = {"n-b": "POD_NAME=east-b-0 POD_UID=u-1 \n\n", "n-c": "\n"}
        self.dead: frozenset[str] = frozenset()
        self.once: set[str] = set()

    def api(self, _place: object) -> Answers:
        return self.answers

    def nodes(self, *_: object) -> list[Any]:
        return [type("Node", (), {"name": name, "zone": name[2:]}) for name in self.said]

    def down(self, _nodes: object) -> frozenset[str]:
        return self.dead

    def perform(self, name: str, _command: object) -> str:
        said = self.said[name]
        if name in self.once:
            self.once.remove(name)
            raise ConnectionError(f"{name} has ended")
        if isinstance(said, Exception):
            raise said
        return said


@pytest.fixture
def site() -> Nodes:
    return Nodes(Answers())


def test_a_look_tells_placements_conditions_volumes_and_who_lives(site):
    look = KindTruth(site, PLACE).look()

    assert {record["kind"] for record in look} == {"node_condition", "volume", "placement", "living"}
    assert look[-1]["pods"] == [{"pod": "east-b-0", "uid": "u-1", "node": "n-b"}]
    assert look[-1]["unasked"] == []
    assert len(KindTruth(site, PLACE).look()) == len(look)  # a look tells everything, not what has changed


@pytest.mark.parametrize("trouble", [TimeoutError("frozen"), ConnectionError("over"), ClustersRefused("paused")])
def test_a_node_that_does_not_answer_is_said_and_a_dead_one_runs_nothing(site, trouble):
    site.said["n-c"] = trouble
    assert KindTruth(site, PLACE).living()["unasked"] == ["n-c"]
    site.dead = frozenset({"n-c"})
    assert KindTruth(site, PLACE).living()["unasked"] == []


def test_the_shell_of_a_node_that_was_started_again_is_asked_again(site):
    site.once.add("n-b")
    told = KindTruth(site, PLACE).living()

    assert (told["unasked"], [one["pod"] for one in told["pods"]]) == ([], ["east-b-0"])


def test_processes_are_told_by_the_identity_of_their_container():
    said = "POD_NAME=a POD_UID=1 \nPOD_UID=2 POD_NAME=a \n\nPOD_NAME=b \nPOD_NAME=a POD_UID=1 \n"

    assert identities(said) == [("a", "1"), ("a", "2")]


def test_settings_are_asked_of_the_live_cluster(site):
    assert KindTruth(site, PLACE).timers() == NodeTimers(50, "default of v1.34.4", 10, 10, 300, 200)


def test_a_watch_tells_what_is_and_what_changes(site, monkeypatch):
    monkeypatch.setattr(module, "PAUSE", 0.01)
    site.answers.streams = {
        PODS: [("MODIFIED", pod(ready="False")), ("DELETED", pod(ready="False")), ("ADDED", pod(uid="u-2"))],
        NODES: [("MODIFIED", node("n-b", "b", "Unknown"))],
    }
    site.answers.kinds[PODS] = [pod()]
    notes: list[Json] = []
    watching = KindTruth(site, PLACE).watch(notes.append)
    begun = [note["kind"] for note in notes if note.get("uid") == "u-1"]
    try:
        until("the second pod", lambda: any(note.get("uid") == "u-2" for note in notes), timeout=10, every=0.01)
        until("silence", lambda: any(note.get("status") == "Unknown" for note in notes), timeout=10, every=0.01)
    finally:
        watching.close()
        watching.close()

    told = [(note["uid"], note["ready"], note["state"]) for note in only(notes, "placement")]
    assert begun[:1] == ["placement"]
    assert told[:4] == [("u-1", "True", "here"), ("u-1", "False", "here"), ("u-1", "False", "gone"),
                        ("u-2", "True", "here")]  # fmt: skip


def test_a_broken_watch_is_said_and_begun_again_from_a_list(site, monkeypatch):
    monkeypatch.setattr(module, "PAUSE", 0.01)
    site.answers.streams = {NODES: [ConnectionError("reset")]}
    notes: list[Json] = []
    watching = KindTruth(site, PLACE).watch(notes.append)
    try:
        until("listed again", lambda: site.answers.lists.count(NODES) > 1, timeout=10, every=0.01)
    finally:
        watching.close()

    assert [(note["what"], note["error"]) for note in only(notes, "unseen")] == [("nodes", "reset")]


def test_clusters_that_are_gone_end_the_watch_and_are_told(site, monkeypatch):
    monkeypatch.setattr(module, "PAUSE", 0.01)
    watching = KindTruth(site, PLACE).watch(lambda _: None)
    site.answers.kinds[PODS] = ClustersGone("the kubeconfig is gone")
    until("the end", lambda: not all(thread.is_alive() for thread in watching._threads), timeout=10, every=0.01)
    with pytest.raises(ClustersGone):
        watching.close()


def test_what_is_watched_is_the_rings_and_in_an_order_that_placements_can_be_told():
    assert list(paths(PLACE)) == [NODES, VOLUMES, PODS, SLICES, EVENTS]
    assert paths(PLACE)[PODS] == f"/api/v1/namespaces/{PLACE.spec.dns.namespace}/pods"


# the wire


class Stream:
    """A response as urllib3 gives it: lines, then silence until its socket is shut down, or an error."""

    status = 200

    def __init__(self, lines: list[Json], error: Exception | None = None) -> None:
        self._lines, self._error = lines, error
        self._shut = threading.Event()
        self.connection = self
        self.sock = self

    def stream(self, **_: object):
        yield from (json.dumps(line).encode() + b"\n" for line in self._lines)
        if self._error is not None:
            raise self._error
        if not self._shut.wait(10):
            raise AssertionError("nobody ended the stream")
        raise urllib3.exceptions.ProtocolError("shut down")

    def shutdown(self, _how: int) -> None:
        self._shut.set()

    def close(self) -> None: ...

    def release_conn(self) -> None: ...


def api_with(monkeypatch: pytest.MonkeyPatch, stream: Stream) -> tuple[Api, list[str]]:
    asked: list[str] = []
    cluster = {"name": "c", "cluster": {"server": "https://127.0.0.1:1"}}
    context = {"name": "c", "context": {"cluster": "c", "user": "u"}}
    users = [{"name": "u", "user": {"token": "t"}}]
    api = Api({"clusters": [cluster], "contexts": [context], "users": users, "current-context": "c"})

    def call(_method: str, address: str, *_: object, **__: object) -> Any:
        asked.append(address)
        return type("Answer", (), {"response": stream})()

    monkeypatch.setattr(api._client, "call_api", call)
    return api, asked


CHANGE = {"type": "MODIFIED", "object": node("n-b", "b")}


def test_changes_are_asked_for_from_a_version_on_and_end_when_they_are_stopped(monkeypatch):
    api, asked = api_with(monkeypatch, Stream([CHANGE]))
    stream = watch.Watch()
    changes = api.changes("/api/v1/nodes", "7", stream)
    first = next(changes)
    threading.Timer(0.05, stream.stop).start()
    with pytest.raises(ConnectionError, match="ended the watch of /api/v1/nodes"):
        next(changes)

    assert first == ("MODIFIED", node("n-b", "b"))
    assert asked == ["https://127.0.0.1:1/api/v1/nodes?watch=true&resourceVersion=7&timeoutSeconds=60"]


@pytest.mark.parametrize(
    "stream",
    [
        Stream([{"type": "ERROR", "object": {"code": 410, "reason": "Expired", "message": "too old"}}]),
        Stream([], urllib3.exceptions.ReadTimeoutError(None, "u", "late")),
    ],
)
def test_a_watch_that_the_server_ends_is_a_lost_connection(monkeypatch, stream):
    api, _ = api_with(monkeypatch, stream)
    with pytest.raises(ConnectionError):
        list(api.changes("/api/v1/nodes", "7", watch.Watch()))


def test_a_closed_watch_writes_nothing_more(site, monkeypatch):
    monkeypatch.setattr(module, "PAUSE", 0.01)
    late = threading.Event()

    def changes(path: str, _version: str, _stream: object):
        if path.endswith("/pods"):
            late.wait(5)
            yield "MODIFIED", pod(ready="False")

    site.answers.changes = changes
    notes: list[Json] = []
    watching = KindWatch("east", site.answers, paths(PLACE), Picture("east", ("b",)), notes.append)
    count = len(notes)
    threading.Timer(0.1, late.set).start()
    watching.close()

    assert len([note for note in notes[count:] if note.get("ready") == "False"]) == 0
