"""The page: the same verdict as everywhere, everything escaped, no network, whatever the state of the bundle."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import unquote
from xml.etree import ElementTree as ET

import pytest

from clusters.errors import BundleError
from reports.junit import write_junit
from reports.page import render, write_page
from reports.section import section
from reports.verdicts import read_run
from tests.bundle_records import at, write_json, write_lines
from tests.bundles import IDS, write_run

WORDS = ("valid", "invalid", "unknown", "vacuous")
HEADLINES = {
    "valid": "It held.",
    "invalid": "It did not hold.",
    "unknown": "It could not be judged.",
    "vacuous": "Nothing was put to the test.",
}
ROOT = Path(__file__).parent.parent


class Page(HTMLParser):
    """Collects tags with attributes, and the text of the page without style and script."""

    def __init__(self, content: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words = ""
        self._inside = ""
        self.feed(content)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self._inside = tag

    def handle_endtag(self, tag: str) -> None:
        self._inside = ""

    def handle_data(self, data: str) -> None:
        if self._inside not in ("style", "script"):
            self.words += data

    def named(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]

    def verdicts(self) -> dict[str, str]:
        """The word of each scenario in the table."""
        rows = [one for one in self.named("tr") if "data-v" in one]
        return {str(one["data-s"]).removeprefix("s-"): str(one["data-v"]) for one in rows}


def page_of(folder: Path) -> Page:
    return Page(write_page(folder).read_text("utf-8"))


@pytest.mark.parametrize("word", WORDS)
def test_headline_and_title_begin_with_the_verdict(tmp_path: Path, word: str) -> None:
    content = write_page(write_run(tmp_path / "run", (word,))).read_text("utf-8")
    assert f"<h1>{HEADLINES[word]}</h1>" in content
    assert f"<title>{word}: ringproof run</title>" in content


def test_verdicts_are_equal_in_the_bundle_junit_and_page(tmp_path: Path) -> None:
    folder = write_run(tmp_path / "run")
    stored = {
        path.parent.name: json.loads(path.read_text())["verdict"] for path in folder.glob("scenarios/*/verdict.json")
    }
    assert sorted(stored.values()) == sorted(WORDS)
    assert page_of(folder).verdicts() == stored
    cases = ET.parse(write_junit(folder)).getroot().iter("testcase")
    junit = {
        str(case.get("name")): next(p.get("value") for p in case.iter("property") if p.get("name") == "verdict")
        for case in cases
    }
    assert junit == stored
    assert read_run(folder).verdict == json.loads((folder / "verdict.json").read_text())["verdict"]


def test_the_breach_is_told_with_who_when_which_fault_and_its_operations(tmp_path: Path) -> None:
    words = " ".join(page_of(write_run(tmp_path / "run", ("invalid",))).words.split())
    assert "2 QUORUM operations were acknowledged inside the cut." in words
    where = (
        "First at second 44.560 of the scenario, 24.2 s after F1 took effect (east and west cut apart), east-probe-0"
    )
    assert where in words
    for piece in ("F1 +24.550", "east-probe-0 → east-b-0", "write 1 = 445 at QUORUM", "east-probe-0.jsonl:2674"):
        assert piece in words
    assert "limit 0: 3 of 6 replicas < quorum 4" in words


def test_a_trail_links_the_line_of_the_history(tmp_path: Path) -> None:
    folder = write_run(tmp_path / "run", ("invalid",))
    content = write_page(folder).read_text("utf-8")
    link, line = re.search(r'href="([^"]+east-probe-0\.jsonl)">east-probe-0\.jsonl:(\d+)<', content).groups()  # type: ignore[union-attr]
    record = json.loads((folder / unquote(link)).read_text().splitlines()[int(line) - 1])
    assert (record["type"], record["cl"], record["value"]) == ("invoke", "QUORUM", 445)


def test_the_page_asks_for_nothing_and_runs_only_its_own_script(tmp_path: Path) -> None:
    folder = write_run(tmp_path / "run", (*WORDS, "nested"))
    page = page_of(folder)
    policy = next(
        str(one["content"]) for one in page.named("meta") if one.get("http-equiv") == "Content-Security-Policy"
    )
    assert policy.startswith("default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-")
    assert len(page.named("script")) == 1
    assert not {"src", "srcset", "action", "background"} & {key for _, attributes in page.tags for key in attributes}
    assert not {"img", "link", "iframe", "object", "embed", "form", "base"} & {tag for tag, _ in page.tags}
    for one in page.named("a"):
        target = str(one["href"])
        assert target.startswith("#") or (folder / unquote(target)).is_file(), target


def test_every_fragment_points_to_something(tmp_path: Path) -> None:
    page = page_of(write_run(tmp_path / "run", (*WORDS, "nested")))
    ids = [str(attributes["id"]) for _, attributes in page.tags if attributes.get("id")]
    assert len(ids) == len(set(ids))
    assert {str(one["href"])[1:] for one in page.named("a") if str(one["href"]).startswith("#")} <= set(ids)


def poisoned(value: Any) -> Any:
    """The same JSON with markup in each string that is not a word of the format."""
    if isinstance(value, dict):
        kept = (
            "type",
            "event",
            "state",
            "verdict",
            "system",
            "evidence",
            "cleanup",
            "boot_id",
            "kind",
            "id",
            "process",
        )
        return {key: item if key in kept else poisoned(item) for key, item in value.items()}
    if isinstance(value, list):
        return [poisoned(item) for item in value]
    return f"{value}\"'><script>alert(1)</script><b onclick=x>&{{{{7*7}}}}" if isinstance(value, str) else value


def test_everything_from_the_bundle_is_escaped(tmp_path: Path) -> None:
    folder = write_run(tmp_path / "run", (*WORDS, "nested"))
    for path in folder.rglob("*.json"):
        write_json(path, poisoned(json.loads(path.read_text())))
    for path in folder.rglob("*.jsonl"):
        lines = [json.dumps(poisoned(json.loads(line))) for line in path.read_text().splitlines()]
        path.write_text("\n".join(lines) + "\n")
    page = page_of(folder)
    assert len(page.named("script")) == 1
    assert not [one for _, attributes in page.tags for one in attributes if one.startswith("on")]
    assert "<script>alert(1)</script>" in page.words
    assert "{{7*7}}" in page.words


def test_a_killed_run_is_told_as_not_judged(tmp_path: Path) -> None:
    folder = write_run(tmp_path / "run", ("valid", "invalid", "unknown"), killed=True)
    page = page_of(folder)
    assert page.verdicts() == {IDS["valid"]: "valid", IDS["invalid"]: "invalid", IDS["unknown"]: "not judged"}
    assert "It did not hold, as far as it was judged." in page.words
    assert "of three scenarios one was broken, one was not judged, one held" in page.words
    assert "Its last event is “cleanup”" in page.words


def test_an_empty_folder_has_a_page_and_no_folder_has_an_error(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    assert "No scenario left anything in this folder." in page_of(tmp_path / "run").words
    with pytest.raises(BundleError, match="no run folder"):
        write_page(tmp_path / "absent")


def test_the_same_bundle_gives_the_same_bytes(tmp_path: Path) -> None:
    folder = write_run(tmp_path / "run", ("valid", "nested"))
    first = write_page(folder).read_bytes()
    assert write_page(folder).read_bytes() == first


def test_a_killed_run_of_which_nothing_is_known_is_not_judged(tmp_path: Path) -> None:
    assert "It was not judged." in page_of(write_run(tmp_path / "run", ("valid", "unknown"), killed=True)).words


def test_timers_stand_beside_the_rest_of_the_time_that_the_run_measured(tmp_path: Path) -> None:
    folder = write_run(tmp_path / "run", ("valid",))
    ended = {"event": "scenario", "state": "end", "id": IDS["valid"], "seconds": 64.5, "t": at(64)}
    write_lines(folder / "events.jsonl", [ended])
    found = section(read_run(folder).scenarios[0])
    assert (found.seconds, found.timed, found.rest) == (64.5, 10.2, pytest.approx(54.3))
    assert [(one.what, round(one.seconds, 1)) for one in found.timers] == [("hint dispatch", 10.2)]
    assert [(one.what, round(one.seconds, 1)) for one in found.conditions] == [
        ("every view has the new address", 7.1),
        ("F1 seen to bite", 0.4),
        ("F1 seen to be gone", 11.0),
    ]
    assert found.untold == pytest.approx(54.3 - 18.5)
    words = " ".join(page_of(folder).words.split())
    assert "64.5 s in all: 10.2 s for timers it had to wait for, 54.3 s for the rest." in words


def test_the_first_screen_tells_what_broke_before_on_what(tmp_path: Path) -> None:
    words = page_of(write_run(tmp_path / "run")).words
    assert words.index("What was to be proven") < words.index("What broke") < words.index("On what")


def test_a_nested_verdict_is_shown_and_never_merged(tmp_path: Path) -> None:
    folder = write_run(tmp_path / "run", ("nested",))
    page = page_of(folder)
    assert read_run(folder).verdict == "valid"
    assert "It held." in page.words
    assert "Each has its own verdict, which is never merged into the one above." in page.words
    assert "east-a-0 → west-a-0 was answered by east-b-0, not by west-a-0, in 1 of 1 probes" in page.words


def test_without_room_the_drawings_are_left_out_and_the_page_says_so(tmp_path: Path) -> None:
    run = read_run(write_run(tmp_path / "run", ("valid", "invalid")))
    whole, bare = Page(render(run)), Page(render(run, room=0))
    said = "Its timeline and matrices are left out here"
    assert said not in whole.words
    assert bare.words.count(said) == 2
    assert [one for one in whole.named("div") if one.get("class") == "tl"]
    assert not [one for one in bare.named("div") if one.get("class") == "tl"]
    assert bare.verdicts() == whole.verdicts()


def test_a_page_of_forty_scenarios_stays_below_three_megabytes(tmp_path: Path) -> None:
    folder = write_run(tmp_path / "run", ("invalid",))
    run = read_run(folder)
    run.scenarios = run.scenarios * 40
    assert 1_000_000 < len(render(run).encode()) < 3_000_000


def test_reports_import_without_anything_that_touches_a_ring() -> None:
    program = """
import sys
for name in ("pyroute2", "cassandra", "kubernetes", "pydantic", "tenacity", "dns", "dnslib"):
    sys.modules[name] = None
import reports.page, reports.junit, reports.summary
print(sorted(name for name in sys.modules if name.startswith(("clusters.", "pytest", "fixtures"))))
"""
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.stdout.strip() == "['clusters.cache', 'clusters.errors']", done.stderr
