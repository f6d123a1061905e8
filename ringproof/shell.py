"""A shell or one command inside a pod of a lab that is up: its network, its names, its files."""

from __future__ import annotations

import os
import re
import select
import shutil
import socket
import sys
import termios
import tty
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from clusters.cluster import ClusterSet
from clusters.errors import UsageError
from clusters.holding import Holding
from scenarios.scenario import suggest

CHUNK = 1 << 16
TERMINAL = """
import os, pty, sys
def read(descriptor):
    data = os.read(descriptor, 65536)
    if not data:
        raise SystemExit(0)  # our caller is gone: closing the terminal ends the shell
    return data
status = pty.spawn(["/bin/sh", "-c", sys.argv[1]], stdin_read=read)
print("\\0exit %d" % os.waitstatus_to_exitcode(status), flush=True)
"""
"""Runs in the pod: a pseudo-terminal between the shell and our socket, so that editing, colours and Ctrl-C work."""
PLAIN = '"$@" 2>&1; printf "\\0exit %d\\n" $?'
EXIT = re.compile(rb"\0exit (-?\d+)\r?\n?$")


def pods(clusters: ClusterSet) -> dict[str, tuple[str, str]]:
    """Every pod that can be entered, as `name`, or `cluster/name` where a name repeats: its cluster and its name."""
    found = [(cluster.name, state.name) for cluster in clusters.clusters for state in cluster.states()]
    names = [name for _, name in found]
    return {name if names.count(name) == 1 else f"{cluster}/{name}": (cluster, name) for cluster, name in found}


def enter(entry: Holding, host: str, command: Sequence[str]) -> int:
    """Run ``command`` in the pod of that name, or an interactive shell when it is empty; returns its exit code."""
    clusters = entry.clusters()
    try:
        known = pods(clusters)
        if host not in known:
            raise UsageError(f"{entry.name} has no pod {host}; {suggest(host, known)}")
        cluster, name = known[host]
        pod = clusters.cluster(cluster).pod(name)
        line = ["/bin/sh", "-c", PLAIN, "sh", *command] if command else [pod.python, "-c", TERMINAL, _session(host)]
        link = pod.connect("shell", line)
    finally:
        clusters.close()
    with link:
        if command:
            return _pump(link, _output, interactive=False)
        with _raw_terminal():
            return _pump(link, _output, interactive=True)


def _session(host: str) -> str:
    columns, rows = shutil.get_terminal_size()
    prompt = f"{host} \\$ " if os.geteuid() == 0 else f"{host} $ "
    return f"stty rows {rows} cols {columns} 2>/dev/null; PS1='{prompt}' exec /bin/sh -i"


def _output(data: bytes) -> None:
    sys.stdout.buffer.write(data)
    sys.stdout.buffer.flush()


def _pump(link: socket.socket, output: Callable[[bytes], None], *, interactive: bool) -> int:
    """Carry bytes until the program ends; its exit code comes last on the line, behind a zero byte."""
    inputs: list[int] = [sys.stdin.fileno()] if interactive or not sys.stdin.isatty() else []
    held = b""
    if not inputs:
        _send(link, b"")
    while True:
        ready, _, _ = select.select([link.fileno(), *inputs], [], [])
        if link.fileno() in ready:
            data = _received(link)
            if not data:
                break
            held += data
            cut = held.rfind(b"\0")
            output(held if cut < 0 else held[:cut])
            held = b"" if cut < 0 else held[cut:]
        if inputs and inputs[0] in ready:
            data = os.read(inputs[0], CHUNK)
            if not data:
                inputs.clear()
            _send(link, data)
    found = EXIT.search(held)
    if found is None:
        output(held)
    return int(found[1]) if found else 1


def _received(link: socket.socket) -> bytes:
    try:
        return link.recv(CHUNK)
    except ConnectionResetError:
        return b""  # the program ended and left input unread; what it wrote came before


def _send(link: socket.socket, data: bytes) -> None:
    """Hand input on, or its end; a program that has ended wants neither."""
    try:
        if data:
            link.sendall(data)
        else:
            link.shutdown(socket.SHUT_WR)
    except (BrokenPipeError, ConnectionResetError):
        pass  # its last words are still to be read


@contextmanager
def _raw_terminal() -> Iterator[None]:
    """The terminal hands every key on while the block runs; nothing changes where there is none."""
    descriptor = sys.stdin.fileno()
    if not os.isatty(descriptor):
        yield
        return
    before = termios.tcgetattr(descriptor)
    tty.setraw(descriptor)
    try:
        yield
    finally:
        termios.tcsetattr(descriptor, termios.TCSADRAIN, before)
