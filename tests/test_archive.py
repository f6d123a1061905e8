"""An archive is made once for what it fits, never in a Java that is not ours, and its absence is only a warning."""

import sys

import pytest

from clusters.ring import archive, artifacts
from clusters.ring.flags import archive_flags, archiving_flags
from clusters.ring.java import Java, find_java

FAKE_JVM = f"""#!{sys.executable}
import json, os, pathlib, signal, socket, sys
flags = dict(word.partition("=")[::2] for word in sys.argv[1:])
log = pathlib.Path(__file__).with_name("starts")
with log.open("a") as file:
    file.write(("dump" if "-Xshare:dump" in flags else "host") + "\\n")
if "-Xshare:dump" in flags:
    assert os.listdir() == []
    sys.exit(pathlib.Path(flags["-XX:SharedArchiveFile"]).write_text("base") and 0)
if pathlib.Path(__file__).with_name("dies").exists():
    sys.exit("the disk is on fire")
settings = json.loads(pathlib.Path(flags["-Dcassandra.config"].removeprefix("file://")).read_text())
stop, wake = os.pipe()
signal.signal(signal.SIGTERM, lambda *_: os.write(wake, b"x"))
with socket.create_server((settings["rpc_address"], settings["native_transport_port"])):
    os.read(stop, 1)
if not pathlib.Path(__file__).with_name("writes-none").exists():
    pathlib.Path(flags["-XX:ArchiveClassesAtExit"]).write_text("archive")
sys.exit(143)
"""


@pytest.fixture
def jars(tmp_path, monkeypatch):
    """A cache that holds one version of one jar, without any fetching."""
    monkeypatch.setenv("RINGPROOF_CACHE", str(tmp_path / "cache"))
    folder = tmp_path / "cache" / "cassandra" / "5.0.9"
    folder.mkdir(parents=True)
    (folder / "jamm-0.4.0.jar").write_text("jar")
    monkeypatch.setattr(archive, "ensure_cassandra", lambda version, offline: folder)
    monkeypatch.setattr(archive, "class_path", lambda version: sorted(folder.glob("*.jar")))
    return folder


def runtime(home, base=False, build="17.0.1"):
    (home / "bin").mkdir(parents=True)
    (home / "lib" / "server").mkdir(parents=True)
    (home / "bin" / "java").write_text(FAKE_JVM)
    (home / "bin" / "java").chmod(0o755)
    if base:
        (home / "lib" / "server" / "classes.jsa").touch()
    return Java(home, home / "bin" / "java", 17, build, "wheel")


def starts(java):
    log = java.home / "bin" / "starts"
    return log.read_text().split() if log.exists() else []


@pytest.fixture
def warnings():
    return []


@pytest.fixture
def own(tmp_path, jars):
    return runtime(tmp_path / "cache" / "java" / "own")


def test_made_once_with_a_base_archive_first(own, warnings):
    made = archive.ensure_archive(own, "5.0.9", warn=warnings.append)
    assert made.read_text() == "archive"
    assert archive.ensure_archive(own, "5.0.9", warn=warnings.append) == made
    assert starts(own) == ["dump", "host"]
    assert (own.home / "lib" / "server" / "classes.jsa").read_text() == "base"
    assert list(made.parent.iterdir()) == [made]
    assert warnings == []


def test_another_class_path_needs_another_archive_and_the_old_one_goes(own, jars, warnings):
    made = archive.ensure_archive(own, "5.0.9", warn=warnings.append)
    (jars / "more.jar").write_text("jar")
    other = archive.ensure_archive(own, "5.0.9", warn=warnings.append)
    assert other != made
    assert list(made.parent.iterdir()) == [other]


def test_two_javas_keep_an_archive_each(own, tmp_path, warnings):
    second = runtime(tmp_path / "cache" / "java" / "second", build="17.0.2")
    made = {archive.ensure_archive(java, "5.0.9", warn=warnings.append) for java in (own, second)}
    assert len(made) == 2
    assert all(file.exists() for file in made)


@pytest.mark.usefixtures("jars")
def test_another_java_is_never_written_to(tmp_path, warnings):
    system = runtime(tmp_path / "system")
    assert archive.ensure_archive(system, "5.0.9", warn=warnings.append) is None
    assert list((system.home / "lib" / "server").iterdir()) == []
    assert starts(system) == []
    assert "no base archive" in warnings[0]
    with_base = runtime(tmp_path / "with-base", base=True)
    assert archive.ensure_archive(with_base, "5.0.9", warn=warnings.append).exists()


@pytest.mark.usefixtures("jars")
def test_java_11_only_warns(tmp_path, warnings):
    java = Java(tmp_path, tmp_path / "java", 11, "11.0.1", "PATH")
    assert archive.ensure_archive(java, "5.0.9", warn=warnings.append) is None
    assert "Java 11" in warnings[0]


def test_a_host_that_dies_is_a_warning_with_its_last_words(own, warnings):
    (own.home / "bin" / "dies").touch()
    assert archive.ensure_archive(own, "5.0.9", warn=warnings.append) is None
    assert "the disk is on fire" in warnings[0]
    assert list((own.home.parents[1] / "archive").iterdir()) == []


def test_a_jvm_that_writes_nothing_is_a_warning(own, warnings):
    (own.home / "bin" / "writes-none").touch()
    assert archive.ensure_archive(own, "5.0.9", warn=warnings.append) is None
    assert "wrote none" in warnings[0]


def test_missing_jars_are_a_warning(tmp_path, monkeypatch, warnings):
    monkeypatch.setenv("RINGPROOF_CACHE", str(tmp_path / "cache"))
    java = runtime(tmp_path / "cache" / "java" / "own", base=True)
    assert archive.ensure_archive(java, "5.0.9", warn=warnings.append) is None
    assert "ringproof fetch" in warnings[0]


def test_flags_without_an_archive_are_none(tmp_path):
    assert archive_flags(None) == ()
    assert archive_flags(tmp_path / "a.jsa")[-1] == f"-XX:SharedArchiveFile={tmp_path}/a.jsa"
    assert set(archive_flags(tmp_path)) & set(archiving_flags(tmp_path))


def mapped_classes(java, flags, folder):
    """Start a real host and count the classes that came out of an application archive."""
    folder.mkdir()
    log = folder / "classes.log"
    archive.rehearse(java, "5.0.9", [*flags, f"-Xlog:class+load:file={log}"], folder)
    lines = log.read_text().splitlines()
    assert len(lines) > 5000
    return sum(line.endswith("shared objects file (top)") for line in lines)


@pytest.mark.slow
def test_a_real_start_maps_the_archive(tmp_path, warnings):
    artifacts.ensure_cassandra("5.0.9")
    java = find_java("5.0.9")
    if java.major < archive.OLDEST_MAJOR:
        pytest.skip("the Java found here cannot write archives")
    made = archive.ensure_archive(java, "5.0.9", warn=warnings.append)
    assert warnings == []
    assert mapped_classes(java, archive_flags(made), tmp_path / "with") > 5000
    assert mapped_classes(java, archive_flags(tmp_path / "absent.jsa"), tmp_path / "without") == 0
