"""`ringproof images`: the kind provider's node images, pulled or built, saved, loaded and listed."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn
from rich.table import Table

if TYPE_CHECKING:
    from images.build import Progress as Step

app = typer.Typer(help="Node images of the kind provider.", no_args_is_help=True)

WIDTH = 160
"""Columns where nobody looks: a name is never cut."""

Kubernetes = Annotated[
    str | None, typer.Option("--kubernetes", metavar="MINOR", help="Such as 1.33; RINGPROOF_KUBERNETES says the same.")
]
File = Annotated[Path, typer.Argument(metavar="FILE", help="A .tar.zst.")]


@app.command()
def ensure(kubernetes: Kubernetes = None) -> None:
    """Have the node image: the one that is here, else pulled where a registry answers, else built."""
    from images import shelf

    with Shown(_console()) as shown:
        image = shelf.ensure(kubernetes, shown.tell)
    _console().print(image, soft_wrap=True)


@app.command()
def build(kubernetes: Kubernetes = None) -> None:
    """Build the node image from packages; what is cached is not made again."""
    from images import build as building

    with Shown(_console()) as shown:
        image = building.build(kubernetes, shown.tell)
    _console().print(image, soft_wrap=True)


@app.command()
def pull(kubernetes: Kubernetes = None) -> None:
    """Pull the published node image and the official Cassandra, by digest."""
    from images import pull as pulling

    _console().print(pulling.pull(kubernetes), soft_wrap=True)


@app.command()
def save(file: File, kubernetes: Kubernetes = None) -> None:
    """Write a node image to a file, for another machine."""
    from images import shelf

    _console().print(f"{shelf.save(file, kubernetes)} is in {file}", soft_wrap=True)


@app.command()
def load(file: File) -> None:
    """Bring a saved node image into the engine."""
    from images import shelf

    for line in shelf.load(file) or [f"everything in {file} was here already"]:
        _console().print(line, soft_wrap=True)


@app.command(name="list")
def list_() -> None:
    """The node images that are here."""
    from images import shelf

    table = Table("image", "Kubernetes", "Cassandra", "from", "size", box=None)
    for held in shelf.held():
        table.add_row(held.name, held.kubernetes, held.cassandra, held.source, f"{held.size / 1e9:.2f} GB")
    _console().print(table)


class Shown:
    """One line per step where nobody looks; on a terminal one bar with the time that all steps still need."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._started = time.monotonic()
        self._task: TaskID | None = None
        self._bar = Progress(
            TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn(), TextColumn("{task.fields[left]}"),
            console=console,
        )  # fmt: skip

    def __enter__(self) -> Shown:
        if self._console.is_terminal:
            self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()

    def tell(self, step: Step) -> None:
        """See images.build.Progress."""
        left = (
            f"about {step.remaining / 60:.0f} min left" if step.remaining > 90 else f"about {step.remaining:.0f} s left"
        )
        if not self._console.is_terminal:
            passed = time.monotonic() - self._started
            self._console.print(f"{passed:6.1f} s  {step.step} ({step.number} of {step.steps}), {left}", soft_wrap=True)
            return
        if self._task is None:
            self._task = self._bar.add_task(step.step, total=step.steps, left=left)
        self._bar.update(self._task, completed=step.number - 1, description=step.step, left=left)


def _console() -> Console:
    console = Console(highlight=False)
    return console if console.is_terminal else Console(highlight=False, width=WIDTH)
