"""ctrf.json: the run in the Common Test Report Format (https://ctrf.io), one test for each scenario.

Only ``valid`` is passed. The format knows no error, and a gate that counts failed tests must not let through what
nobody could decide: so every other verdict is failed, and ``rawStatus`` holds its word.
"""

from __future__ import annotations

import json
import uuid
from pathlib import Path

from reports.bundle import Json, number
from reports.cases import Case, cases
from reports.safe import replace_file, safe
from reports.verdicts import Run, read_run

VERSION = "1.0.0"
"""Version of the specification: schema/ctrf.schema.json of ctrf-io/ctrf."""
NAMES = uuid.uuid5(uuid.NAMESPACE_URL, "ringproof")
"""The ids are derived from names, so that the same bundle gives the same bytes."""


def write_ctrf(run_folder: Path) -> Path:
    """Write ``ctrf.json`` into a run folder and return its path. BundleError only if there is no such folder."""
    run = read_run(run_folder)
    replace_file(run.reader.root / "ctrf.json", render(run, cases(run)))
    return run_folder / "ctrf.json"


def render(run: Run, listed: list[Case]) -> bytes:
    """Return the JSON of a run and its cases; times in milliseconds."""
    identity = safe(run.id)
    document = {
        "reportFormat": "CTRF",
        "specVersion": VERSION,
        "reportId": str(uuid.uuid5(NAMES, identity)),
        "generatedBy": "ringproof",
        "extra": {"run": identity, "verdict": run.verdict, **run.parts},
        "results": {
            "tool": {"name": "ringproof"},
            "summary": _summary(run, listed),
            "tests": [_test(one) for one in listed],
        },
    }
    return (json.dumps(document, ensure_ascii=False, indent=1) + "\n").encode()


def _summary(run: Run, listed: list[Case]) -> Json:
    passed = sum(one.word == "valid" for one in listed)
    start = number(run.facts.get("started")) or 0.0
    end = number(run.facts.get("ended"))
    stop = start + sum(one.seconds for one in listed) if end is None else end
    return {
        "tests": len(listed),
        "passed": passed,
        "failed": len(listed) - passed,
        "skipped": 0,
        "pending": 0,
        "other": 0,
        "start": _milliseconds(start),
        "stop": _milliseconds(stop),
    }


def _test(case: Case) -> Json:
    told: Json = {
        "id": str(uuid.uuid5(NAMES, case.id)),
        "name": case.id,
        "status": "passed" if case.word == "valid" else "failed",
        "rawStatus": case.word,
        "duration": _milliseconds(case.seconds),
        "suite": ["ringproof", *([case.topology] if case.topology else [])],
        "labels": dict(case.told),
        "attachments": [{"name": "verdict", "contentType": "application/json", "path": case.path}],
    }
    return told if case.word == "valid" else {**told, "message": case.message, "trace": case.whole}


def _milliseconds(seconds: float) -> int:
    return round(seconds * 1000)
