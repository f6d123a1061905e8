"""Faults of the intervals that the first mutants showed to go unnoticed."""

from __future__ import annotations

from scenarios.checks.linear.intervals import Zone


def test_a_zone_is_small():
    """There is one for every value of a history."""
    assert not hasattr(Zone(1, 2, 3), "__dict__")
