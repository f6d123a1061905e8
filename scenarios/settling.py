"""Steps that several scenarios share: waiting until the ring agrees again and until hints are delivered."""

from __future__ import annotations

from clusters.ring.limits import Limit
from scenarios.run import Run


def agree_again(run: Run, limit: Limit) -> None:
    """Every host sees every host up, once, at its present address."""
    run.wait_for("every host sees every host up", run.ring.await_agreement, limit)


def deliver_hints(run: Run) -> None:
    """No host holds hints for another; the dispatch period itself is a timer of Cassandra."""
    run.phase("hints")
    run.wait_for("hints delivered", run.ring.await_hints_drained, run.ring.limits.hints, timer=True)
