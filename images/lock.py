"""What images are made of, as ``images.lock`` pins it."""

from __future__ import annotations

import functools
import os
import tomllib
from pathlib import Path
from typing import Final

from pydantic import BaseModel, ConfigDict

from clusters.errors import UsageError

FILE: Final = Path(__file__).with_name("images.lock")
SETTING: Final = "RINGPROOF_KUBERNETES"
"""The one setting that chooses another Kubernetes minor, such as 1.33; `--kubernetes` says the same."""


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Minor(_Frozen):
    """One Kubernetes minor that can be built: patch version, module file beside the source, build tags."""

    version: str
    modules: str
    tags: tuple[str, ...] = ()


class Build(_Frozen):
    """What is built from packages: Debian suite, image tags, Cassandra, and Kubernetes by minor."""

    default: str
    debian: str
    coredns: str
    pause: str
    cassandra: str
    kubernetes: dict[str, Minor]


class PulledNode(_Frozen):
    """A published node image, by digest."""

    version: str
    image: str


class PulledCassandra(_Frozen):
    """The official Cassandra image, by digest, and where its Java and jars lie in it."""

    version: str
    image: str
    java: str
    java_major: int
    jars: str


class Pull(_Frozen):
    """What is pulled where a registry answers; ``registry`` is asked first."""

    registry: str
    node: dict[str, PulledNode]
    cassandra: PulledCassandra


class Lock(_Frozen):
    """The whole file."""

    build: Build
    pull: Pull

    def minor(self, wanted: str | None) -> str:
        """Return the Kubernetes minor: as wanted, else ``RINGPROOF_KUBERNETES``, else the default; UsageError."""
        minor = wanted or os.environ.get(SETTING) or self.build.default
        if minor not in self.build.kubernetes:
            known = ", ".join(self.build.kubernetes)
            raise UsageError(f"Kubernetes {minor} does not exist; known: {known} (--kubernetes, {SETTING})")
        return minor


@functools.cache
def read() -> Lock:
    """Return the lock of this checkout."""
    return Lock.model_validate(tomllib.loads(FILE.read_text()))
