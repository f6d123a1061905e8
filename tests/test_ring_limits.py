"""Every limit is what its formula says."""

from __future__ import annotations

import itertools
import math
import re
from dataclasses import replace

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from clusters.catalog import named
from clusters.ring.limits import Limits, dropped_names_limit, name_limit, ring_limits

FAST, DEFAULT = (
    Limits(ring_delay=5.0, settle=8.0),
    Limits(ring_delay=30.0, settle=8.0, phi=12, quarantined=60.0, back_off=300.0),
)
NAMES = [name for name, kind in vars(Limits).items() if isinstance(kind, property)]
DNS = named("stub-domains").clusters[0].dns


def computed(formula):
    """The value of a formula in words: numbers, `x`, `/` and `+`; every other word says what a number is."""
    text = re.sub(r"\([^)]*\)", "", formula)
    text = re.sub(r"\bx\b", "*", text)
    text = re.sub(r"<=|[A-Za-z_][\w-]*", "", text)
    assert re.fullmatch(r"[\d.+*/ ]+", text), text
    return sum(math.prod(quotient(factor) for factor in term.split("*")) for term in text.split("+"))


def quotient(factor):
    first, *others = (float(number) for number in factor.split("/"))
    return first / math.prod(others)


@pytest.mark.parametrize("limits", [FAST, DEFAULT], ids=["fast", "default"])
@pytest.mark.parametrize("name", NAMES)
def test_the_formula_of_a_limit_gives_its_seconds(limits, name):
    limit = getattr(limits, name)

    assert computed(limit.formula) == pytest.approx(limit.seconds, rel=0.002)
    assert limit.as_json() == {"limit": round(limit.seconds, 2), "formula": limit.formula}


def test_a_slower_ring_has_later_limits():
    for name in ("conviction", "restart", "client_detection", "policy_restart"):
        fast, slow = getattr(FAST, name), getattr(DEFAULT, name)
        assert slow.seconds > fast.seconds
        assert slow.formula != fast.formula


@given(
    back_off=st.floats(1.0, 300.0),
    first=st.floats(0.0, 1.0),
    gaps=st.lists(st.floats(10.0, 15.0), min_size=30, max_size=30),
)
@example(back_off=8.0, first=1.0, gaps=[15.0] * 30)
@example(back_off=10.5, first=0.4, gaps=[10.0, 15.0] * 15)
def test_no_look_of_the_kubelet_brings_a_host_back_later(back_off, first, gaps):
    """The kubelet looks within a second after the end, then every 10 to 15 s; it restarts once the back-off is over."""
    started = next(look for look in itertools.accumulate([first, *gaps]) if look >= back_off)
    limits = replace(FAST, back_off=back_off)

    assert started <= limits.policy_restart.seconds - limits.restart.seconds + 1e-9


def test_the_latest_restart_is_as_late_as_the_limit_says():
    assert [replace(FAST, back_off=most).policy_restart.seconds - 33.0 for most in (8.0, 300.0)] == [16.0, 315.0]


def test_conviction_is_phi_by_the_accruals_definition():
    """phi = log10(e) x silence / mean: phi 8 is reached after 8 x ln 10 means, of at most twice the gossip interval."""
    assert FAST.conviction.seconds - 5 == pytest.approx(2 * 18.42, abs=0.01)


@pytest.mark.parametrize(("dropped", "timeout", "attempts"), [(0, 1, 2), (3, 5, 2), (2, 1, 1)])
def test_dropped_names_cost_their_timeouts(dropped, timeout, attempts):
    dns = DNS.model_copy(update={"resolver_timeout": timeout, "resolver_attempts": attempts})
    limit = dropped_names_limit(dns, dropped, normal=4)

    assert limit.seconds == 4 * dropped * timeout * attempts + 4
    assert computed(limit.formula) == pytest.approx(limit.seconds)


def test_three_dropped_names_at_glibcs_defaults_are_what_was_measured():
    dns = DNS.model_copy(update={"resolver_timeout": 5, "resolver_attempts": 2})

    assert dropped_names_limit(dns, 3, normal=4).seconds == 124


def test_a_name_is_seen_after_every_cache():
    limit = name_limit(DNS)

    assert limit.seconds == DNS.ttl + DNS.cache + 5
    assert computed(limit.formula) == limit.seconds


@pytest.mark.parametrize(("timers", "delay", "written"), [("fast", 5.0, 3.0), ("default", 30.0, 12.0)])
def test_the_timers_profile_decides(timers, delay, written):
    topology = named("stub-domains")
    assert topology.ring is not None
    declared = topology.model_copy(update={"ring": topology.ring.model_copy(update={"timers": timers})})

    assert ring_limits(declared).ring_delay == delay
    limits = ring_limits(declared)
    assert limits.hints_written.seconds == written  # write time-out 2 s and one flush


def test_the_fast_quarantine_outlasts_a_return():
    assert FAST.quarantined / 2 > FAST.restart.seconds  # else the first to forget an address learns it again
