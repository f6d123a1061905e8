"""The mutation score's own tools: what is drawn, what is left out, when the score is refused, how it is told."""

import json

import pytest

pytest.importorskip("cosmic_ray", reason="installed by `make mutants` alone")

from tests import mutants, mutants_page
from tests.mutants import MODULES, ROOT, Copies, Mutant, Refused, Score, control, recalled, sample

SOURCE = '''"""A module."""

from __future__ import annotations


def more(number: int | None = 3) -> int | str:
    """More."""
    told: int | str = 4
    return number > told
'''


class Judged:
    """Copies whose tests end as told for (the unmutated, the fatal) module."""

    sources = dict.fromkeys(MODULES, SOURCE)

    def __init__(self, unmutated, fatal):
        self.unmutated, self.fatal = unmutated, fatal

    def judge(self, module, code, limit=None):
        return (self.fatal if "known-fatal" in code else self.unmutated), 0.5


def drawn(size=0, seed=1, source=SOURCE):
    return sample("log", source, size, seed)[1]


def test_every_spot_is_drawn_but_those_of_annotations():
    lines = {(item.was, item.now) for item in drawn()}

    assert {now for was, now in lines if was == "return number > told"} >= {"return number < told"}
    assert ("told: int | str = 4", "told: int | str = 5") in lines
    assert not [now for _, now in lines if "int |" not in now and "int" in now]


def test_the_same_seed_draws_the_same():
    assert drawn(4) == drawn(4)
    assert drawn(4) != drawn(4, seed=2)
    assert len({item.code for item in drawn(4)}) == 4


def test_what_does_not_compile_or_changes_nothing_is_no_mutant():
    assert mutants.mutant("log", SOURCE, SOURCE + "# words\n") is None
    assert mutants.mutant("log", SOURCE, SOURCE + "return return\n") is None


def test_a_note_makes_its_mutant_again():
    first = drawn(1)[0]
    note = {"module": "log", "was": first.was, "now": first.now}

    assert recalled(note, SOURCE).now == first.now
    assert recalled(note | {"was": "long gone"}, SOURCE) is None


@pytest.mark.parametrize(
    ("unmutated", "fatal", "why"), [(1, 1, "unmutated"), (None, 1, "unmutated"), (0, 0, "another")]
)
def test_without_controls_there_is_no_score(unmutated, fatal, why):
    with pytest.raises(Refused, match=why):
        control(Judged(unmutated, fatal), "log")


def test_with_controls_the_time_is_known():
    assert control(Judged(0, 2), "log") == 0.5


def test_a_copy_is_mutated_and_the_checkout_is_not(tmp_path, monkeypatch):
    seen = []
    monkeypatch.setattr(mutants, "ROOT", checkout(tmp_path / "checkout"))
    monkeypatch.setattr(mutants, "MODULES", {"log": ("log",)})
    copies = Copies(tmp_path / "copies", 1)
    monkeypatch.setattr(
        mutants, "_tested", lambda copy, files, _limit: seen.append((copy / LOG).read_text()) or (1, 0.1)
    )

    assert copies.judge("log", "mutated") == (1, 0.1)
    assert seen == ["mutated"]
    assert (tmp_path / "checkout" / LOG).read_text() == (tmp_path / "copies" / "0" / LOG).read_text() == "x = 1\n"


LOG = "scenarios/checks/log.py"


def checkout(folder, test="from scenarios.checks import log\n\n\ndef test_one():\n    assert log.x == 1\n"):
    (folder / "scenarios" / "checks").mkdir(parents=True)
    (folder / "tests").mkdir()
    for package in ("scenarios", "scenarios/checks"):
        (folder / package / "__init__.py").touch()
    (folder / LOG).write_text("x = 1\n")
    (folder / "tests" / "test_log.py").write_text(test)
    return folder


@pytest.mark.slow
def test_a_mutant_is_killed_survives_or_runs_out_of_time(tmp_path, monkeypatch):
    monkeypatch.setattr(mutants, "ROOT", checkout(tmp_path / "checkout"))
    monkeypatch.setattr(mutants, "MODULES", {"log": ("log",)})
    copies = Copies(tmp_path / "copies", 1)

    assert copies.judge("log", "x = 1.0\n")[0] == 0
    assert copies.judge("log", "x = 2\n")[0] == 1
    assert copies.judge("log", "while True: pass\n", 3.0)[0] is None


def test_every_module_and_its_tests_exist():
    for module in MODULES:
        assert (ROOT / mutants.path_of(module)).exists()
        assert [name for name in mutants.tests_of(module, ROOT) if not (ROOT / name).exists()] == []


NOTES = [
    {"module": "log", "was": "a", "now": "b", "reason": "equivalent", "why": "both are"},
    {"module": "*", "was": "== 'ok'", "now": ">= 'ok'", "reason": "cost only", "why": "words"},
]


def made(was, now, module="log"):
    return Mutant(module, "", 3, was, now)


def test_survivors_are_told_by_the_notes():
    known = [
        mutants_page.reason(item, NOTES)[0]
        for item in (
            made("a", "b"),
            made("a", "b", "ledger"),
            made("x == 'ok' or y == 'ok'", "x == 'ok' or y >= 'ok'"),
            made("x == 'ok' or y == 'ok'", "x >= 'ok' or y >= 'ok'"),
        )
    ]

    assert known == ["equivalent", "open", "cost only", "open"]


def test_equivalent_mutants_do_not_count_and_costly_ones_do():
    told = Score("log", 100, killed=18, survivors=[made("a", "b"), made("x == 'ok'", "x >= 'ok'"), made("c", "d")])

    assert mutants_page.counted(told, NOTES) == 20
    assert "score 90.0 % (69.9 % to 97.2 %)" in mutants_page.told(told, NOTES)  # Wilson, by hand
    assert mutants_page.opened(told, NOTES) == [made("c", "d")]


def test_modules_are_weighed_by_their_mutants():
    share, low, high = mutants_page.overall(
        [Score("log", 300, killed=10), Score("ledger", 100, 0, 5, 0, [made("c", "d")] * 5)], []
    )

    assert share == pytest.approx(0.875)
    assert low < 0.875 < high < 1


def test_nothing_is_certain_from_nothing():
    assert mutants_page.interval(0, 0) == (0, 1)
    assert mutants_page.interval(5, 5)[1] == 1


def test_the_page_tells_figures_and_reasons(tmp_path):
    (tmp_path / "docs").mkdir()
    notes = [*NOTES, {"module": "log", "was": "e", "now": "", "reason": "killed since", "why": "by a test"}]
    mutants_page.write(
        tmp_path, [Score("log", 100, killed=19, survivors=[made("a", "b")])], notes, {"sample": 20, "seed": 7}
    )
    page = (tmp_path / mutants_page.PAGE).read_text()

    assert "| `scenarios/checks/log.py` | 100 | 20 | 19 | 0 | 1 | 0 | 0 | 100.0 % | 83 to 100 % |" in page
    assert "- `scenarios/checks/log.py:3` `a` -> `b`: equivalent, both are" in page
    assert "- `scenarios/checks/log.py` `e` -> `(removed)`: by a test" in page
    assert "seed 7" in page


def test_every_note_has_a_reason():
    for note in json.loads(mutants_page.NOTES.read_text()):
        assert note["reason"] in {mutants_page.EQUIVALENT, mutants_page.COST, mutants_page.KILLED}
        assert note["why"]
        assert note["module"] in {*MODULES, "*"}
