"""The programs of a node, each built from a Go module of this folder with a full go.sum.

Go verifies every module against go.sum, so what is built is what was locked; settings such as GOPROXY are the user's.
Programs are static (no cgo) and carry neither paths nor build time, so the same ingredients give the same file.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from clusters.errors import EnvironmentUnfit
from clusters.shell import CommandFailed, run
from images.lock import Minor
from images.store import Artifact, key

ROOT: Final = Path(__file__).with_name("go")
FLAGS: Final = ("-mod=readonly", "-trimpath", "-buildvcs=false")
TAGS: Final = ("providerless",)
"""It leaves Kubernetes' cloud providers out."""
BUILD_SECONDS: Final = 3600.0
"""Deadline of one build: ten times what Kubernetes takes on two quiet cores."""
STAMPED: Final = ("k8s.io/component-base/version", "k8s.io/client-go/pkg/version")
"""Both packages tell a version, and kubeadm refuses to run without."""


@dataclass(frozen=True)
class Program:
    """One module folder, the package in it, and the seconds that it took alone on two cores with an empty cache."""

    name: str
    package: str
    expected: float


PROGRAMS: Final = (
    Program("pause", ".", 3),
    Program("flanneld", ".", 60),
    Program("coredns", ".", 90),
    Program("local-path-provisioner", "github.com/rancher/local-path-provisioner", 80),
)
KIND: Final = Program("kind", "sigs.k8s.io/kind", 21)
KUBERNETES: Final = Program("kubernetes", ".", 350)


def programs() -> list[Artifact]:
    """Return everything but Kubernetes, which comes in several minors."""
    return [_artifact(program, "go.mod", "-s -w") for program in PROGRAMS]


def kind() -> Artifact:
    """Return kind's own command, built from its module."""
    return _artifact(KIND, "go.mod", "-s -w")


def kubernetes(minor: Minor) -> Artifact:
    """Return the seven programs of one Kubernetes minor in one file."""
    major, second, _ = minor.version.split(".")
    told = {
        "gitVersion": f"v{minor.version}",
        "gitMajor": major,
        "gitMinor": second,
        "gitTreeState": "clean",
        "gitCommit": "0" * 40,  # module zips do not tell their commit
        "buildDate": "1970-01-01T00:00:00Z",
    }
    stamps = [f"-X {package}.{field}={value}" for package in STAMPED for field, value in told.items()]
    return _artifact(KUBERNETES, minor.modules, " ".join(["-s", "-w", *stamps]), minor.tags)


def demand() -> str:
    """Return Go's program; EnvironmentUnfit when it is not here."""
    go = shutil.which("go")
    if go is None:
        raise EnvironmentUnfit(
            "no registry and no Go: node images are pulled or built, and neither is possible here; install Go 1.26 "
            "or later (https://go.dev/dl) or give this machine a container registry"
        )
    return go


def _artifact(program: Program, modules: str, link: str, tags: Sequence[str] = ()) -> Artifact:
    folder = ROOT / program.name
    sums = folder / modules.replace(".mod", ".sum")
    files: Iterable[Path] = [file for file in (folder / modules, sums, *folder.glob("*.go")) if file.exists()]
    chosen = [] if modules == "go.mod" else [f"-modfile={modules}"]
    command = ["build", *FLAGS, "-tags", ",".join([*TAGS, *tags]), *chosen, "-ldflags", link]

    def make(target: Path) -> None:
        _go([*command, "-o", str(target), program.package], folder)

    return Artifact(program.name, key(" ".join([*command, program.package]), files), program.expected, make)


def _go(arguments: Sequence[str], folder: Path) -> None:
    settings: Mapping[str, str] = {**os.environ, "CGO_ENABLED": "0", "GOOS": "linux", "GOWORK": "off", "GOFLAGS": ""}
    try:
        run([demand(), *arguments], timeout=BUILD_SECONDS, cwd=str(folder), env=settings)
    except CommandFailed as error:
        raise EnvironmentUnfit(
            f"{folder.name} cannot be built with Go: {error}; see that the Go module proxy is reached (go env GOPROXY)"
        ) from error
