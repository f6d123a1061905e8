"""The history file: what writers leave and what readers accept."""

from __future__ import annotations

import json
import threading

import pytest

from clusters.errors import BundleError
from scenarios.history import JsonLines, Segment, read_history, read_records, successor, worker
from tests.histories import operation
from tests.records import anchored, write_lines


def invoke(time, op=1, process="a", **fields):
    known = {"workload": "ledger", "f": "write", "key": 1, "value": op, "cl": "ONE", "dc": "east"}
    return {"type": "invoke", "time": time, "process": process, "op": op, **known, **fields}


def ended(time, op=1, process="a", outcome="ok", **fields):
    return {"type": outcome, "time": time, "process": process, "op": op, **fields}


def test_a_segment_reads_back_as_it_was_written(tmp_path):
    with Segment(tmp_path / "history" / "east-log-0.jsonl", "east-log-0") as segment:
        segment.invoke(1, "log", "append", 3, 77, cl="SERIAL", serial="SERIAL", dc="east", due=5, stage=None)
        segment.complete(1, "ok", out={"applied": True, "version": 1}, coordinator="id-1")
        segment.invoke(2, "log", "read", 3, None, cl="SERIAL", dc="east")
        segment.complete(2, "info", error=["ReadTimeout", "", "SERIAL", "late"], attempted=["10.0.0.1"])

    first, second = read_history(tmp_path / "history")

    assert (first.index, first.process, first.op, first.workload, first.f) == (0, "east-log-0", 1, "log", "append")
    assert (first.key, first.value, first.cl, first.serial, first.dc, first.due) == (
        3,
        77,
        "SERIAL",
        "SERIAL",
        "east",
        5,
    )
    assert (first.outcome, first.out, first.coordinator) == ("ok", {"applied": True, "version": 1}, "id-1")
    assert (second.outcome, second.error) == ("info", ["ReadTimeout", "", "SERIAL", "late"])
    assert first.invoke <= first.returned <= second.invoke <= second.returned


def test_an_invoke_is_in_the_file_before_the_call_returns(tmp_path):
    segment = Segment(tmp_path / "a.jsonl", "a")
    segment.invoke(1, "ledger", "write", 1, 1, cl="ONE", dc="east")

    (operation,) = read_history(tmp_path)

    assert (operation.outcome, operation.returned) == ("info", None)
    segment.close()
    segment.close()


def test_processes_may_share_a_segment_under_their_own_names(tmp_path):
    with Segment(tmp_path / "east-client-0.jsonl", "east-client-0") as segment:
        for process in ("east-probe-0", "east-probe-1"):
            segment.invoke(1, "probe", "read", 1, None, process=process, cl="ONE", dc="east")
        segment.complete(1, "ok", process="east-probe-1", out=5)

    assert [(item.process, item.outcome, item.out) for item in read_history(tmp_path)] == [
        ("east-probe-0", "info", None),
        ("east-probe-1", "ok", 5),
    ]


def test_lines_of_many_threads_never_mix(tmp_path):
    with JsonLines(tmp_path / "observations.jsonl", "run") as lines:
        threads = [
            threading.Thread(target=lambda name=name: [lines.append({"by": name, "n": n}) for n in range(100)])
            for name in range(8)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    records = [record for _, record in read_records(tmp_path / "observations.jsonl")]

    assert len(records) == 800
    assert [record["n"] for record in records if record["by"] == 3] == list(range(100))


def test_segments_are_merged_by_invoke_time(tmp_path):
    write_lines(tmp_path / "a.jsonl", [invoke(30, 1), ended(40, 1), invoke(50, 2), ended(60, 2)])
    write_lines(tmp_path / "b.jsonl", [invoke(20, 1, "b"), ended(55, 1, "b")])

    assert [(item.process, item.op, item.index) for item in read_history(tmp_path)] == [
        ("b", 1, 0),
        ("a", 1, 1),
        ("a", 2, 2),
    ]


def test_a_missing_folder_is_an_empty_history(tmp_path):
    assert read_history(tmp_path / "history") == []


@pytest.mark.parametrize("cut", range(1, 60, 7))
def test_a_torn_last_line_is_dropped(tmp_path, cut):
    path = tmp_path / "a.jsonl"
    write_lines(path, [invoke(1), ended(2), invoke(3, 2), ended(4, 2)])
    content = path.read_bytes()
    last = len(content) - content.rindex(b'{"type": "ok"')
    path.write_bytes(content[: -min(cut + 1, last)])

    first, second = read_history(tmp_path)

    assert first.outcome == "ok"
    assert second.outcome == "info"  # its completion was torn, so nobody knows


def test_a_last_line_that_only_lacks_its_newline_counts(tmp_path):
    path = tmp_path / "a.jsonl"
    write_lines(path, [invoke(1), ended(2)])
    path.write_bytes(path.read_bytes()[:-1])

    assert read_history(tmp_path)[0].outcome == "ok"


def test_a_file_torn_in_its_anchor_holds_nothing(tmp_path):
    (tmp_path / "a.jsonl").write_text(json.dumps(anchored())[:20])
    (tmp_path / "b.jsonl").write_text("")

    assert read_history(tmp_path) == []


@pytest.mark.parametrize(
    ("lines", "complaint"),
    [
        ([anchored(), invoke(1), "{garbage", ended(2)], "a.jsonl:3: not a JSON record"),
        ([anchored(), invoke(1), "[1]", ended(2)], "a.jsonl:3: not a JSON object"),
        ([anchored(), invoke(1), "", ended(2)], "a.jsonl:3: not a JSON record"),
        ([invoke(1), ended(2)], "a.jsonl:1: the first line is not an anchor"),
        ([anchored() | {"schema": 2}], "a.jsonl:1: schema 2 is not known"),
        ([anchored(), ended(2)], "a.jsonl:2: operation 1 of a completes without an invoke"),
        ([anchored(), invoke(1), invoke(2)], "a.jsonl:3: operation 1 of a is invoked twice"),
        ([anchored(), invoke(1), ended(2), ended(3)], "a.jsonl:4: operation 1 of a completes twice"),
        ([anchored(), invoke(5), ended(4)], "a.jsonl:3: operation 1 of a returns before it was invoked"),
        ([anchored(), invoke(1), ended(2, outcome="maybe")], "a.jsonl:3: record type 'maybe'"),
        ([anchored(), {"type": "invoke", "process": "a", "op": 1}], "a.jsonl:2: field 'workload' is missing"),
    ],
)
def test_what_no_client_writes_is_refused_with_file_and_line(tmp_path, lines, complaint):
    text = "".join((line if isinstance(line, str) else json.dumps(line)) + "\n" for line in lines)
    (tmp_path / "a.jsonl").write_text(text)

    with pytest.raises(BundleError, match=complaint):
        read_history(tmp_path)


def test_bytes_that_are_no_text_are_refused_with_their_line(tmp_path):
    write_lines(tmp_path / "a.jsonl", [invoke(1), ended(2)])
    content = (tmp_path / "a.jsonl").read_bytes()
    (tmp_path / "a.jsonl").write_bytes(content.replace(b'"dc": "east"', b'"dc": "e\xffst"'))

    with pytest.raises(BundleError, match=r"a\.jsonl:2: not UTF-8"):
        read_history(tmp_path)


def test_times_of_two_boots_are_never_compared(tmp_path):
    write_lines(tmp_path / "a.jsonl", [invoke(1), ended(2)])
    write_lines(tmp_path / "b.jsonl", [invoke(1, process="b")], boot="another")

    with pytest.raises(BundleError, match=r"b\.jsonl:1: recorded in another boot"):
        read_history(tmp_path)


def test_a_closed_file_can_be_continued(tmp_path):
    for n in (1, 2):
        with JsonLines(tmp_path / "events.jsonl", "run") as lines:
            lines.append({"n": n})

    assert [record["n"] for _, record in read_records(tmp_path / "events.jsonl")] == [1, 2]


def test_a_torn_file_is_not_continued(tmp_path):
    (tmp_path / "events.jsonl").write_text(json.dumps(anchored()) + "\n{torn")

    with pytest.raises(BundleError, match="torn line"):
        JsonLines(tmp_path / "events.jsonl", "run")


def test_a_worker_keeps_its_name_over_its_successions():
    assert successor("east-ledger-0") == "east-ledger-0+1"
    assert successor("east-ledger-0+1") == "east-ledger-0+2"
    assert worker("east-ledger-0+12") == worker("east-ledger-0") == "east-ledger-0"


@pytest.mark.parametrize(("span", "end"), [((3, 5), 5), ((0, 0), 0), ((3, None), 3)])
def test_an_operation_without_a_completion_ended_as_far_as_is_known_when_it_was_sent(span, end):
    assert operation("a", "write", span).ended == end
