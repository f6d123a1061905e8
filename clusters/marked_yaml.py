"""YAML whose every value still knows its line: `read` a file, then `Marked.place` any path of keys in it.

Read by PyYAML's safe loader (the C one where it is built in). Two things differ from `yaml.safe_load`: a key
given twice is an error instead of a silent choice, and a date stays text.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

import yaml

from clusters.errors import UsageError

if TYPE_CHECKING:
    from yaml import SafeLoader as _Safe
else:
    _Safe = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

_MERGE = "tag:yaml.org,2002:merge"


class _Loader(_Safe):
    """The safe loader without dates: nothing that is declared here is one."""


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if not tag.endswith(":timestamp")]
    for first, resolvers in _Safe.yaml_implicit_resolvers.items()
}


@dataclass(frozen=True)
class Marked:
    """One YAML document: plain values in `value`, and the place of each of them."""

    path: Path
    value: object
    node: yaml.Node

    def place(self, keys: Sequence[str | int], *, of_key: bool = False) -> str:
        """`file:line:column` (from 1) of the value at this path, or of the deepest part of the path that exists.

        With `of_key` the last step points at the key itself: an unknown key, not its value.
        """
        node = self.node
        for step, key in enumerate(keys, 1):
            found = _child(node, key)
            if found is None:
                break
            name, inner = found
            node = name if of_key and step == len(keys) else inner
        return _place(self.path, node.start_mark)


def read(path: Path) -> Marked:
    """The one document of a YAML file.

    Errors: `UsageError` with file, line and column when it cannot be read, is no YAML, repeats a key, or is empty.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else f"byte {error.start} is not UTF-8"
        raise UsageError(f"{path}: cannot be read: {reason}; expected a YAML file in UTF-8") from error
    try:
        return _document(path, text)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        context = f" ({error.context})" if error.context else ""
        raise UsageError(f"{_place(path, mark)}: malformed YAML: {error.problem}{context}") from error
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise UsageError(f"{path}:1:1: malformed YAML: {str(error).splitlines()[0]}") from error


def _document(path: Path, text: str) -> Marked:
    loader = _Loader(text)
    try:
        node = loader.get_single_node()
        if node is None:
            raise UsageError(f"{path}:1:1: the file is empty; expected a mapping of keys")
        for key in _repeated_keys(node):
            raise UsageError(f"{_place(path, key.start_mark)}: the key {key.value!r} is given twice; keep one")
        return Marked(path, loader.construct_document(node), node)
    finally:
        loader.dispose()


def _child(node: yaml.Node, key: str | int) -> tuple[yaml.Node, yaml.Node] | None:
    if isinstance(node, yaml.SequenceNode) and isinstance(key, int):
        return (node.value[key], node.value[key]) if key < len(node.value) else None
    if not isinstance(node, yaml.MappingNode):
        return None
    for name, value in node.value:
        if name.value == str(key):
            return name, value
    merged = (value for name, value in node.value if name.tag == _MERGE)
    sources = chain.from_iterable(v.value if isinstance(v, yaml.SequenceNode) else [v] for v in merged)
    return next((found for source in sources if (found := _child(source, key))), None)


def _repeated_keys(root: yaml.Node) -> Iterator[yaml.Node]:
    visited: set[int] = set()
    waiting = [root]
    while waiting:
        node = waiting.pop()
        if id(node) in visited or isinstance(node, yaml.ScalarNode):
            continue
        visited.add(id(node))
        if isinstance(node, yaml.MappingNode):
            keys = [name for name, _ in node.value if isinstance(name, yaml.ScalarNode) and name.tag != _MERGE]
            first: set[str] = set()
            for name in keys:
                if name.value in first:
                    yield name
                first.add(name.value)
            waiting.extend(value for _, value in node.value)
        else:
            waiting.extend(node.value)


def _place(path: Path, mark: yaml.Mark | None) -> str:
    return f"{path}:{mark.line + 1}:{mark.column + 1}" if mark else f"{path}:1:1"
