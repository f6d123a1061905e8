"""Images: what they are made of, how parts are kept, what a pull would execute. Nothing here needs an engine."""

import hashlib
import http.server
import io
import json
import subprocess
import tarfile
import threading

import pytest

from clusters.errors import ArtifactMissing, EnvironmentUnfit, UsageError
from clusters.kind.engine import Engine
from images import build, components, containers, golang, lock, pull, rootfs, shelf, store
from images.layers import Entry, Image, layer, write_archive, write_layer
from images.store import Artifact

DOCKER = Engine("docker", "/usr/bin/docker", "28.0.0", "")


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("RINGPROOF_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("RINGPROOF_KUBERNETES", raising=False)
    return tmp_path / "cache"


def engine_that_says(monkeypatch, *modules, answer=lambda command: ""):
    """Every module's run is replaced; what was executed is returned, without the program's path."""
    executed = []

    def run(command, **_):
        executed.append([str(word) for word in command[1:]])
        return answer(executed[-1])

    for module in modules:
        if hasattr(module, "run"):
            monkeypatch.setattr(module, "run", run)
        if hasattr(module, "choose"):
            monkeypatch.setattr(module, "choose", lambda: DOCKER)
    monkeypatch.setattr(containers, "storage", lambda _: "/")
    monkeypatch.setattr(containers, "ROOM", 0)
    return executed


def test_every_minor_that_is_built_has_its_modules_and_sums():
    for minor in lock.read().build.kubernetes.values():
        modules = golang.ROOT / "kubernetes" / minor.modules
        assert f"k8s.io/kubernetes v{minor.version}\n" in modules.read_text()
        assert f"k8s.io/kubernetes v{minor.version} h1:" in modules.with_suffix(".sum").read_text()


def test_the_lock_and_the_module_agree_on_coredns():
    text = (golang.ROOT / "coredns" / "go.mod").read_text()
    assert f"github.com/coredns/coredns {lock.read().build.coredns}\n" in text


def test_every_program_has_a_module_with_sums():
    for program in (*golang.PROGRAMS, golang.KIND):
        folder = golang.ROOT / program.name
        assert (folder / "go.mod").exists()
        assert (folder / "go.sum").exists() or "require" not in (folder / "go.mod").read_text()


def test_what_is_pulled_is_named_by_digest():
    pulled = lock.read().pull
    for image in [*(node.image for node in pulled.node.values()), pulled.cassandra.image]:
        assert len(image.partition("@sha256:")[2]) == 64


def test_another_minor_is_one_setting(monkeypatch):
    default = build.plan()
    monkeypatch.setenv("RINGPROOF_KUBERNETES", "1.33")
    other = build.plan()
    assert (default.minor.version[:4], other.minor.version[:4]) == ("1.34", "1.33")
    assert default.image != other.image
    assert build.plan("1.34").image == default.image
    shared = {name for name in default.parts if default.parts[name].key == other.parts[name].key}
    assert set(default.parts) - shared == {"layer-kube", "layer-node"}


def test_an_unknown_minor_is_refused_with_those_that_are_known():
    with pytest.raises(UsageError, match=r"1\.20 does not exist; known: 1\.34, 1\.33"):
        build.plan("1.20")


def test_a_changed_file_of_the_node_changes_the_image(tmp_path, monkeypatch):
    before = build.plan().image
    for part in ("node", "tools"):
        (tmp_path / part).mkdir()
        for file in (components.FOLDER / part).iterdir():
            (tmp_path / part / file.name).write_bytes(file.read_bytes())
    monkeypatch.setattr(components, "FOLDER", tmp_path)
    assert build.plan().image == before
    with (tmp_path / "node" / "entrypoint").open("a") as file:
        file.write("# another\n")
    assert build.plan().image != before


def test_a_thing_is_made_once_and_made_anew_when_it_was_altered():
    made = []
    thing = Artifact("thing", "k", 1, lambda path: made.append(path.write_text("content")))
    assert not thing.made()
    thing.ensure()
    thing.ensure()
    assert len(made) == 1
    assert thing.digest() == hashlib.sha256(b"content").hexdigest()
    thing.path.write_text("altered")
    with pytest.raises(ArtifactMissing, match="not what the lock says"):
        thing.digest()
    thing.ensure()
    assert thing.digest() == hashlib.sha256(b"content").hexdigest()


def test_what_breaks_while_it_is_made_leaves_nothing(cache):
    def fail(path):
        path.write_text("half")
        raise EnvironmentUnfit("no")

    with pytest.raises(EnvironmentUnfit):
        Artifact("thing", "k", 1, fail).ensure()
    assert list((cache / "images" / "thing").iterdir()) == []


def test_a_key_depends_on_texts_names_and_contents(tmp_path):
    (tmp_path / "a").write_text("1")
    (tmp_path / "b").write_text("1")
    keys = {store.key("x"), store.key("y"), store.key("x", ""), store.key(tmp_path / "a"), store.key(tmp_path / "b")}
    assert len(keys) == 5
    assert store.key([tmp_path / "b", tmp_path / "a"]) == store.key([tmp_path / "a", tmp_path / "b"])


def test_a_full_file_system_is_named_before_anything_is_made(monkeypatch):
    monkeypatch.setattr(store, "ROOM", 10**18)
    with pytest.raises(EnvironmentUnfit, match=r"no space for images.*RINGPROOF_CACHE"):
        store.demand_room()


def test_a_layer_has_owners_times_and_bytes_of_its_entries_alone(tmp_path):
    (tmp_path / "source").write_text("program")
    entries = {
        "usr/bin/p": Entry(tmp_path / "source", 0o755),
        "usr/bin/q": Entry(link="p"),
        "etc/x": Entry(b"text"),
    }
    for name in ("one.tar", "two.tar"):
        write_layer(tmp_path / name, entries)
    assert (tmp_path / "one.tar").read_bytes() == (tmp_path / "two.tar").read_bytes()
    with tarfile.open(tmp_path / "one.tar") as whole:
        assert whole.getnames() == ["etc", "usr", "usr/bin", "etc/x", "usr/bin/p", "usr/bin/q"]
        program = whole.getmember("usr/bin/p")
        assert (program.mode, program.uid, program.size) == (0o755, 0, 7)
        assert whole.getmember("usr/bin/q").linkname == "p"
        assert whole.extractfile("etc/x").read() == b"text"


def test_an_archive_holds_a_shared_layer_once_and_names_every_image(tmp_path):
    for name in ("under", "own"):
        write_layer(tmp_path / name, {name: Entry(name.encode())})
    under, own = layer(tmp_path / "under"), layer(tmp_path / "own")
    first = Image(["a:1", "b:1"], [under, own], ["PATH=/x"], ["/run"], "SIGTERM", {"k": "v"})
    write_archive(tmp_path / "archive", [first, Image(["c:1"], [under])])
    with tarfile.open(tmp_path / "archive") as whole:
        manifest = json.load(whole.extractfile("manifest.json"))
        assert sum(name.endswith(".tar") for name in whole.getnames()) == 2
        assert [image["RepoTags"] for image in manifest] == [["a:1", "b:1"], ["c:1"]]
        config = json.load(whole.extractfile(manifest[0]["Config"]))
        for name, diff in zip(manifest[0]["Layers"], config["rootfs"]["diff_ids"], strict=True):
            assert f"sha256:{hashlib.sha256(whole.extractfile(name).read()).hexdigest()}" == diff
    assert config["config"] == {
        "Env": ["PATH=/x"], "Labels": {"k": "v"}, "Entrypoint": ["/run"], "StopSignal": "SIGTERM",
    }  # fmt: skip


def test_etcd_tells_the_version_of_its_package(tmp_path):
    listed = b"etcd-client_9.9.9-1_amd64.deb\netcd-server_3.5.16-4+b1_amd64.deb\niptables_1.8.11-2_amd64.deb\n"
    with tarfile.open(tmp_path / "rootfs", "w") as whole:
        info = tarfile.TarInfo(f"./{rootfs.LIST}")
        info.size = len(listed)
        whole.addfile(info, io.BytesIO(listed))
    assert components.etcd_tag(tmp_path / "rootfs") == "3.5.16-0"
    with pytest.raises(EnvironmentUnfit, match="is not in"):
        rootfs.package_version(tmp_path / "rootfs", "etcd")


def test_without_go_one_sentence_says_what_to_do(monkeypatch):
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(EnvironmentUnfit, match="no registry and no Go") as refused:
        golang.programs()[0].ensure()
    assert refused.value.exit_code == 11


def test_go_is_told_the_modules_of_the_minor_and_both_version_stamps(monkeypatch, tmp_path):
    seen = []
    monkeypatch.setattr(golang.shutil, "which", lambda _: "/go")
    monkeypatch.setattr(golang, "run", lambda command, **rest: seen.append((command, rest)))
    golang.kubernetes(lock.read().build.kubernetes["1.33"]).make(tmp_path / "out")
    (command, rest) = seen[0]
    assert "-modfile=v1.33.mod" in command
    assert command[-3:] == ["-o", str(tmp_path / "out"), "."]
    link = command[command.index("-ldflags") + 1]
    for package in golang.STAMPED:
        assert f"-X {package}.gitVersion=v1.33.13 -X {package}.gitMajor=1 -X {package}.gitMinor=33" in link
    assert rest["env"]["CGO_ENABLED"] == "0"


def test_a_pull_names_both_digests_bakes_and_labels(monkeypatch):
    def answer(command):
        if command[:2] == ["image", "inspect"]:
            raise containers.CommandFailed("no such image")
        return "{}" if command[-3:] == ["ctr", "oci", "spec"] else "container\n" if command[0] == "run" else ""

    executed = engine_that_says(monkeypatch, pull, containers, answer=answer)
    image = pull.pull("1.33")
    pulled = lock.read().pull
    wanted = [["pull", "--quiet", pulled.node["1.33"].image], ["pull", "--quiet", pulled.cassandra.image]]
    assert [command for command in executed if command[0] == "pull"] == wanted
    started = next(command for command in executed if command[0] == "run")
    assert pulled.node["1.33"].image in started
    assert "--network none" in " ".join(started)
    commit = next(command for command in executed if command[0] == "commit")
    assert commit[-2:] == ["container", image]
    assert "LABEL ringproof.image.cassandra=docker.io/library/cassandra:5.0.9" in commit
    assert executed[-1] == ["rm", "--force", "--volumes", "container"]


def test_a_container_that_baked_is_removed_when_the_bake_breaks(monkeypatch, tmp_path):
    def answer(command):
        if "import" in command:
            raise containers.CommandFailed("disk full")
        return "container\n" if command[0] == "run" else ""

    executed = engine_that_says(monkeypatch, containers, answer=answer)
    with pytest.raises(containers.CommandFailed):
        containers.bake(DOCKER, "base", tmp_path / "archive", "name", {})
    assert executed[-1] == ["rm", "--force", "--volumes", "container"]
    assert not any(command[0] == "commit" for command in executed)


def test_an_image_that_is_here_asks_no_registry_and_makes_nothing(monkeypatch):
    executed = engine_that_says(
        monkeypatch,
        shelf,
        containers,
        answer=lambda _: json.dumps([{"Config": {"Labels": {"ringproof.node": "built"}}}]),
    )
    assert shelf.ensure(answers=lambda: pytest.fail("asked")) == build.plan().image
    assert [command[:2] for command in executed] == [["image", "inspect"]]


def absent(command):
    if command[:2] == ["image", "inspect"]:
        raise containers.CommandFailed("no such image")
    return ""


@pytest.mark.parametrize("answers", [True, False])
def test_a_registry_that_answers_is_preferred_to_a_build(monkeypatch, answers):
    engine_that_says(monkeypatch, shelf, containers, answer=absent)
    monkeypatch.setattr(pull, "pull", lambda _: "pulled")
    monkeypatch.setattr(build, "build", lambda _, tell: "built")
    assert shelf.ensure(answers=lambda: answers) == ("pulled" if answers else "built")


@pytest.mark.parametrize(("code", "answers"), [(200, True), (401, True), (403, False), (502, False)])
def test_a_registry_answers_as_the_protocol_says(code, answers, monkeypatch):
    class Answer(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(code)
            self.end_headers()

        def log_message(self, *_):
            pass

    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    with http.server.HTTPServer(("127.0.0.1", 0), Answer) as server:
        threading.Thread(target=server.handle_request, daemon=True).start()
        assert pull.registry_answers(f"http://127.0.0.1:{server.server_address[1]}/v2/") is answers


def test_no_registry_at_all_is_no_answer():
    assert not pull.registry_answers("http://127.0.0.1:9/v2/")


def test_a_build_tells_every_step_and_less_time_each_time(monkeypatch):
    parts = [Artifact(f"p{n}", "k", 20.0, lambda path: path.write_text("x")) for n in range(3)]
    told = []
    build._make(parts, told.append)
    assert [(step.step, step.number, step.steps) for step in told] == [("p0", 1, 4), ("p1", 2, 4), ("p2", 3, 4)]
    assert told[0].remaining > told[1].remaining > 0
    assert told[0].remaining == 60 + build.ASSEMBLY_SECONDS


def test_both_ends_of_a_pipe_must_end_well(tmp_path):
    assert shelf._piped(["echo", "x"], ["grep", "-q", "x"])
    assert not shelf._piped(["echo", "x"], ["grep", "-q", "y"])
    assert not shelf._piped(["sh", "-c", "echo x; exit 1"], ["cat"])
    assert not shelf._piped([str(tmp_path / "absent")], ["cat"])


def test_what_would_stop_a_build_late_stops_it_before_anything_is_made(monkeypatch, cache):
    engine_that_says(monkeypatch, build, containers, answer=absent)
    present = set(golang.PROGRAMS) | {"go"}
    monkeypatch.setattr(golang.shutil, "which", lambda name: f"/bin/{name}" if name in present else None)
    monkeypatch.setattr(store, "ROOM", 0)
    with pytest.raises(EnvironmentUnfit, match="mmdebstrap is not installed"):
        build.build()
    present.clear()
    with pytest.raises(EnvironmentUnfit, match="no registry and no Go"):
        build.build()
    assert not (cache / "images").exists()


def test_scripts_of_the_node_are_correct_shell():
    for name in ("node/entrypoint", "node/kubelet-cgroups", "node/settle", "tools/flannel-node"):
        script = components.FOLDER / name
        shell = script.read_text().splitlines()[0].removeprefix("#!/bin/")
        assert script.stat().st_mode & 0o111
        subprocess.run([shell, "-n", str(script)], check=True)
