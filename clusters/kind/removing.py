"""Everything of a set of clusters taken away, exactly: what carries its name, and nothing else."""

from __future__ import annotations

from pathlib import Path

from clusters.errors import CleanupFailed, ClustersGone, ClustersRefused
from clusters.kind.containers import Containers
from clusters.kind.guard import Guard
from clusters.kind.layout import LABEL_NAME, Layout
from clusters.kind.place import Site

KIND_LABEL = "io.x-k8s.kind.cluster"
"""kind's own label of a node's container (kind pkg/cluster/internal/providers/docker/constants.go)."""
LAST_LINES = "200"


def nodes_of(containers: Containers, layout: Layout) -> list[str]:
    """The nodes that exist, in any state."""
    return [name for place in layout.places for name in containers.labelled(f"{KIND_LABEL}={place.kind_name}")]


def remove(site: Site) -> None:
    """Containers, their volumes, networks, routes and the guard are gone when this returns. Twice is once.

    The guard goes last: nothing can leave while anything is there. CleanupFailed names what could not be removed.
    """
    containers, layout = site.containers, site.layout
    site.close()
    failures: list[str] = []
    try:
        containers.remove(*nodes_of(containers, layout), *containers.labelled(f"{LABEL_NAME}={layout.name}"))
    except ClustersRefused as error:
        failures.append(str(error))
    for network in containers.labelled(f"{LABEL_NAME}={layout.name}", "network"):
        try:
            containers.ask("network", "rm", network)
        except ClustersRefused as error:
            failures.append(str(error))
    try:
        Guard(layout, site.machine).take_away()
    except ClustersRefused as error:
        failures.append(str(error))
    if failures:
        raise CleanupFailed(f"clusters {layout.name}: {'; '.join(failures)}; try: ringproof sweep")


def keep_words(site: Site, folder: Path) -> None:
    """What each node and its kubelet said last, one file per node, for who asks why a cluster did not come up."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in [
        *nodes_of(site.containers, site.layout),
        *site.containers.labelled(f"{LABEL_NAME}={site.layout.name}"),
    ]:
        said = [_words(site, "logs", "--tail", LAST_LINES, name)]
        for unit in ("kubelet", "containerd"):
            journal = ["journalctl", "--no-pager", "-n", LAST_LINES, "-u", unit]
            said.append(f"--- {unit}\n{_words(site, 'exec', name, *journal)}")
        (folder / f"{name}.log").write_text("\n".join(said))


def _words(site: Site, *command: str) -> str:
    try:
        return site.containers.ask(*command)
    except (ClustersRefused, ClustersGone, ConnectionError) as error:
        return str(error)
