"""Faults of the intervals that the first mutants showed to go unnoticed."""

from __future__ import annotations

import pytest

from scenarios.checks.linear.intervals import Zone, concurrent, contradictions
from tests.histories import operation


def test_a_zone_is_small():
    """There is one for every value of a history."""
    assert not hasattr(Zone(1, 2, 3), "__dict__")


def test_the_longest_of_the_earlier_zones_is_kept_beside_a_shorter_one():
    first, long, short, inside = Zone(0, 3, "a"), Zone(1, 12, "b"), Zone(4, 6, "c"), Zone(9, 8, "d")

    assert [(one.value, two.value) for one, two in contradictions([first, long, short, inside])] == [
        ("a", "b"),
        ("b", "c"),
        ("b", "d"),
    ]


@pytest.mark.parametrize("f", ["add", "append", "cas", "delete", "write"])
def test_every_update_leaves_an_order_in_doubt(f):
    update = operation("p", f, (1, 5), value=1)

    assert concurrent([update, operation("q", "read", (4, 6))])
    assert concurrent([operation("q", "read", (0, 2)), update])
    assert not concurrent([operation("q", "read", (0, 1)), update, operation("q", "read", (5, 6))])


def test_reads_at_once_hide_no_update_that_was_over():
    reads = [operation("q", "read", (3, 9)), operation("r", "read", (4, 8))]

    assert not concurrent([operation("p", "write", (1, 2), value=1), *reads])
    assert concurrent([operation("p", "write", (1, 3.5), value=1), *reads])
    assert concurrent([*reads, operation("p", "write", (8.5, 10), value=1)])
