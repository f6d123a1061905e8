"""The probe agent in a pod of a real cluster, standard library only: `python agent.py serve`, `python agent.py join`.

`serve` is a container of the pod for as long as the pod lives: it answers at the probe's port, and speaks the agent's
line protocol (probe.py) with everyone who joins. `join` is run inside by whoever wants to ask: its standard input and
output are one conversation. They meet at an abstract socket, which belongs to the pod's network namespace.
"""

from __future__ import annotations

import importlib
import os
import shutil
import socket
import sys
import threading
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))  # probe.py lies beside this file in a pod
probe = importlib.import_module("probe")

MEETING = "\0ringproof/probe"


def serve(identity: dict[str, str], port: int) -> None:
    """Answer callers and conversations until the process is killed."""
    probe.serve(identity, port)
    probe.listen(port)
    meeting = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    meeting.bind(MEETING)
    meeting.listen(64)
    while True:
        link, _ = meeting.accept()
        threading.Thread(target=talk, args=(link,), daemon=True).start()


def talk(link: socket.socket) -> None:
    """One conversation."""
    with link, link.makefile("r", encoding="utf-8") as lines, link.makefile("w", encoding="utf-8") as answers:
        try:
            probe.converse(lines, answers)
        except (OSError, ValueError):
            return  # the other side has left


def join() -> None:
    """Carry standard input to the agent and its answers to standard output, until either ends."""
    link = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    link.connect(MEETING)

    def back() -> None:
        with link.makefile("rb", buffering=0) as answers, os.fdopen(1, "wb", buffering=0) as out:
            shutil.copyfileobj(answers, out, 1 << 16)
        os._exit(0)

    threading.Thread(target=back, daemon=True).start()
    with os.fdopen(0, "rb", buffering=0) as questions, link.makefile("wb", buffering=0) as to:
        shutil.copyfileobj(questions, to, 1 << 16)
    os._exit(0)


if __name__ == "__main__":
    if sys.argv[1:] == ["join"]:
        join()
    else:
        names = {"uid": "POD_UID", "pod": "POD_NAME", "cluster": "CLUSTER"}
        serve({key: os.environ[variable] for key, variable in names.items()}, int(os.environ.get("PORT", probe.PORT)))
