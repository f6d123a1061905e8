"""A ring taken away from its clusters, so that the next one forms on them: cheaper than new clusters, and as clean."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from clusters.cluster import ClusterSet, ResetsInPlace
from clusters.errors import CleanupFailed, ClustersGone, ClustersRefused, WaitTimeout
from clusters.journal import Journal
from clusters.undo import Acts

QUARANTINED = "quarantined"
"""Folder beside a ring's hosts for what is kept of clusters that did not become clean."""
JOURNAL = "journal.jsonl"


def emptied(clusters: ClusterSet, folder: Path, step: Callable[[str], None]) -> list[str]:
    """The clusters, which have that ability, are as they were started when this returns nothing; else why they are not.

    ``folder`` is where the ring wrote: what its journal has open is undone first, and of clusters that are not clean
    evidence is kept there, in `quarantined/`.
    """
    assert isinstance(clusters, ResetsInPlace)
    try:
        Acts(clusters, Journal(folder / JOURNAL)).undo_all()
    except CleanupFailed as error:
        step(f"{error}; the reset decides")  # what was added to a pod ends with the pod
    try:
        dirt = list(clusters.reset())
    except (WaitTimeout, ClustersRefused, ClustersGone, OSError) as error:
        dirt = [f"the reset ended early: {error}"]
    if dirt:
        kept = folder / QUARANTINED
        kept.mkdir(parents=True, exist_ok=True)
        (kept / "dirt.txt").write_text("".join(f"{sentence}\n" for sentence in dirt))
        clusters.keep_evidence(kept)
    return dirt


def put_aside(clusters: ClusterSet, folder: Path, number: int) -> None:
    """What the hosts of the ring before wrote has another name when this returns: `hosts/<pod>.reset-<number>/`.

    Renamed where it is, because a folder that belongs to the engine's user can be moved no further. Clients go on.
    """
    clients = {f"{cluster.name}-client" for cluster in clusters.clusters}
    for path in sorted((folder / "hosts").iterdir()):
        if path.is_dir() and path.name not in clients and ".reset-" not in path.name:
            path.rename(path.with_name(f"{path.name}.reset-{number}"))
    if (folder / JOURNAL).exists():
        (folder / JOURNAL).rename(folder / f"journal.reset-{number}.jsonl")
