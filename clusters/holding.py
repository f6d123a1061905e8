"""Clusters that stay up: who holds which, where, until when; holding them, finding them, taking them down.

A holder is a process that keeps their lifeline. Its entry is a small file in the user's state folder; the process is
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
"""Seconds after which clusters that were left up end by themselves."""
MOST = 7 * 86400.0
"""The longest that anybody may ask for: what is held uses a machine's memory, and is forgotten sooner than a week."""
LOOK_EVERY = 1.0
"""Seconds between two looks at whether they are still there."""
_UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}


@dataclass(frozen=True, slots=True)
class Holding:
    """One set of clusters that is held, with its ring.

    ``topology`` is a name or an absolute path; ``set`` is what they are attached by, empty until the ring is formed.
    """

    name: str
    topology: str
    folder: str
    set: str
    expires: float
    holder: Identity
    provider: str = LAB

    @property
    def ready(self) -> bool:
        """Whether its ring is formed and may be leased."""
        return bool(self.set)

    def refuse_other(self, asked: str | None) -> None:
        """UsageError when another provider was asked for than the one that made it."""
        if asked not in (None, self.provider):
            raise UsageError(f"{self.name} was made by {self.provider}, not by {asked}: leave --provider out")

    def clusters(self) -> ClusterSet:
        """What it holds, to be closed by the caller."""
        return provider(self.provider).attach(named(self.topology), self.set)

    def lease(self, step: Callable[[str], None] = lambda _text: None) -> HeldRing:
        """Take its ring up to conduct on."""
        if not self.ready:
            raise UsageError(f"{self.name} is still coming up; see {self.folder}")
        return HeldRing(self.set, named(self.topology), Path(self.folder), step)


def seconds(text: str) -> float:
    """A duration such as `90s`, `30m`, `2h` or `1d`; UsageError otherwise."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?)([smhd])", text.strip())
    if found is None or float(found[1]) == 0:
        raise UsageError(f"{text!r} is no duration: expected for example 90s, 30m, 2h or 1d")
    asked = float(found[1]) * _UNITS[found[2]]
    if asked > MOST:
        raise UsageError(f"{text!r} is no duration to hold a ring for: 7d at most")
    return asked


# the registry


def registry() -> Path:
    """The folder of entries, made if need be."""
    folder = Path(os.environ.get("RINGPROOF_STATE") or platformdirs.user_state_dir("ringproof")) / "held"
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
    """What is up."""
    return [entry for entry in entries() if entry.holder.alive]


def find(name: str | None) -> Holding:
    """What is held under that name, or the only one; UsageError says which there are."""
    up = standing()
    if name is None and len(up) == 1:
        return up[0]
    names = [entry.name for entry in up]
    if not up:
        raise UsageError("no ring is up; bring one up with: ringproof up stub-domains --detach")
    if name is None:
        raise UsageError(f"several rings are up, say which: {', '.join(names)}")
    found = next((entry for entry in up if entry.name == name), None)
    if found is None:
        raise UsageError(f"no ring called {name} is up; up: {', '.join(names)}")
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


def renamed(entry: Holding, set_name: str) -> Holding:
    """The entry of a ring that is ready now, entered."""
    found = replace(entry, set=set_name)
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
    """Return at expiry; KeyboardInterrupt surfaces; ProvisionFailed when the clusters ended by themselves.

    ``said`` gets the entry as soon as others may lease the ring.
    """
    said(renamed(entry, standing.set_name))
    left = entry.expires - time.time()
    clusters = provider(standing.provider).attach(standing.topology, standing.set_name)
    try:
        until("the clusters have ended", lambda: not clusters.alive, timeout=left, every=LOOK_EVERY)
    except WaitTimeout:
        return
    finally:
        clusters.close()
    raise ProvisionFailed(f"the clusters {standing.set_name} ended by themselves; what they said is in {entry.folder}")
