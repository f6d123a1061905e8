"""Independent observations that prove faults: questions asked by pods that the fault does not touch."""

from __future__ import annotations

from collections.abc import Sequence

from clusters.cluster import Pod
from clusters.errors import FaultIneffective, WaitTimeout
from clusters.ring.config import CQL_PORT
from clusters.ring.host import Host
from clusters.ring.ring import Condition, Ring
from clusters.waiting import until
from scenarios.reaching import answers

BITE_SECONDS = 10.0
"""A fault acts within milliseconds; three probes of 2 s and room for a busy machine."""


def witnesses(ring: Ring) -> list[Pod]:
    """The client pod of every cluster: no zone fault touches it."""
    return [cluster.pod("client") for cluster in ring.clusters.clusters]


def await_silence(ring: Ring, hosts: Sequence[Host], asked_by: Sequence[Pod]) -> str:
    """Evidence that none of the hosts answers CQL to any of the askers; FaultIneffective when one still does."""
    for host in hosts:
        for pod in asked_by:
            _await(f"{host.spec.who} silent", lambda host=host, pod=pod: _answering(host, pod))
    names = ", ".join(host.spec.who for host in hosts)
    return f"{names} did not answer CQL to {len(asked_by)} clients outside the fault"


def await_answers(ring: Ring, hosts: Sequence[Host], asked_by: Sequence[Pod], timeout: float) -> str:
    """Evidence that every host answers CQL again, as itself; WaitTimeout shows the last lack."""
    for host in hosts:
        for pod in asked_by:
            condition = Condition(lambda host=host, pod=pod: _not_itself(host, pod))
            until(f"{host.spec.who} answers as itself", condition, timeout=timeout, every=0.2)
    names = ", ".join(host.spec.who for host in hosts)
    return f"{names} answered CQL as themselves to {len(asked_by)} clients"


def _answering(host: Host, pod: Pod) -> str | None:
    result = answers(pod, host.address, CQL_PORT)
    return f"still answers as {result['answered']}" if result["ok"] else None


def _not_itself(host: Host, pod: Pod) -> str | None:
    result = answers(pod, host.address, CQL_PORT)
    if not result["ok"]:
        return str(result["error"])
    return None if result["answered"] == host.host_id else f"answers as {result['answered']}"


def _await(what: str, lack: object) -> None:
    try:
        until(what, Condition(lack), timeout=BITE_SECONDS, every=0.1)  # type: ignore[arg-type]
    except WaitTimeout as error:
        raise FaultIneffective(f"the fault did not bite: {error}") from None
