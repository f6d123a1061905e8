"""The mutation score of the checkers: how many small faults in a checker its own tests notice (`make mutants`).

Operators and mutations are cosmic-ray's; sampling, judging and the page are here. Only copies of the checkout are
mutated. A mutant is killed when pytest ends with anything but 0, or not within five times the processor time of the
unmutated run: what else the machine does changes no figure. The score is refused unless each module passes its tests
unmutated, before and after, and dies when it cannot be imported: else the tests would judge another file, or judge by
chance. Hypothesis runs its `ci` profile, so the same seed gives the same figures.
"""

from __future__ import annotations

import argparse
import ast
import compileall
import math
import os
import py_compile
import queue
import random
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from difflib import SequenceMatcher
from pathlib import Path

from cosmic_ray.ast import ast_nodes, get_ast
from cosmic_ray.mutating import mutate_code
from cosmic_ray.operators.operator import Operator
from cosmic_ray.plugins import get_operator, operator_names

from tests import mutants_page

ROOT = Path(__file__).parents[1]
CHECKS = "scenarios/checks"
MODULES: dict[str, tuple[str, ...]] = {
    "linear/intervals": ("linear_intervals", "linear_registers"),
    "linear/registers": ("linear_registers",),
    "linear/rules": ("linear_rules",),
    "linear/search": ("linear_search", "linear_shrink"),
    "linear/shrink": ("linear_shrink",),
    "linear/models": ("linear_rules", "linear_search"),
    "linear/telling": ("linear_rules", "linear_registers"),
    "linear/judging": ("linear_shrink", "linear_search"),
    "linearizable": ("checks_linearizable",),
    "ledger": ("checks_ledger",),
    "log": ("checks_log", "checks_log_random"),
    "registers": ("checks_registers", "checks_sessions"),
    "counters": ("checks_counters",),
    "batches": ("checks_batches",),
    "stable": ("checks_stable",),
    "converged": ("checks_converged",),
    "levels": ("checks_levels", "checks_ledger", "checks_counters"),
    "append_order": ("checks_append_order",),
}
"""Each module below `scenarios/checks` and the test files that judge it; `test_survivors_<module>.py` is added."""

WORKERS = 2
PATIENCE = 5
"""A mutant may take so many times the processor time of the unmutated run; it is killed when it takes longer."""
LONGEST = 60.0
"""Processor seconds for a mutant that was killed before: no module's unmutated run takes a fifth of that."""
WAITING = 60
"""Seconds that may pass for each processor second allowed, for a mutant that waits and does nothing."""
MEMORY = 4 << 30
"""Bytes of address space for one test run: a mutant that never stops to collect must not take the machine."""
SAMPLE = 40
FATAL = '\nraise SystemError("the known-fatal mutant")\n'
LEFT_OUT = shutil.ignore_patterns(".*", "runs", "build", "__pycache__", "docs")


class Refused(Exception):
    """The controls did not hold, so the figures would mean nothing."""


@dataclass(frozen=True, slots=True)
class Mutant:
    """A module with one change: `was` and `now` are the changed lines, `line` is where they begin."""

    module: str
    code: str
    line: int
    was: str
    now: str


@dataclass(slots=True)
class Score:
    """What became of the sample of one module; `population` is how many mutants there are to draw from."""

    module: str
    population: int
    seconds: float = 0.0
    killed: int = 0
    timed_out: int = 0
    survivors: list[Mutant] = field(default_factory=list)

    @property
    def mutants(self) -> int:
        return self.killed + len(self.survivors)


def path_of(module: str) -> str:
    return f"{CHECKS}/{module}.py"


def tests_of(module: str, root: Path) -> list[str]:
    files = [f"tests/test_{name}.py" for name in MODULES[module]]
    extra = f"tests/test_survivors_{module.replace('/', '_')}.py"
    return [extra, *files] if (root / extra).exists() else files


# ------------------------------------------------------------------------------------------------- the mutants
def annotations(source: str) -> list[tuple[tuple[int, int], tuple[int, int]]]:
    """Where type annotations stand: never evaluated, so mutants of them are equivalent."""
    found = []
    for node in ast.walk(ast.parse(source)):
        for name in ("annotation", "returns"):
            if (hint := getattr(node, name, None)) is not None:
                found.append(((hint.lineno, hint.col_offset), (hint.end_lineno, hint.end_col_offset)))
    return found


def spots(source: str) -> Iterator[tuple[type[Operator], int]]:
    """Every operator and occurrence that changes more than a type annotation; operators with arguments ask for names
    of variables and are left out."""
    hints = annotations(source)
    nodes = list(ast_nodes(get_ast(source)))
    for name in sorted(operator_names()):
        operator = get_operator(name)
        if operator.arguments():
            continue
        positions = [position for node in nodes for position in operator().mutation_positions(node)]
        for occurrence, (start, _) in enumerate(positions):
            if not any(first <= start < last for first, last in hints):
                yield operator, occurrence


def mutant(module: str, source: str, code: str | None) -> Mutant | None:
    """None for a change that does not compile or changes nothing."""
    try:
        if code is None or ast.dump(ast.parse(code)) == ast.dump(ast.parse(source)):
            return None
    except SyntaxError:
        return None
    before, after = source.splitlines(), code.splitlines()
    changes = [
        item for item in SequenceMatcher(None, before, after, autojunk=False).get_opcodes() if item[0] != "equal"
    ]
    first, last = changes[0], changes[-1]
    was, now = before[first[1] : last[2]], after[first[3] : last[4]]
    return Mutant(module, code, first[1] + 1, _text(was), _text(now))


def _text(lines: Sequence[str]) -> str:
    return " ".join(" ".join(lines).split())


def sample(module: str, source: str, size: int, seed: int) -> tuple[int, list[Mutant]]:
    """How many mutants there are, and `size` of them (0: all), the same for the same seed."""
    places = list(spots(source))
    random.Random(f"{seed} {module}").shuffle(places)
    drawn: dict[str, Mutant] = {}
    for operator, occurrence in places:
        made = mutant(module, source, mutate_code(source, operator(), occurrence))
        if made is not None:
            drawn.setdefault(made.code, made)
        if size and len(drawn) == size:
            break
    return len(places), list(drawn.values())


def recalled(note: Mapping[str, str], source: str) -> Mutant | None:
    """The mutant that a note tells of, or None when the line is no longer there."""
    for place, line in enumerate(source.splitlines()):
        if _text([line]) == note["was"]:
            lines = source.splitlines()
            lines[place] = line[: len(line) - len(line.lstrip())] + note["now"]
            return mutant(note["module"], source, "\n".join(lines) + "\n")
    return None


# ------------------------------------------------------------------------------------------------- the judging
class Copies:
    """Private copies of the checkout, each used by one worker at a time.

    Their byte code is bound to the sources by hash and never written again: by time, a mutant made within the
    second of another would be judged by the other's.
    """

    def __init__(self, folder: Path, count: int) -> None:
        self._free: queue.Queue[Path] = queue.Queue()
        self.sources: dict[str, str] = {}
        """By module, as copied: the checkout may be worked on meanwhile."""
        for number in range(count):
            copy = folder / str(number)
            shutil.copytree(ROOT, copy, ignore=LEFT_OUT, symlinks=True)
            compileall.compile_dir(copy, quiet=1, invalidation_mode=py_compile.PycInvalidationMode.CHECKED_HASH)
            self._free.put(copy)
            self.sources = {module: (copy / path_of(module)).read_text() for module in MODULES}

    @contextmanager
    def one(self) -> Iterator[Path]:
        """A copy that nobody else uses."""
        copy = self._free.get()
        try:
            yield copy
        finally:
            self._free.put(copy)

    def judge(self, module: str, code: str, limit: float | None = None) -> tuple[int | None, float]:
        """The exit status of the module's tests with `code` in its place (None: not within `limit`), and what it took.

        Both are processor seconds.
        """
        with self.one() as copy:
            place = copy / path_of(module)
            source = place.read_text()
            place.write_text(code)
            try:
                return _tested(copy, tests_of(module, copy), limit)
            finally:
                place.write_text(source)


def _tested(copy: Path, files: Sequence[str], limit: float | None) -> tuple[int | None, float]:
    options = ["-x", "-q", "-p", "no:cacheprovider", "-m", "not slow", "--hypothesis-profile=ci"]
    told = {**os.environ, "PYTHONPATH": str(copy), "PYTHONDONTWRITEBYTECODE": "1"}
    # A group of its own: the tests may have started processes that a time-out must end as well.
    run = subprocess.Popen(
        [sys.executable, "-m", "pytest", *options, *files],
        cwd=copy,
        env=told,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    allowed = math.ceil(LONGEST if limit is None else limit)
    resource.prlimit(run.pid, resource.RLIMIT_CPU, (allowed, allowed + 1))
    with _ended_after(allowed * WAITING, run.pid):
        _, ended, used = os.wait4(run.pid, 0)
    run.returncode = os.waitstatus_to_exitcode(ended)
    with suppress(ProcessLookupError):
        os.killpg(run.pid, signal.SIGKILL)
    late = run.returncode in (-signal.SIGXCPU, -signal.SIGKILL)
    return None if late else run.returncode, used.ru_utime + used.ru_stime


@contextmanager
def _ended_after(seconds: float, group: int) -> Iterator[None]:
    """Kills the process group when the block takes longer."""
    clock = threading.Timer(seconds, os.killpg, (group, signal.SIGKILL))
    clock.start()
    try:
        yield
    finally:
        clock.cancel()


def control(copies: Copies, module: str) -> float:
    """Processor seconds of the unmutated run; Refused when it fails or when a module that cannot be imported passes."""
    source = copies.sources[module]
    status, seconds = copies.judge(module, source)
    if status != 0:
        raise Refused(f"{path_of(module)} fails its own tests unmutated (pytest ended with {status}): no score")
    if copies.judge(module, source + FATAL)[0] == 0:
        raise Refused(f"{path_of(module)} passes its tests although it cannot be imported: they judge another file")
    return seconds


def score(copies: Copies, workers: ThreadPoolExecutor, module: str, size: int, seed: int) -> Score:
    """Draw, control, judge, and control again."""
    population, drawn = sample(module, copies.sources[module], size, seed)
    before = control(copies, module)
    limit = PATIENCE * before
    told = Score(module, population)
    for item, (status, _) in zip(
        drawn, workers.map(lambda made: copies.judge(module, made.code, limit), drawn), strict=True
    ):
        told.timed_out += status is None
        if status == 0:
            told.survivors.append(item)
        else:
            told.killed += 1
    told.seconds = max(before, control(copies, module))
    return told


def again(copies: Copies, workers: ThreadPoolExecutor, notes: Sequence[Mapping[str, str]]) -> None:
    """Refused when a mutant that a test was written for lives."""
    made = [item for note in notes if (item := recalled(note, copies.sources[note["module"]])) is not None]
    for item, (status, _) in zip(
        made, workers.map(lambda item: copies.judge(item.module, item.code, LONGEST), made), strict=True
    ):
        if status == 0:
            raise Refused(f"{path_of(item.module)}:{item.line} `{item.was}` -> `{item.now}` lives again")


def main(given: Sequence[str] | None = None) -> int:
    """0 when every survivor is explained, 1 when some are open, 2 when the score is refused."""
    parser = argparse.ArgumentParser(prog="python -m tests.mutants", description=__doc__.splitlines()[0])
    parser.add_argument(
        "modules", nargs="*", choices=[[], *MODULES], help="below scenarios/checks; all when none is named"
    )
    parser.add_argument("--sample", type=int, default=SAMPLE, help="mutants of each module, 0 for all")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--write", action="store_true", help=f"write {mutants_page.PAGE}")
    asked = parser.parse_args(given)
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, resource.getrlimit(resource.RLIMIT_AS)[1]))
    notes = mutants_page.notes()
    scores = []
    try:
        with tempfile.TemporaryDirectory(prefix="mutants-") as folder, ThreadPoolExecutor(WORKERS) as workers:
            copies = Copies(Path(folder), WORKERS)
            for module in asked.modules or MODULES:
                scores.append(score(copies, workers, module, asked.sample, asked.seed))
                print(mutants_page.told(scores[-1], notes), flush=True)
            again(copies, workers, [note for note in notes if note["reason"] == mutants_page.KILLED])
    except Refused as refusal:
        print(f"refused: {refusal}", file=sys.stderr)
        return 2
    print(mutants_page.summary(scores, notes))
    if asked.write:
        mutants_page.write(ROOT, scores, notes, {"sample": asked.sample or "all", "seed": asked.seed})
    return int(any(mutants_page.opened(item, notes) for item in scores))


if __name__ == "__main__":
    raise SystemExit(main())
