"""Acts on live clusters, each with the plain data that takes it back exactly."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from clusters.cluster import ClusterSet, FaultsDns, PodSpec, StopsNodes
from clusters.errors import CleanupFailed, UsageError
from clusters.journal import Journal
from clusters.network import NetworkOps, Rule
from clusters.ring.config import HostStart


class Acts:
    """Performs acts through a journal: the undo is written first, and only what was written is ever undone."""

    def __init__(self, clusters: ClusterSet, journal: Journal) -> None:
        self.clusters = clusters
        self.journal = journal

    def _write(self, act: str, **undo: Any) -> int:
        return self.journal.write({"provider": self.clusters.provider, "act": act, **undo})

    def add_rule(self, net: NetworkOps, rule: Rule) -> int:
        """Add one policy rule; ValueError when it stands already, for then it is not ours to take back."""
        if rule in net.rules():
            raise ValueError(f"rule {rule} stands in {net.space} already")
        number = self._write("rule", space=net.space, rule=rule.as_json())
        net.add_rule(rule)
        return number

    def add_dns_rule(self, cluster: str, rule: Mapping[str, Any]) -> int:
        """Make a cluster's DNS server misbehave (FaultsDns); `rule` as in clusters.dns.rules.Rule, `id` included."""
        number = self._write("dns-rule", cluster=cluster, id=rule["id"])
        try:
            self._dns(cluster).add_dns_rule(rule)
        except UsageError:
            self.journal.done(number)  # also when another rule has this id: that one is not ours to take back
            raise
        return number

    def stop_zone(self, cluster: str, zone: str, how: str) -> int:
        """Freeze or kill everything in a zone (StopsNodes)."""
        nodes = self._nodes(cluster)
        act, undo = {"freeze": (nodes.freeze, "thaw"), "kill": (nodes.kill, "start")}[how]
        number = self._write("zone", cluster=cluster, zone=zone, undo=undo)
        act(zone)
        return number

    def create_pod(self, cluster: str, spec: PodSpec) -> int:
        """Create a pod that does not belong to the ring."""
        number = self._write("pod", cluster=cluster, pod=spec.name)
        self.clusters.cluster(cluster).create_pod(spec)
        return number

    def start_host(self, start: HostStart) -> int:
        """Start a host that does not belong to the ring."""
        number = self._write("pod", cluster=start.host.cluster, pod=start.host.pod)
        self.clusters.cluster(start.host.cluster).start_hosts([start])
        return number

    def _dns(self, cluster: str) -> FaultsDns:
        found = self.clusters.cluster(cluster)
        assert isinstance(found, FaultsDns)
        return found

    def _nodes(self, cluster: str) -> StopsNodes:
        found = self.clusters.cluster(cluster)
        assert isinstance(found, StopsNodes)
        return found

    def undo(self, number: int) -> None:
        """Take back one act; CleanupFailed tells what could not be removed, LookupError that it is not open."""
        entry = self.journal.open()[number]
        try:
            self._reverse(entry)
        except Exception as error:
            raise CleanupFailed(f"journal entry {number} could not be undone: {entry}: {error}") from error
        self.journal.done(number)

    def undo_all(self) -> int:
        """Take back everything that is open, newest first; returns how many entries there were.

        One that cannot be undone does not keep the others from it; CleanupFailed names all that are left.
        """
        numbers = list(self.journal.open())
        failures: list[str] = []
        for number in numbers:
            try:
                self.undo(number)
            except CleanupFailed as error:
                failures.append(str(error))
        if failures:
            raise CleanupFailed("; ".join(failures))
        return len(numbers)

    def _reverse(self, entry: Mapping[str, Any]) -> None:
        if entry["provider"] != self.clusters.provider:
            raise UsageError(f"it was made on clusters of {entry['provider']}, these are of {self.clusters.provider}")
        if entry["act"] == "rule":
            net = self.clusters.network(entry["space"])
            rule = Rule(**entry["rule"])
            if rule in net.rules():  # the act itself may have failed after its undo was written
                net.delete_rule(rule)
        elif entry["act"] == "dns-rule":
            dns = self._dns(entry["cluster"])
            if entry["id"] in [rule["id"] for rule in dns.dns_rules()]:
                dns.delete_dns_rule(entry["id"])
        elif entry["act"] == "pod":
            cluster = self.clusters.cluster(entry["cluster"])
            if entry["pod"] in [state.name for state in cluster.states()]:
                cluster.delete_pod(entry["pod"])
        else:
            nodes = self._nodes(entry["cluster"])
            {"thaw": nodes.thaw, "start": nodes.start}[entry["undo"]](entry["zone"])
