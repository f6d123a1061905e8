"""A real run's events (tests/data/recorded-run.jsonl, four scenarios on two topologies) told again to a view."""

import json
from pathlib import Path

RECORD = Path(__file__).parent / "data" / "recorded-run.jsonl"
ITEMS = [
    "overlap",
    "reschedule-stub-domains",
    "zone-loss-frozen-stub-domains",
    "partition-both-ways-shared-suffix",
]
USUAL = {ITEMS[0]: 1.0, ITEMS[1]: 55.0, ITEMS[2]: 70.0, ITEMS[3]: 60.0}


def recorded():
    """(seconds, event, facts) in order; a wait, which files only keep the end of, is told from its beginning too."""
    told = [(0.0, "run", {"items": ITEMS, "schema": 1})]
    for line in RECORD.read_text().splitlines():
        record = json.loads(line)
        at, event = record.pop("t") / 1e9, record.pop("event")
        told.append((at, event, record))
        if event == "waited" and not record["for"].startswith("traffic"):
            begin = at - record["seconds"]
            told.append((begin, "waiting", {"for": record["for"], "limit": record["limit"]}))
            for second in range(1, int(record["seconds"])):
                told.append((begin + second, "look", look(record, second, "east-a-0 holds 2 hosts for down")))
            told.append((at - 0.001, "look", {**look(record, record["seconds"], "not yet"), "over": True}))
    return sorted(told, key=lambda one: one[0])


def look(record, seconds, seen):
    return {"for": record["for"], "seconds": seconds, "limit": record["limit"] * 2, "seen": seen, "over": False}


class Clock:
    """Seconds that pass when the test says so."""

    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now


def play(screen, clock, until=float("inf"), each=lambda: None):
    """Tell the record to the view up to ``until``; ``each`` is called after every event."""
    for at, event, facts in recorded():
        if at > until:
            clock.now = until
            return
        clock.now = max(clock.now, at)
        screen.tell(event, facts)
        each()
