"""From a selection to an exit code: what is refused first, what an early end leaves, and that every ring is closed."""

import io
import json
from pathlib import Path

import pytest
from rich.console import Console

from clusters.errors import EnvironmentUnfit, PlanRefused, UsageError
from clusters.lab.wire import LabGone
from ringproof import running
from ringproof.running import Order, run
from scenarios.index import changes
from scenarios.profiles import Selection
from scenarios.runs import RunBook, close_unfinished, unfinished
from tests.campaigns import MadeUpStanding, made_up  # noqa: F401  a fixture

pytestmark = pytest.mark.usefixtures("made_up")
STUB_ONLY = Selection("smoke")


@pytest.fixture
def out():
    return Console(record=True, width=100, file=io.StringIO())


@pytest.fixture
def conducted(tmp_path, out):
    def conducted(selection=None, seed=7):
        code = run(Order(selection or Selection(), seed, tmp_path / "runs", check=lambda: None), out)
        (folder,) = (tmp_path / "runs").iterdir()
        return code, folder

    return conducted


def verdicts(folder):
    rows = json.loads((folder / "verdict.json").read_text())["scenarios"]
    return {row["folder"]: row["verdict"] for row in rows}


def test_a_valid_run_leaves_everything_and_ends_with_0(conducted, out):
    code, folder = conducted()

    assert code == 0
    assert set(verdicts(folder).values()) == {"valid"}
    assert len(verdicts(folder)) == 6
    facts = json.loads((folder / "run.json").read_text())
    assert (facts["seed"], facts["profile"], facts["exit_code"]) == (7, "change", 0)
    assert facts["ended"] >= facts["started"]
    assert {"report.html", "junit.xml", "events.jsonl"} <= {path.name for path in folder.iterdir()}
    assert json.loads((folder / "topologies/stub-domains/plan.json").read_text())["sound"] is True
    assert {item["path"] for item in json.loads((folder / "index.json").read_text())["files"]} >= {
        "run.json", "verdict.json", "events.jsonl", "topologies/stub-domains/plan.json"
    }  # fmt: skip
    assert changes(folder) == []
    text = out.export_text()
    assert "seed 7" in text
    assert str(folder / "report.html") in text


def test_programs_get_every_event_up_to_the_verdict(tmp_path, out, made_up):  # noqa: F811
    made_up["reschedule"] = "invalid"
    stream = io.StringIO()

    code = run(Order(Selection("smoke"), 7, tmp_path / "runs", check=lambda: None, stream=stream), out)

    first, *between, last = map(json.loads, stream.getvalue().splitlines())
    folder = Path(first["folder"])
    assert (first["event"], first["schema"], first["seed"]) == ("run", 1, 7)
    assert first["items"] == ["baseline-stub-domains", "reschedule-stub-domains"]
    assert {one["in"] for one in between if one["event"] == "phase"} == set(first["items"])
    assert [one["verdict"] for one in between if one.get("state") == "end"] == ["valid", "invalid"]
    verdict = json.loads((folder / "verdict.json").read_text())
    assert {name: value for name, value in last.items() if name not in ("t", "event")} == {**verdict, "exit_code": 1}
    assert (last["event"], code) == ("verdict", 1)


def test_the_screen_hears_what_earlier_runs_took(tmp_path, out):
    order = Order(Selection("smoke"), 7, tmp_path / "runs", check=lambda: None, usual=lambda _identity: 90.0)
    run(order, out)

    text = out.export_text()
    assert "about 3 min left, as earlier runs took" in text
    assert "reschedule on stub-domains (2 of 2, usually 90 s)" in text


def test_each_ring_is_formed_once_and_closed_before_the_next(conducted):
    conducted()

    assert MadeUpStanding.happened == [
        "formed stub-domains",
        "closed stub-domains",
        "formed shared-suffix",
        "closed shared-suffix",
    ]


@pytest.mark.parametrize(
    ("outcome", "code"), [("invalid", 1), ("unknown", 10), ("vacuous", 10), ("unclean", 13), ("valid", 0)]
)
def test_the_exit_code_follows_from_the_verdict(conducted, made_up, outcome, code):  # noqa: F811
    made_up["zone-loss"] = outcome

    assert conducted()[0] == code


def test_an_interruption_closes_the_ring_and_leaves_a_readable_bundle(conducted, made_up, out):  # noqa: F811
    made_up["zone-loss"] = KeyboardInterrupt

    code, folder = conducted()

    assert code == 2
    assert MadeUpStanding.happened == ["formed stub-domains", "closed stub-domains"]
    found = verdicts(folder)
    assert found["baseline-stub-domains"] == "valid"
    assert {found[name] for name in found if not name.startswith(("overlap", "baseline"))} == {"unknown"}
    assert json.loads((folder / "run.json").read_text())["interrupted"] is True
    assert "interrupted" in out.export_text()


@pytest.mark.parametrize(("outcome", "code"), [("valid", 0), ("invalid", 1)])
def test_a_kept_ring_is_held_after_the_report_and_its_end_changes_nothing(tmp_path, out, made_up, outcome, code):  # noqa: F811
    made_up["baseline"] = outcome
    held = []

    def keep(standing, place, console):
        held.append((place, "report.html" in out.export_text(clear=False), list(MadeUpStanding.happened)))
        raise KeyboardInterrupt

    order = Order(Selection("smoke"), 7, tmp_path / "runs", check=lambda: None, keep=keep)

    assert run(order, out) == code
    assert held == [("stub-domains", True, ["formed stub-domains"])]
    assert MadeUpStanding.happened == ["formed stub-domains", "closed stub-domains"]
    assert out.export_text().count("report.html") == 1


def test_what_was_not_conducted_is_never_missed(conducted, made_up):  # noqa: F811
    MadeUpStanding.refuses = {"shared-suffix"}

    code, folder = conducted()

    assert code == 12
    found = verdicts(folder)
    assert found["partition-both-ways-shared-suffix"] == found["dns-failure-servfail-shared-suffix"] == "unknown"
    assert found["zone-loss-frozen-stub-domains"] == "valid"


def test_a_broken_promise_counts_more_than_what_ended_the_run(conducted, made_up):  # noqa: F811
    MadeUpStanding.refuses = {"shared-suffix"}
    made_up["baseline"] = "invalid"

    assert conducted()[0] == 1


def test_a_lab_that_ends_under_a_scenario_costs_only_that_one(conducted, made_up):  # noqa: F811
    made_up["baseline"] = LabGone

    code, folder = conducted(STUB_ONLY)

    assert code == 10
    assert verdicts(folder) == {"baseline-stub-domains": "unknown", "reschedule-stub-domains": "valid"}
    assert MadeUpStanding.happened == ["formed stub-domains", "closed stub-domains"] * 2


def test_an_unfit_machine_is_refused_before_anything_is_made(tmp_path, out):
    def unfit():
        raise EnvironmentUnfit("no namespaces")

    with pytest.raises(EnvironmentUnfit):
        run(Order(Selection(), 7, tmp_path / "runs", check=unfit), out)

    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize(("topology", "error"), [("overlap", PlanRefused), ("stub-domain", UsageError)])
def test_an_unsound_or_unknown_place_is_refused_before_anything_is_made(tmp_path, out, topology, error):
    with pytest.raises(error):
        run(Order(Selection(topologies=(topology,)), 7, tmp_path / "runs", check=lambda: None), out)

    assert not (tmp_path / "runs").exists()


def killed(runs):
    """A run whose process is gone: number 1 lives, but it did not start at tick -1."""
    book = RunBook.open(runs / "20260101T000000Z-dead", {"seed": 1})
    owner = book.facts()["process"]
    book.note(process={**owner, "pid": 1, "start": -1})
    return book


def test_a_run_that_never_ended_is_mentioned_once_more_than_swept(tmp_path, out):
    book = killed(tmp_path / "runs")

    run(Order(STUB_ONLY, 7, tmp_path / "runs", check=lambda: None), out)

    assert f"ringproof judge {book.folder}" in out.export_text().replace("\n", "")
    (book.folder / "topologies" / "t" / "scratch").mkdir(parents=True)
    close_unfinished(book.folder)
    assert list(unfinished(tmp_path / "runs")) == []
    assert book.facts()["ended"] == "killed"
    assert not (book.folder / "topologies" / "t" / "scratch").exists()


def test_a_live_run_is_not_unfinished(tmp_path):
    RunBook.open(tmp_path / "runs" / "live", {"seed": 1})

    assert list(unfinished(tmp_path / "runs")) == []


def test_a_run_that_goes_on_has_no_index(tmp_path):
    (tmp_path / "index.json").write_text("of the session before")
    RunBook.open(tmp_path, {})

    assert not (tmp_path / "index.json").exists()


def test_run_json_is_begun_once_by_whoever_is_first(tmp_path):
    RunBook.open(tmp_path, {"seed": 1})
    RunBook.open(tmp_path, {"seed": 2})

    assert RunBook(tmp_path).facts()["seed"] == 1
    assert [path.name for path in tmp_path.iterdir()] == ["run.json"]


@pytest.mark.parametrize(
    ("ended", "judged", "code"), [(0, 0, 0), (0, 10, 10), (12, 10, 12), (12, 1, 1), (2, 1, 2), (12, 0, 12), (0, 13, 13)]
)
def test_the_worst_of_two_codes(ended, judged, code):
    assert running.worst(ended, judged) == code


@pytest.mark.parametrize("trend", [True, False])
def test_a_run_adds_what_it_found_to_the_history_when_that_is_wanted(tmp_path, out, monkeypatch, trend):
    monkeypatch.setenv("RINGPROOF_CACHE", str(tmp_path / "cache"))
    run(Order(Selection("smoke"), 7, tmp_path / "runs", check=lambda: None, trend=trend), out)

    (folder,) = (tmp_path / "runs").iterdir()
    history = tmp_path / "cache" / "trend.jsonl"
    lines = history.read_text().splitlines() if history.exists() else []
    assert [json.loads(line)["run"] for line in lines] == [folder.name] * (2 if trend else 0)
    assert (folder / "trend.json").exists() is trend
