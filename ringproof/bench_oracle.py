"""What the oracle costs: the reader per line, each checker from decoded operations to its verdict, on one core."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from functools import partial

from ringproof.bench_figures import Figure
from ringproof.bench_files import Deadline, timed
from scenarios.checks import CheckData, append_log, counters_bounded, linearizable, no_lost_writes
from scenarios.checks.linear import Question, judge_key
from scenarios.checks.registry import run_check
from scenarios.history import Operation, Outcome
from scenarios.record import Record, Sources
from scenarios.verdict import Verdict

MILLION = 1_000_000
PART = "oracle, one core"
STEP = 1_000_000
"""Nanoseconds between the invokes of two operations of a key; each is open a little longer, so neighbours overlap."""
OPEN = 1_300_000
HISTORIES, OPERATIONS, CLIENTS, VALUES = 100, 80, 5, 5


def oracle(deadline: Deadline, repeats: int, count: int = MILLION) -> list[Figure]:
    """Seconds from operations to verdict of every linear checker, and of 100 small histories of a CAS register.

    The made histories are valid, except every second of the 100, which has one lie in it.
    """
    figures = []
    for name, data, made in (
        ("register, 1,000 keys", linearizable("registers", concurrency=0), _registers),
        ("append log", append_log(), _log),
        ("ledger", no_lost_writes(), _ledger),
        ("counters", counters_bounded(), _counters),
    ):
        values = deadline.repeated(repeats, partial(_timed, data, _record(list(made(count)))))
        figures.append(Figure(PART, f"{name}, {count:,} operations", "s", tuple(values)))
    histories = [_cas(random.Random(seed), lie=seed % 2 == 1) for seed in range(HISTORIES)]
    question = Question("cas-register", 0)
    values = deadline.repeated(repeats, lambda: timed(lambda: [judge_key(history, question) for history in histories]))
    name = f"{HISTORIES} CAS histories of {2 * OPERATIONS} lines, {CLIENTS} clients, values 0 to {VALUES - 1}"
    return [*figures, Figure(PART, name, "s", tuple(values), "verdicts and counterexamples")]


def _timed(data: CheckData, record: Record) -> float:
    begun = time.perf_counter()
    found = run_check(data, record)
    seconds = time.perf_counter() - begun
    if found.verdict is not Verdict.VALID:
        raise AssertionError(f"{data.id} of a made history is {found.verdict}: {found.explain}")
    return seconds


def _record(operations: list[Operation]) -> Record:
    facts = {"replication": {"east": 3}, "datacenters": ["east"]}
    return Record(facts, Sources(lambda: operations, list, list))


def _operation(
    process: str, call: str, key: int, at: int, told: tuple[object, object], outcome: Outcome = "ok"
) -> Operation:
    """`call` is "workload f", `told` its value and its answer; serial for the log, LOCAL_QUORUM otherwise."""
    workload, f = call.split()
    level, serial = ("SERIAL", "SERIAL") if workload in ("log", "cas") else ("LOCAL_QUORUM", None)
    value, out = told
    return Operation(
        0, process, at, workload, f, key, value, out, level, serial, "east", None, None, None, at, at + OPEN, outcome
    )  # fmt: skip


def _registers(count: int, keys: int = 1000) -> Iterator[Operation]:
    for turn in range(count // keys):
        for key in range(keys):
            written = turn // 4 + 1
            told = ("write", (written, None)) if turn % 4 == 0 else ("read", (None, written))
            at = (turn * 2 if turn % 4 == 0 else turn * 2 + 1) * STEP + key
            yield _operation(f"{told[0]}-{key}-{turn % 4}", f"registers {told[0]}", key, at, told[1])


def _log(count: int, keys: int = 1000) -> Iterator[Operation]:
    for turn in range(count // keys):
        for key in range(keys):
            at, version = 2 * turn * STEP + key, turn + 1
            if turn == count // keys - 1:
                whole = [[older, older] for older in range(1, version)]
                yield _operation(f"reader-{key}", "log read", key, at, (None, whole))
            else:
                answer = {"applied": True, "version": version}
                yield _operation(f"writer-{key}", "log append", key, at, (version, answer))


def _ledger(count: int, buckets: int = 100) -> Iterator[Operation]:
    each = count // buckets
    for number in range(count):
        bucket = number % buckets
        yield _operation(f"writer-{bucket}", "ledger write", bucket, number * 2 * STEP, (number, None))
    for bucket in range(buckets):
        out = list(range(bucket, each * buckets, buckets))
        read = _operation("reader", "ledger read", bucket, (count + bucket) * 2 * STEP, (None, out))
        read.stage = "final"
        yield read


def _counters(count: int, keys: int = 100) -> Iterator[Operation]:
    for turn in range(count // keys):
        for key in range(keys):
            at, last = 2 * turn * STEP + key, turn == count // keys - 1
            reads = turn % 10 == 9 or last
            told = ("read", (None, turn - turn // 10)) if reads else ("add", (1, None))
            item = _operation(f"{told[0]}-{key}", f"counter {told[0]}", key, at, told[1])
            if last:
                item.stage, item.cl = "final", "ALL"
            yield item


def _cas(chance: random.Random, *, lie: bool) -> list[Operation]:
    """Operations of five clients on one key, each taking effect at a moment inside its interval."""
    plans: list[tuple[int, int, int, int]] = []  # effect, invoke, return, client
    for client in range(CLIENTS):
        now = chance.randrange(STEP)
        for _ in range(OPERATIONS // CLIENTS):
            length = 1 + chance.randrange(4 * STEP)
            plans.append((now + chance.randrange(length), now, now + length, client))
            now += length + 1 + chance.randrange(STEP)
    state, made = 0, []
    for _, invoke, returned, client in sorted(plans):
        told = _told(chance, state)
        if told[0] == "cas" and told[2] == {"applied": True}:
            state = told[1][1]  # type: ignore[index]
        item = _operation(f"client-{client}", f"cas {told[0]}", 0, invoke, (told[1], told[2]))
        item.returned = returned
        made.append(item)
    if lie:
        victim = chance.choice([item for item in made if item.f == "read"])
        victim.out = (int(victim.out) + 1 + chance.randrange(VALUES - 1)) % VALUES
    return sorted(made, key=lambda item: item.invoke)


def _told(chance: random.Random, state: int) -> tuple[str, object, object]:
    if chance.random() < 0.5:
        return "read", None, state
    expected, new = chance.randrange(VALUES), chance.randrange(VALUES)
    return "cas", [expected, new], {"applied": True} if expected == state else {"applied": False, "value": state}
