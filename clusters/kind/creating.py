"""From a layout to live clusters: guard, networks, nodes, router, pod network, DNS, routes and clients, and all of it
again removed when one of them does not come up."""

from __future__ import annotations

import os
import shutil
import sys
import threading
import uuid
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

from clusters.errors import ClustersGone, ClustersRefused, ProvisionFailed, RingproofError, WaitTimeout
from clusters.kind import flannel, manifests
from clusters.kind.api import condition
from clusters.kind.asserting import assert_as_declared
from clusters.kind.guard import Guard
from clusters.kind.kindconfig import cluster_config, programs, text
from clusters.kind.layout import LABEL_CLUSTER, UID_LABEL, ClusterPlace, Marks
from clusters.kind.names import Names
from clusters.kind.place import Site, kind_program, kubeconfig
from clusters.kind.removing import keep_words, remove_site
from clusters.kind.routing import kindnet_cure
from clusters.kind.working import end_programs
from clusters.probe import PORT
from clusters.shell import run
from clusters.waiting import until

CREATE_SECONDS = 300.0
"""`kind create cluster` for two clusters of four nodes at once took 38-42 s on two cores; seven times that."""
READY_SECONDS = 180.0
"""Nodes are ready 5-9 s after the pod network's daemon has started (measured)."""
CLIENT_PROGRAM = "agent.py"

T = TypeVar("T")


class Creation:
    """Makes one set of clusters live."""

    def __init__(self, site: Site, marks: Marks) -> None:
        self.site = site
        self.marks = marks
        self.layout = site.layout
        self.folder = marks.folder
        self._failed = threading.Event()
        self._first: Exception | None = None

    def __call__(self) -> list[str]:
        """Everything stands when this returns; the blocks that the router refused.

        ProvisionFailed with the reason otherwise: then what the nodes said is in `failed/` and nothing is left.
        """
        self._prepare()  # nothing of a set that has this name already is removed
        try:
            self._everywhere(self._network)
            Guard(self.layout, self.site.machine).put(self.marks)
            with ThreadPoolExecutor(1) as beside:
                router = beside.submit(self._router)
                self._everywhere(self._make)
                router.result()
            self._everywhere(self._await_nodes)
            nodes = self.site.nodes()
            refused = self.site.ensure_routes(nodes)
            self._everywhere(self._finish)
        except BaseException as error:
            self._clear(error)
            if isinstance(error, RingproofError | ConnectionError | TimeoutError):
                raise ProvisionFailed(
                    f"clusters of {self.layout.topology.name} did not come up: {error}; see {self.folder / 'failed'}"
                ) from error
            raise
        return refused

    def _clear(self, error: BaseException) -> None:
        """What the nodes said is kept, unless nobody waits for it; if it cannot be, that is told and no more."""
        try:
            if not isinstance(error, KeyboardInterrupt):
                keep_words(self.site, self.folder / "failed")
        except (RingproofError, OSError) as hindrance:
            error.add_note(f"what the nodes said could not be kept: {hindrance}")
        finally:
            remove_site(self.site)

    def _everywhere(self, act: Callable[[ClusterPlace], T]) -> list[T]:
        """The act on every cluster at once; the first error ends all of them, and surfaces when they have ended."""
        with ThreadPoolExecutor(len(self.layout.places)) as pool:
            acts = [pool.submit(self._noted, act, place) for place in self.layout.places]
            try:
                for ended in as_completed(acts):
                    ended.result()
                return [one.result() for one in acts]
            except BaseException as error:
                self._end(acts)
                if self._first is None or not isinstance(error, Exception):
                    raise
                raise self._first from None

    def _noted(self, act: Callable[[ClusterPlace], T], place: ClusterPlace) -> T:
        """The act; its error is the one to tell when it is the first, since others follow from it."""
        try:
            return act(place)
        except Exception as error:
            self._first = self._first or error
            self._failed.set()
            raise

    def _end(self, acts: Sequence[Future[T]]) -> None:
        """The acts have ended, or are past helping: a thread may start one more program after the others were ended."""
        self._failed.set()

        def over() -> bool:
            end_programs(self.layout.name)
            return all(one.done() for one in acts)

        with suppress(WaitTimeout):
            until("the other clusters have ended", over, timeout=CREATE_SECONDS, every=0.5)

    def _prepare(self) -> None:
        if self.site.containers.labelled(f"ringproof.name={self.layout.name}", "network"):
            raise ProvisionFailed(f"clusters of the name {self.layout.name} are up already; take them down first")
        for name in ("hosts", "code"):
            (self.folder / name).mkdir(parents=True, exist_ok=True)
        kubeconfig(self.layout.tag).parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        for program in programs():
            shutil.copy(program, self.folder / "code" / program.name)

    def _network(self, place: ClusterPlace) -> None:
        labels = [word for key, value in self.marks.labels().items() for word in ("--label", f"{key}={value}")]
        options = {"com.docker.network.bridge.name": place.bridge}
        if not self.site.containers.is_podman:  # which refuses the option (containers/common libnetwork/netavark)
            options["com.docker.network.bridge.enable_ip_masquerade"] = "false"
        set_options = [word for key, value in options.items() for word in ("-o", f"{key}={value}")]
        ranges = ["--subnet", str(place.spec.node_range), "--ip-range", str(place.node_pool)]
        ranges += ["--gateway", str(place.gateway)]
        self.site.containers.ask("network", "create", "-d", "bridge", *ranges, *set_options, *labels, place.network)

    def _make(self, place: ClusterPlace) -> None:
        """Nodes; and the client, which needs none of them."""
        ring = self.layout.topology.ring
        declared = cluster_config(place, self.site.image, self.folder, ring.timers if ring else "default")
        path = self.folder / f"kind-{place.spec.name}.yaml"
        path.write_text(text(declared))
        self._client(place)
        engine = "podman" if self.site.containers.is_podman else "docker"
        settings = {
            "KIND_EXPERIMENTAL_PROVIDER": engine,
            f"KIND_EXPERIMENTAL_{engine.upper()}_NETWORK": place.network,
        }
        command = [kind_program(), "create", "cluster", "--config", str(path), "--image", self.site.image.name]
        command += ["--kubeconfig", str(kubeconfig(self.layout.tag)), "--retain", "--quiet"]
        self._demand(f"kind for {place.spec.name}")
        with ThreadPoolExecutor(1) as beside:
            furnished = beside.submit(self._furnish, place)
            try:
                run(command, timeout=CREATE_SECONDS, env={**os.environ, **settings})
            except BaseException:
                self._failed.set()
                raise
            furnished.result()

    def _client(self, place: ClusterPlace) -> None:
        """A network, processes and a resolver of its own over this machine's files: the program is the lab's, as is."""
        dns = place.spec.dns
        resolver = self.folder / f"resolv-{place.spec.name}.conf"
        search = f"{dns.namespace}.svc.{dns.suffix} svc.{dns.suffix} {dns.suffix}"
        resolver.write_text(
            f"nameserver {place.dns_service}\nsearch {search}\n"
            f"options ndots:5 timeout:{dns.resolver_timeout} attempts:{dns.resolver_attempts}\n"
        )
        identity = str(uuid.uuid4())
        labels = {**self.marks.labels(), LABEL_CLUSTER: place.spec.name, UID_LABEL: identity}
        told = {"POD_UID": identity, "POD_NAME": "client", "CLUSTER": place.spec.name, "PORT": str(PORT)}
        real = Path("/etc/resolv.conf").resolve()
        mounts = ["-v", "/:/host", "-v", f"{resolver}:/host{real}:ro"]
        words = ["--entrypoint", "chroot", self.site.image.name, "/host", sys.executable, "-S"]
        self._start(place.client_container, place, str(place.client), labels, [
            *mounts, *(word for key, value in told.items() for word in ("-e", f"{key}={value}")), *words,
            str(self.folder / "code" / CLIENT_PROGRAM), "serve",
        ])  # fmt: skip

    def _start(
        self, name: str, place: ClusterPlace, address: str, labels: Mapping[str, str], words: Sequence[str]
    ) -> None:
        head = ["run", "-d", "--name", name, "--hostname", name, "--network", place.network, "--ip", address]
        head += ["--cap-add", "NET_ADMIN", "--sysctl", "net.ipv4.ip_forward=1", "--restart", "no"]
        marked = [word for key, value in labels.items() for word in ("--label", f"{key}={value}")]
        self.site.containers.ask(*head, *marked, *words, timeout=60)

    def _router(self) -> None:
        """One leg on every network; nothing else joins them."""
        first, *others = self.layout.places
        words = ["--entrypoint", "sleep", self.site.image.name, "infinity"]
        self._start(self.layout.router, first, str(first.router), self.marks.labels(), words)
        for place in others:
            self.site.containers.ask("network", "connect", "--ip", str(place.router), place.network, self.layout.router)

    def _furnish(self, place: ClusterPlace) -> None:
        """While kind joins the workers: names first, so that the first server to start has the right file, then the
        network that lets it start. Their images are unpacked meanwhile."""
        self._soon(f"API server of {place.spec.name}", lambda: self.site.early_api(place))
        names = Names(self.site, place)
        self._soon(f"CoreDNS of {place.spec.name}", names.installed)
        for other in self.layout.joined_to(place):
            self._soon(f"control plane of {other.spec.name}", lambda other=other: self._address(other))  # type: ignore[misc]
        names.settle()
        api = self.site.api(place)
        if not self.site.image.stock:
            api.create(flannel.objects(place, self.site.image.flannel, self._address(place)))
        api.create(manifests.common_objects(place, self.marks))

    def _address(self, place: ClusterPlace) -> str:
        return self.site.containers.state(place.control_plane).addresses[place.network]

    def _soon(self, what: str, probe: Callable[[], object]) -> None:
        """Wait for what kind brings about, as long as kind has not failed."""

        def there() -> bool:
            self._demand(what)
            return bool(probe())

        waited = (ConnectionError, TimeoutError, ClustersGone, ClustersRefused)
        until(what, there, timeout=CREATE_SECONDS, every=0.3, tolerate=waited)

    def _demand(self, what: str) -> None:
        """Nothing is waited for any more once a part of the creation has failed."""
        if self._failed.is_set():
            raise ProvisionFailed(f"{what} is not waited for: kind has failed")

    def _await_nodes(self, place: ClusterPlace) -> None:
        api = self.site.api(place)

        def lack() -> bool:
            self._demand(f"readiness of {place.spec.name}")
            nodes = api.nodes()
            ready = [node for node in nodes if condition(node, "Ready") == "True"]
            return len(nodes) == len(ready) == place.spec.nodes + 1

        until(f"nodes of {place.spec.name} are ready", lack, timeout=READY_SECONDS, every=0.5)

    def _finish(self, place: ClusterPlace) -> None:
        if self.site.image.stock:
            for node in self.site.nodes(place):
                for command in kindnet_cure(self.layout, place):
                    self.site.containers.exec(node.name, command)
        assert_as_declared(self.site, place)
        Names(self.site, place).await_settled()
        if self.site.containers.state(place.client_container).running is False:
            said = self.site.containers.ask("logs", "--tail", "5", place.client_container)
            raise ClustersRefused(f"the client of {place.spec.name} has ended: {said.strip()[-300:]}")
