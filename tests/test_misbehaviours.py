from pathlib import Path

import pytest

from scenarios.misbehaviours import TRACK_RECORD
from scenarios.registered import registered
from scenarios.scenario import Tier

RECORD = (Path(__file__).parents[1] / "docs/track-record.md").read_text()


@pytest.mark.parametrize("control", TRACK_RECORD, ids=lambda control: control.scenario)
def test_each_has_a_twin_that_differs_from_it_and_exactly_one_expected_finding(control):
    scenario = registered()[control.scenario]
    assert scenario.tier is Tier.SELFTEST
    assert set(scenario.variants) == {"honest", control.variant}
    assert scenario.variants["honest"] != scenario.variants[control.variant]
    assert control.expected.check
    assert control.expected.anomaly


@pytest.mark.parametrize("control", TRACK_RECORD, ids=lambda control: control.scenario)
def test_the_track_record_names_check_and_anomaly(control):
    anomalies = control.expected.anomaly
    first = anomalies if isinstance(anomalies, str) else anomalies[0]
    rows = [row for row in RECORD.splitlines() if f"`{control.expected.check}`: {first}" in row and "*c*" in row]
    words = {word.rstrip("`") for row in rows for word in row.split("-k ")[1:] for word in word.split()[:1]}
    assert any(word in control.scenario for word in words)
