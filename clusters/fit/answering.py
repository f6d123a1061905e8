"""Whether an address answers, within seconds whatever its name service does, and what may be said of it aloud."""

from __future__ import annotations

import threading
import urllib.error
import urllib.request
from pathlib import Path
from urllib.parse import urlsplit

ONLINE_SECONDS = 3.0
"""Of a registry that is up, the first byte comes within one."""


def answer(address: str) -> str:
    """Empty when the address answers, whatever it says; else why not. Takes ONLINE_SECONDS at most."""
    parts = urlsplit(address)
    if parts.scheme == "file":
        return "" if Path(parts.path).is_dir() else "no such folder"
    said = [f"no answer within {ONLINE_SECONDS:g} s"]

    def ask() -> None:
        said.append(_ask(address))

    # a thread of its own: the time-out of a socket does not bound the look-up of a name
    asking = threading.Thread(target=ask, daemon=True, name="registry")
    asking.start()
    asking.join(ONLINE_SECONDS)
    return said[-1]


def _ask(address: str) -> str:
    try:
        request = urllib.request.Request(f"{address.rstrip('/')}/", method="HEAD")
        with urllib.request.urlopen(request, timeout=ONLINE_SECONDS):
            return ""
    except urllib.error.HTTPError:
        return ""  # it answers; what it thinks of its own root does not matter
    except (OSError, ValueError) as error:
        return str(error)


def plainly(address: str) -> str:
    """The address without the name and password that it may hold."""
    parts = urlsplit(address)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()


def proxies() -> str:
    """Which proxy variables are set, by name: their values may hold passwords."""
    names = sorted(f"{scheme}_proxy" for scheme in urllib.request.getproxies())
    return f"through {', '.join(names)}" if names else "no proxy variable is set"
