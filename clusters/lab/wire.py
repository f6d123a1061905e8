"""Requests and answers between a lab's supervisor and the processes that lease it.

One frame is four bytes of length (big endian) and that many bytes of JSON; file descriptors ride on the length.
"""

from __future__ import annotations

import array
import json
import os
import socket
import threading
from collections.abc import Sequence
from typing import Any

from clusters.alive import abstract
from clusters.errors import ClustersGone, ClustersRefused

HEAD = 4
MOST_DESCRIPTORS = 4
IDLE_LINKS = 16
"""Connections that a lease keeps between two calls; each costs its supervisor one thread."""

KINDS: dict[str, type[OSError]] = {"timeout": TimeoutError, "connection": ConnectionError}
"""Errors of the lab that mean "not now" and keep their type on the way to the caller."""


class LabError(ClustersRefused):
    """The supervisor refused a request; the message is its own."""


class LabGone(ClustersGone):
    """The supervisor closed the connection: the lab is no more. No ConnectionError: waiting does not bring it back."""


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
    """Receive one frame; None when the other side has closed, be it in the middle of a frame."""
    head, descriptors, _flags, _address = socket.recv_fds(link, HEAD, MOST_DESCRIPTORS)
    for descriptor in descriptors:
        os.set_inheritable(descriptor, False)  # noqa: FBT003  recv_fds of 3.11 drops the flag that would do it
    head += _read(link, HEAD - len(head)) if head else b""
    body = _read(link, int.from_bytes(head, "big")) if len(head) == HEAD else b""
    if len(head) < HEAD or len(body) < int.from_bytes(head, "big"):
        for descriptor in descriptors:
            os.close(descriptor)
        return None
    return json.loads(body), list(descriptors)


def _read(link: socket.socket, count: int) -> bytes:
    """``count`` bytes, or fewer when the other side closes before."""
    parts = bytearray()
    while len(parts) < count:
        part = link.recv(min(count - len(parts), 1 << 20))
        if not part:
            break
        parts += part
    return bytes(parts)


class Lease:
    """A client of one supervisor, for any number of threads: a call has a connection for itself while it lasts.

    Connections are handed out per call, so there are never more than calls under way, and at most IDLE_LINKS between.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self._idle: list[socket.socket] = []
        self._closed = False
        self._lock = threading.Lock()

    @property
    def idle(self) -> int:
        """Connections that wait for the next call."""
        return len(self._idle)

    def _borrow(self) -> socket.socket:
        with self._lock:
            if self._idle:
                return self._idle.pop()
        link = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            link.connect(abstract(self.name))
        except OSError as error:
            link.close()
            raise LabGone(f"the lab {self.name} does not answer: {error}; it has ended or was never up") from None
        return link

    def _give_back(self, link: socket.socket) -> None:
        with self._lock:
            if not self._closed and len(self._idle) < IDLE_LINKS:
                self._idle.append(link)
                return
        link.close()

    def call(self, do: str, **arguments: Any) -> Any:
        """The supervisor's answer to one request; LabError when it refuses, LabGone when it is no more."""
        return self.call_with_descriptors(do, **arguments)[0]

    def call_with_descriptors(self, do: str, **arguments: Any) -> tuple[Any, list[int]]:
        """As call, with the file descriptors that came with the answer."""
        link = self._borrow()
        try:
            send(link, {"do": do, **arguments})
            answer = receive(link)
        except OSError as error:
            link.close()
            raise LabGone(f"the lab {self.name} is gone: {error}") from error
        except BaseException:
            link.close()  # interrupted between question and answer: the next caller must not get this answer
            raise
        if answer is None:
            link.close()
            raise LabGone(f"the lab {self.name} ended while it was asked to {do}")
        self._give_back(link)
        message, descriptors = answer
        if not message["ok"]:
            kind: type[Exception] = KINDS.get(message["kind"], LabError)
            raise kind(message["error"])
        return message.get("answer"), descriptors

    def close(self) -> None:
        """Close every connection; those of calls under way close with their call."""
        with self._lock:
            self._closed = True
            while self._idle:
                self._idle.pop().close()
