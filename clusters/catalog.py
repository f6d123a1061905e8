"""The topologies that have a name: one YAML file each in `clusters/topologies/`."""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path

from clusters.errors import UsageError
from clusters.topology import Topology, nearest

_FOLDER = Path(__file__).parent / "topologies"


def catalog() -> dict[str, Topology]:
    """Every named topology, by name."""
    return dict(_catalog())


@cache
def _catalog() -> dict[str, Topology]:
    known = (Topology.from_yaml(path) for path in sorted(_FOLDER.glob("*.yaml")))
    return {topology.name: topology for topology in known}


def named(name: str) -> Topology:
    """The topology of this name, or the one that the YAML file of this path declares.

    Errors: `UsageError` with the nearest names when there is neither, or with line and column when the file is wrong.
    """
    if name in (known := _catalog()):
        return known[name]
    if Path(name).suffix in (".yaml", ".yml") or os.sep in name:
        return Topology.from_yaml(name)
    raise UsageError(f"no topology is named {name!r}: {nearest(name, known)}, or the path of a YAML file")
