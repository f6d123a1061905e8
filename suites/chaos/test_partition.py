import pytest

from scenarios.partition import partition

pytestmark = [pytest.mark.chaos, pytest.mark.scenario("partition")]


def test_partition(conduct, topology, variant):
    assert conduct(partition, variant).ok
