"""A packed run: the same bytes each time, no secret in any file, limited size, judged as its folder is."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tarfile

import pytest

from clusters.alive import Identity
from clusters.errors import BundleError, UsageError
from reports import packing
from reports.packing import pack
from ringproof.command import main
from scenarios.checks import no_lost_writes
from scenarios.index import write_index
from scenarios.judge import judge_run
from tests.records import Story
from tests.test_redaction import ADMIN, BASE64, HOME, JWT, KUBECONFIG, PEM, PERSON, PLANTED, SECRET, traces

HOSTS = "topologies/t/hosts/east-a-0"


def made(folder, *, said="nothing", text=""):
    """A judged run with one valid scenario, whose observations hold `said`, and a log that is `text`."""
    story = Story(id="good-t", promise="p")
    story.op("east-w", "ledger write", (1, 2), value=5)
    for dc in ("east", "west"):
        story.op(f"{dc}-r", "ledger read", (3, 4), out=[5], stage="final")
    story.see("log_line", 3, pod="east-a-0", level="ERROR", text=said)
    story.phase("only", 0).event("cleanup", 9, ok=True, detail="")
    story.write(folder / "scenarios" / "good-t", [no_lost_writes()])
    facts = {"schema": 1, "run_id": folder.name, "started": 1795612479.9, "ended": 1795612499.9, "argv": ["run", said]}
    (folder / "run.json").write_text(json.dumps(facts))
    hosts = folder / HOSTS
    hosts.mkdir(parents=True)
    (hosts / "system.log").write_text(text or "INFO all is well\n")
    judge_run(folder)
    write_index(folder)
    return folder


def contents(archive):
    with tarfile.open(archive) as opened:
        return {member.name: opened.extractfile(member).read() for member in opened}


def index_of(archive):
    found = contents(archive)
    return json.loads(found[next(name for name in found if name.count("/") == 1 and name.endswith("/index.json"))])


def test_the_index_has_every_file_with_its_size_and_hash(tmp_path):
    done = pack(made(tmp_path / "run"))
    found = contents(done.archive)
    listed = {item["path"]: item for item in index_of(done.archive)["files"]}

    assert done.archive == tmp_path / "run.tar.gz"
    derived = {"index.json", "report.html", "junit.xml", "ctrf.json"}
    assert set(found) == {f"run/{name}" for name in {*listed, *derived}}
    for name, item in listed.items():
        content = found[f"run/{name}"]
        assert (item["size"], item["sha256"]) == (len(content), hashlib.sha256(content).hexdigest())
    assert done.archive.stat().st_mode & 0o777 == 0o644


def test_the_same_run_gives_the_same_bytes_wherever_it_lies(tmp_path):
    run = made(tmp_path / "a" / "run", said="password=planted-1")
    shutil.copytree(run, tmp_path / "b" / "run")
    for file in (tmp_path / "b").rglob("*"):
        os.utime(file, (1, 1))

    assert pack(run).archive.read_bytes() == pack(tmp_path / "b" / "run").archive.read_bytes()


def test_no_secret_is_in_any_file_of_what_was_packed(tmp_path):
    planted = "\n".join(item for item in PLANTED if item not in (PEM, KUBECONFIG, SECRET))
    run = made(tmp_path / "run", said=f"one {planted}\n{PEM}", text=f"INFO {planted}\n{PEM}\n{BASE64}\n{JWT}\n")
    more = {
        f"{HOSTS}/config/cassandra.yaml": "keystore_password: planted-1\ninitial_token: -92\n",
        f"{HOSTS}/config/kubeconfig": KUBECONFIG,
        f"{HOSTS}/config/secret.yaml": SECRET,
        f"{HOSTS}/config/logback.xml": "<configuration><password>planted-2</password></configuration>",
        f"{HOSTS}/config/rackdc.properties": "secret=planted-3\ndc=east\n",
        f"{HOSTS}/command.jsonl": f"17 0a-uid java -Dkey.password=planted-4 -cp {ADMIN}.jar --token planted-5\n",
        "topologies/t/topology.json": json.dumps({"token": "planted-6", "clusters": [{"api_key": "planted-7"}]}),
        "topologies/t/pods.jsonl": json.dumps({"t": 1, "kind": "pod", "env": {"AWS_SECRET_ACCESS_KEY": "planted-8"}}),
        "topologies/t/journal.jsonl": '{"entry": 1, "undo": {"command": "curl -u anna:planted-9"}}\n',
        "scenarios/good-t/client-east.json": json.dumps({"history": f"{PERSON}/runs", "password": "planted-10"}),
        "scenarios/good-t/history/x.outcomes.json": json.dumps({"schema": 1, "secret": ["planted-11"]}),
        "events.jsonl": '{"t": 1, "event": "java", "home": "/Users/planted/java"}\n',
    }
    for name, text in more.items():
        (run / name).parent.mkdir(parents=True, exist_ok=True)
        (run / name).write_text(text)
    (run / "report.html").write_text("password=planted-12")
    assert all(traces((run / name).read_text()) for name in more)

    done = pack(run, homes=[HOME])

    found = contents(done.archive)
    assert {name: traces(content.decode()) for name, content in found.items()} == {name: [] for name in found}
    assert {f"run/{name}" for name in more} <= set(found)
    hidden = {item["path"] for item in index_of(done.archive)["files"] if "redacted" in item}
    assert set(more) <= hidden
    assert json.loads(found["run/scenarios/good-t/verdict.json"])["verdict"] == "valid"
    assert b"initial_token: -92\n" in found[f"run/{HOSTS}/config/cassandra.yaml"]
    assert done.redacted["home directory"] >= 4


def test_a_packed_run_is_judged_as_its_folder_is(tmp_path, capsys):
    run = made(tmp_path / "run")
    archive = pack(run).archive
    before = archive.read_bytes()

    assert main(["judge", str(run), "--json"]) == 0
    of_folder = capsys.readouterr().out
    assert main(["judge", str(archive), "--json"]) == 0
    assert capsys.readouterr().out == of_folder
    assert main(["judge", str(archive)]) == 0
    said = capsys.readouterr().out
    assert f"ringproof judge {archive}" in said
    assert "ringproof-" not in said
    assert main(["report", "path", str(archive)]) == 0
    page = tmp_path / "run.report.html"
    assert capsys.readouterr().out.strip() == str(page)
    assert "<title>valid: ringproof run</title>" in page.read_text()
    assert archive.read_bytes() == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["run", "run.report.html", "run.tar.gz"]


def test_unpacked_by_hand_it_is_the_same_bundle(tmp_path, capsys):
    archive = pack(made(tmp_path / "run", said="password=planted-1")).archive
    with tarfile.open(archive) as opened:
        for member in opened:
            opened.extract(member, tmp_path / "apart", set_attrs=False, **({"filter": "data"} if FILTER else {}))
    capsys.readouterr()

    for _ in range(2):  # the first judging writes verdicts and outputs, which are no edits
        assert main(["judge", str(tmp_path / "apart" / "run")]) == 0
        assert "index.json" not in capsys.readouterr().out


FILTER = hasattr(tarfile, "data_filter")


def test_long_logs_are_cut_in_their_middle_and_history_never(tmp_path, monkeypatch):
    monkeypatch.setattr(packing, "MOST_OF_A_LOG", 1000)
    lines = [f"INFO line {number:05}\n" for number in range(500)]
    run = made(tmp_path / "run", text="".join(lines))
    (run / HOSTS / "main.out").write_text("x" * 5000)
    (run / "topologies/t/pods.jsonl").write_text('{"t": 1}\n' * 500)
    (run / "topologies/t/plan.json").write_text(json.dumps(["x" * 5000]))
    done = pack(run)
    found = contents(done.archive)

    log = found[f"run/{HOSTS}/system.log"].decode()
    assert sorted(done.cut) == [f"{HOSTS}/main.out", f"{HOSTS}/system.log", "topologies/t/pods.jsonl"]
    assert (log.startswith(lines[0]), log.endswith(lines[-1]), len(log) < 1100) == (True, True, True)
    gone = next(item["cut"] for item in index_of(done.archive)["files"] if item["path"] == f"{HOSTS}/system.log")
    assert gone["size"] == len("".join(lines))
    assert f"[{gone['bytes']} bytes were cut here]\n" in log
    assert len(log) - len(f"[{gone['bytes']} bytes were cut here]\n") == gone["size"] - gone["bytes"]
    assert all(json.loads(line) for line in found["run/topologies/t/pods.jsonl"].splitlines())
    history = "scenarios/good-t/history/east-w.jsonl"
    assert found[f"run/{history}"] == (run / history).read_bytes()
    assert len(found["run/topologies/t/plan.json"]) > 5000


def test_a_secret_that_the_cut_goes_through_is_not_left_in_halves(tmp_path, monkeypatch):
    monkeypatch.setattr(packing, "MOST_OF_A_LOG", 1000)
    body = "".join(f"MIIEplantedPEM{number:04}AAAAAAAAAAAAAAAAAAAA\n" for number in range(100))
    pem = f"-----BEGIN PRIVATE KEY-----\n{body}-----END PRIVATE KEY-----\n"
    run = made(tmp_path / "run", text=f"first\n{pem}last\n")

    log = contents(pack(run).archive)[f"run/{HOSTS}/system.log"].decode()

    assert traces(log) == []
    assert (log.startswith("first\n"), log.endswith("last\n")) == (True, True)


def test_all_logs_are_cut_harder_when_they_are_too_much_together(tmp_path, monkeypatch):
    run = made(tmp_path / "run", text="INFO\n" * 40_000)
    for number in range(4):
        shutil.copytree(run / HOSTS, run / "topologies" / "t" / "hosts" / f"pod-{number}")
    monkeypatch.setattr(packing, "MOST", 500_000)
    assert max(len(content) for content in contents(pack(run).archive).values()) < 140_000

    monkeypatch.setattr(packing, "MOST", 5_000)
    with pytest.raises(UsageError, match="run run has 1 MiB, more than a bundle may hold"):
        pack(run)


def test_what_is_no_text_and_links_are_left_out_and_told(tmp_path, capsys):
    run = made(tmp_path / "run")
    (run / HOSTS / "heap.hprof").write_bytes(b"JAVA\0password=planted-1")
    (run / HOSTS / "link.log").symlink_to("/etc/passwd")

    assert main(["bundle", "pack", str(run), "-o", str(tmp_path / "out.tar.gz")]) == 0

    said = capsys.readouterr().out
    left = index_of(tmp_path / "out.tar.gz")["left_out"]
    assert {item["path"]: item["why"] for item in left} == {
        f"{HOSTS}/heap.hprof": "not text",
        f"{HOSTS}/link.log": "a link",
    }
    assert "left out (a link): topologies/t/hosts/east-a-0/link.log" in " ".join(said.split())
    assert b"root:x:" not in b"".join(contents(tmp_path / "out.tar.gz").values())


def test_packing_hides_no_edit(tmp_path, capsys):
    run = made(tmp_path / "run")
    history = run / "scenarios/good-t/history/east-w.jsonl"
    history.write_text(history.read_text().replace('"due": null', '"due":  null') + "\n".join([""]))
    with (run / HOSTS / "system.log").open("a") as log:
        log.write("INFO written later\n")
    verdict = run / "scenarios/good-t/observations.jsonl"
    verdict.write_text(verdict.read_text().replace("nothing", "something"))
    archive = pack(run).archive

    assert main(["judge", str(archive)]) == 10
    said = " ".join(capsys.readouterr().out.split())
    assert f"{HOSTS}/system.log: altered: its sha256 is not the one in index.json [RP-BUN-010]" in said
    assert "scenarios/good-t/observations.jsonl: altered" in said


def test_a_run_that_goes_on_is_not_packed(tmp_path):
    run = made(tmp_path / "run")
    me = Identity.of()
    process = {"pid": me.pid, "start": me.start, "boot": me.boot, "space": me.space}
    (run / "run.json").write_text(json.dumps({"schema": 1, "ended": None, "process": process}))
    with pytest.raises(UsageError, match="run run is still going on"):
        pack(run)
    (run / "run.json").write_text(json.dumps({"schema": 1, "ended": "killed", "process": process}))
    assert pack(run).files > 5


def test_where_nothing_can_be_written_nothing_is_left(tmp_path, capsys, monkeypatch):
    run = made(tmp_path / "run")
    assert main(["bundle", "pack", str(run), "-o", str(tmp_path / "no" / "x.tar.gz")]) == 11
    assert "x.tar.gz cannot be made (No such file or directory); name a place" in capsys.readouterr().err
    assert main(["bundle", "pack", str(tmp_path)]) == 4
    assert "no run folder (run.json, scenarios/)" in capsys.readouterr().err

    def full(*_given):
        raise OSError(28, "No space left on device")

    (tmp_path / "old.tar.gz").write_text("the old one")
    monkeypatch.setattr(packing.os, "fsync", full)
    monkeypatch.setattr(packing, "write_index", lambda *_given, **_named: None)
    assert main(["bundle", "pack", str(run), "-o", str(tmp_path / "old.tar.gz")]) == 11
    assert (tmp_path / "old.tar.gz").read_text() == "the old one"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["old.tar.gz", "run"]


def test_a_file_that_cannot_be_read_is_named(tmp_path, monkeypatch):
    run = made(tmp_path / "run")

    def refused(*_given):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(packing, "_ends", refused)
    monkeypatch.setattr(packing, "MOST_OF_A_LOG", 10)
    with pytest.raises(BundleError, match=f"{HOSTS}/system.log: cannot be read \\(Permission denied\\)"):
        pack(run)
