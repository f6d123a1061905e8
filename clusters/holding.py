"""Labs that stay up: who holds which, where, until when; holding one, finding one, taking one down.

A holder is a process that keeps a lab's lifeline. Its entry is a small file in the user's state folder; the process is
known by number, start time and boot, so that no other is ever signalled.
"""

from __future__ import annotations

import json
import os
import re
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import filelock
import platformdirs

from clusters.alive import Identity
from clusters.catalog import named
from clusters.cluster import ClusterSet
from clusters.errors import EnvironmentUnfit, ProvisionFailed, UsageError, WaitTimeout
from clusters.providers import LAB, provider
from clusters.ring.attach import HeldRing
from clusters.ring.standing import StandingRing
from clusters.waiting import until

EXPIRES = 2 * 3600.0
"""Seconds after which a lab that was left up ends by itself."""
LOOK_EVERY = 1.0
"""Seconds between two looks at whether the lab is still there."""
_UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}


@dataclass(frozen=True, slots=True)
class Holding:
    """One lab that is held. ``topology`` is a name or an absolute path; ``lab`` is empty until the ring is formed."""

    name: str
    topology: str
    folder: str
    lab: str
    expires: float
    holder: Identity
    provider: str = LAB

    @property
    def ready(self) -> bool:
        """Whether its ring is formed and may be leased."""
        return bool(self.lab)

    def clusters(self) -> ClusterSet:
        """What it holds, to be closed by the caller."""
        return provider(self.provider).attach(named(self.topology), self.lab)

    def lease(self, step: Callable[[str], None] = lambda _text: None) -> HeldRing:
        """Take its ring up to conduct on."""
        if not self.ready:
            raise UsageError(f"{self.name} is still coming up; see {self.folder}")
        return HeldRing(self.lab, named(self.topology), Path(self.folder), step)


def seconds(text: str) -> float:
    """A duration such as `90s`, `30m`, `2h` or `1d`; UsageError otherwise."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?)([smhd])", text.strip())
    if found is None or float(found[1]) == 0:
        raise UsageError(f"{text!r} is no duration: expected for example 90s, 30m, 2h or 1d")
    return float(found[1]) * _UNITS[found[2]]


# the registry


def registry() -> Path:
    """The folder of entries, made if need be."""
    folder = Path(os.environ.get("RINGPROOF_STATE") or platformdirs.user_state_dir("ringproof")) / "labs"
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        raise EnvironmentUnfit(
            f"{folder} cannot be made ({error.strerror}); set RINGPROOF_STATE to a folder"
        ) from error
    return folder


def entries() -> Iterator[Holding]:
    """Every entry that can be read, of live and of dead holders."""
    for path in sorted(registry().glob("*.json"), key=lambda path: path.stem):
        try:
            facts: dict[str, Any] = json.loads(path.read_bytes())
            yield Holding(**{**facts, "holder": Identity(**facts["holder"])})
        except (OSError, ValueError, TypeError, LookupError):
            continue  # removed meanwhile, or of another version


def standing() -> list[Holding]:
    """The labs that are up."""
    return [entry for entry in entries() if entry.holder.alive]


def find(name: str | None) -> Holding:
    """The lab of that name, or the only one; UsageError says which there are."""
    up = standing()
    if name is None and len(up) == 1:
        return up[0]
    names = [entry.name for entry in up]
    if not up:
        raise UsageError("no lab is up; bring one up with: ringproof up stub-domains --detach")
    if name is None:
        raise UsageError(f"several labs are up, say which: {', '.join(names)}")
    found = next((entry for entry in up if entry.name == name), None)
    if found is None:
        raise UsageError(f"no lab called {name} is up; up: {', '.join(names)}")
    return found


def write(entry: Holding) -> None:
    """Put an entry into the registry, whole or not at all."""
    path = registry() / f"{entry.name}.json"
    with tempfile.NamedTemporaryFile("w", dir=path.parent, prefix=f".{entry.name}.", delete=False) as file:
        json.dump(asdict(entry), file, indent=1)
    Path(file.name).replace(path)


def forget(entry: Holding) -> None:
    """Take an entry out, unless another holder has put its own there."""
    path = registry() / f"{entry.name}.json"
    if any(other.name == entry.name and other.holder == entry.holder for other in entries()):
        path.unlink(missing_ok=True)


def claim(topology: str, folder: Path, expires: float, made_by: str = LAB) -> Holding:
    """A free name, made from the topology's, entered for this process."""
    with filelock.FileLock(registry() / ".lock"):
        taken = {entry.name for entry in standing()}
        stem = named(topology).name
        name = next(name for name in (stem, *(f"{stem}-{number}" for number in range(2, 1000))) if name not in taken)
        source = topology if topology == stem else str(Path(topology).resolve())
        entry = Holding(name, source, str(folder.resolve()), "", time.time() + expires, Identity.of(), made_by)
        write(entry)
    return entry


def renamed(entry: Holding, lab: str) -> Holding:
    """The entry of a lab that is ready now, entered."""
    found = replace(entry, lab=lab)
    write(found)
    return found


# holding


def keep(standing: StandingRing, topology: str, expires: float, said: Callable[[Holding], None]) -> None:
    """Enter a ring that stands under a name of its own, and hold it; see hold()."""
    entry = claim(topology, standing.folder, expires, standing.provider)
    try:
        hold(standing, entry, said)
    finally:
        forget(entry)


def hold(standing: StandingRing, entry: Holding, said: Callable[[Holding], None]) -> None:
    """Return at expiry; KeyboardInterrupt surfaces; ProvisionFailed when the lab ended by itself.

    ``said`` gets the entry as soon as others may lease the ring.
    """
    said(renamed(entry, standing.lab_name))
    try:
        until("the lab has ended", lambda: gone(standing), timeout=entry.expires - time.time(), every=LOOK_EVERY)
    except WaitTimeout:
        return
    raise ProvisionFailed(f"the lab {standing.lab_name} ended by itself; its keeper's log is in {entry.folder}")


def gone(standing: StandingRing) -> bool:
    """Whether nobody answers for the lab any more."""
    clusters = provider(standing.provider).attach(standing.topology, standing.lab_name)
    try:
        return not clusters.alive
    finally:
        clusters.close()
