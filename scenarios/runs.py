"""A run on the disk: its name, its run.json from the first moment on, and what is known of runs that never ended."""

from __future__ import annotations

import importlib.metadata
import json
import os
import platform
import random
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psutil

from clusters.alive import Identity
from clusters.errors import BundleError, EnvironmentUnfit
from clusters.providers import LAB
from clusters.shell import CommandFailed, run
from scenarios.verdict import RunVerdict, Verdict

RUNS = Path("runs")
"""Where runs are kept, below the folder in which the command is started."""
KILLED = "killed"
"""What stands for the time of the end of a run whose process was killed."""
LIBRARIES = ("cassandra-driver", "dnslib", "pydantic", "pyroute2", "pytest", "ringproof")
COMMIT_SECONDS = 5.0
SYSTEM_BROKEN, CLEANUP_FAILED, UNDECIDED = 1, 13, 10


def new_run_id() -> str:
    """UTC time to the second and four random characters: sorts by time, and two runs of one second differ."""
    mark = "".join(random.SystemRandom().choices("abcdefghijkmnpqrstuvwxyz23456789", k=4))
    return f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}-{mark}"


def new_seed() -> int:
    """A seed for a run that was given none."""
    return random.SystemRandom().randrange(2**32)


class RunBook:
    """run.json of one run; every change replaces the file as a whole, so a reader never sees half of it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.path = folder / "run.json"

    @classmethod
    def open(cls, folder: Path, facts: Mapping[str, Any], owner: Identity | None = None) -> RunBook:
        """Begin a run, or join it when another process of it began it already; ``owner`` is whose end ends the run."""
        book = cls(folder)
        make_folder(folder)
        started = {
            "schema": 1,
            "run_id": folder.name,
            "provider": LAB,
            "argv": sys.argv,
            "versions": versions(),
            "host": host_facts(),
            "started": time.time(),
            "monotonic": time.monotonic_ns(),
            "ended": None,
            "process": asdict(owner or Identity.of()),
            **facts,
        }
        scratch = book._scratch(started)
        try:
            book.path.hardlink_to(scratch)
        except FileExistsError:
            pass  # another worker of the same run was first
        finally:
            scratch.unlink()
        return book

    def facts(self) -> dict[str, Any]:
        """What run.json says; BundleError when it cannot be read."""
        try:
            found = json.loads(self.path.read_bytes())
        except (OSError, ValueError) as error:
            raise BundleError(f"{self.path} cannot be read: {error}") from error
        if not isinstance(found, dict):
            raise BundleError(f"{self.path} is no JSON object")
        return found

    def note(self, **facts: Any) -> None:
        """Add facts, or replace those of the same name."""
        self._scratch({**self.facts(), **facts}).replace(self.path)

    def end(self, **facts: Any) -> None:
        """Write the time of the end, and why when it was not the planned one."""
        self.note(ended=time.time(), **facts)

    def _scratch(self, facts: Mapping[str, Any]) -> Path:
        with tempfile.NamedTemporaryFile("w", dir=self.folder, prefix=".run.json.", delete=False) as file:
            json.dump(facts, file, indent=1, sort_keys=True)
        Path(file.name).chmod(0o644)
        return Path(file.name)


def make_folder(folder: Path) -> None:
    """Make a folder of a run; EnvironmentUnfit when that is refused."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        where = f"{folder} cannot be made ({error.strerror})"
        raise EnvironmentUnfit(f"{where}; start where you may write, runs are kept below it") from error


def unfinished(runs: Path = RUNS) -> Iterator[Path]:
    """Folders of runs that never ended and whose process is gone, oldest first."""
    for path in sorted(runs.glob("*/run.json")):
        try:
            facts = RunBook(path.parent).facts()
            owner = Identity(**facts["process"])
        except (BundleError, LookupError, TypeError):
            continue  # not written by this project, or by a version that cannot be asked
        if facts.get("ended") is None and not owner.alive:
            yield path.parent


def close_unfinished(folder: Path) -> None:
    """Say in run.json that the run was killed, and remove the empty mount points that its labs left."""
    RunBook(folder).note(ended=KILLED)
    remove_scratch(folder)


def remove_scratch(folder: Path) -> None:
    """Remove the mount points below a folder on which labs had their volumes; they are empty once the lab is gone."""
    for scratch in folder.rglob("scratch"):
        try:
            scratch.rmdir()
        except OSError:
            continue  # not empty: it is somebody's after all


def exit_code(verdict: RunVerdict) -> int:
    """0 when all is valid; 1 when a promise was broken; 13 when only the clean-up failed; 10 when undecided."""
    parts = verdict.as_json()
    if verdict.ok:
        return 0
    if parts["system"] == Verdict.INVALID or parts["evidence"] == Verdict.INVALID:
        return SYSTEM_BROKEN
    return CLEANUP_FAILED if parts["cleanup"] == Verdict.INVALID else UNDECIDED


def versions() -> dict[str, str]:
    """What ran: interpreter, kernel, libraries, and the commit of this checkout when git can tell."""
    found = {"python": platform.python_version(), "kernel": platform.release()}
    for name in LIBRARIES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue  # from a checkout on the path, without an installation
    if shutil.which("git"):
        root = str(Path(__file__).parents[1])
        try:
            describe = ["git", "-c", "safe.directory=*", "-C", root, "describe", "--always", "--dirty"]
            found["commit"] = run(describe, timeout=COMMIT_SECONDS).strip()
        except CommandFailed:
            pass  # no checkout: the version of the package is all there is
    return found


def host_facts() -> dict[str, Any]:
    """The machine, without anything that names it or its owner."""
    return {
        "machine": platform.machine(),
        "cores": len(os.sched_getaffinity(0)),
        "memory_gb": round(psutil.virtual_memory().total / 1e9, 1),
        "privileged": os.geteuid() == 0,
        "ci": bool(os.environ.get("CI")),
    }
