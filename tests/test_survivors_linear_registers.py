"""Faults of the near-linear decider that the first mutants showed to go unnoticed."""

from __future__ import annotations

import pytest

from scenarios.checks.linear.registers import unique
from tests.histories import operation


@pytest.mark.parametrize("f", ["append", "cas", "delete", "swap", "write-if"])
def test_any_other_operation_belongs_to_another_decider(f):
    assert not unique([operation("east-w-1", f, (1, 2), value=1)], None)
