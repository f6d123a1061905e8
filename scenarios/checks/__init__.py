"""The checks, as builders of data: `no_lost_writes()` gives the check that the judge will find and run.

Importing this package registers every check. It imports on any system, with the standard library alone.
"""

from scenarios.checks.completion import completed
from scenarios.checks.hosts import Expected, no_host_died, outcomes
from scenarios.checks.ledger import no_lost_writes, replicas_converged
from scenarios.checks.log import append_log
from scenarios.checks.names import resolves, resolves_in_phase
from scenarios.checks.nested import nested
from scenarios.checks.network import echoes, reachable, unreachable
from scenarios.checks.registers import monotonic_reads, read_your_writes
from scenarios.checks.registry import CheckData, check, run_check
from scenarios.checks.ring import AddressChange, all_alive, hints_drained, one_schema, ring_views, same_identity
from scenarios.checks.service import Excuse, excuse, refused, served, session_recovers

__all__ = [
    "AddressChange",
    "CheckData",
    "Excuse",
    "Expected",
    "all_alive",
    "append_log",
    "check",
    "completed",
    "echoes",
    "excuse",
    "hints_drained",
    "monotonic_reads",
    "nested",
    "no_host_died",
    "no_lost_writes",
    "one_schema",
    "outcomes",
    "reachable",
    "read_your_writes",
    "refused",
    "replicas_converged",
    "resolves",
    "resolves_in_phase",
    "ring_views",
    "run_check",
    "same_identity",
    "served",
    "session_recovers",
    "unreachable",
]
