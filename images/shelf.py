"""Node images as files, and which are here: for machines that have neither a registry nor time."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from clusters.errors import EnvironmentUnfit, UsageError
from clusters.kind.engine import Engine, choose
from clusters.shell import run
from images import build, containers, pull

SECONDS: Final = 1200.0
"""Deadline of packing or unpacking 1 GB; zstd -3 takes 10 s on two quiet cores."""


@dataclass(frozen=True)
class Held:
    """A node image that the engine holds: name, Kubernetes and Cassandra version, built or pulled, bytes."""

    name: str
    kubernetes: str
    cassandra: str
    source: str
    size: int


def ensure(
    kubernetes: str | None = None, tell: build.Tell | None = None, answers: Callable[[], bool] | None = None
) -> str:
    """Return the node image of a Kubernetes minor: the one that is here, else pulled if a registry answers, else built.

    Asks no registry when an image is here, when ``answers`` says otherwise, or when the build's parts are cached.
    """
    engine = choose()
    wanted = build.plan(kubernetes)
    for image in (wanted.image, pull.name(kubernetes)):
        if containers.labels(engine, image) is not None:
            return image
    if wanted.missing and (answers or pull.registry_answers)():
        return pull.pull(kubernetes)
    return build.build(kubernetes, tell)


def held() -> list[Held]:
    """Return the node images that the engine holds, newest first as it lists them."""
    engine = choose()
    listed = run(
        [engine.program, "images", "--filter", "label=ringproof.node", "--format", "{{.Repository}}:{{.Tag}}"],
        timeout=30,
    )
    return [_held(engine, name) for name in listed.split() if not name.endswith(":<none>")]


def save(file: Path, kubernetes: str | None = None) -> str:
    """Write the node image of a minor that the engine holds into a zstd-compressed archive; return its name."""
    engine = choose()
    name = next((image for image in _names(kubernetes) if containers.labels(engine, image) is not None), None)
    if name is None:
        raise EnvironmentUnfit("no node image of that Kubernetes is here to save; call: ringproof images build")
    fresh = file.with_name(file.name + ".new")
    packed = ["zstd", "-q", "-f", "-T0", "-3", "-o", str(fresh)]
    if not _piped([engine.program, "save", name], packed):
        fresh.unlink(missing_ok=True)
        raise EnvironmentUnfit(f"{file} cannot be written: see that its folder has room (0.5 GB) and zstd is installed")
    fresh.replace(file)
    return name


def load(file: Path) -> list[str]:
    """Bring the images of a saved archive into the engine; return their names."""
    if not file.is_file():
        raise UsageError(f"no file is called {file}")
    engine = choose()
    containers.demand_room(engine)
    before = {image.name for image in held()}
    # Unpacked here: Docker before 23 does not read zstd.
    if not _piped(["zstd", "-q", "-d", "-c", str(file)], [engine.program, "load", "--quiet"]):
        raise EnvironmentUnfit(f"{engine.told} cannot load an image from {file}: is it whole, and zstd installed?")
    return sorted({image.name for image in held()} - before)


def _piped(source: Sequence[str], sink: Sequence[str]) -> bool:
    """Whether both programs ended well, the first writing into the second; neither outlives this call."""
    try:
        with subprocess.Popen(source, stdout=subprocess.PIPE) as first:
            try:
                done = subprocess.run(sink, stdin=first.stdout, stdout=subprocess.DEVNULL, check=False, timeout=SECONDS)
                ended = first.wait(timeout=SECONDS) if done.returncode == 0 else 1
            finally:
                first.kill()
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0 and ended == 0


def _names(kubernetes: str | None) -> tuple[str, str]:
    return build.plan(kubernetes).image, pull.name(kubernetes)


def _held(engine: Engine, name: str) -> Held:
    told = json.loads(run([engine.program, "image", "inspect", name], timeout=30))[0]
    said = told["Config"]["Labels"]
    return Held(
        name, said["ringproof.kubernetes"], said["ringproof.cassandra"], said["ringproof.node"], int(told["Size"])
    )
