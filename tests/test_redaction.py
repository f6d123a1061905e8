"""Secrets are found in every form in which a bundle may hold them, and nothing that is judged is changed."""

from __future__ import annotations

import base64
import json

import pytest

from reports.redaction import MARK, Redaction

HOME = "/srv/people/anna"
PERSON, ADMIN = "/home" + "/planted", "/root" + "/x"  # a rule of the house finds such paths in its files
PEM = "-----BEGIN RSA PRIVATE KEY-----\nMIIEowIBAAKCAQEAplanted\nplantedPEMline2\n-----END RSA PRIVATE KEY-----"
BASE64 = base64.b64encode(PEM.encode()).decode()
JWT = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJwbGFudGVkIn0.c2lnbmF0dXJlcGxhbnRlZA"
KUBECONFIG = f"""\
apiVersion: v1
kind: Config
clusters:
- name: east
  cluster: {{server: https://10.0.0.1:6443, certificate-authority-data: {BASE64}}}
users:
- name: planted-admin
  user:
    client-certificate-data: {BASE64}
    client-key-data: {BASE64}
    exec:
      args: [planted-argument]
current-context: east
"""
SECRET = """\
apiVersion: v1
kind: Secret
metadata:
  name: superuser
stringData:
  user: planted-user
  other: planted-value
type: Opaque
"""
PLANTED = [
    "password: planted-1",
    "keystore_password: 'planted-2 with words'",
    'cassandra.password="planted-3"',
    "-Dcom.sun.management.jmxremote.password=planted-4",
    "--password planted-5",
    "nodetool -u cassandra -pw planted-6 status",
    "cqlsh -u cassandra -p planted-7",
    "curl -u anna:planted-8 http://10.0.0.1",
    "https://anna:planted-9@example.org/path",
    "https://planted-10@example.org/path",
    "Authorization: Bearer planted-11",
    "Authorization: Basic cGxhbnRlZC0xMg==",
    "AWS_ACCESS_KEY_ID=AKIAIOSFODNN7PLANTED",
    "seen AKIAIOSFODNN7PLANTED in a log",
    "aws_secret_access_key = wJalrXUtnFEMI/K7MDENG/planted/EXAMPLEKEY",
    "token: planted-13",
    "access_token=planted-14&x=1",
    "a token of GitHub: ghp_plantedplantedplantedplantedplanted12",
    f"service account {JWT}",
    "kubeadm join 10.0.0.1:6443 abcde1.0123456789abplan",
    "client-key-data: cGxhbnRlZA==",
    "password: |\n  planted-15\n  planted-16\nnext: 1",
    "<password>planted-17</password>",
    '<property name="db.password" value="planted-18"/>',
    '{"password": "planted-19"',  # no JSON, so read as text
    '"text": "password=\\"planted-20\\", x"',
    PEM,
    f"ca: {BASE64}",
    KUBECONFIG,
    SECRET,
    f"{PERSON}/.kube/config",
    f"-Djava.io.tmpdir={ADMIN}.d -cp /root/.cache/a.jar:/root/.cache/b.jar",
    "/Users/planted/Library",
    "C:\\Users\\planted\\AppData",
    f"{HOME}/runs",
    f"file://{PERSON}/x",
]
TRACES = ("planted-", "plantedPEM", "/planted", "\\planted", "PLANTED", "cGxhbnRlZ", "abplan", "wJalr", "MIIE", "anna")
TRACES += ("LS0tLS1CRUdJTi", "/root", "eyJ", "ghp_")
DOCUMENTS = [
    {"password": "planted-21", "nested": [{"db_password": "planted-22", "apiKey": "planted-23"}]},
    {"token": "planted-24", "authToken": "planted-25", "credentials": {"user": "planted-26", "pin": 12345678}},
    {"argv": ["run", "--password", "planted-27", "--token=planted-28"]},
    {"env": [{"name": "DB_PASSWORD", "value": "planted-29"}]},
    {"kind": "Secret", "data": {"a": "cGxhbnRlZA=="}, "stringData": {"b": "planted-30"}},
    {"kind": "Config", "users": [{"name": "planted-31", "user": {"client-key-data": BASE64}}]},
    {"text": f"line\n{PEM}\nline", "path": f"{PERSON}/x"},
    {"text": 'said "password=\\"planted-32\\""', "url": "http://u:planted-33@h/"},
]
HARMLESS = [
    "initial_token: -9223372036854775808\nnum_tokens: 1",
    '"tokens": {"5c182688": ["-9223372036854775808"]}, "token": -3074457345618258603',
    "authenticator=AllowAllAuthenticator; credentials_validity=2000ms; client_encryption_options=<REDACTED>",
    "keystore_password: null",
    f"/rooted/x /homes/y usr{PERSON} org.apache.cassandra.auth.PasswordAuthenticator",
    "InboundConnectionInitiator.java:510 - /10.250.1.2:7000(/10.250.1.2:51656)->/10.200.1.2:7000",
    "system.size_estimates system.peers_v2 8fb66be3-1733-40b3-b360-72177cd6e443 fbe16984-1406a9221653da09",
    "east-a-0.cassandra.ring.svc.east.local. cache.configuration_x",
    "Node configuration:[allocate_tokens_for_keyspace=null; auto_snapshot=true; broadcast_address=null]",
]


def hidden(name, text):
    return Redaction([HOME]).file(name, text.encode()).decode()


def traces(text):
    return [trace for trace in TRACES if trace in text]


@pytest.mark.parametrize("planted", PLANTED, ids=range(len(PLANTED)))
@pytest.mark.parametrize(
    ("name", "around"),
    [
        ("system.log", "INFO before {} after\nnext line\n"),
        ("config/cassandra.yaml", "a: 1\n{}\nb: 2\n"),
    ],
)
def test_no_secret_is_left_in_text(name, around, planted):
    lines = planted if planted.startswith(("apiVersion", "password: |")) else around.replace("{}", planted)
    assert traces(lines) or "anna" in lines
    found = hidden(name, lines)

    assert traces(found) == []
    assert hidden(name, found) == found


@pytest.mark.parametrize("name", ["observations.jsonl", "run.json"])
@pytest.mark.parametrize("planted", PLANTED, ids=range(len(PLANTED)))
def test_no_secret_is_left_in_the_words_of_json(name, planted):
    document = {"t": 1.5, "kind": "log_line", "text": f"before {planted}" if "\n" not in planted else planted}
    kept = {"t": 2, "key": 3, "value": [1, 2]}
    text = f"{json.dumps(kept)}\n{json.dumps(document)}\n" if name.endswith("l") else json.dumps(document, indent=1)
    found = hidden(name, text)

    assert traces(found) == []
    parsed = json.loads(found.splitlines()[-1] if name.endswith("l") else found)
    assert (parsed["t"], parsed["kind"], set(parsed)) == (1.5, "log_line", set(document))
    if name.endswith("l"):
        assert found.splitlines()[0] == json.dumps(kept)


@pytest.mark.parametrize("document", DOCUMENTS, ids=range(len(DOCUMENTS)))
def test_no_secret_is_left_in_json_values(document):
    found = hidden("x.json", json.dumps(document, indent=1))

    assert traces(found) == []
    assert MARK in found or "~" in found
    assert list(json.loads(found)) == sorted(document)
    assert "12345678" not in found


@pytest.mark.parametrize("text", HARMLESS)
@pytest.mark.parametrize("name", ["system.log", "x.yaml", "y.jsonl"])
def test_what_is_no_secret_stays(name, text):
    assert hidden(name, text) == text


def test_bytes_that_are_no_text_of_utf8_stay_beside_what_is_hidden():
    found = Redaction().file("main.out", b"caf\xe9 password=planted\xff \xfe\n")

    assert found == f"caf\xe9 password={MARK} ".encode("latin-1") + b"\xfe\n"


def test_json_that_is_odd_is_still_json():
    odd = '{"text": "\\ud800 \\u00e9 password=planted-1", "deep": ' + "[" * 50 + "]" * 50 + "}"
    found = json.loads(hidden("x.json", odd))

    assert found["text"] == f"\ud800 é password={MARK}"
    assert traces(hidden("x.json", '{"a": ' * 100_000 + '"password=planted-1"')) == []


def test_it_is_told_which_rules_found_how_much():
    hide = Redaction()
    hide.file("a.log", f"password=a-secret {ADMIN} {PERSON}/y\n".encode())

    assert hide.count == {"named value": 1, "home directory": 2}
