"""Everything that is derived from a judged run, written by one function: whoever runs or judges leaves the same."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from reports import ctrf, junit
from reports.cases import cases
from reports.github import publish
from reports.page import write_page
from reports.safe import replace_file
from reports.verdicts import read_run


def write_outputs(run_folder: Path) -> None:
    """Write junit.xml, ctrf.json and report.html into a run folder, and tell GitHub Actions where it runs.

    All of them say the verdict of verdict.json. BundleError only if there is no such folder.
    """
    run = read_run(run_folder)
    listed = cases(run)
    replace_file(run.reader.root / "junit.xml", junit.render(run, listed))
    replace_file(run.reader.root / "ctrf.json", ctrf.render(run, listed))
    write_page(run_folder)
    publish(run_folder, listed, os.environ, sys.stderr)
