"""What kind clusters need: an engine that this user may use, what the engine needs of the machine, a node image.

Everything is as clusters.kind.engine finds it; nothing is looked for here.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from clusters.errors import EnvironmentUnfit
from clusters.fit.finding import Asked, Finding, State
from clusters.kind import engine
from clusters.kind.containers import Containers
from clusters.kind.place import find_image, kind_program

NEEDED = " or ".join(f"{name} {major}.{minor}" for name, (major, minor) in engine.OLDEST.items())
INSTALL = "as root on Debian: make kind-host"


def found_engines(_asked: Asked) -> Iterator[Finding]:
    """Docker and podman by name and version, and which of them would be used."""
    here = {one.name: one for one in engine.engines()}
    told = ", ".join(
        f"{name} is not installed" if name not in here else here[name].problem or here[name].told
        for name in engine.NAMES
    )
    try:
        chosen = engine.choose()
    except EnvironmentUnfit as error:
        yield Finding("container engine", "fail", str(error), NEEDED, "" if here else INSTALL)
        return
    used = f"{told}; {chosen.name} is used"
    if chosen.name == "podman":
        fix = "no whole run was made with podman yet: install Docker where you can choose (docs/doctor.md)"
        yield Finding("container engine", "warn", used, NEEDED, fix)
        return
    yield Finding("container engine", "ok", used, NEEDED)


def measures(_asked: Asked) -> Iterator[Finding]:
    """What the chosen engine needs for two clusters; without an engine its storage is taken to be below /."""
    try:
        place = engine.storage(engine.choose())
    except EnvironmentUnfit:
        place = Path("/")
    for one in engine.measures(place):
        state: State = "ok" if one.enough else "fail" if one.blocks else "warn"
        yield Finding(one.what, state, one.found, one.needed, "" if one.enough else one.remedy)


def node_image(_asked: Asked) -> Iterator[Finding]:
    """kind's own command, and the image that nodes are made from."""
    needed = "kind's command and a node image"
    try:
        program = kind_program()
        image = find_image(Containers(engine.choose().program))
    except EnvironmentUnfit as error:
        yield Finding("node image", "fail", str(error), needed)
        return
    yield Finding("node image", "ok", f"{image.name}, {program}", needed)
