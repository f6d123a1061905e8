import pytest

from scenarios.address_reuse import address_reuse

pytestmark = [pytest.mark.chaos, pytest.mark.scenario("address-reuse")]


def test_address_reuse(conduct, topology, variant):
    assert conduct(address_reuse, variant).ok
