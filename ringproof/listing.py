"""`ringproof list`: what can be run, where, and in which profiles; and which rings are up."""

from __future__ import annotations

import time

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from clusters.catalog import catalog
from clusters.holding import standing
from clusters.topology import Topology
from scenarios.profiles import PROFILES
from scenarios.registered import registered
from scenarios.scenario import Tier


def render(console: Console) -> None:
    """Draw scenarios with variants and promises, topologies, profiles and rings; reads well at 80 columns."""
    scenarios = _table("Scenarios", "scenario", "variants", "promise")
    for name, scenario in sorted(registered().items()):
        if scenario.tier is Tier.SELFTEST:
            continue  # a sabotage that must be found, not a promise
        scenarios.add_row(Text(name, "bold"), ", ".join(filter(None, scenario.variants)), Text(scenario.promise))
    topologies = _table("Topologies", "topology", "clusters", "ring")
    for name, topology in catalog().items():
        topologies.add_row(Text(name, "bold"), Text(_clusters(topology)), Text(_ring(topology)))
    profiles = _table("Profiles", "profile", "runs", "for")
    for profile in PROFILES.values():
        profiles.add_row(Text(f"{profile.name} v{profile.version}", "bold"), str(len(profile.items)), profile.purpose)
    rings = _table("Rings that are up", "name", "topology", "made by", "for another")
    for entry in standing():
        left = _left(entry.expires - time.time()) if entry.ready else "coming up"
        rings.add_row(Text(entry.name, "bold"), entry.topology, entry.provider, left)
    for table in (scenarios, topologies, profiles, *((rings,) if rings.row_count else ())):
        console.print(table)
        console.print()


def _left(seconds: float) -> str:
    return f"{seconds / 60:.0f} min" if seconds >= 60 else f"{max(seconds, 0):.0f} s"


def _table(title: str, *columns: str) -> Table:
    table = Table(title=title, box=box.SIMPLE_HEAD, title_justify="left", title_style="bold", pad_edge=False)
    table.add_column(columns[0], no_wrap=True)
    for column in columns[1:]:
        table.add_column(column, overflow="fold")
    return table


def _clusters(topology: Topology) -> str:
    return "\n".join(f"{cluster.name} {cluster.pod_range} {cluster.dns.zone}" for cluster in topology.clusters)


def _ring(topology: Topology) -> str:
    if topology.ring is None:
        return "none"
    datacenters = ", ".join(f"{each.name} RF {each.replication_factor}" for each in topology.ring.datacenters)
    return f"Cassandra {topology.ring.version}, timers {topology.ring.timers}\n{datacenters}"
