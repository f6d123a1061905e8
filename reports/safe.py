"""Words of a bundle as any file, terminal or log can hold them."""

from __future__ import annotations

import os
import re
from pathlib import Path
from urllib.parse import quote

# XML 1.0, section 2.2: everything that is no Char, lone surrogates included, which UTF-8 cannot hold. Of what XML
# allows also DEL and the C1 controls, which a terminal obeys, and the directions (UAX #9), which make words lie.
_FORBIDDEN = re.compile(
    "[^\t\n\r\u0020-\u007e\u00a0-\u2029\u202f-\u2065\u206a-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]"
)

# The first sign of what a CI runner obeys where a line begins with it, and lines wrap anywhere: ::error:: of GitHub,
# but not the :: of an IPv6 address; ##[..] of GitHub and Azure, ##teamcity[..].
_COMMAND = re.compile(r":(?=:[a-z-]*[g-z-])|#(?=#(?:vso|teamcity)?\[)")


def safe(words: str) -> str:
    """Return the words with U+FFFD for each character that XML, UTF-8 or a terminal must not be given."""
    return _FORBIDDEN.sub("\ufffd", words)


def logged(words: str) -> str:
    """Return safe words for a line that a CI runner may read: it finds no command of its own in them."""
    return _COMMAND.sub("\ufffd", safe(words))


def address(name: str) -> str:
    """Return a path in a bundle for a link: its bytes, whatever they are, percent-encoded."""
    return quote(os.fsencode(name))


def replace_file(path: Path, content: bytes) -> None:
    """Write a derived file: a reader finds the old or the new one, never a part."""
    staging = path.with_name(f"{path.name}.tmp")
    staging.write_bytes(content)
    os.replace(staging, path)  # noqa: PTH105 - says that it is atomic
