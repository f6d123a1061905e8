"""The node image, built from packages: every part from the cache or made now, then put together by the engine.

The image's name ends in the hash of all its ingredients, so that an image which is there is the right one.
"""

from __future__ import annotations

import platform
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from clusters.errors import EnvironmentUnfit
from clusters.kind.engine import Engine, choose
from clusters.ring.artifacts import cache_root
from clusters.ring.flags import fitting_majors
from images import components, containers, golang, lock, rootfs, store
from images.layers import Image, layer, write_archive
from images.store import Artifact

REPOSITORY: Final = "localhost/ringproof/node"
RECIPE: Final = "1"
"""Of this module and images.containers: raised when they put the same parts together in another way."""
ASSEMBLY_SECONDS: Final = 45.0


@dataclass(frozen=True)
class Progress:
    """Where a build is: the step that begins, how many seconds all that is left is expected to take."""

    step: str
    number: int
    steps: int
    remaining: float


Tell = Callable[[Progress], None]


@dataclass(frozen=True)
class Plan:
    """All that a node image needs, in order, and the image's name."""

    minor: lock.Minor
    image: str
    parts: dict[str, Artifact]
    programs: tuple[Artifact, ...]

    @property
    def missing(self) -> list[Artifact]:
        """What has to be made."""
        return [part for part in (*self.programs, *self.parts.values()) if not part.made()]


def plan(kubernetes: str | None = None) -> Plan:
    """Return what the image of a Kubernetes minor (such as 1.33; the lock's default without) is made of."""
    locked = lock.read()
    minor = locked.build.kubernetes[locked.minor(kubernetes)]
    parts = components.layers_of(locked.build, minor)
    programs = (golang.kind(), *golang.programs(), golang.kubernetes(minor))
    whole = store.key(RECIPE, minor.version, locked.build.model_dump_json(), *(part.key for part in parts.values()))
    return Plan(minor, f"{REPOSITORY}:v{minor.version}-{whole}", parts, programs)


def build(kubernetes: str | None = None, tell: Tell | None = None) -> str:
    """Return the name of the node image, which the engine then holds; nothing is made twice, and nothing is pulled.

    EnvironmentUnfit, before anything is made, when there is no engine, no permission, no room, or neither Go nor a
    cached program.
    """
    engine = choose()
    wanted = plan(kubernetes)
    here = containers.labels(engine, wanted.image) is not None
    if not here:
        _demand(engine, wanted)
    _publish_kind(wanted, tell)
    if here:
        return wanted.image
    missing = wanted.missing
    _make(missing, tell)
    if tell is not None:
        tell(Progress("node image", len(missing) + 1, len(missing) + 1, ASSEMBLY_SECONDS))
    _assemble(engine, wanted)
    return wanted.image


def kind_program() -> Path:
    """Return kind's command, built once."""
    target = cache_root() / "images" / "bin" / "kind"
    made = golang.kind()
    if not (target.exists() and made.made() and target.resolve() == made.path.resolve()):
        made.ensure()
        made.path.chmod(0o755)
        target.parent.mkdir(parents=True, exist_ok=True)
        fresh = target.with_name("kind.new")
        fresh.unlink(missing_ok=True)
        fresh.symlink_to(made.path)
        fresh.replace(target)
    return target


def _publish_kind(wanted: Plan, tell: Tell | None) -> None:
    made = wanted.programs[0]
    if not made.made():
        _demand_machine()
        _make([made], tell)
    kind_program()


def _demand(engine: Engine, wanted: Plan) -> None:
    """Everything that could stop the build later stops it now."""
    _demand_machine()
    missing = {part.name for part in wanted.missing}
    if missing:
        store.demand_room()
    if missing & {part.name for part in wanted.programs}:
        golang.demand()
    if missing & {"rootfs-node", "rootfs-tools"}:
        rootfs.demand()
    containers.demand_room(engine)


def _demand_machine() -> None:
    if platform.machine() != "x86_64":
        raise EnvironmentUnfit(f"node images are built for x86_64 only, not for {platform.machine()}: pull them")


def _make(missing: Sequence[Artifact], tell: Tell | None) -> None:
    """Make these, telling before each what is left; times seen so far correct those that were expected."""
    total = sum(part.expected for part in missing)
    done, spent = 0.0, 0.0
    for number, part in enumerate(missing, 1):
        pace = spent / done if done > 10 else 1.0
        if tell is not None:
            tell(Progress(part.name, number, len(missing) + 1, (total - done) * pace + ASSEMBLY_SECONDS))
        spent += part.ensure()
        done += part.expected


def _assemble(engine: Engine, wanted: Plan) -> None:
    """Load the rootfs as an image, bake the component images into it, name the result."""
    parts = wanted.parts
    base = f"localhost/ringproof/nodebase:{wanted.image.rpartition('-')[2]}"
    under = [layer(parts[name].path, parts[name].digest()) for name in ("rootfs-node", "layer-node")]
    with tempfile.TemporaryDirectory(dir=cache_root() / "images", prefix="assembly-") as work:
        archive = Path(work, "base.tar")
        entry = ["/usr/local/bin/entrypoint", "/sbin/init"]
        write_archive(archive, [Image([base], under, ["container=docker"], entry, "SIGRTMIN+3")])
        containers.load(engine, archive)
        archive.unlink()
        carried = Path(work, "carried.tar")
        write_archive(carried, components.carried(lock.read().build, wanted.minor, parts))
        containers.bake(engine, base, carried, wanted.image, labels(wanted))
        containers.untag(engine, base)


def labels(wanted: Plan) -> dict[str, str]:
    """Return what the node image says of itself: image names inside it, tags that kubeadm must be told, Java, jars."""
    locked = lock.read().build
    return {
        "ringproof.node": "built",
        "ringproof.made": str(int(time.time())),
        "ringproof.kubernetes": wanted.minor.version,
        "ringproof.image.flannel": components.FLANNEL,
        "ringproof.image.tools": components.TOOLS,
        "ringproof.image.cassandra": components.cassandra_image(locked.cassandra),
        "ringproof.cassandra": locked.cassandra,
        "ringproof.java": f"{components.JAVA}/bin/java",
        "ringproof.java.major": str(fitting_majors(locked.cassandra)[0]),
        "ringproof.jars": components.JARS,
        "ringproof.etcd": components.etcd_tag(wanted.parts["rootfs-tools"].path),
        "ringproof.coredns": locked.coredns,
    }
