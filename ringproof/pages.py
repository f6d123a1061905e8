"""`python -m ringproof.pages`: one page per scenario in docs/scenarios/, written from the code that it describes.

What a page says stands in docstrings: of the scenario, of its faults and of its checks. A test compares the files.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import CodeType, FunctionType
from typing import Any

from scenarios import checks
from scenarios.controls import CONTROLS
from scenarios.profiles import PROFILES
from scenarios.registered import registered
from scenarios.scenario import Scenario, Tier

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "docs" / "scenarios"
WRITTEN = "<!-- Written by `python -m ringproof.pages` from the docstrings in {source}; edit those. -->"


def pages() -> dict[str, str]:
    """File name to text of every page, the index included."""
    known = [item for _, item in sorted(registered().items()) if item.tier is not Tier.SELFTEST]
    return {"README.md": _index(known), **{f"{item.name}.md": _page(item) for item in known}}


def write(folder: Path = FOLDER) -> list[Path]:
    """Write every page, remove the page of a scenario that is gone, and return the files."""
    folder.mkdir(parents=True, exist_ok=True)
    found = pages()
    for path in folder.glob("*.md"):
        if path.name not in found:
            path.unlink()
    for name, text in found.items():
        (folder / name).write_text(text, encoding="utf-8")
    return [folder / name for name in found]


def _index(known: Sequence[Scenario]) -> str:
    lines = [WRITTEN.format(source="scenarios/"), "", "# Scenarios", ""]
    lines += ["| scenario | promise | variants |", "|---|---|---|"]
    lines += [f"| [{item.name}]({item.name}.md) | {item.promise} | {_variants(item)} |" for item in known]
    lines += ["", "## Negative controls", ""]
    lines += ["Sabotaged runs that must be found out: `pytest suites/selftest`, from `scenarios/controls.py`.", ""]
    lines += ["| sabotage | scenario and variant | what must be found |", "|---|---|---|"]
    for control in CONTROLS:
        wanted = control.expected
        found = f"`{wanted.check}` is invalid: {wanted.anomaly}" if wanted.check else f"the verdict is {wanted.system}"
        lines.append(f"| {control.name} | {control.scenario}, {control.variant} | {found} |")
    return "\n".join(lines) + "\n"


def _page(item: Scenario) -> str:
    path = Path(inspect.getsourcefile(item.function) or "").relative_to(ROOT)
    promise, _, rest = item.explanation.partition("\n\n")
    parts = [WRITTEN.format(source=path), f"# {item.name}", f"**{_line(promise)}**"]
    parts += [_line(paragraph) for paragraph in rest.split("\n\n") if paragraph]
    parts += [_where(item), *_told("Faults", _faults(item)), *_told("Checks", _checks(item))]
    variant = next(iter(item.variants))
    parts.append(f"Run it alone: `ringproof run --scenario {item.name}{f' --variant {variant}' * bool(variant)}`")
    parts.append(f"Source: [{path}](../../{path})")
    return "\n\n".join(parts) + "\n"


def _where(item: Scenario) -> str:
    lines = ["| profile | variants | topologies |", "|---|---|---|"]
    for profile in PROFILES.values():
        mine = [entry for entry in profile.items if entry.scenario == item.name]
        if mine:
            variants = ", ".join(dict.fromkeys(entry.variant or "one" for entry in mine))
            lines.append(f"| {profile.name} | {variants} | {', '.join(dict.fromkeys(e.topology for e in mine))} |")
    return "\n".join(lines) if len(lines) > 2 else f"In no profile. Variants: {_variants(item)}."


def _variants(item: Scenario) -> str:
    return ", ".join(filter(None, item.variants)) or "one"


def _faults(item: Scenario) -> Iterator[tuple[str, str]]:
    for name, value in _used(item.function):
        if inspect.isclass(value) and hasattr(value, "await_effect"):
            yield name, " ".join(_line(part) for part in (inspect.getdoc(value) or "").split("\n\n"))


def _checks(item: Scenario) -> Iterator[tuple[str, str]]:
    used = {name: value for name, value in _used(item.function) if name in checks.__all__}
    for name, value in {**used, "completed": checks.completed}.items():  # which conduct adds to every scenario
        if hasattr(value, "__signature__"):
            yield name, _line((inspect.getdoc(value) or "").split("\n\n")[0])


def _used(function: Any) -> list[tuple[str, Any]]:
    """The globals that a function names, and those of its module's other functions and of shared lists of checks."""
    found: dict[str, Any] = {}
    waiting = [function]
    while waiting:
        current = waiting.pop()
        for name in _names(current.__code__):
            value = current.__globals__.get(name)
            if name in current.__globals__ and name not in found:
                found[name] = value
                if isinstance(value, FunctionType) and (
                    value.__module__ == function.__module__ or value.__annotations__.get("return") == "Checks"
                ):
                    waiting.append(value)
    return sorted(found.items())


def _names(code: CodeType) -> Iterator[str]:
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _names(constant)


def _told(title: str, rows: Iterator[tuple[str, str]]) -> list[str]:
    lines = [f"* `{name}`: {text}" for name, text in rows]
    return [f"## {title}", "\n".join(lines)] if lines else []


def _line(text: str) -> str:
    return " ".join(text.split())


if __name__ == "__main__":
    for written in write():
        print(written.relative_to(ROOT))
