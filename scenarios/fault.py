"""A fault is an object with a life; its undo is in the journal before it acts, its effect is proven by others."""

from __future__ import annotations

from typing import Protocol, TypeVar

Stage_contra = TypeVar("Stage_contra", contravariant=True)
"""What the fault is given to act and look through: scenarios.run.Run, which therefore may know faults."""


class Fault(Protocol[Stage_contra]):
    """One thing that is done to the place, from when to when.

    `precheck` raises when the fault cannot bite here. `inject` acts through `run.acts`, which writes the journal.
    `await_effect` returns the evidence of an independent observation, or raises FaultIneffective. `recover` takes
    back exactly what was added. `await_recovery` returns the evidence that the effect is gone.
    """

    @property
    def name(self) -> str:
        """As reports call it; the same for the whole life."""

    def precheck(self, run: Stage_contra) -> None:
        """Raise when this fault makes no sense on this ring now."""

    def inject(self, run: Stage_contra) -> None:
        """Do it."""

    def await_effect(self, run: Stage_contra) -> str:
        """Prove that it bit."""

    def recover(self, run: Stage_contra) -> None:
        """Undo it."""

    def await_recovery(self, run: Stage_contra) -> str:
        """Prove that it is gone."""
