"""Reading a history: what is refused and in which words, what is left out and said, and that blocks do not show."""

from __future__ import annotations

import gc
import json

import pytest

from clusters.errors import BundleError
from scenarios import segments
from scenarios.gates import gates
from scenarios.history import Boot, read_history, read_records
from scenarios.progress import heard
from scenarios.record import Record
from tests.records import Story, anchored, write_lines


def invoke(time, op=1, process="a", **fields):
    known = {"workload": "ledger", "f": "write", "key": 1, "value": op, "cl": "ONE", "dc": "east"}
    return {"type": "invoke", "time": time, "process": process, "op": op, **known, **fields}


def ended(time, op=1, process="a", outcome="ok", **fields):
    return {"type": outcome, "time": time, "process": process, "op": op, **fields}


def lines_of(*records):
    return [record if isinstance(record, str) else json.dumps(record) for record in (anchored(), *records)]


def write_text(path, *records, end="\n"):
    path.write_text("\n".join(lines_of(*records)) + end)


def refusal(folder):
    with pytest.raises(BundleError) as caught:
        read_history(folder)
    return str(caught.value)


def test_a_process_that_overlaps_itself_is_refused_naming_both_operations(tmp_path):
    write_text(tmp_path / "a.jsonl", invoke(1, 1), invoke(2, 1, "b"), invoke(5, 2, f="read", key=4), ended(6, 1))

    assert refusal(tmp_path) == (
        f"{tmp_path.name}/a.jsonl:4: process a overlaps itself: operation 2 (read of key 4, line 4) is invoked while "
        "operation 1 (write of key 1, line 2) is open; record every worker under a process of its own"
    )


def test_times_that_run_backwards_within_a_process_are_refused_naming_both_operations(tmp_path):
    write_text(tmp_path / "a.jsonl", invoke(1), ended(9), invoke(8, 2, key=3), ended(12, 2))

    assert refusal(tmp_path) == (
        f"{tmp_path.name}/a.jsonl:4: the times of process a run backwards: operation 2 (write of key 3, line 4) is "
        "invoked at 8, operation 1 (write of key 1, line 3) had returned at 9; record times of one monotonic clock"
    )


def test_an_operation_may_begin_in_the_nanosecond_in_which_the_one_before_returned(tmp_path):
    write_text(tmp_path / "a.jsonl", invoke(1), ended(9), invoke(9, 2), ended(9, 2))

    assert [(item.op, item.invoke, item.returned) for item in read_history(tmp_path)] == [(1, 1, 9), (2, 9, 9)]


def test_lines_of_different_processes_need_no_order_of_time(tmp_path):
    write_text(tmp_path / "a.jsonl", invoke(30), invoke(20, 2, "b"), ended(25, 2, "b"), ended(40))

    assert [item.process for item in read_history(tmp_path)] == ["b", "a"]


def test_the_last_operation_of_a_process_may_stay_open_and_its_successor_goes_on(tmp_path):
    write_text(tmp_path / "a.jsonl", invoke(1), invoke(5, 2, "a+1"), ended(6, 2, "a+1"))

    assert [(item.process, item.outcome) for item in read_history(tmp_path)] == [("a", "info"), ("a+1", "ok")]


def test_a_process_that_overlaps_itself_across_files_is_refused_naming_both(tmp_path):
    write_text(tmp_path / "a.jsonl", invoke(1), ended(9))
    write_text(tmp_path / "b.jsonl", invoke(2, 1, "z"), invoke(5, 1))

    said = refusal(tmp_path)

    assert said == (
        f"process a overlaps itself: operation 1 (write of key 1, {tmp_path.name}/a.jsonl:2) and operation 1 (write of "
        f"key 1, {tmp_path.name}/b.jsonl:3) are open at once; name it apart in each file"
    )


def test_a_process_may_go_on_in_another_file(tmp_path):
    write_text(tmp_path / "a.jsonl", invoke(10, 2), ended(11, 2))
    write_text(tmp_path / "b.jsonl", invoke(1), ended(9))

    assert [item.op for item in read_history(tmp_path)] == [1, 2]


def test_operations_may_be_numbered_in_any_order_but_once(tmp_path):
    write_text(tmp_path / "a.jsonl", *(line for op in (5, 3, 4) for line in (invoke(1, op), ended(1, op))))
    assert [item.op for item in read_history(tmp_path)] == [3, 4, 5]

    write_text(tmp_path / "a.jsonl", *(line for op in (5, 3, 5) for line in (invoke(1, op), ended(1, op))))
    assert "a.jsonl:6: operation 5 of a is invoked twice" in refusal(tmp_path)

    write_text(tmp_path / "a.jsonl", *(line for op in (5, 3, 6, 3) for line in (invoke(1, op), ended(1, op))))
    assert "a.jsonl:8: operation 3 of a is invoked twice" in refusal(tmp_path)


@pytest.mark.parametrize(
    ("late", "complaint"),
    [
        (ended(5, 1), "a.jsonl:6: operation 1 of a completes twice"),
        (ended(5, 7), "a.jsonl:6: operation 7 of a completes without an invoke"),
        (ended(3, 2), "a.jsonl:6: operation 2 of a returns before it was invoked"),
        (ended(5, 2, "b"), "a.jsonl:6: operation 2 of b completes without an invoke"),
    ],
)
def test_a_completion_of_anything_but_the_open_operation_is_refused(tmp_path, late, complaint):
    write_text(tmp_path / "a.jsonl", invoke(1), ended(2), "", invoke(4, 2), late)
    path = tmp_path / "a.jsonl"
    path.write_text(path.read_text().replace("\n\n", "\n" + json.dumps(anchored()) + "\n"))

    assert complaint in refusal(tmp_path)


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        (invoke("1"), "a.jsonl:3: not a record of a history (Expected `int`, got `str` - at `$.time`)"),
        (invoke(1.5), "a.jsonl:3: not a record of a history (Expected `int`, got `float` - at `$.time`)"),
        (
            invoke(1, key="three"),
            "a.jsonl:3: not a record of a history (Expected `int | null`, got `str` - at `$.key`)",
        ),
        (invoke(1, process=7), "a.jsonl:3: not a record of a history (Expected `str`, got `int` - at `$.process`)"),
        ({"type": "ok", "process": "a", "op": 1}, "a.jsonl:3: field 'time' is missing"),
        ({"type": "ok", "time": 1, "op": 1}, "a.jsonl:3: field 'process' is missing"),
        ({"time": 1}, "a.jsonl:3: record type None is none of anchor, invoke, ok, fail, info"),
        (" ", "a.jsonl:3: not a JSON record"),
        ('"text"', "a.jsonl:3: not a JSON object"),
        (json.dumps(ended(2)) + json.dumps(invoke(3, 2)), "a.jsonl:3: not a JSON record (Extra data"),
        (json.dumps(ended(2)).replace(", ", ",\n", 1), "a.jsonl:3: not a JSON record"),
    ],
)
def test_a_malformed_line_is_refused_with_its_number_and_what_is_wrong(tmp_path, line, complaint):
    write_text(tmp_path / "a.jsonl", invoke(1), line, ended(9))

    assert complaint in refusal(tmp_path)


def test_records_glued_together_are_refused_even_when_as_many_lines_are_empty(tmp_path):
    write_text(tmp_path / "a.jsonl", invoke(1), "", json.dumps(ended(2)) + json.dumps(invoke(3, 2)), ended(9, 2))

    assert "a.jsonl:3: not a JSON record" in refusal(tmp_path)
    assert "(and 1 more of 5 lines cannot be read)" in refusal(tmp_path)


def test_a_record_broken_in_two_is_refused_even_when_two_others_share_a_line(tmp_path):
    glued, broken = json.dumps(ended(2)) + json.dumps(invoke(3, 2)), json.dumps(ended(9, 2)).replace(", ", ",\n", 1)
    write_text(tmp_path / "a.jsonl", invoke(1), glued, broken)

    assert "a.jsonl:3: not a JSON record (Extra data" in refusal(tmp_path)
    assert "(and 2 more of 5 lines cannot be read)" in refusal(tmp_path)


def test_malformed_lines_are_counted(tmp_path):
    write_text(tmp_path / "a.jsonl", invoke(1), "{garbage", ended(2), "[]", {"type": "nothing"})

    said = refusal(tmp_path)

    assert "a.jsonl:3: not a JSON record" in said
    assert said.endswith("(and 2 more of 6 lines cannot be read)")


def test_bytes_that_are_no_text_are_refused_in_fields_that_nobody_reads(tmp_path):
    write_text(tmp_path / "a.jsonl", invoke(1), ended(2, attempted=["10.0.0.1"]))
    content = (tmp_path / "a.jsonl").read_bytes()
    (tmp_path / "a.jsonl").write_bytes(content.replace(b"10.0.0.1", b"10.0.0.\xff"))

    assert "a.jsonl:3: not UTF-8 text" in refusal(tmp_path)


def test_spaces_around_a_record_and_fields_that_are_not_known_are_no_matter(tmp_path):
    write_text(tmp_path / "a.jsonl", "  " + json.dumps(invoke(1, novel=[{"a": "}\n{"}])) + " \r", ended(2, out="ö"))

    (operation,) = read_history(tmp_path)

    assert (operation.outcome, operation.out) == ("ok", "ö")


@pytest.mark.parametrize("block", [1, 7, 64, 300, 1000, 1 << 20])
def test_blocks_do_not_show(tmp_path, block, monkeypatch):
    records = [line for n in range(20) for line in (invoke(n * 3, n, value="ö" * n), ended(n * 3 + 1, n, out=[n]))]
    write_text(tmp_path / "a.jsonl", *records, end="\n{torn")
    whole, boot = read_history(tmp_path), Boot()
    monkeypatch.setattr(segments, "BLOCK", block)

    assert read_history(tmp_path, boot) == whole
    assert [(item.index, item.op, item.value, item.out) for item in whole] == [(n, n, "ö" * n, [n]) for n in range(20)]
    assert boot.torn == [f"{tmp_path.name}/a.jsonl"]


@pytest.mark.parametrize("block", [50, 500])
def test_a_line_keeps_its_number_over_blocks(tmp_path, block, monkeypatch):
    records = [line for n in range(20) for line in (invoke(n * 3, n), ended(n * 3 + 1, n))]
    monkeypatch.setattr(segments, "BLOCK", block)

    write_text(tmp_path / "a.jsonl", *records, "{garbage", invoke(99, 99))
    assert "a.jsonl:42: not a JSON record" in refusal(tmp_path)

    write_text(tmp_path / "a.jsonl", *records, ended(99, 50))
    assert "a.jsonl:42: operation 50 of a completes without an invoke" in refusal(tmp_path)


def test_names_that_return_are_kept_once(tmp_path):
    write_text(
        tmp_path / "a.jsonl", invoke(1), ended(2, coordinator="h-1"), invoke(3, 2), ended(4, 2, coordinator="h-1")
    )

    first, second = read_history(tmp_path)

    for name in ("process", "workload", "f", "cl", "dc", "coordinator"):
        assert getattr(first, name) is getattr(second, name)


@pytest.mark.parametrize("enabled", [True, False])
def test_the_collector_is_as_it_was_after_a_refusal(tmp_path, enabled):
    write_text(tmp_path / "a.jsonl", ended(1))
    try:
        (gc.enable if enabled else gc.disable)()
        refusal(tmp_path)
        assert gc.isenabled() is enabled
    finally:
        gc.enable()


def test_progress_is_told(tmp_path):
    write_text(tmp_path / "a.jsonl", invoke(1), ended(2), invoke(3, 2))
    told = []

    with heard(lambda what, count: told.append((what, count))):
        read_history(tmp_path)

    assert told == [("operations read", 2)]


def test_a_last_line_without_its_newline_is_judged_as_any_other(tmp_path):
    write_text(tmp_path / "a.jsonl", invoke(1), ended(2), ended(3), end="")
    assert "a.jsonl:4: operation 1 of a completes twice" in refusal(tmp_path)

    write_text(tmp_path / "a.jsonl", invoke(1), {"type": "maybe"}, end="")
    assert "a.jsonl:3: record type 'maybe'" in refusal(tmp_path)

    (tmp_path / "a.jsonl").write_text(json.dumps(invoke(1)))
    assert "a.jsonl:1: the first line is not an anchor record" in refusal(tmp_path)

    (tmp_path / "a.jsonl").write_text(json.dumps(anchored() | {"schema": 9}))
    assert "a.jsonl:1: schema 9 is not known" in refusal(tmp_path)


@pytest.mark.parametrize("cut", range(1, 48, 7))
def test_every_torn_file_is_named(tmp_path, cut):
    for name in ("a", "b", "c"):
        write_lines(tmp_path / f"{name}.jsonl", [invoke(1, process=name), ended(2, process=name)])
    for name in ("a", "c"):
        path = tmp_path / f"{name}.jsonl"
        path.write_bytes(path.read_bytes()[: -1 - cut])
    boot = Boot()

    operations = read_history(tmp_path, boot)

    assert [item.outcome for item in operations] == ["info", "ok", "info"]
    assert boot.torn == [f"{tmp_path.name}/a.jsonl", f"{tmp_path.name}/c.jsonl"]


def test_a_whole_file_is_not_called_torn(tmp_path):
    boot = Boot()
    for end in ("\n", ""):
        write_text(tmp_path / "a.jsonl", invoke(1), ended(2), end=end)
        read_history(tmp_path, boot)
        list(read_records(tmp_path / "a.jsonl", boot))

    assert boot.torn == []


def torn_bundle(folder, *names):
    story = Story()
    story.op("east-ledger-0", "ledger write", (1, 2), value=7)
    story.phase("baseline", 0).see("schema", 1, versions=["v"])
    story.write(folder)
    for name in names:
        with (folder / name).open("a") as file:
            file.write('{"type": "inv')
    return Record.load(folder)


def test_a_record_says_what_was_left_out_and_a_gate_shows_it(tmp_path):
    record = torn_bundle(tmp_path / "s", "history/east-ledger-0.jsonl", "events.jsonl")

    shown = gates(record)[-1]

    first, second = record.notes
    assert first == "events.jsonl: the last line is torn and was left out"
    assert second == "history/east-ledger-0.jsonl: the last line is torn and was left out"
    assert shown == {
        "gate": "torn files",
        "subject": "record",
        "measured": 2,
        "limit": 0,
        "passed": False,
        "why": f"{first}; {second}",
    }
    assert [item.outcome for item in record.operations] == ["ok"]


def test_torn_observations_are_noted_once_they_are_read(tmp_path):
    record = torn_bundle(tmp_path / "s", "observations.jsonl")
    assert record.notes == ()

    assert len(record.observations) == 1
    assert record.notes == ("observations.jsonl: the last line is torn and was left out",)


def test_a_whole_record_has_no_notes_and_no_gate_of_torn_files(tmp_path):
    record = torn_bundle(tmp_path / "s")

    assert "torn files" not in [item["gate"] for item in gates(record)]
    assert record.notes == ()


def test_a_torn_file_is_shown_even_when_nothing_was_recorded(tmp_path):
    Story().write(tmp_path / "s")
    with (tmp_path / "s" / "events.jsonl").open("a") as file:
        file.write("{")

    assert [item["gate"] for item in gates(Record.load(tmp_path / "s"))] == ["recorded traffic", "torn files"]
