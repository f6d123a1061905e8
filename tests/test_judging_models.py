"""One object's history against its model: every model right and wrong, in sentences without what the file lacks."""

from __future__ import annotations

import pytest

from clusters.errors import UsageError
from scenarios.importing import SHAPES, read_jepsen
from scenarios.judging_models import MODELS, judge_model


@pytest.fixture
def judged(tmp_path):
    """Judge calls (process, f, value, begin, end, outcome, out) of a file."""

    def judge(model, *calls, initial=None, seconds=None, keyed=False):
        events = []
        for process, f, value, begin, end, *rest in calls:
            outcome, out = (*rest, "ok", value)[:2] if rest else ("ok", value)
            same = f":process {process} :f :{f}"
            events.append((begin, f"{{{same} :type :invoke :value {value} :time {begin}}}"))
            if end is not None:
                events.append((end, f"{{{same} :type :{outcome} :value {out} :time {end}}}"))
        path = tmp_path / "history.edn"
        path.write_text("".join(f"{line}\n" for _, line in sorted(events, key=lambda event: event[0])))
        found = read_jepsen(path, model, keyed=keyed, initial=initial)
        return judge_model(found.operations, model, found.initial, seconds)

    return judge


def read(process, out, begin, end):
    return (process, "read", "nil", begin, end, "ok", out)


GOOD = {
    "register": [(0, "write", 1, 1, 4), read(1, "nil", 2, 3), read(1, 1, 5, 6)],
    "cas-register": [
        (0, "write", 1, 1, 2),
        (1, "cas", "[1 2]", 3, 5),
        (2, "cas", "[1 3]", 3, 6, "fail"),
        read(0, 2, 7, 8),
    ],
    "set": [(0, "add", 1, 1, 2), (1, "add", 2, 1, None), read(2, "#{1}", 3, 4), read(2, "#{1 2}", 5, 6)],
    "counter": [(0, "add", 2, 1, 2), (1, "add", 3, 1, 9), read(2, 2, 3, 4), read(2, 5, 5, 6)],
    "append": [(0, "append", 1, 1, 2), (1, "append", 2, 1, None), read(2, "[1]", 3, 4), read(2, "[1 2]", 5, 6)],
}
BAD = {
    "register": ([(0, "write", 1, 1, 2), read(1, "nil", 3, 4)], "stale-read"),
    "cas-register": ([(0, "write", 1, 1, 2), (1, "cas", "[1 2]", 3, 5), (2, "cas", "[1 3]", 3, 6)], "two-winners"),
    "set": ([(0, "add", 1, 1, 2), read(2, "#{}", 3, 4), read(2, "#{1}", 5, 6)], "stale"),
    "counter": ([(0, "add", 2, 1, 2), read(2, 1, 3, 4)], "under-count"),
    "append": ([(0, "append", 1, 1, 2), read(2, "[]", 3, 4)], "lost"),
}


def test_every_model_that_can_be_read_can_be_judged():
    assert set(MODELS) == set(SHAPES) == set(GOOD) == set(BAD)


@pytest.mark.parametrize("model", MODELS)
def test_what_the_model_allows_is_valid(judged, model):
    result = judged(model, *GOOD[model])

    assert (result.verdict, result.findings) == ("valid", ())


@pytest.mark.parametrize("model", MODELS)
def test_what_it_does_not_allow_is_found(judged, model):
    calls, anomaly = BAD[model]
    result = judged(model, *calls)

    assert result.verdict == "invalid"
    assert anomaly in {finding.anomaly for finding in result.findings}


@pytest.mark.parametrize("model", MODELS)
def test_what_the_file_does_not_have_is_not_told(judged, model):
    calls, _ = BAD[model]
    for finding in judged(model, *calls).findings:
        assert not [word for word in (" ALL", " dc", "key 0", "bucket 0", "counter 0") if word in finding.detail]
        assert finding.who.startswith("process ")
        for operation in finding.operations:
            assert not {"cl", "dc", "stage", "workload", "key"} & operation.keys()
            assert operation["f"] in SHAPES[model]


@pytest.mark.parametrize(
    ("model", "initial", "calls", "verdict"),
    [
        ("register", 7, [read(0, 7, 1, 2)], "valid"),
        ("register", 7, [read(0, "nil", 1, 2)], "invalid"),
        ("set", [4], [read(0, "#{4}", 1, 2)], "valid"),
        ("set", [4], [read(0, "#{}", 1, 2)], "invalid"),
        ("counter", 4, [read(0, 4, 1, 2)], "valid"),
        ("counter", 4, [read(0, 3, 1, 2)], "invalid"),
        ("append", [4, 5], [read(0, "[4 5]", 1, 2)], "valid"),
        ("append", [4, 5], [read(0, "[5 4]", 1, 2)], "invalid"),
    ],
)
def test_the_first_value_counts(judged, model, initial, calls, verdict):
    assert judged(model, *calls, initial=initial).verdict == verdict


@pytest.mark.parametrize(
    ("calls", "anomaly"),
    [
        ([read(1, "#{1}", 3, 4), read(1, "#{}", 5, 6)], "lost"),
        ([read(1, "#{}", 3, 4)], "never-read"),
        ([read(1, "#{1 9}", 3, 4)], "garbage"),
        ([(1, "add", 5, 3, 4, "fail"), read(1, "#{1 5}", 5, 6)], "failed-visible"),
    ],
)
def test_what_a_set_can_miss_or_make_up(judged, calls, anomaly):
    result = judged("set", (0, "add", 1, 1, 2), *calls)

    assert (result.verdict, [finding.anomaly for finding in result.findings]) == ("invalid", [anomaly])
    assert result.counts["findings"] == 1


def test_a_set_read_before_its_elements_were_added_proves_nothing(judged):
    assert judged("set", read(1, "#{}", 1, 2), (0, "add", 1, 3, 4)).verdict == "unknown"


def test_a_counter_read_during_the_adds_needs_no_final_read(judged):
    assert judged("counter", (0, "add", 1, 1, 2), read(1, 1, 3, 4), (0, "add", 1, 5, 6)).verdict == "valid"
    assert judged("counter", (0, "add", -1, 1, 2), read(1, -1, 3, 4)).verdict == "unknown"


def test_keys_are_judged_apart_and_told(judged):
    calls = [(0, "write", "[1 1]", 1, 2), (0, "write", "[2 2]", 3, 4), (1, "read", "[2 nil]", 5, 6, "ok", "[2 1]")]
    (finding,) = judged("register", *calls, keyed=True).findings

    assert finding.detail == "process 1 saw 1 in key 2, which nobody wrote"
    assert finding.operations[0]["key"] == 2


def test_without_time_the_undecided_keys_are_named_and_easy_ones_judged(judged):
    long = [(0, "write", f"[3 {at % 2}]", 10 * at, 10 * at + 1) for at in range(1500)]
    easy = [(1, "write", "[5 1]", 1, 2), (2, "write", "[5 1]", 1, 2), (2, "read", "[5 nil]", 3, 4, "ok", "[5 1]")]
    result = judged("cas-register", *long, *easy, seconds=0, keyed=True)

    assert (result.verdict, result.counts["findings"]) == ("unknown", 0)
    assert result.explain.startswith("key 3: undecided after 0 s, ")
    assert judged("cas-register", *long, *easy, keyed=True).verdict == "valid"


def test_an_unknown_model_is_refused_with_the_nearest():
    with pytest.raises(UsageError, match="no model is called countr; did you mean counter"):
        judge_model([], "countr")
