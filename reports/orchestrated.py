"""What the orchestrator of a cluster said, in words: the lines of the chronicle that are from `truth.jsonl`."""

from __future__ import annotations

from reports.bundle import Json, strings, text
from reports.limits import clipped


def orchestrated(one: Json) -> str:
    """A change that the orchestrator told, in words; empty for what is no news.

    Nodes are called by their clusters, pods by their names.
    """
    if one.get("look") or one.get("first"):
        return ""
    tell = {"node_condition": _condition, "placement": _placement, "kube_event": _event, "unseen": _unseen}
    words = tell.get(text(one.get("kind")), _nothing)(one)
    return clipped(f"{text(one.get('cluster'))}: {words}") if words else ""


def _condition(one: Json) -> str:
    if one.get("condition") != "Ready":
        return ""
    taints = ", ".join(strings(one.get("taints")))
    reason = text(one.get("reason")) or "no reason"
    return (
        f"node {text(one.get('node'))} has Ready {text(one.get('status'))} ({reason}){f', {taints}' if taints else ''}"
    )


def _placement(one: Json) -> str:
    ready = text(one.get("ready"))
    where = f"{text(one.get('node')) or 'no node'} in {text(one.get('zone')) or 'no zone'}"
    return f"pod {text(one.get('pod'))} is {text(one.get('state'))} on {where}{f', Ready {ready}' if ready else ''}"


def _event(one: Json) -> str:
    if one.get("type") == "Normal" and not text(one.get("about")).startswith("Node/"):
        return ""  # pulled, created, started: placements tell it in fewer words
    return f"{text(one.get('about'))}: {text(one.get('reason'))}: {text(one.get('text'))}"


def _unseen(one: Json) -> str:
    return f"{text(one.get('what'))} could not be seen: {text(one.get('error'))}"


def _nothing(_: Json) -> str:
    return ""
