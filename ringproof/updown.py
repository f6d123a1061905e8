"""Rings up in the background, and down: the processes that hold them, started and ended."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from clusters.errors import CleanupFailed, ProvisionFailed, WaitTimeout
from clusters.holding import Holding, forget, standing
from clusters.waiting import until
from ringproof.holder import Wish

ROOT = Path(__file__).parents[1]
UP_SECONDS = 900.0
"""For a detached holder to be ready: a cold cache on a slow line and a ring on a busy machine."""
DOWN_SECONDS = 180.0
"""For a holder to end: it closes the lifeline and sees what it held end. A lab's keeper takes under a second, the
containers and networks of kind clusters 5-15 s; a machine that is busy with other rings several times that."""


def start_holder(wish: Wish, say: Callable[[str], None]) -> Holding:
    """Start a process of its own that holds the ring, and return when it may be leased; its words go to ``say``."""
    wish.folder.mkdir(parents=True, exist_ok=True)
    log = wish.folder / "holder.log"
    with log.open("wb") as output:
        told = [wish.topology, str(wish.folder.resolve()), str(wish.expires), wish.provider]
        command = [sys.executable, "-m", "ringproof.holder", *told]
        holder = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )  # fmt: skip
    heard = 0

    def ready() -> Holding | None:
        nonlocal heard
        words = log.read_text(errors="replace").splitlines()
        for line in words[heard:]:
            say(line)
        heard = len(words)
        if holder.poll() is not None:
            raise ProvisionFailed(
                f"the holder ended with exit {holder.returncode}: {(words or ['it said nothing'])[-1]}"
            )
        return next((entry for entry in standing() if entry.holder.pid == holder.pid and entry.ready), None)

    try:
        return until(f"{wish.topology} is up", ready, timeout=UP_SECONDS, every=0.2)
    except BaseException:
        holder.terminate()
        holder.wait(DOWN_SECONDS)
        raise


def end_holder(entry: Holding) -> bool:
    """End exactly the process that holds the ring; False when it had ended before; CleanupFailed when it goes on."""
    signalled = entry.holder.signal(signal.SIGTERM)
    if signalled:
        try:
            until(f"the holder of {entry.name} has ended", lambda: not entry.holder.alive, timeout=DOWN_SECONDS)
        except WaitTimeout as error:
            raise CleanupFailed(f"{error}; look at process {entry.holder.pid} and {entry.folder}/holder.log") from error
    forget(entry)
    return signalled
