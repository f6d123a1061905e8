"""Jepsen's histories as operations: both notations, what may be missing, and every fault named with its line."""

from __future__ import annotations

import json
import re
import tempfile
from pathlib import Path

import pytest

from clusters.errors import BundleError, UsageError
from scenarios.importing import read_jepsen
from scenarios.importing.forms import Bad, Forms, read_atom

REGISTER = """\
{:process 0, :type :invoke, :f :read, :value nil, :time 1, :index 0}
{:process 1, :type :invoke, :f :write, :value 3, :time 2, :index 1}
{:process :nemesis, :type :info, :f :start, :value {:cut #{"n1" "n2"}}, :index 2}
{:process 1, :type :ok, :f :write, :value 3, :time 3, :index 3}
{:process 0, :type :ok, :f :read, :value 3, :time 4, :index 4}
"""


@pytest.fixture
def history(tmp_path):
    """Write a history and read it."""

    def read(text, model="register", name="history.edn", **asked):
        path = tmp_path / name
        path.write_text(text)
        return read_jepsen(path, model, **asked)

    return read


def told(found):
    return [(item.process, item.f, item.value, item.out, item.outcome) for item in found.operations]


def spans(found):
    return [(item.invoke, item.returned) for item in found.operations]


def test_an_invocation_and_its_completion_are_one_operation(history):
    found = history(REGISTER)

    assert told(found) == [("process 0", "read", None, 3, "ok"), ("process 1", "write", 3, None, "ok")]
    assert spans(found) == [(1, 4), (2, 3)]
    assert (found.left_out, found.truncated, dict(found.names)) == (1, None, {})
    assert {(item.workload, item.key) for item in found.operations} == {("register", 0)}
    assert [item.index for item in found.operations] == [0, 1]


def as_json(text):
    """The maps as lines of JSON."""
    maps = [form for _, form in forms_of(text)]
    plain = [{key: item.strip(":") if isinstance(item, str) else item for key, item in one.items()} for one in maps]
    return [json.dumps(one) for one in plain]


def forms_of(text):
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch) / "forms"
        path.write_text(text)
        return list(Forms(path, Bad(path)))


@pytest.mark.parametrize(
    "wrap",
    [
        lambda lines: "".join(f"{line}\n" for line in lines),
        lambda lines: f"[{', '.join(lines)}]",
        lambda lines: "[" + "\n ".join(lines) + "]\n",
        lambda lines: "[\n" + ",\n".join(lines) + "\n]\n",
    ],
    ids=["lines", "one line", "vector", "array"],
)
def test_edn_and_json_give_the_same_operations_however_they_are_laid_out(history, wrap):
    expected = history(REGISTER).operations

    assert history(wrap(REGISTER.splitlines())).operations == expected
    assert history(wrap(as_json(REGISTER)), name="history.json").operations == expected


def test_a_map_may_be_spread_over_lines_tagged_and_commented(history):
    text = """; a history
#jepsen.history.Op{:process 0, :type :invoke ; sent
   :f :read, :value nil,
   :error [:timeout "a } in a \\" string"] :time 1}
{:process 0 :type :ok :f :read :value 7N :time 2}
"""
    assert told(history(text)) == [("process 0", "read", None, 7, "ok")]
    assert [line for line, _ in forms_of(text)] == [2, 5]


def test_json_over_lines_is_read_too(history):
    maps = [json.loads(line) for line in as_json(REGISTER)]

    assert history(json.dumps(maps, indent=2)).operations == history(REGISTER).operations


@pytest.mark.parametrize(
    ("missing", "expected"),
    [
        ((":time",), [(0, 4_000_000), (1_000_000, 3_000_000)]),
        ((":time", ":index"), [(1_000_000, 4_000_000), (2_000_000, 3_000_000)]),
    ],
)
def test_without_times_the_index_counts_and_without_it_the_order(history, missing, expected):
    text = REGISTER
    for name in missing:
        text = re.sub(rf", {name} \d+", "", text)

    assert spans(history(text)) == expected


def test_what_is_never_completed_is_indeterminate(history):
    text = "{:process 4, :type :invoke, :f :write, :value 1, :time 5}\n"
    assert told(history(text)) == [("process 4", "write", 1, None, "info")]
    assert spans(history(text)) == [(5, None)]


def test_after_an_info_the_same_process_may_go_on(history):
    text = """{:process 0, :type :invoke, :f :cas, :value [1 2], :time 1}
{:process 0, :type :info, :f :cas, :value [1 2], :time 2, :error :timeout}
{:process 0, :type :invoke, :f :cas, :value [2 3], :time 3}
{:process 0, :type :fail, :f :cas, :value [2 3], :time 4}
{:process 0, :type :invoke, :f :cas, :value [0 3], :time 5}
{:process 0, :type :ok, :f :cas, :value [0 3], :time 6}
"""
    assert told(history(text, "cas-register")) == [
        ("process 0", "cas", [1, 2], None, "info"),
        ("process 0", "cas", [2, 3], None, "fail"),
        ("process 0", "cas", [0, 3], {"applied": True}, "ok"),
    ]


def test_keyed_values_are_tuples_of_many_objects(history):
    text = """{:process 0, :type :invoke, :f :append, :value [:y 3], :time 1}
{:process 0, :type :ok, :f :append, :value [:y 3], :time 2}
{:process 0, :type :invoke, :f :read, :value [8 nil], :time 3}
{:process 0, :type :ok, :f :read, :value [8 [1 2]], :time 4}
"""
    found = history(text, "append", keyed=True)

    assert [(item.key, item.value, item.out) for item in found.operations] == [(9, 3, None), (8, None, [1, 2])]


def test_names_are_numbered_in_order_and_beside_the_numbers(history):
    text = """{:process 0, :type :invoke, :f :write, :value :b, :time 1}
{:process 1, :type :invoke, :f :write, :value "b", :time 1}
{:process 2, :type :invoke, :f :write, :value true, :time 1}
{:process 3, :type :invoke, :f :write, :value :b, :time 1}
"""
    assert [item.value for item in history(text, initial=None).operations] == [0, 1, 2, 0]
    found = history(text, initial=":b")
    assert (found.initial, found.names) == (0, {":b": 0, '"b"': 1, "true": 2})
    mixed = history(text.replace("true", "5"), initial=7)
    assert ([item.value for item in mixed.operations], mixed.initial) == ([8, 9, 5, 8], 7)


def test_a_set_is_read_from_any_collection(history):
    text = "{:process 0, :type :invoke, :f :read, :time 1}\n{:process 0, :type :ok, :f :read, :value %s, :time 2}\n"

    for value in ("#{1 2}", "[1 2]", "(1, 2)"):
        assert history(text % value, "set").operations[0].out == [1, 2]
    assert history(text % "nil", "set").operations[0].out == []


@pytest.mark.parametrize("cut", [1, 12, 40, 61])
def test_a_truncated_last_line_is_left_out_and_said(history, cut):
    whole, last = REGISTER.rstrip().rsplit("\n", 1)
    found = history(f"{whole}\n{last[:cut]}")

    assert found.truncated == 5
    assert [item.outcome for item in found.operations] == ["info", "ok"]


@pytest.mark.parametrize("text", ['{:process 1, :error "no', "[{:process 1}"])
def test_a_cut_string_or_vector_is_truncated(tmp_path, text):
    path = tmp_path / "cut.edn"
    path.write_text(text)
    bad = Bad(path)
    forms = Forms(path, bad)
    list(forms)

    assert (forms.truncated, bad.first) == (1, None)


INVOKE = "{:process 9, :type :invoke, :f :read, :value nil, :time 9}\n"


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("{:type :invoke, :f :read}", "the map lacks :process"),
        ("{:process 1, :type :invoke, :time 1}", "lacks :f"),
        ("#_{:process 1}", "#_ takes a form back"),
        ("{:process 1, :f :read, :time 1}", "lacks :type"),
        ("{:process 1, :type :done, :f :read}", ":type done is none of :invoke, :ok, :fail, :info"),
        ("{:process 1, :type :invoke, :f :read}", "no number as :time, which the first one has"),
        ("{:process 1, :type :ok, :f :read, :time 1}", "an :ok of a process that has invoked nothing"),
        ("{:process 9, :type :ok, :f :write, :time 10}", ":ok of write, but read was invoked"),
        ("{:process 1, :type :invoke, :f :cas, :value [1 2], :time 1}", "no :f cas, only read and write; --model cas-"),
        ("{:process 1, :type :invoke, :f :pop, :time 1}", "the model register has no :f pop, only read and write"),
        ("{:process 1, :type :invoke, :f :write, :value [1 2], :time 1}", "no single value; keyed values [key value]"),
        ("{:process 1, :type}", "a key of the map has no value"),
        ("{:process 1, :type [1}]", "} closes ["),
        ("]", "] closes nothing"),
        ("word", "word stands where a map should"),
        ('{:process 1, :type "a}', "a string does not end on its line"),
    ],
)
def test_a_bad_line_is_one_sentence_with_its_place(history, line, said):
    with pytest.raises(BundleError) as refused:
        history(f"{INVOKE}{line}\n")

    assert "history.edn:2: " in str(refused.value)
    assert said in str(refused.value)


def test_bad_lines_are_counted_and_a_bad_invocation_once(history):
    lines = [f"{{:process 1, :type :{kind}, :f :pop, :time {at}}}" for at, kind in enumerate(("invoke", "ok") * 3)]
    with pytest.raises(BundleError, match=r":2: .*only read and write \(3 such lines\), 1 lines have other faults$"):
        history("\n".join([INVOKE.strip(), *lines, "{:f :read}\n"]))


def test_a_map_that_never_ends_is_named_where_it_began(history):
    with pytest.raises(BundleError, match=r"history.edn:2: the map does not end before the next one begins$"):
        history(f"{INVOKE}{{:process 1, :type :invoke,\n{INVOKE.replace('9,', '8,', 1)}")


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        (INVOKE * 2, "edn:2: process 9 invokes read while its read of line 1 is open"),
        (
            INVOKE + "{:process 9, :type :ok, :f :read, :value 1, :time 8}\n",
            "edn:2: process 9 goes back in time, from 9 in line 1 to 8",
        ),
    ],
)
def test_a_process_that_overlaps_itself_or_goes_back_is_refused_with_both_lines(history, lines, said):
    with pytest.raises(BundleError) as refused:
        history(lines)
    assert said in str(refused.value)


@pytest.mark.parametrize(
    ("model", "f", "value", "said"),
    [
        ("cas-register", "cas", "3", ":value 3 of cas is no [old new]"),
        ("counter", "add", ":a", ":value :a of add is no whole number"),
        ("set", "add", "nil", ":value nil of add is no value"),
        ("append", "append", "[1 2]", "keyed values [key value] need --keyed"),
    ],
)
def test_a_value_that_cannot_belong_to_its_operation_is_refused(history, model, f, value, said):
    with pytest.raises(BundleError) as refused:
        history(f"{{:process 1, :type :invoke, :f :{f}, :value {value}, :time 1}}\n", model)
    assert said in str(refused.value)


@pytest.mark.parametrize(("value", "said"), [("5", "is no whole"), ("[1 [2]]", "holds more"), ("[[1]]", "holds more")])
def test_a_read_value_must_fit_the_model(history, value, said):
    model = "set" if value != "5" else "append"
    text = f"{INVOKE}{{:process 9, :type :ok, :f :read, :value {value}, :time 10}}\n"
    with pytest.raises(BundleError, match=said if value != "5" else "is no collection"):
        history(text, model)


def test_keyed_without_tuples_and_answers_for_another_key_are_refused(history):
    with pytest.raises(BundleError, match=r":value nil is no \[key value\]"):
        history(INVOKE, keyed=True)
    keyed = INVOKE.replace("nil", "[1 nil]") + "{:process 9, :type :ok, :f :read, :value [2 0], :time 10}\n"
    with pytest.raises(BundleError, match="the read of key 1 is answered with key 2"):
        history(keyed, keyed=True)


def test_what_is_no_history_is_said(history, tmp_path):
    with pytest.raises(BundleError, match="no operation in it"):
        history("")
    with pytest.raises(BundleError, match="cannot be read"):
        read_jepsen(tmp_path / "nowhere", "register")
    (tmp_path / "odd").write_bytes(b"{:process \xff}")
    with pytest.raises(BundleError, match="not UTF-8"):
        read_jepsen(tmp_path / "odd", "register")
    with pytest.raises(UsageError, match="did you mean cas-register"):
        history(REGISTER, "cas-registr")
    with pytest.raises(UsageError, match=r"--initial: \[1\] is no whole number$"):
        history(REGISTER, "counter", initial=[1])


@pytest.mark.parametrize(
    ("text", "value"),
    [("0", 0), ("-3", -3), ("nil", None), ("[1 2]", [1, 2]), (":a", ":a"), ("1.5", 1.5), ("[1", None), ('"', None)],
)
def test_a_value_of_the_command_line_is_a_form(text, value):
    assert read_atom(text) == value
