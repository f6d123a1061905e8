"""The local history: what is kept of a run, how long a scenario usually takes, flakes, and what a page shows of it."""

import json
import multiprocessing

import msgspec
import pytest

from reports import trend
from reports.page import render, write_page
from reports.trend import Past, Timed, flake_rate, record, usual_seconds
from reports.verdicts import read_run
from tests.bundles import IDS, write_run

VALID = IDS["valid"]


@pytest.fixture(autouse=True)
def cache(monkeypatch, tmp_path):
    monkeypatch.setenv("RINGPROOF_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def lines(cache):
    return [json.loads(line) for line in (cache / "trend.jsonl").read_text().splitlines()]


def past(number, verdict="valid", seconds=30.0, identity=VALID, measured=20.0, topology="stub-domains", by="lab"):
    return Past(
        time=float(number), run=f"run-{number:02}", id=identity, scenario="s", variant="", topology=topology,
        provider=by, verdict=verdict, seconds=seconds, timed={"back in time": Timed(measured, 33.0)},
    )  # fmt: skip


def keep(cache, *listed):
    cache.mkdir(exist_ok=True)
    (cache / "trend.jsonl").write_bytes(b"".join(msgspec.json.encode(one) + b"\n" for one in listed))


def run_folder(tmp_path, name="run", words=("valid",)):
    folder = write_run(tmp_path / name, words)
    facts = json.loads((folder / "run.json").read_text())
    (folder / "run.json").write_text(json.dumps({**facts, "run_id": name}))
    return folder


def test_a_run_adds_a_line_for_each_scenario_once(tmp_path, cache):
    folder = run_folder(tmp_path, words=("valid", "invalid"))
    record(folder)
    record(folder)

    kept = lines(cache)
    assert {one["id"]: one["verdict"] for one in kept} == {IDS["valid"]: "valid", IDS["invalid"]: "invalid"}
    assert {one["run"] for one in kept} == {"run"}
    assert all(one["check"] and one["provider"] == "lab" and one["schema"] == 1 for one in kept)
    assert set(json.loads((folder / "trend.json").read_text())["scenarios"]) == {IDS["valid"], IDS["invalid"]}


def test_what_was_not_conducted_is_no_run_of_its_scenario(tmp_path, cache):
    folder = run_folder(tmp_path)
    events = folder / "scenarios" / VALID / "events.jsonl"
    events.write_text(events.read_text() + '{"t":1,"event":"error","kind":"broken","text":"not conducted: no ring"}\n')
    record(folder)

    assert lines(cache) == []


def test_runs_that_end_at_once_lose_no_line(tmp_path, cache):
    folders = [run_folder(tmp_path, f"run-{number}") for number in range(6)]
    context = multiprocessing.get_context("spawn")
    started = [context.Process(target=record, args=(folder,)) for folder in folders]
    for one in started:
        one.start()
    for one in started:
        one.join()

    assert sorted(one["run"] for one in lines(cache)) == [folder.name for folder in folders]


def test_the_usual_time_is_the_median_of_the_last_five_that_held(cache):
    assert usual_seconds(VALID) is None
    keep(cache, *(past(number, seconds=float(number)) for number in (90, 1, 2, 3, 4, 5)), past(7, "invalid", 500.0))

    assert usual_seconds(VALID) == 3.0
    assert usual_seconds("another") is None


def test_a_provider_has_its_own_usual_time_and_old_lines_are_of_the_lab(cache):
    old = json.loads(msgspec.json.encode(past(1, seconds=2.0)))
    del old["provider"]
    keep(cache, past(2, seconds=200.0, by="kind"), past(3, seconds=4.0))
    with (cache / "trend.jsonl").open("a") as out:
        out.write(json.dumps(old) + "\n")

    assert usual_seconds(VALID) == 3.0
    assert usual_seconds(VALID, "kind") == 200.0
    assert usual_seconds(VALID, "existing") is None


def test_torn_and_foreign_lines_are_passed_over(cache):
    keep(cache, past(1, seconds=11.0))
    whole = (cache / "trend.jsonl").read_bytes()
    newer = json.dumps({**json.loads(whole), "schema": 2, "seconds": 99.0}).encode()
    (cache / "trend.jsonl").write_bytes(b"\xff\n[]\n" + newer + b"\n" + whole + whole[:40])

    assert usual_seconds(VALID) == 11.0


@pytest.mark.parametrize(
    ("verdicts", "rate"),
    [
        ("", 0.0),
        ("v", 0.0),
        ("vi", 0.0),
        ("vvvvv", 0.0),
        ("vvvvi", 0.0),
        ("vvviii", 0.0),
        ("iiivvvv", 0.0),
        ("vviv", 0.25),
        ("viviv", 0.4),
        ("vvvuvviiii", 0.1),
        ("vvviiivvv", 3 / 9),
    ],
)
def test_a_flake_is_what_neither_one_verdict_nor_one_lasting_change_explains(verdicts, rate):
    assert flake_rate(list(verdicts)) == pytest.approx(rate)


def test_a_page_without_earlier_runs_says_so(tmp_path):
    folder = run_folder(tmp_path)
    assert "No history of earlier runs was kept with this run." in render(read_run(folder))
    record(folder)
    assert "There was no earlier run of these scenarios" in render(read_run(folder))


def test_a_page_draws_the_last_twenty_runs_as_they_were_known_then(tmp_path, cache):
    folder = run_folder(tmp_path)
    topology = read_run(folder).scenarios[0].topology
    keep(cache, *(past(number, "invalid" if number == 20 else "valid", topology=topology) for number in range(30)))
    record(folder)
    page = render(read_run(folder))
    (cache / "trend.jsonl").unlink()
    again = render(read_run(folder))

    assert page == again
    assert "20 runs between" in page
    assert page.count('class="spk"') == 1
    assert '<path class="bad"' in page
    assert f"5{chr(0xA0)}% of 20" in page


def test_runs_on_another_topology_or_provider_are_not_compared(tmp_path, cache):
    folder = run_folder(tmp_path)
    keep(cache, past(1, topology="elsewhere"))
    record(folder)

    assert [one["run"] for one in json.loads((folder / "trend.json").read_text())["scenarios"][VALID]] == ["run"]


def test_a_history_that_cannot_be_written_changes_nothing_but_what_the_page_says(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("RINGPROOF_CACHE", str(tmp_path / "file"))
    folder = run_folder(tmp_path)
    record(folder)

    assert "The history of earlier runs could not be kept" in render(read_run(folder))
    assert usual_seconds(VALID) is None


@pytest.mark.parametrize(
    "content",
    [
        '{"schema": 1, "scenarios": {"x": 7}}',
        '{"schema": 1, "scenarios": {"<b>": [{"time": NaN}]}}',
        '{"schema": 9}',
        "torn {",
        json.dumps({"schema": 1, "why": "<script>x</script>"}),
    ],
)
def test_an_altered_file_never_breaks_the_page(tmp_path, content):
    folder = run_folder(tmp_path)
    (folder / "trend.json").write_text(content)

    page = write_page(folder).read_text()
    assert "<script>x" not in page
    assert 'id="trend"' in page


def test_an_altered_file_is_named_among_what_is_not_as_it_should_be(tmp_path):
    folder = run_folder(tmp_path)
    (folder / "trend.json").write_text('{"schema": 1, "scenarios": {"x": 7}}')

    assert "<code>trend.json</code> altered" in render(read_run(folder))


def test_a_large_file_forgets_its_older_half(tmp_path, cache, monkeypatch):
    monkeypatch.setattr(trend, "LARGEST", 3000)
    keep(cache, *(past(number) for number in range(20)))
    record(run_folder(tmp_path))

    kept = lines(cache)
    assert 5 < len(kept) < 15
    assert kept[-1]["run"] == "run"
