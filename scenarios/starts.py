"""Starts of a host, and what becomes of them: joined, split-ring or exited."""

from __future__ import annotations

import signal
import time

from clusters.ring.host import Host
from clusters.ring.limits import Limit
from clusters.ring.ring import TOLERATED, Ring
from clusters.waiting import until
from scenarios.checks import Expected
from scenarios.run import Run

FRESH = -1
"""The restart count before the first start of a new pod, which is not a restart."""


def restart(run: Run, host: Host, outcome: str, limit: Limit, when: str) -> Expected:
    """Kill the host's process, let the restart policy bring it back, and record what became of the start."""
    subject = f"{host.spec.who} started {when}"
    run.expected_exits.add(host.spec.pod)
    before = host.pod.state()
    host.read_log()
    host.alarms.clear()
    begun = time.monotonic()
    host.pod.signal(signal.SIGKILL)
    watch = StartWatch(run.ring, host, before.restarts)
    run.wait_for(subject, lambda most: run.ring.timed(lambda: until(subject, watch, timeout=most)), limit)
    run.observe("outcome", "ring", subject=subject, outcome=watch.outcome, seconds=round(time.monotonic() - begun, 2),
                detail=watch.detail)  # fmt: skip
    return Expected(subject=subject, outcome=outcome, limit=limit.seconds, formula=limit.formula)


def returns(run: Run, host: Host) -> Expected:
    """The restart policy brings the host back by itself once names resolve; record that it joined."""
    subject = f"{host.spec.who} recovered by itself"
    whole = run.ring.limits.policy_restart
    watch = StartWatch(run.ring, host, None)
    seconds = run.wait_for(subject, lambda most: run.ring.timed(lambda: until(subject, watch, timeout=most)), whole)
    run.observe(
        "outcome", "ring", subject=subject, outcome=watch.outcome, seconds=round(seconds, 2), detail=watch.detail
    )
    return Expected(subject=subject, outcome="joined", limit=whole.seconds, formula=whole.formula)


class StartWatch:
    """Watches one start until it is clear what became of it: joined, split-ring or exited."""

    def __init__(self, ring: Ring, host: Host, restarts: int | None) -> None:
        self.ring = ring
        self.host = host
        self.restarts = restarts
        self.outcome = ""
        self.detail = ""
        self.last: str | None = None

    def __call__(self) -> bool | None:
        """True when the start has ended, in `outcome`; None while it is open, with the reason in `last`."""
        state = self.host.pod.state()
        if self.restarts is not None and state.restarts < self.restarts + 1:
            self.last = f"the kill is not seen yet ({state.state})"
            return None
        if self.restarts is not None and state.restarts > self.restarts + 1:
            self.host.read_log()
            return self._end("exited", f"{state.reason}: {self._words()}")
        try:
            view = self.host.view()
        except TOLERATED as error:
            self.last = f"{state.state} {state.reason}: {error}"
            return None
        wanted = set(self.ring.addresses().values())
        if set(view.addresses.values()) == wanted and not view.down:
            return self._end("joined", f"sees {len(wanted)} hosts")
        self.last = f"serves, but sees {len(view.addresses)} hosts, {len(view.down)} down"
        if len(view.down) == len(view.peers):
            return self._end("split-ring", "serves and holds nobody else for up: " + self._words())
        return None

    def _words(self) -> str:
        return " | ".join(self.host.alarms[-2:])[-300:]

    def _end(self, outcome: str, detail: str) -> bool:
        self.outcome, self.detail = outcome, detail
        return True
