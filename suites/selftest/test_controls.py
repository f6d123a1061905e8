import pytest

from scenarios.controls import CONTROLS, disappointment

pytestmark = pytest.mark.selftest


@pytest.mark.parametrize("control", CONTROLS, ids=lambda control: control.name.replace(" ", "-"))
def test_sabotage_is_found(bench, control):
    verdict, expected = bench.run(control)
    assert disappointment(verdict, expected) is None


@pytest.mark.parametrize("scenario", sorted({control.scenario for control in CONTROLS}))
def test_twin_without_sabotage_is_valid(bench, scenario):
    _, verdict = bench.live(scenario, "honest")
    assert verdict.ok, verdict.explain
