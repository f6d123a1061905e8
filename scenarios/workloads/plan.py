"""From what was declared to the lanes of one client: which behaviours, how fast, under which process names."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence

from clusters.errors import UsageError
from scenarios.workloads import batch, cas, counter, ledger, log, probe, registers
from scenarios.workloads.declared import Batch, CasRegister, Counter, Declared, Ledger, LwtLog, Probe, Registers
from scenarios.workloads.lanes import Lane
from scenarios.workloads.operation import Behaviour, Levels, Operation, Place
from scenarios.workloads.recorder import Process
from scenarios.workloads.turns import Turns

MAX_RATE = 250.0  # operations per second of one client: six hosts on two cores keep up, and so does the recorder

NewProcess = Callable[[], Process]


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
            writers = _even(ledger.behaviours(place, workload), workload.rate, named)
            return writers + _reading(ledger.reader(place, workload), workload.reads, named)
        case Registers():
            each = workload.rate / workload.keys
            return [Lane(behaviour, each, named) for behaviour in registers.behaviours(place, workload)]
        case LwtLog():
            return [_meeting(log.Contest(place, workload), workload.rate, workload.clients, named)]
        case CasRegister():
            each = workload.rate / workload.keys
            contests = cas.behaviours(place, workload)
            return [_meeting(contest, each, workload.clients, named) for contest in contests]
        case Counter():
            adders = _even(counter.behaviours(place, workload), workload.rate, named)
            return adders + _reading(counter.reader(place, workload), workload.reads, named)
        case Batch():
            writers = _even(batch.behaviours(place, workload), workload.rate, named)
            return writers + _reading(batch.reader(place, workload), workload.reads, named)
        case Probe():
            questions = [probe.Question(place, lane) for lane in workload.lanes]
            return [Lane(question, question.lane.rate, named, workload.in_flight) for question in questions]


def _even(behaviours: Sequence[Behaviour], rate: float, named: NewProcess) -> list[Lane]:
    """Lanes that share a rate evenly."""
    return [Lane(behaviour, rate / len(behaviours), named) for behaviour in behaviours]


def _meeting(contest: Behaviour, rate: float, clients: int, named: NewProcess) -> Lane:
    """The lane of clients that contend: they send at one moment, and rest when the last was answered."""
    if clients < 1:
        raise UsageError(f"{contest.name}: 1 client or more must contend, not {clients}")
    return Lane(contest, rate, named, in_flight=clients, thinks=True, together=clients)


def _reading(turns: Turns, rate: float, named: NewProcess) -> list[Lane]:
    return [Lane(turns, rate, named)] if rate else []


def _names(base: str) -> NewProcess:
    numbers = itertools.count()
    return lambda: Process(f"{base}-{next(numbers)}")


def final_reads(
    place: Place, workloads: Sequence[Declared], workload: str, cl: str, used: Sequence[Lane] = ()
) -> list[Operation]:
    """The reads that show everything a workload left; UsageError for one that was not declared or has no content.

    ``used`` are the lanes that sent the operations: they know which keys were active.
    """
    levels = Levels(cl)
    for declared in workloads:
        if declared.workload != workload:
            continue
        match declared:
            case Ledger():
                return ledger.final_reads(place, declared, levels)
            case Registers():
                return registers.final_reads(place, declared, levels)
            case LwtLog():
                return log.final_reads(place, declared, levels)
            case CasRegister():
                return cas.final_reads(place, [lane.behaviour for lane in used], levels)
            case Counter():
                return counter.final_reads(place, declared, levels)
            case Batch():
                return batch.final_reads(place, declared, levels)
    have = ", ".join(declared.workload for declared in workloads if declared.workload != "probe")
    raise UsageError(f"no final read for workload {workload!r}; this client has: {have or 'none'}")
