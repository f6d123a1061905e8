"""A plan drawn for a terminal of 80 columns: what is declared, what is wrong, what may repeat, what stays."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from rich import box
from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from clusters.plan import Conflict, Note, Party, Plan

_MOST_LINES = 6


def render(plan: Plan, console: Console) -> None:
    """Draw the whole plan: verdict, clusters, conflicts with both ranges and the fix, notes, room, what stays."""
    console.print(_headline(plan))
    for part in _parts(plan):
        console.print()
        console.print(Padding(part, (0, 0, 0, 1)))


def _parts(plan: Plan) -> Iterator[Table | Text]:
    yield _clusters(plan)
    if plan.conflicts:
        yield _conflicts(plan.conflicts)
        yield _remedies(plan.conflicts)
    if plan.allowed:
        yield _notes("Allowed, because never routed", plan.allowed, "green")
    if plan.warnings:
        yield _notes("Warnings", plan.warnings, "yellow")
    yield _room(plan)
    yield _names(plan)
    yield _fixed(plan)


def _headline(plan: Plan) -> Text:
    number = len(plan.conflicts)
    verdict = ("sound", "bold green") if plan.sound else (f"{number} conflict{'s'[: number > 1]}", "bold red")
    return Text.assemble("\n Plan of ", (plan.topology, "bold"), ": ", verdict)


def _table(title: str, *columns: str) -> Table:
    table = Table(
        title=title, box=box.SIMPLE_HEAD, title_justify="left", title_style="bold", pad_edge=False, show_edge=False
    )
    for column in columns:
        table.add_column(column, overflow="fold")
    return table


def _clusters(plan: Plan) -> Table:
    table = _table("Clusters", "cluster", "nodes", "pods", "services", "routing")
    for cluster in plan.clusters:
        services = f"{cluster.service_range}{' (announced)' if cluster.services_announced else ''}"
        routing = cluster.routing if cluster.joined else "isolated"
        table.add_row(cluster.name, cluster.node_range, cluster.pod_range, services, routing)
    return table


def _conflicts(conflicts: Iterable[Conflict]) -> Table:
    table = _table("Conflicts", "code", "one side", "other side", "both hold")
    for conflict in conflicts:
        sides = (_party(side) if side else Text("-") for side in (conflict.first, conflict.second))
        table.add_row(Text(conflict.code, "red"), *sides, conflict.intersection or "-")
    return table


def _remedies(conflicts: Iterable[Conflict]) -> Text:
    """What each conflict leads to and how to end it; said once where several share it."""
    said = dict.fromkeys((conflict.code, conflict.explain, conflict.fix) for conflict in conflicts)
    lines = (Text.assemble((code, "red"), f" {why}. ", ("Fix: ", "bold"), fix, ".") for code, why, fix in said)
    return Text("\n").join(lines)


def _notes(title: str, notes: Iterable[Note], style: str) -> Table:
    table = _table(title, "code", "who", "why")
    table.columns[1].ratio, table.columns[2].ratio = 1, 1
    for note in notes:
        table.add_row(Text(note.code, style), _lines([str(party) for party in note.about]), note.text)
    return table


def _room(plan: Plan) -> Table:
    table = _table("Room (nodes now, grown, and the most that fit)", "cluster")
    for column in ("now", "grown", "fit nodes", "fit pods", "pods/node", "fit", "MTU", "pods"):
        table.add_column(column, justify="right", no_wrap=True)
    for fact in plan.clusters:
        room = (fact.nodes, fact.nodes_grown, fact.node_room, fact.pod_room, fact.pods_per_node, fact.pods_room)
        table.add_row(fact.name, *map(str, (*room, fact.mtu, fact.pod_mtu)))
    return table


def _names(plan: Plan) -> Table:
    table = _table("Names", "cluster", "mode", "answers for", "its pods are in")
    for fact in plan.clusters:
        table.add_row(fact.name, fact.dns_mode, fact.zone, fact.pod_domain)
    return table


def _fixed(plan: Plan) -> Table:
    table = _table("Cannot be changed later", "what", "declared", "why")
    table.columns[0].max_width = 18
    for fact in plan.fixed:
        table.add_row(fact.what, _lines(fact.values), fact.why)
    return table


def _lines(values: Sequence[str]) -> str:
    hidden = len(values) - _MOST_LINES
    return "\n".join([*values[:_MOST_LINES], *([f"and {hidden} more"] if hidden > 0 else [])])


def _party(side: Party) -> Text:
    return Text.assemble((side.owner, "bold"), f" {side.what}\n{side.value}")
