"""`ringproof run`: from a selection to a verdict, its reports and an exit code, whatever happens in between."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType

from rich.console import Console
from rich.text import Text

from clusters.catalog import named
from clusters.errors import RingproofError, UsageError
from clusters.plan import plan
from clusters.providers import LAB, provider
from clusters.ring.attach import HeldRing
from clusters.ring.standing import StandingRing
from reports import summary
from reports.outputs import write_outputs
from ringproof.live import view
from scenarios import codes
from scenarios.campaign import Campaign
from scenarios.judge import judge_run
from scenarios.profiles import Item, Selection
from scenarios.registered import registered
from scenarios.runs import RUNS, SYSTEM_BROKEN, RunBook, exit_code, new_run_id, new_seed, remove_scratch, unfinished
from scenarios.verdict import RunVerdict

INTERRUPTED = 2
Keep = Callable[[StandingRing, str, Console], None]


@dataclass
class Order:
    """What was asked for. ``held`` is another process's ring to use; ``keep`` holds the last ring."""

    selection: Selection = field(default_factory=Selection)
    seed: int | None = None
    runs: Path = RUNS
    held: Callable[[], HeldRing] | None = None
    keep: Keep | None = None
    check: Callable[[], None] | None = None
    """Raises EnvironmentUnfit before anything is created, by default the provider's; not asked for a held ring."""
    provider: str = LAB


def run(order: Order, console: Console) -> int:
    """Conduct what was selected and return the exit code; every refusal comes before anything is created."""
    makes = provider(order.provider)
    items = order.selection.items()
    if not items:
        raise UsageError("nothing was selected, so there is nothing to prove")
    for topology in {item.topology for item in items if registered()[item.scenario].needs_ring}:
        declared = named(topology)
        plan(declared).refuse()
        if declared.ring is None:
            raise UsageError(f"topology {declared.name} declares no ring to conduct on")
    for left in unfinished(order.runs):
        said = f"run {left.name} did not end; its bundle is readable: ringproof judge {left}"
        console.print(Text(f"{said} [{codes.of_run('unfinished')}]"), soft_wrap=True)
    if order.held is None:
        (order.check or makes.require)()
    seed = new_seed() if order.seed is None else order.seed
    folder = order.runs / new_run_id()
    book = RunBook.open(folder, _facts(order, items, seed))
    number = f"{len(items)} scenario{'s' if len(items) > 1 else ''}"
    console.print(f"run {folder.name}: {number}, seed {seed}", soft_wrap=True)
    try:
        code = _conduct(order, items, folder, seed, console)
    except BaseException as error:
        book.end(error=f"{type(error).__name__}: {error}")
        raise
    book.end(exit_code=code, **({"interrupted": True} if code == INTERRUPTED else {}))
    remove_scratch(folder)
    # whoever keeps a ring has had the report before it was held
    verdict = judge_run(folder) if order.keep is not None and code == 0 else report(folder, console)
    return worst(code, exit_code(verdict))


def worst(ended: int, judged: int) -> int:
    """Which of two exit codes to give: an interruption, then a broken promise, then what ended the run early."""
    if ended == INTERRUPTED or judged == 0:
        return ended
    return judged if ended == 0 or judged == SYSTEM_BROKEN else ended


def _facts(order: Order, items: list[Item], seed: int) -> dict[str, object]:
    selection = order.selection
    return {
        "seed": seed,
        "provider": order.provider,
        "profile": selection.profile,
        "order": "backwards" if selection.backwards else "as listed",
        "items": [str(item) for item in items],
    }


def _conduct(order: Order, items: list[Item], folder: Path, seed: int, console: Console) -> int:
    """Conduct all items; the exit code of what ended it early, else 0. Labs have ended when this returns."""
    try:
        with interruptible():
            screen = view(console)
            held = order.held() if order.held is not None else None
            with Campaign(folder, seed, screen.tell, held, made_by=order.provider) as campaign:
                with screen:
                    _all(campaign, items)
                if order.keep is not None:
                    report(folder, console)
                    _keep(order.keep, campaign, console)
    except KeyboardInterrupt:
        console.print("interrupted: faults are healed, the ring is stopped, what was recorded is judged")
        return INTERRUPTED
    except RingproofError as error:
        console.print(Text(f"ringproof: {error} [{codes.of_error(error)}]", style="red"), soft_wrap=True)
        return error.exit_code
    return 0


def _keep(keep: Keep, campaign: Campaign, console: Console) -> None:
    """Hold the last ring until Ctrl-C, which is its regular end and changes no exit code."""
    if campaign.standing is not None:
        name = campaign.standing.topology.name
        with suppress(KeyboardInterrupt):
            keep(campaign.standing, campaign.sources.get(name, name), console)


def _all(campaign: Campaign, items: Sequence[Item]) -> None:
    """Conduct all; what ends it early leaves the rest in the bundle as not conducted, so that nobody misses it."""
    for number, item in enumerate(items):
        try:
            campaign.conduct(item)
        except (KeyboardInterrupt, RingproofError) as error:
            why = str(error) or "the run was interrupted"
            for left in items[number:]:
                campaign.leave_out(left, why)
            raise


def report(folder: Path, console: Console) -> RunVerdict:
    """Judge the folder again, write its outputs, and print the table."""
    verdict = judge_run(folder)
    write_outputs(folder)
    summary.render(folder, console)
    return verdict


@contextmanager
def interruptible() -> Iterator[None]:
    """SIGTERM and SIGHUP end what runs in the block as Ctrl-C does."""

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    numbers = (signal.SIGTERM, signal.SIGHUP)
    before = [signal.signal(number, interrupt) for number in numbers]
    try:
        yield
    finally:
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler)
