import pytest

from scenarios.overlap import overlap

pytestmark = [pytest.mark.chaos, pytest.mark.scenario("overlap")]


def test_overlap(conduct, topology, variant):
    assert conduct(overlap, variant).ok
