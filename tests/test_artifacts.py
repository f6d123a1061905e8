"""Jars are fetched once, continued after a break, verified, and named when they are missing."""

import hashlib
import http.server
import json
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from clusters.errors import ArtifactMissing, EnvironmentUnfit, UsageError
from clusters.ring import artifacts

CONTENT = {f"org/example/lib{n}/1/lib{n}-1.jar": bytes([n]) * (200_000 + n) for n in range(12)}
LOCKED = artifacts.versions()


class Repository(http.server.ThreadingHTTPServer):
    """A Maven repository on loopback that counts, breaks off, forges and ignores ranges as told."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Answer)
        self.asked = []
        self.content = dict(CONTENT)
        self.breaks = {}
        self.ranges = True

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_address[1]}"


class Answer(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        place = self.server
        path = self.path.partition("//")[2].partition("/")[2] if self.path.startswith("http") else self.path[1:]
        place.asked.append((self.path, self.headers.get("Range")))
        if path not in place.content:
            self.send_error(404)
            return
        body, code = place.content[path], 200
        if place.ranges and (wanted := self.headers.get("Range")):
            body, code = body[int(wanted.removeprefix("bytes=").removesuffix("-")) :], 206
        self.send_response(code)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        breaks = place.breaks.get(path, [])
        self.wfile.write(body[: breaks.pop(0)] if breaks else body)

    def log_message(self, *_):
        pass


@pytest.fixture
def repository(tmp_path, monkeypatch):
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    locks = tmp_path / "locks"
    locks.mkdir()
    jars = [
        {"coordinates": "x", "path": path, "size": len(body), "sha256": hashlib.sha256(body).hexdigest()}
        for path, body in CONTENT.items()
    ]
    (locks / "cassandra-1.0.json").write_text(json.dumps({"version": "1.0", "jars": jars}))
    monkeypatch.setattr(artifacts, "LOCKS", locks)
    monkeypatch.setenv("RINGPROOF_CACHE", str(tmp_path / "cache"))
    artifacts.read_lock.cache_clear()
    with Repository() as server:
        monkeypatch.setenv("RINGPROOF_MAVEN_MIRROR", server.url + "/")
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()
    artifacts.read_lock.cache_clear()


def bodies(folder):
    return {jar.name: jar.read_bytes() for jar in folder.iterdir()}


WHOLE = {path.rpartition("/")[2]: body for path, body in CONTENT.items()}
FIRST = next(iter(CONTENT))


def partial_of(tmp_path, path):
    file = tmp_path / "cache" / "partial" / hashlib.sha256(CONTENT[path]).hexdigest()
    file.parent.mkdir(parents=True, exist_ok=True)
    return file


def test_fetches_everything_once(repository):
    seen = []
    folder = artifacts.ensure_cassandra("1.0", lambda *step: seen.append(step))
    assert bodies(folder) == WHOLE
    total = sum(map(len, CONTENT.values()))
    assert seen[-1][:2] == (total, total)
    assert [done for done, _, _ in seen] == sorted(done for done, _, _ in seen)
    assert artifacts.class_path("1.0") == sorted(folder.iterdir())
    assert artifacts.ensure_cassandra("1.0", offline=True) == folder
    assert len(repository.asked) == len(CONTENT)


def test_continues_what_an_earlier_run_left(repository, tmp_path):
    partial_of(tmp_path, FIRST).write_bytes(CONTENT[FIRST][:150_000])
    assert bodies(artifacts.ensure_cassandra("1.0")) == WHOLE
    assert (f"/{FIRST}", "bytes=150000-") in repository.asked


def test_continues_after_the_connection_broke(repository):
    repository.breaks[FIRST] = [70_000, 10_000]
    assert bodies(artifacts.ensure_cassandra("1.0")) == WHOLE
    assert [span for path, span in repository.asked if path == f"/{FIRST}"] == [None, "bytes=70000-", "bytes=80000-"]


def test_a_connection_that_always_breaks_is_named_and_leaves_its_part(repository, tmp_path):
    repository.breaks[FIRST] = [1000] * artifacts.TRIES
    with pytest.raises(ArtifactMissing, match=r"lib0-1\.jar.*ringproof fetch"):
        artifacts.ensure_cassandra("1.0")
    assert partial_of(tmp_path, FIRST).stat().st_size == 1000 * artifacts.TRIES
    assert bodies(artifacts.ensure_cassandra("1.0")) == WHOLE


def test_starts_over_where_ranges_are_ignored(repository, tmp_path):
    repository.ranges = False
    partial_of(tmp_path, FIRST).write_bytes(b"something else")
    assert bodies(artifacts.ensure_cassandra("1.0")) == WHOLE


def test_a_wrong_part_is_thrown_away(repository, tmp_path):
    partial_of(tmp_path, FIRST).write_bytes(b"x" * 1000)
    assert bodies(artifacts.ensure_cassandra("1.0")) == WHOLE


def test_forged_content_never_reaches_the_folder(repository, tmp_path):
    repository.content[FIRST] = b"f" * len(CONTENT[FIRST])
    with pytest.raises(ArtifactMissing, match=r"lib0-1\.jar.*not what the lock says"):
        artifacts.ensure_cassandra("1.0")
    assert not (tmp_path / "cache" / "cassandra" / "1.0" / "lib0-1.jar").exists()
    assert len([1 for path, _ in repository.asked if path == f"/{FIRST}"]) == artifacts.TRIES


def test_an_absent_jar_is_named(repository):
    del repository.content[FIRST]
    with pytest.raises(ArtifactMissing, match=r"lib0-1\.jar.*HTTP 404"):
        artifacts.ensure_cassandra("1.0")


@pytest.mark.usefixtures("repository")
def test_no_network_says_what_is_missing_and_what_to_do(monkeypatch):
    monkeypatch.setenv("RINGPROOF_MAVEN_MIRROR", "http://127.0.0.1:1")
    with pytest.raises(ArtifactMissing, match=r"lib0-1\.jar.* and 9 more.*127\.0\.0\.1:1.*`ringproof fetch`"):
        artifacts.ensure_cassandra("1.0")


def test_offline_asks_nobody(repository):
    with pytest.raises(ArtifactMissing, match="offline"):
        artifacts.ensure_cassandra("1.0", offline=True)
    assert repository.asked == []


def test_two_runs_fetch_once(repository):
    with ThreadPoolExecutor(4) as runs:
        folders = set(runs.map(artifacts.ensure_cassandra, ["1.0"] * 4))
    assert len(folders) == 1
    assert len(repository.asked) == len(CONTENT)


@pytest.mark.parametrize("damage", [b"", b"d" * len(CONTENT[FIRST])], ids=["truncated", "same size"])
def test_a_damaged_jar_is_found_and_fetched_anew(repository, damage):
    folder = artifacts.ensure_cassandra("1.0")
    (folder / "lib0-1.jar").write_bytes(damage)
    (folder / "stranger.jar").write_bytes(b"")
    repository.asked.clear()
    assert bodies(artifacts.ensure_cassandra("1.0")) == WHOLE
    assert [path for path, _ in repository.asked] == [f"/{FIRST}"]


def test_a_jar_fetched_anew_has_the_same_time(repository):
    folder = artifacts.ensure_cassandra("1.0")
    jar = folder / "lib0-1.jar"
    before = jar.stat().st_mtime_ns
    jar.unlink()
    assert artifacts.ensure_cassandra("1.0") == folder
    assert jar.stat().st_mtime_ns == before
    assert len(repository.asked) == len(CONTENT) + 1


def test_goes_through_the_proxy(repository, monkeypatch):
    monkeypatch.setenv("http_proxy", repository.url)
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.setenv("RINGPROOF_MAVEN_MIRROR", "http://maven.invalid/repository")
    repository.content = {f"repository/{path}": body for path, body in CONTENT.items()}
    assert bodies(artifacts.ensure_cassandra("1.0")) == WHOLE
    assert all(path.startswith("http://maven.invalid/") for path, _ in repository.asked)


@pytest.mark.usefixtures("repository")
def test_a_folder_can_be_the_mirror(tmp_path, monkeypatch):
    for path, body in CONTENT.items():
        (tmp_path / "mirror" / path).parent.mkdir(parents=True)
        (tmp_path / "mirror" / path).write_bytes(body)
    monkeypatch.setenv("RINGPROOF_MAVEN_MIRROR", (tmp_path / "mirror").as_uri())
    assert bodies(artifacts.ensure_cassandra("1.0")) == WHOLE


def test_bad_settings_are_refused(repository, tmp_path, monkeypatch):
    monkeypatch.setenv("RINGPROOF_MAVEN_MIRROR", "maven.example")
    with pytest.raises(UsageError, match="RINGPROOF_MAVEN_MIRROR"):
        artifacts.ensure_cassandra("1.0")
    (tmp_path / "file").touch()
    monkeypatch.setenv("RINGPROOF_CACHE", str(tmp_path / "file" / "below"))
    with pytest.raises(EnvironmentUnfit, match="RINGPROOF_CACHE"):
        artifacts.ensure_cassandra("1.0")
    with pytest.raises(UsageError, match=r"9\.9 has no lock; known: 1\.0"):
        artifacts.ensure_cassandra("9.9")
    assert repository.asked == []


@pytest.mark.parametrize(("version", "count"), [("5.0.9", 100), ("4.1.10", 65)])
def test_committed_locks_are_whole(version, count):
    jars = artifacts.read_lock(version).jars
    assert len({jar.name for jar in jars}) == len({jar.sha256 for jar in jars}) == count
    assert len([jar for jar in jars if jar.name.startswith("jamm-")]) == 1
    assert f"org.apache.cassandra:cassandra-all:{version}" in {jar.coordinates for jar in jars}
    for jar in jars:
        group, artifact, release, *classifier = jar.coordinates.split(":")
        name = "-".join([artifact, release, *classifier])
        assert jar.path == f"{group.replace('.', '/')}/{artifact}/{release}/{name}.jar"
        assert len(bytes.fromhex(jar.sha256)) == 32
        assert jar.size > 0


def test_every_version_with_a_lock_is_known():
    assert LOCKED == ["4.1.10", "5.0.9"]
