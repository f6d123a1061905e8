import pytest

from scenarios.dns_failure import dns_failure

pytestmark = [pytest.mark.chaos, pytest.mark.scenario("dns-failure")]


def test_dns_failure(conduct, topology, variant):
    assert conduct(dns_failure, variant).ok
