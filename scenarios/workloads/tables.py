"""The tables of the workloads, and their creation.

No table uses speculative retry: the coordinator's second question would blur which replica answered. `BLOCKING`
read repair is what makes quorum reads monotonic (Cassandra `doc/.../operating/read_repair.adoc`); a scenario that
must see replicas as they are gives `NONE`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from clusters.errors import UsageError

COLUMNS = {
    "ledger": "bucket int, id bigint, writer text, PRIMARY KEY (bucket, id)",
    "registers": "key int PRIMARY KEY, seq bigint",
    "log": "k int, head int static, ver int, id bigint, PRIMARY KEY (k, ver)",
    "probe": "key int PRIMARY KEY, value bigint",
}
_NAME = re.compile(r"[a-z][a-z0-9_]{0,47}")  # Cassandra's limit for a keyspace name is 48 characters
_DATACENTER = re.compile(r"[A-Za-z0-9_.-]+")


def checked_keyspace(name: str) -> str:
    """The name, if it can stand in CQL without quotes; UsageError otherwise."""
    if not _NAME.fullmatch(name):
        raise UsageError(f"keyspace {name!r}: use a lower-case letter, then at most 47 letters, digits or underscores")
    return name


def statements(keyspace: str, replication: Mapping[str, int], read_repair: str = "BLOCKING") -> list[str]:
    """The CQL that creates the keyspace and all four tables; running it twice changes nothing."""
    if not replication or not all(_DATACENTER.fullmatch(name) and copies > 0 for name, copies in replication.items()):
        raise UsageError(f"replication {dict(replication)}: give every datacenter's name and its number of replicas")
    if read_repair not in ("BLOCKING", "NONE"):
        raise UsageError(f"read_repair {read_repair!r}: Cassandra knows BLOCKING and NONE")
    copies = "".join(f", '{name}': {number}" for name, number in replication.items())
    options = f"read_repair = '{read_repair}' AND speculative_retry = 'NEVER' AND additional_write_policy = 'NEVER'"
    return [
        f"CREATE KEYSPACE IF NOT EXISTS {checked_keyspace(keyspace)} "
        f"WITH replication = {{'class': 'NetworkTopologyStrategy'{copies}}}",
        *(f"CREATE TABLE IF NOT EXISTS {keyspace}.{name} ({what}) WITH {options}" for name, what in COLUMNS.items()),
    ]
