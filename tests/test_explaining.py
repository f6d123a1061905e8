"""`ringproof explain`: one code, a word, all of them, and the nearest of what does not exist; within 80 columns."""

import io
import tomllib
from pathlib import Path

import pytest
from rich.console import Console

from reports.explained import explained
from ringproof.command import main
from ringproof.explaining import explain
from scenarios.codes import CODES, pages

ROOT = Path(__file__).parents[1]


def printed(asked=None, width=80):
    out = io.StringIO()
    explain(asked, Console(file=out, width=width))
    return out.getvalue()


@pytest.mark.parametrize("asked", ["RP-DNS-002", "rp-dns-002", "wrong-address"])
def test_a_code_and_a_word_print_the_section(asked):
    text = printed(asked)
    assert "RP-DNS-002" in text
    assert "A name gives a wrong address" in text
    assert "Do:" in text
    assert "**" not in text


def test_a_word_of_several_codes_prints_each():
    assert {"RP-DATA-006", "RP-DATA-007", "RP-LIN-003"} <= set(printed("stale-read").split())


def test_all_are_listed_and_no_line_is_wider_than_80_columns():
    text = printed(width=200)
    assert [code for code in CODES if f"{code} " not in text] == []
    assert max(map(len, text.splitlines())) <= 80
    assert max(len(line) for code in CODES for line in printed(code, width=200).splitlines()) <= 80


def test_an_unknown_code_names_the_nearest_and_has_a_code_itself(capsys):
    assert main(["explain", "RP-DNS-009"]) == 4
    said = capsys.readouterr().err
    assert "did you mean RP-DNS-00" in said
    assert said.rstrip().endswith("[RP-USE-002]")


def test_the_nearest_of_a_misspelt_word_are_named(capsys):
    assert main(["explain", "wrong-adress"]) == 4
    assert "RP-DNS-002" in capsys.readouterr().err


def test_every_refusal_of_the_command_ends_in_its_code(capsys):
    assert main(["run", "chnge"]) == 4
    assert capsys.readouterr().err.rstrip().endswith("[RP-USE-002]")
    assert main(["lst"]) == 4
    assert capsys.readouterr().err.rstrip().endswith("[RP-USE-001]")


def test_pages_are_taken_from_the_installed_package_where_there_is_no_checkout(monkeypatch, tmp_path):
    build = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["hatch"]["build"]["targets"]["wheel"]
    assert ROOT / "scenarios" / "codes" / "pages" == ROOT / build["sources"]["docs/codes"] == pages.INSTALLED
    (tmp_path / "one.md").write_text("## RP-DNS-001\n\n**A title.** Words.\n")
    monkeypatch.setattr(pages, "INSTALLED", tmp_path)
    pages.sections.cache_clear()
    try:
        assert [(one.code, one.title) for one in pages.sections().values()] == [("RP-DNS-001", "A title")]
    finally:
        pages.sections.cache_clear()


def test_a_report_explains_its_codes_once_and_escapes():
    found = explained(["RP-FAULT-001", "RP-FAULT-001", "", "RP-ODD-001"])
    assert [one.code for one in found] == ["RP-FAULT-001"]
    assert "<strong>Do:</strong>" in found[0].html
    assert "&lt;pod&gt;" in explained(["RP-HOST-001"])[0].html
