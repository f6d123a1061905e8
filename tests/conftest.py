"""Fixtures of a run on a ring whose lab keeps its pods, rules and zones in dictionaries (tests/lease_fakes.py)."""

from __future__ import annotations

import pytest
from hypothesis import settings

from scenarios.run import Run
from tests.lease_fakes import leased_ring

# how long an example takes depends on what else the machine does: speed is for `make bench`, never for a test
settings.register_profile("untimed", settings(), deadline=None)
settings.load_profile("untimed")


@pytest.fixture(autouse=True)
def _not_in_ci(monkeypatch):
    """Made-up runs write nothing into the job summary of the job that tests them."""
    monkeypatch.delenv("GITHUB_ACTIONS", raising=False)
    monkeypatch.delenv("GITHUB_STEP_SUMMARY", raising=False)


@pytest.fixture
def place(tmp_path):
    return leased_ring(tmp_path / "ring")


@pytest.fixture
def ring(place):
    return place[0]


@pytest.fixture
def lab(place):
    return place[1]


@pytest.fixture
def run(ring, tmp_path):
    made = Run(tmp_path / "scenario", ring, {"faults": [], "keyspace": "rp_test", "seed": 7})
    yield made
    made.close()
