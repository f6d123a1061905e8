"""Node images as files, and which are here: for machines that have neither a registry nor time."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from clusters.errors import EnvironmentUnfit, UsageError
from clusters.kind.engine import Engine, choose
from clusters.shell import CommandFailed, run
from images import build, containers, pull

SAVE_SECONDS = 1200.0
"""Deadline of compressing 1.3 GB; zstd -3 takes 21 s on two cores."""


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
    saving = subprocess.Popen([engine.program, "save", name], stdout=subprocess.PIPE)
    try:
        done = subprocess.run(
            ["zstd", "-q", "-f", "-T0", "-3", "-o", str(fresh)], stdin=saving.stdout, check=False, timeout=SAVE_SECONDS
        )
        if saving.wait() != 0 or done.returncode != 0:
            raise EnvironmentUnfit(f"{file} cannot be written: see that its folder has room (1.5 GB) and zstd is here")
    except OSError as error:
        raise EnvironmentUnfit(f"{file} cannot be written: {error}; install zstd") from error
    finally:
        saving.kill()
        saving.wait()
    fresh.replace(file)
    return name


def load(file: Path) -> list[str]:
    """Bring the images of a saved archive into the engine; return their names."""
    if not file.is_file():
        raise UsageError(f"no file is called {file}")
    engine = choose()
    containers.demand_room(engine)
    try:
        told = run([engine.program, "load", "--input", str(file)], timeout=containers.LOAD_SECONDS)
    except CommandFailed as error:
        raise EnvironmentUnfit(f"{engine.told} cannot load an image: {error}; is {file} complete?") from error
    return [line.partition(": ")[2].strip() for line in told.splitlines() if line.startswith("Loaded image")]


def _names(kubernetes: str | None) -> tuple[str, str]:
    return build.plan(kubernetes).image, pull.name(kubernetes)


def _held(engine: Engine, name: str) -> Held:
    told = json.loads(run([engine.program, "image", "inspect", name], timeout=30))[0]
    said = told["Config"]["Labels"]
    return Held(
        name, said["ringproof.kubernetes"], said["ringproof.cassandra"], said["ringproof.node"], int(told["Size"])
    )
