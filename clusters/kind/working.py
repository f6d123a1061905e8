"""Programs that are still at work on a set of clusters: found by what they were started with, and ended.

A SIGKILL of the process that a set belongs to does not reach kind's own command, which goes on creating nodes, nor the
engine's command lines that either of them has started. Whoever removes a set ends these first, or it would not be the
last to write.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import psutil

from clusters.alive import Identity
from clusters.errors import WaitTimeout
from clusters.kind.layout import LABEL_NAME, LABEL_OWNER, PREFIX, tag
from clusters.waiting import until

NETWORK_SETTINGS: Final = ("KIND_EXPERIMENTAL_DOCKER_NETWORK", "KIND_EXPERIMENTAL_PODMAN_NETWORK")
"""By which kind is told a cluster's network, and which all that it starts inherits (kind pkg/cluster/internal)."""
PROGRAMS: Final = ("kind", "docker", "podman")
CREATING: Final = ("run", "create", "network")
"""Commands of an engine that create: what the engine has begun for them it ends, and until then shows it to nobody."""
CREATING_SECONDS: Final = 90.0
"""For the engine to end a creation: 1.4 GB are copied into the volume of each of eight nodes, 20 s on two cores."""
GONE_SECONDS: Final = 10.0
"""For a killed process to be gone; it takes milliseconds."""


def end_programs(name: str) -> int:
    """No program is at work on the set of that name when this returns; how many there were.

    Those that create are let end by themselves, for CREATING_SECONDS at most: an engine whose caller is gone completes
    its act all the same, and nobody could see when. All others are killed.
    """
    found = list(programs(name))
    creating = [process for process in found if _is_creating(process)]
    for process in found:
        if process not in creating:
            _kill(process)
    try:
        until("the engine has created", lambda: not any(map(_runs, creating)), timeout=CREATING_SECONDS)
    except WaitTimeout:
        for process in creating:
            _kill(process)
    # psutil's own waiting would take the exit code of a child away from who started it
    until("the programs have ended", lambda: not any(map(_runs, found)), timeout=GONE_SECONDS)
    return len(found)


def programs(name: str) -> Iterator[psutil.Process]:
    """The programs of this user that work on the set of that name, or for a process that is gone."""
    networks = f"{PREFIX}-{tag(name)}-"
    for process in psutil.process_iter():
        try:
            words = process.cmdline()
            if not words or Path(words[0]).name not in PROGRAMS or process.uids().real != os.getuid():
                continue
            if names(words, name) or _of_kind(process, networks):
                yield process
        except psutil.Error:
            continue  # it has ended, or is another user's


def names(words: Sequence[str], name: str) -> bool:
    """Whether a command line carries the label of the set, or that of an owner who is gone and no set at all."""
    if f"{LABEL_NAME}={name}" in words:
        return True
    if any(word.startswith(f"{LABEL_NAME}=") for word in words):
        return False
    owners = [word.removeprefix(f"{LABEL_OWNER}=") for word in words if word.startswith(f"{LABEL_OWNER}=")]
    return any(owner_is_gone(owner) for owner in owners)


def owner_is_gone(label: str) -> bool:
    """Whether the process that a label of an owner names has ended; False for what cannot be read."""
    try:
        return not Identity(**json.loads(label)).alive
    except (ValueError, TypeError):
        return False


def _of_kind(process: psutil.Process, networks: str) -> bool:
    environment = process.environ()
    return any(environment.get(setting, "").startswith(networks) for setting in NETWORK_SETTINGS)


def _is_creating(process: psutil.Process) -> bool:
    """Whether it is an engine's command that creates; kind's own is `kind create cluster` and is none."""
    try:
        words = process.cmdline()
    except psutil.Error:
        return False
    return len(words) > 2 and words[1] in CREATING and words[2] != "cluster"


def _runs(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False


def _kill(process: psutil.Process) -> None:
    try:
        process.kill()  # by number and start time: psutil refuses a number that was given to another
    except psutil.Error:
        return
