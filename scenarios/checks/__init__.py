"""The checks, as builders of data: `no_lost_writes()` gives the check that the judge will find and run.

Importing this package registers every check. It imports on any system, with the standard library alone.
"""

from scenarios.checks.availability import availability
from scenarios.checks.batches import batches_whole
from scenarios.checks.completion import completed
from scenarios.checks.converged import registers_converged, replicas_converged
from scenarios.checks.counters import counters_bounded
from scenarios.checks.hosts import Expected, no_host_died, outcomes
from scenarios.checks.ledger import no_lost_writes, no_resurrection
from scenarios.checks.linearizable import linearizable
from scenarios.checks.log import append_log
from scenarios.checks.names import resolves, resolves_in_phase
from scenarios.checks.nested import nested
from scenarios.checks.network import echoes, reachable, unreachable
from scenarios.checks.nodes import pods_kept, silence_noticed
from scenarios.checks.placement import lives_once, placed
from scenarios.checks.registers import monotonic_reads, read_your_writes
from scenarios.checks.registry import CheckData, check, run_check
from scenarios.checks.ring import AddressChange, all_alive, hints_drained, one_schema, ring_views, same_identity
from scenarios.checks.service import Excuse, excuse, refused, served, service_as_expected, session_recovers
from scenarios.checks.stable import reads_are_current, stable_latency

__all__ = [
    "AddressChange",
    "CheckData",
    "Excuse",
    "Expected",
    "all_alive",
    "append_log",
    "availability",
    "batches_whole",
    "check",
    "completed",
    "counters_bounded",
    "echoes",
    "excuse",
    "hints_drained",
    "linearizable",
    "lives_once",
    "monotonic_reads",
    "nested",
    "no_host_died",
    "no_lost_writes",
    "no_resurrection",
    "one_schema",
    "outcomes",
    "placed",
    "pods_kept",
    "reachable",
    "read_your_writes",
    "reads_are_current",
    "refused",
    "registers_converged",
    "replicas_converged",
    "resolves",
    "resolves_in_phase",
    "ring_views",
    "run_check",
    "same_identity",
    "served",
    "service_as_expected",
    "session_recovers",
    "silence_noticed",
    "stable_latency",
    "unreachable",
]
