"""Independent observations that prove faults: questions asked by pods that the fault does not touch."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from clusters.cluster import Pod
from clusters.errors import FaultIneffective, WaitTimeout
from clusters.ring.config import CQL_PORT
from clusters.ring.host import Host
from clusters.ring.ring import Condition, Ring
from clusters.waiting import until
from scenarios.reaching import answers_of

BITE_SECONDS = 10.0
"""A fault acts within milliseconds; three probes of 2 s and room for a busy machine."""


def witnesses(ring: Ring) -> list[Pod]:
    """The client pod of every cluster: no zone fault touches it."""
    return [cluster.pod("client") for cluster in ring.clusters.clusters]


def await_silence(ring: Ring, hosts: Sequence[Host], asked_by: Sequence[Pod]) -> str:
    """Evidence that none of the hosts answers CQL to any of the askers; FaultIneffective when one still does."""

    def lack() -> str | None:
        found = [host.spec.who for host, answer in ask_all(ring, hosts, asked_by) if answer["ok"]]
        return f"{', '.join(found)} still answered" if found else None

    try:
        until("silence", Condition(lack), timeout=BITE_SECONDS)
    except WaitTimeout as error:
        raise FaultIneffective(f"the fault did not bite: {error}") from None
    return f"{_names(hosts)} did not answer CQL to {len(asked_by)} clients outside the fault"


def await_answers(ring: Ring, hosts: Sequence[Host], asked_by: Sequence[Pod], timeout: float) -> str:
    """Evidence that every host answers CQL again, as itself; WaitTimeout shows the last lack."""

    def lack() -> str | None:
        for host, answer in ask_all(ring, hosts, asked_by):
            if answer["answered"] != host.host_id:
                return f"{host.spec.who}: {answer['error'] or answer['answered']}"
        return None

    until(f"{_names(hosts)} answering as themselves", Condition(lack), timeout=timeout, every=0.2)
    return f"{_names(hosts)} answered CQL as themselves to {len(asked_by)} clients"


def ask_all(ring: Ring, hosts: Sequence[Host], asked_by: Sequence[Pod]) -> list[tuple[Host, dict[str, Any]]]:
    """What every asker hears from every host on the CQL port, all at once."""
    addresses = ring.addresses()
    targets = [addresses[host.spec.who] for host in hosts]
    with ThreadPoolExecutor(len(asked_by)) as pool:
        heard = list(pool.map(lambda pod: answers_of(pod, targets, CQL_PORT), asked_by))
    return [(host, answer) for answers in heard for host, answer in zip(hosts, answers, strict=True)]


def _names(hosts: Sequence[Host]) -> str:
    return ", ".join(host.spec.who for host in hosts)
