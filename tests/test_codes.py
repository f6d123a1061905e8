"""Every failure has a code, every code a page and a place that utters it, and no code was ever given out twice."""

import ast
import inspect
import re
from pathlib import Path

import pytest

from clusters import errors, plan_records
from scenarios import codes
from scenarios.checks import append_order  # noqa: F401  the one check that only imported histories ask for
from scenarios.checks.registry import _REGISTRY as CHECKS
from scenarios.codes import sentences
from scenarios.codes.pages import sections

ROOT = Path(__file__).parents[1]
GIVEN = ROOT / "tests" / "data" / "codes.txt"
ROOMS = ("clusters", "images", "scenarios", "reports", "fixtures", "ringproof")
PARTS = ("**Observed:**", "**Usual cause", "**Look at:**", "**Do:**")
NO_ANOMALIES = {"cas-register", "blocked-port-found"}
"""Words of that form in the checks which name a model and a count."""
HOLE = "10"
"""What stands in a sentence where its place of origin puts a value: a word and a number at once."""


def given_out():
    lines = [line for line in GIVEN.read_text().splitlines() if line and not line.startswith("#")]
    return [line.split(" ", 1) for line in lines]


def trees(*rooms):
    for file in sorted(path for room in rooms for path in (ROOT / room).rglob("*.py")):
        yield file, ast.parse(file.read_text())


def everything_written():
    return "\n".join(page.read_text() for page in (ROOT / "docs" / "codes").glob("*.md"))


def spoken(node):
    """The text of an expression of literals, with holes for what is put in; None when it holds no literal."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.JoinedStr):
        return "".join(part.value if isinstance(part, ast.Constant) else HOLE for part in node.values)
    return None


def subclasses(kind):
    return {kind, *(found for child in kind.__subclasses__() for found in subclasses(child))}


def errors_of_the_tree():
    import scenarios.load
    import scenarios.record  # noqa: F401  each import brings its part of the tree

    return {kind.__name__: kind for kind in subclasses(errors.RingproofError)}


def raised():
    """(where, class, sentence) of every place that raises an error of the tree with words of its own."""
    known = errors_of_the_tree()
    for file, tree in trees(*ROOMS):
        for node in ast.walk(tree):
            if isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call):
                name = ast.unparse(node.exc.func).split(".")[-1]
                text = spoken(node.exc.args[0]) if node.exc.args else None
                if name in known and text is not None:
                    yield f"{file.relative_to(ROOT)}:{node.lineno}", known[name], text


def bare(kind, text):
    """An error of the class with that sentence, whatever its constructor wants."""
    error = kind.__new__(kind)
    Exception.__init__(error, text)
    return error


def anomalies_in_sources():
    """Every word of the checks that is written like an anomaly, and what is handed to a Finding as one."""
    found = set()
    for _, tree in trees("scenarios/checks"):
        for node in ast.walk(tree):
            if isinstance(node, ast.Constant) and re.fullmatch(r"[a-z]+(-[a-z]+)+", str(node.value)):
                found.add(node.value)
            if isinstance(node, ast.Call) and ast.unparse(node.func).lower().endswith("finding") and node.args:
                first = spoken(node.args[0])
                found |= {first} if first and re.fullmatch(r"[a-z-]+", first) else set()
    return found - NO_ANOMALIES


def test_no_code_was_given_out_twice_or_changed_its_meaning():
    given = given_out()
    assert len({failure for _, failure in given}) == len(given)
    for code, failure in given:
        assert codes.BY_FAILURE.get(failure, code) == code, f"{failure} was {code} and must stay so"
    gone = {code for code, failure in given if failure not in codes.BY_FAILURE}
    kept = {code for code, failure in given if failure in codes.BY_FAILURE}
    assert set(codes.CODES) & (gone - kept) == set()


def test_every_code_is_on_the_list_of_what_was_given_out():
    assert {tuple(line) for line in given_out()} >= {(code, failure) for failure, code in codes.BY_FAILURE.items()}


def test_a_failure_has_one_code():
    failures = [failure for held in codes.CODES.values() for failure in held]
    assert len(failures) == len(set(failures))


def test_every_code_has_a_section_and_every_section_a_code():
    assert set(sections()) == set(codes.CODES)
    headings = re.findall(r"^## (\S+)", everything_written(), re.MULTILINE)
    assert sorted(headings) == sorted(codes.CODES)


@pytest.mark.parametrize("code", sorted(codes.CODES))
def test_a_section_says_what_was_seen_why_where_to_look_and_what_to_do(code):
    section = sections()[code]
    assert section.title
    assert [part for part in PARTS if part not in section.text] == []
    assert 10 <= len(section.text.splitlines()) <= 40
    assert max(map(len, section.text.splitlines())) <= 80


def test_every_code_that_a_page_names_exists():
    named = set(re.findall(r"RP-[A-Z]+-\d+", everything_written()))
    assert named - set(codes.CODES) == set()


def test_every_check_has_a_code_for_each_verdict():
    for name, _ in CHECKS:
        assert codes.BY_FAILURE.get(f"vacuous:{name}"), name
        assert codes.of_check({"check": name, "verdict": "unknown", "explain": "odd"}) == "RP-CHECK-099"
        assert codes.of_check({"check": name, "verdict": "invalid", "findings": []}) in codes.CODES
        assert codes.of_check({"check": name, "verdict": "valid"}) is None


def test_every_anomaly_of_the_checks_has_a_code_and_every_code_of_one_is_uttered():
    named = [failure.removeprefix("finding:").split("/") for failure in codes.BY_FAILURE if "finding:" in failure]
    known = {anomaly for _, anomaly in named} - {"*"}
    words = {text for _, tree in trees("scenarios/checks") for node in ast.walk(tree) if (text := spoken(node))}
    assert anomalies_in_sources() - known == set()
    assert known - words == set()
    assert {check for check, _ in named} - {"*"} <= {name for name, _ in CHECKS}


def test_the_scan_finds_what_has_no_code():
    assert {"served-in-cut", "host-died", "two-winners", "fork", "gap"} <= anomalies_in_sources()
    assert codes.of_finding("refused", "never-heard-of") == "RP-CHECK-001"
    assert codes.of_finding("outcomes", "refused-start") == "RP-HOST-004"


def test_every_class_of_error_has_a_code_of_its_own():
    for name, kind in errors_of_the_tree().items():
        assert f"error:{name}" in codes.BY_FAILURE, name
        assert codes.of_error(bare(kind, "odd")) == codes.BY_FAILURE[f"error:{name}"]


def test_every_place_that_raises_has_a_code_of_its_own():
    general = {code for code in codes.CODES if code.endswith("-099")} | {"RP-INT-001"}
    told = {where: codes.of_error(bare(kind, text)) for where, kind, text in raised() if re.search("[a-z]", text)}
    assert len(told) > 100
    refusal = [where for where, _, text in raised() if text == f"this machine cannot carry a lab: {HOLE}"]
    assert refusal  # the doctor's finding is put in, and has the code
    assert {where: code for where, code in told.items() if code in general and where not in refusal} == {}


def test_a_refusal_has_the_code_of_the_doctors_finding():
    said = "this machine cannot carry a lab: memory: 1.0 GB available, needed: 3.3 GB; end other programs"
    assert codes.of_error(errors.EnvironmentUnfit(said)) == "RP-FIT-003"
    assert codes.of_error(errors.EnvironmentUnfit(said.replace("memory", "of tomorrow"))) == "RP-FIT-099"


def test_every_pattern_finds_something_that_is_uttered():
    texts = [text for _, tree in trees(*ROOMS) for node in ast.walk(tree) if (text := spoken(node))]
    composed = [
        "the run broke at the campaign: not conducted: no ring",
        "odd.yaml:4:15: clusters[0]: expected a range",
        "history/a.jsonl:3: not a record",
    ]
    patterns = [*sentences.DOUBTS, *sentences.FAULTS, *sentences.BUNDLES, *sentences.CLEANUPS]
    patterns += [pattern for held in sentences.ERRORS.values() for pattern in held]
    own = {pattern for _, pattern in patterns}
    said = [text for text in [*texts, *composed] if text not in own]
    for failure, pattern in patterns:
        assert failure in codes.BY_FAILURE
        assert any(re.search(pattern, text) for text in said), failure


def test_every_gate_has_a_code():
    source = (ROOT / "scenarios" / "gates.py").read_text() + (ROOT / "scenarios" / "judge.py").read_text()
    known = {failure.removeprefix("gate:") for failure in codes.BY_FAILURE if failure.startswith("gate:")}
    rows = {
        call.args[0]
        for _, tree in trees("scenarios")
        for call in ast.walk(tree)
        if isinstance(call, ast.Call) and ast.unparse(call.func) == "_row" and call.args
    }
    assert {text for node in rows if (text := spoken(node))} - known == {f"ok operations {HOLE}"} & {
        text for node in rows if (text := spoken(node))
    }
    assert [
        gate
        for gate in known
        if gate.split(" before")[0].split(" during")[0].split(" after ")[0] not in source
        and not gate.startswith("ok operations")
    ] == []
    assert codes.of_gate("torn files") == "RP-GATE-001"


def test_every_conflict_of_the_planner_has_a_code():
    listed = set(re.findall(r"RP-PLAN-\d+", inspect.getdoc(plan_records) or ""))
    used = {
        found
        for _, tree in trees("clusters")
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
        for found in re.findall(r"^RP-PLAN-\d+$", node.value)
    }
    assert used == listed == {code for code in codes.CODES if "-PLAN-" in code}


def ids_of_the_doctor():
    """What stands first in a Finding or a Check where the doctor is; acts and programs are looped over."""
    for file, tree in trees("clusters", "ringproof"):
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and ast.unparse(node.func) in {"Finding", "Check"} and node.args:
                yield from filter(None, [spoken(node.args[0])])
            looped = isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) in {"ACTS", "ABILITIES", "PROGRAMS"}
            if looped and re.search("/(fit|lab)", str(file)):
                yield from (part.value for part in ast.walk(node.value) if spoken(part))


def test_every_check_of_the_doctor_has_a_code():
    made = set(ids_of_the_doctor())
    assert {"memory", "nsenter", "user namespace", "leftovers"} <= made
    assert {identity for identity in made if codes.of_doctor(identity) == "RP-FIT-099"} == set()
    assert codes.of_doctor("of tomorrow") == "RP-FIT-099"


@pytest.mark.parametrize(
    ("why", "code"),
    [
        ("fault F1 has no recorded 'effective'", "RP-CHECK-004"),
        ("the machine was starved: 6.0% of the operations were sent over 0.1 s late; otherwise: x", "RP-CHECK-005"),
        ("the run broke at the campaign: not conducted: no ring", "RP-RUN-007"),
        ("the run broke at run.py:3: LabGone: gone", "RP-LAB-002"),
        ("the run broke at run.py:3: ProvisionFailed: no address is free in 10.0.0.0/24", "RP-LAB-007"),
        ("the run broke at run.py:3: KeyError: 'east'", "RP-RUN-005"),
        ("the check could not be made: BundleError: history/a.jsonl:3: not a JSON record (x)", "RP-BUN-003"),
        ("the check could not be made: BundleError: scenario.json: no tokens; the replicas of a key cannot be reckoned",
         "RP-CHECK-012"),
        ("the check could not be made: KeyError: 'hosts'", "RP-CHECK-003"),
        ("key 3: undecided after 900 steps", "RP-CHECK-011"),
    ],
)  # fmt: skip
def test_the_reason_of_an_unknown_check_is_told_by_its_sentence(why, code):
    assert codes.of_check({"check": "served", "verdict": "unknown", "explain": why}) == code


@pytest.mark.parametrize(
    ("part", "why", "code"),
    [
        ("evidence", "F1 did not bite: no independent observation of its effect", "RP-FAULT-001"),
        ("evidence", "F1 ended in error: the fault did not bite: x", "RP-FAULT-001"),
        ("evidence", "F1 ended in error: LabError: x", "RP-FAULT-002"),
        ("cleanup", "2 entries left in the journal", "RP-CLEAN-001"),
        ("cleanup", "the run ended before the clean-up was recorded", "RP-CLEAN-002"),
        ("system", "no check was declared", "RP-VAC-005"),
        ("system", "checks.json: cannot be read (No such file)", "RP-BUN-002"),
    ],
)
def test_a_part_of_a_verdict_is_told_by_its_sentence(part, why, code):
    assert codes.of_part(part, why) == code


def test_wrong_shapes_of_altered_bundles_have_a_code_too():
    assert codes.of_check({"verdict": "invalid", "findings": ["odd"]}) == "RP-CHECK-001"
    assert codes.of_check({"verdict": 3}) == "RP-CHECK-099"
    assert codes.of_trouble("missing") == "RP-BUN-009"
    assert codes.of_trouble("larger than 64 MiB, so not read") == "RP-BUN-011"
    assert codes.of_trouble("anything else") == "RP-BUN-010"
