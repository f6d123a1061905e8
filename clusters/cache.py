"""The cache of this user: ``RINGPROOF_CACHE`` or the user's cache folder.

What is in it can be lost without harm: jars and Java, class-data archives, and what earlier runs took.
"""

from __future__ import annotations

import os
from pathlib import Path

import filelock
import platformdirs

from clusters.errors import EnvironmentUnfit


def cache_root() -> Path:
    """Return the cache folder, made if need be; EnvironmentUnfit when that is refused."""
    root = Path(os.environ.get("RINGPROOF_CACHE") or platformdirs.user_cache_dir("ringproof")).absolute()
    try:
        root.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise EnvironmentUnfit(f"cache {root} cannot be made: {error}; set RINGPROOF_CACHE") from error
    return root


def cache_lock(name: str) -> filelock.BaseFileLock:
    """Return the lock that all runs on this cache take to change the thing called ``name``."""
    folder = cache_root() / "locks"
    try:
        folder.mkdir(exist_ok=True)
    except OSError as error:
        raise EnvironmentUnfit(f"{folder} cannot be made: {error}; set RINGPROOF_CACHE") from error
    return filelock.FileLock(folder / f"{name}.lock")
