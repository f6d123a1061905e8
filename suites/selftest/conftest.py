"""Controls run on the campaign's ring, in a folder of their own: a found sabotage must not spoil the run's verdict."""

import pytest

from clusters.catalog import named
from clusters.turns import machine_turn
from scenarios.conduct import conduct
from scenarios.controls import tampered
from scenarios.judge import judge_scenario
from scenarios.profiles import STUB
from scenarios.scenario import named_scenario


class Bench:
    """Conducts a control's scenario once per variant and tampers with copies."""

    def __init__(self, campaign):
        self._campaign = campaign
        self._done = {}

    def live(self, scenario, variant):
        """The verdict of one variant, conducted at its first use."""
        key = (scenario, variant)
        if key not in self._done:
            ring = self._campaign.form(named(STUB)).ring()
            folder = self._campaign.folder / "controls" / f"{scenario}-{variant}"
            with machine_turn(lambda _text: None):
                verdict = conduct(named_scenario(scenario), variant, ring, folder, seed=self._campaign.seed)
            self._done[key] = (folder, verdict)
        return self._done[key]

    def run(self, control):
        """The verdict of a control, and what it must be."""
        folder, verdict = self.live(control.scenario, control.variant)
        if control.tamper is None:
            return verdict, control.expected
        copy, expected = tampered(folder, control, folder.with_name(control.name.replace(" ", "-")))
        return judge_scenario(copy), expected


@pytest.fixture(scope="session")
def bench(campaign):
    return Bench(campaign)
