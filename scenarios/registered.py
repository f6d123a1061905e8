"""Every scenario of this project: importing this module fills the registry.

A scenario is one file of this folder with a function marked `@scenario(...)`; there is no list to keep beside it.
"""

from __future__ import annotations

import importlib
from pathlib import Path

from scenarios.scenario import Scenario, scenarios

FAMILIES = tuple(
    sorted(file.stem for file in Path(__file__).parent.glob("*.py") if "\n@scenario(" in file.read_text("utf-8"))
)

for _family in FAMILIES:
    importlib.import_module(f"scenarios.{_family}")


def registered() -> dict[str, Scenario]:
    """Every scenario by name."""
    return scenarios()
