"""Whether this machine can carry what is asked of it: every act performed, every need measured, every fix a command.

All findings are made, none stops another, and below 2 s; the network is asked only when something must be fetched.
`ringproof doctor` shows them; `require`, which every run begins with, refuses with the same sentence.
"""

from __future__ import annotations

from collections.abc import Iterator

from clusters.catalog import catalog
from clusters.errors import EnvironmentUnfit
from clusters.fit import engines, kernel, machine, places, stores
from clusters.fit.finding import Asked, Check, Finding
from clusters.providers import KIND, LAB, PROVIDERS
from clusters.topology import Topology

NO_KIND = (LAB, "existing")
"""For kind the same things are measured as its engine needs them."""
DEMO = "ringproof demo: a recorded run of a real ring, judged here without a lab"
"""What a machine that cannot carry a lab is pointed to."""


def provider(asked: Asked) -> Iterator[Finding]:
    """Whether this version makes clusters by the provider asked for."""
    if asked.provider in PROVIDERS:
        yield Finding("provider", "ok", asked.provider, " or ".join(PROVIDERS))
        return
    told = f"{asked.provider} makes no clusters in this version"
    yield Finding("provider", "fail", told, " or ".join(PROVIDERS), f"ringproof doctor --provider {LAB}")


CHECKS = (
    Check("provider", provider, "provider"),
    Check("Python", machine.python, "python"),
    Check("kernel acts", kernel.acts, "namespaces", lab_only=True),
    Check("namespace limits", kernel.namespaces, "namespaces", lab_only=True),
    Check("programs", kernel.programs, "programs", lab_only=True),
    Check("container engine", engines.found_engines, "container-engine", providers=(KIND,)),
    Check("engine's needs", engines.measures, "container-engine", providers=(KIND,)),
    Check("node image", engines.node_image, "node-image", providers=(KIND,)),
    Check("memory", machine.memory, "memory", providers=NO_KIND),
    Check("processors", machine.processors, "processors"),
    Check("threads", machine.threads, "limits"),
    Check("open files", machine.files, "limits", providers=NO_KIND),
    Check("memory mappings", machine.mappings, "limits"),
    Check("inotify", machine.inotify, "limits", providers=NO_KIND),
    Check("control groups", machine.control_groups, "limits", providers=NO_KIND),
    Check("clock", machine.clock, "clock"),
    Check("address plan", places.plans, "addresses"),
    Check("host routes", places.routes, "addresses"),
    Check("IPv6", machine.ipv6, "addresses"),
    Check("cache", stores.cache, "disk"),
    Check("runs", stores.runs, "disk"),
    Check("temporary files", stores.scratch, "disk"),
    Check("Java", stores.java, "java-and-jars", lab_only=True),
    Check("jars", stores.jars, "java-and-jars", lab_only=True),
    Check("jars' repository", stores.repository, "registries", lab_only=True),
    Check("package index", stores.index, "registries", lab_only=True),
)


def examine(asked: Asked) -> list[Finding]:
    """Every finding, in a fixed order."""
    return [finding for check in CHECKS for finding in check.findings(asked)]


def require(*topologies: Topology, made_by: str = LAB) -> None:
    """Nothing when clusters of each topology can run here, of every named one with a ring when none is given.

    Else EnvironmentUnfit: the sentence that doctor shows for the first failed check, with the fix, and
    the pointer to the demo as a note.
    """
    found = examine(Asked(topologies or tuple(one for one in catalog().values() if one.ring), made_by))
    try:
        refuse(found, made_by)
    except EnvironmentUnfit as error:
        error.add_note(DEMO)
        raise


def refuse(found: list[Finding], made_by: str = LAB) -> None:
    """EnvironmentUnfit with the first failed finding's sentence; nothing when none failed."""
    failed = [finding for finding in found if finding.state == "fail"]
    if failed:
        asked = "" if made_by == LAB else f" --provider {made_by}"
        more = f" (and {len(failed) - 1} more: ringproof doctor{asked})" if len(failed) > 1 else ""
        if made_by == KIND:
            raise EnvironmentUnfit(f"this machine cannot carry kind clusters: {failed[0]}{more}")
        raise EnvironmentUnfit(f"this machine cannot carry a lab: {failed[0]}{more}")
