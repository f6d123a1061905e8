"""The habits of the house that no linter knows: sizes, names, words, and which way suites are imported."""

import ast
import re
import statistics
import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

import bootstrap
import fixtures

ROOT = Path(__file__).parents[1]
LIBRARY = ("clusters", "images", "scenarios", "reports", "fixtures", "ringproof")
MODULE_LINES = 500
FUNCTION_LINES = 60
UNDOCUMENTED_LINES = 5
FORBIDDEN_NAMES = re.compile(r"(Manager|Helper|Util|Utils)$|^Base[A-Z]|_impl$|^do_[a-z]")
FORBIDDEN_MODULES = {"base", "common", "helper", "helpers", "manager", "misc", "util", "utils"}
SLEEPERS = {"clusters/waiting.py"}

Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef


def sources(*rooms: str) -> list[Path]:
    found = sorted(file for room in rooms for file in (ROOT / room).rglob("*.py"))
    assert found
    return found


def where(file: Path, node: ast.AST | None = None) -> str:
    return f"{file.relative_to(ROOT)}{f':{node.lineno}' if node else ''}"


def parsed(*rooms: str) -> Iterator[tuple[Path, ast.Module]]:
    for file in sources(*rooms):
        yield file, ast.parse(file.read_text(), str(file))


def lines_of(node: Definition) -> int:
    """Lines of a definition without its docstring: a long guarantee is no long function."""
    docstring = node.body[0] if ast.get_docstring(node, clean=False) is not None else None
    said = docstring.end_lineno - docstring.lineno + 1 if docstring else 0
    return node.end_lineno - node.lineno + 1 - said


def definitions(tree: ast.AST) -> Iterator[Definition]:
    return (node for node in ast.walk(tree) if isinstance(node, Definition))


def functions(tree: ast.AST) -> Iterator[Definition]:
    return (node for node in definitions(tree) if not isinstance(node, ast.ClassDef))


def public(body: list[ast.stmt]) -> Iterator[Definition]:
    """Definitions that an importer may use: at module level, and in the public classes there."""
    for node in body:
        if isinstance(node, Definition) and not node.name.startswith("_"):
            yield node
            if isinstance(node, ast.ClassDef):
                yield from public(node.body)


def overrides(node: Definition) -> bool:
    return any(ast.unparse(mark).split(".")[-1] in {"override", "overload", "setter"} for mark in node.decorator_list)


def long_modules(texts: dict[str, str]) -> list[str]:
    return [name for name, text in texts.items() if text.count("\n") > MODULE_LINES]


def long_functions(tree: ast.Module) -> list[str]:
    return [f"{node.name} ({lines_of(node)})" for node in functions(tree) if lines_of(node) > FUNCTION_LINES]


def undocumented(tree: ast.Module) -> list[str]:
    return [
        node.name
        for node in public(tree.body)
        if lines_of(node) > UNDOCUMENTED_LINES and ast.get_docstring(node) is None and not overrides(node)
    ]


def sleeps(tree: ast.Module) -> list[int]:
    called = [
        node.lineno
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute)
        and node.attr == "sleep"
        and isinstance(node.value, ast.Name)
        and node.value.id in {"time", "asyncio"}
    ]
    imported = [
        node.lineno
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom)
        and node.module in {"time", "asyncio"}
        and any(alias.name == "sleep" for alias in node.names)
    ]
    return sorted(called + imported)


def imports(tree: ast.Module) -> set[str]:
    whole = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    parts = {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.module}
    return {name.split(".")[0] for name in whole | parts}


def project_files() -> list[Path]:
    listed = subprocess.run(
        ["git", "-c", "safe.directory=*", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if listed.returncode != 0:
        pytest.skip("not a git checkout")
    return [ROOT / name for name in listed.stdout.split("\0") if name and (ROOT / name).is_file()]


def test_the_rooms_are_those_of_this_checkout():
    """`fixtures`, `reports` and `scenarios` exist on the package index: another one must never be taken for ours."""
    assert Path(fixtures.__file__).is_relative_to(ROOT)


def test_modules_are_short():
    assert long_modules({where(file): file.read_text() for file in sources(*LIBRARY, "suites", "tests")}) == []


def test_functions_are_short():
    found = {where(file): long_functions(tree) for file, tree in parsed(*LIBRARY, "suites", "tests")}

    assert {name: names for name, names in found.items() if names} == {}


def test_sizes_are_reported(record_testsuite_property):
    """The targets are medians: 150 lines a module, 10 a function; they are told, only the caps above are kept."""
    modules = [file.read_text().count("\n") for file in sources(*LIBRARY) if file.read_text()]
    inside = [lines_of(node) for _, tree in parsed(*LIBRARY) for node in functions(tree)]
    report = {
        "module lines, median (target 150)": statistics.median(modules),
        "function lines, median (target 10)": statistics.median(inside),
        "function lines, 95 % (target 40)": statistics.quantiles(inside, n=20)[-1],
    }
    for name, value in report.items():
        record_testsuite_property(name, value)
        print(f"{name}: {value:.0f}")

    assert all(value > 0 for value in report.values())


def test_names_say_what_a_thing_is():
    named = [
        where(file, node)
        for file, tree in parsed(*LIBRARY, "suites", "tests")
        for node in definitions(tree)
        if FORBIDDEN_NAMES.search(node.name)
    ]
    modules = [where(file) for file in sources(*LIBRARY, "suites") if file.stem in FORBIDDEN_MODULES]

    assert named + modules == []


def test_public_things_say_what_they_guarantee():
    found = {where(file): undocumented(tree) for file, tree in parsed(*LIBRARY)}

    assert {name: names for name, names in found.items() if names} == {}


def test_nothing_sleeps_outside_the_waiting_function():
    found = {where(file): sleeps(tree) for file, tree in parsed(*LIBRARY, "suites", "tests")}

    assert {name for name, lines in found.items() if lines} <= SLEEPERS


def test_nothing_imports_suites_or_tests():
    taken = {where(file): imports(tree) & {"suites", "tests"} for file, tree in parsed(*LIBRARY, "suites")}

    assert {name: rooms for name, rooms in taken.items() if rooms} == {}


def test_suites_take_only_what_the_layers_above_offer():
    taken = {where(file): imports(tree) & {"cassandra", "kubernetes", "pyroute2"} for file, tree in parsed("suites")}

    assert {name: libraries for name, libraries in taken.items() if libraries} == {}


def test_the_way_to_this_checkout_is_written_nowhere():
    named = [
        file.relative_to(ROOT)
        for file in project_files()
        if str(ROOT).encode() in file.read_bytes() or re.search(rb"/(root|home)/\w", file.read_bytes())
    ]

    assert named == []


def test_the_lock_names_no_index_and_pins_every_package_by_hash():
    lock = (ROOT / "requirements.lock").read_text()
    pins = re.findall(r"^[a-z0-9].*?(?=^[a-z0-9]|\Z)", lock, re.DOTALL | re.MULTILINE)

    assert "://" not in lock
    assert pins
    assert [pin for pin in pins if "==" not in pin or "--hash=sha256:" not in pin] == []


def test_the_lock_holds_what_the_project_asks_for():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    pinned = set(re.findall(r"^([a-z0-9-]+)==", (ROOT / "requirements.lock").read_text(), re.MULTILINE))
    asked = {
        re.match(r"[\w.-]+", line)[0].lower().replace(".", "-").replace("_", "-")
        for line in project["dependencies"] + project["optional-dependencies"]["dev"]
    }

    assert asked - pinned == set()


def test_bootstrap_and_project_agree_on_the_interpreters():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]

    assert project["requires-python"] == f">=3.{bootstrap.OLDEST[1]},<3.{bootstrap.NEWEST[1] + 1}"


@pytest.mark.parametrize(
    ("version", "uv", "ensurepip", "said"),
    [
        ((3, 11), None, True, None),
        ((3, 14), "/usr/bin/uv", False, None),
        ((3, 10), "/usr/bin/uv", True, "3.10, ringproof needs 3.11 to 3.14"),
        ((3, 15), None, True, "3.15, ringproof needs 3.11 to 3.14"),
        ((3, 12), None, False, "apt install python3-venv"),
    ],
)
def test_an_unfit_interpreter_is_refused_with_the_fix(version, uv, ensurepip, said):
    refusal = bootstrap.refusal(version, uv, ensurepip)

    assert refusal is None if said is None else said in refusal


def test_a_changed_place_or_lock_makes_the_environment_anew(tmp_path, monkeypatch):
    before = bootstrap.fingerprint()
    lock = tmp_path / "requirements.lock"
    lock.write_text("pytest==9.2.0\n")
    monkeypatch.setattr(bootstrap, "LOCK", str(lock))

    assert bootstrap.fingerprint() != before


BAD = (
    '''
import time
from asyncio import sleep

class RingManager:
    """A bad name."""

    def undocumented(self):
        a = 1
        b = 2
        c = 3
        d = 4
        return a

    def said(self):
        """Fine."""
        time.sleep(1)

def long():
    """Too long."""
'''
    + "    x = 1\n" * (FUNCTION_LINES + 1)
)


def test_the_rules_find_what_they_forbid():
    tree = ast.parse(BAD)

    assert long_functions(tree) == [f"long ({FUNCTION_LINES + 2})"]
    assert undocumented(tree) == ["undocumented"]
    assert sleeps(tree) == [3, 17]
    assert [node.name for node in definitions(tree) if FORBIDDEN_NAMES.search(node.name)] == ["RingManager"]
    assert long_modules({"short": "\n", "long": "\n" * (MODULE_LINES + 1)}) == ["long"]
    assert imports(tree) == {"time", "asyncio"}
