import pytest

from scenarios.reschedule import reschedule

pytestmark = [pytest.mark.chaos, pytest.mark.scenario("reschedule")]


def test_reschedule(conduct, topology, variant):
    assert conduct(reschedule, variant).ok
