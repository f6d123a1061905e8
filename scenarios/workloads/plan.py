"""From what was declared to the lanes of one client: which behaviours, how fast, under which process names."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence

from clusters.errors import UsageError
from scenarios.workloads import ledger, log, probe, registers
from scenarios.workloads.declared import Declared, Ledger, LwtLog, Probe, Registers
from scenarios.workloads.lanes import Lane
from scenarios.workloads.operation import Levels, Operation, Place
from scenarios.workloads.recorder import Process

MAX_RATE = 250.0  # operations per second of one client: six hosts on two cores keep up, and so does the recorder


def lanes(place: Place, workloads: Sequence[Declared]) -> list[Lane]:
    """All lanes of one client; UsageError when they would ask for more than the client may send, or clash."""
    rate = sum(workload.total_rate for workload in workloads)
    if rate > MAX_RATE:
        raise UsageError(f"the workloads ask for {rate:g} operations per second, a client sends at most {MAX_RATE:g}")
    made = [lane for workload in workloads for lane in _lanes(place, workload)]
    names = [lane.behaviour.name for lane in made]
    twice = {name for name in names if names.count(name) > 1}
    if twice:
        raise UsageError(f"declared twice: {', '.join(sorted(twice))}; give each workload once per client")
    slow = [lane.behaviour.name for lane in made if lane.rate <= 0]
    if slow:
        raise UsageError(f"{', '.join(slow)}: the rate must be above 0")
    return made


def _lanes(place: Place, workload: Declared) -> list[Lane]:
    named = _names(f"{place.datacenter}-{workload.workload}")
    match workload:
        case Ledger():
            each = workload.rate / workload.clients
            return [Lane(writer, each, named) for writer in ledger.behaviours(place, workload)]
        case Registers():
            each = workload.rate / workload.keys
            return [Lane(behaviour, each, named) for behaviour in registers.behaviours(place, workload)]
        case LwtLog():
            each = workload.rate / workload.clients
            return [Lane(worker, each, named, thinks=True) for worker in log.behaviours(place, workload)]
        case Probe():
            questions = [probe.Question(place, lane) for lane in workload.lanes]
            return [Lane(question, question.lane.rate, named, workload.in_flight) for question in questions]


def _names(base: str) -> Callable[[], Process]:
    numbers = itertools.count()
    return lambda: Process(f"{base}-{next(numbers)}")


def final_reads(place: Place, workloads: Sequence[Declared], workload: str, cl: str) -> list[Operation]:
    """The reads that show everything a workload left; UsageError for one that was not declared or has no content."""
    levels = Levels(cl)
    for declared in workloads:
        match declared:
            case Ledger() if workload == "ledger":
                return ledger.final_reads(place, declared, levels)
            case Registers() if workload == "registers":
                return registers.final_reads(place, declared, levels)
            case LwtLog() if workload == "log":
                return log.final_reads(place, declared, levels)
    have = ", ".join(declared.workload for declared in workloads if declared.workload != "probe")
    raise UsageError(f"no final read for workload {workload!r}; this client has: {have or 'none'}")


def first_rows(place: Place, workloads: Sequence[Declared]) -> list[Operation]:
    """The lightweight transactions that prepare the declared workloads; running them twice changes nothing."""
    return [
        operation
        for declared in workloads
        if isinstance(declared, LwtLog)
        for operation in log.creation(place, declared)
    ]
