"""What the documents name exists, the pages of scenarios are those of the code, and the example works as it stands."""

import importlib.util
import re
import sys
from pathlib import Path

import pytest

from ringproof import command, pages
from scenarios import run as running
from scenarios import scenario as registry
from scenarios.conduct import conduct
from tests.ring_fakes import FakePod, fake_ring

ROOT = Path(__file__).parents[1]
DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
EXAMPLE = ROOT / "docs" / "examples" / "host_restart.py"
LINK = re.compile(r"\]\((?!https?://)([^)#]+)")
CODE = re.compile(r"```.*?```|`[^`\n]+`", re.DOTALL)
COMMAND = re.compile(r"(?:^|[`\s/])ringproof ([a-z]+)")
PATH = re.compile(r"`((?:clusters|scenarios|reports|fixtures|suites|ringproof|tests|docs)/[\w./-]*)`")
TARGET = re.compile(r"(?:^|[`\s])make ([a-z-]+)")


def spoken(text: str, pattern: re.Pattern[str]) -> set[str]:
    """What the pattern finds in code blocks and code spans; lines of output, which tell a time or a name, are none."""
    lines = [line for code in CODE.findall(text) for line in code.splitlines()]
    return {found for line in lines for found in pattern.findall(line) if re.match(r"[`$.]|ringproof|make ", line)}


def missing_paths(text: str) -> list[str]:
    return [path for path in PATH.findall(text) if not (ROOT / path).exists()]


def missing_links(document: Path, text: str) -> list[str]:
    return [link for link in LINK.findall(text) if not (document.parent / link).exists()]


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_paths_commands_and_targets_exist(document):
    text = document.read_text()
    targets = set(re.findall(r"^([a-z-]+)(?: [a-z-]+)*:", (ROOT / "Makefile").read_text(), re.MULTILINE)) | {
        "lab-smoke"
    }
    commands = {item.name or item.callback.__name__ for item in command.app.registered_commands} | {"report"}
    commands |= {group.name for group in command.app.registered_groups}

    assert missing_links(document, text) + missing_paths(text) == []
    assert spoken(text, COMMAND) - commands == set()
    assert spoken(text, TARGET) - targets == set()


def test_the_rules_find_what_does_not_exist():
    text = "[gone](gone.md) `ringproof destroy`\n```\nmake nothing   # prose: make it so\nringproof run\n```\n"

    assert missing_links(ROOT / "README.md", text) == ["gone.md"]
    assert missing_paths("`docs/gone.md` `docs/formats.md` `scenarios/<id>`") == ["docs/gone.md"]
    assert spoken(text, COMMAND) == {"destroy", "run"}
    assert "nothing" in spoken(text, TARGET)


def test_pages_of_scenarios_are_those_of_the_code():
    """Written anew by `python -m ringproof.pages`."""
    written = {path.name: path.read_text() for path in pages.FOLDER.glob("*.md")}

    assert written == pages.pages()


class Silent:
    """Clients that ask nothing."""

    def __init__(self, *_given):
        self.reads = []

    def open(self, *_given):
        pass

    def start(self):
        pass

    def stop(self):
        return {}

    def final_reads(self, workloads):
        self.reads.append(workloads)

    def close(self):
        pass


@pytest.fixture
def example(monkeypatch):
    """The example's module; what it registers is forgotten after the test."""
    monkeypatch.setattr(registry, "_REGISTRY", {})
    spec = importlib.util.spec_from_file_location("host_restart", EXAMPLE)
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "host_restart", module)
    spec.loader.exec_module(module)
    return module


def test_the_example_acts_and_builds_its_checks(example, tmp_path, monkeypatch):
    killed = []
    monkeypatch.setattr(running, "Load", Silent)
    monkeypatch.setattr(running, "pause", lambda _seconds: None)
    monkeypatch.setattr(FakePod, "signal", lambda pod, number: killed.append((pod.name, number.name)), raising=False)
    monkeypatch.setattr(example, "await_silence", lambda _ring, hosts, _asked_by: f"{len(hosts)} silent")
    monkeypatch.setattr(example, "await_answers", lambda _ring, hosts, _asked_by, _limit: f"{len(hosts)} answers")

    verdict = conduct(example.host_restart, "", fake_ring(tmp_path / "ring"), tmp_path / "folder", seed=7)

    assert killed == [("east-c-0", "SIGKILL")]
    assert [result.check for result in verdict.checks] == [
        "served",
        "served",
        "no_lost_writes",
        "no_host_died",
        "completed",
    ]
    assert (verdict.evidence.verdict.value, verdict.evidence.explain) == ("valid", "F1: 1 silent")
    assert verdict.system.verdict.value == "vacuous"  # nobody asked anything, so nothing was proven


def test_the_readme_shows_the_example_as_it_is():
    block = re.search(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)[1]

    assert block in EXAMPLE.read_text()
    assert "\n@scenario(" in EXAMPLE.read_text()  # by which scenarios.registered finds a file
