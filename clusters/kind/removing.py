"""Everything of a set of clusters taken away, exactly: what carries its name, and nothing else."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

from clusters.errors import CleanupFailed, ClustersGone, ClustersRefused, WaitTimeout
from clusters.kind.containers import Containers
from clusters.kind.guard import Machine, take_away
from clusters.kind.layout import LABEL_NAME, PREFIX, tag
from clusters.kind.place import Site, kubeconfig
from clusters.kind.working import end_programs

KIND_LABEL = "io.x-k8s.kind.cluster"
"""kind's own label of a node's container (kind pkg/cluster/internal/providers/docker/constants.go)."""
LAST_LINES = "200"


def nodes_of(containers: Containers, tag: str) -> list[str]:
    """The nodes of a set that exist, in any state."""
    return [name for name in all_nodes(containers) if name.startswith(f"{PREFIX}-{tag}-")]


def all_nodes(containers: Containers, *filters: str) -> list[str]:
    """Every node of clusters that are called as ours, in any state; ``filters`` are the engine's own for `ps`."""
    label = f'index .Labels "{KIND_LABEL}"' if containers.is_podman else f'.Label "{KIND_LABEL}"'
    form = "{{.Names}} {{" + label + "}}"
    wanted = [word for one in (f"label={KIND_LABEL}", *filters) for word in ("--filter", one)]
    said = containers.ask("ps", "-a", *wanted, "--format", form)
    pairs = [line.split() for line in said.splitlines()]
    return [pair[0] for pair in pairs if pair[-1].startswith(f"{PREFIX}-")]


def remove(containers: Containers, machine: Machine, name: str) -> None:
    """Programs at work on a set are ended, and containers, their volumes, networks, routes and the guard of it are gone
    when this returns. Twice is once.

    The guard goes last: nothing can leave while anything is there. CleanupFailed names what could not be removed.
    """
    failures: list[str] = []
    acts: list[Callable[[], object]] = [
        partial(end_programs, name),
        partial(_remove_containers, containers, name),
        partial(_remove_networks, containers, name),
        partial(take_away, machine, tag(name)),
    ]
    file = kubeconfig(tag(name))
    for path in (file, file.with_name(f"{file.name}.lock")):  # the lock is of a kind that was killed while it wrote
        path.unlink(missing_ok=True)
    for act in acts:
        try:
            act()
        except (ClustersRefused, ClustersGone, ConnectionError, WaitTimeout) as error:
            failures.append(str(error))
    if failures:
        raise CleanupFailed(f"kind clusters {name} could not be removed: {'; '.join(failures)}; call: ringproof sweep")


def _remove_containers(containers: Containers, name: str) -> None:
    containers.remove(*nodes_of(containers, tag(name)), *containers.labelled(f"{LABEL_NAME}={name}"))


def _remove_networks(containers: Containers, name: str) -> None:
    for network in containers.labelled(f"{LABEL_NAME}={name}", "network"):
        containers.ask("network", "rm", network)


def remove_site(site: Site) -> None:
    """See remove()."""
    site.close()
    remove(site.containers, site.machine, site.layout.name)


def keep_words(site: Site, folder: Path) -> None:
    """What each node and its kubelet said last, one file per node, for who asks why a cluster did not come up.

    OSError when the folder cannot be written to, ClustersRefused when the engine does not answer.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for name in [
        *nodes_of(site.containers, site.layout.tag),
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
