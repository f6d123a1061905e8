"""Options, scenarios, checks, anchors and gates that the documents name exist; every question has a sourced answer."""

import inspect
import re
from pathlib import Path

import pytest
import typer.main
from click import Context

from clusters.catalog import named
from ringproof import command
from scenarios import checks, gates, judge
from scenarios.registered import registered
from tests.records import Story
from tests.test_docs import CODE, DOCUMENTS, ROOT
from tests.test_docs import EXAMPLE as SOURCE

CI = sorted(path for path in (ROOT / "docs" / "ci").iterdir() if path.suffix != ".md")
NAMED = {
    "check": re.compile(r"\bchecks? `([a-z_]+)`|`([a-z_]+)` check\b"),
    "scenario": re.compile(r"\bscenario `([a-z-]+)`|`([a-z-]+)` scenario\b"),
}
CALL = re.compile(r"ringproof ([a-z]+)((?: [^\n`#|>]*)?)")
ANCHOR = re.compile(r"\]\(((?!https?://)[^)#]*)#([^)]+)\)")


def names(text: str, what: str) -> set[str]:
    return {first or second for first, second in NAMED[what].findall(text)}


def options(subcommand: str) -> set[str]:
    """Every option of a subcommand; a group's are those of all its members."""
    group = typer.main.get_command(command.app)
    found = group.get_command(Context(group), subcommand)
    members = [found, *getattr(found, "commands", {}).values()]
    return {option for member in members for item in member.params for option in item.opts} | {"--help"}


def wrong_calls(text: str) -> list[str]:
    """Calls whose command, option, scenario or topology does not exist; names in capitals are the reader's own."""
    known = {item.name or item.callback.__name__ for item in command.app.registered_commands}
    known |= {group.name for group in command.app.registered_groups}
    wrong = []
    for name, rest in CALL.findall(text):
        if name not in known:
            wrong.append(name)
            continue
        said = re.split(r"\s--\s", rest)[0]
        wrong += [
            f"{name} {option}" for option in re.findall(r"(?<!\S)\[?(--[a-z]+)", said) if option not in options(name)
        ]
        wrong += [
            item for item in re.findall(r"--scenario ([a-z-]+)", said) if item not in {*registered(), "host-restart"}
        ]
        wrong += [item for item in re.findall(r"--topology ([a-z][\w./-]*)", said) if not exists(item)]
    return wrong


def exists(topology: str) -> bool:
    return (ROOT / topology).is_file() if "/" in topology else bool(named(topology))


def calls(document: Path) -> str:
    text = document.read_text()
    if document.suffix != ".md":
        return text
    return "\n".join(code for code in CODE.findall(text) if "ringproof" in code and "run 2026" not in code)


def slugs(text: str) -> set[str]:
    """The anchors that GitHub makes of headings: lower case, without punctuation, spaces as hyphens."""
    heads = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads}


def wrong_anchors(document: Path, text: str) -> list[str]:
    found = []
    for link, anchor in ANCHOR.findall(text):
        target = (document.parent / link) if link else document
        if anchor not in slugs(target.read_text() if link else text):
            found.append(f"{link}#{anchor}")
    return found


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_names_and_anchors_exist(document):
    text = document.read_text()

    assert names(text, "check") - set(checks.__all__) == set()
    assert names(text, "scenario") - {*registered(), "host-restart"} == set()
    assert wrong_anchors(document, text) == []


@pytest.mark.parametrize("document", [*DOCUMENTS, *CI], ids=lambda path: str(path.relative_to(ROOT)))
def test_options_of_commands_exist(document):
    assert wrong_calls(calls(document)) == []


def test_the_rules_find_what_does_not_exist(tmp_path):
    assert names("the check `gone`, `refused` check", "check") == {"gone", "refused"}
    assert names("scenario `gone`; the `baseline` scenario", "scenario") == {"gone", "baseline"}
    assert wrong_calls("ringproof run --bundle x --seed 3") == ["run --bundle"]
    assert wrong_calls("ringproof destroy --all") == ["destroy"]
    assert wrong_calls("ringproof run --scenario gone --topology docs/gone.yaml") == ["gone", "docs/gone.yaml"]
    assert wrong_calls("ringproof shell --on NAME east-a-0 -- ls --colour") == []
    assert wrong_anchors(tmp_path / "a.md", "# One, two!\n[x](#one-two) [y](#three)") == ["#three"]


def reached(start: Path) -> set[Path]:
    """Every document that can be reached from one by relative links."""
    found, waiting = set(), [start.resolve()]
    while waiting:
        page = waiting.pop()
        if page not in found and page.suffix == ".md":
            found.add(page)
            links = re.findall(r"\]\((?!https?://)([^)#]+)", page.read_text())
            waiting += [(page.parent / link).resolve() for link in links if (page.parent / link).exists()]
    return found


def test_every_page_is_reached_from_the_index():
    assert set((ROOT / "docs").glob("*.md")) - reached(ROOT / "docs" / "README.md") == set()


def test_every_answer_is_short_and_has_a_source():
    sections = (ROOT / "docs" / "faq.md").read_text().split("\n## ")[1:]

    assert len(sections) >= 15
    for section in sections:
        question, _, answer = section.partition("\n")
        told, _, source = answer.strip().partition("\n\nSource: ")
        assert question.endswith("?"), question
        assert source, question
        assert 4 <= len(told.splitlines()) <= 10, question


def test_formats_describe_every_gate():
    """Gates are named by literals in the code, so the documents can be compared with it."""
    source = inspect.getsource(gates) + inspect.getsource(judge)
    made = set(re.findall(r'_row\(\s*"([a-z ]+)"|"gate": "([a-z ]+)"|gate(?:, \w+)? = "([a-z ]+)"', source))
    literal = {name for found in made for name in found if name}
    told = set(re.findall(r"^\| `([a-z ]+)` \|", (ROOT / "docs" / "formats.md").read_text(), re.MULTILINE))

    assert {"torn files", "ok operations", "final reads after heal", "readable history"} <= literal
    assert literal - told == set()
    assert {f"ok operations {when}" for when in ("before", "during", "after")} <= told


def edited(text: str) -> str:
    """The example with the edits that the page asks for; every removed line is in it exactly once."""
    page = (ROOT / "docs" / "write-a-scenario.md").read_text()
    for block in re.findall(r"```diff\n(.*?)```", page, re.DOTALL):
        (old,) = [line[1:] for line in block.splitlines() if line.startswith("-")]
        (new,) = [line[1:] for line in block.splitlines() if line.startswith("+")]
        assert text.count(f"{old}\n") == 1, old
        text = text.replace(f"{old}\n", f"{new}\n")
    return text


def test_the_failure_on_purpose_fails():
    """The edits ask at ALL and claim it; with one replica gone that claim is broken, and only that."""
    text = edited(SOURCE.read_text())
    story = Story().fault("F1", 100, 102, 110, 115)
    for at in range(90, 130):
        dead = 100 <= at < 110
        error = ["WriteTimeout", "SIMPLE", "ALL", "5 of 6"] if dead else None
        story.op("east-probe-0", "probe write", (at, at + 0.2), "info" if dead else "ok", cl="ALL", error=error)

    compile(text, "host_restart.py", "exec")
    assert 'ProbeLane("write", "ALL", 5.0)' in text
    assert 'served(home.name, "ALL")' in text
    result = story.judge(checks.served("east", "ALL"))
    assert (result.verdict, result.measured) == ("invalid", 10)


def test_the_page_shows_the_example_as_it_is():
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "write-a-scenario.md").read_text(), re.DOTALL)

    assert blocks
    assert all(block in SOURCE.read_text() for block in blocks)
