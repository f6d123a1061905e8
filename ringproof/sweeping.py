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

LAB_SOCKET = "@ringproof/"


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


def live_labs() -> list[str]:
    """Names of the labs of this machine whose supervisor listens; each belongs to somebody who is alive."""
    names = set()
    for line in Path("/proc/net/unix").read_text().splitlines():
        path = line.rpartition(" ")[2]
        if path.startswith(LAB_SOCKET) and "/" in path.removeprefix(LAB_SOCKET):
            names.add(path.removeprefix(LAB_SOCKET))
    return sorted(names)
