import pytest

from scenarios.controls import CONTROLS, disappointment
from scenarios.profiles import STUB

pytestmark = pytest.mark.selftest


@pytest.mark.parametrize("control", CONTROLS, ids=lambda control: f"{STUB}-{control.name.replace(' ', '-')}")
def test_sabotage_is_found(bench, control):
    verdict, expected = bench.run(control)
    assert disappointment(verdict, expected) is None


@pytest.mark.parametrize(
    "scenario", sorted({control.scenario for control in CONTROLS}), ids=lambda name: f"{STUB}-{name}"
)
def test_twin_without_sabotage_is_valid(bench, scenario):
    _, verdict = bench.live(scenario, "honest")
    assert verdict.ok, verdict.explain
