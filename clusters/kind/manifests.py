"""The ring as Kubernetes objects, from its plan and the configuration generator that the lab uses. Pure values.

One StatefulSet per rack, pinned to the rack's zone by node affinity: so a pod's name tells datacenter, rack and number,
a rack's token order is known before anything is scheduled, and a volume can only be in its rack's zone. This is how
cass-operator lays a datacenter out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any

from clusters.kind.kindconfig import CODE, HOSTS
from clusters.kind.layout import (
    CONTROL_PLANE_ZONE,
    LABEL_EXPIRES,
    LABEL_NAME,
    PREFIX,
    ZONE_LABEL,
    ClusterPlace,
    Marks,
    tag,
)
from clusters.kind.nodeimage import NodeImage
from clusters.probe import PORT
from clusters.ring.config import CQL_PORT, STORAGE_PORT, HostSpec, HostStart

APP = "cassandra"
RACK, HOST_CONTAINER, PROBE_CONTAINER = "ringproof.rack", "host", "probe"
SPEC_FOLDER, VOLUME, LOGS = "/ringproof/spec", "/ringproof/volume", "/ringproof/logs"
CONFIG = f"{LOGS}/config"
"""Beside the logs, so that it stays when the pod is gone."""
VOLUME_CLAIM = "volume"
STORAGE = "1Gi"
MEMORY = "600Mi"
"""Request of one host: 320-340 MB resident with a heap of 192 MB (measured), and the probe agent."""
CPU = "100m"
"""Request of each container: shares of a busy processor follow from it, and a starved probe sees what is not so."""
GRACE_SECONDS = 30
"""Kubernetes' own default of terminationGracePeriodSeconds."""
RACK_KINDS = (
    ("/apis/apps/v1", "statefulsets"),
    ("/apis/policy/v1", "poddisruptionbudgets"),
    ("/api/v1", "configmaps"),
)
"""What belongs to one rack, all of one name."""
READY_EVERY, READY_FAILURES = 2, 2

Json = dict[str, Any]


def namespace(place: ClusterPlace, marks: Marks) -> Json:
    """The namespace of the ring, which everything else is in."""
    return {
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": {
            "name": place.spec.dns.namespace,
            "labels": {LABEL_NAME: tag(marks.name)},
            "annotations": {LABEL_NAME: marks.name, LABEL_EXPIRES: f"{marks.expires:.0f}"},
        },
    }


def service(place: ClusterPlace) -> Json:
    """The headless service that gives every pod its name, also before it is ready: seeds are asked for at start."""
    ports = [{"name": "cql", "port": CQL_PORT}, {"name": "storage", "port": STORAGE_PORT}]
    spec = {"clusterIP": "None", "publishNotReadyAddresses": True, "selector": {"app": APP}, "ports": ports}
    return _object("v1", "Service", place, place.spec.dns.service, spec=spec)


def account(place: ClusterPlace) -> Json:
    """The identity of the hosts' pods: they ask nothing of the API, so they get no token."""
    return _object("v1", "ServiceAccount", place, APP, automountServiceAccountToken=False)


def common_objects(place: ClusterPlace, marks: Marks) -> list[Json]:
    """What every pod of ours in a cluster needs."""
    return [namespace(place, marks), service(place), account(place)]


def rack_set_name(host: HostSpec) -> str:
    """The StatefulSet of a host: its pod's name without the number; the pod's own name when it has none."""
    stem, _, number = host.pod.rpartition("-")
    return stem if number.isdecimal() else host.pod


def ring_objects(
    place: ClusterPlace, starts: Sequence[HostStart], image: NodeImage, commands: Mapping[str, Sequence[str]]
) -> list[Json]:
    """Everything of these hosts, all of one cluster; common_objects() are there already.

    ``commands`` are the command lines ``first`` and ``every`` as the image's paths demand them.
    """
    racks: dict[str, list[HostStart]] = {}
    for start in starts:
        racks.setdefault(rack_set_name(start.host), []).append(start)
    objects: list[Json] = []
    for name, rack in racks.items():
        objects.append(hosts_file(place, rack, commands))
        if name == rack[0].host.pod:
            objects.append(lone_host(place, rack[0], image))
        else:
            objects += [rack_set(place, rack, image), budget(place, rack[0].host)]
    return objects


def lone_host(place: ClusterPlace, start: HostStart, image: NodeImage) -> Json:
    """A host whose pod has no number, which no StatefulSet makes: a pod of its own, whose volume ends with it."""
    host = start.host
    names = {"hostname": host.pod, "subdomain": place.spec.dns.service}
    volumes = [*_host_pod(host, image, place)["volumes"], {"name": VOLUME_CLAIM, "emptyDir": {}}]
    made = _object("v1", "Pod", place, host.pod, spec={**_host_pod(host, image, place), **names, "volumes": volumes})
    made["metadata"]["labels"] |= host_labels(host)
    return made


def host_labels(host: HostSpec) -> dict[str, str]:
    """What services, budgets and people choose hosts by."""
    return {"app": APP, RACK: host.rack, "ringproof.datacenter": host.datacenter}


def hosts_file(place: ClusterPlace, starts: Sequence[HostStart], commands: Mapping[str, Sequence[str]]) -> Json:
    """The files of a rack's hosts in one ConfigMap, as <pod>.<file>: no StatefulSet mounts another one per number."""
    data: dict[str, str] = {}
    for start in starts:
        pod = start.host.pod
        data |= {f"{pod}.{name}": text for name, text in start.files.items()}
        data |= {f"{pod}.{name}.args": "\n".join(words) + "\n" for name, words in commands.items()}
    return _object("v1", "ConfigMap", place, rack_set_name(starts[0].host), data=data)


def budget(place: ClusterPlace, host: HostSpec) -> Json:
    """Not more than one host of a rack is taken away at a time by drains and upgrades."""
    selector = {"matchLabels": {"app": APP, RACK: host.rack}}
    spec = {"maxUnavailable": 1, "selector": selector}
    return _object("policy/v1", "PodDisruptionBudget", place, rack_set_name(host), spec=spec)


def rack_set(place: ClusterPlace, rack: Sequence[HostStart], image: NodeImage) -> Json:
    """The StatefulSet of one rack."""
    host = rack[0].host
    labels = host_labels(host)
    pod = _host_pod(host, image, place)
    claim = {
        "metadata": {"name": VOLUME_CLAIM},
        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": STORAGE}}},
    }
    spec = {
        "serviceName": place.spec.dns.service,
        "replicas": len(rack),
        "ordinals": {"start": min(int(start.host.pod.rpartition("-")[2]) for start in rack)},
        "podManagementPolicy": "Parallel",
        "selector": {"matchLabels": labels},
        "template": {"metadata": {"labels": labels}, "spec": pod},
        "volumeClaimTemplates": [claim],
    }
    return _object("apps/v1", "StatefulSet", place, rack_set_name(host), spec=spec)


def _host_pod(host: HostSpec, image: NodeImage, place: ClusterPlace) -> Json:
    spread = {
        "maxSkew": 1,
        "topologyKey": "kubernetes.io/hostname",
        "whenUnsatisfiable": "ScheduleAnyway",
        "labelSelector": {"matchLabels": host_labels(host)},
    }
    return {
        "serviceAccountName": APP,
        "terminationGracePeriodSeconds": GRACE_SECONDS,
        "dnsConfig": resolver(place),
        "affinity": in_zone(host.rack),
        "topologySpreadConstraints": [spread],
        "containers": [_host_container(image), probe_container(place, image)],
        "volumes": [*pod_volumes(), {"name": "spec", "configMap": {"name": rack_set_name(host)}}],
    }


def bare_pod(place: ClusterPlace, name: str, zone: str | None, image: NodeImage) -> Json:
    """A pod with the probe agent only, in a zone, or beside the control plane."""
    spec = {
        "hostname": name,
        "affinity": in_zone(zone or CONTROL_PLANE_ZONE),
        "tolerations": [{"operator": "Exists", "effect": "NoSchedule"}],
        "terminationGracePeriodSeconds": 0,
        "dnsConfig": resolver(place),
        "automountServiceAccountToken": False,
        "containers": [probe_container(place, image)],
        "volumes": [*pod_volumes(), {"name": VOLUME_CLAIM, "emptyDir": {}}],
    }
    made = _object("v1", "Pod", place, name, spec=spec)
    made["metadata"]["labels"]["app"] = f"{PREFIX}-bare"
    return made


def in_zone(zone: str) -> Json:
    """Affinity to the nodes of one zone, and to no other."""
    term = {"matchExpressions": [{"key": ZONE_LABEL, "operator": "In", "values": [zone]}]}
    return {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [term]}}}


def resolver(place: ClusterPlace) -> Json:
    """How long and how often a pod's resolver asks, as the topology says, and limits count; glibc's own is 5 s x 2."""
    dns = place.spec.dns
    options = {"timeout": dns.resolver_timeout, "attempts": dns.resolver_attempts}
    return {"options": [{"name": name, "value": str(value)} for name, value in options.items()]}


def pod_volumes() -> list[Json]:
    """What every pod of ours mounts from its node."""
    return [
        {"name": "logs", "hostPath": {"path": HOSTS, "type": "Directory"}},
        {"name": "code", "hostPath": {"path": CODE, "type": "Directory"}},
    ]


def probe_container(place: ClusterPlace, image: NodeImage) -> Json:
    """The probe agent: in the pod's network, beside its volume and logs; no end of the host ends it."""
    return {
        "name": PROBE_CONTAINER,
        "image": image.cassandra,
        "imagePullPolicy": "Never",
        "command": [image.python, "-S", str(PurePosixPath(CODE, "agent.py")), "serve"],
        "env": [*_environment(), {"name": "CLUSTER", "value": place.spec.name}, {"name": "PORT", "value": str(PORT)}],
        "volumeMounts": _mounts(),
        "resources": {"requests": {"cpu": CPU, "memory": "20Mi"}},
    }


def _host_container(image: NodeImage) -> Json:
    return {
        "name": HOST_CONTAINER,
        "image": image.cassandra,
        "imagePullPolicy": "Never",
        "command": ["/bin/sh", str(PurePosixPath(CODE, "start.sh"))],
        "env": [*_environment(), {"name": "MALLOC_ARENA_MAX", "value": "4"}],
        "ports": [{"containerPort": CQL_PORT}, {"containerPort": STORAGE_PORT}],
        "resources": {"requests": {"cpu": CPU, "memory": MEMORY}},
        "readinessProbe": {
            "tcpSocket": {"port": CQL_PORT},
            "periodSeconds": READY_EVERY,
            "failureThreshold": READY_FAILURES,
        },
        "volumeMounts": [*_mounts(), {"name": "spec", "mountPath": SPEC_FOLDER}],
    }


def _mounts() -> list[Json]:
    return [
        {"name": VOLUME_CLAIM, "mountPath": VOLUME},
        {"name": "logs", "mountPath": LOGS, "subPathExpr": "$(POD_NAME)"},
        {"name": "code", "mountPath": CODE, "readOnly": True},
    ]


def _environment() -> list[Json]:
    fields = {"POD_NAME": "metadata.name", "POD_UID": "metadata.uid", "POD_IP": "status.podIP"}
    known = {"SPEC": SPEC_FOLDER, "VOLUME": VOLUME, "LOGS": LOGS, "CONFIG": CONFIG}
    return [
        *({"name": key, "valueFrom": {"fieldRef": {"fieldPath": path}}} for key, path in fields.items()),
        *({"name": key, "value": value} for key, value in known.items()),
    ]


def _object(version: str, kind: str, place: ClusterPlace, name: str, **rest: Any) -> Json:
    metadata = {"name": name, "namespace": place.spec.dns.namespace, "labels": {LABEL_NAME: place.tag}}
    return {"apiVersion": version, "kind": kind, "metadata": metadata, **rest}
