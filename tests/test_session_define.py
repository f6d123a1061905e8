"""A schema change is over when the host that made it has heard every other host say so."""

from types import SimpleNamespace

import pytest
from cassandra.cluster import NoHostAvailable

from clusters.errors import ProvisionFailed
from scenarios import session as sessions
from scenarios.session import Session

OLD, NEW = "old", "new"


class Wire:
    """Answers as the coordinator: its own version is new after a change; what it knows of peers comes later."""

    def __init__(self, *heard):
        self.heard = list(heard)
        self.asked = []

    def execute(self, cql, host, timeout=None):
        self.asked.append((cql, host))
        if "system.local" in cql:
            return [{"schema_version": NEW}]
        if "system.peers_v2" in cql:
            known = self.heard.pop(0) if len(self.heard) > 1 else self.heard[0]
            return [{"native_address": address, "schema_version": version} for address, version in known.items()]
        return []


def session_over(wire, down=()):
    hosts = {address: SimpleNamespace(is_up=address not in down) for address in ("10.0.0.1", "10.0.0.2", "10.0.0.3")}
    metadata = SimpleNamespace(get_host=hosts.get)
    return Session(SimpleNamespace(contact_points=["10.0.0.1"], metadata=metadata), wire), hosts["10.0.0.1"]


def test_a_peer_that_has_the_old_version_or_none_yet_is_waited_for():
    wire = Wire(
        {"10.0.0.2": OLD, "10.0.0.3": OLD}, {"10.0.0.2": NEW, "10.0.0.3": None}, {"10.0.0.2": NEW, "10.0.0.3": NEW}
    )
    session, coordinator = session_over(wire)

    session.define(["CREATE KEYSPACE k", "CREATE TABLE k.t"])

    assert wire.asked[:2] == [("CREATE KEYSPACE k", coordinator), ("CREATE TABLE k.t", coordinator)]
    assert [cql for cql, _ in wire.asked].count("SELECT schema_version FROM system.local") == 3
    assert {id(host) for _, host in wire.asked} == {id(coordinator)}


def test_a_host_that_is_down_is_not_waited_for():
    session, _ = session_over(Wire({"10.0.0.2": NEW, "10.0.0.3": OLD}), down=["10.0.0.3"])

    session.define(["CREATE KEYSPACE k"])


def test_a_host_that_never_follows_is_named(monkeypatch):
    monkeypatch.setattr(sessions, "AGREEMENT_TIMEOUT", 0.2)
    session, _ = session_over(Wire({"10.0.0.2": NEW, "10.0.0.3": OLD}))

    with pytest.raises(
        ProvisionFailed, match=r"^no schema agreement after 0\.2 s: 10\.0\.0\.3 has version old; is a host"
    ):
        session.define(["CREATE KEYSPACE k"])


def test_a_coordinator_that_the_driver_drops_for_a_while_is_waited_for():
    """A host that just started may not be in the peers of the one that the driver listens to."""
    wire = Wire({"10.0.0.2": NEW, "10.0.0.3": NEW})
    session, coordinator = session_over(wire)
    answers, real = [None, coordinator, coordinator], wire.execute
    session.cluster.metadata.get_host = lambda _address: answers.pop(0) if len(answers) > 1 else answers[0]

    def execute(cql, host, timeout=None):
        if not wire.asked:
            wire.asked.append((cql, host))
            raise NoHostAvailable("marked down or removed", {})
        return real(cql, host, timeout)

    wire.execute = execute
    session.define(["CREATE KEYSPACE k"])

    assert [cql for cql, _ in wire.asked].count("CREATE KEYSPACE k") == 2
    assert all(host is coordinator for _, host in wire.asked)


def test_a_coordinator_that_stays_away_is_named(monkeypatch):
    monkeypatch.setattr(sessions, "AGREEMENT_TIMEOUT", 0.2)
    session, _ = session_over(Wire({}))
    session.cluster.metadata.get_host = lambda _address: None

    with pytest.raises(ProvisionFailed, match=r"^no schema agreement: .*the driver does not know 10\.0\.0\.1 now"):
        session.define(["CREATE KEYSPACE k"])
