"""The command line. Exit codes: 0 proven, 1 a promise broken, 2 interrupted, 3 internal, 4 usage, 10 undecided,
11 this machine cannot, 12 clusters or ring did not come up, 13 the clean-up failed.

Each command imports what it needs when it is called, so that `--help` is quick.
"""

from __future__ import annotations

import json
import sys
import time
import traceback
from collections.abc import Sequence
from dataclasses import replace
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.text import Text
from typer.exceptions import TyperException

from clusters.errors import RingproofError, UsageError
from ringproof.images import app as images
from scenarios import codes

INTERRUPTED, INTERNAL, USAGE = 2, 3, 4

app = typer.Typer(
    name="ringproof",
    help="Proves that one Apache Cassandra ring over several Kubernetes clusters keeps its promises under faults.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
reports = typer.Typer(help="The report of a run.", no_args_is_help=True)
app.add_typer(reports, name="report")
bundles = typer.Typer(help="A run as one file for others.", no_args_is_help=True)
app.add_typer(bundles, name="bundle")
app.add_typer(images, name="images")


class Looked(StrEnum):
    """The providers that doctor can be asked about; `clusters.providers` has those that make clusters."""

    LAB = "lab"
    KIND = "kind"
    EXISTING = "existing"


class Sequenced(StrEnum):
    """The order of a profile's items."""

    FORWARDS = "forwards"
    BACKWARDS = "backwards"


Json = Annotated[bool, typer.Option("--json", help="Machine-readable, with the same names.")]
On = Annotated[str | None, typer.Option("--on", metavar="NAME", help="The ring that is up (ringproof list).")]
Made = Annotated[str | None, typer.Option(help="What makes the clusters: lab, which is the default, or kind.")]
Bundle = Annotated[
    Path | None, typer.Argument(metavar="BUNDLE", help="A run's folder or .tar.gz; the newest run without it.")
]


def console() -> Console:
    """Standard output; wide enough for paths when nobody looks."""
    return Console(highlight=False)


@app.command()
def run(  # noqa: PLR0913, PLR0917  each parameter is an option of the command line
    profile: Annotated[str, typer.Argument(help="smoke, change or nightly.")] = "change",
    scenario: Annotated[list[str] | None, typer.Option(help="Only this one; may be repeated.")] = None,
    variant: Annotated[str | None, typer.Option(help="This variant of the scenario.")] = None,
    topology: Annotated[
        list[str] | None, typer.Option(help="On this one (name or YAML file); may be repeated.")
    ] = None,
    provider: Made = None,
    seed: Annotated[int | None, typer.Option(help="Of every random choice; random and printed without it.")] = None,
    order: Annotated[Sequenced, typer.Option(help="Of the scenarios.")] = Sequenced.FORWARDS,
    keep: Annotated[bool, typer.Option("--keep", help="Hold the last ring after the run, until Ctrl-C.")] = False,
    on: On = None,
    as_json: Annotated[bool, typer.Option("--json", help="Events as JSON lines; words go to standard error.")] = False,
    no_trend: Annotated[bool, typer.Option("--no-trend", help="Keep no history of this run.")] = False,
) -> None:
    """Run a profile, or single scenarios, and print the verdict; leaves a bundle in runs/."""
    from clusters import holding
    from clusters.providers import LAB
    from reports import trend
    from ringproof.live import Screen
    from ringproof.running import Order
    from ringproof.running import run as conduct
    from scenarios.profiles import Selection

    backwards = order is Sequenced.BACKWARDS
    made_by = provider or LAB
    chosen = Selection(profile, tuple(scenario or ()), variant, tuple(topology or ()), backwards, made_by)
    asked = Order(chosen, seed, provider=made_by)
    if on is not None:
        entry = holding.find(on)
        entry.refuse_other(provider)
        places = chosen.topologies or (entry.topology,)
        chosen = replace(chosen, topologies=places, provider=entry.provider)
        asked = Order(chosen, seed, held=entry.lease, provider=entry.provider)
    elif keep:
        asked.keep = lambda standing, source, out: holding.keep(
            standing, source, holding.EXPIRES, lambda entry: _up(entry, out)
        )
    asked.stream = sys.stdout if as_json else None
    asked.usual, asked.trend = partial(trend.usual_seconds, provider=asked.provider), not no_trend
    raise typer.Exit(conduct(asked, Screen(stderr=as_json)))


@app.command()
def up(
    topology: Annotated[str, typer.Argument(help="A named topology or a YAML file.")],
    detach: Annotated[bool, typer.Option("--detach", help="Leave it up in the background.")] = False,
    expires: Annotated[str, typer.Option(help="When it ends by itself: 90s, 30m, 2h, 1d.")] = "2h",
    provider: Made = None,
) -> None:
    """Form a ring and hold it: until Ctrl-C, or in the background with --detach."""
    from clusters import holding
    from clusters.providers import LAB
    from ringproof import holder
    from ringproof.live import view
    from ringproof.updown import start_holder
    from scenarios.profiles import placed
    from scenarios.runs import RUNS, make_folder, new_run_id

    seconds = holding.seconds(expires)
    made_by = provider or LAB
    wish = holder.Wish(placed(topology, made_by), RUNS / "held" / new_run_id(), seconds, made_by)
    holder.check(wish.topology, made_by)
    out = console()
    make_folder(wish.folder)
    if not detach:
        holder.hold_up(wish, view(out), lambda entry: _up(entry, out))
        return
    entry = start_holder(wish, lambda line: out.print(Text(line), soft_wrap=True))
    _up(entry, out)


@app.command()
def down(name: Annotated[str | None, typer.Argument(help="The ring; not needed when only one is up.")] = None) -> None:
    """End a ring that is up, and its clusters."""
    from clusters import holding
    from ringproof.updown import end_holder

    entry = holding.find(name)
    ended = end_holder(entry)
    console().print(f"{entry.name} is down" if ended else f"{entry.name} had ended already")


@app.command(context_settings={"ignore_unknown_options": True})
def shell(
    host: Annotated[str, typer.Argument(help="A pod, such as east-a-0.")],
    command: Annotated[list[str] | None, typer.Argument(help="A command instead of a shell, after --.")] = None,
    on: On = None,
) -> None:
    """A shell inside a pod of a ring that is up; or one command: ringproof shell HOST -- COMMAND."""
    from clusters import holding
    from ringproof.shell import enter

    raise typer.Exit(enter(holding.find(on), host, command or []))


@app.command(name="list")
def list_() -> None:
    """Scenarios with their promises, topologies, profiles, and rings that are up."""
    from ringproof import listing

    listing.render(console())


@app.command()
def plan(
    topology: Annotated[
        str | None, typer.Argument(metavar="FILE|NAME", help="A YAML file or a named topology.")
    ] = None,
    as_json: Json = False,
    schema: Annotated[bool, typer.Option("--schema", help="The JSON Schema of topology files.")] = False,
) -> None:
    """Think an address plan through; exit 4 and every conflict when it is not sound."""
    from clusters import plan as planning
    from clusters.catalog import named
    from clusters.topology import Topology
    from ringproof.plan_view import render

    if schema:
        print(json.dumps(Topology.json_schema(), indent=1))
        return
    if topology is None:
        raise UsageError("say which: ringproof plan FILE, or one of ringproof list")
    thought = planning.plan(named(topology))
    if as_json:
        print(json.dumps(thought.as_json(), indent=1, default=str))
    else:
        render(thought, console())
    raise typer.Exit(0 if thought.sound else USAGE)


@app.command()
def doctor(
    topology: Annotated[list[str] | None, typer.Option(help="For this one (name or YAML file); repeatable.")] = None,
    profile: Annotated[str, typer.Option(help="For the topologies of this profile.")] = "change",
    provider: Annotated[Looked, typer.Option(help="What makes the clusters.")] = Looked.LAB,
    as_json: Json = False,
    online: Annotated[bool, typer.Option("--online", help="Ask the registries though nothing is missing.")] = False,
) -> None:
    """Try whether a run can be carried here: every act performed, every need measured, every refusal with its fix."""
    from ringproof import doctor as doctoring

    asked = doctoring.asked(profile, topology or (), provider=provider.value, online=online)
    found = doctoring.findings(asked)
    if as_json:
        print(json.dumps(doctoring.as_json(asked, found), indent=1))
    else:
        doctoring.render(asked, found, console())
    raise typer.Exit(doctoring.exit_code(found))


@app.command()
def fetch(version: Annotated[list[str] | None, typer.Argument(help="Cassandra versions.")] = None) -> None:
    """Fetch jars and Java, and make the class-data archive, before they are needed."""
    from ringproof import fetching

    fetching.fetch(version or [], console())


@app.command()
def judge(
    bundle: Annotated[
        Path, typer.Argument(help="A run's folder, a scenario's folder, a .tar.gz of either, or with --model a file.")
    ],
    as_json: Json = False,
    model: Annotated[
        str | None,
        typer.Option(help="Of a history in Jepsen's EDN or JSON: cas-register, register, set, counter, append."),
    ] = None,
    initial: Annotated[str | None, typer.Option(metavar="VALUE", help="What the object holds at first; nil.")] = None,
    keyed: Annotated[bool, typer.Option("--keyed", help="Values are tuples [key value] of many objects.")] = False,
    seconds: Annotated[
        float | None, typer.Option(metavar="BUDGET", min=0, help="Of search, for registers; 60.")
    ] = None,
) -> None:
    """Judge a bundle again from its files, or the history that another suite recorded."""
    from ringproof.judging import Asked
    from ringproof.judging import judge as again

    raise typer.Exit(again(bundle, console(), Asked(model, initial, keyed, seconds), as_json=as_json))


@app.command()
def compare(
    left: Annotated[Path, typer.Argument(help="A scenario's folder of a run, or its verdict.json.")],
    right: Annotated[Path, typer.Argument(help="The same scenario's, by another provider.")],
) -> None:
    """Compare the verdicts of one scenario by two providers; exit 1 when a field differs that must not."""
    from ringproof import comparing

    raise typer.Exit(comparing.compare(left, right, console()))


@app.command()
def demo() -> None:
    """Judge a recorded run of a real ring, one promise kept and one broken, and open its report; needs no lab."""
    from ringproof import demo as demonstration

    demonstration.demo(console())


@app.command()
def explain(
    code: Annotated[str | None, typer.Argument(help="Such as RP-DNS-002 or wrong-address; all without it.")] = None,
) -> None:
    """Say what a printed code means, what usually causes it, and what to do."""
    from ringproof import explaining

    explaining.explain(code, console())


@app.command()
def sweep() -> None:
    """Find and undo what killed runs left; touches nothing that is alive."""
    from ringproof import sweeping

    out = console()
    done = list(sweeping.sweep())
    for line in done:
        out.print(line, soft_wrap=True)
    out.print(f"swept: {len(done)}; clusters that are alive and left alone: {sweeping.left_alone()}", soft_wrap=True)


@reports.command(name="open")
def open_(bundle: Bundle = None) -> None:
    """Write the report anew and open it in a browser; prints its path where there is none."""
    from ringproof.judging import newest, show

    console().print(str(show(bundle or newest())), soft_wrap=True)


@reports.command(name="path")
def path(bundle: Bundle = None) -> None:
    """Write the report anew and print its path."""
    from ringproof.judging import newest, written

    console().print(str(written(bundle or newest())), soft_wrap=True)


@bundles.command(name="pack")
def pack(
    bundle: Annotated[Path | None, typer.Argument(metavar="RUN", help="A run's folder; the newest without it.")] = None,
    output: Annotated[Path | None, typer.Option("-o", "--output", metavar="FILE", help="RUN.tar.gz beside it.")] = None,
) -> None:
    """Pack a run without secrets, with an index; judge and report read the file as they read the folder."""
    from ringproof.judging import newest
    from ringproof.judging import pack as packing

    packing(bundle or newest(), output, console())


def _up(entry: object, out: Console) -> None:
    from clusters.holding import Holding

    assert isinstance(entry, Holding)
    left = (entry.expires - time.time()) / 60
    out.print(
        f"{entry.name} is up, for {left:.0f} min at most. From any terminal of this user:\n"
        f"  ringproof run --on {entry.name} --scenario reschedule\n"
        f"  ringproof shell --on {entry.name} HOST\n"
        f"  ringproof down {entry.name}",
        soft_wrap=True,
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; every expected error is one sentence on standard error and an exit code."""
    try:
        code = app(args=None if arguments is None else list(arguments), prog_name="ringproof", standalone_mode=False)
    except RingproofError as error:
        code = _refused(str(error), error.exit_code, codes.of_error(error))
        for note in getattr(error, "__notes__", ()):
            print(note, file=sys.stderr)
        return code
    except TyperException as error:
        return _refused(f"{error.format_message()} (ringproof --help)", USAGE, codes.BY_FAILURE["error:command line"])
    except (KeyboardInterrupt, typer.Abort):
        return _refused("interrupted", INTERRUPTED, codes.of_run("interrupted"))
    except BrokenPipeError:
        return 0  # whoever read our output has seen enough
    except Exception:  # noqa: BLE001  a defect of the suite: shown whole, and told apart from a broken promise
        traceback.print_exc()
        return _refused(
            "this is a defect of ringproof, not of the ring; the trace is above", INTERNAL, codes.of_run("defect")
        )
    return int(code or 0)


def _refused(sentence: str, exit_code: int, code: str) -> int:
    print(f"ringproof: {sentence} [{code}]", file=sys.stderr)
    return exit_code


if __name__ == "__main__":
    sys.exit(main())
