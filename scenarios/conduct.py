"""Conducting one scenario: its folder, its function, its end whatever happens, its verdict from the files."""

from __future__ import annotations

import json
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from clusters.cluster import ClusterSet
from clusters.errors import (
    CleanupFailed,
    ClustersGone,
    EnvironmentUnfit,
    FaultIneffective,
    RingproofError,
    WaitTimeout,
)
from clusters.providers import LAB
from clusters.ring.ring import Ring
from clusters.ring.standing import StandingRing
from clusters.topology import Topology
from scenarios.checks import CheckData, completed
from scenarios.judge import judge_scenario
from scenarios.profiles import Item
from scenarios.run import Notebook, Run, Tell
from scenarios.scenario import Scenario, named_scenario
from scenarios.verdict import ScenarioVerdict

BROKEN = (RingproofError, OSError, LookupError, ValueError, TypeError, AssertionError)
"""What a scenario may end with; anything else is a defect of the suite and surfaces."""


def scenario_id(scenario: Scenario, variant: str, topology: str) -> str:
    """The folder's name and the id in every output."""
    return "-".join(part for part in (scenario.name, variant, topology) if part)


def keyspace_of(identity: str) -> str:
    """A keyspace of its own for each scenario; Cassandra allows 48 letters, digits and underscores."""
    return ("rp_" + identity.replace("-", "_"))[:48].rstrip("_")


def facts_of(scenario: Scenario, variant: str, ring: Ring, seed: int) -> dict[str, Any]:
    """scenario.json as it stands before the first act."""
    identity = scenario_id(scenario, variant, ring.topology.name)
    addresses = ring.addresses()
    declared = ring.topology.ring
    assert declared is not None
    return {
        "schema": 1,
        "scenario": scenario.name,
        "variant": variant,
        "id": identity,
        "topology": ring.topology.name,
        "topology_digest": ring.topology.digest,
        "promise": scenario.promise,
        "explanation": scenario.explanation,
        "provider": ring.clusters.provider,
        "seed": seed,
        "datacenters": [datacenter.name for datacenter in ring.datacenters],
        "replication": {datacenter.name: datacenter.replication_factor for datacenter in ring.datacenters},
        "keyspace": keyspace_of(identity),
        "hosts": [host.as_json(addresses[host.spec.who]) for host in ring.hosts],
        "tokens": {host.host_id: [str(host.spec.token)] for host in ring.hosts},
        "settings": {"phi_convict_threshold": ring.limits.phi, "ring_delay": ring.limits.ring_delay,
                     "commitlog": declared.commitlog, "version": declared.version},
        "timers": declared.timers,
        "ran_before_on_ring": list(ring.ran),
        "faults": [],
    }  # fmt: skip


def conduct(
    scenario: Scenario,
    variant: str,
    ring: Ring,
    folder: Path,
    *,
    seed: int,
    tell: Tell = lambda _what, _facts: None,
) -> ScenarioVerdict:
    """Run one scenario and judge it from its files; an exception of the scenario is part of the verdict.

    KeyboardInterrupt and clusters that are gone surface after the folder has been closed readably.
    """
    folder.mkdir(parents=True)
    run = Run(folder, ring, facts_of(scenario, variant, ring, seed), tell)
    checks: Sequence[CheckData] = []
    try:
        require_abilities(scenario, ring)
        checks = scenario.function(run, ring, **scenario.variants[variant])
    except BROKEN as error:
        _record_failure(run, error)
        if isinstance(error, ClustersGone):
            raise
    except BaseException as error:
        _record_failure(run, error)
        raise
    finally:
        ring.ran.append(run.facts["id"])
        write_checks(folder, [*checks, completed()])
        run.close()
    return judge_scenario(folder)


def conduct_without_ring(
    item: Item,
    folder: Path,
    *,
    run_id: str,
    seed: int,
    tell: Tell = lambda _what, _facts: None,
    made_by: str = LAB,
) -> ScenarioVerdict:
    """As conduct, for a scenario that makes the clusters it needs, as the item's topology declares them.

    Whatever clusters it started end with it.
    """
    scenario = named_scenario(item.scenario)
    facts = {
        "schema": 1,
        "scenario": scenario.name,
        "variant": "",
        "id": scenario.name,
        "topology": item.topology,
        "promise": scenario.promise,
        "explanation": scenario.explanation,
        "provider": made_by,
        "seed": seed,
        "faults": [],
    }
    book = Notebook(folder, facts, tell)
    checks: Sequence[CheckData] = []
    made: list[StandingRing] = []

    def start(topology: Topology) -> ClusterSet:
        made.append(StandingRing(topology, folder / "clusters", f"{run_id}/{scenario.name}", made_by=made_by))
        return made[-1].clusters()

    try:
        checks = scenario.function(book, start)
    except BROKEN as error:
        _record_failure(book, error)
    except BaseException as error:
        _record_failure(book, error)
        raise
    finally:
        problems = _end(made)
        write_checks(folder, [*checks, completed()])
        detail = "; ".join([f"{len(made) - len(problems)} sets of clusters of {made_by} taken down", *problems])
        book.event("cleanup", ok=not problems, detail=detail)
        book.close()
    return judge_scenario(folder)


def _end(made: Sequence[StandingRing]) -> list[str]:
    problems: list[str] = []
    for standing in made:
        try:
            standing.close()
        except CleanupFailed as error:
            problems.append(str(error))
    return problems


def require_abilities(scenario: Scenario, ring: Ring) -> None:
    """EnvironmentUnfit names what the ring's clusters cannot do and the scenario requires."""
    for cluster in ring.clusters.clusters:
        missing = [ability.__name__ for ability in scenario.requires if not isinstance(cluster, ability)]
        if missing:
            raise EnvironmentUnfit(
                f"scenario {scenario.name} needs {', '.join(missing)}, which cluster {cluster.name} cannot do"
            )


def write_checks(folder: Path, checks: Sequence[CheckData]) -> None:
    """Write checks.json."""
    (folder / "checks.json").write_text(json.dumps([check.as_json() for check in checks], indent=1, sort_keys=True))


def _record_failure(run: Notebook, error: BaseException) -> None:
    kinds: dict[type[BaseException], str] = {WaitTimeout: "late", FaultIneffective: "ineffective"}
    kind = next((word for known, word in kinds.items() if isinstance(error, known)), "broken")
    where = traceback.extract_tb(error.__traceback__)[-1]
    run.event(
        "error",
        kind=kind,
        text=f"{type(error).__name__}: {error}",
        where=f"{Path(where.filename).name}:{where.lineno}",
        trace=traceback.format_exc(limit=-8),
    )
