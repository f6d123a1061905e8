import subprocess
import sys
from pathlib import Path

import pytest

from clusters import turns
from clusters.alive import abstract
from clusters.errors import WaitTimeout

ROOT = Path(__file__).parents[1]
HOLD = """
import os, sys
from clusters import turns
turns.NAMES = sys.argv[1]
os.sched_getaffinity = lambda _pid: range(int(sys.argv[2]))
for _ in range(int(sys.argv[3])):
    with turns.machine_turn(lambda text: print("waits", flush=True)):
        print("holds", flush=True)
        sys.stdin.readline()
print("done", flush=True)
"""


class Holder:
    def __init__(self, names, cores=2, times=1):
        line = [sys.executable, "-c", HOLD, names, str(cores), str(times)]
        self.process = subprocess.Popen(line, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT)

    def says(self):
        return self.process.stdout.readline().strip()

    def go_on(self):
        self.process.stdin.write("\n")
        self.process.stdin.flush()

    def end(self):
        self.process.stdin.close()
        self.process.stdout.close()
        self.process.wait(20)


@pytest.fixture
def names(tmp_path):
    return f"test-turn-{tmp_path}"[-60:]


@pytest.fixture
def start(names):
    started = []

    def begin(**how):
        started.append(Holder(names, **how))
        return started[-1]

    yield begin
    for each in started:
        each.end()


def test_one_ring_at_a_time_on_two_cores(start):
    first = start()
    assert first.says() == "holds"
    second = start()
    assert second.says() == "waits"
    first.go_on()
    assert second.says() == "holds"


def test_as_many_as_there_are_cores_for(start):
    holders = [start(cores=5) for _ in range(2)]
    assert [holder.says() for holder in holders] == ["holds", "holds"]
    assert start(cores=5).says() == "waits"


def test_who_meets_another_in_the_door_is_not_told_to_wait(monkeypatch, names):
    monkeypatch.setattr(turns, "NAMES", names)
    passing, told, listened = turns._free(), [], turns._listened
    passing.bind(abstract(f"{names}-door"))

    def seen(name):
        answer = listened(name)
        passing.close()
        return answer

    monkeypatch.setattr(turns, "_listened", seen)
    with turns.machine_turn(told.append):
        assert told == []


def test_who_gives_a_turn_back_does_not_take_it_past_who_waits(start):
    first = start(times=2)
    assert first.says() == "holds"
    second = start()
    assert second.says() == "waits"
    first.go_on()
    assert (first.says(), second.says()) == ("waits", "holds")
    second.go_on()
    assert first.says() == "holds"


def test_the_turn_of_a_killed_process_is_free_at_once(start):
    first = start()
    assert first.says() == "holds"
    first.process.kill()
    first.process.wait(20)
    assert start().says() == "holds"


def test_a_turn_is_given_back_when_the_block_fails(monkeypatch, names):
    monkeypatch.setattr(turns, "NAMES", names)
    told = []
    for _ in range(2):
        with pytest.raises(OSError, match="inside"), turns.machine_turn(told.append):
            raise OSError("inside")
    assert told == []


def test_a_turn_that_never_comes_is_an_error(start, monkeypatch, names):
    assert start().says() == "holds"
    monkeypatch.setattr(turns, "NAMES", names)
    monkeypatch.setattr(turns, "TURN_SECONDS", 0.0)
    monkeypatch.setattr(turns.os, "sched_getaffinity", lambda _pid: range(2))
    with pytest.raises(WaitTimeout, match="a turn"), turns.machine_turn(lambda _text: None):
        raise AssertionError("it must not be given")
