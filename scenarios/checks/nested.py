"""A nested folder, judged on its own: a run that must be found wrong, inside a scenario that must be right."""

from __future__ import annotations

from scenarios.checks.registry import check, conclude, listed
from scenarios.record import Record
from scenarios.verdict import CheckResult, Finding, Verdict


@check("nested", ident="nested {name} is judged {verdict}")
def nested(record: Record, name: str, verdict: str = "invalid", anomaly: str | None = None) -> CheckResult:
    """The folder nested/`name`, judged here and now and never by its own verdict file, has `verdict`.

    With `anomaly` one of its findings must be of that kind. Vacuous when the folder does not exist.
    """
    inner = record.nested.get(name)
    if inner is None:
        return conclude([], (), 0, ("", f"there is no nested folder {name}"))
    found = sorted({finding.anomaly for result in inner.checks for finding in result.findings})
    findings = []
    if inner.verdict is not Verdict(verdict):
        detail = f"nested {name} is {inner.verdict} instead of {verdict}: {inner.explain}"
        findings.append(Finding("nested-verdict", name, detail))
    if anomaly is not None and anomaly not in found:
        detail = f"nested {name} did not find {anomaly}, but {listed(found) or 'nothing'}"
        findings.append(Finding("nested-unnoticed", name, detail))
    texts = (f"nested {name} is {verdict}" + (f" because of {anomaly}" if anomaly else ""), "")
    return conclude(findings, (), 1, texts, counts={"checks": len(inner.checks), "anomalies": len(found)})
