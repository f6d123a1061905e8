"""The general search: hand-written histories with the reason, brute force over every model, budgets, hard cases."""

from __future__ import annotations

import random
import tracemalloc
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clusters.errors import BundleError
from scenarios.checks.linear import MODELS, Budget, Question, judge_key, judge_keys, judging
from scenarios.checks.linear.models import ANY, IMPOSSIBLE, KEEP, OPEN, calls_of
from scenarios.checks.linear.search import Answer, search
from tests import brute, histories
from tests.histories import operation

MIXES = {
    "register": (histories.REGISTER, histories.REPEATING, histories.DELETES),
    "cas-register": (histories.CAS, histories.CAS_REPEATING, histories.DELETES),
    "set": (histories.ELEMENTS,),
    "counter": (histories.COUNTER,),
}
APPLY = {"register": brute.register, "cas-register": brute.register, "set": brute.elements, "counter": brute.counter}


def look(operations, model="cas-register", initial=0, budget=None):
    return search(MODELS[model], calls_of(MODELS[model], operations), initial, budget)


def write(value, start, end, outcome="ok"):
    return operation("w", "write", (start, end), outcome, value=value)


def read(value, start, end):
    return operation("r", "read", (start, end), out=value)


def cas(expected, new, start, end, outcome="ok"):
    out = {"applied": True} if outcome == "ok" else None
    return operation("c", "cas", (start, end), outcome, value=[expected, new], out=out)


def refused(expected, new, shown, start, end):
    return operation("c", "cas", (start, end), value=[expected, new], out={"applied": False, "value": shown})


LEGAL = {
    "nothing happened": [],
    "a chain of cas": [cas(0, 1, 1, 2), cas(1, 2, 3, 4), read(2, 5, 6)],
    "two cas at once, one after the other": [cas(1, 2, 1, 9), cas(0, 1, 1, 9), read(2, 10, 11)],
    "a lost race is a read": [cas(0, 1, 1, 2), refused(0, 5, 1, 3, 4)],
    "a value that comes back": [write(1, 1, 2), write(2, 3, 4), write(1, 5, 6), read(1, 7, 8)],
    "a cas back to the first value": [cas(0, 1, 1, 2), cas(1, 0, 3, 4), read(0, 5, 6)],
    "an open cas took effect, as the reader saw": [cas(0, 1, 1, 2, "info"), read(1, 5, 6)],
    "an open cas did not take effect": [cas(0, 1, 1, 2, "info"), read(0, 5, 6), read(0, 9, 9)],
    "two open calls, one through the other": [cas(0, 1, 1, 2, "info"), cas(1, 2, 1, 2, "info"), read(2, 5, 6)],
    "an open write was overwritten unseen": [write(7, 1, 2, "info"), write(1, 3, 4), read(1, 5, 6)],
    "an open call may come later than others like it": [
        *(cas(0, 1, 1, 2, "info"), cas(0, 1, 1, 2, "info"), write(0, 3, 9), read(1, 4, 5), read(1, 10, 11)),
    ],
    "a write of the value that is there": [write(0, 1, 2), read(0, 3, 4)],
    "a cas of a value to itself": [cas(0, 0, 1, 2), read(0, 3, 4)],
    "touching intervals ran at once": [write(1, 1, 3), read(0, 3, 3)],
}
ILLEGAL = {
    "two winners of one value": ([cas(0, 1, 1, 9), cas(0, 2, 1, 9)], 9),
    "a cas from a value that was never there": ([cas(5, 1, 1, 2)], 2),
    "a lost race that saw an old value": ([cas(0, 1, 1, 2), refused(5, 6, 0, 3, 4)], 4),
    "a refusal by the expected value": ([refused(0, 6, 0, 3, 4)], 4),
    "a stale read": ([write(1, 1, 2), write(2, 3, 4), read(1, 5, 6)], 6),
    "a row that vanished": ([write(1, 1, 2), read(None, 3, 4)], 4),
    "an open call happens once": ([cas(0, 1, 1, 2, "info"), read(1, 3, 4), write(0, 5, 6), read(1, 7, 8)], 8),
    "an open call before it was sent": ([read(1, 1, 2), cas(0, 1, 3, 4, "info")], 2),
    "an open cas needs its value too": ([cas(5, 1, 1, 2, "info"), read(1, 3, 4)], 4),
    "a read that ended before the write": ([read(1, 1, 2), write(1, 3, 4)], 2),
    "what follows is fine": ([read(1, 1, 2), write(1, 3, 4), read(1, 5, 6)], 2),
}


@pytest.mark.parametrize("name", LEGAL)
def test_histories_that_a_register_can_have(name):
    answer = look(LEGAL[name])

    assert (answer.legal, answer.stuck) == (True, OPEN)
    assert brute.linearizable(LEGAL[name], 0)


@pytest.mark.parametrize("name", ILLEGAL)
def test_histories_that_no_register_has(name):
    operations, stuck = ILLEGAL[name]
    answer = look(operations)

    assert (answer.legal, answer.stuck) == (False, stuck)
    assert not brute.linearizable(operations, 0)


def agree(seeds, most):
    legal = 0
    for seed in seeds:
        rng = random.Random(seed)
        model = rng.choice(["register", "cas-register", "cas-register", "cas-register", "set", "counter"])
        mix = rng.choice(MIXES[model])
        operations = histories.simulated(rng, rng.randint(2, most), mix)
        lies = ["shifted", "swapped_reads", "lost_ack", "denied"] if model in ("set", "counter") else histories.LIES
        for _ in range(rng.randint(0, 2)):
            operations = histories.LIES[rng.choice(sorted(lies))](rng, operations)
        answer = look(operations, model, mix.initial)
        assert answer.legal == brute.linearizable(operations, mix.initial, APPLY[model]), seed
        assert judge_key(operations, Question(model, mix.initial)).legal == answer.legal, seed
        legal += answer.legal
    assert 0.2 < legal / len(seeds) < 0.8  # neither answer alone would pass


def test_brute_force_agrees():
    agree(range(2_000), most=10)


@pytest.mark.slow
def test_brute_force_agrees_at_length():
    agree(range(10_000, 30_000), most=11)


def test_stuck_is_where_the_longest_prefix_with_an_order_ends():
    compared = 0
    for seed in range(600):
        rng = random.Random(seed)
        operations = histories.shaken(rng, histories.simulated(rng, 10, histories.CAS), 1)
        answer = look(operations)
        if answer.legal is False:
            compared += 1
            assert brute.linearizable(until(operations, answer.stuck - 1), 0)
            assert not brute.linearizable(until(operations, answer.stuck), 0)
    assert compared > 100


def until(operations, instant):
    """The history as it was known at `instant`: what had not returned was open, what had not begun was not there."""
    return [
        item if item.outcome != "ok" or item.returned <= instant else replace(item, outcome="info")
        for item in operations
        if item.invoke <= instant
    ]


def test_the_budget_ends_in_no_answer():
    operations = [cas(0, 1, 1, 2), cas(1, 2, 3, 4), cas(2, 3, 5, 6), read(3, 7, 8)]
    whole = look(operations)

    assert whole == Answer(legal=True, steps=4)
    assert look(operations, budget=Budget(steps=4)) == whole
    assert look(operations, budget=Budget(steps=3)) == Answer(legal=None, steps=3)
    assert look(operations, budget=Budget(steps=0)) == Answer(legal=None, steps=0)


def entangled(count):
    """Additions that all run at once, and a read that fits no subset of them: every subset must be visited."""
    adds = [operation("a", "add", (1, 2), "info", value=3**number) for number in range(count)]
    return [*adds, operation("r", "read", (5, 6), out=2)]


def test_the_clock_ends_a_search_too():
    answer = look(entangled(40), "counter", 0, Budget(steps=10**9, seconds=0.0))

    assert answer.legal is None
    assert 1000 < answer.steps < 1100


def test_a_key_whose_budget_ended_is_undecided():
    verdict = judge_key(entangled(12), Question("counter", 0, Budget(steps=100)))

    assert (verdict.legal, verdict.findings, verdict.steps) == (None, (), 100)
    assert judge_key(entangled(12), Question("counter", 0)).legal is False


def test_every_subset_is_visited_once():
    assert look(entangled(10), "counter").steps == 2**10 + sum_of_repeats(10)


def sum_of_repeats(count):
    """Arrivals at subsets that were known: each subset of size k is reached k times, all but one of them again."""
    return sum((size - 1) * combinations(count, size) for size in range(2, count + 1))


def combinations(count, size):
    return combinations(count - 1, size - 1) + combinations(count - 1, size) if 0 < size < count else 1


def public_set():
    """100 random histories of 160 lines as the public ones: five clients, values 0 to 4, half with a lie."""
    mix = histories.Mix(
        5, (("read", 4), ("write", 3), ("cas", 3)), info=0.05, fail=0.03, values=5, initial=0, longest=30
    )
    for seed in range(100):
        rng = random.Random(seed)
        operations = histories.simulated(rng, 80, mix)
        yield histories.other_read(rng, operations) if seed % 2 else operations


def test_a_hundred_histories_of_five_clients_cost_few_steps():
    answers = [look(operations) for operations in public_set()]

    assert [answer.legal for answer in answers[::2]] == [True] * 50
    assert sum(answer.legal is False for answer in answers[1::2]) > 15
    assert sum(answer.steps for answer in answers) < 5_200  # 5,142 when written; each step is about 8 microseconds


@pytest.mark.parametrize(
    ("count", "clients", "info", "lie", "most"),
    [
        (5_000, 5, 0.0, False, 2_000),
        (1_000, 20, 0.0, False, 11_400),
        (1_000, 5, 0.1, True, 165),
        (1_000, 20, 0.1, True, 6_300),
    ],
)
def test_length_and_open_calls_cost_little(count, clients, info, lie, most):
    weights = (("read", 4), ("write", 3), ("cas", 3))
    rng = random.Random(3)
    operations = histories.simulated(
        rng, count, histories.Mix(clients, weights, info=info, fail=0.03, initial=0, longest=30)
    )
    if lie:
        operations = histories.other_read(rng, operations)
    answer = look(operations)

    assert answer.legal is not lie
    assert answer.steps < most


def test_memory_stays_below_a_kilobyte_for_each_operation():
    operations = histories.simulated(random.Random(1), 4_000, replace(histories.CAS, clients=5))
    calls = calls_of(MODELS["cas-register"], operations)
    tracemalloc.start()
    search(MODELS["cas-register"], calls, 0)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert peak / len(operations) < 1024


@settings(deadline=None)
@given(st.integers(0, 2**32), st.integers(1, 80), st.sampled_from(["register", "cas-register", "set", "counter"]))
def test_what_an_object_did_is_valid(seed, count, model):
    rng = random.Random(seed)
    mix = rng.choice(MIXES[model])

    assert look(histories.simulated(rng, count, replace(mix, clients=5)), model, mix.initial).legal


@settings(deadline=None)
@given(st.integers(0, 2**32), st.integers(2, 40), st.integers(0, 2))
def test_names_of_values_and_processes_do_not_matter(seed, count, lies):
    rng = random.Random(seed)
    mix = rng.choice([histories.CAS, histories.CAS_REPEATING])
    operations = histories.shaken(rng, histories.simulated(rng, count, mix), lies)
    renamed = [
        replace(item, process=f"west-{item.process}", value=other_name(item.value), out=other_name(item.out))
        for item in operations
    ]

    assert look(operations).legal == look(renamed, initial=other_name(0)).legal


def other_name(value):
    """Every number as another number, in any shape that a value or an answer has."""
    if isinstance(value, list):
        return [other_name(item) for item in value]
    if isinstance(value, dict):
        return {name: item if name == "applied" else other_name(item) for name, item in value.items()}
    return value if value is None else 1000 - 7 * value


@settings(deadline=None)
@given(st.integers(0, 2**32), st.integers(2, 60), st.booleans())
def test_less_knowledge_never_makes_a_valid_history_invalid(seed, count, repeating):
    rng = random.Random(seed)
    operations = histories.simulated(rng, count, histories.CAS_REPEATING if repeating else histories.CAS)
    wider = [
        replace(item, invoke=item.invoke - rng.randrange(9), returned=item.returned + rng.randrange(9))
        for item in operations
    ]
    fewer = [item for item in wider if item.f != "read" or rng.random() < 0.8]

    assert look(wider).legal
    assert look(fewer).legal


@pytest.mark.parametrize("lie", sorted(histories.LIES))
@pytest.mark.parametrize("mix", [histories.CAS, histories.CAS_REPEATING], ids=["unique", "repeating"])
def test_every_lie_is_found_unless_brute_force_excuses_it(lie, mix):
    found = 0
    for seed in range(100):
        rng = random.Random(seed)
        operations = histories.LIES[lie](rng, histories.simulated(rng, 9, mix))
        legal = judge_key(operations, Question("cas-register", 0)).legal
        assert legal == brute.linearizable(operations, 0)
        found += not legal
    assert found >= 3


def test_kinds_of_the_register_models():
    kinds = [
        (read(3, 1, 2), (3, KEEP)),
        (write(3, 1, 2), (ANY, 3)),
        (operation("d", "delete", (1, 2), value=9), (ANY, None)),
        (cas(1, 2, 1, 2), (1, 2)),
        (cas(1, 2, 1, 2, "info"), (1, 2)),
        (refused(1, 2, 7, 1, 2), (7, KEEP)),
        (refused(1, 2, 1, 1, 2), (IMPOSSIBLE, KEEP)),
    ]

    assert [call.kind for call in calls_of(MODELS["cas-register"], [item for item, _ in kinds])] == [
        kind for _, kind in kinds
    ]


def test_calls_are_what_may_have_happened():
    operations = [
        write(1, 1, 2),
        write(2, 3, 4, "info"),
        write(3, 5, 6, "fail"),
        replace(read(None, 7, 8), outcome="info"),
        replace(read(None, 7, 8), outcome="fail"),
        operation("c", "create", (0, 1), value=0),
        operation("c", "create", (0, 1), "info", value=0),
    ]
    calls = calls_of(MODELS["register"], operations)

    assert [(call.invoke, call.end, call.optional) for call in calls] == [(1, 2, False), (3, OPEN, True)]
    assert [call.operation for call in calls] == operations[:2]


@pytest.mark.parametrize(
    ("model", "f"), [("register", "cas"), ("cas-register", "append"), ("set", "cas"), ("counter", "write")]
)
def test_operations_that_a_model_does_not_know_are_refused(model, f):
    strange = operation("east-x", f, (1, 2), value=[1, 2], op=7)

    with pytest.raises(BundleError, match=f"operation 7 of east-x: the model '{model}' has no '{f}'"):
        judge_key([strange], Question(model))


def test_an_answer_without_a_return_time_is_refused():
    with pytest.raises(BundleError, match="operation 3 of w is ok without a return time"):
        calls_of(MODELS["register"], [replace(write(1, 1, 2), returned=None, op=3)])


@pytest.mark.parametrize("model", ["set", "counter"])
def test_objects_start_empty(model):
    empty = operation("r", "read", (1, 2), out=None)

    assert look([empty], model, None).legal
    assert not look([replace(empty, out=[1] if model == "set" else 1)], model, None).legal


def test_a_set_starts_with_the_elements_of_a_list():
    assert look([operation("r", "read", (1, 2), out=[2, 1])], "set", [1, 2]).legal
    assert look([operation("a", "write", (1, 2), value=5), operation("r", "read", (3, 4), out=[5])], "set", []).legal


def test_keys_are_judged_apart_here_and_in_other_processes():
    good, bad = LEGAL["a chain of cas"], ILLEGAL["a stale read"][0]
    groups = {2: good, 1: bad, 3: [read(0, 1, 2)], 4: good}
    question = Question("cas-register", 0)
    here = judge_keys(groups, question)

    assert {key: item.legal for key, item in here.items()} == {2: True, 1: False, 3: True, 4: True}
    assert list(here) == [2, 1, 3, 4]
    assert judge_keys(groups, question, jobs=2) == here


@pytest.mark.parametrize(("jobs", "hard", "workers"), [(8, 3, [3]), (2, 3, [2]), (1, 3, []), (2, 1, []), (2, 0, [])])
def test_processes_are_started_only_for_several_keys_that_need_the_search(monkeypatch, jobs, hard, workers):
    started = []

    class Pool:
        def __init__(self, count, context):
            started.append(count)

        def __enter__(self):
            return self

        def __exit__(self, *error):
            return None

        map = staticmethod(map)

    monkeypatch.setattr(judging, "ProcessPoolExecutor", Pool)
    groups = {number: LEGAL["a chain of cas"] for number in range(hard)} | {"easy": [read(0, 1, 2)]}

    assert all(item.legal for item in judge_keys(groups, Question("cas-register", 0), jobs).values())
    assert started == workers
