"""The engine's command line, as far as images need it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from clusters.errors import EnvironmentUnfit
from clusters.kind.engine import Engine, storage
from clusters.shell import CommandFailed, run
from clusters.waiting import until

LOAD_SECONDS: Final = 600.0
"""Deadline of moving one image: 1.5 GB at 2.5 MB/s."""
PULL_SECONDS: Final = 1800.0
ASK_SECONDS: Final = 30.0
ROOM: Final = 6_000_000_000
"""Free bytes in the engine's storage: base 0.5 GB, node image 1.3 GB, the containers that make them."""


def labels(engine: Engine, image: str) -> dict[str, str] | None:
    """Return the labels of an image that the engine holds, None when it does not."""
    try:
        told = run([engine.program, "image", "inspect", image], timeout=ASK_SECONDS)
    except CommandFailed:
        return None
    return dict(json.loads(told)[0]["Config"].get("Labels") or {})


def load(engine: Engine, archive: Path) -> None:
    """Bring an archive's images into the engine's storage; EnvironmentUnfit when it has no room or refuses."""
    demand_room(engine)
    try:
        run([engine.program, "load", "--quiet", "--input", str(archive)], timeout=LOAD_SECONDS)
    except CommandFailed as error:
        raise EnvironmentUnfit(
            f"{engine.told} cannot load an image: {error}; see that its storage has room (df)"
        ) from error


def untag(engine: Engine, image: str) -> None:
    """Forget a name; layers stay as long as another image is made of them."""
    run([engine.program, "rmi", "--no-prune", image], timeout=ASK_SECONDS)


def demand_room(engine: Engine) -> None:
    """EnvironmentUnfit when the engine's storage is too full for an image."""
    place = storage(engine)
    free = shutil.disk_usage(place).free
    if free < ROOM:
        raise EnvironmentUnfit(
            f"no space for images: {free / 1e9:.1f} GB free in {place}, needed: {ROOM / 1e9:.1f} GB; "
            f"make room there, for example with `{engine.name} system prune`"
        )


def pull(engine: Engine, image: str) -> None:
    """Pull an image by its digest; EnvironmentUnfit when the registry or the digest is not to be had."""
    try:
        run([engine.program, "pull", "--quiet", image], timeout=PULL_SECONDS)
    except CommandFailed as error:
        raise EnvironmentUnfit(
            f"{image} cannot be pulled: {error}; where no registry is reached: ringproof images build"
        ) from error


def bake(engine: Engine, base: str, archive: Path, name: str, told: Mapping[str, str]) -> None:
    """Make image ``name``: ``base`` with the archive's images in its containerd, and with these labels.

    Everything is done in one container that is gone afterwards, whatever happens.
    """
    with _container(engine, base, archive) as container:
        _execute(engine, container, ["containerd"], detach=True)

        def answers() -> bool:
            _execute(engine, container, ["ctr", "version"])
            return True

        until("containerd answers", answers, timeout=60, every=0.3, tolerate=(CommandFailed,))
        bring = ["ctr", "--namespace", "k8s.io", "images", "import", "--all-platforms", "--no-unpack", "/archive.tar"]
        _execute(engine, container, bring)
        _settle_runtime(engine, container)
        _execute(engine, container, ["sh", "-c", "kill $(pgrep -x containerd)"])

        def ended() -> bool:
            return _execute(engine, container, ["sh", "-c", "pgrep -x containerd || true"]).strip() == ""

        until("containerd ended", ended, timeout=60, every=0.2)
        changes = [f"LABEL {key}={value}" for key, value in told.items()]
        changes += ['ENTRYPOINT ["/usr/local/bin/entrypoint","/sbin/init"]', "CMD []"]
        options = [part for change in changes for part in ("--change", change)]
        run([engine.program, "commit", *options, container, name], timeout=LOAD_SECONDS)


def _settle_runtime(engine: Engine, container: str) -> None:
    """Pods start from containerd's own specification without its rlimits, which allow 1024 open files."""
    settings = _execute(engine, container, ["cat", "/etc/containerd/config.toml"])
    if "/etc/containerd/cri-base.json" not in settings:
        return
    specification: dict[str, Any] = json.loads(_execute(engine, container, ["ctr", "oci", "spec"]))
    if "rlimits" in specification["process"]:
        del specification["process"]["rlimits"]
        write = ["sh", "-c", "cat > /etc/containerd/cri-base.json"]
        command = [engine.program, "exec", "--interactive", container, *write]
        run(command, timeout=ASK_SECONDS, stdin=json.dumps(specification))


@contextmanager
def _container(engine: Engine, base: str, archive: Path) -> Iterator[str]:
    """A container of ``base`` that does nothing, with the archive at /archive.tar; removed at the end."""
    # Privileged, because containerd tries its snapshotters when it starts.
    options = ["--privileged", "--network", "none", "--tmpfs", "/run", "--label", "ringproof.baking=1"]
    mount = ["--volume", f"{archive}:/archive.tar:ro", "--entrypoint", "/bin/sleep"]
    command = [engine.program, "run", "--detach", *options, *mount, base, "3600"]
    try:
        container = run(command, timeout=LOAD_SECONDS).strip().splitlines()[-1]
    except CommandFailed as error:
        raise EnvironmentUnfit(f"{engine.told} cannot start a privileged container: {error}; see {_CURE}") from error
    try:
        yield container
    finally:
        run([engine.program, "rm", "--force", "--volumes", container], timeout=60)


_CURE: Final = "`ringproof doctor`, and as root on Debian: make kind-host"


def _execute(engine: Engine, container: str, command: Sequence[str], *, detach: bool = False) -> str:
    options = ["--detach"] if detach else []
    return run([engine.program, "exec", *options, container, *command], timeout=LOAD_SECONDS)
