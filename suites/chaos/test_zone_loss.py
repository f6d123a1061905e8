import pytest

from scenarios.zone_loss import zone_loss

pytestmark = [pytest.mark.chaos, pytest.mark.scenario("zone-loss")]


def test_zone_loss(conduct, topology, variant):
    assert conduct(zone_loss, variant).ok
