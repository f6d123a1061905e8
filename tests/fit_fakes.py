"""What tests of the doctor share: the one finding of a check, what is asked, kernel files as a test wants them."""

import pytest

from clusters.catalog import named
from clusters.fit import kernel, reading
from clusters.fit.finding import Asked
from clusters.lab.acts import ACTS

STUB = named("stub-domains")


@pytest.fixture(name="switches")
def kernel_files(monkeypatch):
    """Files of /proc and /sys as this test wants them; all others read as missing."""
    texts = {}
    monkeypatch.setattr(reading, "read", lambda path: texts.get(path, "").strip())
    return texts


def one(findings):
    (found,) = findings
    return found


def asking(provider="lab", **changed):
    return Asked((STUB,), provider, **changed)


def refused(monkeypatch, number, said):
    """The throw-away process is refused its act of that number."""
    told = [{"act": act, "ok": True, "errno": 0, "said": ""} for act in ACTS[:number]]
    told.append({"act": ACTS[number], "ok": False, "errno": 1, "said": said})
    monkeypatch.setattr(kernel, "performed", lambda: told)
