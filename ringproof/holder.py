"""A process that holds one lab with its formed ring: `python -m ringproof.holder TOPOLOGY FOLDER SECONDS`.

It ends, and the lab with it, on SIGTERM or Ctrl-C, when its time is over, or when the lab ends by itself.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

from rich.console import Console

from clusters.catalog import named
from clusters.errors import RingproofError, UsageError
from clusters.fitness import require
from clusters.holding import Holding, claim, forget, hold
from clusters.plan import plan
from ringproof.live import PlainView, View
from ringproof.running import interruptible
from scenarios.campaign import Campaign
from scenarios.runs import remove_scratch


def check(topology: str) -> None:
    """Raise before anything is created when this topology cannot be held here."""
    declared = named(topology)
    plan(declared).refuse()
    if declared.ring is None:
        raise UsageError(f"topology {declared.name} declares no ring, so there is nothing to hold")
    require(declared)


def hold_up(topology: str, folder: Path, expires: float, screen: View, said: Callable[[Holding], None]) -> None:
    """Form the ring, enter it, and hold it to its end; ``said`` gets the entry once it may be leased."""
    with interruptible():
        campaign = Campaign(folder, 0, screen.tell)
        entry = claim(topology, folder / "topologies" / named(topology).name, expires)
        try:
            with campaign:
                with screen:
                    standing = campaign.form(named(topology))
                hold(standing, entry, said)
        finally:
            forget(entry)
            remove_scratch(folder)


def main() -> int:
    """Hold until the end; 0 when it was taken down or its time was over."""
    topology, folder, expires = sys.argv[1], Path(sys.argv[2]), float(sys.argv[3])
    console = Console(force_terminal=False, width=200)
    try:
        check(topology)
        hold_up(topology, folder, expires, PlainView(console), lambda _entry: None)
    except KeyboardInterrupt:
        return 0
    except RingproofError as error:
        console.print(f"ringproof: {error}", soft_wrap=True, markup=False)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
