"""What killed processes left: entries of holders that are gone, runs that never ended, empty mount points.

Nothing of a live run, of a live holder or of a live lab is touched. Processes, namespaces, mounts and sockets need no
sweeping: they end with the lab's keeper, whatever ended that.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from clusters import holding
from clusters.providers import PROVIDERS, provider
from scenarios.runs import RUNS, close_unfinished, remove_scratch, unfinished


def sweep(runs: Path = RUNS) -> Iterator[str]:
    """Undo what is left, and say each thing that was done."""
    for entry in list(holding.entries()):
        if not entry.holder.alive:
            holding.forget(entry)
            remove_scratch(Path(entry.folder))
            yield f"forgot the ring {entry.name}: its holder (process {entry.holder.pid}) is gone"
    for name in PROVIDERS:
        yield from provider(name).sweep()
    for folder in list(unfinished(runs)):
        close_unfinished(folder)
        yield f"run {folder.name} was killed: closed; judge it with: ringproof judge {folder}"


def left_alone() -> str:
    """What a sweep does not touch because it is alive: how many sets of clusters of which provider."""
    return ", ".join(f"{len(provider(name).living())} of {name}" for name in PROVIDERS)
