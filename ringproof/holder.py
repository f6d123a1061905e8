"""A process that holds clusters with a formed ring: `python -m ringproof.holder TOPOLOGY FOLDER SECONDS PROVIDER`.

It ends, and they with it, on SIGTERM or Ctrl-C, when its time is over, or when they end by themselves.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from clusters.catalog import named
from clusters.errors import RingproofError, UsageError
from clusters.holding import Holding, claim, forget, hold
from clusters.plan import plan
from clusters.providers import LAB, provider
from ringproof.live import PlainView, View
from ringproof.running import interruptible
from scenarios.campaign import Campaign
from scenarios.runs import remove_scratch


def check(topology: str, made_by: str) -> None:
    """Raise before anything is created when clusters of this topology cannot be held here."""
    makes = provider(made_by)
    declared = named(topology)
    plan(declared).refuse()
    if declared.ring is None:
        raise UsageError(f"topology {declared.name} declares no ring, so there is nothing to hold")
    makes.require(declared)


@dataclass(frozen=True, slots=True)
class Wish:
    """What is to be held: the place, who makes it, where it writes to, and for how many seconds at most."""

    topology: str
    folder: Path
    expires: float
    provider: str = LAB


def hold_up(wish: Wish, screen: View, said: Callable[[Holding], None]) -> None:
    """Form the ring, enter it, and hold it to its end; ``said`` gets the entry once it may be leased."""
    topology, folder = wish.topology, wish.folder
    with interruptible():
        campaign = Campaign(folder, 0, screen.tell, made_by=wish.provider)
        entry = claim(topology, folder / "topologies" / named(topology).name, wish.expires, wish.provider)
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
    wish = Wish(sys.argv[1], Path(sys.argv[2]), float(sys.argv[3]), sys.argv[4])
    console = Console(force_terminal=False, width=200)
    try:
        check(wish.topology, wish.provider)
        hold_up(wish, PlainView(console), lambda _entry: None)
    except KeyboardInterrupt:
        return 0
    except RingproofError as error:
        console.print(f"ringproof: {error}", soft_wrap=True, markup=False)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
