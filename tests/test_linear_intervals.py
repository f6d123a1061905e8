"""Zones against the definition that they abbreviate, and what counts as running at once."""

from __future__ import annotations

from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scenarios.checks.linear.intervals import Zone, concurrent, contradictions
from tests.histories import operation

INSTANTS = st.integers(0, 12)
ZONES = st.lists(st.builds(Zone, INSTANTS, INSTANTS, st.none()), max_size=8)


def contradict(one, other):
    """Each of the two must come before the other."""
    return one.first_return < other.last_invoke and other.first_return < one.last_invoke


@given(ZONES)
def test_a_pair_is_found_exactly_if_there_is_one(zones):
    found = list(contradictions(zones))

    assert bool(found) == any(contradict(one, other) for one, other in combinations(zones, 2))
    assert all(contradict(outer, inner) and outer.forward for outer, inner in found)
    assert len({id(inner) for _, inner in found}) == len(found)


@pytest.mark.parametrize(("span", "forward"), [((1, 2), True), ((2, 2), False), ((3, 2), False)])
def test_a_zone_is_forward_when_something_ended_before_something_began(span, forward):
    assert Zone(*span, "value").forward is forward


def test_the_longest_of_the_earlier_zones_is_the_outer_one():
    long, short, later, inside = Zone(0, 90, "a"), Zone(10, 20, "b"), Zone(30, 40, "c"), Zone(60, 55, "d")

    assert [(one.value, two.value) for one, two in contradictions([later, inside, short, long])] == [
        ("a", "b"),
        ("a", "c"),
        ("a", "d"),
    ]


@pytest.mark.parametrize(
    ("spans", "expected"),
    [
        ([(1, 5), (4, 6)], True),
        ([(4, 6), (1, 5)], True),  # in any order
        ([(1, 9), (2, 3), (8, 9)], True),
        ([(1, 5), (5, 6)], False),  # they touch
        ([(1, 2), (3, 4)], False),
        ([(1, 5), (1, 5)], True),
        ([(1, 9), (2, 3), (4, 5)], True),
        ([], False),
    ],
)
def test_two_ran_at_once_when_one_was_sent_before_the_other_had_returned(spans, expected):
    assert concurrent([operation("p", "write", span) for span in spans]) is expected


@pytest.mark.parametrize(("outcome", "expected"), [("ok", True), ("info", True), ("fail", False)])
def test_what_was_given_up_was_open_until_then_and_what_failed_met_nobody(outcome, expected):
    assert concurrent([operation("p", "write", (1, 9), outcome), operation("q", "read", (2, 3))]) is expected


def test_reads_alone_leave_no_order_in_doubt():
    assert not concurrent([operation("p", "read", (1, 9)), operation("q", "read", (2, 3))])


def test_what_has_no_end_was_open_for_a_moment():
    assert not concurrent([operation("p", "write", (1, None), "info"), operation("q", "read", (2, 3))])
    assert concurrent([operation("p", "write", (2.5, None), "info"), operation("q", "read", (2, 3))])
