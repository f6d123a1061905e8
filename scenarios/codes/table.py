"""Which code stands for which failure: the one table, plain data.

A code never changes its meaning and is never given again: a failure that is gone leaves its number behind, a new one
gets the next free number of its area. `tests/data/codes.txt` keeps what was ever given out. Every code has a section
of the same name in docs/codes/. A failure is named by what already tells it apart where it is made:

finding:CHECK/ANOMALY   what a finding of a check says (scenarios.checks)
vacuous:CHECK           a check that had nothing to judge
reason:WORD             why something is unknown, or a verdict is vacuous; told apart by its sentence
gate:NAME               a gate that did not pass (scenarios.gates)
fault:WORD, cleanup:WORD, run:WORD   what became of faults, of the clean-up, of the run itself
error:CLASS             an error of the tree in clusters.errors; error:WORD a kind of one, told apart by its sentence
bundle:WORD             what is wrong with a file of a bundle, told apart by its sentence
doctor:ID               a finding of the doctor (clusters.fitness)
plan:CODE               a conflict, an allowance or a warning of the planner (clusters.plan_records)
"""

from __future__ import annotations

from collections.abc import Mapping

_CLIENTS = (
    "no_lost_writes", "no_resurrection", "reads_are_current", "stable_latency", "replicas_converged",
    "registers_converged", "monotonic_reads", "read_your_writes", "append_log", "append_order", "counters_bounded",
    "batches_whole", "served", "refused", "service_as_expected", "session_recovers", "availability",
)  # fmt: skip
_OBSERVERS = (
    "resolves", "resolves_in_phase", "ring_views", "all_alive", "hints_drained", "one_schema", "same_identity",
    "reachable", "unreachable", "echoes", "outcomes", "no_host_died", "completed", "placed", "lives_once",
    "silence_noticed", "pods_kept",
)  # fmt: skip


def _each(anomaly: str, *checks: str) -> tuple[str, ...]:
    return tuple(f"finding:{check}/{anomaly}" for check in checks)


def _vacuous(*checks: str) -> tuple[str, ...]:
    return tuple(f"vacuous:{check}" for check in checks)


_DATA: Mapping[str, tuple[str, ...]] = {
    "RP-DATA-001": (*_each("lost", "no_lost_writes", "batches_whole", "append_order", "reads_are_current"),
                    *_each("never-read", "reads_are_current"), *_each("lost-append", "append_log")),
    "RP-DATA-002": (*_each("resurrected", "no_resurrection", "read_your_writes"),),
    "RP-DATA-003": _each("failed-visible", "no_lost_writes", "batches_whole", "monotonic_reads", "append_log",
                         "append_order", "linearizable"),
    "RP-DATA-004": _each("garbage", "no_lost_writes", "batches_whole", "monotonic_reads", "append_log", "append_order",
                         "linearizable", "registers_converged"),
    "RP-DATA-005": (*_each("future", "no_lost_writes", "batches_whole"),
                    *_each("future-read", "monotonic_reads", "append_log", "append_order", "linearizable")),
    "RP-DATA-006": _each("stale-read", "monotonic_reads"),
    "RP-DATA-007": _each("stale-read", "read_your_writes"),
    "RP-DATA-008": _each("stale", "reads_are_current"),
    "RP-DATA-009": _each("torn", "batches_whole"),
    "RP-DATA-010": _each("under-count", "counters_bounded"),
    "RP-DATA-011": _each("over-count", "counters_bounded"),
    "RP-LIN-001": _each("two-winners", "linearizable", "append_log"),
    "RP-LIN-002": _each("refused-match", "linearizable"),
    "RP-LIN-003": _each("stale-read", "linearizable", "append_log", "append_order"),
    "RP-LIN-004": _each("not-linearizable", "linearizable"),
    "RP-LIN-005": _each("fork", "append_log", "append_order"),
    "RP-LIN-006": _each("reordered", "append_log", "append_order"),
    "RP-LIN-007": _each("duplicate", "append_log", "append_order"),
    "RP-LIN-008": (*_each("gap", "append_log"), *_each("unwritten", "append_log")),
    "RP-REP-001": _each("replica-lacks", "replicas_converged", "registers_converged"),
    "RP-REP-002": _each("replica-keeps", "replicas_converged"),
    "RP-REP-003": _each("replica-differs", "replicas_converged", "registers_converged"),
    "RP-REP-004": _each("replica-behind", "registers_converged"),
}  # fmt: skip
_PLACE: Mapping[str, tuple[str, ...]] = {
    "RP-SVC-001": _each("not-served", "served", "service_as_expected"),
    "RP-SVC-002": _each("served-in-cut", "refused", "service_as_expected"),
    "RP-SVC-003": _each("not-recovered", "session_recovers"),
    "RP-SVC-004": _each("late-detection", "availability"),
    "RP-SVC-005": _each("late-recovery", "availability"),
    "RP-SVC-006": _each("not-recovered", "availability"),
    "RP-SVC-007": _each("over-budget", "availability"),
    "RP-SVC-008": _each("poor-service", "availability"),
    "RP-DNS-001": _each("unresolved", "resolves", "resolves_in_phase"),
    "RP-DNS-002": _each("wrong-address", "resolves", "resolves_in_phase"),
    "RP-RING-001": _each("no-view", "ring_views", "all_alive", "hints_drained"),
    "RP-RING-002": _each("duplicate-host", "ring_views"),
    "RP-RING-003": _each("duplicate-address", "ring_views"),
    "RP-RING-004": _each("member-count", "ring_views"),
    "RP-RING-005": _each("unknown-host", "ring_views"),
    "RP-RING-006": _each("wrong-rack", "ring_views"),
    "RP-RING-007": _each("released-address", "ring_views"),
    "RP-RING-008": _each("old-address", "ring_views"),
    "RP-RING-009": _each("called-down", "all_alive"),
    "RP-RING-010": _each("hints-left", "hints_drained"),
    "RP-RING-011": _each("schema-split", "one_schema"),
    "RP-RING-012": _each("new-identity", "same_identity"),
    "RP-RING-013": _each("second-identity", "same_identity"),
    "RP-NET-001": _each("unreachable", "reachable", "unreachable"),
    "RP-NET-002": _each("wrong-identity", "reachable", "unreachable", "echoes"),
    "RP-NET-003": _each("source-rewritten", "reachable", "unreachable", "echoes"),
    "RP-NET-004": _each("blocked-port-open", "unreachable"),
    "RP-NET-005": _each("echo-lost", "echoes"),
    "RP-KUBE-001": _each("outside-volume", "placed"),
    "RP-KUBE-002": _each("not-returned", "placed"),
    "RP-KUBE-003": _each("lives-twice", "lives_once"),
    "RP-KUBE-004": _each("volume-shared", "lives_once"),
    "RP-KUBE-005": _each("stray-process", "lives_once"),
    "RP-KUBE-006": _each("not-ready-late", "silence_noticed"),
    "RP-KUBE-007": _each("evicted-early", "pods_kept"),
    "RP-KUBE-008": _each("evicted-late", "pods_kept"),
    "RP-HOST-001": _each("host-died", "no_host_died"),
    "RP-HOST-002": _each("linearizability-violation", "no_host_died"),
    "RP-HOST-003": _each("error-line", "no_host_died"),
    "RP-HOST-004": ("finding:outcomes/*",),
    "RP-HOST-005": _each("split-ring", "outcomes"),
    "RP-HOST-006": _each("untimed", "outcomes"),
    "RP-HOST-007": _each("too-late", "outcomes"),
}  # fmt: skip
_JUDGING: Mapping[str, tuple[str, ...]] = {
    "RP-RUN-001": _each("late", "completed"),
    "RP-RUN-002": _each("nested-verdict", "nested"),
    "RP-RUN-003": _each("nested-unnoticed", "nested"),
    "RP-RUN-004": ("run:not judged",),
    "RP-RUN-005": ("reason:run broke",),
    "RP-RUN-006": ("run:interrupted",),
    "RP-RUN-007": ("reason:not conducted",),
    "RP-RUN-008": ("run:unfinished",),
    "RP-RUN-009": ("run:defect",),
    "RP-CHECK-001": ("finding:*/*",),
    "RP-CHECK-002": ("reason:unknown check",),
    "RP-CHECK-003": ("reason:check raised",),
    "RP-CHECK-004": ("reason:moment missing", "error:MomentMissing"),
    "RP-CHECK-005": ("reason:starved",),
    "RP-CHECK-006": ("reason:unobserved",),
    "RP-CHECK-007": ("reason:history too short",),
    "RP-CHECK-008": ("reason:no baseline",),
    "RP-CHECK-009": ("reason:not all asked",),
    "RP-CHECK-010": ("reason:no order promised",),
    "RP-CHECK-011": ("reason:search budget",),
    "RP-CHECK-012": ("reason:replicas unknown",),
    "RP-CHECK-013": ("reason:ambiguous history",),
    "RP-CHECK-014": ("reason:nothing stable",),
    "RP-CHECK-099": ("reason:*", "error:Inconclusive"),
    "RP-VAC-001": _vacuous(*_CLIENTS),
    "RP-VAC-002": _vacuous(*_OBSERVERS),
    "RP-VAC-003": _vacuous("linearizable"),
    "RP-VAC-004": _vacuous("nested"),
    "RP-VAC-005": ("reason:no check",),
    "RP-VAC-006": ("reason:no scenario",),
    "RP-VAC-099": ("vacuous:*",),
    "RP-FAULT-001": ("fault:did not bite", "error:FaultIneffective"),
    "RP-FAULT-002": ("fault:ended in error",),
    "RP-FAULT-003": ("fault:never injected",),
    "RP-FAULT-004": ("fault:state missing",),
    "RP-FAULT-005": ("fault:out of order",),
    "RP-CLEAN-001": ("cleanup:left", "error:CleanupFailed"),
    "RP-CLEAN-002": ("cleanup:not recorded",),
    "RP-CLEAN-003": ("error:keeper killed",),
    "RP-GATE-001": ("gate:torn files",),
    "RP-GATE-002": ("gate:recorded traffic",),
    "RP-GATE-003": ("gate:indeterminate share",),
    "RP-GATE-004": ("gate:ok operations", "gate:ok operations before", "gate:ok operations during",
                    "gate:ok operations after"),
    "RP-GATE-005": ("gate:keys with concurrent operations",),
    "RP-GATE-006": ("gate:final reads after heal",),
    "RP-GATE-007": ("gate:stable elements",),
    "RP-GATE-008": ("gate:readable history",),
}  # fmt: skip
_ERRORS: Mapping[str, tuple[str, ...]] = {
    "RP-USE-001": ("error:command line",),
    "RP-USE-002": ("error:unknown name",),
    "RP-USE-003": ("error:malformed YAML",),
    "RP-USE-004": ("error:declared value",),
    "RP-USE-005": ("error:held lab",),
    "RP-USE-006": ("error:PlanRefused", "doctor:address plan"),
    "RP-USE-007": ("error:nothing selected",),
    "RP-USE-008": ("error:no ring declared",),
    "RP-USE-009": ("error:range too small for the lab",),
    "RP-USE-010": ("error:DNS refused",),
    "RP-USE-011": ("error:workload",),
    "RP-USE-012": ("error:setting",),
    "RP-USE-013": ("error:how to judge",),
    "RP-USE-014": ("error:no run",),
    "RP-USE-015": ("error:not to be packed",),
    "RP-USE-016": ("error:not buildable by kind",),
    "RP-USE-017": ("error:not to be compared",),
    "RP-USE-099": ("error:UsageError",),
    "RP-BUN-001": ("error:no bundle",),
    "RP-BUN-002": ("error:unreadable file",),
    "RP-BUN-003": ("error:malformed record",),
    "RP-BUN-004": ("error:schema",),
    "RP-BUN-005": ("error:impossible history",),
    "RP-BUN-006": ("error:another boot",),
    "RP-BUN-007": ("error:verdict not written",),
    "RP-BUN-008": ("error:facts missing",),
    "RP-BUN-009": ("bundle:missing",),
    "RP-BUN-010": ("bundle:altered",),
    "RP-BUN-011": ("bundle:unread",),
    "RP-BUN-099": ("error:BundleError",),
    "RP-LAB-001": ("error:lab not started",),
    "RP-LAB-002": ("error:LabGone", "error:ClustersGone"),
    "RP-LAB-003": ("error:LabError", "error:ClustersRefused"),
    "RP-LAB-004": ("error:ring not formed",),
    "RP-LAB-005": ("error:held ring not clean",),
    "RP-LAB-006": ("error:ClientFailed",),
    "RP-LAB-007": ("error:pod address",),
    "RP-LAB-008": ("error:wrong host answers",),
    "RP-LAB-009": ("error:WaitTimeout",),
    "RP-LAB-010": ("error:CommandFailed",),
    "RP-LAB-011": ("error:class-data archive",),
    "RP-LAB-012": ("error:bench",),
    "RP-LAB-013": ("error:kind clusters not up",),
    "RP-LAB-014": ("error:cluster not as declared",),
    "RP-LAB-099": ("error:ProvisionFailed",),
    "RP-FIT-001": ("doctor:user namespace", "doctor:mount, PID, network, host name and IPC namespaces",
                   "doctor:mounts of proc and tmpfs", "doctor:two network namespaces, one a router",
                   "doctor:veth pair with an address", "doctor:route", "doctor:blackhole rule by incoming interface",
                   "doctor:programs inside a pod", "doctor:namespace limits", "doctor:kernel acts"),
    "RP-FIT-002": ("doctor:nsenter", "doctor:unshare", "doctor:mount", "doctor:hostname", "doctor:readlink",
                   "doctor:sh", "doctor:programs"),
    "RP-FIT-003": ("doctor:memory",),
    "RP-FIT-004": ("doctor:processors",),
    "RP-FIT-005": ("doctor:cache", "doctor:runs", "doctor:temporary files", "error:folder not writable"),
    "RP-FIT-006": ("doctor:threads",),
    "RP-FIT-007": ("doctor:open files",),
    "RP-FIT-008": ("doctor:Java", "error:no fitting Java"),
    "RP-FIT-009": ("doctor:jars", "error:ArtifactMissing"),
    "RP-FIT-010": ("doctor:nft",),
    "RP-FIT-011": ("doctor:repository", "doctor:jars' repository", "doctor:package index",
                   "error:no route to the registry"),
    "RP-FIT-012": ("doctor:leftovers",),
    "RP-FIT-013": ("error:slow driver",),
    "RP-FIT-014": ("error:ability missing", "doctor:provider"),
    "RP-FIT-015": ("error:broken artifact",),
    "RP-FIT-016": ("error:installation",),
    "RP-FIT-017": ("doctor:Python",),
    "RP-FIT-018": ("doctor:clock",),
    "RP-FIT-019": ("doctor:host routes",),
    "RP-FIT-020": ("doctor:IPv6",),
    "RP-FIT-021": ("doctor:control groups",),
    "RP-FIT-022": ("doctor:inotify", "doctor:memory mappings",),
    "RP-FIT-023": ("doctor:bridge", "doctor:vxlan", "doctor:tun", "doctor:nftables", "doctor:netem",),
    "RP-FIT-031": ("error:no engine", "doctor:container engine"),
    "RP-FIT-032": ("error:host not prepared",),
    "RP-FIT-033": ("error:no space for images",),
    "RP-FIT-034": ("error:images not built",),
    "RP-FIT-035": ("error:engine refuses",),
    "RP-FIT-036": ("error:images not pulled",),
    "RP-FIT-041": ("error:kind not made", "doctor:node image"),
    "RP-FIT-042": ("error:machine unfit for kind", "doctor:disk", "doctor:capabilities", "doctor:engine's needs",
                   "doctor:fs.inotify.max_user_instances", "doctor:fs.inotify.max_user_watches"),
    "RP-FIT-099": ("error:EnvironmentUnfit", "doctor:*"),
    "RP-INT-001": ("error:RingproofError",),
}  # fmt: skip
_PLANNED = (*range(1, 8), *range(10, 17), *range(20, 23), 30, *range(100, 104), *range(200, 205))
_PLANS = {f"RP-PLAN-{number:03}": (f"plan:RP-PLAN-{number:03}",) for number in _PLANNED}

CODES: Mapping[str, tuple[str, ...]] = {**_DATA, **_PLACE, **_JUDGING, **_ERRORS, **_PLANS}
"""The failures of each code."""

BY_FAILURE: Mapping[str, str] = {failure: code for code, failures in CODES.items() for failure in failures}
"""The code of each failure."""
