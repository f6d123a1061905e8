"""Subprocesses with a deadline and an error that shows what the program said."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping, Sequence

from clusters.errors import RingproofError


class CommandFailed(RingproofError):
    """A program ended with another code than 0, or did not end in time."""


def run(
    command: Sequence[str],
    *,
    timeout: float,
    env: Mapping[str, str] | None = None,
    cwd: str | None = None,
    stdin: str | None = None,
) -> str:
    """Return what ``command`` printed; raise CommandFailed with its last lines otherwise."""
    try:
        done = subprocess.run(
            command, timeout=timeout, env=env, cwd=cwd, input=stdin, capture_output=True, text=True, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise CommandFailed(f"{command[0]}: not ended after {timeout:.0f} s") from error
    except OSError as error:
        raise CommandFailed(f"{command[0]}: cannot be started: {error}") from error
    if done.returncode != 0:
        tail = (done.stderr or done.stdout).strip()[-800:]
        raise CommandFailed(f"{' '.join(command[:4])}: exit {done.returncode}: {tail}")
    return done.stdout
