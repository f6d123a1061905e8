import pytest

from scenarios.controls import disappointment
from scenarios.misbehaviours import TRACK_RECORD
from scenarios.profiles import STUB

pytestmark = pytest.mark.selftest


@pytest.mark.parametrize("control", TRACK_RECORD, ids=lambda control: f"{STUB}-{control.scenario}")
def test_misbehaviour_is_found(bench, control):
    verdict, expected = bench.run(control)
    assert disappointment(verdict, expected) is None


@pytest.mark.parametrize("scenario", [control.scenario for control in TRACK_RECORD], ids=lambda name: f"{STUB}-{name}")
def test_twin_that_does_it_right_is_valid(bench, scenario):
    _, verdict = bench.live(scenario, "honest")
    assert verdict.ok, verdict.explain
