"""A fault is an object with a life; its undo is in the journal before it acts, its effect is proven by others."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from scenarios.run import Run


class Fault(Protocol):
    """One thing that is done to the place, from when to when.

    `precheck` raises when the fault cannot bite here. `inject` acts through `run.acts`, which writes the journal.
    `await_effect` returns the evidence of an independent observation, or raises FaultIneffective. `recover` takes
    back exactly what was added. `await_recovery` returns the evidence that the effect is gone.
    """

    name: str

    def precheck(self, run: Run) -> None:
        """Raise when this fault makes no sense on this ring now."""

    def inject(self, run: Run) -> None:
        """Do it."""

    def await_effect(self, run: Run) -> str:
        """Prove that it bit."""

    def recover(self, run: Run) -> None:
        """Undo it."""

    def await_recovery(self, run: Run) -> str:
        """Prove that it is gone."""
