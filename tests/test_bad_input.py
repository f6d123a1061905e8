"""Bundles as they come: of another version, cut off, edited, empty, with markup. Each is told, none is a traceback."""

from __future__ import annotations

import gzip
import html
import io
import json
import re
import shutil
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from ringproof.command import main
from scenarios import packed
from scenarios.index import changes, renew_verdicts, write_index
from scenarios.judge import judge_run
from tests.test_packing import HOSTS, made

GOOD = "scenarios/good-t"
HISTORY = f"{GOOD}/history/east-w.jsonl"
EVIL = "<script>alert(1)</script><img src=x onerror=alert(2)>[bold red]::error::evil\x1b[31m"
ALTERED = "altered: its sha256 is not the one in index.json"


def replaced(name: str, old: str, new: str) -> Callable[[Path], None]:
    def harm(run: Path) -> None:
        assert old in (run / name).read_text()
        (run / name).write_text((run / name).read_text().replace(old, new))

    return harm


def cut(name: str) -> Callable[[Path], None]:
    def harm(run: Path) -> None:
        content = (run / name).read_bytes()
        (run / name).write_bytes(content[: len(content) // 2])

    return harm


def gone(name: str) -> Callable[[Path], None]:
    return lambda run: (run / name).unlink()


def added(name: str, content: bytes) -> Callable[[Path], None]:
    return lambda run: (run / name).write_bytes(content) and None


def appended(name: str, content: bytes) -> Callable[[Path], None]:
    return lambda run: (run / name).write_bytes((run / name).read_bytes() + content) and None


def unindexed(harm: Callable[[Path], None]) -> Callable[[Path], None]:
    """Harm to a bundle as versions before the index left it."""

    def both(run: Path) -> None:
        (run / "index.json").unlink()
        harm(run)

    return both


def emptied(run: Path) -> None:
    shutil.rmtree(run / GOOD)


def named_evil(run: Path) -> None:
    facts = json.loads((run / GOOD / "scenario.json").read_text())
    for key in ("id", "scenario", "variant", "topology", "promise", "explanation"):
        facts[key] = EVIL
    (run / GOOD / "scenario.json").write_text(json.dumps(facts))
    (run / GOOD).rename(run / "scenarios" / EVIL.replace("/", "_"))
    book = json.loads((run / "run.json").read_text())
    (run / "run.json").write_text(json.dumps({**book, "run_id": EVIL, "profile": EVIL, EVIL: [EVIL]}))
    (run / HOSTS).rename(run / "topologies" / "t" / "hosts" / EVIL.replace("/", "_"))


SCHEMA = "is not known here"
UNSAID = {
    ("observation not UTF-8", "folder", "judge"),  # neither the table nor the check of this run needs an observation
    ("observation not UTF-8", "archive", "judge"),
    ("no scenario", "archive", "report"),  # the verdict in the archive is of the scenario that is gone: not judged
}
CASES = {
    "newer facts": (replaced(f"{GOOD}/scenario.json", '"schema": 1', '"schema": 2'), 10, f"schema 2 {SCHEMA}"),
    "older facts": (replaced(f"{GOOD}/scenario.json", '"schema": 1', '"schema": 0'), 10, f"schema 0 {SCHEMA}"),
    "newer facts, no index": (
        unindexed(replaced(f"{GOOD}/scenario.json", '"schema": 1', '"schema": 2')), 10, f"schema 2 {SCHEMA}",
    ),
    "newer history": (unindexed(replaced(HISTORY, '"schema": 1', '"schema": 7')), 10, f"schema 7 {SCHEMA}"),
    "newer run": (unindexed(replaced("run.json", '"schema": 1', '"schema": 2')), 0, f"schema 2 {SCHEMA}"),
    "newer index": (replaced("index.json", '"schema": 1', '"schema": 2'), 10, f"schema 2 {SCHEMA}"),
    "cut facts": (unindexed(cut(f"{GOOD}/scenario.json")), 10, "scenario.json: torn or altered: not JSON"),
    "cut checks": (unindexed(cut(f"{GOOD}/checks.json")), 10, "checks.json: torn or altered: not JSON"),
    "cut index": (cut("index.json"), 10, "index.json: altered: not JSON"),
    "cut run.json": (cut("run.json"), 0, "run.json: altered: its sha256"),
    "cut history": (cut(HISTORY), 1, f"{HISTORY}: {ALTERED}"),
    "edited history": (replaced(HISTORY, '"LOCAL_QUORUM"', '"QUORUM"'), 10, f"{HISTORY}: {ALTERED}"),
    "edited checks": (replaced(f"{GOOD}/checks.json", "[{", "[ {"), 10, f"{GOOD}/checks.json: {ALTERED}"),
    "edited log": (appended(f"{HOSTS}/system.log", b"more\n"), 0, f"{HOSTS}/system.log: {ALTERED}"),
    "missing history": (gone(HISTORY), 1, f"{HISTORY}: missing: index.json lists it"),
    "new history": (
        lambda run: shutil.copy(run / HISTORY, run / GOOD / "history" / "more.jsonl"), 10,
        f"{GOOD}/history/more.jsonl: altered: index.json does not list it",
    ),
    "history behind a link": (
        lambda run: (shutil.move(run / HISTORY, run / "x.jsonl"), (run / HISTORY).symlink_to(run / "x.jsonl")), 10,
        f"{HISTORY}: missing: index.json lists it",
    ),
    "no scenario": (unindexed(emptied), 10, "Nothing was put to the test."),
    "scenario removed": (emptied, 10, f"{GOOD}/checks.json: missing: index.json lists it"),
    "no observations": (unindexed(gone(f"{GOOD}/observations.jsonl")), 0, "valid"),
    "log not UTF-8": (unindexed(appended(f"{HOSTS}/system.log", b"caf\xe9 \xff\xfe\n")), 0, "valid"),
    "history not UTF-8": (unindexed(appended(HISTORY, b'{"caf\xe9": 1}\n')), 10, "not UTF-8"),
    "observation not UTF-8": (
        unindexed(appended(f"{GOOD}/observations.jsonl", b'{"t": 1, "kind": "log_line", "text": "caf\xe9"}\n')), 0,
        "observations.jsonl: altered: not UTF-8",
    ),
    "nested deep": (unindexed(added(f"{GOOD}/scenario.json", b"[" * 100_000)), 10, "scenario.json"),
    "history nested deep": (unindexed(appended(HISTORY, b'{"a":' * 100_000 + b"\n")), 10, "east-w.jsonl"),
    "markup": (unindexed(named_evil), 0, "valid"),
}  # fmt: skip


@pytest.fixture(autouse=True)
def apart(monkeypatch, tmp_path):
    """Judged without the job summary of whoever tests."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("GITHUB_ACTIONS", raising=False)
    monkeypatch.delenv("GITHUB_STEP_SUMMARY", raising=False)


def archived(folder: Path) -> Path:
    """The folder as it is, packed by somebody else's tar; links as the files that they lead to."""
    with tarfile.open(folder.with_suffix(".tar.gz"), "w:gz", dereference=True) as archive:
        archive.add(folder, "run")
    return folder.with_suffix(".tar.gz")


def words(text: str) -> str:
    """The words of a terminal or a page, in one line."""
    return html.unescape(" ".join(re.sub(r"<[^>]*>", " ", text).split()))


@pytest.mark.parametrize("form", ["folder", "archive"])
@pytest.mark.parametrize("case", CASES)
def test_it_is_said_and_nothing_fails(tmp_path, capsys, case, form):
    harm, code, said = CASES[case]
    run = made(tmp_path / "run")
    harm(run)
    if (case, form) == ("history behind a link", "archive"):
        said, code = "x.jsonl: altered: index.json does not list it", 0
    bundle = archived(run) if form == "archive" else run

    assert main(["judge", str(bundle)]) == code
    judged = capsys.readouterr()
    assert main(["report", "path", str(bundle)]) == 0
    page = Path(capsys.readouterr().out.strip()).read_text("utf-8")
    for command, told in {"judge": words(judged.out + judged.err), "report": words(page)}.items():
        assert all(part in told for part in said.split(": ")) or (case, form, command) in UNSAID, told
        assert "Traceback" not in told
        assert "/tmp/ringproof-" not in told
    assert "<script>alert" not in page
    assert "<img src=x" not in page
    assert "\x1b" not in judged.out + page
    assert not [line for line in judged.out.splitlines() if line.startswith("::error::")]


ONLY_JUDGED = {"newer history", "history not UTF-8", "history nested deep"}
"""Without an index a report names these files, and believes the verdict until it is judged again."""


@pytest.mark.parametrize("case", [case for case in CASES if CASES[case][1] != 0 and case != "no scenario"])
def test_a_report_that_nobody_judged_again_does_not_believe_it_either(tmp_path, case):
    harm, _, _ = CASES[case]
    run = made(tmp_path / "run")
    harm(run)

    assert main(["report", "path", str(run)]) == 0
    found = re.search("<title>(\\w+)", (run / "report.html").read_text("utf-8"))
    assert (found[1] == "valid") is (case in ONLY_JUDGED)


def test_a_verdict_that_was_forged_whole_is_found_by_its_hash_until_it_is_judged_again(tmp_path, capsys):
    run = made(tmp_path / "run")
    verdict = run / GOOD / "verdict.json"
    original = verdict.read_bytes()
    verdict.write_text(json.dumps({**json.loads(original), "seconds": 1.0}))
    assert [one.path for one in changes(run)] == [f"{GOOD}/verdict.json"]
    assert main(["report", "path", str(run)]) == 0
    assert "<title>unknown: ringproof" in (run / "report.html").read_text("utf-8")

    assert main(["judge", str(run)]) == 0
    assert changes(run) == []
    assert verdict.read_bytes() == original
    capsys.readouterr()


def test_a_scenario_judged_alone_in_its_run_knows_the_index(tmp_path, capsys):
    run = made(tmp_path / "run")
    CASES["edited history"][0](run)

    assert main(["judge", str(run / GOOD)]) == 10
    assert "files are not as recorded" in (run / GOOD / "verdict.json").read_text()
    assert "history/east-w.jsonl: altered" in words(capsys.readouterr().out)
    shutil.copytree(run / GOOD, tmp_path / "alone")
    assert main(["judge", str(tmp_path / "alone")]) == 0


def test_an_index_opens_no_file_outside(tmp_path):
    run = made(tmp_path / "run")
    index = json.loads((run / "index.json").read_text())
    index["files"] += [{"path": "../../etc/passwd", "sha256": ""}, {"path": 7}, "x", None]
    (run / "index.json").write_text(json.dumps(index))

    assert [one.path for one in changes(run)] == ["../../etc/passwd"]


@pytest.mark.parametrize("index", ['{"schema": 1}', "[]", '{"schema": 1, "files": {}}'])
def test_what_is_no_index_is_told_and_stays(tmp_path, index):
    run = made(tmp_path / "run")
    (run / "index.json").write_text(index)
    renew_verdicts(run)

    assert (run / "index.json").read_text() == index
    assert judge_run(run).verdict == "unknown"


def test_an_index_is_written_whole_and_the_same_each_time(tmp_path):
    run = made(tmp_path / "run")
    first = (run / "index.json").read_bytes()
    (run / "report.html").write_text("derived")
    (run / ".verdict.json.x1").write_text("half of one")
    write_index(run)

    assert (run / "index.json").read_bytes() == first


def whole_archive(tmp_path: Path) -> bytes:
    return archived(made(tmp_path / "run")).read_bytes()


def flipped(content: bytes) -> bytes:
    return content[:900] + bytes(255 - byte for byte in content[900:940]) + content[940:]


def misheaded(content: bytes) -> bytes:
    """The same archive, the header that its last member begins with damaged and all else whole."""
    with tarfile.open(fileobj=io.BytesIO(content)) as archive:
        last = archive.getmembers()[-1].offset
    unpacked = bytearray(gzip.decompress(content))
    unpacked[last + 10] ^= 1
    return gzip.compress(bytes(unpacked))


def miscounted(content: bytes) -> bytes:
    """The same archive, stored without compression, with one byte of one file changed."""
    stored = bytearray(gzip.compress(gzip.decompress(content), 0))
    place = stored.index(b'"scenario"')
    stored[place + 2] ^= 1
    return bytes(stored)


def holding(*members: tarfile.TarInfo) -> bytes:
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w:gz") as archive:
        for member in members:
            archive.addfile(member, io.BytesIO(b"x" * member.size))
    return content.getvalue()


def member(name: str, size: int = 1, kind: bytes = tarfile.REGTYPE) -> tarfile.TarInfo:
    found = tarfile.TarInfo(name)
    found.size, found.type, found.linkname = size, kind, "/etc/passwd"
    return found


ARCHIVES = {
    "cut": (lambda path: whole_archive(path)[:-200], "not a readable .tar.gz"),
    "cut early": (lambda path: whole_archive(path)[:15], "not a readable .tar.gz"),
    "cut tar": (lambda path: gzip.decompress(whole_archive(path))[:3000], "not a readable .tar.gz"),
    "misheaded": (lambda path: misheaded(whole_archive(path)), "not a readable .tar.gz (a member's header is damaged)"),
    "headless tar": (lambda path: gzip.decompress(misheaded(whole_archive(path))), "a member's header is damaged"),
    "miscounted": (lambda path: miscounted(whole_archive(path)), "not a readable .tar.gz (CRC check failed"),
    "flipped": (lambda path: flipped(whole_archive(path)), "not a readable .tar.gz"),
    "empty": (lambda _: b"", "not a readable .tar.gz"),
    "text": (lambda _: b"no archive at all", "not a readable .tar.gz"),
    "no members": (lambda _: holding(), "no scenario folder (scenario.json) and no run folder (scenarios/) in it"),
    "another": (lambda _: holding(member("a/b"), member("c/d")), "no scenario folder"),
    "upwards": (lambda _: holding(member("run/../../out")), "is no plain file inside the bundle"),
    "absolute": (lambda _: holding(member("/out")), "is no plain file inside the bundle"),
    "link": (lambda _: holding(member("run/x", 0, tarfile.SYMTYPE)), "is no plain file inside the bundle"),
    "hard link": (lambda _: holding(member("run/x", 0, tarfile.LNKTYPE)), "is no plain file inside the bundle"),
    "device": (lambda _: holding(member("run/x", 0, tarfile.CHRTYPE)), "is no plain file inside the bundle"),
    "twice": (lambda _: holding(member("run/x"), member("run/x")), "not a readable .tar.gz (File exists)"),
    "file as folder": (lambda _: holding(member("run"), member("run/x")), "not a readable .tar.gz"),
    "endless name": (lambda _: holding(member("run/" + "x" * 300)), "not a readable .tar.gz (File name too long)"),
    "too large": (lambda _: holding(member("run/x", 3000)), "larger than 0 MiB or 4 files when unpacked"),
    "too many": (lambda _: holding(*(member(f"run/{at}") for at in range(5))), "larger than 0 MiB or 4 files"),
}


@pytest.mark.parametrize("command", [["judge"], ["report", "path"]], ids=["judge", "report"])
@pytest.mark.parametrize("case", ARCHIVES)
def test_a_damaged_or_hostile_archive_is_one_sentence(tmp_path, capsys, monkeypatch, case, command):
    make, said = ARCHIVES[case]
    content = make(tmp_path)
    if case.startswith("too"):
        monkeypatch.setattr(packed, "MOST_BYTES", 2000)
        monkeypatch.setattr(packed, "MOST_FILES", 4)
    bundle = tmp_path / "bundle.tar.gz"
    bundle.write_bytes(content)
    before = {path.name for path in tmp_path.iterdir()}

    assert main([*command, str(bundle)]) == 4

    error = capsys.readouterr().err
    assert said in error
    assert error.startswith(f"ringproof: {bundle}: ")
    assert error.count("\n") == 1
    assert "[RP-BUN-00" in error
    assert {path.name for path in tmp_path.iterdir()} == before
    assert list(tmp_path.parent.glob("out")) == []


def test_an_archive_of_any_name_is_known_by_its_first_bytes(tmp_path):
    content = whole_archive(tmp_path)
    for name, data in {"a": content, "b": gzip.decompress(content)}.items():
        (tmp_path / name).write_bytes(data)
        assert main(["judge", str(tmp_path / name)]) == 0
    assert not packed.packed(tmp_path / "nowhere.tar.gz")


def test_a_scenario_has_no_report_of_its_own(tmp_path, capsys):
    run = made(tmp_path / "run")

    assert main(["report", "path", str(run / GOOD)]) == 4
    assert "one scenario, no run folder: name the run that holds it" in capsys.readouterr().err
    assert not (run / GOOD / "report.html").exists()
