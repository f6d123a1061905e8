"""The events of a run for programs: one JSON object a line on a stream, told as they happen (docs/formats.md)."""

from __future__ import annotations

import json
import os
import time
from typing import Any, TextIO

from ringproof.lines import HEARTBEAT, Heart, View
from ringproof.under_way import WORTH_SHOWING, Clock, Facts, Usual, unknown

SCHEMA = 1


class StreamView(View):
    """Writes every event to ``out``, and shows it in ``beside`` too, which is for people.

    A reader that leaves ends the stream and nothing else: no verdict depends on who listens.
    """

    def __init__(
        self, out: TextIO, beside: View, heartbeat: float = HEARTBEAT, *, clock: Clock = time.monotonic,
        usual: Usual = unknown,
    ) -> None:  # fmt: skip
        super().__init__(clock, usual)
        self._out: TextIO | None = out
        self._beside = beside
        self._heartbeat = heartbeat
        self._wrote = clock()
        self._looked = ("", "", -WORTH_SHOWING)
        self._heart = Heart(self.beat, heartbeat)

    def show(self, event: str, facts: Facts) -> None:
        """Write the event with its time and the scenario that is under way."""
        self._beside.tell(event, facts)
        if event == "look":
            if not self._worth(facts):
                return
            facts = {name: value for name, value in facts.items() if name != "over"}
        current = self.state.scenario
        inside = {"in": current.id} if current is not None and event != "scenario" else {}
        self._write({"event": event, **inside, **facts})

    def _worth(self, facts: Facts) -> bool:
        """Whether a look says something new of a wait that lasts, at most once a second."""
        what, seen, when = facts["for"], facts["seen"], self.state.clock()
        before = self._looked
        if facts["over"] or facts["seconds"] < WORTH_SHOWING or (what, seen) == before[:2]:
            return False
        if what == before[0] and when - before[2] < 1.0:
            return False
        self._looked = (what, seen, when)
        return True

    def _write(self, record: dict[str, Any]) -> None:
        if self._out is None:
            return
        line = json.dumps({"t": time.monotonic_ns(), **record}, default=str)
        try:
            self._out.write(f"{line}\n")
            self._out.flush()
        except BrokenPipeError:
            abandon(self._out)
            self._out = None
        self._wrote = self.state.clock()

    def beat(self) -> None:
        """Write what is under way, with the last thing seen, when nothing was written for the heartbeat's seconds."""
        with self._lock:
            if self.state.clock() - self._wrote >= self._heartbeat:
                wait = self.state.wait
                waits = {} if wait is None else {"for": wait.what, "limit": wait.limit, "seen": wait.seen}
                self._write({"event": "heartbeat", "doing": self.state.doing(), **waits})

    def begin(self) -> None:
        """Both begin."""
        self._beside.begin()
        self._heart.start()

    def end(self) -> None:
        """Both end."""
        self._heart.stop()
        self._beside.end()


def abandon(stream: TextIO) -> None:
    """Let what is still written to a stream without a reader go nowhere, the interpreter's last flush included."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, stream.fileno())
    os.close(nowhere)
