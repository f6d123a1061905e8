"""Acts on live clusters, each with the plain data that takes it back exactly."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from clusters.cluster import PodSpec
from clusters.errors import CleanupFailed, UsageError
from clusters.journal import Journal
from clusters.lab.provider import Lab, LabNetwork
from clusters.network import Rule


class Acts:
    """Performs acts through a journal: the undo is written first, and only what was written is ever undone."""

    def __init__(self, clusters: Lab, journal: Journal) -> None:
        self.clusters = clusters
        self.journal = journal

    def add_rule(self, net: LabNetwork, rule: Rule) -> int:
        """Add one policy rule; ValueError when it stands already, for then it is not ours to take back."""
        if rule in net.rules():
            raise ValueError(f"rule {rule} stands in {net.space} already")
        number = self.journal.write({"act": "rule", "space": net.space, "rule": rule.as_json()})
        net.add_rule(rule)
        return number

    def add_dns_rule(self, cluster: str, rule: Mapping[str, Any]) -> int:
        """Make a cluster's DNS server misbehave; `rule` as in clusters.dns.rules.Rule, `id` included."""
        number = self.journal.write({"act": "dns-rule", "cluster": cluster, "id": rule["id"]})
        answer = self.clusters.cluster(cluster).dns({"do": "rule", **rule})
        if not answer["ok"]:
            self.journal.done(number)  # also when another rule has this id: that one is not ours to take back
            raise UsageError(f"DNS of {cluster} refused the rule {rule['id']}: {answer['error']}")
        return number

    def stop_zone(self, cluster: str, zone: str, how: str) -> int:
        """Freeze or kill everything in a zone."""
        undo = {"freeze": "thaw", "kill": "start"}[how]
        number = self.journal.write({"act": "zone", "cluster": cluster, "zone": zone, "undo": undo})
        getattr(self.clusters.cluster(cluster), how)(zone)
        return number

    def create_pod(self, cluster: str, spec: PodSpec) -> int:
        """Create a pod that does not belong to the ring."""
        number = self.journal.write({"act": "pod", "cluster": cluster, "pod": spec.name})
        self.clusters.cluster(cluster).create_pod(spec)
        return number

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
        if entry["act"] == "rule":
            net = self.clusters.network(entry["space"])
            rule = Rule(**entry["rule"])
            if rule in net.rules():  # the act itself may have failed after its undo was written
                net.delete_rule(rule)
        elif entry["act"] == "dns-rule":
            dns = self.clusters.cluster(entry["cluster"]).dns
            if entry["id"] in [rule["id"] for rule in dns({"do": "rules"})["rules"]]:
                dns({"do": "unrule", "id": entry["id"]})
        elif entry["act"] == "pod":
            cluster = self.clusters.cluster(entry["cluster"])
            if entry["pod"] in [state.name for state in cluster.states()]:
                cluster.delete_pod(entry["pod"])
        else:
            getattr(self.clusters.cluster(entry["cluster"]), entry["undo"])(entry["zone"])
