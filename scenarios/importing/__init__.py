"""Histories of other test suites, read as operations: Jepsen's EDN and the same maps as JSON."""

from scenarios.importing.pairing import Imported, read_jepsen
from scenarios.importing.values import SHAPES

__all__ = ["SHAPES", "Imported", "read_jepsen"]
