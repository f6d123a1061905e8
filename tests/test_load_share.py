"""The share of the declared load that a topology lets its clients offer."""

from __future__ import annotations

from dataclasses import asdict

import pytest

from clusters.catalog import named
from clusters.errors import UsageError
from clusters.topology import Topology
from scenarios.workloads.declared import Batch, CasRegister, Counter, Ledger, LwtLog, Probe, Registers

WORKLOADS = [Ledger(reads=2.0), Registers(), LwtLog(), CasRegister(), Counter(), Batch(), Probe()]


@pytest.mark.parametrize("workload", WORKLOADS, ids=lambda workload: workload.workload)
def test_a_share_of_a_workload_is_that_share_of_every_operation(workload):
    half = workload.at_share(0.5)

    assert half.total_rate == pytest.approx(workload.total_rate / 2)
    assert workload.at_share(1.0) == workload
    paced = {"rate", "reads", "lanes"}
    assert {key: value for key, value in asdict(half).items() if key not in paced} == {
        key: value for key, value in asdict(workload).items() if key not in paced
    }


def test_every_lane_of_a_probe_is_slowed_alike():
    lanes = Probe().lanes

    assert [(lane.kind, lane.consistency, lane.rate * 2) for lane in Probe().at_share(0.5).lanes] == [
        (lane.kind, lane.consistency, lane.rate) for lane in lanes
    ]


@pytest.mark.parametrize("name", ["kind-host-gw", "kind-vxlan", "kind-kindnet"])
def test_real_clusters_leave_room_for_kubernetes(name):
    ring = named(name).ring
    assert ring is not None
    assert ring.load_share == 0.5


def test_the_lab_offers_all_that_is_declared():
    ring = named("stub-domains").ring
    assert ring is not None
    assert ring.load_share == 1.0


@pytest.mark.parametrize("share", ["0", "1.5", "half"])
def test_a_share_is_a_part_of_the_whole(tmp_path, share):
    path = tmp_path / "t.yaml"
    source = (
        "name: t\nclusters: [{name: a, node_range: 10.0.0.0/24, pod_range: 10.1.0.0/16, service_range: 10.2.0.0/16}]\n"
    )
    path.write_text(source + f"ring: {{version: 5.0.9, load_share: {share}, datacenters: [{{name: a, cluster: a}}]}}\n")

    with pytest.raises(UsageError, match="load_share"):
        Topology.from_yaml(path)
