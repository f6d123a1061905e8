"""Faults of the convergence checks that the first mutants showed to go unnoticed."""

from __future__ import annotations

from scenarios.checks import registers_converged, replicas_converged
from tests.records import HOSTS, Story, ns
from tests.test_checks_converged import replicas


def test_without_hosts_nothing_has_converged():
    assert replicas(hosts=[]).judge(replicas_converged()).verdict == "vacuous"


def test_a_disagreement_is_told_at_the_first_read():
    story = Story()
    story.op("east-w", "registers write", (1, 2), value=1)
    story.op("east-w", "registers write", (3, 4), "info", value=2)
    for at, (host, out) in enumerate(zip(HOSTS, (1, 2, 1, 1, 1, 1), strict=True), start=30):
        own = {"cl": "NODE_LOCAL", "host": host["host_id"], "stage": "final"}
        story.op("east-r", "registers read", (at, at + 0.5), out=out, **own)
    (finding,) = story.judge(registers_converged(equal=True)).findings

    assert (finding.anomaly, finding.who, finding.at) == ("replica-differs", "east-a-0", ns(30))


def shown(story, key, *values, at=30):
    for host, out in zip(HOSTS, values * 6, strict=False):
        own = {"cl": "NODE_LOCAL", "host": host["host_id"], "stage": "final", "key": key}
        story.op("east-r", "registers read", (at, at + 0.5), out=out, **own)


def test_each_register_agrees_with_itself_and_not_with_another():
    story = Story()
    for key in (1, 2):
        story.op("east-w", "registers write", (1, 2), key=key, value=10 + key)
        shown(story, key, 10 + key)

    assert story.judge(registers_converged(equal=True)).verdict == "valid"


def test_a_register_that_no_replica_was_asked_for_is_unknown():
    story = Story()
    story.op("east-w", "registers write", (1, 2), value=1)

    assert story.judge(registers_converged(equal=True)).verdict == "unknown"


def test_of_garbage_is_said_that_nobody_wrote_it_whatever_was_acknowledged():
    story = Story()
    story.op("east-w", "registers write", (1, 2), value=1)
    shown(story, 1, 7)

    details = {finding.detail for finding in story.judge(registers_converged()).findings}
    assert "west-c-0 holds value 7 of key 1, nobody wrote it" in details
