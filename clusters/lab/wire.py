"""Requests and answers between a lab's supervisor and the processes that lease it.

One frame is four bytes of length (big endian) and that many bytes of JSON; file descriptors ride on the length.
"""

from __future__ import annotations

import array
import json
import socket
import threading
from collections.abc import Sequence
from typing import Any

from clusters.errors import RingproofError

HEAD = 4
MOST_DESCRIPTORS = 4


KINDS: dict[str, type[OSError]] = {"timeout": TimeoutError, "connection": ConnectionError}
"""Errors of the lab that mean "not now" and keep their type on the way to the caller."""


class LabError(RingproofError):
    """The supervisor refused a request; the message is its own."""


class LabGone(RingproofError, ConnectionError):
    """The supervisor closed the connection: the lab is no more."""

    exit_code = 3


def send(link: socket.socket, message: dict[str, Any], descriptors: Sequence[int] = ()) -> None:
    """Send one frame."""
    body = json.dumps(message).encode()
    head = len(body).to_bytes(HEAD, "big")
    if descriptors:
        ancillary = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", descriptors))]
        link.sendmsg([head], ancillary)
    else:
        link.sendall(head)
    link.sendall(body)


def receive(link: socket.socket) -> tuple[dict[str, Any], list[int]] | None:
    """Receive one frame; None when the other side has closed."""
    head, descriptors, _flags, _address = socket.recv_fds(link, HEAD, MOST_DESCRIPTORS)
    while head and len(head) < HEAD:
        head += link.recv(HEAD - len(head))
    if not head:
        return None
    left = int.from_bytes(head, "big")
    parts: list[bytes] = []
    while left:
        part = link.recv(min(left, 1 << 20))
        if not part:
            return None
        parts.append(part)
        left -= len(part)
    return json.loads(b"".join(parts)), list(descriptors)


def abstract(name: str) -> str:
    """The address of a lab's socket: abstract, so that no file can be left behind."""
    return f"\0ringproof/{name}"


class Lease:
    """A client of one supervisor; each thread talks over a connection of its own."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._local = threading.local()
        self._links: list[socket.socket] = []
        self._lock = threading.Lock()

    def _link(self) -> socket.socket:
        link: socket.socket | None = getattr(self._local, "link", None)
        if link is None:
            link = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            try:
                link.connect(abstract(self.name))
            except OSError as error:
                link.close()
                raise LabGone(f"the lab {self.name} does not answer: {error}; it has ended or was never up") from None
            self._local.link = link
            with self._lock:
                self._links.append(link)
        return link

    def call(self, do: str, **arguments: Any) -> Any:
        """The supervisor's answer to one request; LabError when it refuses."""
        return self.call_with_descriptors(do, **arguments)[0]

    def call_with_descriptors(self, do: str, **arguments: Any) -> tuple[Any, list[int]]:
        """As call, with the file descriptors that came with the answer."""
        link = self._link()
        try:
            send(link, {"do": do, **arguments})
            answer = receive(link)
        except OSError as error:
            raise LabGone(f"the lab {self.name} is gone: {error}") from error
        if answer is None:
            raise LabGone(f"the lab {self.name} ended while it was asked to {do}")
        message, descriptors = answer
        if not message["ok"]:
            kind: type[Exception] = KINDS.get(message["kind"], LabError)
            raise kind(message["error"])
        return message.get("answer"), descriptors

    def close(self) -> None:
        """Close every connection."""
        with self._lock:
            for link in self._links:
                link.close()
            self._links.clear()
