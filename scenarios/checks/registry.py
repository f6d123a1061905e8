"""What a check is: data that names a pure function, and how that function is found, run and concluded.

`@check` turns `def refused(record, consistency, window) -> CheckResult` into a builder `refused(consistency,
window) -> CheckData`; the function itself is kept in the registry under its name and version, where `run_check`
finds it again from the data alone.
"""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Concatenate, ParamSpec, TypedDict, Unpack

from clusters.errors import BundleError
from scenarios.record import MomentMissing, Record
from scenarios.verdict import CheckResult, Finding, Verdict

P = ParamSpec("P")

FINDINGS_KEPT = 20
"""Findings written per check; `counts["findings"]` tells how many there were. Enough to see a pattern."""

_UNTOLD = frozenset(("limit", "formula", "minimum", "excused", "away", "tolerated"))
_REGISTRY: dict[tuple[str, int], Callable[..., CheckResult]] = {}


@dataclass(frozen=True, slots=True)
class CheckData:
    """A check as data: name, version, a human id and parameters as plain JSON values."""

    name: str
    version: int
    id: str
    params: Mapping[str, Any]

    def named(self, identity: str) -> CheckData:
        """The same check under another id."""
        return replace(self, id=identity)

    def as_json(self) -> dict[str, Any]:
        """The check as `docs/formats.md` writes it in checks.json."""
        return {"check": self.name, "version": self.version, "id": self.id, "params": dict(self.params)}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> CheckData:
        """The check that `as_json` wrote; BundleError when a field is missing."""
        try:
            return cls(data["check"], data["version"], data["id"], data["params"])
        except (KeyError, TypeError) as error:
            raise BundleError(f"checks.json: an entry is not a check ({error!r})") from error


def check(
    name: str, *, version: int = 1, ident: str = ""
) -> Callable[[Callable[Concatenate[Record, P], CheckResult]], Callable[P, CheckData]]:
    """Register the decorated judgement and give back its builder.

    `ident` is a format string over the parameters, for the id; parameters that differ from their defaults and are
    not in it are added behind. The builder raises TypeError for parameters that are not plain JSON values.
    """

    def register(judgement: Callable[Concatenate[Record, P], CheckResult]) -> Callable[P, CheckData]:
        _REGISTRY[name, version] = judgement
        whole = inspect.signature(judgement)
        signature = whole.replace(parameters=list(whole.parameters.values())[1:], return_annotation=CheckData)

        def build(*args: P.args, **kwargs: P.kwargs) -> CheckData:
            params = _plain_params(signature, args, kwargs)
            return CheckData(name, version, _identity(ident or name, signature, params), params)

        build.__name__ = build.__qualname__ = name
        build.__doc__ = judgement.__doc__
        build.__module__ = judgement.__module__
        build.__signature__ = signature  # type: ignore[attr-defined]
        return build

    return register


def run_check(data: CheckData, record: Record) -> CheckResult:
    """The result of `data` over `record`; never raises.

    A moment that was not recorded, a check that is not known here and a check that raises are all `unknown`, with
    the reason: a judgement that could not be made is never a pass.
    """
    judgement = _REGISTRY.get((data.name, data.version))
    if judgement is None:
        result = undecided(f"check '{data.name}' version {data.version} is not known to this version of ringproof")
    else:
        try:
            result = judgement(record, **data.params)
        except MomentMissing as missing:
            result = undecided(str(missing))
        except Exception as error:  # noqa: BLE001  any defect of a check or of a file must end as `unknown`, never as a pass
            result = undecided(f"the check could not be made: {type(error).__name__}: {error}")
    return replace(result, check=data.name, version=data.version, id=data.id)


class Figures(TypedDict, total=False):
    """The numbers of a result: what was measured, its limit and unit, the limit's formula, and counts."""

    measured: float | None
    limit: float | None
    unit: str | None
    formula: str | None
    counts: dict[str, float]


def undecided(why: str) -> CheckResult:
    """An `unknown` result with its reason."""
    return CheckResult("", "", 0, Verdict.UNKNOWN, why)


def conclude(
    findings: Sequence[Finding],
    doubts: Sequence[str],
    relevant: int,
    texts: tuple[str, str],
    **figures: Unpack[Figures],
) -> CheckResult:
    """The result of a check: invalid with findings, else unknown with doubts, else vacuous with nothing relevant.

    `relevant` counts what the rule was applied to; `texts` are the sentences for valid and for vacuous.
    """
    if findings:
        verdict, explain = Verdict.INVALID, _summary([finding.detail for finding in findings])
    elif doubts:
        verdict, explain = Verdict.UNKNOWN, _summary(doubts)
    else:
        verdict, explain = (Verdict.VALID, texts[0]) if relevant else (Verdict.VACUOUS, texts[1])
    counts: dict[str, float] = {**figures.get("counts", {}), "findings": len(findings)}
    return CheckResult(
        "",
        "",
        0,
        verdict,
        explain,
        measured=figures.get("measured"),
        limit=figures.get("limit"),
        unit=figures.get("unit"),
        formula=figures.get("formula"),
        counts=counts,
        findings=tuple(findings[:FINDINGS_KEPT]),
    )


def listed(items: Iterable[Any], most: int = 10) -> str:
    """`items` as text, cut after `most`."""
    texts = [str(item) for item in items]
    return ", ".join(texts[:most]) + (f" and {len(texts) - most} more" if len(texts) > most else "")


def _summary(sentences: Sequence[str]) -> str:
    more = len(sentences) - 1
    return sentences[0] + (f" (and {more} more)" if more else "")


def _plain_params(signature: inspect.Signature, args: Any, kwargs: Any) -> dict[str, Any]:
    bound = signature.bind(*args, **kwargs)
    bound.apply_defaults()
    params: dict[str, Any] = {}
    for name, value in bound.arguments.items():
        if signature.parameters[name].kind is inspect.Parameter.VAR_KEYWORD:
            params.update(value)
        else:
            params[name] = value
    plain: dict[str, Any] = json.loads(json.dumps(params, allow_nan=False))
    return plain


def _identity(ident: str, signature: inspect.Signature, params: Mapping[str, Any]) -> str:
    words = {name: _worded(value) for name, value in params.items()}
    told = [
        f"{name} {words[name]}"
        for name, value in params.items()
        if name not in _UNTOLD and f"{{{name}}}" not in ident and value and _differs(signature, name, value)
    ]
    return ident.format(**words) + (f" ({', '.join(told)})" if told else "")


def _differs(signature: inspect.Signature, name: str, value: Any) -> bool:
    parameter = signature.parameters.get(name)
    default = parameter.default if parameter else None
    short = isinstance(value, (str, int, float)) or all(isinstance(item, (str, int)) for item in value)
    return short and value != (list(default) if isinstance(default, tuple) else default)


def _worded(value: Any) -> str:
    return " ".join(map(str, value)) if isinstance(value, list) else str(value)
