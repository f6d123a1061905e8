"""Secrets out of text: what a bundle must not carry to others is replaced by a mark, and everything else is kept.

What is replaced is named by rules; the index of a packed bundle says how often each was applied in which file. JSON
stays JSON: values are replaced, never keys, so that what is judged keeps its form. Tokens of Cassandra's partitioner
are whole numbers and stay. A rule that hides too much costs a word; one that hides too little, a password.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

MARK = "[redacted]"
KEYS = (
    r"pass(?:word|wd|phrase)s?|storepass|keypass|secrets?|(?:secret[_-]?)?access[_-]?keys?(?:[_-]?id)?|secret[_-]?key"
    r"|api[_-]?keys?|private[_-]?key|(?:client|auth|session|access|refresh|id|bearer)[_-]?tokens?|credentials?"
    r"|authorization|cookie|(?:certificate|certificate-authority|client-certificate|client-key|auth)[_-]data"
)
"""How the name of a value ends that is a secret, whatever stands before it; `token` apart, which is a ring's word."""
TOKEN = r"(?<![A-Za-z])tokens?"
_NOTHING = r"""(?!\\?["']?(?:(?:null|none|true|false|yes|no)(?=[\s,;&"')\]}]|\\|$)|\[redacted\]|<REDACTED>))"""
_VALUE = (
    r"""(?:\\"[^"\\\n]*\\"|"(?:[^"\\\n]|\\.)*"|'[^'\n]*'"""
    r"""|[^\s,;&"'<>()\[\]{}\\]+)"""
)
_QUOTED = re.compile(r"""(\\?["']).*\1""", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Rule:
    """What is looked for; the group `kept`, where there is one, stands before the secret and stays."""

    name: str
    pattern: re.Pattern[str]
    mark: str = MARK

    def apply(self, text: str, count: Counter[str]) -> str:
        """The text without what the rule finds."""

        def replace(found: re.Match[str]) -> str:
            count[self.name] += 1
            kept = found.groupdict().get("kept") or ""
            quoted = _QUOTED.fullmatch(found[0][len(kept) :])
            return kept + (f"{quoted[1]}{self.mark}{quoted[1]}" if quoted else self.mark)

        return self.pattern.sub(replace, text)


def _rule(name: str, pattern: str, mark: str = MARK, flags: re.RegexFlag = re.IGNORECASE) -> Rule:
    return Rule(name, re.compile(pattern, flags), mark)


_EXACT = re.RegexFlag(0)
_SOME = r"(?:pass(?:word|wd|phrase)|storepass|keypass|secret|token|api-?key)"
_BLOCK = r"[|>][+-]?[ \t]*(?:\n[ \t]+\S[^\n]*)+"
WHOLE: Sequence[tuple[str, Rule]] = (
    ("-----BEGIN", _rule("PEM block", r"-----BEGIN [A-Z0-9 ]+-----.*?(?:-----END [A-Z0-9 ]+-----|\Z)",
                         flags=re.DOTALL)),
    ("-----END", _rule("PEM block", r"\A(?:[A-Za-z0-9+/=]+\s+)*-----END [A-Z0-9 ]+-----", flags=_EXACT)),  # cut off
    ("users:", _rule("kubeconfig users", r"(?P<kept>^users:)[^\n]*\n(?:[ \t-][^\n]*(?:\n|\Z))+", f" {MARK}\n",
                     re.MULTILINE)),
    (": |", _rule("named value", rf"(?P<kept>(?:{KEYS}|{TOKEN})\s*:[ \t]*){_BLOCK}")),
    (": >", _rule("named value", rf"(?P<kept>(?:{KEYS}|{TOKEN})\s*:[ \t]*){_BLOCK}")),
    ("value", _rule("named value", rf"(?P<kept>(?:name|key)\s*[=:]\s*[\"'][^\"'<>\n]{{0,80}}(?:{KEYS})[\"']\s*,?\s*"
                                   r"\"?value\"?\s*[=:]\s*[\"'])[^\"'\n]*")),
)  # fmt: skip
"""What goes over several lines: (without which nothing of it is there, rule)."""
LINE: Sequence[Rule] = (
    _rule("PEM block", r"LS0tLS1CRUdJTi[A-Za-z0-9+/=]*", flags=_EXACT),  # base64 of -----BEGIN: kubeconfig, Secret
    _rule("password in a URL", r"(?P<kept>://)[^\s/@\"'<>]+(?=@)"),
    _rule("authorization", r"(?P<kept>\b(?:proxy-)?authorization[\"']?\s*[:=]\s*[\"']?)(?!\[redacted)"
                           r"(?:[a-z]+[ \t]+)?[^\s\"',;<>]+"),
    _rule("authorization", r"(?P<kept>\bbearer\s+)[A-Za-z0-9._~+/=-]{16,}"),
    _rule("AWS key", r"\b(?:AKIA|ASIA|ABIA|ACCA|AGPA|AIDA|AIPA|ANPA|ANVA|AROA)[A-Z0-9]{16}\b", flags=_EXACT),
    _rule("service token", r"\b(?:gh[pousr]_[A-Za-z0-9]{20,}|github_pat_\w{20,}|glpat-[\w-]{16,}"
                           r"|xox[abeoprs]-[\w-]{10,}|AIza[\w-]{35}|sk-[\w-]{20,}|npm_[A-Za-z0-9]{30,}|pypi-[\w-]{30,}"
                           r"|hvs\.[\w-]{20,})", flags=_EXACT),
    _rule("service token", r"\beyJ[\w-]{8,}\.[\w-]{8,}\.[\w-]*", flags=_EXACT),  # JWT: service accounts
    _rule("service token", r"\b(?=[a-z]*\d)[a-z0-9]{6}\.(?=[a-z]*\d)[a-z0-9]{16}\b(?!\.)", flags=_EXACT),
    _rule("named value", rf"(?P<kept><[\w.:-]{{0,80}}(?:{KEYS}|token)>)[^<]+"),
    _rule("named value", rf"(?P<kept>(?:{KEYS})\\?[\"']?\s*(?::|=>?)[ \t]*){_NOTHING}{_VALUE}"),
    _rule("named value", rf"(?P<kept>{TOKEN}\\?[\"']?\s*(?::|=>?)[ \t]*){_NOTHING}(?!\\?[\"']?\[*-?\d+\b){_VALUE}"),
    _rule("option", rf"(?P<kept>(?<!\S)--?[\w.-]{{0,40}}{_SOME}[ \t]+)(?!-|\[redacted\])\S+"),
    _rule("option", r"(?P<kept>(?<!\S)-u[ \t]+\S+[ \t]+-pw?[ \t]+)(?!\[redacted\])\S+"),
    _rule("option", r"(?P<kept>(?<!\S)-u[ \t]+)[^\s:]+:\S+"),
)  # fmt: skip
"""In this order, for each line that `_QUICK` finds. Sources of the forms: AWS IAM identifiers; token formats of GitHub,
GitLab, Slack, Google, Vault; bootstrap tokens of kubeadm; RFC 7468 (PEM), RFC 7519 (JWT)."""

_SECRET_KEY = re.compile(rf"(?:{KEYS})$", re.IGNORECASE)
_TOKEN_KEY = re.compile(rf"{TOKEN}$", re.IGNORECASE)
_OPTION = re.compile(rf"--?[\w.-]{{0,40}}{_SOME}", re.IGNORECASE)
_NUMBER = re.compile(r"-?\d+")
_SECRET_BLOCK = re.compile(r"^(?P<kept>(?:data|stringData|binaryData):)[^\n]*\n(?:[ \t][^\n]*(?:\n|\Z))+", re.MULTILINE)
_SECRET_KIND = re.compile(r"^kind:\s*[\"']?Secret\b", re.MULTILINE)
_QUICK = re.compile(
    r"(?i:pass|secret|token|(?:api|access|private|client)[_-]?key|credential|auth|cookie|bearer|data)|BEGIN|END |LS0t|://"
    r"|users|-u\s|eyJ|AIza|A[A-Z]{3}[A-Z0-9]{16}|gh[pousr]_|github_|glpat|xox|sk-|npm_|pypi-|hvs\."
    r"|[a-z0-9]{6}\.[a-z0-9]{16}|/home/|/root|Users|\\u00|\\/"
)
"""What a text has that any rule could find: of the lines of a history hardly one has."""


class Redaction:
    """All rules, and the home directories of this machine beside those of everywhere; counts what it replaced."""

    def __init__(self, homes: Sequence[str] = ()) -> None:
        self.count: Counter[str] = Counter()
        own = [re.escape(home.rstrip("/")) for home in homes if home.count("/") > 1 or home == "/root"]
        some = "|".join([*own, r"/home/[^/\s:;,\"'\\<>)\]}]+", r"/Users/[^/\s:;,\"'\\<>)\]}]+", "/root"])
        self._home = Rule("home directory", re.compile(rf"(?:(?<=file://)|(?<![\w./~]))(?:{some})(?![\w.-])"), "~")
        windows = r"\b[A-Za-z]:(?:\\{1,2}|/)Users(?:\\{1,2}|/)[^\\/\s:;,\"'<>]+"
        self._windows = Rule("home directory", re.compile(windows), "~")
        self._own = re.compile("|".join(own)) if own else None

    def file(self, name: str, content: bytes) -> bytes:
        """The content of a text file without secrets; the same bytes when there are none. What is no UTF-8 stays."""
        told = content.decode("utf-8", "surrogateescape")
        if not self._suspect(told):
            return content
        if name.endswith(".jsonl"):
            lines = told.split("\n")
            found = "\n".join(self._json(line) if self._suspect(line) else line for line in lines)
        else:
            found = self._json(told) if name.endswith(".json") else self.text(told)
        return content if found == told else found.encode("utf-8", "surrogateescape")

    def text(self, told: str) -> str:
        """The text without secrets."""
        if _SECRET_KIND.search(told):
            told = "\n---".join(self._manifest(part) for part in told.split("\n---"))
        for sign, rule in WHOLE:
            told = rule.apply(told, self.count) if sign in told else told
        return "\n".join(self._line(line) if self._suspect(line) else line for line in told.split("\n"))

    def _line(self, told: str) -> str:
        for rule in (*LINE, self._home, self._windows):
            told = rule.apply(told, self.count)
        return told

    def _manifest(self, told: str) -> str:
        if not _SECRET_KIND.search(told):
            return told
        return Rule("Secret", _SECRET_BLOCK, f" {MARK}\n").apply(told, self.count)

    def _suspect(self, told: str) -> bool:
        return bool(_QUICK.search(told)) or bool(self._own and self._own.search(told))

    def _json(self, told: str) -> str:
        """A JSON document or line with its values replaced; as text where it is none."""
        before = self.count.copy()
        try:
            value = json.loads(told)
            found = self._value(value)
            if found == value:
                return told
            shape: dict[str, Any] = {"separators": (",", ":")} if "\n" not in told.strip() else {"indent": 1}
            end = told[len(told.rstrip()) :]
            return _dumped(found, sort_keys="indent" in shape, **shape) + end
        except (ValueError, RecursionError):
            self.count = before
            return self.text(told)

    def _value(self, value: Any) -> Any:
        if isinstance(value, str):
            return self.text(value) if self._suspect(value) else value
        if isinstance(value, list):
            return self._list(value)
        if isinstance(value, dict):
            return self._object(value)
        return value

    def _list(self, value: list[Any]) -> list[Any]:
        found: list[Any] = []
        for at, item in enumerate(value):
            option = at > 0 and isinstance(value[at - 1], str) and _OPTION.fullmatch(value[at - 1])
            found.append(self._hidden("option", item) if option else self._value(item))
        return found

    def _object(self, value: dict[str, Any]) -> dict[str, Any]:
        manifest = {"data", "stringData", "binaryData"} if value.get("kind") == "Secret" else set[str]()
        named = _SECRET_KEY.search(str(value.get("name"))) is not None
        found: dict[str, Any] = {}
        for key, item in value.items():
            if key in manifest:
                found[key] = self._hidden("Secret", item)
            elif key == "users" and value.get("kind") == "Config":
                found[key] = self._hidden("kubeconfig users", item)
            elif _secret(key, item) or (key == "value" and named):
                found[key] = self._hidden("named value", item)
            else:
                found[key] = self._value(item)
        return found

    def _hidden(self, rule: str, value: Any) -> Any:
        """The value with every text and number below it replaced; what is nothing, true or false stays."""
        if isinstance(value, list):
            return [self._hidden(rule, item) for item in value]
        if isinstance(value, dict):
            return {key: self._hidden(rule, item) for key, item in value.items()}
        if isinstance(value, bool) or value in (None, "", MARK):
            return value
        self.count[rule] += 1
        return MARK


def _secret(key: str, value: Any) -> bool:
    """Whether a key says that its value is a secret; a token that is a whole number is one of a ring."""
    token = isinstance(value, str) and not _NUMBER.fullmatch(value) and _TOKEN_KEY.search(key)
    return bool(token or _SECRET_KEY.search(key))


def _dumped(value: Any, **shape: Any) -> str:
    dumps: Callable[..., str] = json.dumps
    try:
        told = dumps(value, ensure_ascii=False, **shape)
        told.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return dumps(value, **shape)
    return told
