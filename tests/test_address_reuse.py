"""Which two hosts an address can pass between."""

from types import SimpleNamespace
from typing import Any

import pytest

from clusters.errors import EnvironmentUnfit
from scenarios.address_reuse import heirs


class Pinning:
    """A cluster in which some pods can have an address."""

    def __init__(self, *able: str) -> None:
        self.able = able

    def reschedule_at(self, pod: str, address: str) -> None:
        raise AssertionError("nobody is moved")

    def may_have(self, pod: str, address: str) -> bool:
        assert address == "10.0.0.7"
        return pod in self.able


def datacenter(cluster: Pinning) -> Any:
    hosts = [
        SimpleNamespace(cluster=cluster, address=f"10.0.0.{7 + place}", spec=SimpleNamespace(pod=pod, who=pod))
        for place, pod in enumerate(("east-a-0", "east-b-0", "east-a-1"))
    ]
    return SimpleNamespace(name="east", hosts=hosts)


@pytest.mark.parametrize(("able", "heir"), [(("east-b-0", "east-a-1"), "east-b-0"), (("east-a-1",), "east-a-1")])
def test_the_heir_is_the_next_host_that_can_have_the_address(able, heir):
    first, second = heirs(datacenter(Pinning(*able)))

    assert (first.spec.pod, second.spec.pod) == ("east-a-0", heir)


def test_where_nobody_can_have_it_the_sentence_says_what_to_take():
    with pytest.raises(EnvironmentUnfit, match=r"east can have 10.0.0.7, the address of east-a-0: .*kind-shared-node"):
        heirs(datacenter(Pinning("east-a-0")))
