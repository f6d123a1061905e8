"""The lab as a provider: a ClusterSet whose every act is a request to its supervisor."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from clusters.alive import abstract
from clusters.cluster import (
    PodSpec,
)
from clusters.errors import CleanupFailed, ProvisionFailed
from clusters.fitness import require
from clusters.lab.cluster import LabCluster, LabNetwork
from clusters.lab.fabric import ROUTER
from clusters.lab.hosts import prepare
from clusters.lab.layout import lay_out_all
from clusters.lab.wire import LabGone, Lease
from clusters.providers import LAB, Progress, Provider, Tell
from clusters.topology import RingSpec, Topology

ROOT = Path(__file__).parents[2]
END_SECONDS = 30.0
"""A lab of six hosts is gone 0.1-0.5 s after its lifeline closed (measured): memory of JVMs is given back."""


class Lab:
    """See ClusterSet: the live clusters of one topology in one lab."""

    def __init__(self, topology: Topology, name: str) -> None:
        self._topology = topology
        self.name = name
        self._lease = Lease(name)
        layouts = lay_out_all(topology)
        self._clusters = {spec.name: LabCluster(self._lease, spec, layouts[spec.name]) for spec in topology.clusters}

    @property
    def provider(self) -> str:
        """See ClusterSet."""
        return LAB

    @property
    def topology(self) -> Topology:
        """See ClusterSet."""
        return self._topology

    def cluster(self, name: str) -> LabCluster:
        """See ClusterSet."""
        return self._clusters[name]

    @property
    def clusters(self) -> list[LabCluster]:
        """See ClusterSet."""
        return list(self._clusters.values())

    @property
    def router(self) -> LabNetwork:
        """See ClusterSet."""
        return LabNetwork(self._lease, ROUTER)

    def networks(self) -> list[LabNetwork]:
        """See ClusterSet."""
        nodes = [node.net for cluster in self.clusters for node in cluster.nodes()]
        return [self.router, *[cluster.gateway for cluster in self.clusters], *nodes]

    def network(self, space: str) -> LabNetwork:
        """See ClusterSet."""
        return LabNetwork(self._lease, space)

    def memory(self) -> int:
        """See ClusterSet."""
        return int(self._lease.call("memory"))

    @property
    def alive(self) -> bool:
        """See ClusterSet."""
        try:
            self.clusters[0].states()
        except LabGone:
            return False
        return True

    def close(self) -> None:
        """See ClusterSet."""
        self._lease.close()

    def build(self) -> dict[str, list[str]]:
        """Create network, DNS and infra pods of every cluster; returns the ranges that the router refused."""
        refused: dict[str, list[str]] = {}
        for cluster in self.clusters:
            answer = self._lease.call("create_cluster", layout=cluster.layout.as_json(), dns=self._dns_of(cluster))
            refused[cluster.name] = answer["refused"]
            client = PodSpec("client", None, in_service=False, address=str(cluster.layout.client))
            cluster.create_pod(client)
        return refused

    def _dns_of(self, cluster: LabCluster) -> dict[str, Any]:
        dns = cluster.spec.dns
        others = [
            other for other in self.clusters if other is not cluster and cluster.spec.joined and other.spec.joined
        ]
        search = (f"{dns.namespace}.svc.{dns.suffix}", f"svc.{dns.suffix}", dns.suffix)
        return {
            "address": str(cluster.layout.dns),
            "search": search,
            "resolver": [dns.resolver_timeout, dns.resolver_attempts],
            "service": {"service": dns.service, "namespace": dns.namespace},
            "config": {
                "host": str(cluster.layout.dns),
                "port": 53,
                "own": {"zones": [dns.suffix], "namespaces": [dns.namespace], "ttl": dns.ttl},
                "cache": {"success": dns.cache, "denial": dns.negative_cache},
                "forward": {other.spec.dns.zone: [f"{other.layout.dns}:53"] for other in others},
            },
        }


class LabHandle:
    """A lab that we started: while this process lives and the handle is open, the lab lives."""

    def __init__(self, keeper: subprocess.Popen[bytes], lifeline: socket.socket, log: Path) -> None:
        self.keeper = keeper
        self._lifeline = lifeline
        self._log = log

    def close(self) -> None:
        """End the lab and see its keeper end; CleanupFailed when it had to be killed, which ends the lab as well."""
        self._lifeline.close()
        try:
            self.keeper.wait(END_SECONDS)
        except subprocess.TimeoutExpired:
            self.keeper.kill()
            self.keeper.wait()
            raise CleanupFailed(
                f"keeper {self.keeper.pid} did not end in {END_SECONDS:g} s and was killed; it said: {self.said()}"
            ) from None

    def said(self) -> str:
        """The last lines that the keeper wrote."""
        return self._log.read_text(errors="replace")[-2000:] if self._log.exists() else ""


def start_keeper(name: str, folder: Path) -> LabHandle:
    """Start a keeper and its supervisor; `folder` receives logs of pods. ProvisionFailed tells what it said."""
    folder.mkdir(parents=True, exist_ok=True)
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        listening.bind(abstract(name))
    except OSError as error:
        listening.close()
        raise ProvisionFailed(f"the lab {name} cannot be started: {error}; a lab of that name may be up") from None
    listening.listen(64)
    ours, theirs = socket.socketpair()
    log = folder / "keeper.log"
    with tempfile.TemporaryFile("w+") as config, log.open("wb") as output:
        json.dump({"name": name, "folder": str(folder.resolve())}, config)
        config.flush()
        descriptors = (listening.fileno(), theirs.fileno(), config.fileno())
        keeper = subprocess.Popen(
            [sys.executable, "-m", "clusters.lab.keeper", f"/proc/self/fd/{config.fileno()}",
             str(descriptors[0]), str(descriptors[1])],
            pass_fds=descriptors, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True,
            cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)},
        )  # fmt: skip
    listening.close()
    theirs.close()
    handle = LabHandle(keeper, ours, log)
    lease = Lease(name)
    try:
        lease.call("memory")
    except LabGone as error:
        handle.close()
        raise ProvisionFailed(f"the lab did not start: {error}; its keeper said: {handle.said()}") from None
    except BaseException:
        handle.close()
        raise
    finally:
        lease.close()
    return handle


class LabProvider:
    """See clusters.providers.Provider."""

    @property
    def name(self) -> str:
        """See Provider."""
        return LAB

    def require(self, *topologies: Topology) -> None:
        """See Provider."""
        require(*topologies)

    def prepare(self, ring: RingSpec, progress: Progress, tell: Tell) -> None:
        """See Provider."""
        prepare(ring, progress, tell)

    def start(self, topology: Topology, name: str, folder: Path) -> LabHandle:
        """See Provider."""
        handle = start_keeper(name, folder)
        try:
            lab = self.attach(topology, name)
            try:
                lab.build()
            finally:
                lab.close()
        except BaseException:
            handle.close()
            raise
        return handle

    def sweep(self) -> Iterator[str]:
        """See Provider: a lab ends with its keeper, whatever ended that."""
        yield from ()

    def living(self) -> list[str]:
        """See Provider: those whose supervisor listens (/proc/net/unix)."""
        begin = f"@{abstract('')[1:]}"
        paths = {line.rpartition(" ")[2] for line in Path("/proc/net/unix").read_text().splitlines()}
        names = (path.removeprefix(begin) for path in paths if path.startswith(begin))
        return sorted(name for name in names if "/" in name)

    def attach(self, topology: Topology, name: str) -> Lab:
        """See Provider."""
        return Lab(topology, name)


PROVIDER: Provider = LabProvider()
