"""One check of a machine and what it found: the one place in which its sentence is made.

`ringproof doctor` shows findings, a refused run says the sentence of one: both from `Finding.__str__`.
"""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Literal

import psutil

from clusters.errors import RingproofError
from clusters.topology import Topology

State = Literal["ok", "warn", "fail", "skipped"]
PAGE = "docs/doctor.md"
TROUBLE = (
    RingproofError,
    OSError,
    ValueError,
    TypeError,
    LookupError,
    AttributeError,
    ArithmeticError,
    RuntimeError,
    psutil.Error,
    subprocess.SubprocessError,
)
"""What a check may raise and is then told as failed: /proc of other kernels holds more surprises than can be listed."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What was measured against what is needed, and the command that makes it fit. Only ``fail`` forbids a run.

    ``skipped`` is what does not matter for what was asked; ``page`` is a section of the documentation.
    """

    id: str
    state: State
    measured: str
    needed: str
    fix: str = ""
    page: str = ""

    def as_json(self) -> dict[str, str]:
        """Plain values with the same names."""
        return dict(asdict(self))

    def __str__(self) -> str:
        return f"{self.id}: {self.measured}, needed: {self.needed}{f'; {self.fix}' if self.fix else ''}"


@dataclass(frozen=True, slots=True)
class Asked:
    """What the machine is to carry: the topologies, one at a time; where bundles go.

    ``online`` asks the registries even when nothing has to be fetched.
    """

    topologies: tuple[Topology, ...]
    provider: str = "lab"
    runs: Path = Path("runs")
    online: bool = False

    @property
    def versions(self) -> tuple[str, ...]:
        """The Cassandra versions of the rings, each once."""
        return tuple(sorted({topology.ring.version for topology in self.topologies if topology.ring}))


@dataclass(frozen=True, slots=True)
class Check:
    """A question with its section of the page.

    ``lab_only`` ones are shown as skipped for every other provider; those with ``providers`` are not asked for others,
    which have a question of their own about the same thing or no use for the answer.
    """

    id: str
    ask: Callable[[Asked], Iterable[Finding]]
    section: str
    lab_only: bool = False
    providers: tuple[str, ...] = ()

    def findings(self, asked: Asked) -> Iterator[Finding]:
        """What it finds, one at least where it is asked; whatever it raises becomes a failed one with that sentence."""
        page = f"{PAGE}#{self.section}"
        if self.providers and asked.provider not in self.providers:
            return
        if self.lab_only and asked.provider != "lab":
            yield Finding(self.id, "skipped", "not looked at", "of the lab alone", page=page)
            return
        try:
            for found in self.ask(asked):
                yield replace(found, page=page)
        except TROUBLE as error:
            said = " ".join(str(error).split()) or type(error).__name__
            yield Finding(self.id, "fail", said, "an answer of this check", page=page)
