"""The tables of the workloads, and their creation.

No table uses speculative retry: the coordinator's second question would blur which replica answered. `BLOCKING`
read repair is what makes quorum reads monotonic (Cassandra `doc/.../operating/read_repair.adoc`); a scenario that
must see replicas as they are gives `NONE`.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping

from clusters.errors import UsageError

TABLES = {
    "ledger": {"ledger": "bucket int, id bigint, writer text, PRIMARY KEY (bucket, id)"},
    "registers": {"registers": "key int PRIMARY KEY, seq bigint"},
    "log": {"log": "k int, head int static, ver int, id bigint, PRIMARY KEY (k, ver)"},
    "cas": {"cas": "key int PRIMARY KEY, value bigint"},
    "counter": {"counters": "key int PRIMARY KEY, value counter"},
    "batch": {
        "batch_left": "bucket int, id bigint, PRIMARY KEY (bucket, id)",
        "batch_right": "bucket int, id bigint, PRIMARY KEY (bucket, id)",
    },
    "probe": {"probe": "key int PRIMARY KEY, value bigint"},
}
"""Columns by workload and table."""
_NAME = re.compile(r"[a-z][a-z0-9_]{0,47}")  # Cassandra's limit for a keyspace name is 48 characters
_DATACENTER = re.compile(r"[A-Za-z0-9_.-]+")

ALWAYS = "probe"


def checked_keyspace(name: str) -> str:
    """The name, if it can stand in CQL without quotes; UsageError otherwise."""
    if not _NAME.fullmatch(name):
        raise UsageError(f"keyspace {name!r}: use a lower-case letter, then at most 47 letters, digits or underscores")
    return name


def statements(
    keyspace: str, replication: Mapping[str, int], workloads: Collection[str], read_repair: str = "BLOCKING"
) -> list[str]:
    """The CQL that creates the keyspace and the tables of ``workloads``; running it twice changes nothing.

    The probe's is always there, because hosts are asked for one of its rows whether they reach every replica. No other
    table is made: each costs a live ring one more schema change.
    """
    if not replication or not all(_DATACENTER.fullmatch(name) and copies > 0 for name, copies in replication.items()):
        raise UsageError(f"replication {dict(replication)}: give every datacenter's name and its number of replicas")
    if read_repair not in ("BLOCKING", "NONE"):
        raise UsageError(f"read_repair {read_repair!r}: Cassandra knows BLOCKING and NONE")
    copies = "".join(f", '{name}': {number}" for name, number in replication.items())
    options = f"read_repair = '{read_repair}' AND speculative_retry = 'NEVER' AND additional_write_policy = 'NEVER'"
    return [
        f"CREATE KEYSPACE IF NOT EXISTS {checked_keyspace(keyspace)} "
        f"WITH replication = {{'class': 'NetworkTopologyStrategy'{copies}}}",
        *(
            f"CREATE TABLE IF NOT EXISTS {keyspace}.{name} ({columns}) WITH {options}"
            for workload, tables in TABLES.items()
            if workload in workloads or workload == ALWAYS
            for name, columns in tables.items()
        ),
    ]
