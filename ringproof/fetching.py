"""`ringproof fetch`: everything that a run would fetch or make once, with progress, before it is needed."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TaskID, TextColumn, TransferSpeedColumn

from clusters.ring.archive import ensure_archive
from clusters.ring.artifacts import ensure_cassandra, versions
from clusters.ring.java import find_java

DEFAULT = ("5.0.9",)
"""The version of the named topologies."""


def fetch(wanted: Sequence[str], console: Console) -> None:
    """Bring jars, a Java and the class-data archive of each version into the cache; ArtifactMissing if not."""
    for version in wanted or DEFAULT:
        with _progress(console) as progress:
            shown = Shown(progress, version)
            folder = ensure_cassandra(version, shown.tell)
            java = find_java(version, progress=shown.tell)
        console.print(f"Cassandra {version}: {len(list(folder.iterdir()))} jars in {folder}", soft_wrap=True)
        console.print(f"Java {java.major} ({java.source}): {java.home}", soft_wrap=True)
        archive = ensure_archive(java, version, warn=lambda text: console.print(text, soft_wrap=True))
        if archive is not None:
            console.print(f"class-data archive: {archive}", soft_wrap=True)


def known() -> list[str]:
    """The versions that can be fetched."""
    return versions()


class Shown:
    """One bar per download, made at its first word: what is cached shows none."""

    def __init__(self, progress: Progress, version: str) -> None:
        self._progress = progress
        self._version = version
        self._tasks: dict[int, TaskID] = {}

    def tell(self, done: int, total: int, name: str) -> None:
        """See clusters.ring.artifacts.Progress."""
        if total not in self._tasks:
            self._tasks[total] = self._progress.add_task(self._version, total=total)
        self._progress.update(self._tasks[total], completed=done, description=name)


def _progress(console: Console) -> Progress:
    return Progress(
        TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn(), console=console
    )
