"""The server as a process: its start, its conversation, its end."""

import contextlib
import json
import subprocess
import sys

import pytest

from clusters.dns.client import ask

POD = {"hostname": "east-0", "service": "cass", "namespace": "ring", "address": "10.1.0.3"}
DOCUMENT = {"own": {"zones": ["east.local"]}, "host": "127.0.0.1", "port": 0, "pods": [POD]}
NAME = "east-0.cass.ring.svc.east.local"


@contextlib.contextmanager
def program(folder, document=DOCUMENT, *options):
    config = folder / "dns.json"
    config.write_text(json.dumps(document))
    command = [sys.executable, "-m", "clusters.dns.server", "--config", str(config), *options]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, text=True, bufsize=1) as process:
        try:
            yield process
        finally:
            process.kill()


def say(process, line):
    process.stdin.write(line + "\n")
    return json.loads(process.stdout.readline())


def test_a_conversation_from_start_to_end(tmp_path):
    with program(tmp_path) as process:
        ready = json.loads(process.stdout.readline())
        assert (ready["ok"], ready["host"]) == (True, "127.0.0.1")
        assert ask("127.0.0.1", NAME, 5.0, port=ready["port"]).addresses == ("10.1.0.3",)
        assert say(process, "no json")["ok"] is False
        assert say(process, '{"do": "rule", "id": "F1", "match": "*", "action": "servfail"}')["ok"]
        assert ask("127.0.0.1", NAME, 5.0, port=ready["port"]).rcode == "SERVFAIL"
        assert say(process, '\n{"do": "unrule", "id": "F1"}')["ok"]
        assert [each["rcode"] for each in say(process, '{"do": "log"}')["log"]] == ["NOERROR", "SERVFAIL"]
        process.stdin.close()
        assert process.wait(5) == 0
        assert process.stderr.read() == ""


def test_an_answer_that_nobody_reads_does_not_stop_the_service(tmp_path):
    with program(tmp_path) as process:
        port = json.loads(process.stdout.readline())["port"]
        for number in range(200):
            ask("127.0.0.1", f"n{number}.east.local", 5.0, port=port)
        process.stdin.write('{"do": "log"}\n' * 10)  # 10 times 30 kB: more than a pipe holds
        assert ask("127.0.0.1", NAME, 5.0, port=port).rcode == "NOERROR"
        answers = [json.loads(process.stdout.readline()) for _ in range(10)]
        assert {len(each["log"]) for each in answers} <= {200, 201}


def test_options_override_the_file(tmp_path):
    with program(tmp_path, DOCUMENT | {"host": "127.0.0.9"}, "--host", "127.0.0.3") as process:
        assert json.loads(process.stdout.readline())["host"] == "127.0.0.3"


@pytest.mark.parametrize(
    ("document", "code", "words"),
    [
        ({"own": {"zones": []}}, 4, "at least one suffix"),
        (DOCUMENT | {"host": "192.0.2.1"}, 12, "cannot listen on 192.0.2.1:0"),
    ],
    ids=["configuration", "address"],
)
def test_a_start_that_cannot_be_is_said_in_one_sentence(tmp_path, document, code, words):
    with program(tmp_path, document) as process:
        out, err = process.communicate(timeout=5)
    assert process.returncode == code
    assert json.loads(out)["ok"] is False
    assert words in json.loads(out)["error"]
    assert err.count("\n") == 1


def test_a_missing_file_is_named(tmp_path):
    command = [sys.executable, "-m", "clusters.dns.server", "--config", str(tmp_path / "no.json")]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=5, check=False)
    assert (done.returncode, "no.json: cannot be read" in done.stderr) == (4, True)


def test_the_server_loads_no_heavy_library():
    code = "import sys, clusters.dns.server; print(*{'pydantic', 'tenacity', 'pyroute2', 'dns'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=5, check=True)
    assert done.stdout.strip() == ""


def test_the_probe_prints_one_line(tmp_path):
    with program(tmp_path) as process:
        port = json.loads(process.stdout.readline())["port"]
        command = [sys.executable, "-m", "clusters.dns.client", "127.0.0.1", NAME, "--port", str(port)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=5, check=True)
    told = json.loads(done.stdout)
    assert (told["rcode"], told["addresses"], told["ttl"]) == ("NOERROR", ["10.1.0.3"], 5)
