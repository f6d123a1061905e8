"""What a bench measured: figures with the least and the median of their repeats, and the machine that they hold for."""

from __future__ import annotations

import json
import os
import re
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import groupby
from pathlib import Path
from typing import Any

from scenarios.runs import host_facts, versions

DIGITS = 3
"""Significant digits that are shown; repeats on one machine differ in the second."""


@dataclass(frozen=True)
class Figure:
    """One measured thing: its part of the bench, its name, its unit, the value of each repeat in order."""

    part: str
    name: str
    unit: str
    values: tuple[float, ...]
    note: str = ""

    @property
    def least(self) -> float:
        """The smallest value."""
        return min(self.values)

    @property
    def median(self) -> float:
        """The middle value; of an even number the mean of both in the middle."""
        return statistics.median(self.values)

    def as_json(self) -> dict[str, Any]:
        """Plain values, every repeat among them."""
        told = {"part": self.part, "name": self.name, "unit": self.unit, "min": self.least, "median": self.median}
        return {**told, "values": list(self.values), "note": self.note}


@dataclass
class Report:
    """All figures of one bench run; ``left_out`` says what was not measured, and why."""

    started: datetime
    machine: dict[str, Any]
    figures: list[Figure] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)
    about: str = ""
    """Of which part of the product, "" for what `make bench` measures."""

    @property
    def name(self) -> str:
        """The name of its files: date, part and machine, nothing that tells whose machine it is."""
        machine = self.machine
        told = f"{machine.get('cores')}-cores-{machine.get('memory_gb')}-gb-{machine.get('machine')}"
        told = f"{self.about}-{told}" if self.about else told
        return f"{self.started:%Y-%m-%d}-{re.sub(r'[^A-Za-z0-9._]+', '-', told)}"

    def as_json(self) -> dict[str, Any]:
        """Plain values."""
        return {
            "schema": 1,
            "started": self.started.isoformat(timespec="seconds"),
            "machine": self.machine,
            "figures": [figure.as_json() for figure in self.figures],
            "left_out": self.left_out,
        }

    def markdown(self) -> str:
        """A table of the figures under a line that describes the machine."""
        rows = "".join(
            f"| {cell(one.part)} | {cell(one.name)} | {shown(one.least)} | {shown(one.median)} | {cell(one.unit)} "
            f"| {len(one.values)} | {cell(one.note)} |\n"
            for one in self.figures
        )
        left = "".join(f"\nLeft out: {cell(one)}\n" for one in self.left_out)
        head = "| part | figure | min | median | unit | repeats | |\n|---|---|---:|---:|---|---:|---|\n"
        described = ", ".join(f"{key} {value}" for key, value in self.machine.items())
        about = f" on {self.about}" if self.about else ""
        return f"# Bench{about} of {self.started:%Y-%m-%d}\n\n{cell(described)}\n\n{head}{rows}{left}"

    def write(self, folder: Path) -> tuple[Path, Path]:
        """Write the table and all values below ``folder``; returns both paths. The same day's are replaced."""
        folder.mkdir(parents=True, exist_ok=True)
        table, values = folder / f"{self.name}.md", folder / f"{self.name}.json"
        table.write_text(self.markdown(), encoding="utf-8")
        values.write_text(json.dumps(self.as_json(), indent=1) + "\n", encoding="utf-8")
        return table, values

    def by_part(self) -> Iterable[tuple[str, list[Figure]]]:
        """The figures, part by part, in the order in which they were measured."""
        for part, figures in groupby(self.figures, key=lambda one: one.part):
            yield part, list(figures)


def shown(value: float) -> str:
    """A value with three significant digits, whole from 100 on."""
    if abs(value) >= 100:
        return f"{value:.0f}"
    return f"{value:#.{DIGITS}g}".rstrip(".")


def cell(words: str) -> str:
    """Words that stand in one cell of a markdown table."""
    return " ".join(words.split()).replace("|", "\\|")


def ratios(part: str, name: str, over: Sequence[float], under: Sequence[float]) -> Figure:
    """What was measured in each repeat as a multiple of what else was measured in the same repeat."""
    return Figure(part, name, "times", tuple(a / b for a, b in zip(over, under, strict=True)))


def machine(java: str) -> dict[str, Any]:
    """Cores, memory, kernel, Python and Java of this machine, and how busy it was when the bench began."""
    facts, known = host_facts(), versions()
    return {
        "cores": facts["cores"],
        "memory_gb": facts["memory_gb"],
        "machine": facts["machine"],
        "kernel": known["kernel"],
        "python": known["python"],
        "java": java,
        "commit": known.get("commit", "unknown"),
        "load_before": round(os.getloadavg()[0], 2),
    }
