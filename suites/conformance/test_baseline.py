import pytest

from scenarios.baseline import baseline

pytestmark = [pytest.mark.conformance, pytest.mark.scenario("baseline")]


def test_baseline(conduct, topology, variant):
    assert conduct(baseline, variant).ok
